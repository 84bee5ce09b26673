"""The application's own sessions of a person, ended with ours where the application says so.

Used by `flows.signout` and `flows.revocations`. Nobody waits for it: our session is over already, and with it the way
to the application's, whose cookies were only ever in our custody. This ends those that began otherwise.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Protocol

from sidecar.core.kept import kept
from sidecar.domain.events import Code
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.accounts import AccountError
from sidecar.flows.session_events import about
from sidecar.flows.telling import Audit, Trace

LOG = logging.getLogger(__name__)
LONGEST = 10.0
"""Seconds that the application may take."""

MOST = 64
"""Ends under way at once; more are told as failed."""


class EndsSessions(Protocol):
    """One application's way to end the sessions of an account."""

    async def end_sessions(self, username: str) -> None:
        """End them.

        Raises:
            AccountError: they may go on.
        """
        ...


class ProductSessions:
    """Ends them in tasks of its own."""

    def __init__(self, ways: Mapping[str, EndsSessions], audit: Audit) -> None:
        self._ways = ways
        self._audit = audit
        self._tasks: set[asyncio.Task[None]] = kept("product_sign_outs", set(), MOST)

    def end_soon(self, session: Session, username: str | None, trace: Trace) -> None:
        """End what the application holds for the person of *session*."""
        way = self._ways.get(session.application)
        if way is None or username is None:
            return
        if len(self._tasks) >= MOST:
            self._tell(session, username, Reason.CONNECTOR_UNREACHABLE, trace)
            return
        task = asyncio.create_task(self._end(way, session, username, trace))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let what was begun come to its end."""
        while self._tasks:
            _ = await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _end(self, way: EndsSessions, session: Session, username: str, trace: Trace) -> None:
        reason = Reason.OK
        try:
            async with asyncio.timeout(LONGEST):
                await way.end_sessions(username)
        except AccountError as error:
            reason = error.reason
            LOG.warning("%s kept its own sessions of somebody who was signed out: %s", session.application, error)
        except TimeoutError:
            reason = Reason.CONNECTOR_UNREACHABLE
            LOG.warning("%s did not say in time whether it ended its own sessions", session.application)
        self._tell(session, username, reason, trace)

    def _tell(self, session: Session, username: str, reason: Reason, trace: Trace) -> None:
        event = about(session, Code.PRODUCT_SESSIONS_ENDED, trace, reason=reason, username=username)
        self._audit.tell(event)
