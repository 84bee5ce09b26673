"""flows.observing: what would be done is told with its steps, and nothing is done."""

from __future__ import annotations

import asyncio

from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.observing import EVERY, Observer
from tests.flows.fake_accounts import TRACE, Directory, World, account, agent


class Watched(World):
    """A world with an observer, whose looks are waited for."""

    async def watch(self, *names: str) -> list[tuple[str, Reason, object]]:
        """What is told of these people."""
        if not hasattr(self, "observer"):
            self.observer = Observer(self.flow, self.audit, self.meter, self.clock)
        self.audit.events.clear()
        for name in names:
            self.observer.watch(self.order(agent(name)), agent(name), TRACE)
        await self.observer.close()
        return [(e.username, e.reason, e.facts.get("steps", e.facts.get("detail"))) for e in self.audit.events]


async def test_what_would_be_done_is_told_and_nothing_is_done() -> None:
    world = Watched(Directory(account("alice"), account("carol", active=False)))
    assert [
        ("alice", Reason.OK, ("link", "join jira-users")),
        ("bob", Reason.OK, ("link", "create", "join jira-users")),
        ("carol", Reason.ACCOUNT_INACTIVE, "the account is inactive and may not be made active again"),
    ] == sorted(await world.watch("alice", "bob", "carol"))
    assert {"account.observed"} == set(world.audit.codes())
    assert ["read alice", "read bob", "read carol"] == sorted(world.directory.diary)
    assert ([], [], [], []) == (world.ledger.pins, world.ledger.journal, world.ledger.diary, world.audit.intended)


async def test_somebody_is_looked_at_again_only_after_a_while() -> None:
    world = Watched(Directory(account("alice")))
    counts = []
    for passed in (0, 1, EVERY):
        world.clock.time += passed
        counts.append(len(await world.watch("alice", "alice")))
    assert [1, 0, 1] == counts


async def test_an_application_that_does_not_answer_is_told_and_hurts_nobody() -> None:
    world = Watched(Directory(account("alice")))

    async def read(username: str) -> None:
        raise AccountError(Reason.CONNECTOR_UNREACHABLE, "no answer")

    world.directory.read = read  # type: ignore[method-assign]
    assert [("alice", Reason.CONNECTOR_UNREACHABLE, "no answer")] == await world.watch("alice")


async def test_a_crowd_does_not_storm_the_application() -> None:
    world = Watched(Directory())
    world.directory.gate.clear()
    observer = Observer(world.flow, world.audit, world.meter, world.clock)
    for number in range(50):
        observer.watch(world.order(agent(f"p{number}")), agent(f"p{number}"), TRACE)
    for _ in range(5):
        await asyncio.sleep(0)
    assert 10 == world.directory.busiest
    world.directory.gate.set()
    await observer.close()
    # Whoever was not looked at is looked at by a later request.
    observer.watch(world.order(agent("p49")), agent("p49"), TRACE)
    await observer.close()
    assert "read p49" in world.directory.diary


async def test_no_value_of_a_claim_is_told() -> None:
    world = Watched(Directory(account("alice", "jira-users")))
    person = agent("alice", email="secret@example.com")
    observer = Observer(world.flow, world.audit, world.meter, world.clock)
    observer.watch(world.order(person), person, TRACE)
    await observer.close()
    assert [("link", "update")] == [event.facts["steps"] for event in world.audit.events]
    assert "secret" not in repr(world.audit.events[0].facts)
