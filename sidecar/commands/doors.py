"""Where people come in, as a command means it: the portal and the provider that somebody names, or the usual ones."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.domain.policy import Application, Portal


class QuestionError(Exception):
    """The command cannot be answered. The text says what would help."""


@dataclass(frozen=True, slots=True)
class Door:
    """A portal with one of its providers."""

    application: Application
    portal: Portal
    provider: str


def door_of(application: Application, portal: str | None, provider: str | None) -> Door:
    """The portal and the provider of that name; without names the default portal and its first provider.

    Raises:
        QuestionError: there is none.
    """
    found = application.default_portal if portal is None else application.portal(portal)
    if found is None:
        names = ", ".join(sorted(known.name for known in application.portals))
        raise QuestionError(f"{application.name} has no portal {portal}; there is {names}")
    name = provider or found.providers[0]
    if name not in found.providers:
        raise QuestionError(f"portal {found.name} does not use {name}; it uses {', '.join(found.providers)}")
    return Door(application, found, name)
