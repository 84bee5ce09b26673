"""What would be done to somebody's account if the portal were in force: planned and told, never done (D13).

Called by the gateway's way to the application for a portal in `observe`. The request does not wait for it, and nothing
that fails here reaches it.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from cachetools import TTLCache

from sidecar.core.accounts import Refusal
from sidecar.core.kept import kept
from sidecar.domain.account import AccountOrder, Join, Leave, MakeGroup, Step
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Identity, Person
from sidecar.domain.reason import Reason
from sidecar.flows.account_events import AccountMeter, kind_of
from sidecar.flows.accounts import AccountError
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.provisioning import Accounts
from sidecar.flows.telling import Audit, Clock, Trace

EVERY = 900
"""Seconds after which somebody is looked at again."""
MOST = 20_000
_AT_ONCE = 10
"""Looks at the same time; whoever comes meanwhile is looked at by a later request."""


class Observer:
    """Plans for people who pass through a portal that is not in force yet."""

    def __init__(self, accounts: Accounts, audit: Audit, meter: AccountMeter, clock: Clock) -> None:
        self._accounts = accounts
        self._audit = audit
        self._meter = meter
        self._tasks = OwnedTasks()
        self._seen: MutableMapping[tuple[AccountOrder, Person], bool] = kept(
            "people_observed", TTLCache(MOST, EVERY, timer=clock.monotonic), MOST
        )

    def watch(self, order: AccountOrder, identity: Identity, request: Trace) -> None:
        """Look at somebody, unless that was done lately. Returns at once and never raises."""
        key = (order, identity.person)
        if key in self._seen or len(self._tasks) >= _AT_ONCE:
            return
        self._seen[key] = True
        _ = self._tasks.begin(self._look(order, identity, request))

    async def close(self) -> None:
        """Let the looks that were begun come to their end."""
        await self._tasks.close()

    async def _look(self, order: AccountOrder, identity: Identity, request: Trace) -> None:
        try:
            way = (await self._accounts.foresee(order, identity)).way
        except AccountError as error:
            way = Refusal(error.reason, error.detail)
        reason = way.reason if isinstance(way, Refusal) else Reason.OK
        self._meter.step(order.application, "observe", reason.value if reason is not Reason.OK else "done")
        if isinstance(way, Refusal):
            facts: dict[str, str | tuple[str, ...]] = {"detail": way.detail}
        else:
            link = ("link",) if way.pin is not None else ()
            facts = {"account": way.username, "steps": (*link, *map(_word, way.steps))}
        self._audit.tell(
            Event(
                code=Code.ACCOUNT_OBSERVED,
                outcome="success" if reason is Reason.OK else "failure",
                reason=reason,
                request=request.request,
                source=request.source,
                proxies=request.proxies,
                session=request.session,
                person=identity.person,
                signed_in=identity.signed_in,
                username=order.username,
                application=order.application,
                portal=order.portal,
                provider=identity.provider,
                facts=facts,
            )
        )


def _word(step: Step) -> str:
    """The step without any value of a claim."""
    return f"{kind_of(step)} {step.group}" if isinstance(step, Join | Leave | MakeGroup) else kind_of(step)
