"""The quick way: a plain request for which all is at hand, served without a task between its bytes and the answer's.

Called by `web.inbound` with the bytes of one whole head. It decides nothing by itself: the same reader, locator,
decision and heads as the gateway's are asked, and whatever is not at once a `Forward` that can go on at once (another
method, a body, a credential, an upgrade, a session that must be looked up, an account that is not ready, no idle
connection) is left to aiohttp and the gateway, untouched. So is every refusal and every error: here nobody is turned
away, and no page is made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from sidecar.core.decide import Visitor, decide
from sidecar.core.headers import request_head
from sidecar.core.passwords import query_has
from sidecar.domain.decision import Forward, Place
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Mode
from sidecar.flows.recheck import Recheck
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.streaming import Fields, Outgoing
from sidecar.flows.telling import Audit, Clock
from sidecar.web.blocks import Block, Tail
from sidecar.web.crossing import Crossing, QuickAnswer, QuickPersonAnswer
from sidecar.web.inbound import LONGEST_QUICK, Connection
from sidecar.web.passages import passage_of
from sidecar.web.reading import Reading, Readings
from sidecar.web.teller import Teller
from sidecar.web.visit import NODE, Serving

LOG = logging.getLogger(__name__)
_VERSION = b" HTTP/1.1"
_METHODS = {b"GET": "GET", b"HEAD": "HEAD"}
REMEMBERED_DECISIONS = 256


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
        try:
            return self._begin(connection, data)
        except Exception:
            # The gateway meets the same fault, and has a page for it. Nothing was sent: `begin` is the last step.
            LOG.exception("the quick way failed")
            return None

    def _begin(self, connection: Connection, data: bytes) -> Callable[[], None] | None:
        end = data.find(b"\r\n")
        line, raw_block = data[:end], data[end:]
        if not line.endswith(_VERSION) or len(data) > LONGEST_QUICK:
            return None
        reading = self._readings.now()
        block = reading.blocks[raw_block]
        method = _METHODS.get(line[: line.find(b" ")])
        if not block.plain or method is None:
            return None
        target = line[len(method) + 1 : -len(_VERSION)]
        place = reading.locator.known_at(block.host, target)
        if place is None or place.portal.mode is not Mode.ENFORCE:
            return None
        serving = self._applications[place.application.name]
        now = self._clock.now()
        carried = block.carried_at(place.application, serving.guarded)
        entry = self._sessions.at_hand(place.application.name, carried.session, now)
        if entry is None or self._recheck.is_due(entry, now):
            return None
        decision = self._decide(reading, place, method, target, block, entry, now)
        if decision is None or (decision.username is not None and place.portal.name != entry.session.portal):
            return None
        return self._forward(reading, connection, data, decision, method, target, block, entry, serving, now)

    def _decide(
        self, reading: Reading, place: Place, method: str, target: bytes, block: Block, entry: Entry, now: UnixSeconds
    ) -> Forward | None:
        """The decision, remembered for the session's standing: it depends on place, method and kind of request alone
        where no password may be in the query, no rule asks for a fresh sign-in, and no renewal is due."""
        renew = self._sessions.wants_renewal(entry, now)
        query = target.partition(b"?")[2]
        if renew or (query and query_has(query.decode(), place.application.product.password_fields)):
            return None
        key = (id(place), method, block.facts.kind)
        known = entry.forwards.get(key)
        if known is not None:
            return known[1]
        standing = entry.standing
        if standing is None:
            return None
        facts = block.facts_for(method, target.decode())
        decision = decide(facts, place, Visitor(entry.session, standing), reading.policy, now)
        if not isinstance(decision, Forward):
            return None
        if any(
            place.portal.rules[number].fresh is not None for matching in place.traits.matching for number in matching
        ):
            # What was fresh enough now is not so for ever.
            return decision
        if len(entry.forwards) >= REMEMBERED_DECISIONS:
            entry.forwards.clear()
        # The place is kept with the decision, so that its identity names no other one.
        entry.forwards[key] = (place, decision)
        return decision

    def _forward(
        self,
        reading: Reading,
        connection: Connection,
        data: bytes,
        decision: Forward,
        method: str,
        target: bytes,
        block: Block,
        entry: Entry,
        serving: Serving,
        now: UnixSeconds,
    ) -> Callable[[], None] | None:
        session, order = entry.session, decision.order
        fields: Fields = ()
        username = None
        if decision.username is not None and order is not None:
            username = serving.accounts.at_hand(order, session.identity, session.key[:16])
            landed = serving.landing.at_hand(session, username, NODE, now) if username is not None else None
            if landed is None:
                return None
            fields = landed
        record, chain = self._teller.record(connection.peer, block.head, method, reading.policy)
        head = b"%b %b%b%b\r\n\r\n" % (
            method.encode(),
            target,
            self._tail(block, entry if username is not None else None, fields, chain, serving),
            record.request.encode(),
        )
        crossing = Crossing(self._teller, self._clock, connection, data, record, decision.place, entry)
        if username is None:
            record.outcome = "anonymous"
            crossing.answer = QuickAnswer(connection, record, serving.guarded)
        else:
            record.outcome = "forwarded"
            crossing.answer = QuickPersonAnswer(
                connection,
                record,
                decision.place,
                entry,
                block.facts.kind,
                serving,
                username,
                self._sessions,
                self._audit,
            )
        outgoing = Outgoing(method=method, head=head, patience=serving.patience_at(decision.place))
        crossing.abandon = serving.upstream.begin(outgoing, crossing.answer, crossing.over)
        if crossing.abandon is None:
            return None
        record.application, record.portal = decision.place.application.name, decision.place.portal.name
        record.rule = decision.rule
        self._teller.took_up()
        if username is not None:
            if decision.extends_idle:
                self._sessions.used(entry, now)
            entry.closers.add(crossing.answer.sink.abort)
        return crossing.gone

    def _tail(self, block: Block, entry: Entry | None, fields: Fields, chain: str, serving: Serving) -> bytes:
        """The head for the application behind its target, up to the value of the request id: the same for the next
        request that says the same."""
        jar = entry.session.jars.get(NODE, ()) if entry is not None else ()
        tail = block.tail
        if tail is None or not tail.fits(entry, jar, fields, chain):
            passage = passage_of(
                block.head, serving, chain, "", identity=fields, jar=jar, carried=block.carried_for(serving.guarded)
            )
            whole = request_head("GET", "/", block.head, passage)
            tail = block.tail = Tail(entry, jar, fields, chain, whole[len(b"GET /") : -len(b"\r\n\r\n")])
        return tail.text
