"""What is wrong with how the application learns who is there: whom it believes, and how its own sign-on is set up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import or_well, unknown, well
from sidecar.core.grants import Client
from sidecar.core.landing_setup import creates_users, differences
from sidecar.domain.finding import Check, Finding, Kind

Config = Mapping[str, object]
"""One entry of the product's list of providers, as its REST interface shows it."""

NOBODY_TO_BE = "Name an account with `--username`, or give the application an `accounts.token`."


def judge_headers(names: Sequence[str], account: str, served: str | None) -> tuple[Finding, ...]:
    """Whether one of the well-known identity headers was believed: *served* is whom the application served then."""
    if _is(served, account):
        seen = f"a request with {', '.join(names)} was served as {account}"
        return (Finding(kind=kinds.HEADER_BELIEVED, seen=seen),)
    return (well(Check.HEADERS, f"{len(names)} well-known identity headers were not believed"),)


def judge_forged(kind: Kind, account: str, served: str | None, tried: str) -> list[Finding]:
    """Whether a forged request was served as *account*."""
    return [Finding(kind=kind, seen=f"{tried} was served as {account}")] if _is(served, account) else []


def judge_proof(account: str, served: str | None) -> list[Finding]:
    """Whether our own proof was believed."""
    if _is(served, account):
        return []
    seen = f"our own header and proof for {account} were served as {served or 'nobody'}"
    return [Finding(kind=kinds.LANDING_PROOF_REFUSED, seen=seen)]


def judge_asked(asked: bool) -> tuple[Finding, ...]:
    """Whether the product asked us, as its Crowd server, about a token that it was shown."""
    if asked:
        return (well(Check.LANDING, "the application asks its Crowd server, and gets no for a made-up token"),)
    return (Finding(kind=kinds.LANDING_NOT_ASKED, seen="it was shown a token and asked nothing"),)


def judge_sign_on(listed: Iterable[Config], client: Client, *, customers: bool) -> tuple[Finding, ...]:
    """Whether the product's own sign-on knows us as it must."""
    known = next((entry for entry in listed if entry.get("issuer-url") == client.issuer), None)
    if known is None:
        return (Finding(kind=kinds.SIGN_ON_ABSENT, seen=f"no provider there has the issuer {client.issuer}"),)
    found: list[Finding] = []
    if creates_users(known):
        found.append(Finding(kind=kinds.SIGN_ON_CREATES_USERS, seen="the creation of users on login is on"))
    for one in differences(known, client, customers=customers):
        if one.field == "creation of users on login":
            continue
        kind = {"enabled": kinds.SIGN_ON_DISABLED, "enable-remember-me": kinds.SIGN_ON_REMEMBERS}.get(
            one.field, kinds.SIGN_ON_DIFFERS
        )
        found.append(Finding(kind=kind, seen=f"{one.field} is {one.found}, and must be {one.wanted}"))
    return or_well(found, Check.LANDING, "the application's sign-on knows us as it must")


def judge_others(listed: Iterable[Config], issuer: str, fallback: bool | None) -> tuple[Finding, ...]:
    """Other ways in at the product's authentication methods. *issuer*: ours, or "". *fallback* None: not told."""
    found: list[Finding] = []
    others = [entry for entry in listed if entry.get("enabled") is True and entry.get("issuer-url") != issuer]
    if others:
        names = ", ".join(str(entry.get("name", "one without a name"))[:80] for entry in others)
        found.append(Finding(kind=kinds.OTHER_SIGN_ON, seen=f"switched on there: {names}"))
    if fallback:
        found.append(Finding(kind=kinds.AUTH_FALLBACK, seen="?auth_fallback brings the password form back"))
    if fallback is None and not found:
        found.append(unknown(Check.SIGN_ON, "it does not tell whether auth_fallback is on"))
    return or_well(found, Check.SIGN_ON, "no other sign-on is on, and auth_fallback is off")


def _is(served: str | None, account: str) -> bool:
    return served is not None and served.casefold() == account.casefold()
