"""The emergency listener of one application: to its own log-in and its own passwords, and never as anybody of ours.

A gateway that decides nothing by sessions: while `flows.break_glass` has a window, what comes from this machine goes to
the application as from a stranger, without any header that names somebody and without a credential; while it has none,
everything is refused. Browsers hold a key to the cookies that the window keeps, and no cookie of the application.
"""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address

from aiohttp import web

from sidecar.core.answers import SET_COOKIE, AnswerLine, specials
from sidecar.core.cookies import find_cookie, jar_after, set_cookie_name
from sidecar.domain.decision import Deny, Place
from sidecar.domain.paths import path_set
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.flows.break_glass import BreakGlass, Guest, Window
from sidecar.flows.streaming import AnswerHead
from sidecar.web.answer import ClientSink, Passing
from sidecar.web.failures import denied
from sidecar.web.gateway import Gateway
from sidecar.web.inbound import goes_on
from sidecar.web.passages import passage_of
from sidecar.web.sink import TransportSink
from sidecar.web.visit import Serving, Visit

DRILL = "Lychgate-Drill"
"""Carries the word of a drill; no such field of anybody reaches an application."""

RULE = "break-glass"
_DRILL = DRILL.lower().encode()
_PROXIED = ("x-forwarded", "forwarded", "x-real-ip", "x-envoy-", "via")
"""Beginnings of what a proxy of this machine writes, with perhaps anybody behind it: a mesh's may lead from the network
to loopback. `kubectl port-forward` and `ssh` write none."""
_OWN_PAGES = frozenset({"same-origin", "none"})
"""`Sec-Fetch-Site` of our own pages, and of what somebody types. Another port of this machine is the same site: its
pages would send our cookie along."""
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST = re.compile(r"(localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
"""Names of this machine: a name of somebody else's that leads here is a page's that wants to speak in our place."""

_LASTING = path_set(
    "/rest/auth/*/session/**", "/rest/oauth2/**", "/plugins/servlet/oauth/**", "/plugins/servlet/oauth2/**"
)
"""Answers with the application's session by name and value (Jira), and with tokens of OAuth."""


def cookie_of(application: str) -> str:
    """The name of the key to a window's cookies."""
    return f"lychgate-break-glass-{application}"


class EmergencyGateway(Gateway):
    """The one handler of that listener."""

    glass: BreakGlass
    serving: Serving

    async def _serve_once(self, visit: Visit) -> web.StreamResponse:
        request, record = visit.request, visit.record
        application = visit.policy.applications[self.glass.application]
        visit.application, record.application, record.rule = application, application.name, RULE
        origin = _origin_of(request)
        if origin is None:
            return denied(self._replies, visit, Deny(status=403, reason=Reason.BREAK_GLASS_FOREIGN, rule=RULE))
        window = self.glass.admits(request.headers.get(DRILL))
        if window is None:
            return denied(self._replies, visit, Deny(status=403, reason=Reason.BREAK_GLASS_CLOSED, rule=RULE))
        # Judged as the same page at the application's own address.
        facts = replace(visit.facts, host=application.host, authorization=None, upgrade=None, websocket=False)
        found = visit.reading.locator.locate(facts)
        if isinstance(found, Deny):
            return denied(self._replies, visit, found)
        if not isinstance(found, Place) or found.application.name != application.name or _is_closed(found):
            return denied(self._replies, visit, Deny(status=403, reason=Reason.CLOSED_PATH, rule=RULE))
        visit.place = found
        return await self._passed(visit, found, window, origin)

    async def _passed(self, visit: Visit, place: Place, window: Window, origin: str) -> web.StreamResponse:
        request, record, application = visit.request, visit.record, place.application
        record.outcome = "break_glass"
        name = cookie_of(application.name)
        guest = window.guest(find_cookie(b"; ".join(visit.head.cookies), name.encode()))
        node = self.serving.only or self.serving.nodes.of(guest.seat)
        answer = EmergencyAnswer(
            TransportSink(request),
            record,
            application,
            window,
            guest,
            node.name,
            origin,
            self.glass,
            keep_alive=goes_on(request),
            modern=request.version >= (1, 1),
            request=request,
        )
        visit.head.kept = _at_home(visit, origin, application)
        source = request.remote or ""
        jar = guest.jars.get(node.name, ())
        passage = passage_of(visit.head, self.serving, source, record.request, jar=jar, cookies=False)
        if request.method not in _SAFE:
            self.glass.changed(window, guest, request.method, visit.facts.target.partition("?")[0][:200], record)
        done = window.serve(answer.sink.abort)
        try:
            return await self._forwarding.exchange(visit, self.serving, node, answer, passage)
        finally:
            done()


class EmergencyAnswer(Passing):
    """Keeps every cookie of the application in the window, and leads its addresses back to this listener."""

    def __init__(
        self,
        sink: ClientSink,
        record: RequestRecord,
        application: Application,
        window: Window,
        guest: Guest,
        node: str,
        origin: str,
        glass: BreakGlass,
        *,
        keep_alive: bool,
        modern: bool,
        request: web.BaseRequest,
    ) -> None:
        """*guest*: the browser. *origin*: the listener's, as the browser sees it."""
        product = application.product
        guarded = frozenset(name.encode() for name in product.session_cookies | product.remember_cookies)
        super().__init__(sink, record, guarded, cookies=False, keep_alive=keep_alive, modern=modern, request=request)
        self._application = application
        self._window = window
        self._guest, self._key = guest, guest.key
        self._changes = request.method not in _SAFE
        self._node = node
        self._origin = origin.encode()
        self._glass = glass
        self._kept = False
        # It would sign the person in again after the window, without a password.
        self._never = frozenset(name.encode() for name in product.remember_cookies)

    def judge(self, head: AnswerHead) -> Reason:
        """Nothing is delivered once the window is over."""
        if self._window.over or self._window.has_passed():
            return Reason.BREAK_GLASS_CLOSED
        jar = old = self._guest.jars.get(self._node, ())
        for line in head.special:
            if line.part == SET_COOKIE and set_cookie_name(line.value) not in self._never:
                jar = jar_after(jar, line.value)
        if jar != old:
            if self._changes and not any(self._guest.names):
                # A log-in, perhaps. Somebody else may have put the key of before into this browser.
                self._guest = self._window.another(self._guest)
                self._key = self._guest.key
            self._window.keep(self._guest, self._node, jar)
            self._kept = True
        named = head.noted(self._application.product.user_header.lower().encode()) or b""
        name = "" if named == b"anonymous" else named.decode("utf-8", "replace")[:200]
        # Whoever brings the key of before is not told the one of now.
        self._kept = self._kept and self._key == self._guest.key
        if name and name not in self._guest.names:
            self._key, self._kept = self._window.renew(self._guest), True
        if self._kept or name:
            self._glass.seen(self._window, self._guest, name, self._record)
        return Reason.OK

    def _client_head(self, head: AnswerHead) -> bytes:
        public = self._application.origin.encode()
        lines = tuple(_led(line, public, self._origin) for line in head.lines)
        return super()._client_head(replace(head, lines=lines, special=specials(lines)))

    def _ours(self) -> tuple[bytes, ...]:
        if not self._kept:
            return super()._ours()
        # Without `Secure`: the way to this machine's own address needs none, and browsers differ in what they take.
        text = f"{cookie_of(self._application.name)}={self._key}; Path=/; HttpOnly; SameSite=Strict"
        return (*super()._ours(), b"Set-Cookie: " + text.encode())


def _origin_of(request: web.BaseRequest) -> str | None:
    """The listener's address as the browser has it; None: whoever asks is no page of it, or not of this machine."""
    peer, host = request.remote or "", request.headers.get("Host", "")
    try:
        here = ip_address(peer.partition("%")[0]).is_loopback
    except ValueError:
        here = False
    if not here or _HOST.fullmatch(host) is None:
        return None
    if any(name.lower().replace("_", "-").startswith(_PROXIED) for name in request.headers):
        return None
    if request.headers.get("Sec-Fetch-Site", "none").strip().lower() not in _OWN_PAGES:
        return None
    origin = f"http://{host.lower()}"
    foreign = request.headers.get("Origin", origin).lower() != origin
    return None if foreign and request.method not in _SAFE else origin


def _is_closed(place: Place) -> bool:
    """Set-up and the like, as everywhere; what hands out tokens, or a session in the body of an answer, which would
    outlive the window; the product's own sign-on, which would bring an identity."""
    product = place.application.product
    sets = (product.path_sets["setup"], product.path_sets["tokens"], _LASTING)
    own = (product.sso_start.partition("?")[0], product.sso_callback)
    readings = (place.below, *place.readings)
    return place.traits.closed or any(
        any(one.holds_folded(path) for one in sets) or path.lower().startswith(own) for path in readings
    )


def _at_home(visit: Visit, origin: str, application: Application) -> list[bytes]:
    """The lines that go up. The product compares where a request comes from with its own address."""
    ours, kept = origin.encode(), list[bytes]()
    for line in visit.head.kept:
        name, _, value = line.partition(b": ")
        if name.lower() == _DRILL:
            continue
        if name.lower() not in (b"origin", b"referer"):
            kept.append(line)
        elif value.lower().startswith(ours) and value[len(ours) : len(ours) + 1] in (b"", b"/", b"?"):
            kept.append(name + b": " + application.origin.encode() + value[len(ours) :])
        elif visit.moved and value.startswith(application.origin.encode()):
            # It was put right before the node was lost to which the request was to go.
            kept.append(line)
    return kept


def _led(line: AnswerLine, public: bytes, here: bytes) -> AnswerLine:
    """An address at the application's public origin, at this listener instead."""
    if line.name not in (b"location", b"content-location") or not line.value.lower().startswith(public):
        return line
    rest = line.value[len(public) :]
    # Not `https://jira.example.com.evil`.
    return AnswerLine(line.name + b": " + here + rest) if rest[:1] in (b"", b"/", b"?", b"#") else line
