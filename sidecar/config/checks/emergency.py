"""Checks of emergency doors: an address of their own each, and an application that takes passwords at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.domain.product import Product


def within(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """Addresses that somebody else has; landings that know no password."""
    listen = config.listen
    taken = {listen.public: "listen.public", listen.operations: "listen.operations", listen.landing: "listen.landing"}
    for name, application in config.applications.items():
        address, at = application.break_glass, ("applications", name, "break_glass")
        if address is None:
            continue
        if not address.endswith(":0"):
            owner = taken.setdefault(address, ".".join(at))
            if owner != ".".join(at):
                yield Finding(at, f"is the address of {owner} as well", "give it a port that is nobody else's")
        yield from _passwords(at, application.landing.by_crowd, products[application.product].title)


def _passwords(at: Path, by_crowd: bool, title: str) -> Iterator[Finding]:
    if by_crowd:
        yield Finding(
            at,
            f"leads to a log-in at which nobody gets in: with landing.type: crowd {title} asks Lychgate for every "
            "password, and Lychgate knows none",
            f"reach {title} past Lychgate in an emergency, with an account of its internal directory and Crowd's "
            "authenticator taken out; or land by oidc or header",
            Severity.WARNING,
        )
