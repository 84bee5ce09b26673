"""The quick way: a plain request for which all is at hand, served without a task between its bytes and the answer's.

Called by `web.inbound` with the bytes of one whole head. It decides nothing by itself: the same reader, locator,
decision and heads as the gateway's are asked, and whatever is not at once a `Forward` that can go on at once (another
method, a body, a credential, an upgrade, a session that must be looked up, an account that is not ready, no idle
connection) is left to aiohttp and the gateway, untouched. So is every refusal and every error: here nobody is turned
away, and no page is made.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

from sidecar.core.cookies import Carried
from sidecar.core.decide import Visitor, decide
from sidecar.core.headers import Head, read_lines, request_head
from sidecar.core.lines import BadLineError
from sidecar.domain.decision import Forward, Place, RequestFacts
from sidecar.domain.policy import Application, Mode
from sidecar.domain.reason import Reason
from sidecar.flows.recheck import Recheck
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.streaming import Outcome, Outgoing, UpstreamError
from sidecar.flows.telling import Audit, Clock
from sidecar.web.answer import Passing
from sidecar.web.forwarding import RefusedError
from sidecar.web.head import facts_of
from sidecar.web.inbound import LONGEST_QUICK, Connection
from sidecar.web.passages import passage_of
from sidecar.web.person import PersonAnswer
from sidecar.web.reading import Reading, Readings
from sidecar.web.sink import ConnectionSink
from sidecar.web.teller import Teller
from sidecar.web.visit import NODE, Draft, Serving

LOG = logging.getLogger(__name__)
_REQUEST_LINE = re.compile(rb"(GET|HEAD) (/[!-~]*) HTTP/1\.1")
_NOT_HERE = (b"content-length", b"transfer-encoding", b"content-type", b"expect", b"upgrade", b"authorization")


class Verdict:
    """What this way has found out before it gave a request back to the gateway."""

    __slots__ = ("entry", "error", "place")

    def __init__(self, error: UpstreamError | RefusedError, place: Place, entry: Entry | None) -> None:
        self.error = error
        self.place = place
        self.entry = entry


class Lane:
    """Implements `web.inbound.QuickWay`."""

    def __init__(
        self,
        readings: Readings,
        sessions: Sessions,
        applications: Mapping[str, Serving],
        teller: Teller,
        recheck: Recheck,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._readings = readings
        self._sessions = sessions
        self._applications = applications
        self._teller = teller
        self._recheck = recheck
        self._audit = audit
        self._clock = clock

    def __call__(self, connection: Connection, data: bytes) -> Callable[[], None] | None:
        """See `QuickWay`."""
        reading = self._readings.now()
        asked = _read(data, reading)
        if asked is None:
            return None
        facts, head = asked
        place = reading.locator.known(facts)
        if place is None or place.portal.mode is not Mode.ENFORCE:
            return None
        application = place.application
        carried = self._carried(connection, head, application)
        entry = self._sessions.at_hand(application.name, carried.session) if carried is not None else None
        if carried is None or entry is None or entry.standing is None or self._recheck.is_due(entry):
            return None
        visitor = Visitor(entry.session, entry.standing, self._sessions.wants_renewal(entry))
        decision = decide(facts, place, visitor, reading.policy, self._clock.now())
        if not isinstance(decision, Forward):
            return None
        draft = self._teller.draft(connection.peer, head, facts, reading.policy)
        draft.place, draft.application = place, application
        draft.entry, draft.standing = entry, entry.standing
        return self._forward(connection, data, draft, decision, entry, carried)

    def _carried(self, connection: Connection, head: Head, application: Application) -> Carried | None:
        """What the one `Cookie` field says; None if there is none, or more than one."""
        if len(head.cookies) != 1:
            return None
        field, carried = head.cookies[0], connection.carried
        if carried is None or carried.field != field or carried.application != application.cookie:
            guarded = self._applications[application.name].guarded
            carried = connection.carried = Carried(field, application.cookie, guarded)
        return carried

    def _forward(
        self, connection: Connection, data: bytes, draft: Draft, decision: Forward, entry: Entry, carried: Carried
    ) -> Callable[[], None] | None:
        serving = self._applications[decision.place.application.name]
        keep_alive, facts, record = not connection.draining, draft.facts, draft.record
        answer: Passing
        if decision.username is None or decision.order is None:
            answer = Passing(ConnectionSink(connection), record, serving.guarded, cookies=True, keep_alive=keep_alive)
            passage = passage_of(draft, serving, carried=carried.up)
        else:
            session = entry.session
            username = serving.accounts.at_hand(decision.order, session.identity, session.key[:16])
            fields = serving.landing.at_hand(session, username, NODE, draft.now) if username is not None else None
            if username is None or fields is None:
                return None
            answer = PersonAnswer(
                ConnectionSink(connection), draft, serving, username, self._sessions, self._audit, keep_alive=keep_alive
            )
            passage = passage_of(draft, serving, identity=fields, jar=session.jars.get(NODE, ()), carried=carried.up)
        outgoing = Outgoing(method=facts.method, head=request_head(facts.method, facts.target, draft.head, passage))
        crossing = _Crossing(self, connection, data, draft, decision, answer)
        crossing.abandon = serving.upstream.begin(outgoing, answer, crossing.over)
        if crossing.abandon is None:
            return None
        self._teller.took_up(draft)
        self._teller.decided(draft, decision)
        if decision.username is not None:
            record.outcome = "forwarded"
            if decision.extends_idle:
                self._sessions.used(entry)
            entry.closers.add(answer.sink.abort)
        else:
            record.outcome = "anonymous"
        return crossing.gone

    def ended(self, draft: Draft) -> None:
        """Tell of a request that is over."""
        self._teller.ended(draft)

    def let_go(self, draft: Draft) -> None:
        """A request goes on by the gateway's way."""
        self._teller.let_go(draft)

    def waited(self, draft: Draft) -> float:
        """Seconds since it was begun."""
        return self._clock.monotonic() - draft.record.started


class _Crossing:
    """One request on this way."""

    __slots__ = ("abandon", "answer", "connection", "data", "decision", "draft", "lane")

    def __init__(
        self, lane: Lane, connection: Connection, data: bytes, draft: Draft, decision: Forward, answer: Passing
    ) -> None:
        self.lane = lane
        self.connection = connection
        self.data = data
        self.draft = draft
        self.decision = decision
        self.answer = answer
        self.abandon: Callable[[], None] | None = None

    def over(self, result: Outcome | UpstreamError | None) -> None:
        """The application has answered, or not."""
        try:
            self._over(result)
        except Exception:
            LOG.exception("request %s failed", self.draft.record.request)
            self.connection.abort()

    def _over(self, result: Outcome | UpstreamError | None) -> None:
        draft, answer = self.draft, self.answer
        record = draft.record
        self._close()
        record.waited = self.lane.waited(draft)
        record.sent = answer.sink.sent
        if isinstance(result, Outcome) and result.state == "complete":
            record.first_byte = result.first_byte
            self.lane.ended(draft)
            self.connection.over(keep_alive=answer.keep_alive)
        elif isinstance(result, UpstreamError) and result.stage == "body":
            # Its head was on the wire: the client's connection was reset already.
            record.outcome, record.reason = "failed", Reason.UPSTREAM_BROKEN
            self.lane.ended(draft)
            self.connection.over(keep_alive=False)
        else:
            self.lane.let_go(draft)
            self.connection.fall_back(self.data, self._verdict(result))

    def gone(self) -> None:
        """The client is gone."""
        self._close()
        if self.abandon is not None:
            self.abandon()
        self.draft.record.outcome = "gone"
        self.lane.ended(self.draft)

    def _verdict(self, result: Outcome | UpstreamError | None) -> Verdict | None:
        if result is None:
            return None
        error = result if isinstance(result, UpstreamError) else RefusedError(self.answer.refused)
        return Verdict(error, self.decision.place, self.draft.entry)

    def _close(self) -> None:
        if self.draft.entry is not None:
            self.draft.entry.closers.discard(self.answer.sink.abort)


def _read(data: bytes, reading: Reading) -> tuple[RequestFacts, Head] | None:
    """Read the one request that *data* is; None if it is another, or not as plain as this way wants it."""
    if len(data) > LONGEST_QUICK or data.find(b"\r\n\r\n") != len(data) - 4:
        return None
    first, *raw_lines = data[:-4].split(b"\r\n")
    found = _REQUEST_LINE.fullmatch(first)
    if found is None:
        return None
    try:
        head = read_lines(raw_lines, reading.names)
    except BadLineError:
        return None
    noted = head.noted
    if head.twice or head.stripped or b"host" not in noted or any(name in noted for name in _NOT_HERE):
        return None
    if noted.get(b"connection", "keep-alive").lower() != "keep-alive":
        return None
    return facts_of(found[1].decode(), found[2].decode(), head, has_body=False), head
