"""The commands `lychgate sessions`, `block`, `unblock`, `bans` and `revoke`: what is done to those who are signed in.
The gate must run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from sidecar.commands.calling import Gate, as_wanted, at_gate, with_reason, write_json
from sidecar.commands.status_text import time_of

F = TypeVar("F", bound=Callable[..., Any])


def _at_application(command: F) -> F:
    return click.option("--application", help="At this application only.")(command)


@click.group()
def sessions() -> None:
    """Who is signed in at the running gate."""


@sessions.command("list")
@at_gate
@as_wanted
@_at_application
@click.option("--person", help="Of this username, or issuer and subject with a blank between.")
def sessions_list(gate: Gate, form: str, application: str | None, person: str | None) -> None:
    """List live sessions, the oldest first."""
    answer = gate.ask("sessions list", {"application": application, "person": person})
    if form == "json":
        write_json(answer)
        return
    for one in answer["sessions"]:
        who = one["username"] or f"subject {one['subject']} at {one['issuer']}"
        where = f"{one['application']}/{one['portal']}" + (f" on {one['node']}" if one["node"] else "")
        times = f"since {time_of(one['since'])}, used {time_of(one['seen'])}"
        click.echo(f"{one['id']}  {who}  {where} by {one['provider']}  {times}  from {one['address'] or 'unknown'}")
    more = f"; {answer['more']} more: name a person or an application" if answer["more"] else ""
    click.echo(f"{len(answer['sessions'])} sessions{more}")


@sessions.command("end")
@at_gate
@with_reason
@click.argument("session", required=False)
@_at_application
@click.option("--person", help="All of this username, or of issuer and subject with a blank between.")
@click.option("--all", "everybody", is_flag=True, help="All sessions.")
def sessions_end(
    gate: Gate, reason: str, session: str | None, application: str | None, person: str | None, *, everybody: bool
) -> None:
    """End SESSION (an id of `sessions list`), or those of a person, or all. Whoever it was may sign in again."""
    given = {"id": session, "application": application, "person": person, "all": everybody, "reason": reason}
    click.echo(f"{gate.ask('sessions end', given)['ended']} sessions ended")


@click.command("block")
@at_gate
@with_reason
@click.argument("person")
@_at_application
def block(gate: Gate, reason: str, person: str, application: str | None) -> None:
    """Refuse PERSON from now on, at every gate, and end their sessions. A username, or issuer and subject with a blank
    between."""
    answer = gate.ask("block", {"person": person, "application": application, "reason": reason})
    done = "is blocked" if answer["blocked"] else "was blocked already"
    click.echo(f"{person} {done}; {answer['ended']} sessions ended")
    for name in answer["tokens_pass_at"]:
        said = f"{name}: personal access tokens pass without a look; write api.pat_owner: resolve, or delete them there"
        click.echo(said, err=True)


@click.command("unblock")
@at_gate
@with_reason
@click.argument("person")
@_at_application
def unblock(gate: Gate, reason: str, person: str, application: str | None) -> None:
    """Let PERSON in again, as `block` named them."""
    _ = gate.ask("unblock", {"person": person, "application": application, "reason": reason})
    click.echo(f"{person} is not blocked any more")


@click.command("bans")
@at_gate
@as_wanted
def bans(gate: Gate, form: str) -> None:
    """List what is refused until somebody takes it back: persons, accounts, providers, keys."""
    answer = gate.ask("bans")
    if form == "json":
        write_json(answer)
        return
    for one in answer["bans"]:
        name = f"{one['issuer']} {one['value']}".strip()
        where = f" at {one['application']}" if one["application"] else ""
        click.echo(f"{one['kind']} {name}{where}: since {time_of(one['since'])} by user {one['uid']}: {one['reason']}")
    click.echo(f"{len(answer['bans'])} bans")


@click.group()
def revoke() -> None:
    """Take back a key, a provider, a session or somebody's sign-ins, at once."""


def _undoable(command: F) -> F:
    return click.option("--undo", is_flag=True, help="Accept it again.")(command)


@revoke.command("key")
@at_gate
@with_reason
@click.argument("key")
@_undoable
def revoke_key(gate: Gate, reason: str, key: str, *, undo: bool) -> None:
    """Let KEY of cookie_keys (an id that `status` tells) sign, verify, seal and open nothing any more."""
    answer = gate.ask("revoke key", {"key": key, "undo": undo, "reason": reason})
    if undo:
        click.echo(f"{key} counts again")
        return
    click.echo(f"{key} counts no more; {answer['signs']} signs. Remove it from cookie_keys")


@revoke.command("provider")
@at_gate
@with_reason
@click.argument("provider")
@_undoable
def revoke_provider(gate: Gate, reason: str, provider: str, *, undo: bool) -> None:
    """End all sessions of PROVIDER, and let nobody in with it until --undo."""
    answer = gate.ask("revoke provider", {"provider": provider, "undo": undo, "reason": reason})
    click.echo(f"{provider} is accepted again" if undo else f"{provider} is revoked; {answer['ended']} sessions ended")


@revoke.command("session")
@at_gate
@with_reason
@click.argument("session")
def revoke_session(gate: Gate, reason: str, session: str) -> None:
    """End SESSION, an id of `sessions list`."""
    click.echo(f"{gate.ask('revoke session', {'id': session, 'reason': reason})['ended']} sessions ended")


@revoke.command("person")
@at_gate
@with_reason
@click.argument("person")
def revoke_person(gate: Gate, reason: str, person: str) -> None:
    """End the sessions of PERSON at all applications, and sign-ins that are under way; a new sign-in is welcome."""
    answer = gate.ask("revoke person", {"person": person, "reason": reason})
    click.echo(f"{answer['ended']} sessions ended")
