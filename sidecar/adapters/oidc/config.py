"""What the relying party must know of one provider. `config.compile` makes it; everything in this folder reads it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from sidecar.adapters.oidc.assertion import ClientKey
from sidecar.core.issuers import TENANT
from sidecar.core.tokens import DEFAULT_ALGORITHMS, SIGNATURE_HASHES
from sidecar.domain.shape import PLAIN, ClaimSources, GroupReading

OURS = frozenset(
    {"response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge"}
    | {"code_challenge_method", "max_age", "prompt", "login_hint", "request", "request_uri", "client_secret"}
    | {"acr_values", "claims", "ui_locales", "code_verifier", "client_assertion", "client_assertion_type"}
)
"""Parameters of an authorization request that have a setting of their own, or are not for a site to set."""


class ClientAuthentication(StrEnum):
    """How we prove to the token endpoint who we are (OIDC Core 1.0, section 9), as the configuration spells it."""

    BASIC = "basic"
    POST = "post"
    KEY = "private_key_jwt"
    NONE = "none"


class Push(StrEnum):
    """When authorization requests are pushed (RFC 9126): `auto` means where the provider demands it."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class UserInfo(StrEnum):
    """When the userinfo endpoint is asked: `auto` means when claims are missing."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class SignOutWay(StrEnum):
    """What the provider's sign-out endpoint understands."""

    OIDC = "oidc"
    COGNITO = "cognito"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """One provider, as the operator wrote it.

    Attributes:
        name: The provider's name in the configuration.
        issuer: As discovery and the tokens spell it, byte for byte.
        pattern: The issuer that metadata and tokens name where it is not *issuer*: with `{tenantid}`, for Entra ID's
            shared addresses. `Tokens.claims` then has the tenant's own.
        issuers: Other spellings allowed in tokens (Google's without `https://`); `Tokens.claims` has *issuer*.
        client_secret: None for a public client, or one with a key.
        client_key: For `private_key_jwt`.
        assertion_for_issuer: Its assertions name the issuer as audience, not the endpoint that is called.
        encode_credentials: Form-encode id and secret for Basic (RFC 6749, section 2.3.1); some servers do not decode.
        authorization_endpoint: Overrides discovery, as the four below do. With this one, the token and the JWKS
            endpoint given, discovery is not asked at all.
        endpoint_hosts: `host` or `host:port` on which endpoints may lie besides the issuer's own.
        algorithms: Signature algorithms that are accepted.
        skew: Seconds by which clocks may differ.
        prompt, max_age: Of every sign-in that asks for none itself.
        push: Whether authorization requests are pushed.
        form_post: Whether the browser brings the answer in a form (OAuth 2.0 Form Post Response Mode).
        authorize_params: Sent along with every authorization request (`access_type=offline`, `hd=…`).
        groups: How the groups claim is read.
        claims: Where claims are looked for instead of under their own names.
        subject_claim: `sub`, or `oid` for Entra ID.
        needed: Names of claims that the policy reads; with the first key of the groups' path if it asks for groups.
            If one is missing in the ID token, userinfo is asked.
        userinfo: Whether it is asked always or never instead.
        contexts: Kinds of sign-in are Entra ID's authentication contexts: asked for and read its own way.
        graph: Microsoft Graph's address, asked for groups that Entra ID leaves out; None: they stay unknown.
        graph_security: Whether Graph is asked for security groups only.
        sign_out_way: What the sign-out endpoint understands.
        hint: What a refusal of the token endpoint may mean with this product, for the log.
        allow_http: Permit URLs without encryption outside loopback, for tests of a site.

    Raises:
        ValueError: The values cannot work together.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    client_key: ClientKey | None = field(default=None, repr=False)
    assertion_for_issuer: bool = False
    pattern: str | None = None
    issuers: tuple[str, ...] = ()
    authentication: ClientAuthentication = ClientAuthentication.BASIC
    encode_credentials: bool = True
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    jwks_uri: str | None = None
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    push_endpoint: str | None = None
    push: Push = Push.AUTO
    form_post: bool = False
    endpoint_hosts: frozenset[str] = frozenset()
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    skew: int = 60
    authorize_params: tuple[tuple[str, str], ...] = ()
    groups: GroupReading = PLAIN
    claims: ClaimSources = field(default_factory=dict)
    subject_claim: str = "sub"
    needed: frozenset[str] = frozenset()
    userinfo: UserInfo = UserInfo.AUTO
    contexts: bool = False
    graph: str | None = None
    graph_security: bool = True
    sign_out_way: SignOutWay = SignOutWay.OIDC
    hint: str = ""
    prompt: str | None = None
    max_age: int | None = None
    allow_http: bool = False

    def __post_init__(self) -> None:
        if not self.allows(self.issuer) or "?" in self.issuer:
            raise ValueError("the issuer must be an https URL without query and fragment (http for loopback only)")
        if not self.client_id:
            raise ValueError("a client needs a client_id")
        with_secret = self.authentication in {ClientAuthentication.BASIC, ClientAuthentication.POST}
        if (self.client_secret is not None) != with_secret:
            raise ValueError("a client secret is needed for the authentications `basic` and `post`, and for no other")
        if (self.client_key is not None) != (self.authentication is ClientAuthentication.KEY):
            raise ValueError("a client key is needed for the authentication `private_key_jwt`, and for no other")
        if not self.algorithms or not SIGNATURE_HASHES.keys() >= set(self.algorithms):
            raise ValueError(f"algorithms must be some of {', '.join(SIGNATURE_HASHES)}")
        if "openid" not in self.scopes:
            raise ValueError("without the scope `openid` there is no ID token")
        for name, _ in self.authorize_params:
            if name in OURS - {"max_age", "acr_values", "ui_locales"}:
                raise ValueError(f"the authorization parameter {name} is not for the configuration to set")
        if TENANT in self.issuer:
            raise ValueError("the place of a tenant is for `pattern`")
        for url in (*self.endpoints.values(), self.graph):
            if url is not None and not self.allows(url):
                raise ValueError("an endpoint must be an https URL without fragment (http for loopback only)")

    @property
    def endpoints(self) -> dict[str, str | None]:
        """The overrides, by their names in discovery."""
        return {
            "authorization_endpoint": self.authorization_endpoint,
            "token_endpoint": self.token_endpoint,
            "jwks_uri": self.jwks_uri,
            "userinfo_endpoint": self.userinfo_endpoint,
            "end_session_endpoint": self.end_session_endpoint,
            "pushed_authorization_request_endpoint": self.push_endpoint,
        }

    def allows(self, url: str) -> bool:
        """Whether *url* is good enough to send people, codes and secrets to."""
        return is_safe_url(url, allow_http=self.allow_http)

    @property
    def wants_groups(self) -> bool:
        """Whether the policy asks for groups."""
        return bool(self.groups.path) and self.groups.path[0] in self.needed

    @property
    def allowed_issuers(self) -> tuple[str, ...]:
        """Every spelling that a token may use (`core.issuers`), the one that `Tokens.claims` has first."""
        return (self.pattern or self.issuer, *self.issuers)


def is_safe_url(url: str, *, allow_http: bool = False) -> bool:
    """Whether *url* is absolute, encrypted (or loopback), and without user name, fragment and blanks."""
    if any(character <= " " or character >= "\x7f" or character == "\\" for character in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or "#" in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (allow_http or _is_loopback(host)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
