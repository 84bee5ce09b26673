"""An answer for a person in whose name a program asks: never somebody else's, and no cookie goes with it (D6, D8)."""

from __future__ import annotations

from aiohttp import web

from sidecar.domain.events import Code
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar
from sidecar.flows.callers import Caller
from sidecar.flows.session_events import about
from sidecar.flows.streaming import AnswerHead
from sidecar.flows.telling import Audit
from sidecar.web.answer import Passing
from sidecar.web.inbound import goes_on
from sidecar.web.person import leads_to_log_in
from sidecar.web.sink import TransportSink
from sidecar.web.visit import Serving, Visit

_REDIRECTS = range(300, 400)


class CallerAnswer(Passing):
    """Delivers what was made for the caller's person."""

    def __init__(
        self, visit: Visit, caller: Caller, serving: Serving, node: str, username: str, sent: Jar, audit: Audit
    ) -> None:
        request: web.BaseRequest = visit.request
        super().__init__(
            TransportSink(request),
            visit.record,
            serving.guarded,
            cookies=False,
            keep_alive=goes_on(request),
            modern=request.version >= (1, 1),
            request=request,
        )
        self._visit = visit
        self._caller = caller
        self._serving = serving
        self._node = node
        self._username = username
        self._sent = sent
        self._audit = audit

    def judge(self, head: AnswerHead) -> Reason:
        """D8's alarm; and a log-in page is no answer for a program."""
        landing, session, place = self._serving.landing, self._caller.session, self._visit.place
        reason = landing.check(session, self._username, self._node, head)
        if reason is Reason.LANDING_MISMATCH:
            self._alarm(Code.LANDING_MISMATCH, reason)
            return reason
        astray = head.status in _REDIRECTS and place is not None and leads_to_log_in(head, place, self._serving)
        if (astray or reason is Reason.LANDING_FAILED) and landing.lost(
            session, self._username, self._node, self._sent
        ):
            self.again = self._visit.repeatable
            if self.again:
                return Reason.LANDING_FAILED
        if astray:
            self._alarm(Code.LANDING_FAILED, Reason.LANDING_FAILED)
            return Reason.LANDING_FAILED
        return Reason.OK

    def _alarm(self, code: Code, reason: Reason) -> None:
        session = self._caller.session
        self._visit.record.told = True
        self._audit.tell(about(session, code, self._visit.trace, reason=reason, username=self._username))
