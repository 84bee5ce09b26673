"""What a stand-in Jira is told at its start. Built by the demo and by tests; read everywhere in this room."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

KeyFetch = Callable[[], Awaitable[dict[str, object]]]


@dataclass(frozen=True, slots=True)
class SharedSecret:
    """The proof is a second header whose value only the gate and this Jira know."""

    value: str
    header: str = "X-Lychgate-Secret"


@dataclass(frozen=True, slots=True)
class SignedAssertion:
    """The proof is a short-lived Ed25519 JWT (RFC 7519, RFC 9864) with `iss`, `aud`, `sub`, `exp`, `iat`.

    `keys` is the URL of a JWK set, or a coroutine function that answers one.
    `leeway` and `longest_life` are seconds.
    """

    issuer: str
    audience: str
    keys: str | KeyFetch
    header: str = "X-Lychgate-Assertion"
    leeway: int = 5
    longest_life: int = 300


@dataclass(frozen=True, slots=True)
class NoProof:
    """A receiver that checks nothing: whoever sends the header is believed."""


@dataclass(frozen=True, slots=True)
class AnyProof:
    """A receiver that demands a second header and never looks at its value."""

    header: str


@dataclass(frozen=True, slots=True)
class SsoConfig:
    """The built-in OpenID client: one provider. `username` is an expression over claims; text outside `${}` is literal.

    `skip_https` is the dark feature that leaves the demand for https out; `customers` lets in who has no application.
    `hides_form` makes the log-in page lead to the provider at once. `pkce` is no product's, but other clients'.
    `authorize_at` is the authorization endpoint where it is not below the issuer. With `script` every sign-in begins
    with the page that otherwise stands before one with a target.
    """

    issuer: str
    client_id: str
    client_secret: str
    username: str = "${preferred_username}"
    scopes: tuple[str, ...] = ()
    enabled: bool = True
    customers: bool = True
    remember_me: bool = False
    hides_form: bool = False
    skip_https: bool = True
    pkce: bool = False
    authorize_at: str = ""
    script: bool = False


@dataclass(frozen=True, slots=True)
class CrowdConfig:
    """`crowd.properties` and the authenticator that goes with it: whose a token is, a Crowd server is asked.

    `interval` is in minutes; 0 asks on every request. `directory`: users come from there too, at authentication.
    """

    base_url: str
    application: str
    password: str
    interval: int = 0
    directory: bool = False


@dataclass(frozen=True, slots=True)
class JiraConfig:
    """One stand-in Jira. Without `proof` the identity header is never believed."""

    context_path: str = ""
    base_url: str = ""
    """The public address with the context path; empty means the address it really listens on."""
    user_header: str = "X-Lychgate-User"
    proof: SharedSecret | SignedAssertion | NoProof | AnyProof | None = None
    believes: str = ""
    """Another header that is believed without any proof: a receiver that was left behind."""
    sso: SsoConfig | None = None
    crowd: CrowdConfig | None = None
    version: str = "10.3.24"
    basic_auth: bool = True
    """Jira 11 ships with this off; password log-ins over REST are refused with it."""
    websudo: bool = False
    """Whether administrators' pages ask for the password again."""
    jira_seats: int | None = 25
    """Seats of the `jira-software` role; None means unlimited."""
    attachment_limit: int = 250 * 1024 * 1024
    """Bytes per file; the charts' ingress limit."""
    header_limit: int = 8192
    """Bytes of the request head; Tomcat's `maxHttpHeaderSize` in the charts."""
    relaxed_path_chars: str = ""
    """Characters that Tomcat accepts raw in a path (its `relaxedPathChars`)."""

    def __post_init__(self) -> None:
        """Refuse a context path that could not be matched: it is empty or `/name`."""
        path = self.context_path
        if path and (not path.startswith("/") or path.endswith("/")):
            raise ValueError(f"context_path must be empty or like /jira, not {path!r}")
