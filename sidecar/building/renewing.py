"""What is made anew when secrets change: all of it first, and then put in force together, or nothing.

Each part of a gate that holds a secret says here how it takes another one. Used by `app` and `building.reloading`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from sidecar.adapters.landing.header import HeaderLanding
from sidecar.adapters.landing.id_tokens import IdTokens, landing_keys
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.adapters.seal import CookieSigner, Sealer
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys, header_proof, landing_secrets, provider_config
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.crowd_tokens import Tokens
from sidecar.flows.sessions import Sessions
from sidecar.flows.telling import Clock
from sidecar.web.crowd_server import Guest
from sidecar.web.landing_provider import Party

Commit = Callable[[], None]
"""Puts in force what was made. Does not fail, and does not wait."""
Prepare = Callable[[Loaded, UnixSeconds], Commit]
"""Makes what a configuration wants, off the event loop.

Raises:
    SecretError, ValueError, OSError: it cannot be made.
"""


T = TypeVar("T")


class Current(Generic[T]):
    """Gives what is in force, to whoever asks for it each time."""

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def __call__(self) -> T:
        return self._value

    def replace(self, value: T) -> None:
        """From now on *value*."""
        self._value = value


def _nothing_revoked() -> frozenset[str]:
    return frozenset()


class Renewals:
    """What all parts do, in the order in which they were added.

    Attributes:
        revoked: Tells the ids of cookie keys that are taken back.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.revoked: Callable[[], frozenset[str]] = _nothing_revoked
        self._prepares: list[Prepare] = []

    def add(self, prepare: Prepare) -> None:
        """From now on *prepare* is asked as well."""
        self._prepares.append(prepare)

    def current(self, value: T, make: Callable[[Loaded], T]) -> Current[T]:
        """*value*, until *make* makes another one of a new configuration."""
        found = Current(value)
        self.add(lambda after, _now: partial(found.replace, make(after)))
        return found

    async def made(self, after: Loaded) -> Sequence[Commit]:
        """Everything that *after* wants, not yet in force.

        Raises:
            SecretError, ValueError, OSError: a part of it cannot be made.
        """
        while True:
            now, after.kept.revoked = self._clock.now(), self.revoked()
            made = await asyncio.to_thread(self._prepared, after, now)
            # A key that was taken back meanwhile must not come back by what was begun before.
            if after.kept.revoked == self.revoked():
                return made

    def _prepared(self, after: Loaded, now: UnixSeconds) -> Sequence[Commit]:
        return [prepare(after, now) for prepare in self._prepares]


def of_keys(signer: CookieSigner, sealer: Sealer, sessions: Sessions) -> Prepare:
    """Cookies and what is stored. A cookie whose key is gone is looked at once more, and found to be worth nothing."""

    def prepare(after: Loaded, now: UnixSeconds) -> Commit:
        keys = [key.encode() for key in cookie_keys(after.config, after.kept, now)]
        _ = Sealer(keys)  # what is wrong with them is said now

        def commit() -> None:
            signer.rekey(keys)
            sealer.rekey(keys)
            sessions.forget_cookies()

        return commit

    return prepare


def of_tokens(tokens: Tokens) -> Prepare:
    """What products ask about. A token whose key is gone stands for nobody."""
    return lambda _after, _now: tokens.forget


def of_provider(name: str, provider: OidcProvider) -> Prepare:
    """How we prove to a provider who we are."""

    def prepare(after: Loaded, _now: UnixSeconds) -> Commit:
        made = provider_config(name, after.config.providers[name], after.policy, after.kept)
        return partial(provider.renew, made)

    return prepare


def of_header(name: str, landing: HeaderLanding) -> Prepare:
    """The proof beside the header."""

    def prepare(after: Loaded, now: UnixSeconds) -> Commit:
        keys, application = cookie_keys(after.config, after.kept, now), after.policy.applications[name]
        return partial(landing.renew, header_proof(application, after.config, keys, after.kept, now))

    return prepare


def of_minter(minter: IdTokens, secrets: tuple[str, ...]) -> Prepare:
    """The keys of ID tokens, derived from the cookie keys *secrets*: a change takes some tenths of a second."""
    derived = secrets

    def prepare(after: Loaded, now: UnixSeconds) -> Commit:
        keys = cookie_keys(after.config, after.kept, now)
        made = landing_keys(keys) if keys != derived else None

        def commit() -> None:
            nonlocal derived
            if made is not None:
                derived = keys
                minter.renew(made)

        return commit

    return prepare


def of_asking(name: str, asking: Party | Guest) -> Prepare:
    """The secrets that a product shows us."""

    def prepare(after: Loaded, now: UnixSeconds) -> Commit:
        first, *older = landing_secrets(after.policy.applications[name], after.config, after.kept, now)

        def commit() -> None:
            asking.secret, asking.older = first, tuple(older)

        return commit

    return prepare
