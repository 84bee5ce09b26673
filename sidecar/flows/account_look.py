"""One look at an account: what holds for it, what is there, and the plan that follows.

Used by `flows.provisioning` and `flows.foreseeing`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol

from sidecar.core.accounts import Plan, Refusal, pin_way, plan
from sidecar.core.usernames import fold, may_be_created
from sidecar.domain.account import Account, AccountOrder, Leave
from sidecar.domain.identity import Identity, Person
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.licence import Licence
from sidecar.domain.policy import AccountPolicy, GroupPolicy, Policy, UsernameMapping
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Registry
from sidecar.flows.reach import Reach
from sidecar.flows.seats import Seats


class ReadsLedger(Protocol):
    """The reading half of `flows.accounts.Ledger`; see there."""

    async def usable(self, application: str) -> bool: ...
    async def pin_of(self, application: str, person: Person) -> Pin | None: ...
    async def pin_on(self, application: str, username: str) -> Pin | None: ...
    async def owned(self, application: str, username: str) -> tuple[OwnedGroup, ...]: ...
    async def deactivation(self, application: str, username: str) -> Deactivation | None: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for one order, taken from one policy."""

    accounts: AccountPolicy
    groups: GroupPolicy
    username: UsernameMapping
    authoritative: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look found.

    Attributes:
        shown: As the application itself shows the account. It is another look than *account* only where it is asked
            beside the connector.
        licences: None: the application does not tell.
        renamed: Why an account that is not there under its name is not made anew.
    """

    account: Account | None
    shown: Account | None
    licences: tuple[Licence, ...] | None
    pin: Pin | None
    pin_on_name: Pin | None
    owned: tuple[OwnedGroup, ...]
    deactivation: Deactivation | None
    usable: bool
    renamed: Refusal | None


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a sign-in would do now. *seen* is None where the application's accounts are not managed."""

    way: Plan | Refusal
    seen: Seen | None = None


def rules_of(policy: Policy, order: AccountOrder, identity: Identity) -> Rules:
    """What holds for *order*.

    Raises:
        AccountError: `internal`, where the policy changed under it.
    """
    application = policy.applications.get(order.application)
    portal = application.portal(order.portal) if application is not None else None
    provider = policy.providers.get(identity.provider)
    if application is None or portal is None or provider is None:
        raise AccountError(Reason.INTERNAL, "the policy no longer knows the application, portal or provider")
    product = application.product
    return Rules(
        accounts=replace(application.accounts, reserved=application.accounts.reserved | product.reserved_names),
        groups=replace(portal.groups, protected=portal.groups.protected | product.protected_groups),
        username=portal.names_of(identity.provider),
        authoritative=provider.authoritative,
    )


async def look(order: AccountOrder, person: Person, reach: Reach, ledger: ReadsLedger, seats: Seats) -> Seen:
    """Everything that a plan needs, asked for at the same time; *reach* has a connector.

    Raises:
        AccountError, StateError: as the connector and the ledger do.
    """
    application, name = order.application, fold(order.username)
    (account, shown, licences), pin, pin_on_name, owned, deactivation, usable = await asyncio.gather(
        _at_the_application(order, reach, seats),
        ledger.pin_of(application, person),
        ledger.pin_on(application, name),
        ledger.owned(application, name),
        ledger.deactivation(application, name),
        ledger.usable(application),
    )
    moved = None
    if account is None and pin is not None and pin.username == name:
        found = await elsewhere(pin, reach.registry)
        moved = renamed(pin, found) if found is not None else None
    if account is None and shown is not None and moved is None:
        moved = _somebody_else(shown)
    return Seen(account, shown, licences, pin, pin_on_name, owned, deactivation, usable, moved)


def way_for(order: AccountOrder, seen: Seen, rules: Rules) -> Plan | Refusal:
    """The plan, or why there is no way."""
    licences = seen.licences
    return plan(
        order,
        account=seen.account,
        pin=seen.pin,
        pin_on_name=seen.pin_on_name,
        owned=seen.owned,
        deactivation=seen.deactivation,
        policy=rules.accounts,
        groups=rules.groups,
        authoritative=rules.authoritative,
        creatable=may_be_created(order.username, rules.username),
        licensed=None if licences is None else frozenset(group for one in licences for group in one.groups),
    )


def usable_way(way: Plan | Refusal, usable: bool) -> Plan | Refusal:
    """No new pin and no removal where the ledger is not known to be the right one."""
    if usable or isinstance(way, Refusal) or (way.pin is None and not any(isinstance(s, Leave) for s in way.steps)):
        return way
    detail = "the ledger was never declared to be the right one for this application (lychgate ledger init)"
    return Refusal(Reason.LEDGER_UNUSABLE, detail)


async def pins_way(order: AccountOrder, person: Person, rules: Rules, ledger: ReadsLedger) -> Plan | Refusal:
    """The plan where no account is managed.

    Raises:
        StateError: the ledger did not answer.
    """
    pin, pin_on_name, usable = await asyncio.gather(
        ledger.pin_of(order.application, person),
        ledger.pin_on(order.application, fold(order.username)),
        ledger.usable(order.application),
    )
    return usable_way(pin_way(order, pin, pin_on_name, rules.accounts, authoritative=rules.authoritative), usable)


async def foresee(
    order: AccountOrder, person: Person, rules: Rules, reach: Reach, ledger: ReadsLedger, seats: Seats
) -> Foreseen:
    """What a sign-in of *person* would do now. Nothing is changed.

    Raises:
        AccountError, StateError: as the connector and the ledger do.
    """
    if reach.connector is None or not rules.accounts.enabled:
        return Foreseen(await pins_way(order, person, rules, ledger))
    seen = await look(order, person, reach, ledger, seats)
    return Foreseen(seen.renamed or usable_way(way_for(order, seen, rules), seen.usable), seen)


async def _at_the_application(
    order: AccountOrder, reach: Reach, seats: Seats
) -> tuple[Account | None, Account | None, tuple[Licence, ...] | None]:
    """The account, what the application itself shows, and the licences: whoever is switched on takes seats too."""
    if reach.connector is None:
        raise AccountError(Reason.INTERNAL, "the application has no connector")
    if reach.application is None:
        account, licences = await asyncio.gather(reach.connector.read(order.username), seats.licences())
        return account, account, licences
    account, shown, licences = await asyncio.gather(
        reach.connector.read(order.username), reach.application.read(order.username), seats.licences()
    )
    if account is not None and shown is not None and shown.own:
        account = replace(account, own=True)
    return account, shown, licences


def _somebody_else(shown: Account) -> Refusal:
    """Why no account is made at the user server: the application would take it for the one that it has already."""
    detail = (
        f"the application has an account {shown.username} that is not on the user server: in a directory of its own, "
        "or not synchronised yet after it was deleted"
    )
    return Refusal(Reason.ACCOUNT_NOT_ADOPTED, detail)


async def elsewhere(pin: Pin, registry: Registry | None) -> Account | None:
    """A pinned account that is not there under its name, wherever it is; None if it is gone or nobody can tell."""
    return None if pin.key is None or registry is None else await registry.by_key(pin.key)


def renamed(pin: Pin, found: Account) -> Refusal:
    """Why nothing is done about the pinned account, which was *found* under another name."""
    if pin.key is not None and fold(found.username) == fold(pin.key):
        detail = f"the linked account {pin.spelling} was anonymised; lychgate accounts unlink makes room for a new one"
        return Refusal(Reason.ACCOUNT_ABSENT, detail)
    detail = f"the linked account {pin.spelling} is called {found.username} now; see lychgate accounts rename"
    return Refusal(Reason.ACCOUNT_RENAMED, detail)
