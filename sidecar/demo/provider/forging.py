"""Tokens that are signed as no provider should: the faults of a token's header and signature.

`keys` hands over what it would have signed. Each forgery spoils one thing, and the claims stay as they are.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from joserfc import jwe, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from joserfc.jws import JWSRegistry

from sidecar.demo.provider.faults import ELSEWHERE, OTHER_SUB, Fault

ALGORITHM = "RS256"

Header = dict[str, Any]

_HEADERS: dict[Fault, Header] = {
    Fault.UNKNOWN_KID: {"kid": "never-published"},
    Fault.ACCESS_TOKEN_TYP: {"typ": "at+jwt"},
    Fault.CRIT_HEADER: {"crit": ["http://elsewhere.invalid/must-understand"]},
    Fault.JKU_HEADER: {"jku": f"{ELSEWHERE}/jwks"},
    Fault.X5U_HEADER: {"x5u": f"{ELSEWHERE}/certificate"},
    Fault.X5C_HEADER: {"x5c": ["MIIB"]},
}
"""Members that a rightly signed header has beside its own, or in their place."""

_WITHOUT_KID = frozenset({Fault.NO_KID, Fault.NO_KID_MANY_KEYS})


def rsa_key() -> RSAKey:
    """A new signing key."""
    parameters = {"kid": secrets.token_urlsafe(9), "use": "sig", "alg": ALGORITHM}
    return RSAKey.generate_key(2048, parameters)  # type: ignore[arg-type]  # the library names its own dict


def more_keys(fault: Fault | None) -> list[dict[str, Any]]:
    """Keys that are published beside the right ones."""
    if fault is Fault.NO_KID_MANY_KEYS:
        return [dict(rsa_key().as_dict(private=False)) for _ in range(2)]
    if fault is Fault.ES256_BAD_SIGNATURE:
        key = ECKey.generate_key("P-256", {"kid": "curve", "use": "sig", "alg": "ES256"})
        return [dict(key.as_dict(private=False))]
    return []


def token(header: Header, claims: Mapping[str, Any], key: RSAKey, fault: Fault | None) -> str:
    """A compact JWS over the claims, perhaps spoiled."""
    if fault in _WITHOUT_KID:
        return signed({name: value for name, value in header.items() if name != "kid"}, claims, key)
    if fault in _HEADERS:
        return signed({**header, **_HEADERS[fault]}, claims, key)
    match fault:
        case Fault.ALG_NONE:
            return _signing_input({**header, "alg": "none"}, claims) + "."
        case Fault.HS256_WITH_PUBLIC_KEY:
            return _hmac(header, claims, key.as_pem(private=False))
        case Fault.HS256_BAD_SIGNATURE:
            return _hmac(header, claims, secrets.token_bytes(32))
        case Fault.ES256_BAD_SIGNATURE:
            # Under the id of a key that is published, made by another one.
            return _es256({**header, "kid": "curve"}, claims, ECKey.generate_key("P-256"))
        case Fault.BAD_SIGNATURE:
            return signed(header, claims, rsa_key())
        case Fault.JWK_HEADER:
            # An EC key: with an RSA one the header would be refused for its mere length.
            own = ECKey.generate_key("P-256")
            return _es256({**header, "jwk": own.as_dict(private=False)}, claims, own)
        case Fault.ENCRYPTED:
            return _encrypted(signed(header, claims, key))
        case Fault.DUPLICATE_CLAIM:
            return _twice(header, claims, key)
        case _:
            return signed(header, claims, key)


def signed(header: Header, claims: Mapping[str, Any], key: RSAKey) -> str:
    """Signed rightly, whatever the header says: no library signs what it does not understand."""
    return _rs256(_signing_input(header, claims), key)


def _rs256(text: str, key: RSAKey) -> str:
    signature = JWSRegistry.algorithms[ALGORITHM].sign(text.encode("ascii"), key)
    return f"{text}.{_base64url(signature)}"


def _twice(header: Header, claims: Mapping[str, Any], key: RSAKey) -> str:
    """The subject twice: the right one last, so that whoever takes the last value sees nothing."""
    members = f'{{"sub": "{OTHER_SUB}", {json.dumps(dict(claims))[1:]}'
    return _rs256(".".join(_base64url(part.encode()) for part in (json.dumps(header), members)), key)


def _es256(header: Header, claims: Mapping[str, Any], key: ECKey) -> str:
    return jwt.encode({**header, "alg": "ES256"}, dict(claims), key, algorithms=["ES256"])


def _hmac(header: Header, claims: Mapping[str, Any], secret: bytes) -> str:
    text = _signing_input({**header, "alg": "HS256"}, claims)
    return f"{text}.{_base64url(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def _encrypted(text: str) -> str:
    """A nested token (RFC 7519, section 3), for a key that nobody else has."""
    header = {"alg": "dir", "enc": "A256GCM", "cty": "JWT"}
    return jwe.encrypt_compact(header, text.encode(), OctKey.generate_key(256))


def _signing_input(header: Header, claims: Mapping[str, Any]) -> str:
    return ".".join(_base64url(json.dumps(part).encode()) for part in (header, dict(claims)))


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
