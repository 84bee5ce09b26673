"""What is wrong with a provider: its metadata, its keys, its secret, and whether it can tell of sign-outs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import or_well, unknown, well
from sidecar.domain.finding import Check, Finding

SOON = 30
"""Days before an end in which it is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the configuration expects of a provider's metadata.

    Attributes:
        issuer: As the metadata must spell it.
        required: Names of endpoints that must be there, without those that the configuration names itself.
        algorithms: Of which one must be offered.
        authentication: How we prove who we are, as metadata spell it.
        signs_out: Whether a sign-out is to go on to the provider, and the configuration does not say where.
        is_secure: Whether an address is good enough for codes and secrets.
        is_known: Whether its host is one that the configuration knows.
    """

    issuer: str
    required: tuple[str, ...]
    algorithms: tuple[str, ...]
    authentication: str
    signs_out: bool
    is_secure: Callable[[str], bool]
    is_known: Callable[[str], bool]


def judge_metadata(document: Mapping[str, object], wanted: Wanted) -> tuple[Finding, ...]:
    """Everything that is wrong in a discovery document (OIDC Discovery 1.0, section 3; RFC 8414)."""
    found: list[Finding] = []
    issuer = document.get("issuer")
    if issuer != wanted.issuer:
        found.append(Finding(kind=kinds.ISSUER_DIFFERS, seen=f"its metadata speak for {issuer}, not {wanted.issuer}"))
    found.extend(_endpoints(document, wanted))
    found.extend(_algorithms(document, wanted.algorithms))
    # OAuth 2.0 servers that say nothing of PKCE may still do it (RFC 8414, section 2): no word is no fault.
    if (methods := _words(document, "code_challenge_methods_supported")) is not None and "S256" not in methods:
        found.append(Finding(kind=kinds.PKCE_NOT_OFFERED, seen=f"it offers for PKCE: {_listed(methods)}"))
    if (ways := _words(document, "token_endpoint_auth_methods_supported")) is not None and (
        wanted.authentication not in ways
    ):
        seen = f"we use {wanted.authentication}; it offers {_listed(ways)}"
        found.append(Finding(kind=kinds.CLIENT_AUTHENTICATION_NOT_OFFERED, seen=seen))
    if wanted.signs_out and not isinstance(document.get("end_session_endpoint"), str):
        found.append(Finding(kind=kinds.SIGN_OUT_NOT_OFFERED, seen="its metadata have no end_session_endpoint"))
    return or_well(found, Check.PROVIDER, "its metadata are as they must be")


def _endpoints(document: Mapping[str, object], wanted: Wanted) -> Iterable[Finding]:
    for name in wanted.required:
        url = document.get(name)
        if not isinstance(url, str):
            yield Finding(kind=kinds.ENDPOINT_MISSING, seen=f"its metadata have no {name}")
        elif not wanted.is_secure(url):
            yield Finding(kind=kinds.ENDPOINT_INSECURE, seen=f"{name} is not an https address")
        elif not wanted.is_known(url):
            yield Finding(kind=kinds.ENDPOINT_ELSEWHERE, seen=f"{name} lies on {urlsplit(url).netloc}")


def _algorithms(document: Mapping[str, object], ours: tuple[str, ...]) -> Iterable[Finding]:
    offered = _words(document, "id_token_signing_alg_values_supported")
    if offered is None:
        return
    if not offered & set(ours):
        seen = f"it signs with {_listed(offered)}; we take {_listed(ours)}"
        yield Finding(kind=kinds.ALGORITHMS_DIFFER, seen=seen)
    if "none" in offered:
        yield Finding(kind=kinds.ALGORITHM_NONE, seen="its metadata offer unsigned ID tokens")


def judge_keys(members: int, usable: int) -> tuple[Finding, ...]:
    """Whether one of the published keys can be used."""
    if not usable:
        return (Finding(kind=kinds.KEYS_UNUSABLE, seen=f"of {members} published keys none can be used"),)
    return (well(Check.KEYS, f"{usable} of {members} published keys can be used"),)


def judge_client_secret(ends: float | None, now: float) -> tuple[Finding, ...]:
    """Whether the client secret ends soon, as the configuration says; no provider tells it."""
    if ends is None:
        why = "no provider tells when its client secret ends"
        return (unknown(Check.CLIENT_SECRET, why, "Write the day into `client_secret_ends`, if the secret has one."),)
    days = int((ends - now) // 86_400)
    if ends <= now:
        return (Finding(kind=kinds.CLIENT_SECRET_ENDED, seen=f"it ended {-days} days ago"),)
    if days <= SOON:
        return (Finding(kind=kinds.CLIENT_SECRET_ENDS, seen=f"it ends in {days} days"),)
    return (well(Check.CLIENT_SECRET, f"it ends in {days} days"),)


def judge_sign_outs(document: Mapping[str, object], address: str) -> tuple[Finding, ...]:
    """Whether the provider can tell of sign-outs; what is registered there it tells nobody."""
    offered = [
        name
        for name, key in (("back-channel", "backchannel_logout_supported"), ("front-channel", _FRONT))
        if document.get(key) is True
    ]
    if not offered:
        return (Finding(kind=kinds.SIGN_OUTS_NOT_TOLD, seen="its metadata offer no logout that it tells us of"),)
    why = f"it offers {' and '.join(offered)} logout; whether our address is registered there, no provider tells"
    return (unknown(Check.SIGN_OUTS, why, f"Look there for {address}, and sign somebody out to see it work."),)


_FRONT = "frontchannel_logout_supported"


def _words(document: Mapping[str, object], name: str) -> frozenset[str] | None:
    value = document.get(name)
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else None


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(words)) or "nothing"
