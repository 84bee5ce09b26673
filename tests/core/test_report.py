"""core.report: each person is found as what they are, and only what would really be done is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.accounts import NewPin, Plan, Refusal
from sidecar.core.candidates import Candidate
from sidecar.core.report import Finding, Site, Status, found, settled, site_of, summed
from sidecar.domain.account import Account, AccountOrder, Join, Leave, Reactivate
from sidecar.domain.identity import Identity, Person
from sidecar.domain.reason import Reason
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, account, make_policy

APPLICATION = make_policy(ACCOUNTS, GROUPS).applications["jira"]
JOIN = Plan(username="ada", stages=((Join("ada", "Jira-A"),), (Leave("ada", "old"),)), pin=NewPin("ada", "ada", False))


def who(name: str = "ada", *, refused: Reason = Reason.OK, email: str = "ada@example.com") -> Candidate:
    identity = Identity(person=Person("i", name), provider="staff", claims={"email": email}, groups=())
    order = AccountOrder(
        application="jira", portal="agents", username=name, display_name=None, email=None, groups=(), needed=()
    )
    return Candidate(identity=identity, order=order, refused=refused)


def site(*accounts: Account) -> Site:
    by_name = {one.username.lower(): one for one in accounts}
    return site_of(by_name, APPLICATION, shadowed={"ada": ("A", "B")}, read_only=frozenset(), linked=frozenset())


@pytest.mark.parametrize(
    ("accounts", "way", "status", "reason"),
    [
        ([account("Ada")], JOIN, Status.MATCHED, Reason.OK),
        ([account("ada", active=False)], Refusal(Reason.ACCOUNT_INACTIVE, "x"), Status.INACTIVE,
         Reason.ACCOUNT_INACTIVE),
        ([account("ada")], Refusal(Reason.PIN_CONFLICT, "x"), Status.AMBIGUOUS, Reason.PIN_CONFLICT),
        ([account("ada")], Refusal(Reason.ACCOUNT_RESERVED, "x"), Status.RESERVED, Reason.ACCOUNT_RESERVED),
        ([account("ada")], Refusal(Reason.ACCOUNT_PROTECTED, "x"), Status.PROTECTED, Reason.ACCOUNT_PROTECTED),
        ([account("ada")], Refusal(Reason.ACCOUNT_NOT_ADOPTED, "x"), Status.MATCHED, Reason.ACCOUNT_NOT_ADOPTED),
        ([], Refusal(Reason.ACCOUNT_ABSENT, "x"), Status.UNMATCHED, Reason.ACCOUNT_ABSENT),
        ([replace(account("bob"), email="ADA@example.com")], JOIN, Status.AMBIGUOUS, Reason.OK),
    ],
)  # fmt: skip
def test_everybody_is_found_as_what_they_are(
    accounts: list[Account], way: Plan | Refusal, status: Status, reason: Reason
) -> None:
    one = found(1, who(), way, None, site(*accounts))
    assert (status, reason, ("A", "B")) == (one.status, one.reason, one.shadowed)


def test_whoever_the_portal_keeps_out_has_no_steps() -> None:
    kept = found(1, who(refused=Reason.NOT_IN_GROUP), JOIN, None, site(account("ada")))
    report = summed([kept], site(account("ada")))
    assert (Reason.NOT_IN_GROUP, ()) == (kept.reason, kept.steps)
    assert {"not_in_group": 1} == report.kept_out
    assert ({}, 0, 0) == (report.joins, report.steps["link"], report.let_in)


def test_steps_are_counted_by_kind_and_by_group() -> None:
    findings = [found(line, who(name), JOIN, None, site()) for line, name in ((1, "ada"), (2, "bob"))]
    report = summed(findings, site(account("ada"), account("carl"), account("x", active=False)), ["jira-a", "other"])
    assert ({"jira-a": 2}, {"old": 2}) == (report.joins, report.leaves)
    assert (2, 2, 2) == tuple(report.steps[kind] for kind in ("link", "join", "leave"))
    assert (("jira-a",), ("carl",), 3, 2) == (report.absent, report.unclaimed, report.accounts, report.active)


def test_two_who_make_one_name_are_ambiguous_both() -> None:
    bob = who("bob", email="bob@example.com")
    findings = [found(line, one, JOIN, None, site(account("ada"))) for line, one in ((3, who()), (9, bob))]
    twin = found(7, who("ada"), JOIN, None, site(account("ada")))
    statuses = [(one.line, one.status) for one in settled([*findings, twin])]
    assert [(3, Status.AMBIGUOUS), (9, Status.UNMATCHED), (7, Status.AMBIGUOUS)] == statuses


def test_a_directory_that_cannot_be_written_matters_where_somebody_would_come_back() -> None:
    back = Plan(username="ada", stages=((Reactivate("ada"),),))
    findings: list[Finding] = []
    for way in (JOIN, back):
        place = replace(site(account("ada")), read_only=frozenset({"ada"}))
        findings.append(found(1, who(), way, None, place))
    assert [(True, False), (True, True)] == [(one.read_only, one.fails_read_only) for one in findings]


def test_accounts_that_are_linked_by_hand_only_are_known() -> None:
    own = replace(account("lychgate", "jira-administrators"), own=True)
    counted = summed([], site(own, account("root"), account("eve", "Jira-Administrators"), account("ada")))
    assert (2, 1) == (counted.reserved, counted.protected)
    assert ("ada", "eve", "root") == counted.unclaimed
