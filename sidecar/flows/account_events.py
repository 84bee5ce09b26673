"""Telling what is done to accounts: an event each, with who, where and for which request; and a count.

Used by `flows.account_steps` and `flows.provisioning`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sidecar.domain.account import AccountOrder, Create, Deactivate, Join, Leave, MakeGroup, Reactivate, Step, Update
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import Identity
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import AuditError, SureAudit, Trace

CODES: Mapping[type[Step], Code] = {
    Create: Code.USER_CREATED,
    Reactivate: Code.USER_REACTIVATED,
    Update: Code.USER_UPDATED,
    MakeGroup: Code.GROUP_CREATED,
    Join: Code.GROUP_ADDED,
    Leave: Code.GROUP_REMOVED,
    Deactivate: Code.USER_DEACTIVATED,
}


class AccountMeter(Protocol):
    """Counts what was done to accounts."""

    def step(self, application: str, kind: str, result: str) -> None:
        """One more step. *kind* is the step's word, *result* `done`, `already` or a reason."""
        ...

    def hook(self, application: str, name: str, result: str, took: float) -> None:
        """What a first request starts was run: the connector's work under the name `accounts`, or a webhook."""
        ...


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells the events of one piece of work, each with who, where and for which request."""

    audit: SureAudit
    order: AccountOrder
    identity: Identity
    trace: Trace

    def tell(
        self,
        code: Code,
        *,
        outcome: str = "success",
        reason: Reason = Reason.OK,
        before: tuple[str, ...] | None = None,
        after: tuple[str, ...] | None = None,
        facts: Mapping[str, Fact] | None = None,
    ) -> None:
        """Hand one event to the audit trail."""
        self.audit.tell(self._event(code, outcome, reason, before, after, facts or {}))

    async def intend(self, facts: Mapping[str, Fact]) -> None:
        """Say what is about to be done, and wait for the trail where the site demands it.

        Raises:
            AccountError: `audit_unavailable`; it may not be done.
        """
        try:
            await self.audit.sure(self._event(Code.CHANGE_INTENDED, "intended", Reason.OK, None, None, facts))
        except AuditError as error:
            raise AccountError(Reason.AUDIT_UNAVAILABLE, str(error)) from error

    def _event(
        self,
        code: Code,
        outcome: str,
        reason: Reason,
        before: tuple[str, ...] | None,
        after: tuple[str, ...] | None,
        facts: Mapping[str, Fact],
    ) -> Event:
        return Event(
            code=code,
            outcome=outcome,
            reason=reason,
            request=self.trace.request,
            source=self.trace.source,
            proxies=self.trace.proxies,
            session=self.trace.session,
            person=self.identity.person,
            signed_in=self.identity.signed_in,
            username=self.order.username,
            application=self.order.application,
            portal=self.order.portal,
            provider=self.identity.provider,
            before=before,
            after=after,
            facts=facts,
        )


def kind_of(step: Step) -> str:
    """The step's word: `create`, `reactivate`, `update`, `make_group`, `join`, `leave`, `deactivate`."""
    return "make_group" if isinstance(step, MakeGroup) else type(step).__name__.lower()


def facts_of(step: Step) -> dict[str, Fact]:
    match step:
        case Join() | Leave() | MakeGroup():
            return {"account": step.username, "group": step.group}
        case Update():
            fields = {"display_name": step.display_name, "email": step.email}
            return {"account": step.username, "fields": tuple(name for name, value in fields.items() if value)}
        case _:
            return {"account": step.username}
