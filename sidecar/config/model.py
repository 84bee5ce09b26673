"""The configuration file: the union of the parts' settings. Its shape is what a site writes.

Read by `config.load`; nothing keeps it after start (file shape here, compiled shape in `domain.policy`, no third).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sidecar.adapters.audit.settings import AuditSettings
from sidecar.adapters.oidc.settings import ProviderSettings
from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import Seconds, Settings, Words, absolute, between, fault
from sidecar.adapters.state.settings import PostgresSettings, StateSettings
from sidecar.config.control import OFF
from sidecar.config.model_application import ApplicationSettings
from sidecar.config.model_doctor import DoctorSettings
from sidecar.config.model_portal import PortalSettings
from sidecar.config.model_tracing import TracingSettings

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise fault(
            "is no name", "begin with a letter, then lower-case letters, digits and hyphens, at most 32 characters"
        )
    return value


def _listen(value: str) -> str:
    match = _LISTEN.fullmatch(value)
    if match is None or int(match[2]) > 65_535:
        raise fault("is no address to listen on", "write address:port, such as 0.0.0.0:8080 or [::1]:8080")
    return value


def _control(value: str) -> str:
    if value == OFF:
        return value
    if value.endswith("/"):
        raise fault("is a folder", "name a file in it, such as /run/lychgate/control/gate.sock")
    return absolute(value)


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    for text in value:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise fault(f"{text} is no network", "write an address or a network such as 10.4.7.0/24") from None
        if "/" in text and str(network.network_address) != str(ipaddress.ip_address(text.partition("/")[0])):
            raise fault(f"{text} is an address within its network", f"write {network}, or the address alone")
    return value


def _some_keys(value: tuple[Secret, ...]) -> tuple[Secret, ...]:
    if not value:
        raise fault("is empty: cookies would be unsigned", "name one key; new: lychgate keys new --into cookie-key")
    if len(set(value)) != len(value):
        raise fault("names the same key twice", "keep one of the two")
    return value


Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_listen)]


class ListenSettings(Settings):
    """Where Lychgate listens."""

    public: Address = Field(default="0.0.0.0:8080", description="Address and port for browsers and machines.")
    operations: Address = Field(
        default="127.0.0.1:9090", description="Address and port of health, readiness and metrics."
    )
    landing: Address = Field(
        default="127.0.0.1:9091",
        description="Address and port at which products redeem codes (`landing.type: oidc`) or ask their Crowd server "
        "(`landing.type: crowd`, `accounts.directory`); opened only where one does. Let nobody but them reach it.",
    )
    landing_certificate: Annotated[str, AfterValidator(absolute)] | None = Field(
        default=None, description="File with its certificate (PEM, the chain behind it); without it, plain http."
    )
    landing_key: Annotated[Secret | None, AtLeast(64)] = Field(
        default=None, description="Its private key in PEM, without a password; in a file."
    )
    control: Annotated[str, AfterValidator(_control)] | None = Field(
        default=None,
        description="Unix socket at which the running gate takes commands, from root and its own user only; `off`: "
        "none. Without the key `control/gate.sock` below the folder of `state`, if that is one. Its folder must be "
        "ours; one that is not there is made.",
    )
    connections: int = Field(
        default=8192,
        ge=16,
        le=1_000_000,
        description="Most open connections of clients; one more is answered 503 (`too_many_connections`). The process "
        "needs about twice as many open files.",
    )
    head_time: Annotated[Seconds, AfterValidator(between(1, 600))] = Field(
        default=15, description="The head of a request must have come whole within it (408, `request_timeout`)."
    )
    body_time: Annotated[Seconds, AfterValidator(between(1, 3600))] = Field(
        default=30,
        description="Each such stretch of a request's body must bring 4 KiB, unless the application is behind (408, "
        "`request_timeout`).",
    )
    answer_time: Annotated[Seconds, AfterValidator(between(1, 3600))] = Field(
        default=60,
        description="In each such stretch a client that is behind must take 4 KiB of what waits for it; else its "
        "connection is reset.",
    )
    drain: Annotated[Seconds, AfterValidator(between(0, 60))] = Field(
        default=1,
        description="At the end the port stays open so long, and every answer says that its connection ends: no "
        "request is lost. Make it longer than what stands in front takes to notice.",
    )


class SessionSettings(Settings):
    """Lives of sessions."""

    idle: Annotated[Seconds, AfterValidator(between(60, 2_592_000))] = Field(
        default=36_000, description="A session ends when it was not used for so long."
    )
    absolute: Annotated[Seconds, AfterValidator(between(300, 2_592_000))] = Field(
        default=86_400, description="A session ends when it is so old, used or not."
    )
    recheck: Annotated[Seconds, AfterValidator(between(30, 86_400))] = Field(
        default=900,
        description="How old claims may grow before the provider is asked again. Needs a refresh token; without one "
        "claims are confirmed at the next sign-in or renewal.",
    )
    per_person: int = Field(
        default=20, ge=1, le=1000, description="Most sessions of one person at one application; the oldest gives way."
    )
    most: int = Field(
        default=200_000,
        ge=100,
        le=10_000_000,
        description="Most sessions in all; those that were longest unused give way.",
    )


class Config(Settings):
    """The whole file."""

    version: Literal[1] = Field(description="Version of the file's shape.")
    listen: ListenSettings = Field(default=ListenSettings(), description="Where Lychgate listens.")
    state: StateSettings = Field(
        description="Where sessions and the ledger are kept: `file:///var/lib/lychgate` (SQLite, one instance), "
        "`postgresql://user@host:5432/database` (PostgreSQL 14 or newer, several instances; several hosts with commas "
        "between them), or `memory` to try things out."
    )
    postgresql: PostgresSettings = Field(
        default=PostgresSettings(), description="How the database is reached, if `state` names one."
    )
    cookie_keys: Annotated[tuple[Secret, ...], AfterValidator(_some_keys), AtLeast(32)] = Field(
        description="Keys that sign cookies and seal what is stored, each at least 32 characters. The first one signs; "
        "the others are still accepted, so that keys can be changed. A file may hold several, one a line "
        "(`lychgate keys new`)."
    )
    assertion_key: Annotated[Secret | None, AtLeast(64)] = Field(
        default=None,
        description="Private Ed25519 key in PEM (PKCS #8) that signs assertions (`proof: assertion`). Without it "
        "the keys are derived from `cookie_keys` and change with them. The file may hold several: the first signs, all "
        "are published.",
    )
    trusted_proxies: Annotated[Words, AfterValidator(_networks)] = Field(
        default=(), description="Networks of the proxies in front, whose `X-Forwarded-*` headers are believed."
    )
    sessions: SessionSettings = Field(default=SessionSettings(), description="Lives of sessions.")
    providers: dict[Name, ProviderSettings] = Field(description="OpenID providers by a name of your choice.")
    applications: dict[Name, ApplicationSettings] = Field(
        description="Jira and Confluence applications by a name of your choice."
    )
    portals: dict[Name, PortalSettings] = Field(description="Doors to the applications by a name of your choice.")
    audit: AuditSettings = Field(default=AuditSettings(), description="Where audit events go.")
    doctor: DoctorSettings = Field(
        default=DoctorSettings(), description="What the gate looks at by itself, as `lychgate doctor` does."
    )
    tracing: TracingSettings | None = Field(default=None, description="Spans by OpenTelemetry; none without it.")
