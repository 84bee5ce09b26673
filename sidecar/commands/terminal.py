"""What the commands share at the terminal: reading the configuration, naming its faults, running to an end."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from pathlib import Path

import click

from sidecar.adapters.secrets import SecretError
from sidecar.commands.doors import Door, QuestionError, door_of
from sidecar.config.faults import ConfigError, Fault
from sidecar.config.load import Loaded, load
from sidecar.domain.policy import Application
from sidecar.flows.accounts import AccountError
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import AuditError

FILE = click.Path(exists=False, dir_okay=False, path_type=Path)


def loaded_from(path: Path, *, secrets: bool = True, serving: bool = False, warn: bool = True) -> Loaded:
    """The configuration; with *warn* its warnings are shown."""
    try:
        loaded = load(path, secrets=secrets, serving=serving)
    except ConfigError as error:
        show(error.faults)
        raise SystemExit(1) from None
    if warn:
        show(loaded.warnings)
    return loaded


def application_of(loaded: Loaded, name: str) -> Application:
    known = loaded.policy.applications.get(name)
    if known is None:
        raise click.ClickException(f"the configuration has no application {name}")
    return known


def door_named(loaded: Loaded, application: str, portal: str | None, provider: str | None) -> Door:
    try:
        return door_of(application_of(loaded, application), portal, provider)
    except QuestionError as error:
        raise click.ClickException(str(error)) from None


def run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except (QuestionError, AccountError, StateError, AuditError, SecretError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return


def show(faults: Iterable[Fault]) -> None:
    """Each on a line of its own, on standard error."""
    for fault in faults:
        click.echo(fault.render(), err=True)
