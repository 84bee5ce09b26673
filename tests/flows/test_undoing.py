"""flows.undoing and core.undo: what we did is taken back exactly, and what somebody else did since stays."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.domain.account import Account, AccountOrder, Leave, Reactivation
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.journal import Deed, Entry
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import AccountPolicy
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import AuditError
from sidecar.flows.undoing import Outcome, Undoing
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, TRACE, Directory, World, account, agent, make_policy

REFUSED = AccountError(Reason.ACCOUNT_STEP_FAILED, "read-only", retry=False)
SINCE = UnixSeconds(0)


async def undo(
    world: World, *, apply: bool = True, since: UnixSeconds = SINCE, leavers: bool = False
) -> tuple[Outcome, ...]:
    undoing = Undoing("jira", world.directory, world.ledger, world.audit, world.clock)
    return await undoing.run(since, apply=apply, leavers=leavers)


def site(
    world: World,
) -> tuple[Mapping[str, Account], list[Pin], set[OwnedGroup], Mapping[tuple[str, str], Deactivation]]:
    """All that undoing must bring back. The key of a pin is knowledge, not a step."""
    pins = [replace(pin, key=None) for pin in world.ledger.pins]
    return dict(world.directory.accounts), pins, set(world.ledger.entries.values()), dict(world.ledger.deactivations)


async def moved() -> World:
    """Somebody came whose account was inactive, in a stale group of ours, and with an old name."""
    old = replace(account("alice", "jira-old", "club", active=False), display_name="Old", email="old@example.com")
    world = World(Directory(old))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    note = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(5))
    await world.ledger.note_deactivation(note)
    return world


async def test_everything_is_taken_back_and_told() -> None:
    world = await moved()
    before = site(world)
    await world.visit(agent())
    assert before != site(world)
    world.audit.events.clear()

    outcomes = await undo(world)
    assert before == site(world)
    assert [""] * 4 == [one.why for one in outcomes]
    assert ["user.deactivated", "user.updated", "group.removed", "group.added"] == world.audit.codes()
    assert {"undo"} == {event.facts["cause"] for event in world.audit.events}
    assert ("club", "jira-old") == world.audit.events[-1].after
    assert () == await undo(world)


async def test_looking_first_changes_nothing_and_says_the_same() -> None:
    world = await moved()
    await world.visit(agent())
    after = site(world)
    world.audit.intended.clear()
    seen = await undo(world, apply=False)
    assert (after, []) == (site(world), world.audit.intended)
    assert [one.way for one in seen] == [one.way for one in await undo(world)]


async def test_what_was_made_is_deactivated_stays_its_person_s_and_comes_back() -> None:
    world = World()
    await world.visit(agent())
    outcomes = await undo(world)
    made = world.directory.accounts["alice"]
    assert (False, frozenset()) == (made.active, made.groups)
    assert [agent().person] == [pin.person for pin in world.ledger.pins]
    assert ["the account was made for this person and stays theirs"] == [one.why for one in outcomes if one.why]
    world.clock.time += 1000
    assert "alice" == await world.visit(agent())
    assert world.directory.accounts["alice"].active


async def test_an_adopted_account_is_untied_again() -> None:
    world = World(Directory(account("alice", "jira-users")))
    await world.visit(agent())
    await undo(world)
    assert [] == world.ledger.pins
    assert "user.unlinked" == world.audit.codes()[-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"groups": frozenset({"club", "jira-old", "jira-users"})}, "is in jira-old again"),
        ({"groups": frozenset({"club"})}, "is not in jira-users any more"),
        ({"active": False}, "somebody made the account inactive since"),
        ({"display_name": "Alicia", "email": "alicia@example.com"}, "it was changed since"),
    ],
)
async def test_what_somebody_else_changed_since_stays(change: Mapping[str, object], said: str) -> None:
    world = await moved()
    await world.visit(agent())
    touched = replace(world.directory.accounts["alice"], **change)  # type: ignore[arg-type]
    world.directory.accounts["alice"] = touched
    why = " ".join(one.why for one in await undo(world))
    assert said in why
    after = world.directory.accounts["alice"]
    for name, value in change.items():
        if name != "groups":
            assert value == getattr(after, name)
    if change.get("active") is False:
        assert not world.ledger.deactivations


async def test_the_accounts_of_others_and_older_steps_stay() -> None:
    world = World(Directory(account("alice"), account("bob")))
    await world.visit(agent("alice"))
    world.clock.time += 100
    await world.visit(agent("bob"))
    outcomes = await undo(world, since=world.clock.now())
    assert {"bob"} == {one.entry.username for one in outcomes}
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


async def test_an_account_that_took_over_the_name_is_not_touched() -> None:
    world = World(Directory(account("alice", key="K1")))
    await world.visit(agent())
    world.directory.accounts["alice"] = account("alice", "jira-users", key="K2")
    outcomes = await undo(world)
    assert "another account has this name now" in [one.why for one in outcomes]
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


async def test_a_membership_that_somebody_else_made_anew_stays() -> None:
    world = World(Directory(account("alice")))
    await world.visit(agent())
    # Left by hand, found so, and joined by hand again.
    await world.ledger.disown("jira", "alice", "jira-users")
    outcomes = await undo(world)
    assert "the membership in jira-users is not ours any more" in [one.why for one in outcomes]
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


async def test_an_account_that_an_administrator_had_switched_off_is_not_ours_to_switch_on_again() -> None:
    policy = make_policy(replace(ACCOUNTS, reactivate=Reactivation.ANY), GROUPS)
    world = World(Directory(account("alice", "jira-users", active=False)), policy=policy)
    world.pin(agent(), "alice")
    await world.visit(agent())
    stale = Deactivation(application="jira", username="alice", cause="x", at=UnixSeconds(1))
    await world.ledger.note_deactivation(stale)
    await undo(world)
    assert (False, {}) == (world.directory.accounts["alice"].active, world.ledger.deactivations)


@pytest.mark.parametrize("leavers", [False, True])
async def test_somebody_who_is_gone_is_switched_on_again_only_if_that_is_meant(leavers: bool) -> None:
    world = World(Directory(account("alice", "club")))
    await world.visit(agent())
    world.directory.accounts["alice"] = replace(world.directory.accounts["alice"], active=False)
    note = Deactivation(application="jira", username="alice", cause="revoked", at=UnixSeconds(world.clock.now()))
    await world.ledger.note_deactivation(note)
    gone = Entry(application="jira", username="alice", deed=Deed.DEACTIVATE, at=note.at)
    await world.ledger.settle(await world.ledger.begin((gone,)), ())
    outcomes = await undo(world, leavers=leavers)
    found = world.directory.accounts["alice"]
    assert (leavers, frozenset({"club"})) == (found.active, found.groups)
    assert ({} if leavers else {("jira", "alice"): note}) == world.ledger.deactivations
    assert leavers == (not [one.why for one in outcomes if "is gone" in one.why])


async def test_a_group_that_another_portal_gave_too_is_kept() -> None:
    world = World(Directory(account("alice")))
    await world.visit(agent())
    world.own("alice", "jira-users", portal="support")
    await undo(world)
    assert frozenset({"jira-users"}) == world.directory.groups("alice")
    assert ["support"] == [entry.portal for entry in world.ledger.entries.values()]
    assert "group.disowned" in world.audit.codes()


async def test_a_step_that_fails_is_told_and_taken_up_again() -> None:
    world = await moved()
    before = site(world)
    await world.visit(agent())
    step = Leave("alice", "jira-users")
    world.directory.refuse[step] = REFUSED
    outcomes = await undo(world)
    assert ["account_step_failed: read-only"] == [one.why for one in outcomes if one.failed]
    assert ["not tried, because of the one before"] == [one.why for one in outcomes if one.way is None]
    assert "account.failed" in world.audit.codes()
    del world.directory.refuse[step]
    await undo(world)
    assert before == site(world)


async def test_nothing_is_taken_back_unheard() -> None:
    world = World(Directory(account("alice")))
    await world.visit(agent())
    world.audit.refusing = True
    with pytest.raises(AuditError):
        await undo(world)
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


NAMES = ("jira-users", "jira-a", "jira-b", "club")


@settings(max_examples=150, deadline=None)
@given(
    have=st.frozensets(st.sampled_from(NAMES)),
    mine=st.frozensets(st.sampled_from(NAMES)),
    told=st.lists(st.frozensets(st.sampled_from(("okta-users", "okta-a", "okta-b"))), min_size=1, max_size=3),
    shape=st.tuples(*[st.booleans()] * 4),
)
def test_whoever_comes_and_whatever_was_there_the_start_comes_back(
    have: frozenset[str], mine: frozenset[str], told: list[frozenset[str]], shape: tuple[bool, ...]
) -> None:
    active, pinned, noted, anybody = shape
    policy: AccountPolicy = replace(ACCOUNTS, reactivate=Reactivation.ANY if anybody else Reactivation.OURS)

    async def run() -> None:
        world = World(Directory(account("alice", *have, active=active)), policy=make_policy(policy, GROUPS))
        if pinned:
            world.pin(agent(), "alice")
            # What the ledger has of memberships that are gone is forgotten, and that is right.
            world.own("alice", *(mine & have))
        if noted and not active:
            note = Deactivation(application="jira", username="alice", cause="x", at=UnixSeconds(1))
            await world.ledger.note_deactivation(note)
        before = site(world)
        for groups in told:
            person = agent(groups=tuple(sorted(groups)), name="Alice")
            order: AccountOrder = world.order(person)
            with contextlib.suppress(AccountError):
                await world.flow.ensure(order, person, replace(TRACE, session=f"s{len(groups)}"))
            world.clock.time += 1000
        await undo(world)
        assert before == site(world)

    asyncio.run(run())
