"""One request on its way through the gate, and the parts that serve one application."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web

from sidecar.core.headers import Head
from sidecar.domain.decision import Place, RequestFacts
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Application, Policy
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord
from sidecar.domain.standing import Standing
from sidecar.flows.callers import Caller
from sidecar.flows.landing import Landing
from sidecar.flows.nodes import Node, Nodes
from sidecar.flows.observing import Observer
from sidecar.flows.sessions import Entry
from sidecar.flows.spans import Ready
from sidecar.flows.streaming import Patience, Patiences
from sidecar.flows.telling import Trace, trace_of
from sidecar.flows.walking import BrowserLanding
from sidecar.web.reading import Reading


@dataclass(slots=True)
class Visit:
    """What is known so far of a request; filled from left to right, thrown away at the end.

    Attributes:
        reading: Of the policy under which it is served; of a newer one where it is begun anew.
        now: When it came in, by the clock on the wall.
        forwarded_for: The chain for `X-Forwarded-For`.
        standing: That of the session, as the decision found it.
        first: The part of a form that was read ahead.
        form_seen: Whether it was.
        moved: Whether it was sent to another node already, since the first one was lost.
        caller: For whom a verified access token speaks.
        detail: Why it is refused, where the reason alone does not say it; for the audit trail, never for the client.
    """

    request: web.BaseRequest
    record: RequestRecord
    head: Head
    facts: RequestFacts
    reading: Reading
    now: UnixSeconds
    forwarded_for: str
    application: Application | None = None
    place: Place | None = None
    entry: Entry | None = None
    standing: Standing | None = None
    first: bytes = b""
    form_seen: bool = False
    moved: bool = False
    caller: Caller | None = None
    detail: str = ""

    @property
    def policy(self) -> Policy:
        """The policy under which it is served."""
        return self.reading.policy

    @property
    def repeatable(self) -> bool:
        """Whether it may be sent to the application once more: it changes nothing and has no body."""
        return self.facts.method in {"GET", "HEAD"} and not self.request.body_exists

    @property
    def trace(self) -> Trace:
        """For the events of flows."""
        return trace_of(self.record, self.entry.session if self.entry is not None else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """The moving parts of one application, and what is the same for all its requests.

    Attributes:
        nodes: Where it is reached.
        only: Its node, if it has one address; else None.
        guarded: Case-folded names of the product's session and remember-me cookies.
        kept: Those of them that are sessions: we keep them for the person.
        host: What the application sees as `Host`.
        forwarded: The lines `X-Forwarded-Proto`, `-Host` and `-Port`.
        patiences: Paths for which the application is waited for otherwise, if any.
        pending: Whether the application has not been told of an account yet, where it takes its users from us.
        asks_at: Where the product sends browsers to sign in with us as its provider, b"" if it does not.
        walked: The landing, where browsers walk the product's sign-on.
    """

    nodes: Nodes
    landing: Landing
    accounts: Ready
    only: Node | None = None
    observer: Observer | None = None
    guarded: frozenset[bytes] = field(default_factory=frozenset)
    kept: frozenset[bytes] = field(default_factory=frozenset)
    host: bytes = b""
    forwarded: tuple[bytes, ...] = ()
    patiences: Patiences | None = None
    pending: Callable[[str], bool] | None = None
    asks_at: bytes = b""
    walked: BrowserLanding | None = None

    def failed_for(self, username: str) -> Reason:
        """What a landing that came to nothing means: its directory may be synchronised late."""
        late = self.pending is not None and self.pending(username)
        return Reason.DIRECTORY_SYNC_PENDING if late else Reason.LANDING_FAILED

    def patience_at(self, place: Place | None) -> Patience | None:
        """How long the application is waited for there; None: as everywhere."""
        return None if self.patiences is None or place is None else self.patiences.of(place.below)
