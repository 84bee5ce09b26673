"""core.accounts: whatever is wanted, there, noted and allowed, a plan does what its words say and nothing else.

The oracle beside the plan is written from the documentation (docs/accounts.md), with sets and no regular expression.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sidecar.core.accounts import Plan, Refusal
from sidecar.core.groups import given as given_by
from sidecar.domain.account import AccountOrder, Create, Join, Leave, Reactivate, Removal, Update
from sidecar.domain.policy import GroupPolicy
from sidecar.domain.reason import Reason
from tests.core.plan_worlds import ORDERS, POOL, PROTECTED, SITES, Rules, Site, joined, left, lower, rules

RULES = rules()


def firsts(site: Site, order: AccountOrder, held: Rules) -> frozenset[str]:
    """Groups that come with the account, and are not there yet."""
    promised = lower(held.policy.on_create) - lower(tuple(PROTECTED)) - lower(order.groups or ())
    if site.account is None:
        return promised
    made = site.pin is not None and site.pin.created
    begun = {entry.group for entry in site.owned if entry.once and entry.pending and entry.portal == order.portal}
    return frozenset(promised & begun - site.groups) if made else frozenset()


def removable(site: Site, order: AccountOrder, held: Rules) -> frozenset[str]:
    """Groups that may be taken from the account for this portal, if they are not wanted."""
    found = set[str]()
    for group in site.groups:
        notes = [entry for entry in site.owned if entry.group == group]
        ours = any(entry.portal == order.portal and not entry.once for entry in notes)
        named = held.policy.remove is Removal.MAPPED and held.names(group)
        kept = any(entry.portal != order.portal or entry.once for entry in notes)
        if held.policy.remove is not Removal.NEVER and (ours or named) and not kept and not held.untouchable(group):
            found.add(group)
    return frozenset(found)


def expected(site: Site, order: AccountOrder, held: Rules) -> frozenset[str]:
    """The groups of the account when all is done."""
    if order.groups is None:
        return site.groups
    wanted = frozenset(group for group in lower(order.groups) if not held.untouchable(group))
    come = firsts(site, order, held)
    may, last = removable(site, order, held), lower(held.policy.if_empty) - lower(tuple(PROTECTED))
    others = (site.groups - may) | wanted | come
    final = wanted | come if others else last
    gone = may - final
    if len(gone) > held.policy.max_removals:
        return site.groups | wanted | come
    return (site.groups - gone) | final


def plan_of(site: Site, order: AccountOrder, held: Rules) -> Plan:
    """The plan, where there is one."""
    result = site.plan(order, held.policy)
    assume(isinstance(result, Plan))
    assert isinstance(result, Plan)
    return result


@given(SITES, ORDERS, RULES)
def test_applying_the_plan_reaches_what_is_wanted(site: Site, order: AccountOrder, held: Rules) -> None:
    plan = plan_of(site, order, held)
    after = site.carried_out(plan, order)
    assert expected(site, order, held) == after.groups
    assert after.account is not None and after.account.active


@given(SITES, ORDERS, RULES)
def test_a_second_plan_is_empty(site: Site, order: AccountOrder, held: Rules) -> None:
    plan = plan_of(site, order, held)
    after = site.carried_out(plan, order)
    again = after.plan(order, held.policy)
    assert isinstance(again, Plan)
    if set(left(plan)) & lower(tuple(PROTECTED)) and again.steps:
        # Whoever is no administrator any more has attributes that follow again, but not in the same breath.
        assert {Update} == {type(step) for step in again.steps}
        again = after.carried_out(again, order).plan(order, held.policy)
        assert isinstance(again, Plan)
    assert ((), (), (), None) == (again.steps, again.confirm, again.forget, again.pin)


@given(SITES, ORDERS, RULES, st.integers(0, 8))
def test_a_plan_that_stopped_half_way_is_gone_on_with(site: Site, order: AccountOrder, held: Rules, done: int) -> None:
    plan = plan_of(site, order, held)
    # A new account is not there yet when its creation stops: then it begins anew.
    assume(site.account is not None or done > 0)
    stopped = site.carried_out(plan, order, done)
    rest = stopped.plan(order, held.policy)
    if isinstance(rest, Refusal):
        # It is an administrator by now, and no such account is switched on by itself.
        assert (Reason.ACCOUNT_PROTECTED, True) == (rest.reason, bool(set(joined(plan)) & lower(tuple(PROTECTED))))
        return
    after = stopped.carried_out(rest, order)
    assert expected(site, order, held) == after.groups
    assert not any(isinstance(step, Create) for step in rest.steps)


@given(SITES, ORDERS, RULES)
def test_no_step_touches_a_group_outside_the_policy(site: Site, order: AccountOrder, held: Rules) -> None:
    plan = plan_of(site, order, held)
    once = {step.group.lower() for step in plan.steps if isinstance(step, Join) and step.once}
    allowed = lower(order.groups or ()) | lower(held.policy.if_empty) | once
    assert set(joined(plan)) <= allowed
    assert once <= lower(held.policy.on_create)
    assert set(left(plan)) <= removable(site, order, held)
    touched = {*joined(plan), *left(plan)}
    assert not any(held.untouchable(group) for group in touched)
    assert set() == set(joined(plan)) & set(left(plan))
    assert all(len(groups) == len(set(groups)) for groups in (joined(plan), left(plan)))


@given(SITES, ORDERS, RULES)
def test_unknown_groups_are_neither_joined_nor_left(site: Site, order: AccountOrder, held: Rules) -> None:
    unknown = replace(order, groups=None, needed=())
    result = site.plan(unknown, held.policy)
    if isinstance(result, Plan):
        assert ([], []) == (joined(result), left(result))
        assert any(skipped.reason is Reason.GROUPS_UNKNOWN for skipped in result.skipped)


@given(SITES, ORDERS, RULES)
def test_caps_hold_and_what_is_held_back_is_said(site: Site, order: AccountOrder, held: Rules) -> None:
    plan = plan_of(site, order, held)
    assert len(left(plan)) <= held.policy.max_removals
    skipped = [one for one in plan.skipped if one.reason is Reason.REMOVALS_CAPPED]
    if skipped:
        assert [] == left(plan)
        assert len(skipped[0].groups) > held.policy.max_removals
        assert lower(skipped[0].groups) <= removable(site, order, held)
    elif order.groups is not None:
        assert removable(site, order, held) - expected(site, order, held) == set(left(plan))


@given(SITES, ORDERS, RULES)
def test_a_removal_never_precedes_the_join_that_replaces_it(site: Site, order: AccountOrder, held: Rules) -> None:
    plan = plan_of(site, order, held)
    kinds = [type(step) for stage in plan.stages for step in stage]
    if site.account is not None and not site.account.active:
        first = [kind is Leave for kind in kinds]
        assert sorted(first, reverse=True) == first
        steps = [step for stage in plan.stages for step in stage]
        # Only protected groups come after it, and never before it.
        late = steps[kinds.index(Reactivate) + 1 :]
        guarded = lower(tuple(held.policy.protected | held.policy.admin))
        assert guarded & lower(tuple(joined(plan))) == {s.group.lower() for s in late if isinstance(s, Join)}
        assert all(isinstance(step, Join) for step in late)
    elif Leave in kinds:
        assert all(kind is Leave for kind in kinds[kinds.index(Leave) :])
    assert kinds.count(Reactivate) == int(site.account is not None and not site.account.active)
    for stage in plan.stages:
        assert 1 == len({type(step) is Leave for step in stage})


@given(SITES, ORDERS, RULES)
def test_nobody_is_switched_on_with_groups_that_should_be_gone(site: Site, order: AccountOrder, held: Rules) -> None:
    """Whoever is reactivated is in no group that this portal may take away and does not want."""
    assume(site.account is not None and not site.account.active)
    result = site.plan(order, held.policy)
    if isinstance(result, Plan):
        after = site.carried_out(result, order)
        wanted = frozenset() if order.groups is None else expected(site, order, held)
        assert set() == (after.groups & removable(site, order, held)) - wanted


@given(SITES, st.lists(st.tuples(ORDERS, RULES), min_size=2, max_size=6))
def test_no_portals_order_removes_what_anothers_gave(site: Site, visits: list[tuple[AccountOrder, Rules]]) -> None:
    given_for = dict[str, set[str]]()
    for order, held in visits:
        result = site.plan(order, held.policy)
        if not isinstance(result, Plan):
            continue
        theirs = set().union(*(groups for portal, groups in given_for.items() if portal != order.portal))
        assert set() == set(left(result)) & theirs
        mine = given_for.setdefault(order.portal, set())
        mine |= set(joined(result))
        mine -= set(left(result))
        site = site.carried_out(result, order)


@given(st.frozensets(st.sampled_from(POOL)), RULES)
def test_an_order_holds_what_lines_can_name_and_no_protected_group_without_its_line(
    known: frozenset[str], held: Rules
) -> None:
    for group in given_by(sorted(known), held.policy, frozenset()):
        assert held.names(group)
        assert group not in lower(tuple(PROTECTED))
    admins = given_by(["root"], replace(held.policy, table={}, as_is=()), frozenset())
    assert lower(tuple(held.admin)) == {group for group in admins if group in lower(tuple(PROTECTED))}


@given(SITES, ORDERS, RULES)
def test_a_joined_group_is_noted_for_the_portal_that_asked(site: Site, order: AccountOrder, held: Rules) -> None:
    plan = plan_of(site, order, held)
    needed = {step.group.lower() for step in plan.steps if isinstance(step, Join) and step.needed}
    assert lower(tuple(held.policy.needed)) & set(joined(plan)) <= needed
    after = site.carried_out(plan, order)
    assert set(joined(plan)) <= {entry.group for entry in after.owned if entry.portal == order.portal}
    assert all(entry.group in after.groups for entry in after.owned if not entry.pending)


def test_the_strategies_reach_what_they_are_for() -> None:
    """A property that no example meets proves nothing."""
    seen = set[str]()

    @settings(max_examples=800, database=None)
    @given(SITES, ORDERS, RULES)
    def look(site: Site, order: AccountOrder, held: Rules) -> None:
        result = site.plan(order, held.policy)
        if not isinstance(result, Plan):
            seen.add(result.reason.value)
            return
        kinds = {type(step).__name__ for step in result.steps}
        seen.update(kinds, {one.reason.value for one in result.skipped})
        if left(result) and joined(result):
            seen.add("both")
        if any(isinstance(step, Join) and step.once for step in result.steps):
            seen.add("once" if site.account is None else "gone on with")
        if set(joined(result)) - lower(order.groups or ()) - lower(held.policy.on_create):
            seen.add("last")

    look()
    assert seen >= {"Create", "Reactivate", "Update", "Join", "Leave", "both", "once", "gone on with", "last"}
    assert seen >= {"groups_unknown", "removals_capped", "account_inactive"}


def test_a_policy_without_lines_orders_nothing() -> None:
    assert () == given_by(POOL, GroupPolicy(), frozenset())
