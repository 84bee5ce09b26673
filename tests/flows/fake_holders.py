"""Plain stand-ins for those who say whether a session counts, and codes and tokens on a state that gates may share."""

from __future__ import annotations

import asyncio

from sidecar.adapters.seal import Sealer
from sidecar.core.holders import Holder
from sidecar.domain.session import Session
from sidecar.flows.crowd_tokens import Tokens
from sidecar.flows.holders import Counts
from sidecar.flows.landing_codes import Codes
from sidecar.flows.telling import Chance, Clock
from tests.flows.fakes import KEY, MemoryMarkers, MemorySpent


class WhoCounts:
    """`flows.holders.Counts`: everybody whose session is not among those that are over."""

    def __init__(self) -> None:
        self.over: set[str] = set()

    async def surely(self, holder: Holder, username: str) -> bool:
        await asyncio.sleep(0)
        return holder.session not in self.over


class WhoVouches:
    """`flows.holders.Vouches`: the sessions that are kept by their key, and all callers but those that were revoked."""

    def __init__(self) -> None:
        self.kept: dict[str, Session] = {}
        self.revoked: set[str] = set()
        self.recheck = 900

    async def session_of(self, holder: Holder) -> Session | None:
        await asyncio.sleep(0)
        found = self.kept.get(holder.session)
        return found if found is not None and found.application == holder.application else None

    async def lends(self, holder: Holder, username: str) -> bool:
        await asyncio.sleep(0)
        return holder.lent is not None and holder.session not in self.revoked


def tokens_on(vouches: WhoVouches, markers: MemoryMarkers, clock: Clock, chance: Chance, *keys: bytes) -> Tokens:
    """Those of one gate, which others may share all of this with."""
    return Tokens(Sealer(keys or [KEY]), vouches, markers, lambda: vouches.recheck, clock, chance)


def codes_on(spent: MemorySpent, markers: MemoryMarkers, counts: Counts, clock: Clock, chance: Chance) -> Codes:
    """Those of one gate, on a state that others may share."""
    return Codes(Sealer([KEY]), spent, markers, counts, clock, chance)
