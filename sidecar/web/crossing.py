"""One request on the quick way, from its sending to the end of its answer. Made by `web.lane`."""

from __future__ import annotations

import logging
from collections.abc import Callable

from sidecar.domain.decision import Forward, Place
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.flows.sessions import Entry
from sidecar.flows.streaming import Outcome, UpstreamError
from sidecar.flows.telling import Clock
from sidecar.web.answer import Passing
from sidecar.web.forwarding import RefusedError
from sidecar.web.inbound import Connection
from sidecar.web.teller import Teller

LOG = logging.getLogger(__name__)


class Verdict:
    """What this way has found out before it gave a request back to the gateway."""

    __slots__ = ("entry", "error", "place")

    def __init__(self, error: UpstreamError | RefusedError, place: Place, entry: Entry) -> None:
        self.error = error
        self.place = place
        self.entry = entry


class Crossing:
    """The request.

    Attributes:
        answer: Set before it is sent.
        abandon: Gives up the exchange with the application.
    """

    __slots__ = ("_clock", "_connection", "_data", "_entry", "_place", "_record", "_teller", "abandon", "answer")

    answer: Passing

    def __init__(
        self,
        teller: Teller,
        clock: Clock,
        connection: Connection,
        data: bytes,
        record: RequestRecord,
        place: Place,
        entry: Entry,
    ) -> None:
        self._teller = teller
        self._clock = clock
        self._connection = connection
        self._data = data
        self._record = record
        self._place = place
        self._entry = entry
        self.abandon: Callable[[], None] | None = None

    def took_up(self, abandon: Callable[[], None], decision: Forward) -> None:
        """It is under way."""
        self.abandon = abandon
        record, portal = self._record, decision.place.portal
        record.application, record.portal, record.rule = portal.application, portal.name, decision.rule
        self._teller.took_up()
        if decision.username is None:
            record.outcome = "anonymous"
        else:
            record.outcome = "forwarded"
            self._entry.closers.add(self.answer.sink.abort)

    def over(self, result: Outcome | UpstreamError | None) -> None:
        """The application has answered, or not."""
        try:
            self._over(result)
        except Exception:
            LOG.exception("request %s failed", self._record.request)
            self._connection.abort()

    def gone(self) -> None:
        """The client is gone."""
        self._entry.closers.discard(self.answer.sink.abort)
        if self.abandon is not None:
            self.abandon()
        self._record.outcome = "gone"
        self._teller.ended(self._record)

    def _over(self, result: Outcome | UpstreamError | None) -> None:
        record, answer = self._record, self.answer
        self._entry.closers.discard(answer.sink.abort)
        if isinstance(result, Outcome) and result.state == "complete":
            record.waited = self._clock.monotonic() - record.started
            record.sent = answer.sink.sent
            record.first_byte = result.first_byte
            self._teller.ended(record)
            self._connection.over(keep_alive=answer.keep_alive)
        elif isinstance(result, UpstreamError) and result.stage == "body":
            # Its head was on the wire: the client's connection was reset already.
            record.outcome, record.reason = "failed", Reason.UPSTREAM_BROKEN
            LOG.warning("upstream_broken: request %s at %s: %s", record.request, record.application, result)
            self._teller.ended(record)
            self._connection.over(keep_alive=False)
        else:
            self._teller.let_go()
            self._connection.fall_back(self._data, self._verdict(result))

    def _verdict(self, result: Outcome | UpstreamError | None) -> Verdict | None:
        if result is None or (isinstance(result, Outcome) and self.answer.again):
            return None
        error = result if isinstance(result, UpstreamError) else RefusedError(self.answer.refused)
        return Verdict(error, self._place, self._entry)
