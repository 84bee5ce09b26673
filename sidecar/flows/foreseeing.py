"""What a sign-in would do to an account now, from a fresh look. Its ports can only read: nothing is changed, ever.

Asked by the test page.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from cachetools import TTLCache

from sidecar.core.accounts import Plan, Refusal, pin_conflict, plan
from sidecar.core.usernames import fold, is_reserved, may_be_created
from sidecar.domain.account import Account, AccountOrder
from sidecar.domain.identity import Identity, Person
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import Application, Policy, Portal
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock

PARALLEL = 8
OFTEN = 10
"""Looks of one person at one application within `WITHIN` seconds: each asks the application."""
WITHIN = 60.0
MOST = 5000


class Reads(Protocol):
    """The reading half of `flows.accounts.Connector`."""

    async def read(self, username: str) -> Account | None:
        """See `Connector.read`."""
        ...


class ReadsLedger(Protocol):
    """The reading half of `flows.accounts.Ledger`; see there."""

    async def pin_of(self, application: str, person: Person) -> Pin | None: ...
    async def pin_on(self, application: str, username: str) -> Pin | None: ...
    async def owned(self, application: str, username: str) -> tuple[OwnedGroup, ...]: ...
    async def deactivation(self, application: str, username: str) -> Deactivation | None: ...


@dataclass(frozen=True, slots=True)
class Way:
    """How one application's accounts are read, and the seconds that it may take."""

    reads: Reads
    budget: float = 15.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the look found."""

    account: Account | None
    deactivation: Deactivation | None
    owned: Sequence[OwnedGroup] = ()


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What would be done. *seen*: None where the application's accounts are not managed."""

    way: Plan | Refusal
    seen: Seen | None = None


class Foresight:
    """Looks."""

    def __init__(
        self, policy: Callable[[], Policy], ways: Mapping[str, Way], ledger: ReadsLedger, clock: Clock
    ) -> None:
        self._policy = policy
        self._ways = ways
        self._ledger = ledger
        self._clock = clock
        self._gate = asyncio.Semaphore(PARALLEL)
        self._looks: MutableMapping[tuple[str, Person], deque[float]] = TTLCache(MOST, WITHIN, timer=clock.monotonic)

    def may_look(self, application: str, person: Person) -> bool:
        """Whether it was not too often; counted by the person, whom another sign-in does not change."""
        key, now = (application, person), self._clock.monotonic()
        looks = self._looks.get(key) or deque[float](maxlen=OFTEN)
        if len(looks) == OFTEN and now - looks[0] < WITHIN:
            return False
        looks.append(now)
        self._looks[key] = looks
        return True

    async def foresee(self, order: AccountOrder, identity: Identity) -> Foreseen:
        """What a sign-in of *identity* would do now.

        Raises:
            AccountError: the look failed.
        """
        way = self._ways.get(order.application)
        budget = way.budget if way is not None else 15.0
        try:
            async with asyncio.timeout(budget), self._gate:
                return await self._look(order, identity, way)
        except TimeoutError:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, f"no answer after {budget:g} seconds") from None
        except StateError as error:
            raise AccountError(Reason.STATE_UNAVAILABLE, "the ledger did not answer") from error

    async def _look(self, order: AccountOrder, identity: Identity, way: Way | None) -> Foreseen:
        application, portal, authoritative = self._home(order, identity)
        name, ledger = fold(order.username), self._ledger
        pin, pin_on_name = await asyncio.gather(
            ledger.pin_of(order.application, identity.person), ledger.pin_on(order.application, name)
        )
        reserved = application.accounts.reserved | application.product.reserved_names
        if way is None or not application.accounts.enabled:
            return Foreseen(_unmanaged(order, pin, pin_on_name, reserved, authoritative=authoritative))
        account, owned, deactivation = await asyncio.gather(
            way.reads.read(order.username),
            ledger.owned(order.application, name),
            ledger.deactivation(order.application, name),
        )
        steps = plan(
            order,
            account=account,
            pin=pin,
            pin_on_name=pin_on_name,
            owned=owned,
            deactivation=deactivation,
            policy=replace(application.accounts, reserved=reserved),
            groups=replace(portal.groups, protected=portal.groups.protected | application.product.protected_groups),
            authoritative=authoritative,
            creatable=may_be_created(order.username, portal.names_of(identity.provider)),
        )
        return Foreseen(steps, Seen(account, deactivation, owned))

    def _home(self, order: AccountOrder, identity: Identity) -> tuple[Application, Portal, bool]:
        policy = self._policy()
        application = policy.applications.get(order.application)
        portal = application.portal(order.portal) if application is not None else None
        provider = policy.providers.get(identity.provider)
        if application is None or portal is None or provider is None:
            raise AccountError(Reason.INTERNAL, "the policy no longer knows the application, portal or provider")
        return application, portal, provider.authoritative


def _unmanaged(
    order: AccountOrder, pin: Pin | None, on_name: Pin | None, reserved: frozenset[str], *, authoritative: bool
) -> Plan | Refusal:
    """Where no account is touched, pins hold all the same; as `flows.provisioning` does it."""
    conflict = pin_conflict(order.username, pin, on_name)
    if conflict is not None:
        return conflict
    if pin is not None:
        return Plan(username=pin.spelling)
    if is_reserved(order.username, reserved):
        return Refusal(Reason.ACCOUNT_RESERVED, "the account name is reserved")
    if not authoritative:
        detail = "accounts are not managed, and this provider's usernames are not authoritative"
        return Refusal(Reason.ACCOUNT_NOT_ADOPTED, detail)
    return Plan(username=order.username)
