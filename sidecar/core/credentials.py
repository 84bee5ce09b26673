"""What kind of machine credential an `Authorization` field carries (D6). Looks at its form only; proves nothing."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Collection

_FIELD = re.compile(r"(?P<scheme>[!#$%&'*+.^_`|~0-9A-Za-z-]+)(?: +(?P<rest>[\x21-\x7e][\x20-\x7e]*))?")
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_MAX_PAYLOAD = 16_384
_BEGINNING = 28
"""Characters that hold the number of a personal access token."""


def credential_kind(authorization: str, issuers: Collection[str]) -> str:
    """One of `basic`, `pat`, `oauth1`, `oauth2`, `jwt_of_provider`, `unknown`.

    Args:
        authorization: The whole field value (RFC 9110, section 11.6.2).
        issuers: Issuers of our providers, and ours: a Bearer value that is a JWT of one of them is never an opaque
            token of the product. One whose issuer cannot be read is `unknown`.
    """
    found = _FIELD.fullmatch(authorization)
    if found is None or found["rest"] is None:
        return "unknown"
    scheme, rest = found["scheme"].lower(), found["rest"].strip()
    if scheme == "basic":
        return "basic"
    if scheme == "oauth":
        return "oauth1"
    if scheme != "bearer" or _BEARER.fullmatch(rest) is None:  # RFC 6750, section 2.1
        return "unknown"
    if rest.count(".") == 2:
        issuer = _issuer(rest)
        if issuer is None:
            return "unknown"
        return "jwt_of_provider" if issuer in issuers else "oauth2"
    return "pat" if _is_personal_access_token(rest) else "oauth2"


def jwt_of(authorization: str) -> tuple[str, str] | None:
    """The JWT in a Bearer field and the issuer that it claims; None if the field holds none. Proves nothing."""
    found = _FIELD.fullmatch(authorization)
    if found is None or found["rest"] is None or found["scheme"].lower() != "bearer":
        return None
    token = found["rest"].strip()
    issuer = _issuer(token) if _BEARER.fullmatch(token) and token.count(".") == 2 else None
    return (token, issuer) if issuer else None


def _is_personal_access_token(value: str) -> bool:
    """Atlassian's tokens are base64 of `<number>:<random bytes>`.

    Read as leniently as any decoder does: nobody makes a token one of another kind by spelling it otherwise.
    """
    plain = _NOT_BASE64.sub("", value[:_MAX_PAYLOAD].replace("-", "+").replace("_", "/"))[:_BEGINNING]
    decoded = _decode(plain[:-1] if len(plain) % 4 == 1 else plain)
    return decoded is not None and re.match(rb"[0-9]{4,20}:", decoded) is not None


def _issuer(token: str) -> str | None:
    """What a JWT says of its issuer, "" if nothing; None if it cannot be read, so nobody can say whose it is."""
    payload = _decode(token.split(".")[1].replace("-", "+").replace("_", "/"))
    if payload is None:
        return None
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    issuer = claims.get("iss", "") if isinstance(claims, dict) else None
    return issuer if isinstance(issuer, str) else None


def _decode(value: str) -> bytes | None:
    if len(value) > _MAX_PAYLOAD:
        return None
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
