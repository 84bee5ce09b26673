"""How commands reach the running gate: their common options, where its socket is, and one question over it.

Used by every `cli_*` that speaks to a gate which runs. Exit 1 where it could not be done, with the gate's own words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from sidecar.adapters.control.asking import ControlError, NotRunningError, ask
from sidecar.commands.terminal import FILE, show
from sidecar.config.control import control_path_in
from sidecar.config.faults import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

USUAL = Path("/etc/lychgate/lychgate.yaml")
"""Where the image and the chart have the configuration."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The gate that is meant: by its configuration, or by its socket."""

    config: Path
    socket: Path | None

    def ask(self, command: str, arguments: Mapping[str, object] | None = None) -> Mapping[str, Any]:
        """Let it do *command*, such as `sessions end`.

        Raises:
            click.ClickException: it could not be done.
        """
        try:
            return ask(self.place(), command, _given(arguments or {}))
        except ControlError as error:
            raise click.ClickException(str(error)) from None

    def ask_if_running(self, command: str, arguments: Mapping[str, object]) -> Mapping[str, Any] | None:
        """The same; None where no gate has a socket, so that the command may do it itself.

        Raises:
            click.ClickException: a gate runs, and it could not be done.
        """
        place = self.socket or control_path_in(self.config)
        if place is None:
            return None
        try:
            return ask(place, command, _given(arguments))
        except NotRunningError:
            return None
        except ControlError as error:
            raise click.ClickException(str(error)) from None

    def place(self) -> Path:
        """Where its socket is.

        Raises:
            click.ClickException: the configuration says that there is none, or cannot be read.
        """
        if self.socket is not None:
            return self.socket
        try:
            found = control_path_in(self.config)
        except ConfigError as error:
            show(error.faults)
            raise click.ClickException("name the configuration with -c, or the gate's socket with --socket") from None
        if found is None:
            raise click.ClickException(f"{self.config} gives the gate no control socket: write listen.control")
        return found


def _given(arguments: Mapping[str, object]) -> Mapping[str, object]:
    """What was written on the command line."""
    return {name: value for name, value in arguments.items() if value not in (None, "", False)}


def at_gate(command: F) -> F:
    """The options of a command to the running gate; it gets them as *gate*."""

    def called(config: Path, socket: Path | None, **rest: Any) -> Any:
        return command(gate=Gate(config, socket), **rest)

    called.__name__, called.__doc__ = command.__name__, command.__doc__
    called.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--socket", type=FILE, help="The gate's control socket, instead of what the configuration says."),
        click.option(
            "-c",
            "--config",
            type=FILE,
            default=USUAL,
            show_default=True,
            envvar="LYCHGATE_CONFIG",
            help="The gate's configuration file.",
        ),
    ):
        called = option(called)
    return called  # type: ignore[return-value]


def with_reason(command: F) -> F:
    """The option `--reason`, which every command that changes something demands."""
    return click.option("--reason", required=True, help="Why; the audit trail tells it.")(command)


def as_wanted(command: F) -> F:
    """The option `--format`."""
    kinds = click.Choice(["text", "json"])
    return click.option("--format", "form", type=kinds, default="text", show_default=True, help="How it is written.")(
        command
    )


def write_json(answer: Mapping[str, Any]) -> None:
    """The answer as it came."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
