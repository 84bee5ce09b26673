"""core.accounts: nothing is taken over, joined or left that is not ours to take, join or leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.accounts import NewPin, Plan, Refusal, Skipped
from sidecar.domain.account import (
    Account,
    AccountOrder,
    Adopt,
    Create,
    Join,
    Leave,
    Reactivate,
    Reactivation,
    Removal,
    Step,
    Update,
)
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import (
    AccountPolicy,
    GroupMapping,
    GroupPolicy,
)
from sidecar.domain.reason import Reason
from tests.core.plans import ACCOUNT, ALL, BOB, GROUPS, ORDER, OURS, PIN, owned, planned, reason, steps

INACTIVE = replace(ACCOUNT, active=False)


def test_an_account_as_ordered_needs_nothing() -> None:
    assert Plan(username="alice") == planned()


def test_a_new_person_gets_an_account_then_its_groups() -> None:
    result = planned(account=None, pin=None)
    assert isinstance(result, Plan)
    assert (Create("alice", "Alice", "alice@example.com"),) == result.stages[0]
    assert (Join("alice", "a", True), Join("alice", "b")) == result.stages[1]
    assert NewPin("alice", "alice", created=True) == result.pin
    assert not result.adopted


@pytest.mark.parametrize(
    ("name", "policy", "pin", "creatable", "expected"),
    [
        ("alice", replace(ALL, create=False), None, True, Reason.ACCOUNT_ABSENT),
        ("alice", ALL, None, False, Reason.USERNAME_INVALID),
        ("alice", ALL, replace(PIN, created=False), True, Reason.ACCOUNT_ABSENT),
        ("admin", ALL, None, True, Reason.ACCOUNT_RESERVED),
        ("аdmіn", ALL, None, True, Reason.ACCOUNT_RESERVED),
        ("svc-jira", replace(ALL, reserved=frozenset({"svc-jira"})), None, True, Reason.ACCOUNT_RESERVED),
    ],
)
def test_no_account_is_made(
    name: str, policy: AccountPolicy, pin: Pin | None, creatable: bool, expected: Reason
) -> None:
    order = replace(ORDER, username=name)
    assert expected is reason(planned(order, None, pin, policy=policy, creatable=creatable))


def test_no_account_is_made_without_an_address_and_one_that_is_there_serves() -> None:
    order = replace(ORDER, email=None)
    assert Reason.EMAIL_MISSING is reason(planned(order, None, None))
    assert [] == steps(planned(order))


def test_an_account_that_we_made_and_that_is_gone_is_made_again_without_a_second_pin() -> None:
    result = planned(account=None, owned=owned("a"))
    assert isinstance(result, Plan)
    assert (None, ("a",), Create) == (result.pin, result.forget, type(result.steps[0]))


@pytest.mark.parametrize(
    ("account", "policy", "authoritative", "expected"),
    [
        (ACCOUNT, replace(ALL, adopt=Adopt.NEVER), True, Reason.ACCOUNT_NOT_ADOPTED),
        (ACCOUNT, ALL, False, Reason.ACCOUNT_NOT_ADOPTED),
        (replace(ACCOUNT, username="Admin"), ALL, True, Reason.ACCOUNT_RESERVED),
        (replace(ACCOUNT, own=True), ALL, True, Reason.ACCOUNT_RESERVED),
        (replace(ACCOUNT, groups=frozenset({"Jira-Administrators"})), ALL, True, Reason.ACCOUNT_PROTECTED),
        (INACTIVE, ALL, True, Reason.ACCOUNT_INACTIVE),
    ],
)
def test_an_existing_account_is_not_adopted(
    account: Account, policy: AccountPolicy, authoritative: bool, expected: Reason
) -> None:
    order = replace(ORDER, username=account.username.lower())
    assert expected is reason(planned(order, account, None, policy=policy, authoritative=authoritative))


def test_an_adopted_account_keeps_its_spelling() -> None:
    result = planned(account=replace(ACCOUNT, username="Alice", groups=frozenset({"A"})), pin=None)
    assert isinstance(result, Plan)
    assert ("Alice", True, NewPin("alice", "Alice", created=False)) == (result.username, result.adopted, result.pin)
    assert (Join("Alice", "b"),) == result.steps


@pytest.mark.parametrize(
    ("pin", "on_name"),
    [
        (None, replace(PIN, person=BOB)),
        (PIN, replace(PIN, person=BOB)),
        (replace(PIN, username="alice.old"), None),
    ],
)
def test_pins_are_unique_both_ways(pin: Pin | None, on_name: Pin | None) -> None:
    assert Reason.PIN_CONFLICT is reason(planned(pin=pin, on_name=on_name))


@pytest.mark.parametrize(
    "account",
    [
        replace(ACCOUNT, groups=frozenset({"jira-administrators"}), display_name="x"),
        replace(ACCOUNT, username="root", groups=frozenset(), display_name="x"),
    ],
)
def test_a_linked_delicate_account_is_served_but_neither_updated_nor_reactivated(account: Account) -> None:
    order = replace(ORDER, username=account.username)
    pin = replace(PIN, username=account.username)
    assert [Join(account.username, "a", True), Join(account.username, "b")] == steps(planned(order, account, pin))
    idle = replace(account, active=False)
    refused = planned(order, idle, pin, policy=replace(ALL, reactivate=Reactivation.ANY))
    assert reason(refused) in {Reason.ACCOUNT_PROTECTED, Reason.ACCOUNT_RESERVED}


def test_the_connectors_own_account_is_never_changed() -> None:
    account = replace(ACCOUNT, own=True, groups=frozenset({"old"}), display_name="x")
    assert [] == steps(planned(account=account, owned=owned("old")))


@pytest.mark.parametrize(
    ("reactivate", "deactivation", "comes_back"),
    [
        (Reactivation.NEVER, OURS, False),
        (Reactivation.OURS, OURS, True),
        (Reactivation.OURS, None, False),
        (Reactivation.ANY, None, True),
    ],
)
def test_who_comes_back(reactivate: Reactivation, deactivation: Deactivation | None, comes_back: bool) -> None:
    policy = replace(ALL, reactivate=reactivate)
    result = planned(account=INACTIVE, deactivation=deactivation, policy=policy)
    assert comes_back == isinstance(result, Plan)
    if not comes_back:
        assert Reason.ACCOUNT_INACTIVE is reason(result)


def test_stale_groups_go_before_an_account_is_enabled_and_enabling_is_last() -> None:
    account = replace(INACTIVE, groups=frozenset({"old", "b"}), email="x@example.com")
    result = planned(account=account, owned=owned("old", "b"), deactivation=OURS)
    assert isinstance(result, Plan)
    update = Update("alice", None, "alice@example.com")
    assert ((Leave("alice", "old"),), (Join("alice", "a", True), update), (Reactivate("alice"),)) == result.stages


def test_a_protected_group_is_joined_only_once_the_account_is_enabled() -> None:
    order = replace(ORDER, groups=("a", "jira-administrators"))
    exact = replace(GROUPS, admin=frozenset({"jira-administrators"}))
    result = planned(order, replace(INACTIVE, groups=frozenset()), deactivation=OURS, groups=exact)
    assert isinstance(result, Plan)
    assert [Join("alice", "a", True), Reactivate("alice"), Join("alice", "jira-administrators")] == list(result.steps)


def test_an_account_whose_stale_groups_cannot_go_stays_inactive() -> None:
    account = replace(INACTIVE, groups=frozenset({"x", "y"}))
    capped = replace(GROUPS, max_removals=1)
    entries = owned("x", "y")
    assert Reason.REMOVALS_CAPPED is reason(planned(account=account, owned=entries, deactivation=OURS, groups=capped))
    unknown = replace(ORDER, groups=None, needed=())
    assert Reason.GROUPS_UNKNOWN is reason(planned(unknown, account, owned=entries, deactivation=OURS))
    assert [Reactivate("alice")] == steps(planned(unknown, account, deactivation=OURS))


def test_an_active_account_joins_before_it_leaves() -> None:
    account = replace(ACCOUNT, groups=frozenset({"b", "Old"}))
    assert [Join("alice", "a", True), Leave("alice", "Old")] == steps(planned(account=account, owned=owned("old")))


@pytest.mark.parametrize(
    ("remove", "left"),
    [(Removal.NEVER, []), (Removal.OWNED, ["ours"]), (Removal.MAPPED, ["jira-x", "ours"])],
)
def test_what_may_be_left(remove: Removal, left: list[str]) -> None:
    groups = replace(GROUPS, remove=remove, mapping=(GroupMapping(source="okta-(.+)", target="jira-$1"),))
    entries = (*owned("ours"), *owned("theirs", "jira-y", portal="support"))
    account = replace(
        ACCOUNT,
        groups=frozenset({"a", "b", "ours", "theirs", "by-hand", "jira-x", "jira-y", "jira-administrators"}),
    )
    found = steps(planned(account=account, owned=entries, groups=groups))
    assert [Leave("alice", group) for group in left] == found


def test_a_protected_group_is_left_only_where_an_exact_line_says_so() -> None:
    account = replace(ACCOUNT, groups=frozenset({"a", "b", "jira-administrators"}))
    entries = owned("jira-administrators")
    assert [] == steps(planned(account=account, owned=entries))
    exact = replace(GROUPS, admin=frozenset({"jira-administrators"}))
    assert [Leave("alice", "jira-administrators")] == steps(planned(account=account, owned=entries, groups=exact))


@pytest.mark.parametrize("account", [None, ACCOUNT])
def test_a_protected_group_is_joined_only_where_an_exact_line_says_so(account: Account | None) -> None:
    order = replace(ORDER, groups=("a", "b", "jira-administrators"))
    join = Join("alice", "jira-administrators")
    exact = replace(GROUPS, admin=frozenset({"Jira-Administrators"}))
    found = [join in steps(planned(order, account, groups=groups)) for groups in (GROUPS, exact)]
    assert [False, True] == found


def test_above_the_cap_nothing_is_left_and_it_is_said() -> None:
    account = replace(ACCOUNT, groups=frozenset({"b", "x", "y", "z"}))
    result = planned(account=account, owned=owned("x", "y", "z"), groups=replace(GROUPS, max_removals=2))
    assert isinstance(result, Plan)
    assert (Join("alice", "a", True),) == result.steps
    assert (Skipped(Reason.REMOVALS_CAPPED, ("x", "y", "z")),) == result.skipped


def test_pending_entries_are_settled_by_what_is_there() -> None:
    worked, lost = owned("a", pending=True), owned("gone", pending=True)
    result = planned(owned=worked + lost)
    assert isinstance(result, Plan)
    assert (worked, ("gone",)) == (result.confirm, result.forget)


def test_only_listed_fields_are_updated() -> None:
    account = replace(ACCOUNT, display_name="Old", email="old@example.com")
    assert [] == steps(planned(account=account, policy=replace(ALL, update=frozenset())))
    only_name = replace(ALL, update=frozenset({"display_name"}))
    assert [Update("alice", "Alice", None)] == steps(planned(account=account, policy=only_name))
    unordered = replace(ORDER, display_name=None, email=None)
    assert [] == steps(planned(unordered, account))


# Properties


NAMES = st.sampled_from(["a", "b", "c", "jira-x", "jira-y", "jira-administrators", "by-hand"])
SETS = st.frozensets(NAMES)
POLICIES = st.builds(
    GroupPolicy,
    mapping=st.just((GroupMapping(source="okta-(.+)", target="jira-$1"),)),
    admin=st.sampled_from([frozenset[str](), frozenset({"jira-administrators"})]),
    protected=st.just(frozenset({"jira-administrators"})),
    remove=st.sampled_from(Removal),
    max_removals=st.integers(0, 4),
)
ORDERS = st.builds(
    lambda groups: replace(ORDER, groups=None if groups is None else tuple(sorted(groups)), needed=()),
    st.none() | SETS,
)
ACCOUNTS = st.none() | st.builds(
    lambda groups, active, name, spelling: replace(
        ACCOUNT, groups=frozenset(groups), active=active, display_name=name, username=spelling
    ),
    SETS,
    st.booleans(),
    st.sampled_from(["Alice", "Old"]),
    st.sampled_from(["alice", "Alice"]),
)
LEDGERS = st.builds(lambda mine, theirs: (*owned(*sorted(mine)), *owned(*sorted(theirs), portal="support")), SETS, SETS)


def applied(account: Account | None, found: Sequence[Step]) -> Account:
    for step in found:
        match step:
            case Create():
                assert account is None
                account = Account(
                    username=step.username,
                    display_name=step.display_name,
                    email=step.email,
                    active=True,
                    groups=frozenset(),
                )
            case Reactivate():
                assert account is not None
                account = replace(account, active=True)
            case Update():
                assert account is not None
                account = replace(
                    account,
                    display_name=step.display_name or account.display_name,
                    email=step.email or account.email,
                )
            case Join():
                assert account is not None
                account = replace(account, groups=account.groups | {step.group})
            case Leave():
                assert account is not None
                assert step.group in account.groups
                account = replace(account, groups=account.groups - {step.group})
    assert account is not None
    return account


@given(ORDERS, ACCOUNTS, LEDGERS, POLICIES, st.sampled_from([None, OURS]))
def test_no_plan_goes_beyond_what_is_ours(
    order: AccountOrder,
    account: Account | None,
    entries: tuple[OwnedGroup, ...],
    groups: GroupPolicy,
    deactivation: Deactivation | None,
) -> None:
    result = planned(order, account, owned=entries, deactivation=deactivation, groups=groups)
    if isinstance(result, Refusal):
        return
    joined = {step.group for step in result.steps if isinstance(step, Join)}
    left = {step.group for step in result.steps if isinstance(step, Leave)}
    mine = {entry.group for entry in entries if entry.portal == "agents"}
    theirs = {entry.group for entry in entries if entry.portal != "agents"}
    if order.groups is None:
        assert (set(), set()) == (joined, left)
    if groups.remove is Removal.OWNED:
        assert left <= mine
    if groups.remove is Removal.NEVER:
        assert set() == left
    assert set() == left & theirs
    assert len(left) <= groups.max_removals
    if not groups.admin:
        assert "jira-administrators" not in joined | left
    enabling = [number for number, step in enumerate(result.steps) if isinstance(step, Reactivate)]
    for number in enabling:
        assert all(isinstance(s, Join) and s.group == "jira-administrators" for s in result.steps[number + 1 :])


@given(ORDERS, ACCOUNTS, LEDGERS, POLICIES, st.sampled_from([None, OURS]))
def test_an_applied_plan_leaves_nothing_to_plan(
    order: AccountOrder,
    account: Account | None,
    entries: tuple[OwnedGroup, ...],
    groups: GroupPolicy,
    deactivation: Deactivation | None,
) -> None:
    first = planned(order, account, owned=entries, deactivation=deactivation, groups=groups)
    if isinstance(first, Refusal):
        return
    ready = applied(account, first.steps)
    assert [] == steps(planned(order, ready, owned=entries, groups=groups))
