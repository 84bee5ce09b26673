"""Settings of an application: one Jira or Confluence."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from sidecar.adapters.accounts.settings import AccountSettings
from sidecar.adapters.landing.settings import LandingSettings
from sidecar.adapters.settings import Settings, SomeWords, Words, fault, pattern_fault
from sidecar.adapters.urls import http_url
from sidecar.config.model_upstream import UpstreamSettings, check_patterns, in_short
from sidecar.domain.policy import UsernameMapping

_CONTEXT = re.compile(r"(/[A-Za-z0-9][A-Za-z0-9._~-]{0,63}){0,4}")
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")
_LOOPBACK = re.compile(r"(?:127(?:\.(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})){3}|\[::1\]):(\d{1,5})")
_PREFIX = re.compile(r"[a-z0-9._@-]{0,16}")


def _url(value: str) -> str:
    parts = http_url(value)
    if value.endswith("/"):
        raise fault("ends in a slash", f"write {value.rstrip('/')}")
    if not _CONTEXT.fullmatch(parts.path):
        raise fault(
            "has a path that is no context path", "write plain segments, such as https://tools.example.com/jira"
        )
    return value


def _pattern(value: str) -> str:
    wrong = pattern_fault(value)
    if wrong is not None:
        raise fault(*wrong)
    return value


def _domains(value: tuple[str, ...]) -> tuple[str, ...]:
    for domain in value:
        if not _DOMAIN.fullmatch(domain):
            raise fault("names something that is no domain", "write it in lower case without @, such as example.com")
    return value


def _here(value: str) -> str:
    match = _LOOPBACK.fullmatch(value)
    if match is None or int(match[1]) > 65_535:
        raise fault(
            "is no address on loopback, and others must not reach it",
            "write 127.0.0.1:9095; it is reached on the machine itself, or by kubectl port-forward",
        )
    return value


def _prefix(value: str) -> str:
    if not _PREFIX.fullmatch(value):
        raise fault("is no prefix for usernames", "use at most 16 of a-z 0-9 . _ @ -, such as cust-")
    return value


class UsernameSettings(Settings):
    """How the username in the application is made from claims."""

    claims: SomeWords = Field(
        default=UsernameMapping().claims,
        alias="from",
        description="Claims in order; the next one is asked only when the one before is absent.",
    )
    strip_domain: Annotated[Words, AfterValidator(_domains)] = Field(
        default=(),
        description="Domains that are cut off names like `ada@example.com`; names in other domains are refused.",
    )
    prefix: Annotated[str, AfterValidator(_prefix)] = Field(
        default="", description="Put in front of the name, so that names from two providers never meet."
    )
    pattern: Annotated[str, AfterValidator(_pattern)] = Field(
        default=UsernameMapping().pattern,
        description="What the name of an account that Lychgate creates must match, whole: a regular expression (RE2; "
        "`\\pL` is a letter of any script).",
    )
    apostrophe: bool = Field(
        default=False,
        description="Whether accounts that exist may have an apostrophe in their name, such as `o'brien`. None is "
        "created with one, whatever `pattern` says.",
    )


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for network in value:
        try:
            ip_network(network)
        except ValueError:
            raise fault("names something that is no network", "write CIDR notation, such as 192.0.2.0/24") from None
    return value


class JwtSettings(Settings):
    """Which providers' access tokens are taken from programs; each request is judged as that of the token's person."""

    providers: SomeWords = Field(description="Providers whose JWT access tokens are taken: names from `providers`.")
    audience: SomeWords = Field(
        description="What `aud` of a token must name: an audience of this application alone, never a shared default."
    )
    provision: bool = Field(
        default=False,
        description="Whether a caller's account is made ready as at a sign-in. Without it, nothing is created or "
        "changed: only somebody is served who signed in before and whose account is active.",
    )
    addresses: Annotated[SomeWords, AfterValidator(_networks)] | None = Field(
        default=None, description="Networks from which such tokens are taken, in CIDR notation; without it from all."
    )


class ApiSettings(Settings):
    """Which credentials of machines pass to the application on its machine paths."""

    pat: Literal["pass", "deny"] = Field(default="pass", description="Personal access tokens (`Bearer`).")
    oauth1: Literal["pass", "deny"] = Field(default="pass", description="OAuth 1.0a, as application links use it.")
    oauth2: Literal["pass", "deny"] = Field(default="pass", description="The application's own OAuth 2.0 tokens.")
    basic: Literal["pass", "deny"] = Field(
        default="deny", description="Name and password: a way around the provider; deny it if you can."
    )
    pat_owner: Literal["ignore", "resolve"] = Field(
        default="resolve",
        description="`resolve`: the application is asked once, with the token itself, whose a personal access token "
        "is; it is refused (`owner_gone`, `blocked`) once its linked owner is gone (`accounts.gone_by`) or blocked. "
        "`ignore`: such a token passes whoever's it is, until the account is deactivated there.",
    )
    jwt: JwtSettings | None = Field(
        default=None, description="Access tokens of the providers, for programs that act for a person. Off without it."
    )


class ApplicationSettings(Settings):
    """One Jira or Confluence."""

    product: Literal["jira", "confluence"] = Field(description="What it is; brings its paths, cookies and groups.")
    url: Annotated[str, AfterValidator(_url)] = Field(
        description="Its public address with the context path and without a slash at the end; equal to its base URL."
    )
    upstream: Annotated[UpstreamSettings, BeforeValidator(in_short)] = Field(
        description="Where the application itself listens, as `http://127.0.0.1:8081`; or more of the way there."
    )
    landing: LandingSettings = Field(description="How it learns who is there.")
    username: UsernameSettings = Field(default=UsernameSettings(), description="How usernames are made from claims.")
    accounts: AccountSettings = Field(default=AccountSettings(), description="What may be done to its accounts.")
    api: ApiSettings = Field(default=ApiSettings(), description="Which credentials of machines pass.")
    machine: Annotated[Words, AfterValidator(check_patterns)] = Field(
        default=(),
        description="More machine paths: profiles of the product (`applinks`, `gadgets`, …) or path patterns.",
    )
    semicolons: Annotated[Words, AfterValidator(check_patterns)] = Field(
        default=(), description="Path patterns in which a raw `;` is allowed; everywhere else it is refused."
    )
    encoded_slashes: Annotated[Words, AfterValidator(check_patterns)] = Field(
        default=(), description="Path patterns in which `%2F` is allowed; everywhere else it is refused."
    )
    break_glass: Annotated[str, AfterValidator(_here)] | None = Field(
        default=None,
        description="Address on loopback of its emergency door, such as `127.0.0.1:9095`: to the application's own "
        "log-in, for the day on which no provider answers. Closed until `lychgate break-glass open`.",
    )
    allow_http: bool = Field(
        default=False, description="Permit a `url` or an `upstream` without encryption outside loopback."
    )
