"""The checks of an ID token whose signature is already verified (D3).

`adapters.oidc.provider` calls them after `adapters.oidc.tokens` has found the key. Pure: time comes in as a number.
The rule it keeps: a token that is not wholly as expected raises `TokenFault`, and nothing else is ever raised,
whatever JSON somebody signs. No detail repeats a value out of a token.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.core.issuers import named_issuers
from sidecar.domain.identity import Person, UnixSeconds

SIGNATURE_HASHES: Mapping[str, str] = {
    "RS256": "sha256",
    "RS384": "sha384",
    "RS512": "sha512",
    "PS256": "sha256",
    "PS384": "sha384",
    "PS512": "sha512",
    "ES256": "sha256",
    "ES384": "sha384",
    "ES512": "sha512",
    # Both names mean Ed25519 here (RFC 8037; RFC 9864); its own hash is SHA-512.
    "EdDSA": "sha512",
    "Ed25519": "sha512",
}
"""Every algorithm that may ever be allowed, with the hash of its `at_hash`. No `none`, no HMAC, no RSA1_5."""

DEFAULT_ALGORITHMS = tuple(SIGNATURE_HASHES)
"""What is allowed where the configuration names no narrower list."""

LONGEST_SUBJECT = 255
"""OIDC Core 1.0, section 2."""

_LATEST = 253_402_300_799  # the last second of the year 9999; beyond it lies only nonsense such as 1e300
_FOREIGN_KEYS = ("jwk", "jku", "x5u", "x5c")


class TokenFault(ValueError):  # noqa: N818 - a fault of the token, not of ours
    """A token, or an answer that goes with it, is not acceptable.

    Attributes:
        detail: A sentence for the log; never with values out of the token.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class StepUpFault(TokenFault):
    """The token is sound, but the person did not sign in as recently as we asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every ID token of one provider must satisfy.

    Attributes:
        issuers: Allowed spellings of the issuer, compared byte for byte; `{tenantid}` is the token's own `tid`
            (`core.issuers`).
        client_id: Ours; must be in `aud`.
        algorithms: Our own list, never the provider's.
        access_token: What came beside the token, for `at_hash`, or None.
        skew: Seconds by which clocks may differ.

    Raises:
        ValueError: The caller expects nothing, or an algorithm that is never acceptable.
    """

    issuers: tuple[str, ...]
    client_id: str
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    access_token: str | None = None
    skew: int = 60

    def __post_init__(self) -> None:
        if not (self.issuers and all(self.issuers) and self.client_id):
            raise ValueError("without issuer and client nothing can be checked")
        if not self.algorithms or not SIGNATURE_HASHES.keys() >= set(self.algorithms):
            raise ValueError("algorithms must be a non-empty part of SIGNATURE_HASHES")
        if self.skew < 0:
            raise ValueError("skew is a number of seconds, zero or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected(Terms):
    """What the ID token of a sign-in must satisfy.

    Attributes:
        nonce: What we sent. It is never left unchecked.
        max_age: Seconds, if we sent it; then `auth_time` is demanded.
    """

    nonce: str
    max_age: int | None = None

    def __post_init__(self) -> None:
        # `super()` without arguments does not work in a dataclass with slots.
        Terms.__post_init__(self)
        if not self.nonce:
            raise ValueError("a sign-in without a nonce cannot be checked")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAgain(Terms):
    """What the ID token of a refresh must satisfy (OIDC Core 1.0, section 12.2).

    Attributes:
        person: Who signed in. Somebody else's token is refused.
        subject_claim: Where the person's subject stands: `sub`, or `oid` for Entra ID.
    """

    person: Person
    subject_claim: str = "sub"


def check_id_token(
    header: Mapping[str, object], claims: Mapping[str, object], expected: Expected, now: UnixSeconds
) -> None:
    """Check the ID token of a sign-in (OIDC Core 1.0, sections 3.1.3.7 and 3.1.3.8).

    Raises:
        TokenFault: It is not acceptable.
    """
    _check_always(header, claims, expected, now)
    nonce = claims.get("nonce")
    if not (isinstance(nonce, str) and _same(nonce, expected.nonce)):
        raise TokenFault("nonce is missing or not the one we sent")
    if expected.max_age is not None:
        if "auth_time" not in claims:
            raise StepUpFault("auth_time is missing, although we sent max_age")
        if now - time_of(claims, "auth_time") > expected.max_age + expected.skew:
            raise StepUpFault("auth_time is older than the max_age we asked for")


def check_refreshed(
    header: Mapping[str, object], claims: Mapping[str, object], expected: ExpectedAgain, now: UnixSeconds
) -> None:
    """Check the ID token of a refresh. The nonce may be kept or left out: we no longer have it, and need it not,
    since the person is compared.

    Raises:
        TokenFault: It is not acceptable, or is about somebody else.
    """
    _check_always(header, claims, expected, now)
    check_same_person(claims, expected.person, expected.issuers, expected.subject_claim)


def check_same_person(
    claims: Mapping[str, object], person: Person, issuers: tuple[str, ...], subject_claim: str
) -> None:
    """Refuse refreshed claims that are not about *person*.

    Raises:
        TokenFault: They are not.
    """
    subject = claims.get(subject_claim)
    if not (isinstance(subject, str) and _same(subject, person.subject)):
        raise TokenFault(f"{subject_claim} is not that of the person who signed in")
    if person.issuer not in named_issuers(issuers, claims):
        raise TokenFault("the person who signed in came from another issuer")


def check_userinfo_subject(claims: Mapping[str, object], userinfo: Mapping[str, object]) -> None:
    """Refuse a userinfo answer about somebody else (OIDC Core 1.0, section 5.3.2).

    Raises:
        TokenFault: The subjects differ, or one is missing.
    """
    expected, actual = claims.get("sub"), userinfo.get("sub")
    if not (isinstance(expected, str) and isinstance(actual, str) and expected and _same(expected, actual)):
        raise TokenFault("sub of userinfo is not sub of the ID token")


def _check_always(header: Mapping[str, object], claims: Mapping[str, object], terms: Terms, now: UnixSeconds) -> None:
    algorithm = check_header(header, terms.algorithms)
    check_issuer(claims, terms.issuers)
    check_audience(claims, terms.client_id)
    _check_kind(claims)
    _check_times(claims, terms.skew, now)
    check_subject(claims, "sub")
    _check_at_hash(claims, algorithm, terms.access_token)


def check_header(
    header: Mapping[str, object], algorithms: tuple[str, ...], kinds: tuple[str, ...] = ("JWT",), *, named: bool = False
) -> str:
    """The algorithm of a token whose header is acceptable.

    Arguments:
        kinds: Values of `typ`, whose letter case does not matter (RFC 7515, section 4.1.9).
        named: Whether `typ` must be there.

    Raises:
        TokenFault: It is not.
    """
    algorithm = header.get("alg")
    if not (isinstance(algorithm, str) and algorithm in algorithms):
        raise TokenFault(f"alg is none of {', '.join(algorithms)}")
    kind = header.get("typ", "" if named else kinds[0])
    # An access token or a logout token names itself here (RFC 8725, section 3.11).
    if not (isinstance(kind, str) and kind.lower().removeprefix("application/") in {known.lower() for known in kinds}):
        raise TokenFault("typ is not that of the token we expect")
    # We understand no critical extension, so any is one too many (RFC 7515, section 4.1.11). `b64` is one of them.
    if "crit" in header or "b64" in header:
        raise TokenFault("the header has extensions that we do not understand")
    if any(name in header for name in _FOREIGN_KEYS):
        raise TokenFault("the header brings its own key")
    return algorithm


def check_issuer(claims: Mapping[str, object], issuers: tuple[str, ...]) -> None:
    """Refuse a token of another issuer.

    Raises:
        TokenFault: It is.
    """
    issuer = claims.get("iss")
    if not (isinstance(issuer, str) and issuer in named_issuers(issuers, claims)):
        raise TokenFault(f"iss is not {issuers[0]}")


def audiences_of(claims: Mapping[str, object]) -> tuple[str, ...]:
    """Whom a token is for (RFC 7519, section 4.1.3).

    Raises:
        TokenFault: `aud` is neither text nor a list of texts.
    """
    audience = claims.get("aud")
    members = (audience,) if isinstance(audience, str) else audience
    if not isinstance(members, (list, tuple)) or not all(isinstance(member, str) for member in members):
        raise TokenFault("aud is neither text nor a list of texts")
    return tuple(members)


def check_audience(claims: Mapping[str, object], client_id: str) -> None:
    """Refuse a token that is not for our client (OIDC Core 1.0, section 3.1.3.7).

    Raises:
        TokenFault: `aud` or `azp` do not fit.
    """
    members = audiences_of(claims)
    if client_id not in members:
        raise TokenFault("aud does not name our client")
    if "azp" in claims:
        if claims["azp"] != client_id:
            raise TokenFault("azp is another client")
    elif any(member != client_id for member in members):
        raise TokenFault("aud names others too, and azp is missing")


def _check_kind(claims: Mapping[str, object]) -> None:
    # Cognito signs ID and access tokens with the same keys and tells them apart by this claim only.
    if claims.get("token_use", "id") != "id":
        raise TokenFault("token_use is not that of an ID token")
    if "events" in claims:
        raise TokenFault("a logout token or security event is no ID token")


def _check_times(claims: Mapping[str, object], skew: int, now: UnixSeconds) -> None:
    if now >= time_of(claims, "exp") + skew:
        raise TokenFault("the token is expired")
    for name in ("iat", "nbf", "auth_time"):
        if (name == "iat" or name in claims) and time_of(claims, name) > now + skew:
            raise TokenFault(f"{name} lies in the future")


def time_of(claims: Mapping[str, object], name: str) -> float:
    """The time in the claim *name*, in seconds since 1970 (RFC 7519, section 2).

    Raises:
        TokenFault: It is missing, or no time that there can be.
    """
    value = claims.get(name)
    # bool is an int in Python. The first comparison also keeps huge integers from overflowing `isfinite`.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TokenFault(f"{name} is missing or not a number")
    if not (0 <= value <= _LATEST and math.isfinite(value)):
        raise TokenFault(f"{name} is not a time")
    return value


def check_subject(claims: Mapping[str, object], name: str) -> str:
    """The subject in the claim *name*.

    Raises:
        TokenFault: Missing, empty, too long, or not text that can be stored.
    """
    subject = claims.get(name)
    if not (isinstance(subject, str) and 0 < len(subject) <= LONGEST_SUBJECT):
        raise TokenFault(f"{name} is missing, or not a text of 1 to {LONGEST_SUBJECT} characters")
    if any(character < " " or "\ud800" <= character <= "\udfff" for character in subject):
        raise TokenFault(f"{name} contains control characters or halves of characters")
    return subject


def _check_at_hash(claims: Mapping[str, object], algorithm: str, access_token: str | None) -> None:
    if "at_hash" not in claims:
        return
    actual = claims["at_hash"]
    if access_token is None or not isinstance(actual, str):
        raise TokenFault("at_hash cannot be compared")
    # An algorithm whose hash we do not know cannot come here: `Terms` admits none.
    digest = hashlib.new(SIGNATURE_HASHES[algorithm], _bytes(access_token)).digest()
    half = base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=")
    if not hmac.compare_digest(half, _bytes(actual)):
        raise TokenFault("at_hash is not that of the access token")


def _same(left: str, right: str) -> bool:
    return hmac.compare_digest(_bytes(left), _bytes(right))


def _bytes(text: str) -> bytes:
    # JSON may carry halves of surrogate pairs; a plain encode would raise.
    return text.encode("utf-8", "surrogatepass")
