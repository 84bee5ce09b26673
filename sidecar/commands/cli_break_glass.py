"""The commands `lychgate break-glass`: the way to the application's own passwords, for the day no provider answers."""

from __future__ import annotations

from typing import Any

import click

from sidecar.adapters.settings import seconds
from sidecar.commands.calling import Gate, at_gate, with_reason
from sidecar.commands.status_text import time_of
from sidecar.flows.break_glass import LONGEST


def _minutes(_context: click.Context, _option: click.Parameter, value: str) -> int:
    try:
        found = seconds(value)
    except ValueError:
        found = None
    if not isinstance(found, int) or found % 60 or not 60 <= found <= LONGEST * 60:
        raise click.BadParameter(f"write whole minutes, from 1m to {LONGEST}m, such as 30m")
    return found // 60


def _application(command: Any) -> Any:
    return click.option("--application", help="Its name; needed where several have an emergency door.")(command)


@click.group("break-glass")
def break_glass() -> None:
    """The emergency door: to the application's own log-in, while no provider answers. Closed by default."""


@break_glass.command("open")
@_application
@click.option(
    "--for", "minutes", callback=_minutes, default="30m", show_default=True, help=f"How long; at most {LONGEST}m."
)
@with_reason
@at_gate
def break_glass_open(gate: Gate, application: str | None, minutes: int, reason: str) -> None:
    """Open it. At its end everything ends that was begun through it."""
    given = {"application": application, "minutes": minutes, "reason": reason}
    answer = gate.ask("break-glass open", given)
    click.echo(f"{answer['application']} is open to its own passwords until {time_of(answer['until'])}.")
    click.echo(f"Open on this machine: {answer['address']}")
    for note in answer["notes"]:
        click.echo(f"Note: {note}.")


@break_glass.command("close")
@_application
@with_reason
@at_gate
def break_glass_close(gate: Gate, application: str | None, reason: str) -> None:
    """Close it now."""
    answer = gate.ask("break-glass close", {"application": application, "reason": reason})
    browsers = answer["browsers"]
    ended = "it was closed" if browsers is None else f"closed; browsers whose work ended: {browsers}"
    click.echo(f"{answer['application']}: {ended}.")


@break_glass.command("drill")
@_application
@click.option("--reason", default="a drill", show_default=True, help="Why; the audit trail tells it.")
@at_gate
def break_glass_drill(gate: Gate, application: str | None, reason: str) -> None:
    """Prove that it works: it is opened for the gate alone, the log-in page is asked for, and it is closed again.

    Exit 1 if it does not work.
    """
    answer = gate.ask("break-glass drill", {"application": application, "reason": reason})
    click.echo(f"{answer['application']}: {answer['said']}.")
    for note in answer["notes"]:
        click.echo(f"Note: {note}.")
    if not answer["works"]:
        raise SystemExit(1)
