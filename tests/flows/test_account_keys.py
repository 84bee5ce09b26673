"""flows.provisioning: a person keeps the account, and not the name, when an administrator gives the name away."""

from __future__ import annotations

from dataclasses import replace

from sidecar.domain.events import Code
from sidecar.domain.reason import Reason
from tests.flows.fake_accounts import Directory, World, account, agent


def held(world: World) -> list[tuple[str, str | None]]:
    """Which account each pin means."""
    return [(pin.username, pin.key) for pin in world.ledger.pins]


async def test_an_account_that_was_renamed_and_its_successor_belong_to_nobody_else() -> None:
    """An administrator renames alice, makes a new alice, and somebody else may be called as the old one is now."""
    world = World(Directory(account("alice", "jira-users", key="K1")))
    world.pin(agent(), "alice")
    assert "alice" == await world.visit(agent())
    assert [("alice", "K1")] == held(world)
    renamed = replace(world.directory.accounts["alice"], username="alison")
    world.directory.accounts = {"alison": renamed, "alice": account("alice", "jira-secret", key="K2")}
    world.clock.time += 1000
    assert Reason.PIN_CONFLICT is await world.refusal(agent())
    assert Reason.PIN_CONFLICT is await world.refusal(agent("alison"))
    assert [Code.ACCOUNT_REFUSED, Code.ACCOUNT_REFUSED] == [event.code for event in world.audit.events]
    assert "K2" in str(world.audit.events[0].facts["detail"])
    assert [("alice", "K1")] == held(world)
    assert "group.added" not in world.audit.codes()


async def test_after_an_administrator_tied_it_anew_the_new_account_is_hers() -> None:
    world = World(Directory(account("alice", "jira-users", key="K2")))
    world.pin(agent(), "alice", key="K1")
    assert Reason.PIN_CONFLICT is await world.refusal(agent())
    await world.ledger.unpin("jira", "alice")
    world.pin(agent(), "alice", created=False)
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    assert [("alice", "K2")] == held(world)


async def test_a_pin_has_the_key_of_the_account_that_was_adopted_or_made() -> None:
    world = World(Directory(account("alice", "jira-users", key="K1")))
    await world.visit(agent())
    await world.visit(agent("newcomer"))
    assert [("alice", "K1"), ("newcomer", "made-1")] == held(world)


async def test_an_account_that_was_deleted_and_made_again_by_us_is_still_hers() -> None:
    world = World()
    world.pin(agent(), "alice", key="K1")
    for _ in range(2):
        assert "alice" == await world.visit(agent())
        world.clock.time += 1000
    assert [("alice", "made-1")] == held(world)


async def test_one_account_is_not_pinned_twice_under_two_names() -> None:
    world = World(Directory(account("alice", "jira-users", key="K1")))
    world.pin(agent("alison"), "alison", key="K1")
    assert Reason.PIN_CONFLICT is await world.refusal(agent())
    # Pins that came without keys are held to the same, in the order in which they learn.
    world.pin(agent(), "alice")
    world.clock.time += 5
    assert Reason.PIN_CONFLICT is await world.refusal(agent())
    assert [("alison", "K1"), ("alice", None)] == held(world)
