"""ID tokens for the product's own OpenID client: RS256, for a minute or two. Used by `web.landing_provider`."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import RSAKey

from sidecar.adapters.landing.rsa_keys import derive
from sidecar.core.grants import Grant, id_token_claims
from sidecar.domain.identity import UnixSeconds

ALGORITHM = "RS256"


class IdTokens:
    """Signs with the first key; the public halves of all are published, so that a change of keys loses nobody."""

    def __init__(self, keys: Sequence[RSAKey]) -> None:
        self._keys = tuple(keys)

    def renew(self, keys: Sequence[RSAKey]) -> None:
        """From now on *keys*."""
        self._keys = tuple(keys)

    def sign(self, grant: Grant, now: UnixSeconds) -> str:
        """What *grant* says, as a compact JWT."""
        key = self._keys[0]
        header = {"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}
        return jwt.encode(header, id_token_claims(grant, now), key, algorithms=[ALGORITHM])

    def keys(self) -> dict[str, object]:
        """The public keys as a JWK set (RFC 7517)."""
        return {"keys": [key.as_dict(private=False) for key in self._keys]}


def landing_keys(secrets: Sequence[str]) -> tuple[RSAKey, ...]:
    """One key for each cookie key, the first in force first. Each takes some tenths of a second."""
    return tuple(_as_jwk(secret) for secret in secrets)


def _as_jwk(secret: str) -> RSAKey:
    pem = derive(secret, "landing/id-token").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key = RSAKey.import_key(pem, {"use": "sig", "alg": ALGORITHM})
    return RSAKey.import_key(pem, {"use": "sig", "alg": ALGORITHM, "kid": key.thumbprint()[:16]})
