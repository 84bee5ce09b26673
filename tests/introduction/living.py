"""A site that is introduced, whatever product it is: everybody on the list as a sign-in sees them, observed and in
force."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from sidecar.commands.doors import door_of
from sidecar.commands.everybody import everybody_in
from sidecar.commands.looking import Sight, sight
from sidecar.config.load import Loaded
from sidecar.config.outside import cookie_keys
from sidecar.core.candidates import Candidate, candidate
from sidecar.demo.people import Directory
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.accounts import AccountError
from sidecar.flows.observing import Observer
from sidecar.flows.telling import Trace
from tests.adapters.accounts.standins import Server
from tests.flows.fake_accounts import Counter as Steps
from tests.flows.fake_accounts import Listener
from tests.introduction.company import Office


@dataclass(slots=True)
class LivingSite:
    """Everything that runs."""

    server: Server
    people: Directory
    office: Office

    @property
    def idp(self) -> Path:
        return self.office.folder / "users.csv"

    def whos(self, loaded: Loaded) -> list[Candidate]:
        """Everybody as a sign-in sees them."""
        application = loaded.policy.applications[self.office.application]
        door = door_of(application, None, None)
        rows = everybody_in(self.idp, loaded.policy.providers["staff"])
        now = UnixSeconds(int(time.time()))
        return [candidate(row.claims, application, door.portal, "staff", loaded.policy, now) for row in rows]

    async def come(self, at: Sight, whos: Sequence[Candidate]) -> Counter[str]:
        """All of them come, twenty at a time; how many were let in, and why the others were not."""
        accounts, gate, counts = at.accounts(), asyncio.Semaphore(20), Counter[str]()

        async def one(who: Candidate) -> None:
            async with gate:
                if who.order is None or who.identity is None:
                    counts[who.refused.value] += 1
                    return
                try:
                    await accounts.ensure(who.order, who.identity, Trace())
                    counts["in"] += 1
                except AccountError as error:
                    counts[error.reason.value] += 1

        await asyncio.gather(*map(one, whos))
        await accounts.close()
        return counts


async def observed(site: LivingSite) -> Counter[str]:
    """Everybody passes through an observed portal."""
    audit, meter = Listener(), Steps()
    async with sight(
        site.office.loaded, site.office.loaded.policy.applications[site.office.application], apply=False
    ) as at:
        observer = Observer(at.accounts(), audit, meter, at.clock)
        for who in site.whos(at.loaded):
            if who.order is not None and who.identity is not None:
                observer.watch(who.order, who.identity, Trace())
                if len(observer._tasks) >= 10:
                    await observer.close()
        await observer.close()
    return Counter("in" if event.reason.value == "ok" else event.reason.value for event in audit.events)


async def enforced(site: LivingSite, whos: Sequence[Candidate]) -> Counter[str]:
    """All of *whos* come to a portal in force."""
    loaded = site.office.loaded
    async with sight(loaded, loaded.policy.applications[site.office.application], apply=True) as at:
        return await site.come(at, whos)


@asynccontextmanager
async def ledger(office: Office) -> AsyncIterator[State]:
    """The state while no gate runs."""
    keys = [key.encode() for key in cookie_keys(office.loaded.config)]
    async with open_state(office.loaded.config.state.directory, Sealer(keys)) as state:
        yield state


def groups_of(who: Candidate) -> tuple[str, ...]:
    """The application's groups that somebody's claims give."""
    return (who.order.groups or ()) if who.order is not None else ()


def without(who: Candidate, group: str) -> Candidate:
    """The same person, whose claims give that group no more."""
    assert who.order is not None and who.order.groups is not None
    groups = tuple(name for name in who.order.groups if name != group)
    return replace(who, order=replace(who.order, groups=groups))
