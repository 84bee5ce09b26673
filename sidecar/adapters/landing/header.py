"""Landing by trusted header with a proof (D8): a shared secret, or a short-lived signed assertion.

The header alone convinces nobody who checks the proof; a receiver that does not is named in docs/landing.md.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import OKPKey

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import or_well, unknown
from sidecar.core.doctor.landings import NOBODY_TO_BE, judge_forged, judge_proof
from sidecar.core.kept import Kept, kept
from sidecar.core.served import served
from sidecar.domain.finding import Check, Finding
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session
from sidecar.flows.examined import Examined
from sidecar.flows.landing import Keep
from sidecar.flows.streaming import AnswerHead, Fields

REMEMBERED = 10_000
"""Assertions that are remembered at most."""

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretProof:
    """A shared secret in a header of its own; the receiver compares it in constant time."""

    header: str
    secret: str
    _fields: Fields = field(init=False, repr=False)

    def fields(self, username: str, session: Session, now: UnixSeconds) -> Fields:
        """The header with the secret."""
        return self._fields

    def proves(self, username: str, now: UnixSeconds) -> Fields:
        """The same for nobody's session."""
        return self._fields

    def forgeries(self, username: str, now: UnixSeconds) -> Iterator[tuple[str, Fields]]:
        """What somebody would send who does not know the secret, with its name."""
        yield "a made-up secret", ((self.header.encode(), secrets.token_urlsafe(32).encode()),)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_fields", ((self.header.encode(), self.secret.encode()),))

    def keys(self) -> dict[str, object]:
        """There is nothing to publish."""
        return {"keys": []}


@dataclass(slots=True, kw_only=True)
class AssertionProof:
    """A JWT signed with Ed25519 (RFC 8037; `alg` as RFC 9864 names it) that names issuer, audience and username.

    Attributes:
        private: The first key signs; all public keys are published, so that a change of keys loses nobody.
        life: Seconds; one assertion serves the requests of a session for a third of that.
    """

    header: str
    issuer: str
    audience: str
    private: tuple[OKPKey, ...]
    life: int = 60
    _made: dict[tuple[str, str], tuple[float, Fields]] = field(
        default_factory=lambda: kept("assertions", Kept(), REMEMBERED)
    )

    def fields(self, username: str, session: Session, now: UnixSeconds) -> Fields:
        """The header with the assertion: signing costs a tenth of a millisecond, so it is remembered for a while."""
        made = self._made.get((session.key, username))
        if made is not None and time.monotonic() < made[0]:
            return made[1]
        if len(self._made) >= REMEMBERED:
            self._made.clear()
        fields = ((self.header.encode(), self._sign(username, now, self.private[0])),)
        self._made[session.key, username] = (time.monotonic() + self.life / 3, fields)
        return fields

    def keys(self) -> dict[str, object]:
        """The public keys as a JWK set."""
        return {"keys": [key.as_dict(private=False) for key in self.private]}

    def proves(self, username: str, now: UnixSeconds) -> Fields:
        """A fresh assertion for nobody's session."""
        return ((self.header.encode(), self._sign(username, now, self.private[0])),)

    def forgeries(self, username: str, now: UnixSeconds) -> Iterator[tuple[str, Fields]]:
        """What somebody would send who has another key, or an assertion for another person or place, or an old one."""
        header = self.header.encode()
        other = _as_jwk(Ed25519PrivateKey.generate())
        yield "an assertion by another key", ((header, self._sign(username, now, other)),)
        own = self.private[0]
        yield "an assertion for somebody else", ((header, self._sign(f"{username}-other", now, own)),)
        elsewhere = self._sign(username, now, own, audience=f"{self.audience}-other")
        yield "an assertion for another application", ((header, elsewhere),)
        yield "an assertion of yesterday", ((header, self._sign(username, UnixSeconds(now - _DAY), own)),)

    def _sign(self, username: str, now: UnixSeconds, key: OKPKey, audience: str = "") -> bytes:
        claims = {
            "iss": self.issuer,
            "aud": audience or self.audience,
            "sub": username,
            "iat": now,
            "exp": now + self.life,
        }
        header = {"alg": "Ed25519", "kid": key.kid, "typ": "JWT"}
        return jwt.encode(header, claims, key, algorithms=["Ed25519"]).encode()


class HeaderLanding:
    """Implements `flows.landing.Landing`."""

    def __init__(self, header: str, proof: SecretProof | AssertionProof, user_header: str) -> None:
        self._header = header.encode()
        self._proof = proof
        self._user_header = user_header.lower().encode()
        self._known: dict[str, tuple[Fields, str, Fields]] = kept("landing_fields", Kept(), REMEMBERED)

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> Fields:
        """The username and its proof on every request: nothing is held at the application for us."""
        return self.at_hand(session, username, node, now)

    def at_hand(self, session: Session, username: str, node: str, now: UnixSeconds) -> Fields:
        """The same: there is nothing to wait for. As long as the proof is the same object, so is the whole."""
        proof = self._proof.fields(username, session, now)
        known = self._known.get(session.key)
        if known is not None and known[0] is proof and known[1] == username:
            return known[2]
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        fields = ((self._header, username.encode()), *proof)
        self._known[session.key] = (proof, username, fields)
        return fields

    def check(self, session: Session, username: str, node: str, head: AnswerHead) -> Reason:
        """Compare with the product's own header; it is an alarm, not the guard, and absent on many answers."""
        named = head.noted(self._user_header)
        if named is None:
            return Reason.OK
        return served(named, username)

    def lost(self, session: Session, username: str, node: str, sent: Jar) -> bool:
        """The header went with the request already: sending it again says nothing new."""
        return False

    async def end(self, session: Session) -> None:
        """The application's cookies went with the session; nothing else was established."""

    def renew(self, proof: SecretProof | AssertionProof) -> None:
        """From now on *proof*."""
        self._proof = proof

    def keys(self) -> dict[str, object]:
        """What receivers check assertions with."""
        return self._proof.keys()

    async def findings(self, examined: Examined) -> Sequence[Finding]:
        """See the port: forged requests are tried, and our own proof."""
        name, now = examined.account, examined.now
        if not name:
            return [unknown(Check.LANDING, "there is nobody to pretend to be", NOBODY_TO_BE)]
        ask, claim = examined.asks.served, (self._header, name.encode())
        header = self._header.decode()
        found = judge_forged(kinds.LANDING_WITHOUT_PROOF, name, await ask((claim,)), f"{header} without a proof")
        if not found:
            for what, fields in self._proof.forgeries(name, now):
                found += judge_forged(
                    kinds.LANDING_FORGED_PROOF, name, await ask((claim, *fields)), f"{header} with {what}"
                )
        found += judge_proof(name, await ask((claim, *self._proof.proves(name, now))))
        return or_well(found, Check.LANDING, f"{header} is believed with our proof, and not without")


def signing_keys(secrets: tuple[str, ...], application: str) -> tuple[OKPKey, ...]:
    """Ed25519 keys derived from the cookie keys (HKDF, RFC 5869), one each: they rotate with them and survive a
    restart without being stored anywhere."""
    return tuple(_signing_key(secret, application) for secret in secrets)


def imported_key(pem: str) -> OKPKey:
    """The site's own key; `config.checks` has seen that it is Ed25519."""
    private = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("the assertion key is no private Ed25519 key")
    return _as_jwk(private)


def _signing_key(secret: str, application: str) -> OKPKey:
    seed = HKDF(SHA256(), 32, b"lychgate", f"assertion/{application}".encode()).derive(secret.encode())
    return _as_jwk(Ed25519PrivateKey.from_private_bytes(seed))


def _as_jwk(private: Ed25519PrivateKey) -> OKPKey:
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    kid = HKDF(SHA256(), 8, b"lychgate", b"kid").derive(public).hex()
    return OKPKey.import_key(pem, {"use": "sig", "alg": "Ed25519", "kid": kid})
