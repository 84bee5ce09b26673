"""What becomes of a request: the value that says all the shell must do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sidecar.domain.account import AccountOrder
from sidecar.domain.policy import Application, Portal
from sidecar.domain.reason import Reason


class Kind(StrEnum):
    """What sort of client sent the request; decides between a redirect, a page and JSON."""

    NAVIGATION = "navigation"
    FRAME = "frame"
    PREVIEW = "preview"
    UPGRADE = "upgrade"
    API = "api"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """All that a decision may know of a request. The body is not among it.

    Attributes:
        method: As sent.
        host: Value of the one `Host` field.
        target: Request target as sent.
        kind: See `Kind`.
        authorization: Value of the `Authorization` field, or None. Never logged.
        origin: Value of the `Origin` field, or None.
        upgrade: Value of the `Upgrade` field if `Connection` names it, or None.
        websocket: Whether all conditions of RFC 6455 section 4.2.1 hold.
        has_body: Whether a body is announced.
    """

    method: str
    host: str
    target: str
    kind: Kind
    authorization: str | None = None
    origin: str | None = None
    upgrade: str | None = None
    websocket: bool = False
    has_body: bool = False

    @property
    def query(self) -> str:
        """The raw query without "?", neither judged nor rewritten."""
        return self.target.partition("?")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What product knowledge and rules say of a path; where it has several readings, the strictest counts.

    Attributes:
        closed: Denied whatever the rules say.
        logout, login: The product ends its session there, or shows its own log-in page.
        password: The product takes or hands out passwords there.
        polling: Open tabs ask it by themselves: nobody's presence is proved.
        machine: Machine credentials may pass.
        public: Open to everybody, anonymously, because a machine profile is declared.
        matching: For each reading, the numbers of the portal's rules whose paths match, in order.
    """

    closed: bool
    logout: bool
    login: bool
    password: bool
    polling: bool
    machine: bool
    public: bool
    matching: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request belongs, found once per request.

    Attributes:
        application: Whose.
        portal: The portal that owns the path (the default portal for shared paths).
        shared: The class of a shared path: "" (none), "static" or "customer" (design, section 5, R2).
        path: The canonical path below the host, product rewrites applied: what the rules see.
        below: *path* below the context path; begins with "/".
        readings: Further meanings that the application may find in the path; every one is judged, the strictest wins.
        traits: See there.
    """

    application: Application
    portal: Portal
    shared: str
    path: str
    below: str
    traits: Traits
    readings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Hand the request to the application as *username*; None = anonymous: no identity, no cookie of either side."""

    place: Place
    username: str | None
    order: AccountOrder | None
    rule: str
    extends_idle: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PassThrough:
    """Hand the request on without an identity of ours.

    Attributes:
        transparent: True for a portal in mode `off` (cookies pass); False for a machine credential (D6: only the
            `Authorization` credential passes).
        credential: `pat`, `oauth1`, `oauth2`, `basic`, or "" when transparent.
        observed: What the portal would have decided, for mode `observe`; else None.
    """

    place: Place
    transparent: bool
    credential: str
    rule: str
    observed: Decision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StartLogin:
    """Send the browser to a provider.

    Attributes:
        provider: Its name; "" where the person has to choose among the portal's.
        back_to: Where the browser goes afterwards: path and query on the application's own origin.
        silent: Renew without asking the person (`prompt=none`); failing that, an ordinary sign-in.
        max_age: Greatest age in seconds of the authentication (step-up), or None.
        acr: Ways of signing in of which one must be used (step-up); empty: any.
        login_hint: Whom the provider should expect, or None.
        prompt: `login` where the provider shall ask who it is, whatever it remembers.
    """

    place: Place
    portal: Portal
    provider: str
    back_to: str
    rule: str
    silent: bool = False
    max_age: int | None = None
    acr: tuple[str, ...] = ()
    prompt: str | None = None
    login_hint: str | None = None
    framed: bool = False
    preview: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOut:
    """The product's own log-out path was called: our sign-out takes its place."""

    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """One of our own endpoints below `<context>/.lychgate/`, by exact name."""

    application: Application
    endpoint: str
    query: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocate:
    """The same request belongs at another path of the same origin (308)."""

    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """Refuse.

    Attributes:
        status: HTTP status.
        reason: Stable word.
        place: Where it belonged, or None if that could not be told.
        rule: Identifier of the rule, or "" when none was reached.
    """

    status: int
    reason: Reason
    place: Place | None = None
    rule: str = ""


Decision = Forward | PassThrough | StartLogin | SignOut | Own | Relocate | Deny
