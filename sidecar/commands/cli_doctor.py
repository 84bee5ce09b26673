"""The command `lychgate doctor`: what is wrong around the gate, each finding with its cure."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import click
from pydantic_core import PydanticCustomError

from sidecar.adapters.secrets import Secret, SecretError
from sidecar.building.examining import Request
from sidecar.commands.doctor import examined
from sidecar.commands.terminal import FILE, application_of, loaded_from
from sidecar.domain.finding import Finding, Severity

_MARKS = {Severity.OK: "ok", Severity.UNKNOWN: "?"}


@click.command()
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", help="Only this application, its providers and the state.")
@click.option("--token", help="file:///path or env://NAME of a system administrator's token, for this time alone.")
@click.option("--username", default="", help="Whom forged requests pretend to be; else the connector's own account.")
@click.option(
    "--format", "shape", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How it is told."
)
def doctor(config: Path, application: str | None, token: str | None, username: str, shape: str) -> None:
    """Examine what the gate stands on: providers, applications, state. The gate may run, and nothing is written.

    Exit 0: no error was found. Exit 1: an error was found, or the configuration has one.
    """
    loaded = loaded_from(config, warn=shape == "text")
    if application is not None:
        _ = application_of(loaded, application)
    request = Request(application=application, token=None if token is None else _secret(token), username=username)
    try:
        found = asyncio.run(examined(loaded, request))
    except (SecretError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return
    click.echo(_as_json(found) if shape == "json" else _as_text(found))
    if any(one.kind.severity is Severity.ERROR for one in found):
        raise SystemExit(1)


def _as_text(found: Sequence[Finding]) -> str:
    lines: list[str] = []
    for one in found:
        kind = one.kind
        lines.append(f"{_MARKS.get(kind.severity, kind.severity):<8} {one.where}, {kind.check}: {one.seen}")
        if kind.severity is not Severity.OK:
            lines.append(f"{'':<8} {kind.code}: {kind.cure}")
    return "\n".join((*lines, _summary(found)))


def _summary(found: Sequence[Finding]) -> str:
    counts = {severity: sum(one.kind.severity is severity for one in found) for severity in Severity}
    words = {Severity.OK: "well", Severity.UNKNOWN: "could not be done"} | {
        one: one.value if counts[one] == 1 else f"{one.value}s"
        for one in (Severity.ERROR, Severity.WARNING, Severity.NOTICE)
    }
    order = (Severity.ERROR, Severity.WARNING, Severity.NOTICE, Severity.UNKNOWN, Severity.OK)
    return ", ".join(f"{counts[one]} {words[one]}" for one in order)


def _as_json(found: Sequence[Finding]) -> str:
    rows = [
        {
            "code": one.kind.code,
            "check": one.kind.check,
            "severity": one.kind.severity,
            "application": one.application,
            "provider": one.provider,
            "seen": one.seen,
            "cure": one.kind.cure,
        }
        for one in found
    ]
    return json.dumps({"version": 1, "findings": rows}, indent=2, ensure_ascii=False)


def _secret(text: str) -> Secret:
    try:
        return Secret.parse(text)
    except PydanticCustomError:
        # Not repeated: it may be the token itself.
        raise click.ClickException("--token wants file:///absolute/path or env://NAME") from None
