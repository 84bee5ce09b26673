"""The signing keys of one run and the tokens that are signed with them.

`RSA` keys are made when the provider starts and are gone when it stops.
Faults of the signature and of the header are made by `forging`.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from sidecar.demo.provider import forging
from sidecar.demo.provider.faults import Fault
from sidecar.demo.provider.forging import ALGORITHM


class SigningKeys:
    """One key that signs, and the ones that signed before."""

    def __init__(self) -> None:
        self._current = forging.rsa_key()
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
        self._current = forging.rsa_key()
        self._published = [self._current, *(self._published if keep_old else ())]
        return self.kid

    def public(self, fault: Fault | None = None) -> list[dict[str, Any]]:
        """The published keys as JSON objects (RFC 7517), perhaps with more than there should be."""
        return [*(dict(key.as_dict(private=False)) for key in self._published), *forging.more_keys(fault)]

    def sign(self, claims: Mapping[str, Any], typ: str, fault: Fault | None = None) -> str:
        """A compact JWS over the claims, perhaps spoiled."""
        if fault is Fault.KEY_CHANGED_BEFORE_SIGNING:
            self.rotate()
        return forging.token({"alg": ALGORITHM, "kid": self.kid, "typ": typ}, claims, self._current, fault)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that this run signed, expired or not; else `None`."""
        keys = KeySet([self._current, *self._retired])
        try:
            return dict(jwt.decode(token, keys, algorithms=[ALGORITHM]).claims)
        except (JoseError, ValueError):
            return None


def at_hash(access_token: str) -> str:
    """The left half of the token's SHA-256 (OpenID Connect Core 1.0, section 3.1.3.6)."""
    return _base64url(hashlib.sha256(access_token.encode("ascii")).digest()[:16])


def s256(verifier: str) -> str:
    """The PKCE challenge of a verifier (RFC 7636, section 4.2)."""
    return _base64url(hashlib.sha256(verifier.encode("utf-8")).digest())


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
