"""Audit events about a session: whose it is, at which door, and by which request."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.domain.events import Code, Event
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.telling import Trace


def about(
    session: Session,
    code: Code,
    trace: Trace,
    *,
    reason: Reason = Reason.OK,
    username: str = "",
    facts: Mapping[str, str] | None = None,
) -> Event:
    """The event; any reason but `ok` makes it a failure."""
    return Event(
        code=code,
        outcome="success" if reason is Reason.OK else "failure",
        reason=reason,
        request=trace.request,
        source=trace.source,
        proxies=trace.proxies,
        person=session.identity.person,
        signed_in=session.identity.signed_in,
        username=username,
        application=session.application,
        portal=session.portal,
        provider=session.identity.provider,
        session=session.key[:16],
        facts=dict(facts or {}),
    )
