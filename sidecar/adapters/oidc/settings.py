"""Settings of one OpenID provider. `preset` fills in what is known of the product."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from sidecar.adapters.oidc.config import OURS
from sidecar.adapters.oidc.presets import PERSONAL_TENANT, preset_values
from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import ClaimFence, Seconds, Settings, SomeWords, Word, Words, between, fault, one_or_many
from sidecar.adapters.urls import http_url
from sidecar.core.addresses import ascii_domain
from sidecar.core.tokens import DEFAULT_ALGORITHMS, SIGNATURE_HASHES
from sidecar.domain.shape import GroupFormat

_TENANT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,250}[a-z0-9])?")
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{27}")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
_GROUP_PREFIX = re.compile(r"[A-Za-z0-9._:/@-]{0,16}")


def _issuer(value: str) -> str:
    parts = http_url(value)
    if "/.well-known/" in parts.path:
        raise fault("is the address of the discovery document", "write only what stands before /.well-known/")
    return value


def _day(value: object) -> date:
    # Pydantic would take numbers and times for days too.
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise fault("is no day", "write it as 2027-06-30") from None


_Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


def _endpoint(value: str) -> str:
    # An endpoint may have a query (RFC 6749, section 3.1), unlike an issuer.
    http_url(value.partition("?")[0])
    if "#" in value:
        raise fault("carries a fragment", "end the address before the #")
    return value


def _tenants(value: tuple[str, ...]) -> tuple[str, ...]:
    for tenant in value:
        if not _TENANT.fullmatch(tenant):
            raise fault("names something that is no tenant id", "write the id: 36 characters, lower case, with hyphens")
        if tenant == PERSONAL_TENANT:
            raise fault(
                "names the tenant of all personal Microsoft accounts, which keeps nobody out",
                "write the id of your own tenant",
            )
    return value


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    for host in value:
        if not _HOST.fullmatch(host):
            raise fault("names something that is no host", "write only the host, in lower case, such as id.example.com")
    return value


def _domains(value: tuple[str, ...]) -> tuple[str, ...]:
    known = [ascii_domain(domain) for domain in value]
    for domain, spelled in zip(value, known, strict=True):
        if spelled is None:
            raise fault(f"{domain} is no domain of e-mail addresses", "write what stands behind the @: example.com")
    return tuple(dict.fromkeys(spelled for spelled in known if spelled is not None))


def _group_prefix(value: str) -> str:
    if not _GROUP_PREFIX.fullmatch(value):
        raise fault("is no prefix for groups", "use at most 16 of A-Z a-z 0-9 . _ : / @ -, such as partner:")
    return value


def _scopes(value: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in value:
        raise fault("lacks openid, without which there is no sign-in", "add openid")
    if not all(_SCOPE.fullmatch(scope) for scope in value):
        raise fault("holds a scope with blanks or quotes", "write one scope per entry")
    return value


def _algorithms(value: tuple[str, ...]) -> tuple[str, ...]:
    for name in value:
        if name not in SIGNATURE_HASHES:
            raise fault(f"{name} is no algorithm that is ever accepted", f"name some of {', '.join(SIGNATURE_HASHES)}")
    return value


def _thumbprint(value: str) -> str:
    if not _THUMBPRINT.fullmatch(value):
        command = "openssl x509 -in cert.pem -outform der | openssl dgst -sha1 -binary | basenc --base64url | tr -d ="
        raise fault("is no SHA-1 in base64url, which has 27 characters", f"write what this says: {command}")
    return value


def _extra(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if name in OURS:
            raise fault(f"{name} is not for this table", "use its own setting, or leave it out")
    return value


_KEYS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}


def _keys(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value:
        raise fault("names no key", "write the claim's name, such as groups, or its keys from the outside in")
    return value


ClaimKeys = Annotated[
    tuple[Word, ...], BeforeValidator(one_or_many), AfterValidator(_keys), WithJsonSchema(_KEYS_SCHEMA)
]
"""Keys from the outside in; a dot is part of a name."""


def _sources(value: object) -> object:
    """A name or a list of keys means one place."""
    if isinstance(value, str):
        return ((value,),)
    if isinstance(value, list | tuple) and all(isinstance(key, str) for key in value):
        return (tuple(value),)
    return value


def _places(value: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    if not value or not all(value):
        raise fault("names no key", "write the name that the provider uses, or its keys from the outside in")
    return value


Sources = Annotated[
    tuple[tuple[Word, ...], ...],
    BeforeValidator(_sources),
    AfterValidator(_places),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1}]}),
]


def _named_sources(value: dict[str, tuple[tuple[str, ...], ...]]) -> dict[str, tuple[tuple[str, ...], ...]]:
    for name, places in value.items():
        if name in _NOT_ELSEWHERE:
            raise fault(f"gives {name} another place", "remove it: what proves a person stands where the standard says")
        if name != "email" and ("email",) in places:
            # Under another name nobody would ask whether it was verified (rule 45).
            raise fault(f"reads {name} from email", "write username: {from: email} at the application")
    return value


_NOT_ELSEWHERE = frozenset(
    {"iss", "sub", "aud", "azp", "exp", "iat", "nbf", "nonce", "sid", "acr", "amr", "auth_time", "tid", "oid", "hd"}
)

NamedSources = Annotated[dict[Word, Sources], AfterValidator(_named_sources)]
"""Claim name to the places where it is looked for."""

Endpoint = Annotated[str | None, AfterValidator(lambda value: value if value is None else _endpoint(value))]


class EndpointSettings(Settings):
    """Endpoints that are used in place of what discovery says."""

    authorization: Endpoint = Field(default=None, description="Where browsers are sent to sign in.")
    token: Endpoint = Field(default=None, description="Where codes are redeemed.")
    userinfo: Endpoint = Field(default=None, description="Where missing claims are asked for.")
    jwks: Endpoint = Field(default=None, description="Where the provider's public keys are.")
    push: Endpoint = Field(default=None, description="Where authorization requests are pushed (RFC 9126).")
    end_session: Endpoint = Field(default=None, description="Where browsers are sent to sign out.")
    graph: Endpoint = Field(
        default=None,
        description="Microsoft Graph, such as `https://graph.microsoft.com`; without it, that of the issuer's cloud.",
    )


class ProviderSettings(Settings):
    """One OpenID provider."""

    preset: Literal[
        "generic",
        "okta",
        "entra",
        "keycloak",
        "google",
        "auth0",
        "pingone",
        "pingfederate",
        "adfs",
        "cognito",
        "gitlab",
    ] = Field(default="generic", description="The provider's product; fills in the defaults marked *by preset*.")
    issuer: Annotated[str, AfterValidator(_issuer)] = Field(
        description="The issuer exactly as the provider writes it, with or without a slash at the end. "
        "`preset: google` knows it."
    )
    client_id: Word = Field(description="The client id that the provider gave.")
    client_secret: Annotated[Secret | None, AtLeast(16)] = Field(
        default=None, description="The client's secret; left out only with `client_authentication: none`."
    )
    client_secret_ends: _Day | None = Field(
        default=None,
        description="The day on which the provider ends the secret, such as `2027-06-30`. Nothing ends by it here: it "
        "is the metric `lychgate_client_secret_expiry_timestamp_seconds`, and an alert thirty days before.",
    )
    client_authentication: Literal["basic", "post", "private_key_jwt", "none"] = Field(
        default="basic",
        description="How the client authenticates at the token endpoint. *By preset*: `post` for `entra`.",
    )
    encode_credentials: bool = Field(
        default=True,
        description="Whether id and secret are form-encoded for `basic` (RFC 6749, section 2.3.1). Some servers do not "
        "decode them; then a secret with signs such as `%` or `+` needs `false`.",
    )
    client_key: Annotated[Secret | None, AtLeast(64)] = Field(
        default=None,
        description="The client's private key in PEM without a password, for `private_key_jwt`: RSA, P-256, P-384, "
        "P-521 or Ed25519. The provider gets the public part.",
    )
    client_key_id: Word | None = Field(default=None, description="The key's id at the provider (`kid`).")
    client_key_thumbprint: Annotated[Word, AfterValidator(_thumbprint)] | None = Field(
        default=None,
        description="SHA-1 of the key's certificate in base64url (`x5t`), for Entra ID, which finds keys by it.",
    )
    assertion_audience: Literal["endpoint", "issuer"] = Field(
        default="endpoint", description="Whom assertions of `private_key_jwt` are meant for (`aud`)."
    )
    par: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Pushed authorization requests (RFC 9126): `auto` where the provider demands them.",
    )
    response_mode: Literal["query", "form_post"] = Field(
        default="query",
        description="How the browser brings the answer back: in the address, or in a form. AD FS needs `form_post` to "
        "put more claims into the ID token.",
    )
    algorithms: Annotated[SomeWords, AfterValidator(_algorithms)] = Field(
        default=DEFAULT_ALGORITHMS,
        description="Signature algorithms of tokens that are accepted; never `none`, never HMAC.",
    )
    scopes: Annotated[SomeWords, AfterValidator(_scopes)] = Field(
        default=("openid", "profile", "email"),
        description="Scopes to ask for. *By preset*: `okta` adds `groups` (org server) and `offline_access`; "
        "`entra` and `auth0` add `offline_access`, `entra` also `User.Read`.",
    )
    label: Word | None = Field(
        default=None, description="Name for people, on pages. Without it the preset's name, or the provider's key."
    )
    domains: Annotated[Words, AfterValidator(_domains)] = Field(
        default=(),
        description="Domains of e-mail addresses whose people sign in here, where a portal has several providers: the "
        "page then asks for the address. A subdomain is another domain.",
    )
    usernames: Literal["authoritative", "untrusted"] = Field(
        default="untrusted",
        description="`authoritative`: its usernames may be believed for accounts that exist already, and its e-mail "
        "addresses where it sends no `email_verified`. "
        "At most one provider per application.",
    )
    prompt: Literal["none", "login", "select_account", "consent"] | None = Field(
        default=None, description="`prompt` of every sign-in (OIDC Core 1.0, section 3.1.2.1)."
    )
    max_age: Annotated[Seconds, AfterValidator(between(0, 2_592_000))] | None = Field(
        default=None,
        description="Every sign-in must be at most so old at the provider (`max_age`, verified). "
        "Silent confirmations of a session are no sign-ins.",
    )
    acr_values: Words = Field(
        default=(), description="Kinds of sign-in that every sign-in asks for, the best first. A rule's `acr` demands."
    )
    step_up: Literal["acr_values", "acrs"] = Field(
        default="acr_values",
        description="How a rule's `acr` is asked for and told: `acr_values` and `acr`, or Entra ID's authentication "
        "contexts (`acrs`: `c1` to `c25`). *By preset*: `acrs` for `entra`.",
    )
    ui_locales: Words = Field(default=(), description="Languages of the provider's pages, such as `de`, `en`.")
    authorize: Annotated[dict[Word, Word], AfterValidator(_extra)] = Field(
        default={},
        description="More parameters of every authorization request, such as `{access_type: offline}` for Google.",
    )
    groups_claim: ClaimKeys = Field(
        default=("groups",),
        description="The claim that holds the groups: a name, or a list of keys from the outside in, such as "
        "`[realm_access, roles]`. *By preset*: `cognito:groups` for `cognito`.",
    )
    group_format: GroupFormat = Field(
        default=GroupFormat.AS_IS,
        description="What of a value is the group's name: all of it; the `last_segment` of a path (`/staff/jira` is "
        "`jira`); the `common_name` of a distinguished name (`CN=jira,OU=staff` is `jira`). Two groups with the same "
        "end become one.",
    )
    single_group: bool = Field(
        default=False,
        description="Whether a plain text in the groups claim means one group; without it the groups are then unknown. "
        "*By preset*: on for `adfs` and `pingfederate`.",
    )
    group_names: dict[Word, Word] = Field(
        default={}, description="Names for groups that come as ids; all others keep what they are."
    )
    group_prefix: Annotated[str, AfterValidator(_group_prefix)] = Field(
        default="",
        description="Put in front of every group's name, after all else: rules and group lines then speak of "
        "`partner:jira`. Needed where a portal has several providers, so that none can name another's groups.",
    )
    groups_cut_at: int = Field(
        default=0,
        ge=0,
        description="A list of exactly so many groups is taken to be cut, and then the groups are unknown; 0: never. "
        "*By preset*: 100 for `okta` with a custom server.",
    )
    overage: Literal["graph", "unknown"] = Field(
        default="unknown",
        description="When Entra ID leaves the groups out of a token (more than 200): ask Microsoft Graph, or let them "
        "be unknown. *By preset*: `graph` for `entra`.",
    )
    overage_groups: Literal["security", "all"] = Field(
        default="security",
        description="Which groups Graph is asked for; the same as the app's groups claim holds.",
    )
    claims: NamedSources = Field(
        default={},
        description="Claims that stand elsewhere: a name, a list of keys from the outside in, or a list of such lists, "
        "of which the first that is there counts. What the provider sends under the claim's own name is then not read. "
        "*By preset*: `preferred_username` for `adfs` and `cognito`.",
    )
    subject_claim: Word = Field(
        default="sub", description="The claim that is the key of a person. *By preset*: `oid` for `entra`."
    )
    tenants: Annotated[SomeWords, AfterValidator(_tenants)] | None = Field(
        default=None, description="Fence: only these Entra ID tenants (`tid`)."
    )
    hd: SomeWords | None = Field(default=None, description="Fence: only these Google Workspace domains (`hd`).")
    only: ClaimFence | None = Field(
        default=None, description="Fence: claims, each with the values of which one must be there."
    )
    endpoints: EndpointSettings = Field(
        default=EndpointSettings(), description="Endpoints that are used in place of what discovery says."
    )
    endpoint_hosts: Annotated[SomeWords, AfterValidator(_hosts)] | None = Field(
        default=None,
        description="Hosts besides the issuer's on which discovery may place endpoints. *By preset* for `google` and "
        "`entra`.",
    )
    clock_skew: Annotated[Seconds, AfterValidator(between(0, 300))] = Field(
        default=60, description="By how much the provider's clock may differ."
    )
    userinfo: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether the userinfo endpoint is asked: `auto` when claims are missing. *By preset*: `always` for "
        "`gitlab` and `pingone`, `never` for `entra` and `adfs`.",
    )
    sign_out: Literal["local", "provider"] = Field(
        default="local", description="Whether signing out ends the provider's session as well."
    )
    allow_http: bool = Field(
        default=False, description="Permit an issuer without encryption outside loopback: for tests only."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        preset = values.get("preset", "generic")
        known = preset_values(preset, values.get("issuer")) if isinstance(preset, str) else {}
        own = values.get("claims", {})
        merged = {"claims": {**known.get("claims", {}), **own}} if isinstance(own, Mapping) else {}
        return {**known, **values, **merged}

    @property
    def fence(self) -> dict[str, tuple[str | int | bool, ...]]:
        """All fences as claim name to values of which one must be there."""
        fence: dict[str, tuple[str | int | bool, ...]] = dict(self.only or {})
        if self.tenants:
            fence["tid"] = self.tenants
        if self.hd:
            fence["hd"] = self.hd
        return fence
