"""The commands `lychgate why` and `lychgate report groups`: what became of people, and why. The gate must run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from sidecar.adapters.settings import seconds
from sidecar.commands.calling import Gate, as_wanted, at_gate, write_json
from sidecar.commands.status_text import time_of
from sidecar.domain.reason import Reason
from sidecar.web.texts import TEXTS


@click.command("why")
@at_gate
@as_wanted
@click.argument("person")
@click.option("--application", help="At this application only.")
def why(gate: Gate, form: str, person: str, application: str | None) -> None:
    """Tell what lately became of PERSON, and the cure of each refusal. A username, or issuer and subject with a blank
    between."""
    answer = gate.ask("why", {"person": person, "application": application})
    if form == "json":
        write_json({**answer, "cures": _cures(answer)})
        return
    for line in _lines(person, answer):
        click.echo(line)


@click.group()
def report() -> None:
    """What Lychgate did, as a list."""


@report.command("groups")
@at_gate
@as_wanted
@click.option("--lost", is_flag=True, required=True, help="Groups that people left.")
@click.option("--since", default="7d", show_default=True, help="How far back: 7d, 12h, 30m.")
@click.option("--application", help="At this application only.")
def report_groups(gate: Gate, form: str, since: str, application: str | None, *, lost: bool) -> None:
    """List who lost which group by Lychgate, when and why; without what was taken back since."""
    try:
        ago = seconds(since)
    except ValueError:
        raise click.ClickException(f"--since {since}: write a number with its unit, such as 12h or 7d") from None
    answer = gate.ask("report groups", {"seconds": ago, "application": application})
    if form == "json":
        write_json(answer)
        return
    for one in answer["lost"]:
        where = " and ".join(one["portals"]) or "an earlier portal"
        unsure = "" if one["confirmed"] else " (not known whether it was done)"
        why_ = f"Lychgate had given it for {where}, and the sign-in asked for it no more"
        click.echo(f"{time_of(one['at'])}  {one['application']}  {one['username']}  {one['group']}  {why_}{unsure}")
    people = len({(one["application"], one["username"]) for one in answer["lost"]})
    more = f"; {answer['more']} older ones are not listed" if answer["more"] else ""
    click.echo(f"{len(answer['lost'])} groups of {people} people since {time_of(answer['since'])}{more}")
    for name in answer["short"]:
        click.echo(f"{name}: accounts.journal is kept for a shorter time than that", err=True)


def _lines(person: str, answer: Mapping[str, Any]) -> Iterator[str]:
    for ban in answer["bans"]:
        where = f" at {ban['application']}" if ban["application"] else ""
        yield f"!! blocked{where} since {time_of(ban['since'])} by user {ban['uid']}: {ban['reason']}"
    for one in answer["happened"]:
        where = "/".join(part for part in (one["application"], one["portal"]) if part)
        said = one["code"] if one["reason"] == Reason.OK else f"{one['code']}: {one['reason']}"
        detail = f"  {one['detail']}" if one["detail"] else ""
        request = f"  request {one['request']}" if one["request"] else ""
        yield f"{time_of(one['at'])}  {where}  {said}{detail}{request}"
    for reason, cure in _cures(answer).items():
        yield f"{reason}: {cure}"
    if not answer["happened"]:
        yield f"nothing is known of {person}: no sign-in, refusal or account change within 30 days"


def _cures(answer: Mapping[str, Any]) -> Mapping[str, str]:
    """What an administrator can do about each reason, once."""
    known = {reason.value: text.for_admin for reason, text in TEXTS.items()}
    reasons = dict.fromkeys(one["reason"] for one in answer["happened"] if one["reason"] != Reason.OK)
    return {reason: known.get(reason, "a newer Lychgate's reason") for reason in reasons}
