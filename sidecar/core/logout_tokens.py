"""The checks of tokens that end sessions, once their signature is verified.

`adapters.oidc.notices` calls them. Strangers post such tokens to us, so nothing is taken on trust: what is not wholly
as expected raises `TokenFault`, and nothing else is ever raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.core.issuers import TENANT, fits, named_issuer
from sidecar.core.revocations import folded_email
from sidecar.core.tokens import TokenFault, check_audience, check_header, check_issuer, check_subject, time_of
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.revocation import By

EVENT = "http://schemas.openid.net/event/backchannel-logout"
"""OIDC Back-Channel Logout 1.0, section 2.4."""

OLDEST = 300
"""Seconds after which a token that ends sessions is too old to be acted on."""

LONGEST = 512
"""Characters of a name, a session id or a token id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeTerms:
    """What such a token of one provider must satisfy; as `core.tokens.Terms`."""

    issuers: tuple[str, ...]
    client_id: str
    algorithms: tuple[str, ...]
    skew: int = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a verified token says.

    Attributes:
        issuer: As persons of this issuer are kept.
        by, value: Whose sessions end; None for a token that only vouches for its sender.
        token: Its id, to be used once.
        issued_at: By the provider's clock.
    """

    issuer: str
    by: By | None
    value: str
    token: str
    issued_at: UnixSeconds


def check_logout_token(
    header: Mapping[str, object], claims: Mapping[str, object], terms: NoticeTerms, now: UnixSeconds
) -> Notice:
    """A logout token (OIDC Back-Channel Logout 1.0, section 2.6).

    With both `sid` and `sub` it is the one session that ends; with `sub` alone all of the person's.

    Raises:
        TokenFault: It is not acceptable.
    """
    check_header(header, terms.algorithms, ("logout+jwt", "JWT"))
    issuer = _issuer(claims, terms)
    check_audience(claims, terms.client_id)
    issued_at = _fresh(claims, terms.skew, now)
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(EVENT), Mapping):
        raise TokenFault("events is not that of a logout token")
    # It would make a logout token out of an ID token.
    if "nonce" in claims:
        raise TokenFault("a logout token has no nonce")
    token = _text(claims, "jti")
    subject = check_subject(claims, "sub") if "sub" in claims else None
    if "sid" in claims:
        return Notice(issuer=issuer, by=By.SID, value=_text(claims, "sid"), token=token, issued_at=issued_at)
    if subject is None:
        raise TokenFault("neither sid nor sub is there")
    return Notice(issuer=issuer, by=By.SUBJECT, value=subject, token=token, issued_at=issued_at)


def check_revocation_token(
    header: Mapping[str, object], claims: Mapping[str, object], terms: NoticeTerms, audience: str, now: UnixSeconds
) -> Notice:
    """The token with which a provider vouches for a global token revocation (Okta: Universal Logout).

    Arguments:
        audience: The address to which it was posted.

    Raises:
        TokenFault: It is not acceptable.
    """
    check_header(header, terms.algorithms, ("global-token-revocation+jwt",), named=True)
    given = claims.get("aud")
    if audience not in ([given] if isinstance(given, str) else given if isinstance(given, (list, tuple)) else ()):
        raise TokenFault("aud is not the address that was called")
    if claims.get("sub") != terms.client_id:
        raise TokenFault("sub is not our client")
    time_of(claims, "exp")
    return Notice(
        issuer=_issuer(claims, terms),
        by=None,
        value="",
        token=_text(claims, "jti"),
        issued_at=_fresh(claims, terms.skew, now),
    )


def subject_of(document: Mapping[str, object], issuers: tuple[str, ...], owner: str) -> tuple[By, str]:
    """Whose sessions a global token revocation ends (RFC 9493; draft-parecki-oauth-global-token-revocation).

    Arguments:
        owner: The issuer whose token vouched for it. A tenant speaks of its own people only.

    Raises:
        TokenFault: It names nobody whom we could know.
    """
    subject = document.get("sub_id")
    if not isinstance(subject, Mapping):
        raise TokenFault("sub_id is missing or no object")
    match subject.get("format"):
        case "email":
            email = _text(subject, "email")
            if email.count("@") != 1:
                raise TokenFault("email is no address")
            return By.EMAIL, folded_email(email)
        case "iss_sub":
            issuer = subject.get("iss")
            if not isinstance(issuer, str) or not any(fits(known, issuer) for known in issuers):
                raise TokenFault("iss of sub_id is not the provider's")
            if TENANT in issuers[0] and issuer != owner:
                raise TokenFault("iss of sub_id is another tenant's")
            return By.SUBJECT, check_subject(subject, "sub")
        case _:
            raise TokenFault("the format of sub_id is neither email nor iss_sub")


def _issuer(claims: Mapping[str, object], terms: NoticeTerms) -> str:
    """The issuer as persons are kept under it: one spelling, and for many tenants the token's own."""
    check_issuer(claims, terms.issuers)
    return named_issuer(terms.issuers[0], claims) or terms.issuers[0]


def _fresh(claims: Mapping[str, object], skew: int, now: UnixSeconds) -> UnixSeconds:
    issued_at = time_of(claims, "iat")
    if not now - OLDEST - skew <= issued_at <= now + skew:
        raise TokenFault("iat is too old, or lies in the future")
    if "exp" in claims and now >= time_of(claims, "exp") + skew:
        raise TokenFault("the token is expired")
    if "nbf" in claims and time_of(claims, "nbf") > now + skew:
        raise TokenFault("nbf lies in the future")
    return UnixSeconds(int(issued_at))


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if not (isinstance(value, str) and 0 < len(value) <= LONGEST and value.isprintable()):
        raise TokenFault(f"{name} is missing, or not a text of 1 to {LONGEST} characters")
    return value
