"""An answer for a person: judged at its head, and the application's session cookies kept (D8, D14)."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from sidecar.core.answers import SET_COOKIE, guarded_set_cookies
from sidecar.core.cookies import jar_after
from sidecar.domain.decision import Kind, Place
from sidecar.domain.events import Code
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.domain.session import Jar, seat_of
from sidecar.flows.session_events import about
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.streaming import AnswerHead
from sidecar.flows.telling import Audit, trace_of
from sidecar.web.answer import ClientSink, Passing
from sidecar.web.visit import Serving


class PersonAnswer(Passing):
    """Never delivers an answer for somebody else, nor a log-in page to somebody who is signed in."""

    def __init__(
        self,
        sink: ClientSink,
        record: RequestRecord,
        place: Place,
        entry: Entry,
        kind: Kind,
        serving: Serving,
        node: str,
        username: str,
        sent: Jar,
        sessions: Sessions,
        audit: Audit,
        *,
        keep_alive: bool,
        modern: bool = True,
        request: web.BaseRequest | None = None,
        repeatable: bool = True,
    ) -> None:
        """*sent* went up to *node* as the person's cookies. A *repeatable* request may be sent once more."""
        super().__init__(
            sink, record, serving.guarded, cookies=True, keep_alive=keep_alive, modern=modern, request=request
        )
        self._place = place
        self._entry = entry
        self._kind = kind
        self._serving = serving
        self._node = node
        self._username = username
        self._sent = sent
        self._sessions = sessions
        self._audit = audit
        self._repeatable = repeatable

    def judge(self, head: AnswerHead) -> Reason:
        """D8's alarm and D14; what may be delivered leaves its session cookies with us."""
        reason = self._serving.landing.check(self._entry.session, self._username, self._node, head)
        if reason is not Reason.OK or head.status in _REDIRECTS:
            reason = self._landed(head, reason)
        if reason is Reason.OK:
            for line in head.special:
                if line.part == SET_COOKIE:
                    self._keep(head)
                    break
        return reason

    def _landed(self, head: AnswerHead, reason: Reason) -> Reason:
        if reason is Reason.LANDING_MISMATCH:
            self._alarm(Code.LANDING_MISMATCH, reason)
            self._drop()
            return reason
        if head.status in _REDIRECTS and leads_to_log_in(head, self._place, self._serving):
            # The product knows the person and refuses the page, or it does not know the person at all.
            known = reason is Reason.OK and _names_user(head, self._place)
            reason = Reason.PRODUCT_REFUSED if known else self._serving.failed_for(self._username)
            if not known and not self._goes_again():
                self._alarm(Code.LANDING_FAILED, reason)
                self._drop()
            return reason
        if reason is Reason.LANDING_FAILED:
            if self._goes_again():
                return reason
            reason = self._serving.failed_for(self._username)
            self._alarm(Code.LANDING_FAILED, reason)
            return reason if self._kind is Kind.NAVIGATION else Reason.OK
        return reason

    def _goes_again(self) -> bool:
        """The product may have lost its session: the person is landed anew, and the request sent once more."""
        lost = self._serving.landing.lost(self._entry.session, self._username, self._node, self._sent)
        self.again = lost and self._repeatable
        return self.again

    @property
    def _jar(self) -> Jar:
        return self._entry.session.jars.get(seat_of(self._node, self._username), ())

    def _drop(self) -> None:
        """Drop the cookies that went up; others that came meanwhile have done nothing."""
        if self._jar == self._sent:
            self._sessions.keep_jar(self._entry, seat_of(self._node, self._username), ())

    def _keep(self, head: AnswerHead) -> None:
        if self._sent and seat_of(self._node, self._username) not in self._entry.session.jars:
            # Meanwhile somebody sits there under another username, and is not to be put out by a late answer.
            return
        jar = old = self._jar
        # A remember-me cookie is guarded and not kept: it would sign the person in behind our back (D8).
        for cookie in guarded_set_cookies(head.special, self._serving.kept):
            jar = jar_after(jar, cookie)
        if jar != old:
            self._sessions.keep_jar(self._entry, seat_of(self._node, self._username), jar)

    def _alarm(self, code: Code, reason: Reason) -> None:
        self._record.told = True
        session, trace = self._entry.session, trace_of(self._record, self._entry.session)
        self._audit.tell(about(session, code, trace, reason=reason, username=self._username))


_REDIRECTS = frozenset({301, 302, 303, 307})


def leads_to_log_in(head: AnswerHead, place: Place, serving: Serving) -> bool:
    """Whether a redirect sends the browser to the product's own log-in page, or to us as the product's provider."""
    if serving.asks_at and head.leads_to.partition(b"?")[0] == serving.asks_at:
        return True
    try:
        target = urlsplit(head.leads_to.decode("latin-1"))
    except ValueError:
        # No address; what the browser makes of it is not the log-in page.
        return False
    application = place.application
    if target.netloc and f"{target.scheme}://{target.netloc}".lower() != application.origin:
        return False
    below = target.path[len(application.context) :] if target.path.startswith(application.context) else target.path
    return below in application.product.login_paths


def _names_user(head: AnswerHead, place: Place) -> bool:
    return head.get(place.application.product.user_header.lower().encode()) is not None
