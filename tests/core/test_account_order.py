"""core.accounts.order_for: what the provider says becomes an order, and never one for an administrators' group."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.orders import order_for
from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Claim, Groups, Identity, Person
from sidecar.domain.policy import (
    AccountPolicy,
    ApiPolicy,
    Application,
    Condition,
    GroupMapping,
    GroupPolicy,
    Mode,
    Portal,
    UsernameMapping,
)
from sidecar.products.jira import JIRA

ALICE = Person("https://idp.example", "alice")
ALL = AccountPolicy(enabled=True, create=True)


def ordered(
    groups: Groups, policy: GroupPolicy, accounts: AccountPolicy = ALL, *, trusted: bool = True, **claims: Claim
) -> AccountOrder:
    portal = Portal(
        name="agents",
        application="jira",
        default=True,
        prefixes=(),
        providers=("idp",),
        accepts=frozenset(),
        mode=Mode.ENFORCE,
        require=Condition(),
        rules=(),
        username=UsernameMapping(),
        groups=policy,
    )
    application = Application(
        name="jira",
        product=JIRA,
        origin="https://jira.example.com",
        host="jira.example.com",
        context="",
        portals=(portal,),
        cookie="__Host-lychgate-jira",
        accounts=accounts,
        api=ApiPolicy(),
    )
    identity = Identity(person=ALICE, provider="idp", claims=claims, groups=groups)
    return order_for(identity, portal, application, "alice", trusted=trusted)


MAPPED = GroupPolicy(
    mapping=(GroupMapping(source="okta-jira-(.+)", target="Jira-$1"), GroupMapping(source="staff", target="everybody")),
    always=("Default",),
)


@pytest.mark.parametrize(
    ("known", "policy", "expected"),
    [
        (("okta-jira-Users", "staff", "other"), MAPPED, ("default", "everybody", "jira-users")),
        (("xokta-jira-users", "staffroom"), MAPPED, ("default",)),
        ((), MAPPED, ("default",)),
        (None, MAPPED, None),
        (None, GroupPolicy(always=("Default",)), ("default",)),
        (("okta-jira-administrators", "okta-jira-ADMINISTRATORS"), MAPPED, ("default",)),
        (("okta-jira-administrators ", "okta-jira-adminiſtrators", "okta-jira-a\u200bb"), MAPPED, ("default",)),
        ((), GroupPolicy(always=("jira-administrators",), admin=frozenset({"jira-administrators"})), ()),
        (
            ("okta-jira-administrators",),
            replace(MAPPED, admin=frozenset({"jira-administrators"}), always=()),
            (),
        ),
        (
            ("it.admins",),
            GroupPolicy(
                mapping=(GroupMapping(source="it.admins", target="jira-administrators", exact=True, admin=True),),
                admin=frozenset({"jira-administrators"}),
            ),
            ("jira-administrators",),
        ),
        (
            ("it.admins",),
            GroupPolicy(
                mapping=(GroupMapping(source="it.*", target="jira-administrators"),),
                admin=frozenset({"jira-administrators"}),
            ),
            (),
        ),
    ],
)
def test_which_groups_are_ordered(known: Groups, policy: GroupPolicy, expected: Groups) -> None:
    assert expected == ordered(known, policy).groups


def test_a_needed_group_is_known_however_it_is_spelled() -> None:
    policy = GroupPolicy(always=("jira-Straße",), needed=frozenset({"JIRA-STRASSE"}))
    assert ("jira-straße",) == ordered((), policy).needed


def test_needed_groups_are_those_of_the_ordered_ones() -> None:
    policy = replace(MAPPED, needed=frozenset({"Jira-Users", "jira-others"}))
    assert ("jira-users",) == ordered(("okta-jira-users",), policy).needed


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ({"name": " Alice  Archer ", "email": "a@example.com"}, ("Alice Archer", "a@example.com")),
        ({"email": "a@example.com", "email_verified": True}, (None, "a@example.com")),
        ({"email": "a@example.com", "email_verified": False}, (None, None)),
        ({"email": "a@b@example.com", "name": "A\u202elice"}, (None, None)),
        ({"email": "a b@example.com", "name": 7}, (None, None)),
    ],
)
def test_which_attributes_are_ordered(claims: dict[str, Claim], expected: tuple[str | None, str | None]) -> None:
    order = ordered((), GroupPolicy(), ALL, **claims)
    assert expected == (order.display_name, order.email)


@pytest.mark.parametrize("verified", [True, False, None, "true", 1, "absent"])
@pytest.mark.parametrize("trusted", [True, False])
def test_an_address_counts_when_it_was_verified(verified: Claim, trusted: bool) -> None:
    """Rule 45: JSON `true`, unless a provider that is believed does not speak of it."""
    claims: dict[str, Claim] = {"email": "a@example.com"}
    if verified != "absent":
        claims["email_verified"] = verified
    counts = verified is True or (trusted and verified == "absent")
    assert ("a@example.com" if counts else None) == ordered((), GroupPolicy(), ALL, trusted=trusted, **claims).email


def test_nothing_is_ordered_where_accounts_are_not_managed() -> None:
    order = ordered(("staff",), MAPPED, AccountPolicy(), name="Alice")
    assert (None, None, None, ()) == (order.display_name, order.email, order.groups, order.needed)
