"""core.accounts.plan: groups that come with a new account, and groups of accounts that would be in none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.accounts import Plan
from sidecar.domain.account import Account, Create, Join, Leave, Removal, Step
from sidecar.domain.ledger import OwnedGroup
from sidecar.domain.policy import GroupMapping
from sidecar.domain.reason import Reason
from tests.core.plans import ACCOUNT, GROUPS, ORDER, PIN, owned, planned, reason, steps

FIRSTS = replace(GROUPS, on_create=("New", "b", "jira-administrators"))
LAST = replace(GROUPS, if_empty=("Guests", "jira-administrators"))
NOTHING = replace(ORDER, groups=(), needed=())
ADOPTED = replace(PIN, created=False)


def in_groups(*groups: str, active: bool = True) -> Account:
    """Alice's account in these groups."""
    return replace(ACCOUNT, groups=frozenset(groups), active=active)


def once(*groups: str, pending: bool = False) -> tuple[OwnedGroup, ...]:
    """Entries of groups that came with the account."""
    return tuple(replace(entry, once=True) for entry in owned(*groups, pending=pending))


# On creation


def test_groups_come_with_a_new_account_and_are_noted_as_given_once() -> None:
    joins = [Join("alice", "a", True), Join("alice", "b"), Join("alice", "new", once=True)]
    assert joins == steps(planned(account=None, pin=None, groups=FIRSTS))[1:]


def test_an_account_that_is_there_gets_none_of_them() -> None:
    assert [] == steps(planned(groups=FIRSTS))
    assert [] == steps(planned(pin=None, groups=FIRSTS))


@pytest.mark.parametrize("remove", Removal)
def test_they_are_never_left(remove: Removal) -> None:
    named = replace(FIRSTS, remove=remove, mapping=(GroupMapping(source="(.+)", target="$1"),))
    entries = once("new")
    assert [] == steps(planned(account=in_groups("a", "b", "new"), owned=entries, groups=named))


def test_one_that_an_administrator_took_away_does_not_come_back() -> None:
    result = planned(owned=once("new"), groups=FIRSTS)
    assert isinstance(result, Plan)
    assert ((), ("new",)) == (result.steps, result.forget)


def test_a_creation_that_stopped_half_way_is_gone_on_with() -> None:
    entries = once("new", "gone", pending=True)
    result = planned(owned=entries, groups=FIRSTS)
    assert isinstance(result, Plan)
    assert ((Join("alice", "new", once=True),), ("gone",)) == (result.steps, result.forget)
    adopted = planned(pin=ADOPTED, owned=entries, groups=FIRSTS)
    assert [] == steps(adopted)
    unknown = planned(replace(ORDER, groups=None), owned=entries, groups=FIRSTS)
    assert isinstance(unknown, Plan)
    assert ((), ()) == (unknown.steps, tuple(group for group in unknown.forget if group == "new"))


def test_what_another_portal_began_is_left_to_it() -> None:
    entries = tuple(replace(entry, portal="support") for entry in once("new", pending=True))
    result = planned(owned=entries, groups=FIRSTS)
    assert isinstance(result, Plan)
    assert ((), ()) == (result.steps, result.forget)
    # But what a line gives now did not come with the account.
    given = planned(replace(ORDER, groups=("a", "b", "new")), owned=entries, groups=FIRSTS)
    assert isinstance(given, Plan)
    assert ((Join("alice", "new"),), ("new",)) == (given.steps, given.forget)


def test_no_account_is_made_whose_first_groups_would_be_missing() -> None:
    unknown = replace(ORDER, groups=None, needed=())
    assert Reason.GROUPS_UNKNOWN is reason(planned(unknown, None, None, groups=FIRSTS))
    assert [Create] == [type(step) for step in steps(planned(unknown, None, None, groups=LAST))]


def test_a_first_group_may_be_needed() -> None:
    needed = replace(FIRSTS, needed=frozenset({"NEW"}))
    assert Join("alice", "new", True, True) == steps(planned(account=None, pin=None, groups=needed))[-1]


# If empty


@pytest.mark.parametrize(
    ("account", "entries", "expected"),
    [
        (in_groups(), (), [Join("alice", "guests")]),
        (in_groups("guests"), owned("guests"), []),
        (in_groups("guests"), (), []),
        (in_groups("by-hand"), (), []),
        (in_groups("ours"), owned("ours"), [Join("alice", "guests"), Leave("alice", "ours")]),
        (in_groups("ours", "by-hand"), owned("ours"), [Leave("alice", "ours")]),
        (in_groups("ours", "guests"), owned("ours", "guests"), [Leave("alice", "ours")]),
        (in_groups("by-hand", "guests"), owned("guests"), [Leave("alice", "guests")]),
    ],
)
def test_who_would_be_in_no_group_gets_the_last_one(
    account: Account, entries: tuple[OwnedGroup, ...], expected: list[Step]
) -> None:
    assert expected == steps(planned(NOTHING, account, owned=entries, groups=LAST))


def test_the_last_one_goes_when_a_line_gives_another() -> None:
    found = steps(planned(account=in_groups("guests"), owned=owned("guests"), groups=LAST))
    assert [Join("alice", "a", True), Join("alice", "b"), Leave("alice", "guests")] == found


def test_a_new_account_gets_the_last_one_only_where_nothing_else_comes() -> None:
    assert Join("alice", "guests") == steps(planned(NOTHING, None, None, groups=LAST))[-1]
    with_firsts = replace(LAST, on_create=("new",))
    assert [Join("alice", "new", once=True)] == steps(planned(NOTHING, None, None, groups=with_firsts))[1:]


def test_a_group_that_is_still_to_come_with_the_account_is_another() -> None:
    both = replace(LAST, on_create=("new",))
    assert [Join("alice", "new", once=True)] == steps(
        planned(NOTHING, in_groups(), owned=once("new", pending=True), groups=both)
    )


@pytest.mark.parametrize(
    "entries", [(), once("guests"), tuple(replace(one, portal="support") for one in owned("guests"))]
)
def test_one_of_the_last_that_is_not_this_portals_is_a_group_too(entries: tuple[OwnedGroup, ...]) -> None:
    two = replace(LAST, if_empty=("guests", "visitors"))
    assert [] == steps(planned(NOTHING, in_groups("guests"), owned=entries, groups=two))
    assert [Join("alice", "visitors")] == steps(
        planned(NOTHING, in_groups("guests"), owned=owned("guests"), groups=two)
    )


def test_unknown_groups_are_not_none() -> None:
    unknown = replace(NOTHING, groups=None)
    assert [] == steps(planned(unknown, in_groups(), groups=LAST))


def test_whoever_keeps_groups_above_the_cap_needs_no_last_one() -> None:
    capped = replace(LAST, max_removals=1)
    assert [] == steps(planned(NOTHING, in_groups("x", "y"), owned=owned("x", "y"), groups=capped))
