"""Somebody is gone: whose accounts are meant, what may be done to one, and how it is remembered. Pure.

Called by `flows.leavers` and `flows.owners`. Keeps the rule that only a pinned, ordinary account is made inactive, and
that one which is inactive already never becomes ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sidecar.core.accounts import Refusal, delicacy
from sidecar.core.usernames import email_is_verified, fold
from sidecar.domain.account import Account, Deactivate
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.ledger import Pin
from sidecar.domain.policy import AccountPolicy, Application, GroupPolicy, ProviderPolicy
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Revocation

REMEMBERED = 400 * 86_400
"""Seconds for which it is remembered that somebody is gone: longer than a token of the products usually lives."""


@dataclass(frozen=True, slots=True)
class Leaver:
    """Somebody who is gone."""

    person: Person
    provider: str


def leavers_of(
    revocation: Revocation, ended: Iterable[Identity], provider: str, providers: Mapping[str, ProviderPolicy]
) -> frozenset[Leaver]:
    """Who is meant by a revocation that says that somebody is gone.

    An e-mail address names only those for whom the provider vouches that it is theirs; a sign-in (`sid`) nobody.

    Args:
        ended: Whose sessions ended by it.
        provider: The name of the provider that revoked.
    """
    if revocation.by is By.SID:
        return frozenset()
    found = set[Leaver]()
    for identity in ended:
        known = providers.get(identity.provider)
        vouched = known is not None and email_is_verified(identity, trusted=known.authoritative)
        if revocation.by is By.SUBJECT or vouched:
            found.add(Leaver(identity.person, identity.provider))
    known = providers.get(provider)
    if revocation.by is By.SUBJECT and known is not None and known.subject_claim == "sub":
        # Without any session too: most leavers have none.
        found.add(Leaver(Person(revocation.issuer, revocation.value), provider))
    return frozenset(found)


def farewell(
    account: Account | None, pin: Pin, policy: AccountPolicy, groups: GroupPolicy
) -> Deactivate | Refusal | None:
    """The step that makes a leaver's account inactive; why it is not done; None where nothing is left to do.

    An account with the pin's key is the linked one, whatever it is called now.
    """
    if account is None or not account.active:
        # Somebody else's work is not noted as ours: it would come back at a sign-in.
        return None
    if pin.key is None and fold(account.username) != pin.username:
        return Refusal(Reason.ACCOUNT_ABSENT, "the application answered with an account of another name")
    if pin.key not in {None, account.key}:
        detail = f"the account {account.username} is not the linked one: its key is {account.key}, not {pin.key}"
        return Refusal(Reason.PIN_CONFLICT, detail)
    return delicacy(account, policy, groups) or Deactivate(account.username)


def all_guarded(application: Application) -> GroupPolicy:
    """A policy of groups whose protected ones are those of all portals: a leaver came through any of them."""
    protected = set(application.product.protected_groups)
    for portal in application.portals:
        protected |= portal.groups.protected | portal.groups.admin
    return GroupPolicy(protected=frozenset(protected))


def gone_mark(application: str, person: Person) -> str:
    """The subject of the marker that says since when somebody is gone."""
    return json.dumps(["gone", application, person.issuer, person.subject])


def back_mark(application: str, person: Person) -> str:
    """The subject of the marker that says that somebody was there again."""
    return json.dumps(["back", application, person.issuer, person.subject])


def is_gone(gone_at: UnixSeconds | None, back_at: UnixSeconds | None) -> bool:
    """Whether somebody is gone and was not there again since."""
    return gone_at is not None and (back_at is None or back_at <= gone_at)
