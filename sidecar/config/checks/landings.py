"""Checks of the landing: what each kind needs, and how products reach us where they ask us something."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from sidecar.adapters.landing.settings import LandingSettings
from sidecar.adapters.urls import is_plain_outside_loopback
from sidecar.config.effective import landing_issuer
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.config.model_application import ApplicationSettings
from sidecar.domain.product import Product

_BY_HEADER = ("proof", "secret", "audience")
_ASKED = ("client_secret", "address")
_EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104  # judged, not listened on


def within(config: Config, _products: Mapping[str, Product]) -> Iterator[Finding]:
    """What each kind needs, and what is never used."""
    yield from _listener(config)
    for name, application in config.applications.items():
        at: Path = ("applications", name, "landing")
        if application.landing.by_crowd:
            yield from _unused(at, application.landing, ("header", *_BY_HEADER, "mode"), "crowd")
        elif application.landing.by_header:
            yield from _by_header(at, application.landing, asks=application.accounts.directory)
        else:
            yield from _by_oidc(at, name, config)
        if asks_us(application):
            yield from _asked(at, name, config)


def between(config: Config, _products: Mapping[str, Product]) -> Iterator[Finding]:
    """Audiences of assertions; the listener at which codes are redeemed."""
    seen: dict[str, str] = {}
    for name, application in config.applications.items():
        if not application.landing.by_header or application.landing.proof != "assertion":
            continue
        first = seen.setdefault(application.landing.audience or application.url, name)
        if first != name:
            yield Finding(
                ("applications", name, "landing", "audience"),
                f"is the audience of {first} as well: an assertion for one would be good for the other",
                "give each application its own, or leave it out: then it is the url",
            )


def _listener(config: Config) -> Iterator[Finding]:
    listen = config.listen
    used = any(map(asks_us, config.applications.values()))
    if used and not listen.landing.endswith(":0") and listen.landing in (listen.public, listen.operations):
        yield Finding(
            ("listen", "landing"), "has its address from another listener", "give it a port that is nobody else's"
        )
    for key, other in (("landing_certificate", "landing_key"), ("landing_key", "landing_certificate")):
        if getattr(listen, key) is not None and getattr(listen, other) is None:
            yield Finding(("listen", other), f"is missing beside {key}", "add it, or remove the other one")
    if listen.landing_key is not None and listen.landing_key.kind != "file":
        yield Finding(
            ("listen", "landing_key"),
            "is not in a file, and a key is read from files only",
            "write file:///absolute/path",
        )


def files(config: Config) -> Iterator[Finding]:
    """Whether certificate and key of the listener can be used."""
    certificate, key = config.listen.landing_certificate, config.listen.landing_key
    if certificate is None or key is None or key.kind != "file":
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key.place, password="")
    except (OSError, ValueError):  # SSLError is the former
        yield Finding(
            ("listen", "landing_certificate"),
            f"{certificate} and {key} cannot be read, or do not belong together",
            "name the certificate and the private key that it was made for, both in PEM, the key without a password",
        )


def asks_us(application: ApplicationSettings) -> bool:
    """Whether the product asks at `listen.landing`."""
    return application.accounts.directory or not application.landing.by_header


def _by_header(at: Path, landing: LandingSettings, *, asks: bool) -> Iterator[Finding]:
    yield from _unused(at, landing, ("mode",) if asks else ("mode", *_ASKED), "header")
    if landing.header is None:
        yield Finding((*at, "header"), "is missing for type: header", "add it, such as header: X-Lychgate-User")
    if landing.proof is None:
        yield Finding(
            (*at, "proof"),
            "is missing: a header alone proves nothing",
            "add proof: assertion or proof: secret, as the receiver checks it; without a receiver: type: oidc",
        )
    if landing.proof == "secret" and landing.secret is None:
        yield Finding(
            (*at, "secret"),
            "is missing for proof: secret",
            "add it as file:///absolute/path or env://NAME; the receiver in the application has the same one",
        )
    if landing.proof == "assertion" and landing.secret is not None:
        yield Finding((*at, "secret"), "is never used with proof: assertion", "remove it, or write proof: secret")
    carrier = landing.secret_header if landing.proof == "secret" else landing.assertion_header
    if landing.header is not None and _folded(carrier) == _folded(landing.header):
        yield Finding((*at, "header"), "is the header of the proof as well", "give the username a header of its own")


def _by_oidc(at: Path, name: str, config: Config) -> Iterator[Finding]:
    application = config.applications[name]
    yield from _unused(at, application.landing, ("header", *_BY_HEADER), "oidc")
    if urlsplit(application.url).scheme == "http":
        yield Finding(
            ("applications", name, "url"),
            "is plain http: the product's sign-on wants an https base URL",
            "write https://; for a trial the product knows a switch that leaves it out",
            Severity.WARNING,
        )
    yield from _walked(at, name, config)


def _walked(at: Path, name: str, config: Config) -> Iterator[Finding]:
    """A walk takes a browser."""
    application = config.applications[name]
    mode = application.landing.mode
    if mode == "browser" and application.api.jwt is not None:
        yield Finding(
            (*at, "mode"),
            "is browser beside api.jwt: who comes with an access token has no browser, and would never be let in",
            "write mode: auto or headless, or remove api.jwt",
        )


def _asked(at: Path, name: str, config: Config) -> Iterator[Finding]:
    """The product must reach us, and know a secret."""
    application = config.applications[name]
    landing, issuer = application.landing, landing_issuer(config, name)
    if landing.client_secret is None:
        yield Finding(
            (*at, "client_secret"),
            "is missing: with it the product redeems codes, or asks its Crowd server",
            "add it as file:///absolute/path or env://NAME; new: lychgate keys new --kind secret; "
            "for a receiver that believes a header: header and proof",
        )
    host, _, port = config.listen.landing.rpartition(":")
    if landing.address is None and (host.strip("[]") in _EVERYWHERE or port == "0"):
        yield Finding(
            (*at, "address"),
            f"is missing: {config.listen.landing} is no address that a product could be told",
            "write how the product reaches listen.landing, such as https://lychgate.internal.example.com:9091",
        )
    elif is_plain_outside_loopback(issuer) and not application.allow_http:
        yield Finding(
            (*at, "address"),
            "is plain http outside loopback: the product would redeem codes, and read who is there, in clear",
            "give listen.landing a certificate and write https://; for a closed network only: allow_http: true",
        )


def _unused(at: Path, landing: LandingSettings, keys: tuple[str, ...], kind: str) -> Iterator[Finding]:
    for key in keys:
        if getattr(landing, key) is not None:
            yield Finding((*at, key), f"is never used with type: {kind}", "remove it, or change the type")


def _folded(header: str) -> str:
    return header.lower().replace("_", "-")
