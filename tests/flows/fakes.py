"""Plain stand-ins for the outside of sessions and sign-ins: clock, chance, store, provider, landing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import urlencode

from sidecar.core.revocations import names_of
from sidecar.domain.ban import Ban, Mark
from sidecar.domain.catalogue import undeclared
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Claim, Identity, Person, UnixSeconds
from sidecar.domain.policy import (
    AccountPolicy,
    ApiPolicy,
    Application,
    Condition,
    GroupPolicy,
    Mode,
    Policy,
    Portal,
    ProviderPolicy,
    SessionLimits,
    UsernameMapping,
)
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import Name
from sidecar.domain.session import Session
from sidecar.flows.accounts import AccountError
from sidecar.flows.landing import Keep, LandingError
from sidecar.flows.login import AuthorizationRequest, CodeGrant, LoginError, Tokens
from sidecar.flows.sessions import Opening, StateError
from sidecar.flows.telling import Trace
from sidecar.products.jira import JIRA

KEY = b"k" * 32
TRACE = Trace(request="r-1", source="192.0.2.7")
NOON = 1_800_000_000


class FakeClock:
    """Moves when told."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> UnixSeconds:
        return UnixSeconds(self.time)

    def monotonic(self) -> float:
        return float(self.time)


class CountingChance:
    """Never the same twice, as long as real chance."""

    def __init__(self) -> None:
        self.given = 0

    def token(self, size: int = 32) -> str:
        self.given += 1
        return f"{self.given:0{-(-size * 4 // 3)}d}"


class ListAudit:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        assert not undeclared(event.code, event.facts), (event.code, event.facts)
        self.events.append(event)

    async def sure(self, event: Event) -> None:
        """Nothing here holds work up, so no intention is written."""
        assert not undeclared(event.code, event.facts), (event.code, event.facts)
        if event.code is not Code.CHANGE_INTENDED:
            self.tell(event)

    def of(self, code: Code) -> list[Event]:
        return [event for event in self.events if event.code is code]

    def causes(self) -> list[object]:
        return [event.facts["cause"] for event in self.of(Code.SESSION_ENDED)]


class Outside:
    """Something that answers over a wire: every call takes a few turns of the loop, is written into a diary that
    several may share, can be held back, and fails while `down` or while its verb is `broken`."""

    def __init__(self, diary: list[str] | None = None) -> None:
        self.diary = diary if diary is not None else []
        self.down = False
        self.broken: set[str] = set()
        self.held: dict[str, asyncio.Event] = {}

    def hold(self, verb: str) -> asyncio.Event:
        """Calls of *verb* wait until the event is set."""
        return self.held.setdefault(verb, asyncio.Event())

    async def _answer(self, verb: str, line: str = "") -> None:
        self.diary.append(f"{verb} {line}".strip())
        if self.down or verb in self.broken:
            raise StateError("down")
        for _ in range(3):
            await asyncio.sleep(0)
        if verb in self.held:
            await self.held[verb].wait()


class MemorySessionStore(Outside):
    """`flows.sessions.SessionStore` in memory. A read sees what was there when it was asked."""

    def __init__(self, diary: list[str] | None = None) -> None:
        super().__init__(diary)
        self.kept: dict[str, tuple[Session, UnixSeconds]] = {}

    async def add(self, session: Session) -> None:
        await self._answer("add")
        assert session.key not in self.kept
        self.kept[session.key] = session, session.created_at

    async def get(self, key: str) -> tuple[Session, UnixSeconds] | None:
        found = self.kept.get(key)
        await self._answer("get")
        return found

    async def replace(self, session: Session) -> bool:
        await self._answer("replace")
        known = self.kept.get(session.key)
        if known is None or known[0].version != session.version - 1:
            return False
        self.kept[session.key] = session, known[1]
        return True

    async def touch(self, key: str, seen: UnixSeconds) -> None:
        await self._answer("touch", str(seen - NOON))
        if key in self.kept:
            session, before = self.kept[key]
            self.kept[key] = session, max(seen, before)

    async def end(self, key: str) -> Session | None:
        await self._answer("end")
        known = self.kept.pop(key, None)
        return known[0] if known is not None else None

    async def of_person(self, application: str, person: Person) -> tuple[str, ...]:
        await self._answer("of_person")
        theirs = [s for s, _ in self.kept.values() if (s.application, s.identity.person) == (application, person)]
        return tuple(session.key for session in sorted(theirs, key=lambda session: session.created_at))

    async def named(self, name: Name) -> tuple[str, ...]:
        await self._answer("named")
        return tuple(key for key, (session, _) in self.kept.items() if name in names_of(session.identity))

    async def count(self) -> int:
        await self._answer("count")
        return len(self.kept)

    async def unused(self, many: int) -> tuple[str, ...]:
        await self._answer("unused")
        return tuple(sorted(self.kept, key=lambda key: self.kept[key][1]))[:many]

    async def page(self, after: str, limit: int) -> tuple[tuple[Session, UnixSeconds] | str, ...]:
        await self._answer("page")
        return tuple(self.kept[key] for key in sorted(self.kept) if key > after)[:limit]

    async def sweep(self, now: UnixSeconds, idle: int) -> tuple[Session, ...]:
        await self._answer("sweep")
        dead = [key for key, (session, seen) in self.kept.items() if not session.is_live(now, seen, idle)]
        return tuple(self.kept.pop(key)[0] for key in dead)

    @property
    def sessions(self) -> list[Session]:
        return [session.light() for session, _ in self.kept.values()]


class MemorySpent(Outside):
    """`flows.login.SpentStates`; marks first and answers later, as a database does."""

    def __init__(self, diary: list[str] | None = None) -> None:
        super().__init__(diary)
        self.until: dict[str, UnixSeconds] = {}

    async def spend(self, state: str, until: UnixSeconds) -> bool:
        fresh = state not in self.until
        if not self.down:
            self.until.setdefault(state, until)
        await self._answer("spend")
        return fresh


class MemoryMarkers(Outside):
    """`flows.logout.Markers`; what a question hears was true when it was asked."""

    def __init__(self, diary: list[str] | None = None) -> None:
        super().__init__(diary)
        self.kept: dict[str, tuple[UnixSeconds, UnixSeconds]] = {}

    async def mark(self, subject: str, at: UnixSeconds, until: UnixSeconds) -> None:
        old = self.kept.get(subject, (at, until))
        if not self.down:
            self.kept[subject] = max(old[0], at), max(old[1], until)
        await self._answer("mark")

    async def marked_at(self, subject: str, now: UnixSeconds) -> UnixSeconds | None:
        at, until = self.kept.get(subject, (None, 0))
        await self._answer("marked_at")
        return at if until > now else None


class MemoryBans:
    """`flows.bans.BanStore` in memory; several gates may have it."""

    def __init__(self) -> None:
        self.kept: dict[Mark, Ban] = {}

    async def all(self) -> tuple[Ban, ...]:
        await asyncio.sleep(0)
        return tuple(self.kept.values())

    async def add(self, ban: Ban) -> bool:
        await asyncio.sleep(0)
        return self.kept.setdefault(ban.mark, ban) is ban

    async def lift(self, mark: Mark) -> bool:
        await asyncio.sleep(0)
        return self.kept.pop(mark, None) is not None


class FakeProvider(Outside):
    """`flows.login.Provider`: a small honest one. A code is good once, for its own verifier, nonce and address."""

    def __init__(self, name: str, issuer: str, diary: list[str] | None = None) -> None:
        super().__init__(diary)
        self.name = name
        self.issuer = issuer
        self.asked: dict[str, AuthorizationRequest] = {}
        self.codes: dict[str, tuple[AuthorizationRequest, Mapping[str, Claim]]] = {}
        self.failing: LoginError | None = None
        self.signs_out = True
        self.auth_time = NOON

    async def authorization_url(self, request: AuthorizationRequest) -> str:
        await self._call("authorize")
        self.asked[request.state] = request
        return f"{self.issuer}/authorize?{urlencode({'state': request.state})}"

    def approves(self, state: str, who: str = "alice", **claims: Claim) -> str:
        """The person signs in: the query with which the browser goes back."""
        code = f"code-{len(self.codes)}"
        told = {"iss": self.issuer, "sub": who, "preferred_username": who, "auth_time": self.auth_time, **claims}
        self.codes[code] = self.asked[state], told
        return urlencode({"code": code, "state": state, "iss": self.issuer})

    def refuses(self, state: str, error: str = "login_required") -> str:
        return urlencode({"error": error, "state": state, "iss": self.issuer})

    async def check_response_issuer(self, issuer: str | None) -> None:
        self.diary.append("check_iss")
        if issuer != self.issuer:
            raise LoginError(Reason.ISSUER_MISMATCH, "another issuer")

    async def redeem(self, grant: CodeGrant) -> Tokens:
        await self._call("redeem")
        request, claims = self.codes.pop(grant.code, (None, {}))
        wanted = (grant.verifier, grant.nonce, grant.redirect_uri, grant.max_age)
        if request is None or wanted != (request.verifier, request.nonce, request.redirect_uri, request.max_age):
            raise LoginError(Reason.CODE_REFUSED, "invalid_grant")
        if grant.silent is not (request.prompt == "none"):
            raise AssertionError("what was asked silently is redeemed as such, and nothing else")
        return Tokens(claims=claims, id_token="an.id.token", refresh_token="a refresh token")

    async def refresh(self, refresh_token: str, person: Person, now: UnixSeconds) -> Tokens:
        raise LoginError(Reason.CODE_REFUSED, "this one refreshes nothing")

    async def end_session_url(self, id_token: str | None, back_to: str, state: str) -> str | None:
        await self._call("end_session")
        query = urlencode({"id_token_hint": id_token or "", "post_logout_redirect_uri": back_to, "state": state})
        return f"{self.issuer}/logout?{query}" if self.signs_out else None

    async def _call(self, verb: str) -> None:
        await self._answer(verb)
        if self.failing is not None:
            raise self.failing


class FakeProduct(Outside):
    """`flows.product_sessions.EndsSessions`."""

    async def end_sessions(self, username: str) -> None:
        self.diary.append(f"end_sessions {username}")
        if self.down:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "down")


class FakeLanding:
    """`flows.landing.Landing`, as far as a sign-out needs it."""

    def __init__(self, diary: list[str]) -> None:
        self.diary = diary
        self.ended: list[str] = []
        self.failing = False

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> tuple[()]:
        return ()

    def check(self, session: Session, username: str, node: str, head: object) -> Reason:
        return Reason.OK

    async def end(self, session: Session) -> None:
        self.diary.append("landing ends")
        if self.failing:
            raise LandingError("the application is down")
        self.ended.append(session.key)

    def keys(self) -> dict[str, object]:
        return {}


def make_portal(name: str, *providers: str, application: str = "jira", prefixes: tuple[str, ...] = ()) -> Portal:
    return Portal(
        name=name,
        application=application,
        default=not prefixes,
        prefixes=prefixes,
        providers=providers,
        accepts=frozenset(),
        mode=Mode.ENFORCE,
        require=Condition(),
        rules=(),
        username=UsernameMapping(),
        groups=GroupPolicy(),
    )


def make_application(name: str, context: str, *portals: Portal) -> Application:
    return Application(
        name=name,
        product=JIRA,
        origin=f"https://{name}.example.com",
        host=f"{name}.example.com",
        context=context,
        portals=portals,
        cookie=f"__Host-lychgate-{name}",
        accounts=AccountPolicy(),
        api=ApiPolicy(),
    )


def make_policy(**limits: int) -> Policy:
    """Jira with three portals (agents and partners at the staff's provider, support at the customers'), and a wiki."""
    jira = make_application(
        "jira",
        "/jira",
        make_portal("agents", "staff"),
        make_portal("partners", "staff", prefixes=("/partners",)),
        make_portal("support", "customers", prefixes=("/servicedesk/customer",)),
    )
    wiki = make_application("wiki", "", make_portal("writers", "staff", application="wiki"))
    providers = {
        name: ProviderPolicy(name=name, label=name, issuer=f"https://{name}.example", authoritative=name == "staff")
        for name in ("staff", "customers")
    }
    return Policy(
        hash="h1",
        applications={"jira": jira, "wiki": wiki},
        sites={},
        providers=providers,
        strip=frozenset(),
        limits=SessionLimits(**limits),
    )


def an_identity(who: str = "alice", provider: str = "staff", **changes: Claim) -> Identity:
    claims: dict[str, Claim] = {"preferred_username": who, **changes}
    return Identity(person=Person(f"https://{provider}.example", who), provider=provider, claims=claims, groups=())


def an_opening(who: str = "alice", portal: str = "agents", application: str = "jira") -> Opening:
    return Opening(
        application=application,
        portal=portal,
        identity=an_identity(who),
        began=UnixSeconds(NOON),
        refresh_token=None,
        id_token="an.id.token",
    )


def changed(policy: Policy, **changes: object) -> Policy:
    """The policy after a reload."""
    return replace(policy, hash=policy.hash + "+", **changes)  # type: ignore[arg-type]
