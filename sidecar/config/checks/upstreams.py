"""Checks of the way to an application: what belongs together, and the files of its TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path as FilePath
from urllib.parse import urlsplit

from sidecar.config.checks.rules import unknown_sets
from sidecar.config.faults import Finding, Path
from sidecar.config.model import Config
from sidecar.config.model_upstream import UpstreamSettings, place_of
from sidecar.domain.product import Product

MOST = 64
"""Nodes of one application; `upstream.nodes` takes no more."""
_TLS = ("ca", "server_name", "client_certificate", "client_key")


def within(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """TLS without https, half of a certificate and key, times for nothing."""
    for name, application in config.applications.items():
        at: Path = ("applications", name, "upstream")
        yield from _encryption(at, application.upstream)
        yield from _several(at, application.upstream)
        yield from _times(at, application.upstream, products[application.product])


def files(config: Config) -> Iterator[Finding]:
    """Read the files of TLS and judge them; the key by itself is judged with the secrets."""
    if config.postgresql.ca is not None:
        yield from _authorities(("postgresql", "ca"), config.postgresql.ca)
    for name, application in config.applications.items():
        at: Path = ("applications", name, "upstream")
        settings, accounts = application.upstream, application.accounts
        for key, server in (("crowd", accounts.crowd), ("switch", accounts.switch)):
            if server is not None and server.ca is not None:
                yield from _authorities(("applications", name, "accounts", key, "ca"), server.ca)
        if not settings.secure:
            continue
        if settings.ca is not None:
            yield from _authorities((*at, "ca"), settings.ca)
        if settings.client_certificate is not None:
            yield from _certificate(at, settings, settings.client_certificate)


def _encryption(at: Path, settings: UpstreamSettings) -> Iterator[Finding]:
    for key in _TLS:
        if getattr(settings, key) is not None and not settings.secure:
            yield Finding((*at, key), "is never used without https", "write https:// in url, or remove the line")
    if settings.client_certificate is not None and settings.client_key is None:
        yield Finding(
            (*at, "client_key"),
            "is missing beside client_certificate",
            "add the key of the certificate as file:///absolute/path",
        )
    if settings.client_key is not None and settings.client_certificate is None:
        yield Finding(
            (*at, "client_certificate"),
            "is missing beside client_key",
            "add the file of the certificate, or remove the key",
        )


def _several(at: Path, settings: UpstreamSettings) -> Iterator[Finding]:
    addresses = settings.addresses
    if settings.also and any(urlsplit(one).scheme != urlsplit(settings.url).scheme for one in settings.also):
        yield Finding((*at, "also"), "mixes http, https and sockets", "reach all nodes in the same way, as in url")
    elif settings.also and settings.socket is not None:
        yield Finding((*at, "also"), "stands beside a socket", "name nodes by their http or https addresses")
    if len({place_of(one) for one in addresses}) < len(addresses):
        yield Finding((*at, "also"), "names a node twice", "write each address once")
    if len(addresses) > MOST:
        yield Finding((*at, "also"), f"names more than {MOST} nodes", "name fewer, or use a load balancer in between")
    if not settings.every_address:
        return
    if settings.also:
        yield Finding((*at, "also"), "stands beside every_address", "name all nodes, or one name that leads to all")
    if settings.socket is not None or _is_address(settings.place[0]):
        yield Finding((*at, "every_address"), "wants a name in url", "write the name of the headless Service")


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _times(at: Path, settings: UpstreamSettings, product: Product) -> Iterator[Finding]:
    for number, entry in enumerate(settings.by_path):
        yield from unknown_sets((*at, "by_path", number), entry.paths, product)
        if entry.first_byte is None and entry.idle_body is None:
            yield Finding((*at, "by_path", number), "says no time", "add first_byte or idle_body, or remove the entry")


def _authorities(at: Path, file: str) -> Iterator[Finding]:
    unreadable = _unreadable(at, file)
    if unreadable is not None:
        yield unreadable
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=file)
    except (ssl.SSLError, ValueError):
        yield Finding(
            at, f"{file} holds no certificates in PEM", "name the file with the certificate of the authority, in PEM"
        )


def _certificate(at: Path, settings: UpstreamSettings, file: str) -> Iterator[Finding]:
    unreadable = _unreadable((*at, "client_certificate"), file)
    if unreadable is not None:
        yield unreadable
        return
    if not _is_certificate(file):
        yield Finding(
            (*at, "client_certificate"),
            f"{file} holds no certificate in PEM",
            "name the file with our certificate, in PEM",
        )
    elif settings.client_key is not None and FilePath(settings.client_key.place).is_file():
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(file, settings.client_key.place, password="")
        except (OSError, ValueError):  # SSLError is the former
            yield Finding(
                (*at, "client_key"),
                f"the key in {settings.client_key} is not the one of the certificate, or has a password",
                "name the private key that the certificate was made for, in PEM without a password",
            )


def _is_certificate(file: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except (ssl.SSLError, ValueError):
        return False
    return True


def _unreadable(at: Path, file: str) -> Finding | None:
    try:
        with FilePath(file).open("rb") as stream:
            stream.read(1)
    except FileNotFoundError:
        return Finding(at, f"there is no file {file}", "put it there, or correct the path")
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        return Finding(at, f"{file} cannot be read: {reason}", "let the account of the process read it")
    return None
