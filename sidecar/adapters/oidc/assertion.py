"""Who we are, proven with a private key: `private_key_jwt` (RFC 7523; OIDC Core 1.0, section 9).

`client` asks for one assertion per call. Each has an id of its own and lives a minute, so that one which leaks is of no
use to anybody.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from sidecar.domain.identity import UnixSeconds

LIFE = 60
"""Seconds."""

KIND = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SMALLEST_RSA = 2048
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class UnusableKeyError(ValueError):
    """The key cannot prove who we are. The text says why, and has no key material."""


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A private key of ours.

    Attributes:
        kid: Its id, as the provider knows it, or None.
        thumbprint: SHA-1 of its certificate in base64url, for providers that find keys by it (`x5t`), or None.
    """

    algorithm: str
    key: RSAKey | ECKey | OKPKey = field(repr=False)
    kid: str | None = None
    thumbprint: str | None = None

    def assertion(self, client_id: str, audience: str, now: UnixSeconds) -> str:
        """A proof for one call to *audience*."""
        header = {"alg": self.algorithm, "typ": "JWT"}
        if self.kid is not None:
            header["kid"] = self.kid
        if self.thumbprint is not None:
            header["x5t"] = self.thumbprint
        claims = {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "jti": secrets.token_urlsafe(24),
            "iat": now,
            "exp": now + LIFE,
        }
        registry = JWSRegistry(algorithms=[self.algorithm], strict_check_header=False)
        return jwt.encode(header, claims, self.key, registry=registry)


def read_client_key(pem: str, kid: str | None = None, thumbprint: str | None = None) -> ClientKey:
    """The key in *pem* (PKCS #8 or the older shapes, without a password).

    Raises:
        UnusableKeyError: There is none that we could use.
    """
    try:
        private = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKeyError("holds no private key in PEM without a password") from None
    plain = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    match private:
        case RSAPrivateKey(key_size=size):
            if size < SMALLEST_RSA:
                raise UnusableKeyError(f"holds an RSA key of {size} bits; {SMALLEST_RSA} are the least")
            return ClientKey("RS256", RSAKey.import_key(plain), kid, thumbprint)
        case EllipticCurvePrivateKey(curve=curve) if curve.name in _CURVES:
            return ClientKey(_CURVES[curve.name], ECKey.import_key(plain), kid, thumbprint)
        case Ed25519PrivateKey():
            return ClientKey("EdDSA", OKPKey.import_key(plain), kid, thumbprint)
        case _:
            raise UnusableKeyError("holds a key that is neither RSA, nor P-256, P-384 or P-521, nor Ed25519")
