"""The compiled policy: one immutable snapshot, read once per request, replaced whole on reload.

Made by `config.compile` from the settings; nobody else makes one outside tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.domain.account import Adopt, Reactivation, Removal
from sidecar.domain.identity import Claim
from sidecar.domain.paths import NO_PATHS, PathSet
from sidecar.domain.product import Product
from sidecar.domain.shape import PLAIN, ClaimSources, GroupReading


class Mode(StrEnum):
    """How much of a portal is in force (D13)."""

    OFF = "off"
    OBSERVE = "observe"
    ENFORCE = "enforce"


class Answer(StrEnum):
    """What a rule says when its paths, methods and condition match."""

    PUBLIC = "public"
    LOGIN = "login"
    ALLOW = "allow"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A demand on the claims. Every part that is given must hold; an empty condition always holds.

    Attributes:
        any_group: At least one of them; None = not asked.
        all_groups: Every one of them.
        no_group: None of them.
        claims: Claim name to the values of which one must be there.
    """

    any_group: frozenset[str] | None = None
    all_groups: frozenset[str] = frozenset()
    no_group: frozenset[str] = frozenset()
    claims: Mapping[str, frozenset[Claim]] = field(default_factory=dict)

    @property
    def asks_groups(self) -> bool:
        """Whether the groups claim must be known."""
        return self.any_group is not None or bool(self.all_groups) or bool(self.no_group)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The first rule whose paths and methods match decides.

    Attributes:
        id: Stable identifier for metrics, audit and `explain`: `<portal>/<number>` or a name of the product's.
        methods: Upper case; None = all.
        fresh: Greatest age in seconds of the authentication, or None.
        acr: Ways of signing in of which one must have been used (`acr`, OIDC Core 1.0, section 2); empty: any.
    """

    id: str
    paths: PathSet
    answer: Answer
    methods: frozenset[str] | None = None
    condition: Condition = Condition()
    fresh: int | None = None
    acr: tuple[str, ...] = ()

    @property
    def steps_up(self) -> bool:
        """Whether it asks something of the act of signing in."""
        return self.fresh is not None or bool(self.acr)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsernameMapping:
    """How a username is made from claims (D4).

    Attributes:
        claims: Claim names in order; the next one is asked only if the one before is absent.
        strip_domain: Mail-like names must end in one of these domains, which is cut off; empty = names stay whole.
        prefix: Put in front of what came of the claims.
        pattern: What a name that Lychgate creates must match, whole; a regular expression.
        apostrophe: Whether names of accounts that exist may have apostrophes.
    """

    claims: tuple[str, ...] = ("preferred_username", "email")
    strip_domain: tuple[str, ...] = ()
    prefix: str = ""
    pattern: str = r"[a-z0-9._@-]{1,64}"
    apostrophe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMapping:
    """From the provider's group name to the application's.

    Attributes:
        source: A regular expression, matched whole; of an *exact* line the name itself.
        target: May hold `$1` to `$9`, but in an exact line.
        admin: Only such a line, an exact one, may name a protected group (D5).
        line: Its place in the configuration, such as `map[0]`.
    """

    source: str
    target: str
    exact: bool = False
    admin: bool = False
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPolicy:
    """Which groups of the application a person shall have.

    Attributes:
        mapping: From the provider's groups.
        table: From the provider's group, exactly, to the application's.
        as_is: Prefixes; the provider's groups that begin with one are taken over under their own names.
        always: Groups that everybody gets who comes through the portal.
        on_create: Groups that come once, with an account that Lychgate makes.
        if_empty: Groups of an account that would be in none otherwise.
        needed: Groups without which nobody is let in.
        admin: Protected groups that exact lines of the configuration allow to be joined and left.
        protected: Groups that are otherwise neither joined nor left (case-folded).
        remove: See `Removal`.
        max_removals: Cap per sign-in.
        create: Regular expressions; a missing group that one of them matches whole may be made.
        licences: Whether people of the portal may join groups that take a seat.
    """

    mapping: tuple[GroupMapping, ...] = ()
    table: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    as_is: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    on_create: tuple[str, ...] = ()
    if_empty: tuple[str, ...] = ()
    needed: frozenset[str] = frozenset()
    admin: frozenset[str] = frozenset()
    protected: frozenset[str] = frozenset()
    remove: Removal = Removal.OWNED
    max_removals: int = 10
    create: tuple[str, ...] = ()
    licences: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPolicy:
    """What may be done to the application's accounts.

    Attributes:
        sync_wait: Seconds for which an account that was changed and is not shown so is waited for.
        serve_known: Seconds since an account was last found ready for which its person is served although the
            application does not take the connector's token (`core.unseen`).
        removals_per_hour: Memberships that may be taken from all people together; more are held back (D5).
        groups_stale_after: Seconds for which somebody is served whose groups cannot be read.
        gone_by: Doors of revocations that say that somebody is gone.
        deactivate: Whether the account of somebody who is gone is made inactive.
        deactivations_per_hour: How many of them at most within an hour.
    """

    enabled: bool = False
    adopt: Adopt = Adopt.NEVER
    create: bool = False
    reactivate: Reactivation = Reactivation.OURS
    update: frozenset[str] = frozenset()
    groups: GroupPolicy = GroupPolicy()
    reserved: frozenset[str] = frozenset()
    removals_per_hour: int = 200
    groups_stale_after: int = 86_400
    gone_by: frozenset[str] = frozenset()
    deactivate: bool = False
    deactivations_per_hour: int = 50
    sync_wait: int = 300
    serve_known: int = 604_800


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtPolicy:
    """Whose access tokens are taken from programs, in place of a session.

    Attributes:
        shapes: Provider to the shape of its access tokens (`core.access_tokens.Shape`).
        audiences: One of them must be in `aud`.
        provision: Whether such a caller's account is made ready as at a sign-in; else it must be linked and active.
        addresses: Networks in CIDR notation from which such tokens are taken; empty: from everywhere.
    """

    shapes: Mapping[str, str]
    audiences: frozenset[str]
    provision: bool = False
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiPolicy:
    """Which machine credentials pass through to the product's machine paths (D6).

    Attributes:
        public: Machine paths open to everybody, anonymously: application links ask them before they have a credential.
        jwt: Whose access tokens are taken; None: nobody's.
        owners: Whether a personal access token is refused whose owner is gone.
    """

    passes: frozenset[str] = frozenset({"pat", "oauth1", "oauth2"})
    paths: PathSet = NO_PATHS
    public: PathSet = NO_PATHS
    jwt: JwtPolicy | None = None
    owners: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPolicy:
    """What decisions need to know of a provider.

    Attributes:
        issuer: Compared byte for byte; with `{tenantid}`, for the tenant of each token (`core.issuers`).
        authoritative: Whether its usernames may be believed for existing accounts (D4).
        fence: Claim name to values of which one must be there, for issuers that serve strangers.
        groups: How the groups claim is read.
        claims: Where claims are looked for instead of under their own names.
        subject_claim: `sub`, or `oid` for Entra ID.
        form_post: Whether browsers bring its answers in a form.
        origins: Where its pages may lie; browsers hold the redirects behind our forms against this list.
    """

    name: str
    label: str
    issuer: str
    authoritative: bool = False
    fence: Mapping[str, frozenset[Claim]] = field(default_factory=dict)
    groups: GroupReading = PLAIN
    claims: ClaimSources = field(default_factory=dict)
    subject_claim: str = "sub"
    userinfo: bool = False
    sign_out: bool = False
    form_post: bool = False
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """A door to an application.

    Attributes:
        prefixes: Path prefixes below the context path; empty for the default portal.
        providers: Names; with several of them people choose.
        accepts: Home portals whose sessions are let in (design, section 5, R3).
        require: Demand on everybody who comes in.
        rules: The portal's own rules, in order.
        usernames: For people of some providers, in place of `username`.
        domains: Domain of an e-mail address (in ASCII, lower case) to the provider where its people sign in.
        start: Where its visitors begin, below the context path; "" = the product's start page.
        max_body: Most bytes of a request's body; None: as many as the application takes.
        test_page: Who may use the test page, and after how recent a sign-in; None: nobody.
    """

    name: str
    application: str
    default: bool
    prefixes: tuple[str, ...]
    providers: tuple[str, ...]
    accepts: frozenset[str]
    mode: Mode
    require: Condition
    rules: tuple[Rule, ...]
    username: UsernameMapping
    groups: GroupPolicy
    usernames: Mapping[str, UsernameMapping] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)
    start: str = ""
    max_body: int | None = None
    test_page: Rule | None = None

    @property
    def asks_where(self) -> bool:
        """Whether people choose among providers."""
        return len(self.providers) > 1

    def names_of(self, provider: str) -> UsernameMapping:
        """How the usernames of a provider's people are made."""
        return self.usernames.get(provider, self.username)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One Jira or Confluence.

    Attributes:
        origin: `scheme://host[:port]` without default port, lower case: all URLs that we write begin with it.
        host: Host and port as browsers send them in `Host`, canonical.
        context: Context path, "" or "/jira".
        portals: All its portals; exactly one is the default.
        cookie: Name of our session cookie for it.
        semicolons: Where a raw `;` in the path is allowed.
        encoded_slashes: Where `%2F` in the path is allowed.
        static: Shared paths open to everybody for GET and HEAD (design, section 5, R2).
        customer: Shared paths open to every session of the application.
        closed: Denied whatever the rules say: set-up, remote procedure calls, user server, sign-in configuration (D12).
    """

    name: str
    product: Product
    origin: str
    host: str
    context: str
    portals: tuple[Portal, ...]
    cookie: str
    accounts: AccountPolicy
    api: ApiPolicy
    semicolons: PathSet = NO_PATHS
    encoded_slashes: PathSet = NO_PATHS
    static: PathSet = NO_PATHS
    customer: PathSet = NO_PATHS
    closed: PathSet = NO_PATHS

    @property
    def default_portal(self) -> Portal:
        """The portal that owns every path no other portal owns."""
        return next(portal for portal in self.portals if portal.default)

    def start_of(self, portal: Portal | None = None) -> str:
        """The page at which the visitors of *portal* begin, with the context path."""
        return self.context + ((portal.start if portal is not None else "") or self.product.start)

    def portal(self, name: str) -> Portal | None:
        """The portal of that name, or None."""
        return next((portal for portal in self.portals if portal.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLimits:
    """Lives of a session in seconds, and how many one person may have per application."""

    idle: int = 36_000
    absolute: int = 86_400
    recheck: int = 900
    per_person: int = 20
    most: int = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that decisions depend on.

    Attributes:
        hash: SHA-256 (hex) of the policy's content; remembered work and audit events carry it.
        applications: By name.
        sites: Canonical host to its applications, the longest context path first.
        providers: By name.
        strip: Normalised names of all identity, secret and assertion headers of the policy and the fixed list (D8).
        trusted_proxies: Networks in CIDR notation whose forwarded headers are believed.
    """

    hash: str
    applications: Mapping[str, Application]
    sites: Mapping[str, tuple[Application, ...]]
    providers: Mapping[str, ProviderPolicy]
    strip: frozenset[bytes]
    limits: SessionLimits = SessionLimits()
    trusted_proxies: tuple[str, ...] = ()
