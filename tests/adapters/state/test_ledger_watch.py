"""Ledger, for every kind of store: readings of groups, removals that were counted, accounts that were renamed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.adapters.state.stores import State
from sidecar.core.breaker import Breaker
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.flows.accounts import PinConflictError
from tests.adapters.state.conftest import Opener
from tests.adapters.state.samples import ANNA, BERT, SEALER, at

ANNAS = Pin(application="jira", username="anna", spelling="Anna", person=ANNA, created=True, at=at(1), key="K1")
OWNED = OwnedGroup(application="jira", username="anna", group="jira-users", portal="agents", at=at(1))


async def test_a_reading_is_of_one_person_at_one_application(state: State) -> None:
    await state.ledger.groups_read("jira", ANNA, at(10))
    others = [("wiki", ANNA), ("jira", BERT), ("jira", Person(ANNA.subject, ANNA.issuer))]
    assert at(10) == await state.ledger.groups_unread("jira", ANNA, at(50))
    assert [at(50)] * 3 == [await state.ledger.groups_unread(*other, at(50)) for other in others]
    assert at(50) == await state.ledger.groups_unread("wiki", ANNA, at(60))
    await state.ledger.groups_read("jira", ANNA, at(70))
    assert at(70) == await state.ledger.groups_unread("jira", ANNA, at(80))


async def test_a_breaker_is_as_it_was_left(reopen: Opener) -> None:
    one = Breaker(taken=((UnixSeconds(5), 2), (UnixSeconds(6), 1)))
    two = Breaker(frozen=UnixSeconds(0), held=UnixSeconds(9))
    async with reopen(SEALER) as state:
        assert Breaker() == await state.ledger.breaker("jira")
        await state.ledger.keep_breaker("jira", replace(one, frozen=UnixSeconds(1)))
        await state.ledger.keep_breaker("jira", one)
        await state.ledger.keep_breaker("wiki", two)
    async with reopen(SEALER) as state:
        assert (one, two) == (await state.ledger.breaker("jira"), await state.ledger.breaker("wiki"))


async def test_a_group_that_came_with_the_account_is_told_apart(state: State) -> None:
    await state.ledger.own(replace(OWNED, once=True, pending=True))
    assert (replace(OWNED, once=True, pending=True),) == await state.ledger.owned("jira", "anna")
    await state.ledger.own(OWNED)
    assert (OWNED,) == await state.ledger.owned("jira", "anna")


async def test_a_renamed_account_keeps_what_is_noted_of_it(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    gone = Deactivation(application="jira", username="anna", cause="leaver", at=at(2))
    await state.ledger.note_deactivation(gone)
    for entry in (OWNED, replace(OWNED, username="anne", group="left-over"), replace(OWNED, application="wiki")):
        await state.ledger.own(entry)

    assert ANNAS == await state.ledger.rename("jira", "anna", "Anne")

    renamed = replace(ANNAS, username="anne", spelling="Anne")
    assert (renamed, None) == (await state.ledger.pin_of("jira", ANNA), await state.ledger.pin_on("jira", "anna"))
    assert (replace(OWNED, username="anne"),) == await state.ledger.owned("jira", "anne")
    assert () == await state.ledger.owned("jira", "anna")
    assert replace(gone, username="anne") == await state.ledger.deactivation("jira", "anne")
    assert (replace(OWNED, application="wiki"),) == await state.ledger.owned("wiki", "anna")


async def test_a_name_may_change_its_case(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    await state.ledger.own(OWNED)
    await state.ledger.rename("jira", "anna", "ANNA")
    assert replace(ANNAS, spelling="ANNA") == await state.ledger.pin_of("jira", ANNA)
    assert (OWNED,) == await state.ledger.owned("jira", "anna")


async def test_nobody_is_renamed_into_anothers_account(state: State) -> None:
    await state.ledger.init("jira", at(0))
    await state.ledger.pin(ANNAS)
    bert = replace(ANNAS, username="bert", spelling="bert", person=BERT, key="K2")
    await state.ledger.pin(bert)
    await state.ledger.own(OWNED)
    with pytest.raises(PinConflictError) as raised:
        await state.ledger.rename("jira", "anna", "Bert")
    assert bert == raised.value.holder
    assert (ANNAS, (OWNED,)) == (await state.ledger.pin_of("jira", ANNA), await state.ledger.owned("jira", "anna"))
    assert None is await state.ledger.rename("jira", "carla", "carola")
