"""The commands `lychgate accounts rename` and `lychgate accounts resume`. The gate must not run."""

from __future__ import annotations

from pathlib import Path

import click

from sidecar.commands.mending import MendingError, rename_account, resume_removals
from sidecar.commands.terminal import FILE, application_of, loaded_from, run
from sidecar.config.load import Loaded
from sidecar.flows.accounts import PinConflictError


@click.command("rename")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--from", "before", required=True, help="The old name of the account.")
@click.option("--to", "after", required=True, help="The new name, as the application writes it.")
@click.option("--there", is_flag=True, help="Rename the account in the application too, where nobody has.")
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown.")
def accounts_rename(config: Path, application: str, before: str, after: str, *, there: bool, apply: bool) -> None:
    """Let somebody who was renamed keep the account, once it is renamed in the application or with --there. The gate
    must not run."""
    loaded = loaded_from(config)
    application_of(loaded, application)
    run(_rename(loaded, application, before, after, apply=apply, there=there))


@click.command("resume")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown.")
def accounts_resume(config: Path, application: str, *, apply: bool) -> None:
    """Let groups be left again after removals were frozen: when so many were meant. The gate must not run."""
    loaded = loaded_from(config)
    application_of(loaded, application)
    run(_resume(loaded, application, apply=apply))


async def _rename(loaded: Loaded, application: str, before: str, after: str, *, apply: bool, there: bool) -> None:
    try:
        pin = await rename_account(loaded, application, before, after, apply=apply, there=there)
    except MendingError as error:
        raise click.ClickException(str(error)) from None
    except PinConflictError as error:
        holder = error.holder
        said = f"{holder.spelling} is tied to subject {holder.person.subject} at {holder.person.issuer} already"
        raise click.ClickException(said) from None
    done = "has the account of" if apply else "would have the account of; write --apply to do it:"
    click.echo(f"{application}: {after} {done} {pin.spelling} (subject {pin.person.subject} at {pin.person.issuer})")


async def _resume(loaded: Loaded, application: str, *, apply: bool) -> None:
    breaker = await resume_removals(loaded, application, apply=apply)
    if breaker.frozen is None:
        raise click.ClickException(f"{application}: removals are not frozen")
    done = "are taken up again" if apply else "would be taken up again; write --apply to do it"
    click.echo(f"{application}: removals {done}")
