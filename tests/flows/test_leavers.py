"""Leavers' accounts: made inactive once, by us, told, and tried again; never when somebody is back or was not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import pytest

from sidecar.core.leavers import gone_mark
from sidecar.domain.account import Deactivate, Reactivation, Step, StepResult
from sidecar.domain.events import Code
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Revocation
from sidecar.domain.session import Session
from sidecar.flows.accounts import AccountError
from sidecar.flows.leavers import Leavers
from sidecar.flows.product_sessions import ProductSessions
from sidecar.flows.reach import Reach
from sidecar.flows.revocations import Revocations
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Trace
from tests.flows.browsers import Gate
from tests.flows.fake_accounts import ACCOUNTS, AGENTS, GROUPS, TRACE, Directory, World, account, agent, make_policy
from tests.flows.fakes import MemoryMarkers, MemorySessionStore
from tests.flows.test_hard_directories import Register
from tests.upstream.scripted import until

GONE = replace(ACCOUNTS, deactivate=True, gone_by=frozenset({"global_revocation"}))
DOOR = "global_revocation"
SOON = (0.0, 0.001, 0.001)
ALICE = Person(AGENTS, "alice")


class Moody(Directory):
    """Gets the first *times* deactivations wrong, and calls *then* afterwards."""

    times = 0
    then: Callable[[], None] | None = None

    async def apply(self, step: Step) -> StepResult:
        if isinstance(step, Deactivate) and self.times:
            self.times -= 1
            self.diary.append(f"deactivate {step.username}")
            if not self.times and self.then is not None:
                self.then()
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "down")
        return await super().apply(step)


@dataclass
class Office(World):
    """A `World` of accounts with somebody who sees leavers off."""

    pauses: Sequence[float] = SOON
    heard: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.store, self.markers = MemorySessionStore(), MemoryMarkers()
        self.leavers = Leavers(
            self.flow,
            self.flow._reach,
            self.ledger,
            self.store,
            self.markers,
            lambda: self.policy,
            self.audit,
            self.clock,
            self.meter,
            heard=lambda: self.heard.append(1),
            pauses=self.pauses,
        )

    async def leave(
        self, value: str = "alice", door: str = DOOR, *, by: By = By.SUBJECT, ended: Sequence[Identity] = ()
    ) -> None:
        """The provider says it, and the work comes to its end."""
        await self.begin(value, door, by=by, ended=ended)
        await self.settled()

    async def begin(
        self, value: str = "alice", door: str = DOOR, *, by: By = By.SUBJECT, ended: Sequence[Identity] = ()
    ) -> None:
        revocation = Revocation(issuer=AGENTS, by=by, value=value, at=self.clock.now())
        await self.leavers.hear(revocation, ended, "staff", door, TRACE)

    async def settled(self) -> None:
        await until(lambda: not len(self.leavers._tasks))

    def sign_in(self, at: int) -> None:
        """A session of alice's in the store that began *at* seconds from now."""
        created = UnixSeconds(self.clock.now() + at)
        session = Session(
            key=f"k{at}", application="jira", portal="agents", identity=agent(), created_at=created,
            ends_at=UnixSeconds(created + 100), checked_at=created, form_token="",
        )  # fmt: skip
        self.store.kept[session.key] = session, created

    @property
    def active(self) -> bool:
        return self.directory.accounts["alice"].active

    @property
    def given_up(self) -> list[Reason]:
        return [event.reason for event in self.audit.events if event.facts.get("given_up")]

    @property
    def moods(self) -> Moody:
        assert isinstance(self.directory, Moody)
        return self.directory

    @property
    def failures(self) -> list[Reason]:
        return [event.reason for event in self.audit.events if event.code is Code.ACCOUNT_FAILED]

    def touched(self) -> list[str]:
        return [line for line in self.directory.diary if not line.startswith("read")]


def office(*groups: str, active: bool = True, pauses: Sequence[float] = SOON, pinned: bool = True) -> Office:
    directory = Moody(account("alice", *groups, active=active, key="k-1"))
    made = Office(directory=directory, policy=make_policy(GONE, GROUPS), pauses=pauses)
    if pinned:
        made.pin(agent(), "alice", created=False, key="k-1")
    return made


async def test_the_account_of_a_leaver_is_made_inactive_and_noted_as_ours() -> None:
    here = office("jira-users")
    await here.leave()
    assert (False, "revoked") == (here.active, here.ledger.deactivations["jira", "alice"].cause)
    (told,) = [event for event in here.audit.events if event.code is Code.USER_DEACTIVATED]
    assert (ALICE, "alice", "staff", "r-1") == (told.person, told.username, told.provider, told.request)
    assert ["deactivate"] == [event.facts["step"] for event in here.audit.intended]
    assert {"jira-users"} == here.directory.groups("alice")
    assert [("deactivate", "done")] == here.meter.steps
    assert [1] == here.heard
    assert gone_mark("jira", ALICE) in here.markers.kept


@pytest.mark.parametrize("door", ["back_channel", "front_channel", "again"])
async def test_an_ordinary_sign_out_deactivates_nobody(door: str) -> None:
    here = office()
    await here.leave(door=door)
    assert (True, {}, {}) == (here.active, here.ledger.deactivations, here.markers.kept)


async def test_without_the_setting_it_is_remembered_and_nothing_is_done() -> None:
    here = office()
    here.policy = make_policy(replace(GONE, deactivate=False), GROUPS)
    await here.leave()
    assert (True, True) == (here.active, gone_mark("jira", ALICE) in here.markers.kept)


async def test_an_account_that_is_not_linked_is_left_alone() -> None:
    here = office(pinned=False)
    await here.leave()
    assert (True, [], []) == (here.active, here.directory.diary, here.given_up)


async def test_a_protected_account_stays_and_an_administrator_hears_of_it() -> None:
    here = office("jira-administrators")
    await here.leave()
    assert (True, {}, [Reason.ACCOUNT_PROTECTED]) == (here.active, here.ledger.deactivations, here.given_up)
    assert ("farewell", "account_protected") in here.meter.steps


def move(here: Office, name: str, *, active: bool = True, in_place: str = "") -> None:
    """An administrator renames alice's account; *in_place*: the key of another one that has her name now."""
    moved = replace(here.directory.accounts.pop("alice"), username=name, active=active)
    here.directory.accounts[name.casefold()] = moved
    if in_place:
        here.directory.accounts["alice"] = account("alice", key=in_place)
    here.leavers._reach = {"jira": Reach(here.directory, registry=Register(keys={"k-1": moved}))}


@pytest.mark.parametrize("in_place", ["", "k-2"])
async def test_a_leaver_who_was_renamed_is_found_by_the_key_and_noted_under_the_linked_name(in_place: str) -> None:
    here = office("jira-users")
    move(here, "Alice.Archer", in_place=in_place)
    await here.leave()
    assert (["deactivate Alice.Archer"], []) == (here.touched(), here.given_up)
    assert not here.directory.accounts["alice.archer"].active
    assert [("jira", "alice")] == list(here.ledger.deactivations)
    assert ["alice"] == [entry.username for entry in here.ledger.journal if not entry.pending]
    (told,) = [event for event in here.audit.events if event.code is Code.USER_DEACTIVATED]
    assert ("alice", "Alice.Archer") == (told.username, told.facts["account"])
    if in_place:
        assert here.active


async def test_a_leaver_whose_renamed_account_was_switched_off_by_somebody_is_not_noted_as_ours() -> None:
    here = office()
    move(here, "alice.archer", active=False)
    await here.leave()
    assert ([], [], {}) == (here.touched(), here.given_up, here.ledger.deactivations)


async def test_a_leaver_who_is_nowhere_is_gone() -> None:
    here = office()
    del here.directory.accounts["alice"]
    here.leavers._reach = {"jira": Reach(here.directory, registry=Register())}
    await here.leave()
    assert ([], []) == (here.touched(), here.given_up)


async def test_a_new_name_that_is_linked_to_somebody_else_is_an_administrator_s_to_look_at() -> None:
    here = office()
    move(here, "bob")
    here.pin(agent("bob"), "bob")
    await here.leave()
    assert ([], [Reason.PIN_CONFLICT]) == (here.touched(), here.given_up)


async def test_an_account_that_an_administrator_disabled_is_not_noted_as_ours() -> None:
    here = office(active=False)
    await here.leave()
    assert ({}, []) == (here.ledger.deactivations, here.touched())


async def test_ours_comes_back_and_what_an_administrator_disables_afterwards_stays() -> None:
    here = office("jira-users")
    await here.leave()
    assert (False, "alice", True) == (here.active, await here.visit(agent()), here.active)
    assert {} == here.ledger.deactivations
    here.directory.accounts["alice"] = replace(here.directory.accounts["alice"], active=False)
    here.clock.time += 3600
    assert Reason.ACCOUNT_INACTIVE is await here.refusal(agent())
    assert not here.active


async def test_a_note_that_outlived_its_account_s_return_is_cleared_by_the_next_sign_in() -> None:
    here = office("jira-users")
    await here.leave()
    # An administrator brings her back by hand; then she signs in; then he disables her again.
    for active, expected in ((True, None), (False, Reason.ACCOUNT_INACTIVE)):
        here.directory.accounts["alice"] = replace(here.directory.accounts["alice"], active=active)
        here.clock.time += 3600
        assert expected is (None if active and await here.visit(agent()) else await here.refusal(agent()))
    assert {} == here.ledger.deactivations


async def test_an_answer_that_got_lost_is_tried_again_until_it_is_done() -> None:
    here = office()
    here.moods.times = 2
    await here.leave()
    assert (False, [], ["deactivate alice"] * 3) == (here.active, here.given_up, here.touched())


async def test_what_was_refused_for_certain_is_not_ours_and_told() -> None:
    here = office()
    error = AccountError(Reason.ACCOUNT_STEP_FAILED, "the directory is read-only", retry=False)
    here.directory.refuse[Deactivate("alice")] = error
    await here.leave()
    assert (True, {}, [Reason.ACCOUNT_STEP_FAILED]) == (here.active, here.ledger.deactivations, here.given_up)
    assert ["deactivate alice"] == here.touched()


async def test_tries_are_bounded_and_the_end_is_told() -> None:
    here = office()
    here.directory.refuse[Deactivate("alice")] = AccountError(Reason.CONNECTOR_UNREACHABLE, "down")
    await here.leave()
    assert ["deactivate alice"] * len(SOON) == here.touched()
    assert [Reason.CONNECTOR_UNREACHABLE] == here.given_up


async def test_an_application_that_says_yes_and_does_nothing_is_not_believed() -> None:
    here = office()
    here.directory.already.add(Deactivate("alice"))
    await here.leave()
    assert (True, [Reason.ACCOUNT_STEP_FAILED]) == (here.active, here.given_up)


async def test_who_has_signed_in_again_is_not_gone() -> None:
    here = office()
    here.sign_in(+5)
    await here.leave()
    assert (True, {}, []) == (here.active, here.markers.kept, here.touched())


async def test_who_signs_in_between_two_tries_stays_active() -> None:
    here = office()
    here.moods.times, here.moods.then = 1, lambda: here.sign_in(+5)
    await here.leave()
    assert (True, ["deactivate alice"]) == (here.active, here.touched())


async def test_a_sign_in_at_the_same_moment_waits_and_brings_the_account_back() -> None:
    here = office("jira-users")
    here.directory.gate.clear()
    await here.begin()
    visit = asyncio.create_task(here.visit(agent()))
    for _ in range(50):
        await asyncio.sleep(0)
    here.directory.gate.set()
    await here.settled()
    assert ("alice", True, {}) == (await visit, here.active, here.ledger.deactivations)
    assert ["deactivate alice", "reactivate alice"] == here.touched()


async def test_a_mistake_at_the_provider_does_not_switch_off_a_company() -> None:
    here = office()
    here.policy = make_policy(replace(GONE, deactivations_per_hour=0), GROUPS)
    await here.leave()
    assert (True, [Reason.DEACTIVATIONS_CAPPED]) == (here.active, here.given_up)


async def test_the_end_of_the_process_does_not_wait_for_a_try_that_is_far_away() -> None:
    here = office(pauses=(0.0, 600.0))
    here.directory.refuse[Deactivate("alice")] = AccountError(Reason.CONNECTOR_UNREACHABLE, "down")
    await here.begin()
    await until(lambda: len(here.failures) == 1)
    async with asyncio.timeout(10):
        await here.leavers.close()
    assert [Reason.INTERNAL] == here.given_up


@pytest.mark.parametrize(
    "spoil",
    [lambda here: setattr(here.store, "down", True), lambda here: setattr(here.markers, "down", True)],
    ids=["sessions", "markers"],
)
async def test_what_cannot_be_remembered_is_for_the_provider_to_say_again(spoil: Callable[[Office], None]) -> None:
    here = office()
    spoil(here)
    with pytest.raises(StateError):
        await here.leave()


async def test_a_ledger_that_does_not_answer_is_asked_again() -> None:
    here = office()
    here.ledger.broken = True
    await here.begin()
    await asyncio.sleep(0)
    here.ledger.broken = False
    await here.settled()
    assert (False, []) == (here.active, here.given_up)


async def test_never_means_never() -> None:
    here = office()
    await here.leave()
    here.policy = make_policy(replace(GONE, reactivate=Reactivation.NEVER), GROUPS, "h2")
    assert Reason.ACCOUNT_INACTIVE is await here.refusal(agent())


class Ears:
    """Hears of revocations, and cannot remember the first one."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, list[str]]] = []

    async def hear(
        self, revocation: Revocation, ended: Iterable[Identity], provider: str, door: str, trace: Trace
    ) -> None:
        self.heard.append((provider, door, [identity.person.subject for identity in ended]))
        if len(self.heard) == 1:
            raise StateError("down")


async def test_what_could_not_be_remembered_is_said_again_with_its_door_and_its_people() -> None:
    gate, ears = Gate(), Ears()
    products = ProductSessions({}, gate.audit)
    gate.revocations = Revocations(
        gate.store, gate.spent, gate.barrier, gate.sessions, products, lambda: gate.policy, gate.audit, gate.clock, ears
    )
    await gate.a_session()
    revocation = Revocation(issuer=AGENTS, by=By.SUBJECT, value="alice", at=gate.clock.now())
    with pytest.raises(StateError):
        await gate.revocations.revoke(revocation, "staff", DOOR, TRACE)
    await gate.revocations.retry()
    assert [("staff", DOOR, ["alice"])] * 2 == ears.heard
    await gate.revocations.retry()
    assert 2 == len(ears.heard)
