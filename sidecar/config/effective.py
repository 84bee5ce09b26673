"""What holds at a portal once application, portal and product are taken together. Used by the checks and `compile`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from sidecar.adapters.accounts.settings import GroupSettings
from sidecar.config.faults import Path
from sidecar.config.model import Config
from sidecar.config.model_application import ApplicationSettings, UsernameSettings
from sidecar.config.model_portal import PortalSettings
from sidecar.core.patterns import literal, matches
from sidecar.domain.product import Product

_NO_GROUPS = GroupSettings()


def portals_of(config: Config, application: str) -> dict[str, PortalSettings]:
    """The portals of an application, by name, in the order of the file."""
    return {name: portal for name, portal in config.portals.items() if portal.application == application}


def prefixes_at(portal: PortalSettings, product: Product) -> tuple[str, ...]:
    """The portal's path prefixes with presets spelled out; unknown presets are left out (a check names them)."""
    prefixes: list[str] = []
    for path in portal.paths or ():
        prefixes.extend(product.presets.get(path[1:], ()) if path.startswith("@") else (path,))
    return tuple(dict.fromkeys(prefixes))


def username_at(portal: PortalSettings, application: ApplicationSettings, provider: str = "") -> UsernameSettings:
    """The application's mapping with the keys that the portal changes, for all its people or for a provider's."""
    mapping = application.username
    for changes in (portal.username, portal.usernames.get(provider)):
        if changes is not None:
            given = {name: getattr(changes, name) for name in changes.model_fields_set}
            mapping = mapping.model_copy(update=given)
    return mapping


def groups_at(portal: PortalSettings, application: ApplicationSettings) -> GroupSettings:
    """The group lines for people whose home is the portal.

    Other portals do not inherit: lines written for colleagues must never give a customer a group (and a licence).
    """
    if portal.groups is not None:
        return portal.groups
    return application.accounts.groups if portal.default else _NO_GROUPS


def is_for_customers(portal: PortalSettings, product: Product) -> bool:
    """Whether the portal holds the product's customer pages."""
    customers = product.presets.get("jsm", ())
    return any(
        prefix == known or prefix.startswith(f"{known}/")
        for prefix in prefixes_at(portal, product)
        for known in customers
    )


def targets_of(groups: GroupSettings) -> Iterator[tuple[Path, str]]:
    """Everything that group settings can give, with its place; what is taken over by a prefix as `prefix$1`."""
    for number, line in enumerate(groups.map):
        yield ("map", number, "to"), line.target
    for number, admin in enumerate(groups.admin):
        yield ("admin", number, "to"), admin.target
    for source, names in groups.table.items():
        for name in names:
            yield ("table", source), name
    for number, prefix in enumerate(groups.as_is):
        yield ("as_is", number), f"{prefix}$1"
    for key in ("always", "on_create", "if_empty"):
        for number, name in enumerate(getattr(groups, key)):
            yield (key, number), name


def landing_issuer(config: Config, application: str) -> str:
    """Who we are to a product that takes us for its provider: where it reaches `listen.landing`, and its own name."""
    scheme = "http" if config.listen.landing_certificate is None else "https"
    address = config.applications[application].landing.address or f"{scheme}://{config.listen.landing}"
    return f"{address}/{application}"


def could_become(target: str, names: Iterable[str]) -> str | None:
    """The first of *names* (case-folded) that the target of a group line can spell, or None."""
    parts = re.split(r"(\$[1-9])", target.casefold())
    shape = "".join("(?s:.*)" if i % 2 else literal(part) for i, part in enumerate(parts))
    return next((name for name in sorted(names) if matches(shape, name)), None)
