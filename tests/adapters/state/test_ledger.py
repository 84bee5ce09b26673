"""Ledger, for every kind of store: one person per username, one username per person, and nothing forgotten."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.adapters.state.stores import State
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin, Readiness
from sidecar.flows.accounts import PinConflictError
from sidecar.flows.sessions import StateError
from tests.adapters.state.conftest import Opener
from tests.adapters.state.samples import ANNA, BERT, SEALER, at

ANNAS = Pin(application="jira", username="anna", spelling="Anna", person=ANNA, created=True, at=at(1))
OWNED = OwnedGroup(application="jira", username="anna", group="jira-users", portal="agents", at=at(1))


async def test_a_ledger_is_usable_once_it_was_declared(state: State) -> None:
    assert await state.ledger.usable("jira") is False
    assert await state.ledger.init("jira", at(0)) is True
    assert await state.ledger.init("jira", at(5)) is False
    assert await state.ledger.usable("jira") is True
    assert await state.ledger.usable("wiki") is False


async def test_a_ledger_that_nobody_declared_takes_no_pin(state: State) -> None:
    with pytest.raises(StateError):
        await state.ledger.pin(ANNAS)
    assert await state.ledger.pin_on("jira", "anna") is None


async def test_a_pin_is_found_both_ways(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    assert await state.ledger.pin_on("jira", "anna") == ANNAS
    assert await state.ledger.pin_of("jira", ANNA) == ANNAS
    assert await state.ledger.pin_on("wiki", "anna") is None
    assert await state.ledger.pin_of("wiki", ANNA) is None
    assert await state.ledger.pin_of("jira", Person(ANNA.subject, ANNA.issuer)) is None


async def test_a_pin_is_found_by_the_key_of_its_account(state: State) -> None:
    for application in ("jira", "wiki"):
        await state.ledger.init(application, at(0))
        await state.ledger.pin(replace(ANNAS, application=application))
    await state.ledger.learn_key("jira", "anna", "K1")
    assert await state.ledger.pin_with("jira", "K1") == replace(ANNAS, key="K1")
    assert await state.ledger.pin_with("wiki", "K1") is None
    assert await state.ledger.pin_with("jira", "K2") is None


async def test_the_same_pin_again_does_no_harm(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    await state.ledger.pin(ANNAS)
    await state.ledger.pin(replace(ANNAS, created=False, at=at(9)))
    assert await state.ledger.pin_on("jira", "anna") == ANNAS


async def test_a_username_belongs_to_one_person(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    with pytest.raises(PinConflictError) as raised:
        await state.ledger.pin(replace(ANNAS, person=BERT))
    assert raised.value.holder == ANNAS
    assert await state.ledger.pin_of("jira", BERT) is None


async def test_a_person_has_one_username(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    with pytest.raises(PinConflictError) as raised:
        await state.ledger.pin(replace(ANNAS, username="root"))
    assert raised.value.holder == ANNAS
    assert await state.ledger.pin_on("jira", "root") is None


async def test_pins_of_two_applications_do_not_meet(state: State) -> None:
    for application in ("jira", "wiki"):
        await state.ledger.init(application, at(0))
    await state.ledger.pin(ANNAS)
    await state.ledger.pin(replace(ANNAS, application="wiki", person=BERT))
    assert await state.ledger.pin_of("wiki", BERT) == replace(ANNAS, application="wiki", person=BERT)


async def test_a_pin_learns_which_account_it_means(state: State) -> None:
    for application in ("jira", "wiki"):
        await state.ledger.init(application, at(0))
        await state.ledger.pin(replace(ANNAS, application=application))
    await state.ledger.learn_key("jira", "anna", "K1")
    await state.ledger.learn_key("jira", "nobody", "K9")
    assert await state.ledger.pin_on("jira", "anna") == replace(ANNAS, key="K1")
    assert await state.ledger.pin_of("wiki", ANNA) == replace(ANNAS, application="wiki")
    await state.ledger.learn_key("jira", "anna", "K2")
    assert await state.ledger.pin_of("jira", ANNA) == replace(ANNAS, key="K2")


async def test_an_account_has_one_pin_whatever_it_is_called(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(replace(ANNAS, key="K1"))
    berts = replace(ANNAS, username="bert", spelling="bert", person=BERT)
    with pytest.raises(PinConflictError) as raised:
        await state.ledger.pin(replace(berts, key="K1"))
    assert raised.value.holder == replace(ANNAS, key="K1")
    await state.ledger.pin(berts)
    with pytest.raises(PinConflictError) as raised:
        await state.ledger.learn_key("jira", "bert", "K1")
    assert raised.value.holder == replace(ANNAS, key="K1")
    assert await state.ledger.pin_of("jira", BERT) == berts
    await state.ledger.unpin("jira", "anna")
    await state.ledger.learn_key("jira", "bert", "K1")
    assert await state.ledger.pin_of("jira", BERT) == replace(berts, key="K1")


async def test_of_twenty_people_who_want_a_username_at_once_one_gets_it(state: State) -> None:
    await state.ledger.init("jira", at(0))
    pins = [replace(ANNAS, person=Person(ANNA.issuer, f"sub-{number}")) for number in range(20)]
    answers = await asyncio.gather(*(state.ledger.pin(pin) for pin in pins), return_exceptions=True)
    assert answers.count(None) == 1
    assert await state.ledger.pin_on("jira", "anna") == pins[answers.index(None)]
    assert sum(isinstance(answer, PinConflictError) for answer in answers) == 19


async def test_a_removed_pin_leaves_both_sides_free(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    await state.ledger.unpin("wiki", "anna")
    assert await state.ledger.pin_on("jira", "anna") == ANNAS
    await state.ledger.unpin("jira", "anna")
    assert await state.ledger.pin_on("jira", "anna") is None
    await state.ledger.pin(replace(ANNAS, person=BERT))
    await state.ledger.pin(replace(ANNAS, username="anna2"))


async def test_pins_pass_to_other_persons_all_or_none(state: State) -> None:
    await state.ledger.init("jira", at(0))
    berts = replace(ANNAS, username="bert", spelling="bert", person=BERT)
    kept = replace(ANNAS, username="carl", spelling="carl", person=Person("https://new", "c"))
    for pin in (ANNAS, berts, kept):
        await state.ledger.pin(pin)
    nobody, new = Person("https://old", "nobody"), Person("https://new", "a")
    with pytest.raises(PinConflictError) as raised:
        await state.ledger.repin("jira", {ANNA: new, BERT: kept.person})
    assert raised.value.holder == kept
    assert await state.ledger.pin_of("jira", ANNA) == ANNAS
    assert await state.ledger.repin("jira", {nobody: Person("https://new", "n"), ANNA: new}) == (ANNAS,)
    assert await state.ledger.pin_of("jira", new) == replace(ANNAS, person=new)
    assert await state.ledger.pin_of("jira", ANNA) is None
    assert await state.ledger.pin_of("jira", BERT) == berts


async def test_groups_are_owned_per_portal_and_forgotten_for_all(state: State) -> None:
    other = replace(OWNED, portal="support")
    third = replace(OWNED, group="jira-admins")
    for entry in (other, OWNED, third, replace(OWNED, username="bert"), replace(OWNED, application="wiki")):
        await state.ledger.own(entry)
    assert await state.ledger.owned("jira", "anna") == (third, OWNED, other)
    await state.ledger.disown("jira", "anna", "jira-users")
    assert await state.ledger.owned("jira", "anna") == (third,)
    assert await state.ledger.owned("jira", "bert") == (replace(OWNED, username="bert"),)
    assert await state.ledger.owned("wiki", "anna") == (replace(OWNED, application="wiki"),)


async def test_a_note_of_a_group_is_overwritten(state: State) -> None:
    await state.ledger.own(replace(OWNED, pending=True))
    assert await state.ledger.owned("jira", "anna") == (replace(OWNED, pending=True),)
    await state.ledger.own(replace(OWNED, at=at(9)))
    assert await state.ledger.owned("jira", "anna") == (replace(OWNED, at=at(9)),)


async def test_a_deactivation_is_noted_and_forgotten(state: State) -> None:
    note = Deactivation(application="jira", username="anna", cause="left", at=at(3))
    assert await state.ledger.deactivation("jira", "anna") is None
    await state.ledger.note_deactivation(replace(note, cause="unseen", at=at(1)))
    await state.ledger.note_deactivation(note)
    assert await state.ledger.deactivation("jira", "anna") == note
    assert await state.ledger.deactivation("wiki", "anna") is None
    await state.ledger.clear_deactivation("jira", "anna")
    assert await state.ledger.deactivation("jira", "anna") is None


async def test_the_ledger_outlives_the_process(reopen: Opener) -> None:
    note = Deactivation(application="jira", username="anna", cause="left", at=at(3))
    async with reopen(SEALER) as state:
        await state.ledger.init("jira", at(0))
        await state.ledger.pin(ANNAS)
        await state.ledger.own(OWNED)
        await state.ledger.note_deactivation(note)
        await state.ledger.seen("jira", "anna", at(4))
    async with reopen(SEALER) as state:
        assert await state.ledger.usable("jira") is True
        assert await state.ledger.pin_of("jira", ANNA) == ANNAS
        assert await state.ledger.owned("jira", "anna") == (OWNED,)
        assert await state.ledger.deactivation("jira", "anna") == note
        with pytest.raises(PinConflictError):
            await state.ledger.pin(replace(ANNAS, person=BERT))


READY = Readiness(
    application="jira",
    username="anna",
    portal="agents",
    spelling="Anna",
    groups=("jira-users", "o'neill & söhne"),
    needed=("jira-users",),
    at=at(5),
)


async def test_how_an_account_was_found_ready_is_kept_by_portal(state: State) -> None:
    assert await state.ledger.readiness("jira", "anna", "agents") is None
    await state.ledger.note_ready(READY)
    await state.ledger.note_ready(replace(READY, portal="support", groups=(), needed=()))
    assert await state.ledger.readiness("jira", "anna", "agents") == READY
    for other in (("wiki", "anna", "agents"), ("jira", "bert", "agents"), ("jira", "anna", "others")):
        assert await state.ledger.readiness(*other) is None


async def test_only_the_last_time_counts(state: State) -> None:
    later = replace(READY, spelling="anna", groups=("jira-users",), needed=(), at=at(9))
    await state.ledger.note_ready(READY)
    await state.ledger.note_ready(later)
    assert await state.ledger.readiness("jira", "anna", "agents") == later
