"""Tokens by which a product asks us who is there, where we are its Crowd server. They never leave for a browser.

Used by `flows.crowd_landing`, which hands them to the product, and by the listener at which the product asks. A token
is good for one session, one username and one application, and for as long as that session is alive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass

from cachetools import LRUCache

from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import Session
from sidecar.flows.telling import Chance, Clock

REMEMBERED = 40_000
"""Tokens at once. One that is forgotten costs nothing: the next request takes a new one along."""

Alive = Callable[[Session], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Given:
    """What a token stands for. *session* is as it was when the token was made; what counts is whether it is alive."""

    application: str
    session: Session
    username: str
    at: UnixSeconds


class Tokens:
    """The tokens of all products, each kept under its hash."""

    def __init__(self, alive: Alive, clock: Clock, chance: Chance) -> None:
        """*alive* says whether a session still counts, wherever it is kept."""
        self._alive = alive
        self._clock = clock
        self._chance = chance
        self._given: MutableMapping[bytes, Given] = LRUCache(REMEMBERED)

    def issue(self, session: Session, username: str) -> str:
        """A new token."""
        token = self._chance.token()
        self._given[_hash(token)] = Given(session.application, session, username, self._clock.now())
        return token

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
        return tuple(
            given
            for key, given in list(self._given.items())
            if given.application == application and given.username.casefold() == username.casefold() and key != but
        )

    def take_back(self, token: str) -> None:
        """Another one takes its place."""
        self._given.pop(_hash(token), None)

    def end(self, session: Session) -> None:
        """The session is over."""
        for key in [key for key, given in self._given.items() if given.session.key == session.key]:
            self._given.pop(key, None)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
