"""What is wrong inside a product, as far as it tells: the connector's rights, directories, doors for passwords."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import or_well, unknown, well
from sidecar.domain.finding import Check, Finding

SOON = 30
"""Days before an end in which it is told."""

_BY_HAND = "Look at the application's own administration pages."


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What the connector's account may do.

    Attributes:
        administrator: None: the product does not tell.
        system: Whether it is a system administrator; None: the product does not tell.
    """

    administrator: bool | None
    system: bool | None


def judge_rights(account: str, rights: Rights) -> tuple[Finding, ...]:
    """Whether the account may do enough, and not more."""
    found: list[Finding] = []
    if rights.administrator is False:
        found.append(Finding(kind=kinds.TOKEN_UNDERPRIVILEGED, seen=f"{account} is no administrator"))
    if rights.system:
        found.append(Finding(kind=kinds.TOKEN_OVERPRIVILEGED, seen=f"{account} is a system administrator"))
    if not found and (rights.administrator is None or rights.system is None):
        found.append(unknown(Check.TOKEN, f"the application does not tell what {account} may do", _BY_HAND))
    return or_well(found, Check.TOKEN, f"{account} is an administrator and no system administrator")


def judge_token_end(ends: float | None, now: float) -> tuple[Finding, ...]:
    """Whether a token of the connector's account ends soon; none of it never ends is well."""
    if ends is not None and (days := int((ends - now) // 86_400)) <= SOON:
        return (Finding(kind=kinds.TOKEN_ENDS, seen=f"a token of the connector's account ends in {days} days"),)
    return ()


@dataclass(frozen=True, slots=True)
class Place:
    """A user directory of the application, in its order.

    Attributes:
        synchronised: What it says of its last synchronisation; None: it is kept by the application itself.
    """

    name: str
    synchronised: str | None = None


def judge_directories(places: Sequence[Place] | None, why: str, *, creates: bool) -> tuple[Finding, ...]:
    """What the order of the directories means. None: the application does not tell, and *why*."""
    if places is None or not places:
        return (unknown(Check.DIRECTORIES, why or "the application names no directory", _BY_HAND),)
    found: list[Finding] = []
    first = places[0]
    if first.synchronised is not None and len(places) > 1:
        seen = f"the first directory is {first.name}, which is synchronised from elsewhere"
        found.append(Finding(kind=kinds.FIRST_DIRECTORY_FOREIGN, seen=seen))
    if creates and all(place.synchronised is not None for place in places):
        names = ", ".join(place.name for place in places)
        found.append(Finding(kind=kinds.NO_DIRECTORY_TO_WRITE, seen=f"every directory is synchronised: {names}"))
    for place in places:
        if place.synchronised is not None and "fail" in place.synchronised.lower():
            seen = f"{place.name}: {place.synchronised[:200]}"
            found.append(Finding(kind=kinds.SYNCHRONISATION_FAILED, seen=seen))
    return or_well(found, Check.DIRECTORIES, f"directories in order: {', '.join(place.name for place in places)}")


def judge_shadowed(count: int | None) -> tuple[Finding, ...]:
    """Whether names are in several directories. None: the application does not tell (Confluence)."""
    if count:
        return (Finding(kind=kinds.ACCOUNTS_SHADOWED, seen=f"{count} names are in several directories"),)
    return ()


def judge_basic(accepted: bool | None, *, passes: bool) -> tuple[Finding, ...]:
    """Whether the product takes a name and password on its REST interface. None: its answer does not tell."""
    if accepted is None:
        return (unknown(Check.BASIC, "its answer to a made-up name and password does not tell", _BY_HAND),)
    if not accepted:
        return (well(Check.BASIC, "the application refuses Basic authentication"),)
    if passes:
        return (Finding(kind=kinds.BASIC_PASSES, seen="the application takes Basic authentication, and we pass it"),)
    return (Finding(kind=kinds.BASIC_ALLOWED, seen="the application takes Basic authentication"),)


def judge_websudo(asks: bool | None) -> tuple[Finding, ...]:
    """Whether administrators are asked for their password again. None: its answer does not tell."""
    if asks is None:
        return (unknown(Check.WEBSUDO, "its answer for an administrator's page does not tell", _BY_HAND),)
    if asks:
        return (Finding(kind=kinds.WEBSUDO_ON, seen="an administrator's page asks for the password again"),)
    return (well(Check.WEBSUDO, "an administrator's page opens without a password"),)


def judge_forms(taken: bool | None) -> tuple[Finding, ...]:
    """Whether an action that is no log-in takes a password. None: its answer does not tell."""
    if taken is None:
        why = "its answer to a form with a made-up name and password does not tell"
        return (unknown(Check.PASSWORD_FORMS, why, "Look for `login.submit.url` in its seraph-config.xml."),)
    if taken:
        return (Finding(kind=kinds.PASSWORD_FORMS, seen="an action that is no log-in tried a name and password"),)
    return (well(Check.PASSWORD_FORMS, "only the log-in action takes a password"),)
