"""The signing keys of one run and the tokens that are signed with them.

`RSA` keys are made when the provider starts and are gone when it stops.
Faults of the signature and of the header are made here, since they need the keys.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from sidecar.demo.provider.faults import Fault

ALGORITHM = "RS256"


class SigningKeys:
    """One key that signs, and the ones that signed before."""

    def __init__(self) -> None:
        self._current = _new_key()
        self._published = [self._current]
        self._retired: list[RSAKey] = []

    @property
    def kid(self) -> str:
        """The id of the key that signs now."""
        return str(self._current.kid)

    def rotate(self, *, keep_old: bool = True) -> str:
        """Sign with a new key from now on and give its id.

        The old keys stay published unless `keep_old` is false, as after a key was lost.
        """
        self._retired.append(self._current)
        self._current = _new_key()
        self._published = [self._current, *(self._published if keep_old else ())]
        return self.kid

    def public(self) -> list[dict[str, Any]]:
        """The published keys as JSON objects (RFC 7517)."""
        return [dict(key.as_dict(private=False)) for key in self._published]

    def sign(self, claims: Mapping[str, Any], typ: str, fault: Fault | None = None) -> str:
        """A compact JWS over the claims, perhaps spoiled."""
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": typ}
        match fault:
            case Fault.ALG_NONE:
                return _signing_input({**header, "alg": "none"}, claims) + "."
            case Fault.HS256_WITH_PUBLIC_KEY:
                return self._hmac_with_public_key({**header, "alg": "HS256"}, claims)
            case Fault.BAD_SIGNATURE:
                return _encode(header, claims, _new_key())
            case Fault.JWK_HEADER:
                return _with_own_key(header, claims)
            case Fault.NO_KID:
                return _encode({"alg": ALGORITHM, "typ": typ}, claims, self._current)
            case Fault.UNKNOWN_KID:
                return _encode({**header, "kid": "never-published"}, claims, self._current)
            case Fault.ACCESS_TOKEN_TYP:
                return _encode({**header, "typ": "at+jwt"}, claims, self._current)
            case _:
                return _encode(header, claims, self._current)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this run signed, expired or not; else `None`."""
        keys = KeySet([self._current, *self._retired])
        try:
            return dict(jwt.decode(token, keys, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError):
            return None

    def _hmac_with_public_key(self, header: dict[str, Any], claims: Mapping[str, Any]) -> str:
        text = _signing_input(header, claims)
        secret = self._current.as_pem(private=False)
        return f"{text}.{_base64url(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def at_hash(access_token: str) -> str:
    """The left half of the token's SHA-256 (OpenID Connect Core 1.0, section 3.1.3.6)."""
    return _base64url(hashlib.sha256(access_token.encode("ascii")).digest()[:16])


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier (RFC 7636, section 4.2)."""
    return _base64url(hashlib.sha256(verifier.encode("utf-8")).digest())


def _new_key() -> RSAKey:
    parameters = {"kid": secrets.token_urlsafe(9), "use": "sig", "alg": ALGORITHM}
    return RSAKey.generate_key(2048, parameters)  # type: ignore[arg-type]


def _with_own_key(header: dict[str, Any], claims: Mapping[str, Any]) -> str:
    """Signed by a key that comes along in the header.

    It is an EC key: with an RSA one the header would be refused for its mere length.
    """
    key = ECKey.generate_key("P-256")
    embedded = {**header, "alg": "ES256", "jwk": key.as_dict(private=False)}
    return jwt.encode(embedded, dict(claims), key, algorithms=["ES256"])


def _encode(header: dict[str, Any], claims: Mapping[str, Any], key: RSAKey) -> str:
    return jwt.encode(header, dict(claims), key, algorithms=[ALGORITHM])


def _signing_input(header: dict[str, Any], claims: Mapping[str, Any]) -> str:
    return ".".join(_base64url(json.dumps(part).encode()) for part in (header, dict(claims)))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
