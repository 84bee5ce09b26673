"""Landing where we are the product's Crowd server: implements `flows.landing.Landing`.

A token goes upstream as the cookie of Crowd's single sign-on, and the product asks us, behind its back channel, whose
it is. The token stands in the session's jar beside the application's own cookies, so the browser never has it. Making
one costs nothing, so there is nothing to wait for.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.core.doctor.catalogue import unknown
from sidecar.core.doctor.landings import judge_asked
from sidecar.core.served import served
from sidecar.domain.events import Code
from sidecar.domain.finding import Check, Finding
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session, node_of, seat_of
from sidecar.flows.accounts import AccountError
from sidecar.flows.crowd_tokens import COOKIE, Tokens
from sidecar.flows.examined import Examined
from sidecar.flows.landing import Keep
from sidecar.flows.session_events import about
from sidecar.flows.streaming import AnswerHead, Fields
from sidecar.flows.telling import Audit, Trace

NO_FIELDS: Fields = ()


class CrowdLanding:
    """See `flows.landing.Landing`."""

    def __init__(self, tokens: Tokens, user_header: str, audit: Audit) -> None:
        self._tokens = tokens
        self._user_header = user_header.lower().encode()
        self._audit = audit

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> Fields:
        """See the port. The token goes with the cookies, so there is nothing to add."""
        seat = seat_of(node, username)
        jar = session.jars.get(seat, ())
        if self._token_in(jar, session, username):
            return NO_FIELDS
        if not session.stored:
            # Its jars are nowhere else, so that others could not know.
            await self._tokens.take_back(session, username)
        # Whoever sat here before, or elsewhere under another username, sits there no more: should that name come back,
        # all instances agree that it needs another token.
        for other, cookies in session.jars.items():
            if node_of(other) != node and other != seat_of(node_of(other), username):
                keep(other, _without(cookies))
        token = self._tokens.issue(session, username)
        keep(seat, tuple(sorted((*_without(jar), (COOKIE, token)))))
        cause = {"cause": "again" if jar else "first"}
        trace = Trace(session=session.key[:16])
        self._audit.tell(about(session, Code.LANDING_ESTABLISHED, trace, username=username, facts=cause))
        return NO_FIELDS

    def at_hand(self, session: Session, username: str, node: str, now: UnixSeconds) -> Fields | None:
        """See the port."""
        jar = session.jars.get(seat_of(node, username), ())
        return NO_FIELDS if self._token_in(jar, session, username) else None

    def check(self, session: Session, username: str, node: str, head: AnswerHead) -> Reason:
        """See the port."""
        named = head.noted(self._user_header)
        return Reason.OK if named is None else served(named, username)

    def lost(self, session: Session, username: str, node: str, sent: Jar) -> bool:
        """See the port. The product was told already; only a token that is not the one of now is worth another try."""
        return not self._token_in(sent, session, username)

    async def end(self, session: Session) -> None:
        """See the port. Every question about a token asks the session, at whichever instance: nothing is left to do."""

    def keys(self) -> dict[str, object]:
        """No assertion is sent."""
        return {"keys": []}

    async def findings(self, examined: Examined) -> Sequence[Finding]:
        """See the port: a token that nobody was given is shown to the product, which must ask us about it."""
        if not examined.heard:
            why = "what the product asks is heard by the running gate only"
            return [unknown(Check.LANDING, why, "Look at lychgate_doctor_findings of the running gate.")]
        decoy = self._tokens.decoy()
        try:
            _ = await examined.asks.served(((b"Cookie", f"{COOKIE}={decoy.token}".encode()),))
        except AccountError as error:
            if error.reason is Reason.CONNECTOR_UNREACHABLE:
                raise
            # Whatever it made of the token: that it did not ask us is seen here.
        return judge_asked(await self._tokens.was_asked(decoy))

    def _token_in(self, jar: Jar, session: Session, username: str) -> bool:
        return any(name == COOKIE and self._tokens.fits(value, session, username) for name, value in jar)


def _without(jar: Jar) -> Jar:
    return tuple(entry for entry in jar if entry[0] != COOKIE)
