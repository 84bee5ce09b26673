"""Settings of the way to an application: its address, TLS, times and bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import Seconds, Settings, SomeWords, absolute, between, fault
from sidecar.adapters.urls import http_url
from sidecar.domain.paths import check_pattern

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_UNIX = "unix://"
_LONGEST_SOCKET = 107
"""Bytes of a path that the kernel takes (unix(7))."""


def check_patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    """Path patterns; entries that begin with @ are names of sets, checked later against the product."""
    for pattern in value:
        if not pattern.startswith("@"):
            try:
                check_pattern(pattern)
            except ValueError as error:
                wrong, _, cure = str(error).partition(": ")
                raise fault(wrong, cure or "write a pattern such as /secure/admin/**") from None
    return value


def _address(value: str) -> str:
    if value.startswith(_UNIX):
        return _socket(value)
    if http_url(value).path.strip("/"):
        raise fault(
            "carries a path: the application gets the paths that browsers ask for",
            "write scheme://host:port; the context path belongs to `url` and to the application itself",
        )
    return value.rstrip("/")


def _socket(value: str) -> str:
    path = value.removeprefix(_UNIX)
    if not path.startswith("/") or not value.isprintable() or not value.isascii() or path.endswith("/"):
        raise fault("is no address of a socket", "write unix:// and the absolute path, such as unix:///run/jira.sock")
    if len(path) > _LONGEST_SOCKET:
        raise fault(f"is longer than {_LONGEST_SOCKET} characters, which no socket's path can be", "move the socket")
    return value


def _further(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_address(one) for one in value)


def _name(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise fault("is no name of a host", "write it as the certificate does, such as jira.internal.example.com")
    return value


def _in_a_file(value: Secret | None) -> Secret | None:
    if value is not None and value.kind != "file":
        raise fault("is not in a file, and a key is read from files only", "write file:///absolute/path")
    return value


def _times(least: int, most: int) -> AfterValidator:
    return AfterValidator(between(least, most))


class PathTimes(Settings):
    """Times for some paths. The first entry whose paths match counts."""

    paths: Annotated[SomeWords, AfterValidator(check_patterns)] = Field(
        description="Path patterns below the context path, or named sets such as `@admin`."
    )
    first_byte: Annotated[Seconds, _times(1, 86_400)] | None = Field(
        default=None, description="As `upstream.first_byte`, for these paths."
    )
    idle_body: Annotated[Seconds, _times(1, 86_400)] | None = Field(
        default=None, description="As `upstream.idle_body`, for these paths."
    )


class UpstreamLimits(Settings):
    """How much of the application is used at a time."""

    in_flight: int = Field(
        default=512,
        ge=1,
        le=100_000,
        description="Most requests at the application at a time; one more waits. Open WebSockets do not count.",
    )
    anonymous: int | None = Field(
        default=None,
        ge=1,
        le=100_000,
        description="Most of them without a session, so that strangers who read public files slowly never hold all "
        "places; one more waits. Without it three quarters of `in_flight`.",
    )
    queue: int = Field(
        default=256,
        ge=0,
        le=100_000,
        description="Most requests that wait, first come, first served; one more is answered 503 (`upstream_busy`).",
    )
    queue_wait: Annotated[Seconds, _times(1, 600)] = Field(
        default=5, description="Longest such wait; then 503 (`upstream_busy`)."
    )
    tunnels: int = Field(
        default=4096, ge=0, le=100_000, description="Most WebSockets; one more is answered 503 (`tunnels_full`)."
    )
    idle: Annotated[Seconds, _times(1, 600)] = Field(
        default=15,
        description="A connection that was not used for so long is closed. Less than the application's own time "
        "(Tomcat's `keepAliveTimeout`: 20s unless changed), so that no request meets its farewell.",
    )
    idle_connections: int = Field(
        default=512,
        ge=0,
        le=10_000,
        description="Most connections kept open for reuse; fewer than there are requests at a time cost new ones.",
    )
    age: Annotated[Seconds, _times(1, 86_400)] = Field(
        default=300,
        description="A connection so old serves no further request; the next one looks the name up anew, and so "
        "follows changes of DNS.",
    )


class UpstreamSettings(Settings):
    """The way to the application. An address alone stands for `url`; a list of addresses, for `url` and `also`."""

    url: Annotated[str, AfterValidator(_address)] = Field(
        description="Where the application itself listens: scheme, host and port, or `unix://` and a socket's path."
    )
    also: Annotated[tuple[str, ...], AfterValidator(_further)] = Field(
        default=(),
        description="Addresses of the application's further nodes. A session stays on its node while that one serves.",
    )
    every_address: bool = Field(
        default=False,
        description="Whether each address to which the name in `url` leads is a node of its own, as with a headless "
        "Service; the name is looked up at every `status_every`.",
    )
    status_every: Annotated[Seconds, _times(1, 300)] = Field(
        default=5, description="With several nodes: how often each is asked for the product's `/status`."
    )
    ca: Annotated[str, AfterValidator(absolute)] | None = Field(
        default=None,
        description="File with the certificates (PEM) of those who may vouch for the application; without it, those "
        "that the machine trusts.",
    )
    server_name: Annotated[str, AfterValidator(_name)] | None = Field(
        default=None, description="The name in the application's certificate, if it is not the host of `url`."
    )
    client_certificate: Annotated[str, AfterValidator(absolute)] | None = Field(
        default=None, description="File with our certificate (PEM, the chain behind it) for the application."
    )
    client_key: Annotated[Secret | None, AfterValidator(_in_a_file), AtLeast(64)] = Field(
        default=None, description="Its private key in PEM, without a password; in a file."
    )
    connect: Annotated[Seconds, _times(1, 60)] = Field(
        default=5, description="Longest wait for a connection, name and TLS included (503, `upstream_unreachable`)."
    )
    first_byte: Annotated[Seconds, _times(1, 86_400)] = Field(
        default=600,
        description="Longest standstill before an answer begins (504, `upstream_timeout`); a moving upload is none.",
    )
    idle_body: Annotated[Seconds, _times(1, 86_400)] = Field(
        default=300, description="Longest standstill within an answer; then the client's connection is reset."
    )
    by_path: tuple[PathTimes, ...] = Field(default=(), description="Other times for some paths.")
    limits: UpstreamLimits = Field(
        default=UpstreamLimits(), description="How much of the application is used at a time."
    )

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.url.startswith("https:")

    @property
    def socket(self) -> str | None:
        """Path of the Unix socket, if it is one."""
        return self.url.removeprefix(_UNIX) if self.url.startswith(_UNIX) else None

    @property
    def place(self) -> tuple[str, int]:
        """Host and port, if it is no socket."""
        return place_of(self.url)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All addresses that are written down."""
        return (self.url, *self.also)

    @property
    def several(self) -> bool:
        """Whether there may be more than one node."""
        return bool(self.also) or self.every_address

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        several = {"type": "array", "items": {"type": "string"}, "minItems": 1}
        return {"anyOf": [{"type": "string"}, several, handler.resolve_ref_schema(handler(schema))]}


def place_of(url: str) -> tuple[str, int]:
    """Host and port of an http address."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def in_short(value: object) -> object:
    """An address alone, or a list of them, is the whole of `UpstreamSettings`.

    Raises:
        PydanticCustomError: for what is neither an address nor keys.
    """
    if isinstance(value, str):
        return UpstreamSettings(url=_address(value))
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        first, *others = (_address(one) for one in value)
        return UpstreamSettings(url=first, also=_further(tuple(others)))
    if not isinstance(value, Mapping | UpstreamSettings):
        raise fault(
            "is no address",
            "write where the application listens, such as http://127.0.0.1:8081, a list of addresses, or keys",
        )
    return value
