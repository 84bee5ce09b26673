"""core.foresight: every line of a plan has its reason, and so has every group that stays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.accounts import NewPin, Plan, Refusal, Skipped
from sidecar.core.foresight import Basis, Told, told
from sidecar.domain.account import Create, Join, Leave, Reactivate, Step, Update
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup
from sidecar.domain.reason import Reason
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, World, account, agent, make_policy

DAY = UnixSeconds(1_700_000_000)
NOTE = Deactivation(application="jira", username="alice", cause="leaver", at=DAY)


def basis(*groups: str, owned: tuple[str, ...] = (), note: Deactivation | None = None) -> Basis:
    """Alice, whose claims give jira-users; *owned* are groups that we added for the agents' portal."""
    application = make_policy(ACCOUNTS, GROUPS).applications["jira"]
    person = agent()
    entries = [OwnedGroup(application="jira", username="alice", group=one, portal="agents", at=DAY) for one in owned]
    return Basis(
        application=application,
        portal=application.default_portal,
        identity=person,
        order=World().order(person),
        account=account("alice", *groups),
        owned=entries,
        note=note,
    )


@pytest.mark.parametrize(
    ("step", "given", "line"),
    [
        (Create("alice", "A", "a@b"), basis(), Told("create alice", "the application has no account of this name")),
        (Join("alice", "jira-users", True), basis(),
         Told("join jira-users", "okta-users gives it; nobody is let in without it")),
        (Join("alice", "guests"), basis(), Told("join guests", "everybody at this portal gets it")),
        (Leave("alice", "Old"), basis("Old", owned=("old",)),
         Told("leave Old", "Lychgate added it for agents on 2023-11-14, and nothing gives it any more")),
        (Leave("alice", "Old"), basis("Old"),
         Told("leave Old", "a line of the configuration can name it, and `remove` is `mapped`, "
                           "and nothing gives it any more")),
        (Reactivate("alice"), basis(note=NOTE),
         Told("reactivate alice", "Lychgate itself made it inactive on 2023-11-14 (leaver)")),
        (Reactivate("alice"), basis(), Told("reactivate alice", "it is inactive, and `reactivate` is `any`")),
        (Update("alice", "A", "x@y"), basis(),
         Told("update display name and e-mail", "the provider says otherwise, and `update` names it")),
    ],
)  # fmt: skip
def test_each_step_has_its_reason(step: Step, given: Basis, line: Told) -> None:
    assert [line] == list(told(Plan(username="alice", stages=((step,),)), given))


def test_each_group_that_stays_has_its_reason() -> None:
    given = basis("jira-users", "Club", "kept", owned=("kept",))
    assert [
        Told("keep Club", "Lychgate did not add it"),
        Told("keep jira-users", "okta-users gives it"),
        Told("keep kept", "Lychgate added it for agents on 2023-11-14; it stays for now"),
    ] == list(told(Plan(username="alice"), given))


def test_links_what_is_left_alone_and_refusals_are_told() -> None:
    given = replace(basis(), account=None)
    plan = Plan(
        username="alice",
        pin=NewPin("alice", "Alice", created=True),
        skipped=(Skipped(Reason.REMOVALS_CAPPED, ("a", "b")),),
        forget=("gone",),
    )
    assert [
        Told("link Alice", "the account is made for this person"),
        Told("leave alone a, b", "removals_capped: nothing is taken away"),
        Told("forget gone", "the account is not in it any more, so it is not Lychgate's to take"),
    ] == list(told(plan, given))
    refusal = Refusal(Reason.ACCOUNT_INACTIVE, "why")
    assert [Told("refused", "why", Reason.ACCOUNT_INACTIVE)] == list(told(refusal, given))
