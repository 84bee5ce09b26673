"""What the demo provider does wrong when it is told to, one fault at a time.

Tests set `provider.fault`; the endpoints pass what they are about to send through here.
Each fault spoils one thing and leaves the rest right, so that one check of the client must
catch it. With no fault every function here gives back what it was given.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

ELSEWHERE = "https://elsewhere.invalid"
OTHER_CLIENT = "another-client"
OTHER_SUB = "another-sub"
HUGE_BYTES = 8 * 1024 * 1024

Claims = dict[str, Any]


class Fault(Enum):
    """The faults. Those of tokens spoil the ID token and, where it has the claim, the logout token.

    `NO_KID`, `NO_KID_MANY_KEYS`, `KEY_CHANGED_BEFORE_SIGNING`, `JWKS_ONE_BAD_KEY`, `MISSING_AT_HASH`,
    `DISCOVERY_MTLS_ALIASES`, `USERINFO_SIGNED`, `KEEPS_REFRESH_TOKEN` and the `GROUPS_*` ones are lawful; so is
    `NO_ID_TOKEN`, in a refresh. Real providers do them.
    """

    ALG_NONE = auto()
    HS256_WITH_PUBLIC_KEY = auto()
    BAD_SIGNATURE = auto()
    NO_KID = auto()
    UNKNOWN_KID = auto()
    JWK_HEADER = auto()
    ACCESS_TOKEN_TYP = auto()
    NO_KID_MANY_KEYS = auto()
    KEY_CHANGED_BEFORE_SIGNING = auto()
    HS256_BAD_SIGNATURE = auto()
    ES256_BAD_SIGNATURE = auto()
    CRIT_HEADER = auto()
    JKU_HEADER = auto()
    X5U_HEADER = auto()
    X5C_HEADER = auto()
    ENCRYPTED = auto()
    DUPLICATE_CLAIM = auto()

    WRONG_AUD = auto()
    WRONG_ISSUER = auto()
    WRONG_NONCE = auto()
    MISSING_NONCE = auto()
    MISSING_IAT = auto()
    MISSING_SUB = auto()
    EXPIRED = auto()
    FUTURE_IAT = auto()
    WRONG_AT_HASH = auto()
    MULTIPLE_AUD_NO_AZP = auto()
    OTHER_AZP = auto()
    MISSING_AUD = auto()
    EMPTY_AUD = auto()
    MISSING_ISSUER = auto()
    MISSING_EXP = auto()
    EXP_BEYOND_TIME = auto()
    OTHER_SUB = auto()
    EMPTY_SUB = auto()
    MISSING_AT_HASH = auto()

    GROUPS_ONLY_IN_USERINFO = auto()
    GROUPS_MISSING = auto()
    GROUPS_STRING = auto()
    GROUPS_OVERAGE_ENTRA = auto()
    GROUPS_AGGREGATED = auto()
    USERINFO_OTHER_SUB = auto()
    USERINFO_MISSING_SUB = auto()
    USERINFO_SIGNED = auto()
    USERINFO_401 = auto()

    DISCOVERY_OTHER_ISSUER = auto()
    DISCOVERY_FOREIGN_ENDPOINT = auto()
    DISCOVERY_WITHOUT_JWKS_URI = auto()
    DISCOVERY_MTLS_ALIASES = auto()
    JWKS_EMPTY = auto()
    JWKS_500 = auto()
    JWKS_ONE_BAD_KEY = auto()

    TOKEN_500 = auto()
    TOKEN_SLOW = auto()
    TOKEN_NOT_JSON = auto()
    TOKEN_HUGE = auto()
    TOKEN_REFLECTS = auto()
    EMPTY_ID_TOKEN = auto()
    NO_ID_TOKEN = auto()
    KEEPS_REFRESH_TOKEN = auto()

    RESPONSE_WITHOUT_ISS = auto()
    RESPONSE_OTHER_ISS = auto()

    LOGOUT_WITH_NONCE = auto()
    LOGOUT_WITHOUT_EVENT = auto()


def _setting(**values: object) -> Callable[[Claims], Claims]:
    return lambda claims: {**claims, **values}


def _without(name: str) -> Callable[[Claims], Claims]:
    return lambda claims: {key: value for key, value in claims.items() if key != name}


def _moved(seconds: int) -> Callable[[Claims], Claims]:
    """The same token, made that much later; `auth_time` stays."""
    return lambda claims: {
        **claims,
        "iat": claims["iat"] + seconds,
        "exp": claims["exp"] + seconds,
    }


_CLAIMS: dict[Fault, Callable[[Claims], Claims]] = {
    Fault.WRONG_AUD: _setting(aud=OTHER_CLIENT),
    Fault.WRONG_ISSUER: _setting(iss=ELSEWHERE),
    Fault.MISSING_IAT: _without("iat"),
    Fault.MISSING_SUB: _without("sub"),
    Fault.EXPIRED: _moved(-86_400),
    Fault.FUTURE_IAT: _moved(+86_400),
    Fault.MULTIPLE_AUD_NO_AZP: lambda claims: {
        **_without("azp")(claims),
        "aud": [claims["aud"], OTHER_CLIENT],
    },
    Fault.MISSING_AUD: _without("aud"),
    Fault.EMPTY_AUD: _setting(aud=[]),
    Fault.MISSING_ISSUER: _without("iss"),
    Fault.MISSING_EXP: _without("exp"),
    # Right JSON, and no number of seconds: `int()` of it is a number with 300 digits.
    Fault.EXP_BEYOND_TIME: _setting(exp=1e300),
    Fault.OTHER_SUB: _setting(sub=OTHER_SUB),
    Fault.EMPTY_SUB: _setting(sub=""),
}

_ID_TOKEN_ONLY: dict[Fault, Callable[[Claims], Claims]] = {
    Fault.WRONG_NONCE: _setting(nonce="a-nonce-that-nobody-asked-for"),
    Fault.MISSING_NONCE: _without("nonce"),
    # Well formed and of the right length, but the hash of another token.
    Fault.WRONG_AT_HASH: _setting(at_hash="A" * 22),
    Fault.OTHER_AZP: _setting(azp=OTHER_CLIENT),
    Fault.MISSING_AT_HASH: _without("at_hash"),
}

_LOGOUT_TOKEN_ONLY: dict[Fault, Callable[[Claims], Claims]] = {
    Fault.LOGOUT_WITH_NONCE: _setting(nonce="a-nonce-in-a-logout-token"),
    Fault.LOGOUT_WITHOUT_EVENT: _without("events"),
}


def id_token_claims(fault: Fault | None, claims: Claims) -> Claims:
    """The claims of an ID token, perhaps spoiled."""
    return _bent(fault, {**_CLAIMS, **_ID_TOKEN_ONLY}, claims)


def logout_token_claims(fault: Fault | None, claims: Claims) -> Claims:
    """The claims of a logout token, perhaps spoiled."""
    return _bent(fault, {**_CLAIMS, **_LOGOUT_TOKEN_ONLY}, claims)


def _bent(fault: Fault | None, table: dict[Fault, Callable[[Claims], Claims]], claims: Claims) -> Claims:
    bend = None if fault is None else table.get(fault)
    return claims if bend is None else bend(claims)


def id_token_groups(fault: Fault | None, claims: Claims) -> Claims:
    """A person's claims on their way into an ID token."""
    if fault is Fault.GROUPS_ONLY_IN_USERINFO:
        return _without("groups")(claims)
    if fault is Fault.GROUPS_OVERAGE_ENTRA:
        return {
            **_without("groups")(claims),
            "_claim_names": {"groups": "src1"},
            "_claim_sources": {"src1": {"endpoint": f"{ELSEWHERE}/users/1/getMemberObjects"}},
        }
    if fault is Fault.GROUPS_AGGREGATED:
        return _aggregated(claims)
    return _groups_anywhere(fault, claims)


def _aggregated(claims: Claims) -> Claims:
    """The groups in a token of somebody else's (OpenID Connect Core 1.0, section 5.6.2), which nobody vouches for."""
    token = f"{_base64url({'alg': 'none'})}.{_base64url({'groups': claims.get('groups', [])})}."
    return {
        **_without("groups")(claims),
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"JWT": token}},
    }


def _base64url(part: Claims) -> str:
    return urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode("ascii")


def userinfo_claims(fault: Fault | None, claims: Claims) -> Claims:
    """The answer of the userinfo endpoint. Entra's one knows no groups at all."""
    if fault is Fault.USERINFO_OTHER_SUB:
        return {**claims, "sub": OTHER_SUB}
    if fault is Fault.USERINFO_MISSING_SUB:
        return _without("sub")(claims)
    if fault is Fault.GROUPS_AGGREGATED:
        return _aggregated(claims)
    if fault is Fault.GROUPS_OVERAGE_ENTRA:
        return _without("groups")(claims)
    return _groups_anywhere(fault, claims)


def _groups_anywhere(fault: Fault | None, claims: Claims) -> Claims:
    if fault is Fault.GROUPS_MISSING:
        return _without("groups")(claims)
    if fault is Fault.GROUPS_STRING:
        return {**claims, "groups": ",".join(claims.get("groups", ()))}
    return claims


def discovery(fault: Fault | None, document: Claims) -> Claims:
    """The discovery document, perhaps with another issuer, endpoints elsewhere, or without what must be there."""
    if fault is Fault.ALG_NONE:
        # What makes libraries that follow the provider's own list accept such a token.
        return {
            **document,
            "id_token_signing_alg_values_supported": [*document["id_token_signing_alg_values_supported"], "none"],
        }
    if fault is Fault.DISCOVERY_WITHOUT_JWKS_URI:
        return _without("jwks_uri")(document)
    if fault is Fault.DISCOVERY_MTLS_ALIASES:
        # For clients with a certificate of their own (RFC 8705, section 5); others go on to the ordinary ones.
        return {**document, "mtls_endpoint_aliases": {"token_endpoint": f"{ELSEWHERE}/token"}}
    if fault is Fault.DISCOVERY_OTHER_ISSUER:
        return {**document, "issuer": ELSEWHERE}
    if fault is Fault.DISCOVERY_FOREIGN_ENDPOINT:
        return {**document, "token_endpoint": f"{ELSEWHERE}/token"}
    return document


def jwks(fault: Fault | None, keys: list[Claims]) -> list[Claims]:
    """The published keys: perhaps none, or with one in front that no library can read."""
    if fault is Fault.JWKS_EMPTY:
        return []
    if fault is not Fault.JWKS_ONE_BAD_KEY:
        return keys
    bad = {"kty": "EC", "crv": "P-000", "x": "AA", "y": "AA", "kid": "bad", "use": "sig"}
    return [bad, *keys]


def response_parameters(fault: Fault | None, parameters: dict[str, str]) -> dict[str, str]:
    """The parameters of an authorization response, perhaps with a wrong or no `iss`."""
    if fault is Fault.RESPONSE_WITHOUT_ISS:
        return {name: value for name, value in parameters.items() if name != "iss"}
    if fault is Fault.RESPONSE_OTHER_ISS:
        return {**parameters, "iss": ELSEWHERE}
    return parameters


def token_answer(fault: Fault | None, answer: Claims) -> Claims:
    """The JSON of the token endpoint, perhaps without a token or with far too much in it."""
    if fault is Fault.EMPTY_ID_TOKEN:
        return {**answer, "id_token": ""}
    if fault is Fault.NO_ID_TOKEN:
        return _without("id_token")(answer)
    if fault is Fault.KEEPS_REFRESH_TOKEN:
        return _without("refresh_token")(answer)
    if fault is Fault.TOKEN_HUGE:
        return {**answer, "padding": "x" * HUGE_BYTES}
    return answer
