"""Whether the identity header may be believed: the receiver's check. Called by `recognise.py`."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping

from aiohttp import ClientError, ClientSession, ClientTimeout
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sidecar.demo.jira.settings import AnyProof, NoProof, SharedSecret, SignedAssertion

_REFETCH_AFTER = 1.0  # seconds: a forged key id must not make one fetch per request


class Prover:
    """Checks the proof beside the identity header; holds the fetched keys of the assertion."""

    def __init__(self, proof: SharedSecret | SignedAssertion | NoProof | AnyProof | None) -> None:
        """None believes nobody."""
        self._proof = proof
        self._keys: KeySet | None = None
        self._fetched_at = 0.0

    async def holds(self, username: str, headers: Mapping[str, str]) -> bool:
        """Whether the request's headers prove this username."""
        match self._proof:
            case None:
                return False
            case NoProof():
                return True
            case AnyProof(header=header):
                return bool(headers.get(header))
            case SharedSecret(value=value, header=header):
                return hmac.compare_digest(_octets(headers.get(header, "")), _octets(value))
            case SignedAssertion() as rule:
                token = headers.get(rule.header, "")
                return bool(token) and await self._signed(rule, token, username)

    async def _signed(self, rule: SignedAssertion, token: str, username: str) -> bool:
        for fresh in (False, True):
            keys = await self._key_set(rule, fresh)
            if keys is None:
                return False
            try:
                claims = jwt.decode(token, keys, algorithms=["Ed25519"]).claims
            except (JoseError, ValueError):
                # The key may be newer than ours: fetch once more, then give up.
                continue
            return _fits(rule, claims, username)
        return False

    async def _key_set(self, rule: SignedAssertion, fresh: bool) -> KeySet | None:
        now = time.monotonic()
        if self._keys is None or (fresh and now - self._fetched_at > _REFETCH_AFTER):
            self._fetched_at = now
            try:
                found = await (_fetch(rule.keys) if isinstance(rule.keys, str) else rule.keys())
                self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]  # what it is not is told below
            except (JoseError, ClientError, TimeoutError, ValueError, KeyError):
                return None
        return self._keys


async def _fetch(url: str) -> dict[str, object]:
    async with (
        ClientSession(timeout=ClientTimeout(total=5)) as client,
        client.get(url) as answer,
    ):
        answer.raise_for_status()
        found: dict[str, object] = await answer.json(content_type=None)
        return found


def _fits(rule: SignedAssertion, claims: dict[str, object], username: str) -> bool:
    registry = jwt.JWTClaimsRegistry(
        now=lambda: int(time.time()),
        leeway=rule.leeway,
        iss={"essential": True, "value": rule.issuer},
        aud={"essential": True, "value": rule.audience},
        sub={"essential": True, "value": username},
        exp={"essential": True},
        iat={"essential": True},
    )
    try:
        registry.validate(claims)
    except JoseError:
        return False
    issued, expires = claims["iat"], claims["exp"]
    return isinstance(issued, int) and isinstance(expires, int) and expires - issued <= rule.longest_life


def _octets(text: str) -> bytes:
    # Header bytes that are no UTF-8 arrive as lone surrogates.
    return text.encode("utf-8", "surrogateescape")
