"""The commands to the running gate that only look: `lychgate status`."""

from __future__ import annotations

import click

from sidecar.commands.calling import Gate, as_wanted, at_gate, write_json
from sidecar.commands.status_text import status_lines


@click.command("status")
@at_gate
@as_wanted
def status(gate: Gate, form: str) -> None:
    """Tell how the running gate is: its configuration, state, providers, applications, chores and audit trail."""
    answer = gate.ask("status")
    if form == "json":
        write_json(answer)
        return
    for line in status_lines(answer):
        click.echo(line)
