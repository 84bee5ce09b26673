"""Orders, accounts and pins for the tests of `core.accounts.plan`, and one plan in one word."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.core.accounts import Plan, Refusal, plan
from sidecar.domain.account import Account, AccountOrder, Adopt, Step
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import AccountPolicy, GroupPolicy
from sidecar.domain.reason import Reason

ALICE = Person("https://idp.example", "alice")
BOB = Person("https://idp.example", "bob")
THEN = UnixSeconds(1_000)
ALL = AccountPolicy(enabled=True, adopt=Adopt.BY_USERNAME, create=True, update=frozenset({"display_name", "email"}))
GROUPS = GroupPolicy(protected=frozenset({"jira-administrators"}))
ORDER = AccountOrder(
    application="jira",
    portal="agents",
    username="alice",
    display_name="Alice",
    email="alice@example.com",
    groups=("a", "b"),
    needed=("a",),
)
PIN = Pin(application="jira", username="alice", spelling="alice", person=ALICE, created=True, at=THEN)
ACCOUNT = Account(
    username="alice", display_name="Alice", email="alice@example.com", active=True, groups=frozenset({"a", "b"})
)
OURS = Deactivation(application="jira", username="alice", cause="leaver", at=THEN)


def owned(*groups: str, portal: str = "agents", pending: bool = False) -> tuple[OwnedGroup, ...]:
    """Groups that the ledger has as ours."""
    return tuple(
        OwnedGroup(application="jira", username="alice", group=group, portal=portal, at=THEN, pending=pending)
        for group in groups
    )


def planned(
    order: AccountOrder = ORDER,
    account: Account | None = ACCOUNT,
    pin: Pin | None = PIN,
    *,
    on_name: Pin | None = None,
    owned: Sequence[OwnedGroup] = (),
    deactivation: Deactivation | None = None,
    policy: AccountPolicy = ALL,
    groups: GroupPolicy = GROUPS,
    authoritative: bool = True,
    creatable: bool = True,
    licensed: frozenset[str] | None = frozenset(),
) -> Plan | Refusal:
    """The plan for an account that is as ordered and pinned, but for what is said."""
    return plan(
        order,
        account=account,
        pin=pin,
        pin_on_name=on_name or pin,
        owned=owned,
        deactivation=deactivation,
        policy=policy,
        groups=groups,
        authoritative=authoritative,
        creatable=creatable,
        licensed=licensed,
    )


def steps(result: Plan | Refusal) -> list[Step]:
    """The steps of a plan."""
    assert isinstance(result, Plan), result
    return list(result.steps)


def reason(result: Plan | Refusal) -> Reason:
    """Why there is no plan."""
    assert isinstance(result, Refusal), result
    return result.reason
