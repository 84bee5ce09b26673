"""The users and groups that a product takes from us, where we are its Crowd server: read-only for the product.

Written by the account connector `adapters.accounts.directory`, which carries out plans like any other; read by the
listener at which products ask. What is kept stands beside the ledger; memory holds a copy of each directory, and where
several instances write, every question looks first whether somebody else did.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from sidecar.core.crowd_entities import Changes, CrowdUser
from sidecar.core.usernames import fold
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock

TRIES = 20
"""Tries of one change against those of other instances."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A user as it is stored: with the number of the change that made it, and of the last one."""

    user: CrowdUser
    made: int
    changed: int


@dataclass(frozen=True, slots=True)
class KeptGroup:
    """A group, and the number of the change that made it. Groups are never unmade: they may be empty."""

    name: str
    made: int


class DirectoryStore(Protocol):
    """Where directories are kept. Every method may raise `StateError`."""

    async def latest(self, application: str) -> int | None:
        """Number of the last change, 0 if there was none; None where nobody but this process changes anything."""
        ...

    async def load(self, application: str, since: int) -> tuple[Sequence[Kept], Sequence[KeptGroup]]:
        """What changed after the change of that number; after 0 that is everything."""
        ...

    async def put(self, application: str, kept: Kept, groups: Sequence[KeptGroup]) -> bool:
        """Keep a user, in place of what was kept under the folded name, and new groups. False, and nothing is kept, if
        the change does not have the number behind the last one: somebody else was first."""
        ...


@dataclass(slots=True)
class _Book:
    users: dict[str, Kept] = field(default_factory=dict)
    groups: dict[str, KeptGroup] = field(default_factory=dict)
    number: int = 0
    unseen: dict[str, float] = field(default_factory=dict)

    def take(self, users: Sequence[Kept], groups: Sequence[KeptGroup], at: float | None) -> None:
        """What changed, *at* that moment; None: before this process looked, which counts as told."""
        self.users.update({fold(one.user.name): one for one in users})
        self.groups.update({fold(one.name): one for one in groups})
        self.number = max([self.number, *(one.changed for one in users)])
        if at is not None:
            self.unseen.update(dict.fromkeys((fold(one.user.name) for one in users), at))


class Directory:
    """The directories of all applications that have one here."""

    def __init__(self, store: DirectoryStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._books: dict[str, _Book] = {}
        self._turn = asyncio.Lock()

    async def user(self, application: str, name: str) -> CrowdUser | None:
        """A user by the folded name."""
        kept = (await self._book(application)).users.get(fold(name))
        return kept.user if kept is not None else None

    async def users(self, application: str) -> list[CrowdUser]:
        """All, in the order of their names."""
        book = await self._book(application)
        return [book.users[name].user for name in sorted(book.users)]

    async def groups(self, application: str) -> list[str]:
        """All, in the order of their names."""
        book = await self._book(application)
        return [book.groups[name].name for name in sorted(book.groups)]

    async def members(self, application: str, group: str) -> list[CrowdUser] | None:
        """Of one group; None: there is no such group."""
        book, wanted = await self._book(application), fold(group)
        if wanted not in book.groups:
            return None
        return [user for user in await self.users(application) if wanted in map(fold, user.groups)]

    async def change(self, application: str, name: str, become: Callable[[CrowdUser | None], CrowdUser]) -> None:
        """Let a user become otherwise, or be made; groups that are new are made with it.

        Raises:
            StateError: it was not kept, and is as it was.
        """
        async with self._turn:
            for _ in range(TRIES):
                book = await self._load(application)
                known = book.users.get(fold(name))
                user = become(known.user if known is not None else None)
                if known is not None and known.user == user:
                    return
                number = book.number + 1
                kept = Kept(user, known.made if known is not None else number, number)
                new = [KeptGroup(group, number) for group in sorted(user.groups) if fold(group) not in book.groups]
                if await self._store.put(application, kept, new):
                    book.take((kept,), new, self._clock.monotonic())
                    return
        raise StateError("a directory could not be changed: others write all the time")

    async def number(self, application: str) -> int:
        """Of the last change."""
        return (await self._book(application)).number

    async def since(self, application: str, number: int) -> Changes | None:
        """What changed after the change of that number; None: nobody knows such a number."""
        book = await self._book(application)
        if not 0 <= number <= book.number:
            return None
        later = [kept for kept in book.users.values() if kept.changed > number]
        return Changes(
            groups=tuple(sorted(group.name for group in book.groups.values() if group.made > number)),
            made=tuple(kept.user for kept in later if kept.made > number),
            changed=tuple(kept.user for kept in later if kept.made <= number),
        )

    async def shown(self, application: str, names: Sequence[str] | None) -> None:
        """The product has been told of these users as they are now; None: of all of them."""
        book = await self._book(application)
        for name in list(book.unseen) if names is None else map(fold, names):
            book.unseen.pop(name, None)

    def is_pending(self, application: str, name: str, longest: float) -> bool:
        """Whether a user was changed lately, and the product has not asked for them since. What was changed before this
        process began counts as told."""
        book = self._books.get(application)
        since = book.unseen.get(fold(name)) if book is not None else None
        return since is not None and self._clock.monotonic() - since < longest

    async def _book(self, application: str) -> _Book:
        book = self._books.get(application)
        if book is not None and await self._store.latest(application) in {None, book.number}:
            return book
        async with self._turn:
            return await self._load(application)

    async def _load(self, application: str) -> _Book:
        """The directory, with what others changed since it was looked at."""
        book = self._books.get(application)
        if book is not None:
            latest = await self._store.latest(application)
            if latest is None or latest == book.number:
                return book
            if latest < book.number:
                # The store was put back from a backup: what is remembered of it is not there.
                book = None
        found = book if book is not None else _Book()
        users, groups = await self._store.load(application, found.number)
        found.take(users, groups, self._clock.monotonic() if book is not None else None)
        self._books[application] = found
        return found
