"""A Jira with two doors, and people before them: what the tests of decisions and standings are played with.

`Jira(...)` makes a policy from the few things a test cares about; `Jira.ask` sends a request through routing and the
decision. `agents` is the default portal, `support` the customers' one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict, Unpack

from sidecar.core.ages import ClaimsAge
from sidecar.core.decide import Visitor, decide
from sidecar.core.routing import locate
from sidecar.core.standing import standing_of
from sidecar.domain.decision import Decision, Deny, Forward, Kind, PassThrough, Place, RequestFacts, SignOut, StartLogin
from sidecar.domain.identity import Claim, Groups, Identity, Person, UnixSeconds
from sidecar.domain.paths import NO_PATHS, path_set
from sidecar.domain.policy import (
    AccountPolicy,
    Answer,
    ApiPolicy,
    Application,
    Condition,
    GroupPolicy,
    Mode,
    Policy,
    Portal,
    ProviderPolicy,
    Rule,
    UsernameMapping,
)
from sidecar.domain.session import Session
from sidecar.products.jira import JIRA

NOW = UnixSeconds(1_800_000_000)
HOST = "jira.example.com"
ORIGIN = f"https://{HOST}"
OKTA = "https://example.okta.com"
AUTH0 = "https://example.eu.auth0.com/"
PROVIDERS = {
    "okta": ProviderPolicy(name="okta", label="Okta", issuer=OKTA, authoritative=True),
    "auth0": ProviderPolicy(name="auth0", label="Customers", issuer=AUTH0),
}
ANYBODY = Condition()
STAFF = Condition(any_group=frozenset({"staff"}))
ADMINS = Condition(any_group=frozenset({"admins"}))


def rule(
    name: str,
    answer: Answer,
    *patterns: str,
    methods: frozenset[str] | None = None,
    condition: Condition = ANYBODY,
    fresh: int | None = None,
    acr: tuple[str, ...] = (),
) -> Rule:
    """A rule in one line."""
    return Rule(
        id=name,
        paths=path_set(*patterns),
        answer=answer,
        methods=methods,
        condition=condition,
        fresh=fresh,
        acr=acr,
    )


def session(
    home: str = "agents",
    groups: Groups = ("staff",),
    *,
    username: Claim = "ada",
    claims: Mapping[str, Claim] | None = None,
    provider: str | None = None,
    auth_time: int | None = None,
    acr: str | None = None,
) -> Session:
    """Somebody's session; *auth_time* is counted from now, as everything that only has to be recent."""
    known = provider or ("okta" if home == "agents" else "auth0")
    named: dict[str, Claim] = {} if username is None else {"preferred_username": username}
    return Session(
        key="k" * 64,
        application="jira",
        portal=home,
        identity=Identity(
            person=Person(issuer=PROVIDERS[known].issuer, subject="1"),
            provider=known,
            claims={**named, **(claims or {})},
            groups=groups,
            auth_time=None if auth_time is None else UnixSeconds(NOW + auth_time),
            acr=acr,
        ),
        created_at=UnixSeconds(NOW - 100),
        ends_at=UnixSeconds(NOW + 1000),
        checked_at=UnixSeconds(NOW - 100),
        form_token="f",
    )


class How(TypedDict, total=False):
    """How a session stands in time; see `Visitor`."""

    renew: bool
    claims: ClaimsAge
    unconfirmed: bool


@dataclass(frozen=True, kw_only=True)
class Jira:
    """The few things in which the Jiras of these tests differ."""

    rules: tuple[Rule, ...] = ()
    support_rules: tuple[Rule, ...] = ()
    require: Condition = field(default_factory=Condition)
    support_require: Condition = field(default_factory=Condition)
    accepts: frozenset[str] = frozenset({"agents"})
    mode: Mode = Mode.ENFORCE
    context: str = ""
    passes: frozenset[str] = frozenset({"pat", "oauth1", "oauth2"})
    machine: tuple[str, ...] = ()
    providers: Mapping[str, ProviderPolicy] = field(default_factory=lambda: PROVIDERS)
    support_providers: tuple[str, ...] = ("auth0", "okta")

    @property
    def policy(self) -> Policy:
        """All of it, compiled."""
        sets = JIRA.path_sets
        application = Application(
            name="jira",
            product=JIRA,
            origin=ORIGIN,
            host=HOST,
            context=self.context,
            portals=(
                self._portal("agents", (), ("okta",), self.rules, self.require, frozenset()),
                self._portal(
                    "support",
                    JIRA.presets["jsm"],
                    self.support_providers,
                    self.support_rules,
                    self.support_require,
                    self.accepts,
                ),
            ),
            cookie="__Host-lychgate-jira",
            accounts=AccountPolicy(),
            api=ApiPolicy(
                passes=self.passes,
                paths=path_set(
                    *sets["machine"].patterns, *(p for name in self.machine for p in JIRA.machine_profiles[name])
                ),
                public=JIRA.machine_public if "applinks" in self.machine else NO_PATHS,
            ),
            static=sets["static"],
            customer=sets["customer"],
            closed=sets["closed"],
        )
        return Policy(
            hash="policy-1",
            applications={"jira": application},
            sites={HOST: (application,)},
            providers=self.providers,
            strip=frozenset(),
        )

    def _portal(
        self,
        name: str,
        prefixes: tuple[str, ...],
        providers: tuple[str, ...],
        rules: tuple[Rule, ...],
        require: Condition,
        accepts: frozenset[str],
    ) -> Portal:
        return Portal(
            name=name,
            application="jira",
            default=not prefixes,
            prefixes=prefixes,
            providers=providers,
            accepts=accepts,
            mode=self.mode,
            require=require,
            rules=rules,
            username=UsernameMapping(prefix="cust-" if prefixes else ""),
            groups=GroupPolicy(),
            start="/servicedesk/customer/portals" if prefixes else "",
        )

    def ask(
        self, request: RequestFacts, who: Session | None = None, *, trying: bool = False, **how: Unpack[How]
    ) -> Decision:
        """What becomes of the request of *who*."""
        policy = self.policy
        place = locate(request, policy)
        if not isinstance(place, Place):
            return place
        return decide(request, place, visitor_of(who, policy, **how), policy, NOW, trying=trying)


def visitor_of(who: Session | None, policy: Policy, **how: Unpack[How]) -> Visitor | None:
    """As the gateway makes it: a session without a standing is none."""
    standing = standing_of(who, policy) if who is not None else None
    return Visitor(who, standing, **how) if who is not None and standing is not None else None


def get(target: str, kind: Kind = Kind.NAVIGATION, authorization: str | None = None) -> RequestFacts:
    """A GET of a page."""
    return RequestFacts(method="GET", host=HOST, target=target, kind=kind, authorization=authorization)


def call(target: str, method: str = "GET", authorization: str | None = None) -> RequestFacts:
    """A call of a script."""
    return RequestFacts(method=method, host=HOST, target=target, kind=Kind.API, authorization=authorization)


def handshake(
    target: str,
    *,
    origin: str | None = ORIGIN,
    upgrade: str = "websocket",
    sound: bool = True,
    authorization: str | None = None,
) -> RequestFacts:
    """A request to open a WebSocket."""
    return RequestFacts(
        method="GET",
        host=HOST,
        target=target,
        kind=Kind.UPGRADE,
        authorization=authorization,
        origin=origin,
        upgrade=upgrade,
        websocket=sound,
    )


def told(decision: Decision) -> str:
    """A decision in a word or two, for tables."""
    match decision:
        case Forward(username=None):
            return "anonymous"
        case Forward(username=name):
            return f"as {name}"
        case PassThrough(transparent=True):
            return "transparent"
        case PassThrough(credential=credential):
            return f"passes {credential}"
        case StartLogin(silent=True, portal=portal, provider=provider):
            return f"renews at {portal.name} with {provider}"
        case StartLogin(portal=portal, provider=""):
            return f"signs in at {portal.name} with a provider of choice"
        case StartLogin(max_age=None, acr=(), portal=portal, provider=provider):
            return f"signs in at {portal.name} with {provider}"
        case StartLogin(max_age=age, acr=acr, portal=portal, provider=provider):
            wanted = " ".join(map(str, (*(() if age is None else (age,)), *acr)))
            return f"steps up to {wanted} at {portal.name} with {provider}"
        case SignOut():
            return "signs out"
        case Deny(status=status, reason=reason):
            return f"{status} {reason}"
        case _:
            return type(decision).__name__
