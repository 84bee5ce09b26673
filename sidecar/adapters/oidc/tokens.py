"""From the text of a token to its verified header and claims (RFC 7515; RFC 7519).

`provider` calls `read_header`, finds keys by it, and calls `verify`. What the claims say is judged in `core.tokens`.
Rule: our own algorithm list decides, before any key is tried, and one key of ours made the signature.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from sidecar.adapters.oidc.http import parse_object
from sidecar.adapters.oidc.keys import SigningKey
from sidecar.core.issuers import named_issuer
from sidecar.core.tokens import TokenFault

LONGEST_TOKEN = 256 * 1024
"""Characters. 200 groups of Entra ID make 11 000."""

LONGEST_HEADER = 2_048
"""Characters, encoded."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token whose header is readable and names one of our algorithms; nothing of it is proven."""

    text: str = field(repr=False)
    header: Mapping[str, object]
    algorithm: str
    kid: str | None


class _Registry(JWSRegistry):
    max_header_length = LONGEST_HEADER
    max_payload_length = LONGEST_TOKEN


def read_header(token: str, algorithms: tuple[str, ...]) -> UnverifiedToken:
    """Look at the header only.

    Raises:
        TokenFault: It is not a compact JWS, or its algorithm is not one of *algorithms*.
    """
    parts = token.split(".") if len(token) <= LONGEST_TOKEN else []
    # Five parts would be an encrypted token; we never asked for one.
    if len(parts) != 3 or not all(parts) or len(parts[0]) > LONGEST_HEADER:
        raise TokenFault("the token is not a compact JWS, or too long")
    header = _decode(parts[0], "header")
    algorithm, kid = header.get("alg"), header.get("kid")
    if not (isinstance(algorithm, str) and algorithm in algorithms):
        raise TokenFault(f"alg is none of {', '.join(algorithms)}")
    if not (kid is None or isinstance(kid, str)):
        raise TokenFault("kid is not text")
    return UnverifiedToken(token, header, algorithm, kid)


def verify(token: UnverifiedToken, keys: Iterable[SigningKey]) -> Mapping[str, object] | None:
    """The claims, if one of *keys* made the signature; else None.

    Raises:
        TokenFault: The signature is good and the claims are not a JSON object, or the token cannot be read at all.
    """
    # Unknown header members are ignored (RFC 7515, section 4); ADFS and Entra ID send some.
    registry = _Registry(algorithms=[token.algorithm], strict_check_header=False)
    for candidate in keys:
        if token.algorithm not in candidate.algorithms:
            continue
        try:
            jws.deserialize_compact(token.text, candidate.key, registry=registry)
        except (JoseError, ValueError, TypeError):
            continue
        claims = _decode(token.text.split(".")[1], "claims")
        if candidate.issuer is not None and claims.get("iss") != named_issuer(candidate.issuer, claims):
            raise TokenFault("the key that made the signature is another issuer's")
        return claims
    return None


def _decode(part: str, what: str) -> Mapping[str, object]:
    try:
        raw = base64.b64decode(part.encode("ascii") + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)
        # Two readers of a name that stands twice may see two values (RFC 7519, section 4; RFC 7515, section 4).
        return parse_object(raw, names_once=True)
    except (ValueError, binascii.Error):
        raise TokenFault(f"the {what} of the token are not one JSON object in base64url, each name once") from None
