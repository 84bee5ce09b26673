"""Checks of what stands at the top of the file: sessions, proxies, state."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from sidecar.adapters.settings import spell
from sidecar.config.faults import Finding, Severity
from sidecar.config.model import Config

_WIDEST = {4: 16, 6: 48}


def within(config: Config) -> Iterator[Finding]:
    """Sessions, proxies, state, addresses."""
    yield from _sessions(config)
    yield from _proxies(config)
    if not config.state.lasts:
        yield Finding(
            ("state",),
            "memory is forgotten at every restart: sessions, pins and what Lychgate may undo",
            "write file:///var/lib/lychgate for anything but a trial",
            Severity.WARNING,
        )
    yield from _database(config)
    if config.listen.public == config.listen.operations and not config.listen.public.endswith(":0"):
        yield Finding(
            ("listen", "operations"), "is the public address as well", "give health and metrics a port of their own"
        )


def between(config: Config) -> Iterator[Finding]:
    """Nothing may be empty."""
    for name in ("providers", "applications", "portals"):
        if not getattr(config, name):
            yield Finding((name,), "names nothing", f"add one of the {name}; docs/configuration.md shows how")


def _database(config: Config) -> Iterator[Finding]:
    settings, hosts = config.postgresql, config.state.hosts
    if not hosts:
        if "postgresql" in config.model_fields_set:
            yield Finding(
                ("postgresql",),
                "is for a database, and `state` names none",
                "write state: postgresql://user@host/database, or remove it",
                Severity.WARNING,
            )
        return
    if settings.tls == "off" and not all(map(_is_here, hosts)):
        yield Finding(
            ("postgresql", "tls"),
            "sends the password and all sessions over the network as they are",
            "let the database have a certificate, and write verify",
            Severity.WARNING,
        )
    if settings.tls == "off" and settings.ca is not None:
        yield Finding(("postgresql", "ca"), "vouches for nothing while tls is off", "remove it, or write tls: verify")


def _is_here(host: str) -> bool:
    name = host.rpartition(":")[0] or host if host.count(":") == 1 or host.startswith("[") else host
    name = name.strip("[]")
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _sessions(config: Config) -> Iterator[Finding]:
    limits = config.sessions
    if limits.idle > limits.absolute:
        yield Finding(
            ("sessions", "idle"),
            f"{spell(limits.idle)} is longer than absolute, {spell(limits.absolute)}, and would never count",
            "make idle shorter, or absolute longer",
        )
    if limits.recheck > limits.absolute:
        yield Finding(
            ("sessions", "recheck"),
            f"{spell(limits.recheck)} is longer than absolute: claims would never be checked again",
            "make recheck shorter; 15m is usual",
        )


def _proxies(config: Config) -> Iterator[Finding]:
    for number, text in enumerate(config.trusted_proxies):
        network = ipaddress.ip_network(text)
        if network.prefixlen < _WIDEST[network.version]:
            yield Finding(
                ("trusted_proxies", number),
                f"{text} is wide: everybody within it may claim any client address",
                "name the addresses of the proxy in front, not the whole cluster",
                Severity.WARNING,
            )
