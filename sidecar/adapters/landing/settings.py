"""Settings of the landing: how the application learns who is there (D8)."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import Seconds, Settings, Word, between, fault
from sidecar.adapters.urls import http_url

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_TAKEN = frozenset({
    # RFC 9110, section 7.6.1, and framing: removed or rewritten on every hop
    "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "content-length", "content-type", "content-encoding", "host", "expect",
    # they carry something else already
    "cookie", "set-cookie", "authorization", "origin", "referer", "user-agent", "accept", "range", "date",
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-port", "x-real-ip",
    "x-request-id", "x-atlassian-token", "x-requested-with",
})  # fmt: skip
_PRODUCTS = frozenset({"x-ausername", "x-seraph-loginreason", "x-anodeid", "x-asessionid", "x-arequestid"})


def header_name(value: str) -> str:
    """A header name that may carry an identity or a proof."""
    folded = value.lower().replace("_", "-")
    if not _TOKEN.fullmatch(value):
        raise fault("is no header name", "use letters, digits and hyphens, such as X-Lychgate-User")
    if folded in _PRODUCTS:
        raise fault(f"{value} is a header that the product itself uses", "choose another, such as X-Lychgate-User")
    if folded in _TAKEN:
        raise fault(
            f"{value} has another meaning in HTTP and would not arrive", "choose another, such as X-Remote-User"
        )
    return value


HeaderName = Annotated[str, AfterValidator(header_name)]


def _address(value: str) -> str:
    if http_url(value).path.strip("/"):
        raise fault("carries a path", "write scheme://host:port; Lychgate puts the name of the application behind it")
    return value.rstrip("/")


class LandingSettings(Settings):
    """How the application learns who is there: by its own OpenID sign-on, by a trusted header with a proof, or by a
    token of Crowd."""

    type: Literal["oidc", "header", "crowd"] | None = Field(
        default=None,
        description="`oidc`: Lychgate is the provider of the OpenID sign-on that is built into the product, and walks "
        "it by itself, unseen by browsers. `header`: a trusted header, for a receiver that the site has. `crowd` "
        "(beta): Lychgate is the product's Crowd server. Without it `header` where a header is named, else `oidc`.",
    )
    mode: Literal["headless", "browser", "auto"] | None = Field(
        default=None,
        description="Who walks the product's sign-on (`type: oidc`). `headless`: Lychgate itself, unseen by browsers. "
        "`browser`: the person's browser, for a product whose sign-on is more than redirects. `auto`: Lychgate, and "
        "the browser as soon as the product begins with a page. Without it `headless`.",
    )
    client_id: Word = Field(
        default="lychgate",
        description="Client ID under which the product knows itself at Lychgate (`type: oidc`); the name of the "
        "application where we are its Crowd server (`type: crowd`, `accounts.directory`).",
    )
    client_secret: Annotated[Secret | None, AtLeast(32)] = Field(
        default=None,
        description="Its secret, or the application's password, at least 32 characters; the product has the same one. "
        "The file may hold several, one a line: the first is the one to fill in, all are taken.",
    )
    address: Annotated[str, AfterValidator(_address)] | None = Field(
        default=None,
        description="Where the product reaches `listen.landing`, such as "
        "`https://lychgate.internal.example.com:9091`. Without it the address of `listen.landing` itself.",
    )
    header: HeaderName | None = Field(
        default=None, description="Header that carries the username, such as `X-Lychgate-User` (`type: header`)."
    )
    proof: Literal["secret", "assertion"] | None = Field(
        default=None,
        description="What goes with the header, so that nobody else can send it: a shared secret, or a signed "
        "assertion that lives for seconds (its keys stand at `/.lychgate/jwks`).",
    )
    secret_header: HeaderName = Field(
        default="X-Lychgate-Secret", description="Header that carries the shared secret (`proof: secret`)."
    )
    secret: Annotated[Secret | None, AtLeast(32)] = Field(
        default=None, description="The shared secret, at least 32 characters (`proof: secret`)."
    )
    assertion_header: HeaderName = Field(
        default="X-Lychgate-Assertion", description="Header that carries the signed assertion (`proof: assertion`)."
    )
    audience: Word | None = Field(
        default=None,
        description="`aud` of the assertion; without it the application's `url`. No two applications may share one.",
    )
    assertion_life: Annotated[Seconds, AfterValidator(between(10, 300))] = Field(
        default=60, description="How long an assertion is valid."
    )
    strip: tuple[HeaderName, ...] = Field(
        default=(),
        description="More headers to remove from every request to any application, because a receiver believes them. "
        "The known ones (`Remote-User`, `X-Forwarded-User`, …) are removed anyway.",
    )

    @property
    def by_crowd(self) -> bool:
        """Whether we are the product's Crowd server."""
        return self.type == "crowd"

    @property
    def by_sign_on(self) -> bool:
        """Whether the landing is the product's own OpenID sign-on."""
        return not self.by_header and not self.by_crowd

    @property
    def by_header(self) -> bool:
        """Whether the landing is the trusted header."""
        return self.type == "header" or (self.type is None and (self.header is not None or self.proof is not None))
