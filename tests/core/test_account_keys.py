"""core.accounts: a pin means one account, and not whatever has its name later."""

from __future__ import annotations

from dataclasses import replace

from sidecar.core.accounts import NewPin, Plan
from sidecar.domain.reason import Reason
from tests.core.plans import ACCOUNT, PIN, planned, reason


def test_an_account_that_only_has_the_name_of_the_linked_one_is_not_it() -> None:
    """Somebody renamed the linked account, and made another one of its old name."""
    pin, other = replace(PIN, key="JIRAUSER1"), replace(ACCOUNT, key="JIRAUSER2")
    assert Plan(username="alice") == planned(account=replace(ACCOUNT, key="JIRAUSER1"), pin=pin)
    for account in (other, replace(other, active=False), replace(other, own=True), replace(other, key=None)):
        assert Reason.PIN_CONFLICT is reason(planned(account=account, pin=pin))


def test_a_pin_without_the_accounts_key_learns_it_and_a_new_one_has_it() -> None:
    account = replace(ACCOUNT, key="JIRAUSER1")
    assert Plan(username="alice", key="JIRAUSER1") == planned(account=account)
    adopted = planned(account=account, pin=None)
    assert isinstance(adopted, Plan)
    assert NewPin("alice", "alice", created=False, key="JIRAUSER1") == adopted.pin
    assert Plan(username="alice") == planned(account=ACCOUNT)
