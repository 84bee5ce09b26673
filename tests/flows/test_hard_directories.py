"""flows.provisioning at difficult directories: read-only ones, late ones, renamed accounts, groups that are missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.domain.account import Account, Create, Join, Leave, MakeGroup, Reactivate, Step, StepResult, Update
from sidecar.domain.events import Code
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.provisioning import Accounts
from sidecar.flows.reach import Reach
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, Directory, World, account, agent, make_policy

READ_ONLY = AccountError(Reason.DIRECTORY_READ_ONLY, "the directory is read-only", retry=False)
ABSENT = AccountError(Reason.GROUP_ABSENT, "no such group", retry=False)
WAIT = ACCOUNTS.sync_wait


class LateDirectory(Directory):
    """Shows an account as it was when `shows` was set last, until it is None."""

    def __init__(self, *accounts: Account) -> None:
        super().__init__(*accounts)
        self.shows: dict[str, Account] | None = dict(self.accounts)

    async def read(self, username: str) -> Account | None:
        found = await super().read(username)
        return found if self.shows is None else self.shows.get(username.casefold())


class Register:
    """Tells licences and keys."""

    def __init__(self, *licences: Licence, keys: dict[str, Account] | None = None) -> None:
        self.known = licences
        self.keys = keys or {}

    async def licences(self) -> tuple[Licence, ...]:
        return self.known

    async def by_key(self, key: str) -> Account | None:
        return self.keys.get(key)


def with_register(world: World, register: Register) -> World:
    reach = {"jira": Reach(world.directory, (), world.budget, register)}
    world.flow = Accounts(
        lambda: world.policy, reach, world.ledger, world.audit, world.clock, world.meter, world.memory
    )
    return world


# Read-only directories


@pytest.mark.parametrize(
    ("step", "let_in"),
    [
        (Update("alice", "Alice", None), True),
        (Join("alice", "jira-more"), True),
        (Join("alice", "jira-users", True), False),
    ],
)
async def test_what_a_read_only_directory_refused_is_not_tried_again_within_a_day(step: Step, let_in: bool) -> None:
    world = World(Directory(replace(account("alice"), display_name="Old")))
    person = agent(groups=("okta-users", "okta-more"))
    world.pin(person, "alice")
    world.directory.refuse[step] = READ_ONLY
    line = "update alice" if isinstance(step, Update) else f"join alice {step.group}"  # type: ignore[union-attr]
    for hours, tries in ((0, 1), (1, 1), (22, 1), (2, 2)):
        world.clock.time += 3600 * hours
        if let_in:
            assert "alice" == await world.visit(person)
        else:
            assert Reason.DIRECTORY_READ_ONLY is await world.refusal(person)
        assert tries == world.directory.diary.count(line)
    failures = [event for event in world.audit.events if event.code is Code.ACCOUNT_FAILED]
    assert [Reason.DIRECTORY_READ_ONLY] * 2 == [event.reason for event in failures]


async def test_a_group_that_a_read_only_directory_keeps_is_asked_for_once_a_day_and_told_once() -> None:
    world = World(Directory(account("alice", "jira-users", "jira-old", "jira-local")))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    world.directory.refuse[Leave("alice", "jira-old")] = READ_ONLY
    with pytest.raises(AccountError, match="read-only"):
        await world.visit(agent())
    world.clock.time += 5
    assert Reason.DIRECTORY_READ_ONLY is await world.refusal(agent())
    # What is not tried again is not counted by the breaker either.
    assert 1 == sum(count for _, count in (await world.ledger.breaker("jira")).taken)
    for hours, tries in ((1, 1), (22, 1), (2, 2)):
        world.clock.time += 3600 * hours
        with pytest.raises(AccountError, match="jira-old" if tries == 1 else "read-only") as caught:
            await world.visit(agent())
        assert (Reason.DIRECTORY_READ_ONLY, False) == (caught.value.reason, caught.value.retry)
        assert tries == world.directory.diary.count("leave alice jira-old")
    failures = [event for event in world.audit.events if event.code is Code.ACCOUNT_FAILED]
    assert [Reason.DIRECTORY_READ_ONLY] * 2 == [event.reason for event in failures]
    # Somebody took the group away in the directory: nothing is left to do, and no day is waited for.
    world.directory.accounts["alice"] = account("alice", "jira-users", "jira-local")
    world.clock.time += 5
    assert "alice" == await world.visit(agent())


async def test_a_local_group_is_left_although_the_directory_keeps_another() -> None:
    world = World(Directory(account("alice", "jira-users", "jira-old", "jira-local")))
    world.pin(agent(), "alice")
    world.own("alice", "jira-old")
    world.directory.refuse[Leave("alice", "jira-old")] = READ_ONLY
    assert Reason.DIRECTORY_READ_ONLY is await world.refusal(agent())
    world.directory.accounts["alice"] = account("alice", "jira-users", "jira-local")
    world.own("alice", "jira-local")
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


async def test_another_person_and_another_step_are_tried() -> None:
    world = World(Directory(account("alice", "jira-users"), replace(account("bob", "jira-users"), display_name="Old")))
    for name in ("alice", "bob"):
        world.pin(agent(name), name)
        world.directory.refuse[Join(name, "jira-more")] = READ_ONLY
    for name in ("alice", "bob"):
        await world.visit(agent(name, groups=("okta-users", "okta-more")))
    assert {"join alice jira-more", "join bob jira-more", "update bob"} <= set(world.directory.diary)


async def test_a_reactivation_that_a_read_only_directory_refused_changes_nothing_the_second_time() -> None:
    world = World(Directory(account("alice", "jira-users", "jira-old", active=False)))
    world.pin(agent(), "alice")
    left = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    await world.ledger.note_deactivation(left)
    world.directory.refuse[Reactivate("alice")] = READ_ONLY
    assert Reason.DIRECTORY_READ_ONLY is await world.refusal(agent())
    world.own("alice", "jira-old")
    world.clock.time += 5
    assert Reason.DIRECTORY_READ_ONLY is await world.refusal(agent())
    assert (1, True) == (world.directory.diary.count("reactivate alice"), "jira-old" in world.directory.groups("alice"))


# Directories that are late


async def test_a_new_account_that_does_not_show_yet_is_waited_for_and_not_made_twice() -> None:
    world = World(LateDirectory())
    directory = world.directory
    assert isinstance(directory, LateDirectory)
    for seconds in (0, 5, 60):
        world.clock.time += seconds
        assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    directory.shows = None
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    assert (1, ["jira-users"]) == (directory.diary.count("create alice"), sorted(directory.groups("alice")))


async def test_the_wait_has_an_end_that_says_what_is_missing_and_then_all_begins_anew() -> None:
    world = World(LateDirectory())
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    world.clock.time += WAIT
    with pytest.raises(AccountError, match="sync_wait") as caught:
        await world.visit(agent())
    assert (Reason.ACCOUNT_ABSENT, False) == (caught.value.reason, caught.value.retry)
    world.directory.already.add(Create("alice", "Alice", "alice@example.com"))
    world.clock.time += 5
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())


async def test_somebody_who_cannot_join_before_the_account_shows_is_waited_for() -> None:
    world = World(LateDirectory())
    world.directory.refuse[Join("alice", "jira-users", True)] = AccountError(Reason.ACCOUNT_ABSENT, "no such user")
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    assert [] == list(world.ledger.entries)
    # The account shows now: what could not be done is done, and not waited for.
    world.directory.refuse.clear()
    world.directory.shows = None  # type: ignore[attr-defined]
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    assert frozenset({"jira-users"}) == world.directory.groups("alice")


async def test_a_needed_group_that_does_not_show_yet_is_waited_for() -> None:
    world = World(LateDirectory(account("alice")))
    world.pin(agent(), "alice")
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    world.directory.shows = None  # type: ignore[attr-defined]
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    assert 1 == world.directory.diary.count("join alice jira-users")


async def test_no_wait_is_a_refusal_at_once() -> None:
    world = World(LateDirectory(), policy=make_policy(replace(ACCOUNTS, sync_wait=0), GROUPS))
    assert Reason.ACCOUNT_ABSENT is await world.refusal(agent())


async def test_another_person_of_the_name_is_not_told_to_wait() -> None:
    world = World(LateDirectory())
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    another = replace(agent(), person=agent("bob").person)
    assert Reason.PIN_CONFLICT is await world.refusal(another)


async def test_a_reactivation_that_does_not_show_stays_ours_until_it_does() -> None:
    world = World(LateDirectory(account("alice", "jira-users", active=False)))
    world.pin(agent(), "alice")
    left = Deactivation(application="jira", username="alice", cause="leaver", at=UnixSeconds(1))
    await world.ledger.note_deactivation(left)
    assert Reason.DIRECTORY_SYNC_PENDING is await world.refusal(agent())
    assert {("jira", "alice"): left} == world.ledger.deactivations
    world.directory.shows = None  # type: ignore[attr-defined]
    world.clock.time += 5
    assert "alice" == await world.visit(agent())
    assert ({}, 1) == (world.ledger.deactivations, world.directory.diary.count("reactivate alice"))


# Keys


@pytest.mark.parametrize(
    ("name", "reason"), [("alice.new", Reason.ACCOUNT_RENAMED), ("jirauser7", Reason.ACCOUNT_ABSENT), (None, None)]
)
async def test_a_pinned_account_that_is_gone_from_its_name_is_looked_for(
    name: str | None, reason: Reason | None
) -> None:
    keys = {"JIRAUSER7": account(name, key="JIRAUSER7")} if name else {}
    world = with_register(World(), Register(keys=keys))
    world.pin(agent(), "alice", key="JIRAUSER7")
    if reason is None:
        assert "alice" == await world.visit(agent())
    else:
        assert reason is await world.refusal(agent())
        assert ["read alice"] == world.directory.diary
        detail = str(world.audit.events[-1].facts["detail"])
        assert (str(name) in detail) == (reason is Reason.ACCOUNT_RENAMED)


# Missing groups


async def test_a_missing_group_is_made_only_where_a_pattern_allows_it() -> None:
    policy = make_policy(ACCOUNTS, replace(GROUPS, create=("jira-team-[0-9]+",)))
    world = World(Lacking(account("alice", "jira-users"), lacks={"jira-team-1", "jira-other"}), policy=policy)
    person = agent(groups=("okta-users", "okta-team-1", "okta-other"))
    world.pin(person, "alice")
    assert "alice" == await world.visit(person)
    assert frozenset({"jira-users", "jira-team-1"}) == world.directory.groups("alice")
    made = [event.facts for event in world.audit.events if event.code is Code.GROUP_CREATED]
    assert [{"account": "alice", "group": "jira-team-1"}] == made
    assert [Reason.GROUP_ABSENT] == [e.reason for e in world.audit.events if e.code is Code.ACCOUNT_FAILED]
    assert "jira-team-1" in world.ledger.owned_groups()


async def test_a_group_that_cannot_be_made_is_a_failed_join() -> None:
    policy = make_policy(ACCOUNTS, replace(GROUPS, create=("jira-.*",)))
    world = World(Lacking(account("alice"), lacks={"jira-users"}), policy=policy)
    world.pin(agent(), "alice")
    world.directory.refuse[MakeGroup("alice", "jira-users")] = AccountError(
        Reason.ACCOUNT_STEP_FAILED, "no", retry=False
    )
    assert Reason.ACCOUNT_STEP_FAILED is await world.refusal(agent())
    assert {} == world.ledger.entries


class Lacking(Directory):
    """Lacks some groups until they are made."""

    def __init__(self, *accounts: Account, lacks: set[str]) -> None:
        super().__init__(*accounts)
        self.lacks = lacks

    async def apply(self, step: Step) -> StepResult:
        if isinstance(step, Join) and step.group in self.lacks:
            raise ABSENT
        result = await super().apply(step)
        if isinstance(step, MakeGroup):
            self.lacks.discard(step.group)
        return result
