"""core.seats and the licences of a plan: no plan takes a seat that is not there, and none takes more away than that."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.accounts import Plan, Refusal, may_be_made
from sidecar.core.seats import fitted, taken_by
from sidecar.domain.account import Join, Reactivation
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason
from tests.core.plans import ACCOUNT, ALL, GROUPS, ORDER, planned

NAMES = st.frozensets(st.sampled_from("abcdef"))
LICENCES = st.lists(
    st.builds(
        Licence,
        key=st.sampled_from(["one", "two", "three"]),
        groups=NAMES,
        remaining=st.none() | st.integers(0, 2),
    ),
    unique_by=lambda one: one.key,
    max_size=3,
)


@given(LICENCES, NAMES, NAMES, NAMES, st.booleans(), st.booleans())
def test_no_plan_takes_a_seat_that_is_not_there(
    licences: list[Licence],
    have: frozenset[str],
    wanted: frozenset[str],
    needed: frozenset[str],
    active: bool,
    new: bool,
) -> None:
    account = None if new else replace(ACCOUNT, active=active, groups=have)
    order = replace(ORDER, groups=tuple(sorted(wanted)), needed=tuple(sorted(needed & wanted)))
    way = planned(order, account, policy=replace(ALL, reactivate=Reactivation.ANY))
    assert isinstance(way, Plan)
    seats = taken_by(way, account, licences)
    full = frozenset(one.key for one in licences if one.key in seats and one.remaining == 0)
    found = fitted(way, account, licences, full)
    if isinstance(found, Refusal):
        assert (Reason.NO_SEAT_LEFT, True) == (found.reason, bool(full))
        return
    assert frozenset() == taken_by(found, account, licences) & full
    lost = set(way.steps) - set(found.steps)
    barred = {group for one in licences if one.key in full for group in one.groups}
    assert all(isinstance(step, Join) and not step.needed and step.group in barred for step in lost)
    assert [step for step in way.steps if step not in lost] == list(found.steps)


@given(NAMES, NAMES, st.none() | NAMES)
def test_a_portal_without_licences_gives_none(
    have: frozenset[str], wanted: frozenset[str], licensed: frozenset[str] | None
) -> None:
    account = replace(ACCOUNT, groups=have)
    order = replace(ORDER, groups=tuple(sorted(wanted)), needed=())
    found = planned(order, account, groups=replace(GROUPS, licences=False), licensed=licensed)
    assert isinstance(found, Plan)
    joined = {step.group for step in found.steps if isinstance(step, Join)}
    assert (set() if licensed is None else wanted - have - licensed) == joined


def test_a_needed_group_that_takes_a_seat_is_refused_where_none_is_given() -> None:
    groups = replace(GROUPS, licences=False)
    account = replace(ACCOUNT, groups=frozenset())
    for licensed in (frozenset({"a"}), None):
        found = planned(ORDER, account, groups=groups, licensed=licensed)
        assert isinstance(found, Refusal)
        assert Reason.GROUP_LICENSED is found.reason
    assert isinstance(planned(ORDER, groups=groups, licensed=frozenset({"a"})), Plan)


@pytest.mark.parametrize(
    ("group", "made"),
    [("team-1", True), ("TEAM-1", True), ("team-1\n", False), ("my-team-1", False), ("jira-administrators", False)],
)
def test_only_what_a_pattern_names_whole_is_made_and_never_a_protected_group(group: str, made: bool) -> None:
    groups = replace(GROUPS, create=("team-[0-9]", "jira-.*"))
    assert made == may_be_made(group, groups)
    assert not may_be_made(group, replace(groups, admin=frozenset({group})))
