"""One look at an account: what holds for it, what is there, and the plan that follows.

Used by `flows.provisioning`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from sidecar.core.accounts import Plan, Refusal, plan
from sidecar.core.usernames import fold, may_be_created
from sidecar.domain.account import Account, AccountOrder
from sidecar.domain.identity import Identity, Person
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.licence import Licence
from sidecar.domain.policy import AccountPolicy, GroupPolicy, Policy, UsernameMapping
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Ledger, Registry
from sidecar.flows.reach import Reach
from sidecar.flows.seats import Seats


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
        licences: None: the application does not tell.
        renamed: Why an account that is not there under its name is not made anew.
    """

    account: Account | None
    licences: tuple[Licence, ...] | None
    pin: Pin | None
    pin_on_name: Pin | None
    owned: tuple[OwnedGroup, ...]
    deactivation: Deactivation | None
    usable: bool
    renamed: Refusal | None


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


async def look(order: AccountOrder, person: Person, reach: Reach, ledger: Ledger, seats: Seats) -> Seen:
    """Everything that a plan needs, asked for at the same time; *reach* has a connector.

    Raises:
        AccountError, StateError: as the connector and the ledger do.
    """
    application, name = order.application, fold(order.username)
    (account, licences), pin, pin_on_name, owned, deactivation, usable = await asyncio.gather(
        _at_the_application(order, reach, seats),
        ledger.pin_of(application, person),
        ledger.pin_on(application, name),
        ledger.owned(application, name),
        ledger.deactivation(application, name),
        ledger.usable(application),
    )
    renamed = None
    if account is None and pin is not None and pin.username == name:
        renamed = await _renamed(pin, reach.registry)
    return Seen(account, licences, pin, pin_on_name, owned, deactivation, usable, renamed)


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


async def _at_the_application(
    order: AccountOrder, reach: Reach, seats: Seats
) -> tuple[Account | None, tuple[Licence, ...] | None]:
    """The account, and the licences: whoever is switched on takes seats too."""
    if reach.connector is None:
        raise AccountError(Reason.INTERNAL, "the application has no connector")
    return await asyncio.gather(reach.connector.read(order.username), seats.licences())


async def _renamed(pin: Pin, registry: Registry | None) -> Refusal | None:
    """Why a pinned account that is not there under its name is not made anew; None if it is really gone."""
    if pin.key is None or registry is None:
        return None
    found = await registry.by_key(pin.key)
    if found is None:
        return None
    if fold(found.username) == fold(pin.key):
        detail = f"the linked account {pin.spelling} was anonymised; lychgate accounts unlink makes room for a new one"
        return Refusal(Reason.ACCOUNT_ABSENT, detail)
    detail = f"the linked account {pin.spelling} is called {found.username} now; see lychgate accounts rename"
    return Refusal(Reason.ACCOUNT_RENAMED, detail)
