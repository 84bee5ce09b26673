"""All accounts of an application in bounded calls, for reports over everybody. On the way of a request only the members
of one group are asked for (`last_administrators`).

`sidecar.commands.migrating` reads a roll and lets the account flow look into it instead of asking for five thousand
people one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from sidecar.core.usernames import fold
from sidecar.domain.account import Account, Step, StepResult
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Registry

_AT_ONCE = 8
"""Groups that are read at the same time."""


class UnreadGroupError(AccountError):
    """The application has a group of this name, perhaps, and no way to ask for its members."""


class Listing(Protocol):
    """Lists what an application has. Every method may raise `AccountError`.

    Attributes:
        untold: What it does not list, as sentences for the administrator.
    """

    @property
    def untold(self) -> tuple[str, ...]: ...

    async def people(self) -> tuple[Account, ...]:
        """All accounts, active or not; their groups are not filled in."""
        ...

    async def groups(self) -> tuple[tuple[str, ...], int]:
        """The groups that the application lists, and how many it says there are."""
        ...

    async def members(self, group: str) -> frozenset[str] | None:
        """The names of all members in lower case, active or not; None if there is no such group.

        Raises:
            UnreadGroupError: nobody can ask for the members of a group of this name.
        """
        ...

    async def shadowed(self) -> Mapping[str, tuple[str, ...]] | None:
        """Names in lower case that more than one directory has, each with its directories, the first one first; None
        if the application does not tell."""
        ...


@runtime_checkable
class Lists(Protocol):
    """A connector that can list as well. One that cannot has no reports over everybody."""

    def listing(self) -> Listing:
        """The way to list."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """What an application had when it was read.

    Attributes:
        accounts: By name in lower case, as the products tell them apart: `weiß` and `weiss` are two. Each has those of
            its groups that were asked for.
        shadowed: See `Listing.shadowed`.
        absent: Groups that were asked for and do not exist, case-folded.
        unlisted: How many groups the application has that it does not list.
        unread: Groups whose members cannot be asked for: nobody is taken to be in them.
        untold: See `Listing.untold`.
    """

    accounts: Mapping[str, Account]
    shadowed: Mapping[str, tuple[str, ...]] | None = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    unlisted: int = 0
    unread: tuple[str, ...] = ()
    untold: tuple[str, ...] = ()


async def read_roll(listing: Listing, named: Iterable[str], *, every: bool = False) -> Roll:
    """Everybody, with their memberships in the groups *named*, and with *every* in all groups that are listed.

    Raises:
        AccountError: the application did not answer, or changed so much meanwhile that the answers do not fit.
    """
    people, (listed, count), shadowed = await asyncio.gather(listing.people(), listing.groups(), listing.shadowed())
    spellings = {fold(group): group for group in named} | {fold(group): group for group in listed}
    wanted = spellings.keys() if every else {fold(group) for group in named}
    gate = asyncio.Semaphore(_AT_ONCE)
    unread: list[str] = []

    async def members(group: str) -> tuple[str, frozenset[str] | None]:
        async with gate:
            try:
                return group, await listing.members(spellings[group])
            except UnreadGroupError:
                unread.append(spellings[group])
                return group, frozenset()

    found = dict(await asyncio.gather(*map(members, sorted(wanted))))
    groups: dict[str, set[str]] = {}
    for group, inside in found.items():
        for name in inside or ():
            groups.setdefault(name, set()).add(spellings[group])
    accounts = {
        one.username.lower(): replace(one, groups=frozenset(groups.get(one.username.lower(), ()))) for one in people
    }
    absent = frozenset(group for group, inside in found.items() if inside is None)
    return Roll(
        accounts=accounts,
        shadowed=shadowed,
        absent=absent,
        unlisted=max(0, count - len(listed)),
        unread=tuple(sorted(unread)),
        untold=listing.untold,
    )


class RollConnector:
    """A `flows.accounts.Connector` that looks into a roll and changes nothing, and a `Registry` of the same."""

    def __init__(self, roll: Roll, registry: Registry | None = None) -> None:
        """*registry* tells of licences."""
        self._roll = roll
        self._registry = registry
        self._keys = {one.key: one for one in roll.accounts.values() if one.key is not None}

    async def read(self, username: str) -> Account | None:
        """See `Connector.read`."""
        return self._roll.accounts.get(username.lower())

    async def by_key(self, key: str) -> Account | None:
        """See `Registry.by_key`."""
        return self._keys.get(key)

    async def licences(self) -> tuple[Licence, ...]:
        """See `Registry.licences`."""
        return await self._registry.licences() if self._registry is not None else ()

    async def apply(self, step: Step) -> StepResult:
        """Never."""
        raise AccountError(Reason.ACCOUNT_STEP_FAILED, "a roll is for looking only", retry=False)
