"""Codes that the product redeems at us while a dance is under way, and the access tokens that it gets for them.

Nothing is kept of them: what one stands for is sealed into it, so that any instance can be asked. What must not happen
twice is decided by the store in which states are spent. Nobody waits here for anything that a dance could hold.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from sidecar.core.grant_records import Given, bound_to, given_from_bytes, given_to_bytes
from sidecar.core.grants import TOKEN_LIFE, Client, Grant, Redemption, fits
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.holders import Counts, TextSealer
from sidecar.flows.login import SpentStates
from sidecar.flows.logout import Markers
from sidecar.flows.owned import quietly
from sidecar.flows.telling import Chance, Clock

LOG = logging.getLogger(__name__)
CODE, TOKEN = "landing code", "landing token"
"""Purposes of the seals: the one is never taken for the other."""

REMEMBERED = 2 * TOKEN_LIFE
"""Seconds behind its end for which a spent code is remembered: a second use is known for what it is, also where a clock
is behind."""

Fate = Literal["taken", "untouched", "spoilt"]


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A code that was good, with the access token for userinfo."""

    grant: Grant
    access_token: str


class Codes:
    """The codes and access tokens of one product or several."""

    def __init__(
        self, sealer: TextSealer, spent: SpentStates, markers: Markers, counts: Counts, clock: Clock, chance: Chance
    ) -> None:
        self._sealer = sealer
        self._spent = spent
        self._markers = markers
        self._counts = counts
        self._clock = clock
        self._chance = chance
        self.spoilt: Callable[[Grant], Awaitable[None]] = _unheard

    def issue(self, grant: Grant) -> str:
        """A code for *grant*.

        Raises:
            ValueError: it would be too long.
        """
        return self._sealed(CODE, Given(self._chance.token(16), grant))

    async def redeem(self, client: Client, redemption: Redemption) -> Redeemed | None:
        """What the code stands for, once; None if it is not good for this request.

        A second use, or one with other particulars, spoils what came of the first (RFC 6749, section 4.1.2).

        Raises:
            StateError: nobody knows; the code counts as spent if that was noted.
        """
        given, now = self._opened(CODE, client, redemption.code), self._clock.now()
        if given is None or now >= given.grant.ends_at + TOKEN_LIFE:
            return None
        first = await self._spend(given)
        if not first or not fits(given.grant, client, redemption, now):
            await self._spoil(given)
            return None
        if not await self._counts.surely(given.grant.holder, given.grant.username):
            return None
        token = replace(given, grant=replace(given.grant, ends_at=UnixSeconds(now + TOKEN_LIFE)))
        return Redeemed(given.grant, self._sealed(TOKEN, token))

    async def close(self, client: Client, code: str) -> Fate:
        """The dance is over: what became of its code. From now on nobody can redeem it.

        Raises:
            StateError: nobody knows.
        """
        given = self._opened(CODE, client, code)
        if given is None or await self._spend(given):
            return "untouched"
        return "spoilt" if await self._is_spoilt(given) else "taken"

    async def is_spoilt(self, client: Client, code: str) -> bool:
        """Whether somebody used it once more, or tried to.

        Raises:
            StateError: nobody knows.
        """
        given = self._opened(CODE, client, code)
        return given is None or await self._is_spoilt(given)

    async def withdraw(self, client: Client, code: str) -> None:
        """The dance came to nothing. If the store does not take it, the code ends by its time."""
        await quietly(self.close(client, code))

    async def of_token(self, client: Client, token: str) -> Grant | None:
        """Of whom an access token speaks, at the client to which it was given.

        Raises:
            StateError: nobody knows whether it still counts.
        """
        given = self._opened(TOKEN, client, token)
        if given is None or self._clock.now() >= given.grant.ends_at or await self._is_spoilt(given):
            return None
        return given.grant if await self._counts.surely(given.grant.holder, given.grant.username) else None

    async def _spend(self, given: Given) -> bool:
        return await self._spent.spend(f"{CODE} {given.number}", UnixSeconds(given.grant.ends_at + REMEMBERED))

    async def _spoil(self, given: Given) -> None:
        now = self._clock.now()
        LOG.warning("a code for %s was used twice, or otherwise than it was meant", given.grant.client.client_id)
        await self._markers.mark(_spoilt(given), now, UnixSeconds(now + REMEMBERED))
        await self.spoilt(given.grant)

    async def _is_spoilt(self, given: Given) -> bool:
        return await self._markers.marked_at(_spoilt(given), self._clock.now()) is not None

    def _sealed(self, purpose: str, given: Given) -> str:
        return self._sealer.seal_text(purpose, bound_to(given.grant.client), given_to_bytes(given))

    def _opened(self, purpose: str, client: Client, text: str) -> Given | None:
        data = self._sealer.open_text(purpose, bound_to(client), text)
        return given_from_bytes(data, client) if data is not None else None


def _spoilt(given: Given) -> str:
    return f"{CODE} {given.number} spoilt"


async def _unheard(_: Grant) -> None:
    return
