"""flows.returns: the page of a finished sign-in, for whom it was, for a while, and not without end."""

from __future__ import annotations

import pytest

from sidecar.core.logins import ATTEMPT_LIFE, Attempt, attempt_name
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.flows.returns import Returns
from tests.flows.fakes import FakeClock

ALICE, MALLORY = (Person("https://staff.example", name) for name in ("alice", "mallory"))


def _attempt(state: str, back_to: str = "/browse/ABC-1") -> Attempt:
    return Attempt(
        application="jira",
        portal="agents",
        provider="staff",
        state=state,
        nonce="n",
        verifier="v",
        back_to=back_to,
        began=UnixSeconds(0),
    )


def test_the_page_is_for_the_same_person_and_application() -> None:
    returns = Returns(FakeClock())
    returns.note(_attempt("s"), ALICE)
    name = attempt_name("s")
    assert "/browse/ABC-1" == returns.page_of("jira", name, ALICE)
    assert None is returns.page_of("jira", name, MALLORY)
    assert None is returns.page_of("wiki", name, ALICE)
    assert None is returns.page_of("jira", attempt_name("t"), ALICE)


def test_the_page_of_an_attempt_that_nobody_finished_is_for_whoever_brings_its_state() -> None:
    returns = Returns(FakeClock())
    returns.note(_attempt("s"), None)
    pages = [returns.page_of("jira", attempt_name("s"), who) for who in (None, ALICE, MALLORY)]
    assert ["/browse/ABC-1"] * 3 == pages
    # Once somebody has, it is theirs.
    returns.note(_attempt("s"), ALICE)
    assert None is returns.page_of("jira", attempt_name("s"), None)


def test_it_is_forgotten_after_a_while() -> None:
    clock = FakeClock()
    returns = Returns(clock)
    returns.note(_attempt("s"), ALICE)
    clock.time += ATTEMPT_LIFE
    assert None is not returns.page_of("jira", attempt_name("s"), ALICE)
    clock.time += 1
    assert None is returns.page_of("jira", attempt_name("s"), ALICE)


def test_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.flows.returns.MOST", 3)
    returns = Returns(FakeClock())
    for number in range(5):
        returns.note(_attempt(f"s{number}"), ALICE)
    kept = [returns.page_of("jira", attempt_name(f"s{number}"), ALICE) is not None for number in range(5)]
    assert [False, False, True, True, True] == kept
