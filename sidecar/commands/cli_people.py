"""The commands `lychgate accounts show`, `plan`, `sync` and `undo`: what is known of somebody, what would be done, and
what was done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from sidecar.commands.calling import Gate
from sidecar.commands.doors import Door, QuestionError, door_of
from sidecar.commands.explaining import claims_in
from sidecar.commands.looking import Sight, sight
from sidecar.commands.persons import Ahead, ahead_of, ahead_with, known, known_lines, plan_lines, synced, time_text
from sidecar.commands.reporting import entry_text
from sidecar.commands.terminal import FILE, application_of, door_named, loaded_from, run
from sidecar.config.load import Loaded
from sidecar.core.usernames import fold
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.flows.undoing import Outcome, Undoing

F = TypeVar("F", bound=Callable[..., Any])

TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")
FAILED = 3
"""Status of an undoing of which a part failed."""


def _of_somebody(command: F) -> F:
    for option in (
        click.option("--application", required=True, help="Name of the application in the configuration."),
        click.option("-c", "--config", type=FILE, required=True, help="The configuration file."),
        click.argument("person"),
    ):
        command = option(command)
    return command


def _with_claims(command: F) -> F:
    for option in (
        click.option("--provider", help="Of the claims in the file; without it the portal's first."),
        click.option("--portal", help="Where the claims of the file come in; without it the default portal."),
        click.option("--claims", type=FILE, help="JSON with claims; without it those of the youngest session."),
    ):
        command = option(command)
    return command


@click.command("show")
@_of_somebody
def accounts_show(config: Path, application: str, person: str) -> None:
    """Show what is known of PERSON: a username, or issuer and subject with a blank between. The gate may run."""
    loaded = loaded_from(config)
    run(_show(loaded, application_of(loaded, application), person))


@click.command("plan")
@_of_somebody
@_with_claims
def accounts_plan(
    config: Path, application: str, person: str, claims: Path | None, portal: str | None, provider: str | None
) -> None:
    """Show what would be done for PERSON now, and why. Nothing is changed; the gate may run. Status 1: they would be
    kept out."""
    loaded = loaded_from(config)
    door = door_named(loaded, application, portal, provider)
    run(_plan(loaded, door, person, claims, apply=False))


@click.command("sync")
@_of_somebody
@_with_claims
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown.")
@click.option("--reason", help="Why; the running gate demands it, and its audit trail tells it.")
@click.option("--socket", type=FILE, help="The running gate's control socket, instead of what the configuration says.")
def accounts_sync(
    config: Path,
    application: str,
    person: str,
    claims: Path | None,
    portal: str | None,
    provider: str | None,
    reason: str | None,
    socket: Path | None,
    *,
    apply: bool,
) -> None:
    """Make PERSON's account ready as their next sign-in would. The running gate does it, or this command where none
    runs."""
    loaded = loaded_from(config)
    door = door_named(loaded, application, portal, provider)
    if apply:
        given = {"application": application, "person": person, "portal": portal, "provider": provider}
        done = Gate(config, socket).ask_if_running("accounts sync", {**given, **_brought(claims), "reason": reason})
        if done is not None:
            click.echo(f"{done['application']}: {done['username']} is ready")
            return
    run(_plan(loaded, door, person, claims, apply=apply))


@click.command("undo")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--since", type=click.DateTime(TIMES), required=True, help="What was done from this time on (UTC).")
@click.option("--username", help="Of this account only.")
@click.option("--leavers", is_flag=True, help="Also switch on again whom the provider said to be gone.")
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown. The gate must not run then.")
def accounts_undo(
    config: Path, application: str, since: datetime, username: str | None, *, leavers: bool, apply: bool
) -> None:
    """Take back what Lychgate did to accounts, the youngest first. What somebody else changed since stays."""
    loaded = loaded_from(config)
    start = UnixSeconds(int(since.replace(tzinfo=UTC).timestamp()))
    run(_undo(loaded, application_of(loaded, application), start, username, leavers=leavers, apply=apply))


def _brought(claims: Path | None) -> dict[str, object]:
    """The claims of a file, for the running gate."""
    if claims is None:
        return {}
    try:
        id_token, userinfo = claims_in(claims)
    except QuestionError as error:
        raise click.ClickException(str(error)) from None
    return {"claims": dict(id_token), "userinfo": dict(userinfo)}


async def _show(loaded: Loaded, application: Application, person: str) -> None:
    async with sight(loaded, application, apply=False) as at:
        for line in known_lines(await known(at, person)):
            click.echo(line)


async def _plan(loaded: Loaded, door: Door, person: str, claims: Path | None, *, apply: bool) -> None:
    async with sight(loaded, door.application, apply=apply) as at:
        ahead = await ahead_of(at, await known(at, person), door, claims)
        out = _show_plan(at, ahead)
        if apply:
            click.echo(f"{door.application.name}: {await synced(at, ahead)} is ready")
            out = False
    if out:
        raise SystemExit(1)


async def show_account(
    loaded: Loaded, application: Application, claims: Path, portal: str | None, provider: str | None
) -> None:
    """The account of whoever has the claims of a file, and what would be done to it."""
    door = door_of(application, portal, provider)
    async with sight(loaded, application, apply=False) as at:
        ahead = await ahead_with(at, door, *claims_in(claims))
        account = ahead.foreseen.seen.account if ahead.foreseen.seen is not None else None
        state = "none" if account is None else f"{account.username}, {'active' if account.active else 'inactive'}"
        click.echo(f"{'account there:':<28} {state}")
        out = _show_plan(at, ahead)
    if out:
        raise SystemExit(1)


def _show_plan(at: Sight, ahead: Ahead) -> bool:
    """Whether something in it keeps the person out."""
    out = ahead.who.refused is not Reason.OK
    if out:
        click.echo(f"portal {ahead.portal.name} keeps them out: {ahead.who.refused.value}; without that:")
    for line in plan_lines(at, ahead):
        reason = "" if line.reason is Reason.OK else f"{line.reason.value}: "
        click.echo(f"{line.what + ':':<28} {reason}{line.why}")
        out = out or line.reason is not Reason.OK
    return out


async def _undo(
    loaded: Loaded, application: Application, since: UnixSeconds, username: str | None, *, leavers: bool, apply: bool
) -> None:
    async with sight(loaded, application, apply=apply) as at:
        undoing = Undoing(application.name, at.connector, at.state.ledger, at.audit, at.clock)
        only = fold(username) if username is not None else None
        outcomes = await undoing.run(since, apply=apply, only=only, leavers=leavers)
    for outcome in outcomes:
        click.echo(_outcome_text(outcome, apply=apply))
    back = sum(outcome.way is not None and not outcome.failed for outcome in outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    word = "were taken back" if apply else "would be taken back; write --apply to do it"
    click.echo(f"{application.name}: {back} of {len(outcomes)} {word}; {failed} failed")
    if failed:
        raise SystemExit(FAILED)


def _outcome_text(outcome: Outcome, *, apply: bool) -> str:
    entry = outcome.entry
    done = "taken back" if apply else "to be taken back"
    said = "failed: " + outcome.why if outcome.failed else f"stays: {outcome.why}" if outcome.way is None else done
    return f"{time_text(entry.at)} {entry.username}: {entry_text(entry)}: {said}"
