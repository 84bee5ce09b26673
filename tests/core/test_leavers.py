"""Leavers: who is meant by a word of a provider, and whose account is made inactive: never one that is not ours to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.accounts import Refusal
from sidecar.core.leavers import Leaver, all_guarded, farewell, is_gone, leavers_of
from sidecar.domain.account import Account, Deactivate
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Pin
from sidecar.domain.policy import GroupPolicy
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Revocation
from tests.flows.fake_accounts import ACCOUNTS, AGENTS, GROUPS, account, agent, make_policy

PROVIDERS = make_policy(ACCOUNTS, GROUPS).providers
APPLICATION = make_policy(ACCOUNTS, GroupPolicy(protected=frozenset({"board"}))).applications["jira"]
PIN = Pin(
    application="jira",
    username="alice",
    spelling="Alice",
    person=Person(AGENTS, "alice"),
    created=False,
    at=UnixSeconds(1),
    key="k-1",
)


def revoked(by: By, value: str) -> Revocation:
    return Revocation(issuer=AGENTS, by=by, value=value, at=UnixSeconds(5))


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        (account("Alice", "jira-users", key="k-1"), Deactivate("Alice")),
        (None, None),
        (account("Alice", key="k-1", active=False), None),
        (account("Alice", key="k-2"), Reason.PIN_CONFLICT),
        (account("bob", key="k-1"), Deactivate("bob")),
        (account("Alice", "Jira-Administrators", key="k-1"), Reason.ACCOUNT_PROTECTED),
        (account("Alice", "board", key="k-1"), Reason.ACCOUNT_PROTECTED),
        (replace(account("Alice", key="k-1"), own=True), Reason.ACCOUNT_RESERVED),
    ],
    ids=["ordinary", "absent", "inactive", "other-key", "renamed", "admin", "protected", "own"],
)
def test_only_an_ordinary_active_linked_account_is_made_inactive(
    account: Account | None, expected: Deactivate | Reason | None
) -> None:
    step = farewell(account, PIN, ACCOUNTS, all_guarded(APPLICATION))
    assert expected == (step.reason if isinstance(step, Refusal) else step)


def test_without_a_key_only_the_name_says_whose_account_it_is() -> None:
    step = farewell(account("bob", key="k-1"), replace(PIN, key=None), ACCOUNTS, GroupPolicy())
    assert isinstance(step, Refusal)
    assert Reason.ACCOUNT_ABSENT is step.reason


def test_a_reserved_name_stays_active() -> None:
    step = farewell(account("root"), replace(PIN, username="root", key=None), ACCOUNTS, GroupPolicy())
    assert isinstance(step, Refusal)
    assert Reason.ACCOUNT_RESERVED is step.reason


def test_a_subject_names_its_person_with_and_without_a_session() -> None:
    alice = Leaver(Person(AGENTS, "alice"), "staff")
    assert {alice} == leavers_of(revoked(By.SUBJECT, "alice"), [agent()], "staff", PROVIDERS)
    assert {alice} == leavers_of(revoked(By.SUBJECT, "alice"), [], "staff", PROVIDERS)


def test_where_persons_are_known_by_another_claim_only_sessions_tell() -> None:
    providers = {"staff": replace(PROVIDERS["staff"], subject_claim="oid")}
    assert frozenset() == leavers_of(revoked(By.SUBJECT, "pairwise"), [], "staff", providers)
    met = replace(agent(), sub="pairwise")
    assert {Leaver(met.person, "staff")} == leavers_of(revoked(By.SUBJECT, "pairwise"), [met], "staff", providers)


def test_an_address_names_only_those_for_whom_the_provider_vouches() -> None:
    known = [agent("alice", email="alice@example.com"), agent("eve", email="alice@example.com", email_verified=False)]
    found = leavers_of(revoked(By.EMAIL, "alice@example.com"), known, "staff", PROVIDERS)
    assert {Leaver(Person(AGENTS, "alice"), "staff")} == found


def test_one_sign_in_that_ends_means_nobody_is_gone() -> None:
    assert frozenset() == leavers_of(revoked(By.SID, "s-1"), [agent()], "staff", PROVIDERS)


@pytest.mark.parametrize(
    ("gone", "back", "expected"), [(None, None, False), (5, None, True), (5, 5, True), (5, 6, False)]
)
def test_whoever_was_there_again_since_is_not_gone(gone: int | None, back: int | None, expected: bool) -> None:
    times = [None if at is None else UnixSeconds(at) for at in (gone, back)]
    assert expected is is_gone(*times)
