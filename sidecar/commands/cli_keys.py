"""The command `lychgate keys new`: a fresh key, printed or put first in a list. Asks and changes nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import click

from sidecar.adapters.key_lists import KINDS, MOST, new_key, renewed, spelled_time
from sidecar.adapters.settings import seconds
from sidecar.commands.terminal import FILE
from sidecar.domain.identity import UnixSeconds

LEAD = "5m"
"""Longer than a cluster takes to bring a changed Secret to every pod."""


def _duration(_context: click.Context, _option: click.Parameter, value: str) -> int:
    try:
        found = seconds(value)
    except ValueError:
        found = None
    if not isinstance(found, int):
        raise click.BadParameter("write a number with its unit, such as 90s, 5m or 1h")
    return found


@click.group()
def keys() -> None:
    """Keys that sign and seal: made, and changed without a restart."""


@keys.command("new")
@click.option(
    "--kind",
    type=click.Choice(KINDS),
    default="cookie",
    show_default=True,
    help="cookie: for cookie_keys; ed25519: for assertion_key and audit.key; rsa: for a provider's client_key; "
    "secret: one that is shared, such as landing.client_secret.",
)
@click.option("--into", type=FILE, help="Put it first in the list of this file, whole and with mode 0600.")
@click.option(
    "--keep",
    type=click.IntRange(0, MOST - 1),
    default=3,
    show_default=True,
    help="With --into: how many of the old keys stay. What those that go have signed ends.",
)
@click.option(
    "--lead",
    callback=_duration,
    default=LEAD,
    show_default=True,
    help="With --into: for so long the new key only verifies, until every gate knows it. 0s where there is one gate.",
)
def keys_new(kind: str, into: Path | None, keep: int, lead: int) -> None:
    """Make a fresh key. Without --into it is printed, and nothing else is."""
    made = new_key(kind)
    if into is None:
        click.echo(made)
        return
    now = UnixSeconds(int(time.time()))
    try:
        kept, dropped = renewed(into, made, now, keep=keep, lead=lead)
    except OSError as error:
        raise click.ClickException(f"{into} cannot be written, and is as it was: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(f"{into} {error}; it is as it was") from None
    begins = spelled_time(UnixSeconds(now + lead)) if lead and kept else "now"
    click.echo(f"{into}: the new key signs from {begins} on. Older keys that still verify: {kept}.")
    if dropped:
        click.echo(f"Keys that are gone: {dropped}. What they signed ends.")
