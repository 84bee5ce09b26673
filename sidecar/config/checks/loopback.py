"""What `serve` refuses although the file is well: an issuer on loopback, but for a trial on one machine."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from sidecar.adapters.urls import is_loopback
from sidecar.config.faults import Finding
from sidecar.config.model import Config


def loopback_issuers(config: Config) -> Iterator[Finding]:
    """A provider on loopback belongs to a trial (the demo's signs in anybody), so everything must be on loopback."""
    outside = _outside(config)
    if outside is None:
        return
    for name, provider in config.providers.items():
        if is_loopback(urlsplit(provider.issuer).hostname):
            yield Finding(
                ("providers", name, "issuer"),
                f"is on loopback, but {outside} is not: a provider for trials would guard something real",
                "name the real provider, or move everything to loopback",
            )


def _outside(config: Config) -> str | None:
    """The key of something that is not on loopback, or None."""
    if not is_loopback(urlsplit(f"//{config.listen.public}").hostname):
        return "listen.public"
    for name, application in config.applications.items():
        if not is_loopback(urlsplit(application.url).hostname):
            return f"applications.{name}.url"
        if application.upstream.socket is None and not all(
            is_loopback(urlsplit(node).hostname) for node in application.upstream.addresses
        ):
            return f"applications.{name}.upstream"
    return None
