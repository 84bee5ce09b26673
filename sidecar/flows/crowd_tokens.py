"""Tokens by which a product asks us who is there, where we are its Crowd server. They never leave for a browser.

Used by `flows.crowd_landing`, which hands them to the product, and by the listener at which the product asks. A token
is good for one session, one username and one application, and for as long as that session is alive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from cachetools import LRUCache

from sidecar.core.kept import kept
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Session
from sidecar.flows.telling import Chance, Clock

REMEMBERED = 40_000
"""Tokens at once. One that is forgotten costs nothing: the next request takes a new one along."""

Alive = Callable[[Session], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Given:
    """What a token stands for, and the node of the application that has it. *session* is as it was when the token was
    made; what counts is whether it is alive."""

    application: str
    session: Session
    username: str
    at: UnixSeconds
    node: str = ""


Key = bytes
"""A token's hash."""


@dataclass(slots=True)
class _Listed:
    """Tokens by what they are asked for by: who has one, and what is looked through is no more than that."""

    known: dict[object, dict[Key, None]] = field(default_factory=dict)

    def add(self, of: object, key: Key) -> None:
        self.known.setdefault(of, {})[key] = None

    def remove(self, of: object, key: Key) -> None:
        keys = self.known.get(of, {})
        keys.pop(key, None)
        if not keys:
            self.known.pop(of, None)

    def of(self, of: object) -> tuple[Key, ...]:
        return tuple(self.known.get(of, ()))


class _Given(LRUCache[Key, Given]):
    """Everything that was given, and two lists of it; what falls out falls out of the lists as well."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self.by_session, self.by_user = _Listed(), _Listed()

    def put(self, key: Key, given: Given) -> None:
        self[key] = given
        self.by_session.add(given.session.key, key)
        self.by_user.add(_user(given.application, given.username), key)

    def __delitem__(self, key: Key) -> None:
        # Whatever takes an entry out comes this way, the cache itself too when it is full.
        given = self[key]
        super().__delitem__(key)
        self.by_session.remove(given.session.key, key)
        self.by_user.remove(_user(given.application, given.username), key)


@dataclass(slots=True)
class Decoy:
    """A token that stands for nobody, and whether a product asked about it."""

    token: str
    asked: bool = False


class Tokens:
    """The tokens of all products, each kept under its hash."""

    def __init__(self, alive: Alive, clock: Clock, chance: Chance) -> None:
        """*alive* says whether a session still counts, wherever it is kept."""
        self._alive = alive
        self._clock = clock
        self._chance = chance
        self._given = kept("crowd_tokens", _Given(REMEMBERED), REMEMBERED)
        self._decoys: dict[Key, Decoy] = {}

    def issue(self, session: Session, username: str, node: str = "") -> str:
        """A new token. A session has one for each node, and all for the same username: others are taken back."""
        for key in self._given.by_session.of(session.key):
            given = self._given[key]
            if given.node == node or given.username != username:
                self._given.pop(key, None)
        token = self._chance.token()
        self._given.put(_hash(token), Given(session.application, session, username, self._clock.now(), node))
        return token

    @contextmanager
    def decoy(self) -> Iterator[Decoy]:
        """A token that nobody was given; whoever asks about it is noticed, and hears that it is no token."""
        made = Decoy(self._chance.token())
        self._decoys[_hash(made.token)] = made
        try:
            yield made
        finally:
            del self._decoys[_hash(made.token)]

    def fits(self, token: str, session: Session, username: str) -> bool:
        """Whether the token was made for just this session and username."""
        given = self._given.get(_hash(token))
        return given is not None and given.session.key == session.key and given.username == username

    async def find(self, application: str, token: str) -> Given | None:
        """What a token stands for, if the product that asks is the one it was made for and its session is alive.

        Raises:
            StateError: nobody knows whether the session is alive.
        """
        key = _hash(token)
        if (decoy := self._decoys.get(key)) is not None:
            decoy.asked = True
        given = self._given.get(key)
        if given is None or given.application != application:
            return None
        alive = await self._alive(given.session)
        if not alive:
            self._given.pop(key, None)
        # It may have been taken back while we asked.
        return given if alive and self._given.get(key) is given else None

    def of_user(self, application: str, username: str, exclude: str = "") -> tuple[Given, ...]:
        """All that stand for a username at an application, but for one token."""
        but = _hash(exclude)
        return tuple(self._given[key] for key in self._given.by_user.of(_user(application, username)) if key != but)

    def end(self, session: Session) -> None:
        """The session is over."""
        for key in self._given.by_session.of(session.key):
            self._given.pop(key, None)


def _user(application: str, username: str) -> tuple[str, str]:
    return application, username.casefold()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
