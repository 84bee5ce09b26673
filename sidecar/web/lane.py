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
from dataclasses import dataclass

from sidecar.core.ages import ClaimsAge
from sidecar.core.decide import Visitor, decide
from sidecar.core.headers import request_head
from sidecar.core.passwords import query_has
from sidecar.domain.decision import Forward, Place
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Mode
from sidecar.domain.session import Jar, seat_of
from sidecar.flows.nodes import Node
from sidecar.flows.recheck import Recheck
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.streaming import Fields, Outgoing
from sidecar.flows.telling import Audit, Clock
from sidecar.web.answer import Passing
from sidecar.web.blocks import Block, Tail
from sidecar.web.crossing import Crossing
from sidecar.web.inbound import LONGEST_QUICK, Connection
from sidecar.web.passages import passage_of
from sidecar.web.person import PersonAnswer
from sidecar.web.reading import Reading, Readings
from sidecar.web.sink import ConnectionSink
from sidecar.web.teller import Teller
from sidecar.web.visit import Serving

LOG = logging.getLogger(__name__)
_VERSION = b" HTTP/1.1"
_METHODS = {b"GET": "GET", b"HEAD": "HEAD"}
_REQUEST_ID = re.compile(rb"(?i)\r\nx-request-id: *([a-z0-9-]{8,64})(?=\r\n)")
"""Whatever else the field holds is left where it is, for the reader to judge."""
REMEMBERED_DECISIONS = 32
"""Of one session: a quarter of a kilobyte each."""


@dataclass(slots=True)
class _Asked:
    """A request of which everything is known.

    Attributes:
        given: The request id that a proxy in front gave, or None.
    """

    reading: Reading
    block: Block
    method: str
    target: bytes
    place: Place
    serving: Serving
    entry: Entry
    now: UnixSeconds
    given: str | None


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
            # The gateway meets the same fault, and has a page for it. Nothing was sent, or it was given up.
            LOG.exception("the quick way failed")
            return None

    def _begin(self, connection: Connection, data: bytes) -> Callable[[], None] | None:
        asked = self._read(connection, data)
        if asked is None:
            return None
        place, entry, serving = asked.place, asked.entry, asked.serving
        decision = self._decide(asked)
        if decision is None or (decision.username is not None and place.portal.name != entry.session.portal):
            return None
        username, order, session = None, decision.order, entry.session
        node = serving.only or (serving.nodes.any() if decision.username is None else serving.nodes.of(session.key))
        fields: Fields = ()
        jar: Jar = ()
        if decision.username is not None and order is not None:
            username = serving.accounts.at_hand(order, session.identity, session.key[:16])
            landed = serving.landing.at_hand(session, username, node.name, asked.now) if username is not None else None
            if landed is None:
                return None
            fields, jar = landed, session.jars.get(seat_of(node.name, username or ""), ())
        block, policy = asked.block, asked.reading.policy
        record, chain = self._teller.record(connection.peer, block.head, asked.method, policy, asked.given)
        record.cookies = block.bad_cookies
        tail = self._tail(block, entry if username is not None else None, jar, fields, chain, serving)
        head = b"%b %b%b%b\r\n\r\n" % (asked.method.encode(), asked.target, tail, record.request.encode())
        outgoing = Outgoing(method=asked.method, head=head, patience=serving.patience_at(place))
        crossing = Crossing(self._teller, self._clock, connection, data, record, place, entry)
        sink, keep_alive = ConnectionSink(connection), not connection.draining
        if username is None:
            crossing.answer = Passing(sink, record, serving.guarded, cookies=True, keep_alive=keep_alive)
        else:
            crossing.answer = PersonAnswer(
                sink,
                record,
                place,
                entry,
                block.facts.kind,
                serving,
                node.name,
                username,
                jar,
                self._sessions,
                self._audit,
                keep_alive=keep_alive,
            )
        return self._send(node, crossing, outgoing, decision, asked)

    def _read(self, connection: Connection, data: bytes) -> _Asked | None:
        """Who asks for what, if all of it is known; None otherwise."""
        end = data.find(b"\r\n")
        line, raw_block = data[:end], data[end:]
        if not line.endswith(_VERSION) or len(data) > LONGEST_QUICK or data.find(b"\r\n\r\n") != len(data) - 4:
            return None
        reading, given = self._readings.now(), None
        if reading.policy.trusted_proxies and (found := _REQUEST_ID.search(raw_block)) is not None:
            # A proxy in front gives every request an id of its own; without it, blocks are alike again.
            given, raw_block = found[1].decode("latin-1"), raw_block[: found.start()] + raw_block[found.end() :]
        block = reading.blocks[raw_block]
        method = _METHODS.get(line[: line.find(b" ")])
        if not block.plain or method is None or (given is not None and b"x-request-id" in block.head.noted):
            return None
        target = line[len(method) + 1 : -len(_VERSION)]
        place = reading.locator.known_at(block.host, target)
        if place is None or place.portal.mode is not Mode.ENFORCE:
            return None
        serving = self._applications[place.application.name]
        now = self._clock.now()
        carried = block.carried_at(place.application, serving.guarded)
        entry = self._sessions.at_hand(place.application.name, carried.session, now)
        if entry is None or entry.unconfirmed or self._recheck.age(entry, now) is not ClaimsAge.CURRENT:
            return None
        return _Asked(reading, block, method, target, place, serving, entry, now, given)

    def _decide(self, asked: _Asked) -> Forward | None:
        """The decision, remembered for the session's standing: it depends on place, method and kind of request alone
        where no password may be in the query, no rule asks for a fresh sign-in, and no renewal is due."""
        place, entry, block, method = asked.place, asked.entry, asked.block, asked.method
        query = asked.target.partition(b"?")[2]
        if self._sessions.wants_renewal(entry, asked.now):
            return None
        if query and query_has(query.decode(), place.application.product.password_fields):
            return None
        key = (id(place), method, block.facts.kind)
        known = entry.forwards.get(key)
        if known is not None:
            return known[1]
        standing = entry.standing
        if standing is None:
            return None
        facts = block.facts_for(method, asked.target.decode())
        decision = decide(facts, place, Visitor(entry.session, standing), asked.reading.policy, asked.now)
        if not isinstance(decision, Forward):
            return None
        rules = place.portal.rules
        if any(rules[number].steps_up for matching in place.traits.matching for number in matching):
            # What was fresh enough now is not so for ever.
            return decision
        if len(entry.forwards) >= REMEMBERED_DECISIONS:
            entry.forwards.clear()
        # The place is kept with the decision, so that its identity names no other one.
        entry.forwards[key] = (place, decision)
        return decision

    def _send(
        self, node: Node, crossing: Crossing, outgoing: Outgoing, decision: Forward, asked: _Asked
    ) -> Callable[[], None] | None:
        """The last step. What goes wrong behind it gives the exchange up; then the gateway begins anew, as may be done
        with a GET or HEAD."""
        abandon = node.upstream.begin(outgoing, crossing.answer, crossing.over)
        if abandon is None:
            return None
        try:
            crossing.took_up(abandon, decision)
            if decision.username is not None and decision.extends_idle:
                self._sessions.used(asked.entry, asked.now)
        except Exception:
            abandon()
            raise
        return crossing.gone

    def _tail(self, block: Block, entry: Entry | None, jar: Jar, fields: Fields, chain: str, serving: Serving) -> bytes:
        """The head for the application behind its target, up to the value of the request id: the same for the next
        request that says the same."""
        tail = block.tail
        if tail is None or not tail.fits(entry, jar, fields, chain):
            passage = passage_of(
                block.head, serving, chain, "", identity=fields, jar=jar, carried=block.carried_for(serving.guarded)
            )
            whole = request_head("GET", "/", block.head, passage)
            tail = block.tail = Tail(entry, jar, fields, chain, whole[len(b"GET /") : -len(b"\r\n\r\n")])
        return tail.text
