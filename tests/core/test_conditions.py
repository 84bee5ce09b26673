"""core.conditions: a condition holds if every part of it does, and unknown groups meet none (D5)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.claims import freeze
from sidecar.core.conditions import meets
from sidecar.domain.identity import Claim, Groups, Identity, Person
from sidecar.domain.policy import Condition
from sidecar.domain.reason import Reason

GROUPS = frozenset("abc")


def identity(groups: Groups = (), claims: Mapping[str, Claim] | None = None) -> Identity:
    return Identity(person=Person("https://id.example.com", "1"), provider="okta", claims=claims or {}, groups=groups)


def asks(value: Claim, *, name: str = "level") -> Condition:
    return Condition(claims={name: frozenset({value})})


@pytest.mark.parametrize(
    ("condition", "groups", "expected"),
    [
        (Condition(), None, Reason.OK),
        (Condition(any_group=GROUPS), ("a", "z"), Reason.OK),
        (Condition(any_group=GROUPS), ("z",), Reason.NOT_IN_GROUP),
        (Condition(any_group=GROUPS), ("A",), Reason.NOT_IN_GROUP),
        (Condition(any_group=GROUPS), (), Reason.NOT_IN_GROUP),
        (Condition(any_group=frozenset()), ("a",), Reason.NOT_IN_GROUP),
        (Condition(all_groups=GROUPS), ("a", "b", "c", "z"), Reason.OK),
        (Condition(all_groups=GROUPS), ("a", "b"), Reason.NOT_IN_GROUP),
        (Condition(no_group=GROUPS), ("z",), Reason.OK),
        (Condition(no_group=GROUPS), (), Reason.OK),
        (Condition(no_group=GROUPS), ("a", "z"), Reason.NOT_IN_GROUP),
        (Condition(any_group=frozenset("z"), no_group=GROUPS), ("a", "z"), Reason.NOT_IN_GROUP),
    ],
)
def test_groups(condition: Condition, groups: Groups, expected: Reason) -> None:
    assert expected is meets(identity(groups), condition)


@pytest.mark.parametrize(
    "condition",
    [
        Condition(any_group=GROUPS),
        Condition(any_group=frozenset()),
        Condition(all_groups=GROUPS),
        Condition(no_group=GROUPS),
        Condition(no_group=GROUPS, claims={"level": frozenset({1})}),
    ],
)
def test_unknown_groups_are_never_empty_groups(condition: Condition) -> None:
    assert Reason.GROUPS_UNKNOWN is meets(identity(None, {"level": 1}), condition)


@pytest.mark.parametrize(
    ("claim", "wanted", "expected"),
    [
        ("IT", "IT", Reason.OK),
        ("it", "IT", Reason.CLAIM_MISMATCH),
        (["HR", "IT"], "IT", Reason.OK),
        (["HR"], "IT", Reason.CLAIM_MISMATCH),
        ([], "IT", Reason.CLAIM_MISMATCH),
        ([["IT"]], "IT", Reason.CLAIM_MISMATCH),
        ({"IT": True}, "IT", Reason.CLAIM_MISMATCH),
        ([{"IT": 1}, "IT"], "IT", Reason.OK),
        (True, True, Reason.OK),
        (True, 1, Reason.CLAIM_MISMATCH),
        (1, True, Reason.CLAIM_MISMATCH),
        ("true", True, Reason.CLAIM_MISMATCH),
        (0, False, Reason.CLAIM_MISMATCH),
        (None, "IT", Reason.CLAIM_MISMATCH),
    ],
)
def test_a_claim_is_compared_as_the_json_value_that_it_is(claim: object, wanted: Claim, expected: Reason) -> None:
    assert expected is meets(identity(claims={"level": freeze(claim)}), asks(wanted))


def test_a_claim_that_is_not_there_is_missing() -> None:
    assert Reason.CLAIM_MISSING is meets(identity(claims={"other": "IT"}), asks("IT"))


def test_every_claim_that_is_named_must_hold() -> None:
    both = Condition(claims={"level": frozenset({1}), "site": frozenset({"B"})})
    assert Reason.OK is meets(identity(claims={"level": 1, "site": "B"}), both)
    assert Reason.CLAIM_MISMATCH is meets(identity(claims={"level": 1, "site": "C"}), both)
    assert Reason.CLAIM_MISSING is meets(identity(claims={"site": "B"}), both)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_whatever_a_provider_sends_is_judged_and_raises_nothing(value: object) -> None:
    assert meets(identity(claims={"level": freeze(value)}), asks("somewhere else")) is Reason.CLAIM_MISMATCH
