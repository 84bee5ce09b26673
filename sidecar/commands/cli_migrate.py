"""The commands `lychgate migrate`: the introduction to a living site. Each only looks unless it is told to apply."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sidecar.adapters.settings import pattern_fault
from sidecar.commands.doors import Door
from sidecar.commands.everybody import Row, everybody_in
from sidecar.commands.migrating import Passed, adopt_groups, link_everybody, reported
from sidecar.commands.relinking import ListError
from sidecar.commands.reporting import SHOWN, report_json, report_lines
from sidecar.commands.terminal import FILE, door_named, loaded_from, run
from sidecar.config.load import Loaded
from sidecar.flows.accounts import PinConflictError

F = TypeVar("F", bound=Callable[..., Any])

LEFT = 3
"""Status of a command that left some lines alone."""


@click.group()
def migrate() -> None:
    """The introduction to a living site."""


def _at_a_door(command: F) -> F:
    """The options with which every command here begins."""
    for option in (
        click.option("--provider", help="Whose people they are; without it the portal's first provider."),
        click.option("--portal", help="Where they come in; without it the application's default portal."),
        click.option("--application", required=True, help="Name of the application in the configuration."),
        click.option("-c", "--config", type=FILE, required=True, help="The configuration file."),
    ):
        command = option(command)
    return command


@migrate.command("report")
@_at_a_door
@click.option("--idp", type=FILE, help="CSV with a heading: subject and claims of everybody, `groups` among them.")
@click.option("--read-only", type=FILE, help="Usernames, one a line, whose directory cannot be written.")
@click.option("--all", "everybody", is_flag=True, help="Show everybody one by one.")
@click.option("--json", "as_json", is_flag=True, help="Everything, for programs.")
def migrate_report(
    config: Path,
    application: str,
    portal: str | None,
    provider: str | None,
    idp: Path | None,
    read_only: Path | None,
    *,
    everybody: bool,
    as_json: bool,
) -> None:
    """Say how the site would stand if everybody signed in now. Nothing is changed; the gate may run."""
    loaded = loaded_from(config)
    door = door_named(loaded, application, portal, provider)
    rows = _rows(idp, loaded, door) if idp is not None else ()
    run(_report(loaded, door, rows, _names(read_only), everybody=everybody, as_json=as_json))


@migrate.command("link")
@_at_a_door
@click.option("--idp", type=FILE, required=True, help="CSV with a heading: subject and claims of everybody.")
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown. The gate must not run then.")
def migrate_link(
    config: Path, application: str, portal: str | None, provider: str | None, idp: Path, *, apply: bool
) -> None:
    """Tie to everybody on a list the ordinary account of their name. Lines that do not fit are left alone and told:
    status 3."""
    loaded = loaded_from(config)
    door = door_named(loaded, application, portal, provider)
    run(_link(loaded, door, _rows(idp, loaded, door), apply=apply))


@migrate.command("adopt-groups")
@_at_a_door
@click.option("--idp", type=FILE, required=True, help="CSV with a heading: subject and claims, `groups` among them.")
@click.option("--pattern", required=True, help="The application's groups: a regular expression for the whole name.")
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown. The gate must not run then.")
def migrate_adopt_groups(
    config: Path, application: str, portal: str | None, provider: str | None, idp: Path, pattern: str, *, apply: bool
) -> None:
    """Make memberships that are there Lychgate's own: only of linked people, and only in groups that their claims give
    them too. From then on they are left when the claims no longer give them."""
    loaded = loaded_from(config)
    door = door_named(loaded, application, portal, provider)
    wrong = pattern_fault(pattern)
    if wrong is not None:
        raise click.ClickException(f"--pattern {wrong[0]}; {wrong[1]}")
    run(_adopt(loaded, door, _rows(idp, loaded, door), pattern, apply=apply))


async def _report(
    loaded: Loaded, door: Door, rows: tuple[Row, ...], read_only: frozenset[str], *, everybody: bool, as_json: bool
) -> None:
    report = await reported(loaded, door, rows, read_only)
    name = door.application.name
    if as_json:
        click.echo(json.dumps(report_json(name, report), ensure_ascii=False, indent=2))
        return
    for line in report_lines(name, report, everybody=everybody):
        click.echo(line)


async def _link(loaded: Loaded, door: Door, rows: tuple[Row, ...], *, apply: bool) -> None:
    try:
        done = await link_everybody(loaded, door, rows, apply=apply)
    except PinConflictError as error:
        raise click.ClickException(f"nothing was linked: {error}") from None
    if not apply:
        for pin in done.pins:
            click.echo(f"{pin.spelling}: subject {pin.person.subject}")
    _tell(done.passed)
    word = "were linked" if apply else "would be linked; write --apply to do it"
    click.echo(f"{door.application.name}: {len(done.pins)} {word}; {done.already} were linked before")
    if done.passed:
        raise SystemExit(LEFT)


async def _adopt(loaded: Loaded, door: Door, rows: tuple[Row, ...], pattern: str, *, apply: bool) -> None:
    done = await adopt_groups(loaded, door, rows, pattern, apply=apply)
    if not apply:
        for one in done.owned:
            click.echo(f"{one.username}: {one.group}")
    _tell(done.passed)
    word = "are Lychgate's own now" if apply else "would become Lychgate's own; write --apply to do it"
    click.echo(f"{door.application.name}: {len(done.owned)} memberships {word}")
    if done.passed:
        raise SystemExit(LEFT)


def _tell(passed: tuple[Passed, ...]) -> None:
    for one in passed[:SHOWN]:
        click.echo(f"left alone: line {one.line}, subject {one.subject or '?'}: {one.why}", err=True)
    if len(passed) > SHOWN:
        click.echo(f"left alone: {len(passed) - SHOWN} more; `lychgate migrate report --all` shows them", err=True)


def _rows(idp: Path, loaded: Loaded, door: Door) -> tuple[Row, ...]:
    try:
        return everybody_in(idp, loaded.policy.providers[door.provider])
    except ListError as error:
        raise click.ClickException(str(error)) from None


def _names(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        return frozenset(line.strip().lower() for line in path.read_text("utf-8-sig").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path} cannot be read: {error}") from None
