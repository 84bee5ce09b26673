"""The checks of a JWT access token, once its signature is verified (RFC 9068, and the providers' own shapes).

`adapters.oidc.access_tokens` calls them. Programs bring such tokens, so nothing is taken on trust: what is not wholly
as expected raises `TokenFault`, and nothing else is ever raised. No detail repeats a value out of a token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sidecar.core.tokens import TokenFault, audiences_of, check_header, check_issuer, check_subject, time_of
from sidecar.domain.identity import UnixSeconds

LONGEST_LIFE = 86_400
"""Seconds between `iat` and `exp`. What lives longer is no access token but a key."""

_NOT_OF_ACCESS = ("nonce", "at_hash", "c_hash", "s_hash", "events", "sub_id")
"""Marks of ID tokens, logout tokens and security events."""


class Shape(StrEnum):
    """Whose way of writing access tokens it is: the provider's preset."""

    RFC9068 = "generic"
    OKTA = "okta"
    ENTRA = "entra"
    KEYCLOAK = "keycloak"
    AUTH0 = "auth0"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTerms:
    """What such a token of one provider must satisfy; as `core.tokens.Terms`.

    Attributes:
        client_id: That of our sign-ins: a token for it is an ID token, whatever it says.
        audiences: Ours; one of them must be in `aud`.
    """

    issuers: tuple[str, ...]
    client_id: str
    audiences: frozenset[str]
    algorithms: tuple[str, ...]
    shape: Shape
    skew: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a verified token says.

    Attributes:
        claims: Its claims, with `sub` as an ID token of the provider has it.
        issued_at, expires_at: By the provider's clock.
    """

    claims: Mapping[str, object]
    issued_at: UnixSeconds
    expires_at: UnixSeconds


def check_access_token(
    header: Mapping[str, object], claims: Mapping[str, object], terms: AccessTerms, now: UnixSeconds
) -> Access:
    """Check an access token of a person.

    Raises:
        TokenFault: It is not acceptable, is no access token, or speaks of no person.
    """
    check_issuer(claims, terms.issuers)
    _check_audience(claims, terms)
    _check_kind(claims)
    issued_at, expires_at = _check_times(claims, terms.skew, now)
    subject = _SHAPES[terms.shape](header, claims, terms)
    return Access(claims={**claims, "sub": subject}, issued_at=issued_at, expires_at=expires_at)


def _check_audience(claims: Mapping[str, object], terms: AccessTerms) -> None:
    members = audiences_of(claims)
    if terms.audiences.isdisjoint(members):
        raise TokenFault("aud names none of our audiences")
    if terms.client_id in members:
        raise TokenFault("aud names the client of our sign-ins, as ID tokens do")


def _check_kind(claims: Mapping[str, object]) -> None:
    for name in _NOT_OF_ACCESS:
        if name in claims:
            raise TokenFault(f"an access token has no {name}")
    if claims.get("token_use", "access") != "access":
        raise TokenFault("token_use is not that of an access token")
    # Keycloak says it in the payload: ID, Refresh, Logout and others are signed with the same keys.
    if claims.get("typ", "Bearer") != "Bearer":
        raise TokenFault("typ in the payload is not that of an access token")
    # Bound to a key (RFC 7800): whoever shows it as a plain Bearer has not proved that the key is his.
    if "cnf" in claims:
        raise TokenFault("the token is bound to a key, and nobody proved to have it")


def _check_times(claims: Mapping[str, object], skew: int, now: UnixSeconds) -> tuple[UnixSeconds, UnixSeconds]:
    issued_at, expires_at = time_of(claims, "iat"), time_of(claims, "exp")
    # No skew here: both times are of one clock.
    if not 0 < expires_at - issued_at <= LONGEST_LIFE:
        raise TokenFault(f"the token does not live between 1 and {LONGEST_LIFE} seconds")
    if now >= expires_at + skew:
        raise TokenFault("the token is expired")
    for name in ("iat", "nbf", "auth_time"):
        if name in claims and time_of(claims, name) > now + skew:
            raise TokenFault(f"{name} lies in the future")
    return UnixSeconds(int(issued_at)), UnixSeconds(int(expires_at))


def _rfc9068(header: Mapping[str, object], claims: Mapping[str, object], terms: AccessTerms) -> str:
    check_header(header, terms.algorithms, ("at+jwt",), named=True)
    return _person(claims, "sub", _client(claims, "client_id"))


def _okta(header: Mapping[str, object], claims: Mapping[str, object], terms: AccessTerms) -> str:
    """A custom authorization server's. `uid` is the person as ID tokens name it; `sub` is only the log-in name."""
    check_header(header, terms.algorithms, ("JWT", "at+jwt"))
    if check_subject(claims, "sub") == _client(claims, "cid"):
        raise TokenFault("the token is a program's own, not a person's")
    return _person(claims, "uid", _client(claims, "cid"))


def _entra(header: Mapping[str, object], claims: Mapping[str, object], terms: AccessTerms) -> str:
    """Version 2.0. A program's own token has roles and no `scp`; `idtyp` says so where it was asked for."""
    check_header(header, terms.algorithms)
    if claims.get("ver") != "2.0":
        raise TokenFault("ver is not 2.0")
    if claims.get("idtyp", "user") != "user":
        raise TokenFault("the token is a program's own, not a person's")
    scope = claims.get("scp")
    if not (isinstance(scope, str) and scope.strip()):
        raise TokenFault("scp is missing, as in a program's own token")
    check_subject(claims, "tid")
    _ = _person(claims, "oid", _client(claims, "azp"))
    return check_subject(claims, "sub")


def _keycloak(header: Mapping[str, object], claims: Mapping[str, object], terms: AccessTerms) -> str:
    """A service account is a user there; only what it lacks and how it is called tell it from a person."""
    check_header(header, terms.algorithms, ("JWT", "at+jwt"))
    if claims.get("typ") != "Bearer":
        raise TokenFault("typ in the payload is missing")
    client = _client(claims, "azp")
    name = claims.get("preferred_username", "")
    if not isinstance(name, str) or name.lower().startswith("service-account-"):
        raise TokenFault("the token is a program's own, not a person's")
    if any(mark in claims for mark in ("clientId", "clientHost", "clientAddress")):
        raise TokenFault("the token is a program's own, not a person's")
    if not any(isinstance(claims.get(mark), str) and claims[mark] for mark in ("sid", "session_state")):
        raise TokenFault("the token belongs to no session of a person")
    return _person(claims, "sub", client)


def _auth0(header: Mapping[str, object], claims: Mapping[str, object], terms: AccessTerms) -> str:
    check_header(header, terms.algorithms, ("JWT", "at+jwt"))
    if claims.get("gty") == "client-credentials":
        raise TokenFault("the token is a program's own, not a person's")
    subject = _person(claims, "sub", _client(claims, "azp" if "azp" in claims else "client_id"))
    if subject.endswith("@clients"):
        raise TokenFault("the token is a program's own, not a person's")
    return subject


def _client(claims: Mapping[str, object], name: str) -> str:
    """The program to which the token was given; it is in every access token, and tells a program's own."""
    return check_subject(claims, name)


def _person(claims: Mapping[str, object], name: str, client: str) -> str:
    subject = check_subject(claims, name)
    if subject == client:
        raise TokenFault("the token is a program's own, not a person's")
    return subject


_SHAPES: Mapping[Shape, Callable[[Mapping[str, object], Mapping[str, object], AccessTerms], str]] = {
    Shape.RFC9068: _rfc9068,
    Shape.OKTA: _okta,
    Shape.ENTRA: _entra,
    Shape.KEYCLOAK: _keycloak,
    Shape.AUTH0: _auth0,
}
