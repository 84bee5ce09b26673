"""The commands `lychgate audit`: verify, show, key. They read files only, beside a running gate or far away from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click

from sidecar.adapters.audit.chain import LONGEST
from sidecar.adapters.audit.keys import CheckpointKey, PublicKeys, read_public
from sidecar.adapters.audit.segments import sealed_beside
from sidecar.adapters.audit.show import Record, Wanted, is_linked, links_in, records, told
from sidecar.adapters.audit.verify import BrokenError, Line, Result, Verifier
from sidecar.adapters.secrets import SecretError
from sidecar.commands.terminal import FILE, loaded_from
from sidecar.config.load import Loaded
from sidecar.config.outside import audit_keys

TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ")
F = TypeVar("F", bound=Callable[..., Any])
BROKEN, UNSIGNED = 1, 3
"""Statuses of `verify`, beside 0."""


@click.group()
def audit() -> None:
    """What the audit trail says, and whether it is whole."""


def of_a_trail(command: F) -> F:
    """The options of a command that verifies a trail."""
    for option in (
        click.option(
            "--many", is_flag=True, help="Collected standard output: many chains, and lines of others between."
        ),
        click.option("--part", is_flag=True, help="The files are a part of a trail and may begin in its middle."),
        click.option("--checkpoints", type=FILE, help="The second place of the checkpoints."),
        click.option(
            "-k", "--key", "key_file", type=FILE, help="File with the public keys that `lychgate audit key` prints."
        ),
        click.option("-c", "--config", type=FILE, help="Take key, files and second place from this configuration."),
    ):
        command = option(command)
    return command


@audit.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@of_a_trail
def verify(
    files: tuple[Path, ...],
    config: Path | None,
    key_file: Path | None,
    checkpoints: Path | None,
    *,
    part: bool,
    many: bool,
) -> None:
    """Check a trail, oldest file first; `-` is standard input. Status 0: whole and signed to its end. 1: not as it
    was written. 3: whole, but its end is not signed yet."""
    files, verifier = verifier_of(files, config, key_file, checkpoints, part=part, many=many)
    try:
        result = verifier.run(lines_of(files))
    except BrokenError as error:
        click.echo(f"not as it was written: {error}")
        raise SystemExit(BROKEN) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    _report(result)


def verifier_of(
    files: tuple[Path, ...],
    config: Path | None,
    key_file: Path | None,
    checkpoints: Path | None,
    *,
    part: bool,
    many: bool,
) -> tuple[tuple[Path, ...], Verifier]:
    """What is to be read, and what judges it."""
    if (config is None) == (key_file is None):
        raise click.UsageError("name either the configuration (-c) or the public keys (-k)")
    loaded = loaded_of(config) if config is not None else None
    keys = _keys(loaded, key_file)
    files = files or _files(loaded)
    if checkpoints is None and loaded is not None and loaded.config.audit.file is not None and not many:
        second = loaded.config.audit.file.checkpoints
        checkpoints = Path(second) if second is not None else None
    elsewhere = lines_of([checkpoints]) if checkpoints is not None else None
    return files, Verifier(keys, elsewhere, part=part, many=many)


@audit.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@click.option("-c", "--config", type=FILE, help="Take the files from this configuration.")
@click.option("--person", default="", help="`sub` of a person, or `iss`, a blank and `sub`.")
@click.option("--username", default="", help="Name of an account.")
@click.option("--portal", default="", help="Name of a portal.")
@click.option("--code", default="", help="A code, or a pattern such as `login.*`.")
@click.option("--request", default="", help="A request id, as on an error page.")
@click.option("--session", default="", help="A session as the trail shows it: 16 hex digits.")
@click.option("--attempt", default="", help="A sign-in as the trail shows it: 16 hex digits.")
@click.option("--since", type=click.DateTime(TIMES), help="From this time on (UTC).")
@click.option("--until", type=click.DateTime(TIMES), help="Before this time (UTC).")
@click.option("--follow", is_flag=True, help="Also all else of the sessions and sign-ins in what was found.")
@click.option("--json", "as_json", is_flag=True, help="The records as they are, one a line.")
def show(
    files: tuple[Path, ...],
    config: Path | None,
    since: datetime | None,
    until: datetime | None,
    *,
    follow: bool,
    as_json: bool,
    **names: str,
) -> None:
    """Show what happened, oldest first: filtered, or one request, sign-in or session through all its events."""
    files = files or _files(loaded_of(config) if config is not None else None)
    wanted = Wanted(since=_utc(since), until=_utc(until), **names)
    try:
        found = False
        for record in _followed(files, wanted) if follow else filter(wanted.fits, _records(files)):
            click.echo(json.dumps(record, ensure_ascii=True) if as_json else told(record))
            found = True
        if not found:
            click.echo(_NOTHING, err=True)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None


@audit.command()
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
def key(config: Path) -> None:
    """Print the public keys of the checkpoints (PEM): give them to whoever verifies the trail, by another way."""
    for public in _audit_keys(loaded_of(config)):
        click.echo(f"# {public.name}\n{public.pem()}", nl=False)


_NOTHING = (
    "Nothing fits. Are all files of the time there, the sealed ones too? Beyond ten of a kind in a minute, refusals of "
    "people without a session are only counted: `--code audit.counted` shows how many."
)


def _followed(files: tuple[Path, ...], wanted: Wanted) -> Iterator[Record]:
    if Path("-") in files:
        raise click.UsageError("--follow reads more than once, and standard input comes once")
    links = links_in(filter(wanted.fits, _records(files)))
    # A session's records name the sign-in that it began with, and a sign-in's the session.
    links |= links_in(one for one in _records(files) if is_linked(one, links))
    return (one for one in _records(files) if wanted.fits(one) or is_linked(one, links))


def _records(files: Iterable[Path]) -> Iterator[Record]:
    return records(line.text for line in lines_of(files))


def lines_of(files: Iterable[Path]) -> Iterator[Line]:
    """Never more than `LONGEST` bytes at a time; what is longer is no record."""
    for path in files:
        with ExitStack() as stack:
            dash = path == Path("-")
            stream = sys.stdin.buffer if dash else stack.enter_context(path.open("rb"))
            number = 0
            while text := stream.readline(LONGEST):
                number += 1
                yield Line(f"{'standard input' if dash else path.name}:{number}", text)


def _files(loaded: Loaded | None) -> tuple[Path, ...]:
    if loaded is None:
        raise click.UsageError("name the files, or a configuration with audit.file (-c)")
    if loaded.config.audit.file is None:
        raise click.ClickException("the configuration has no audit.file; name the files")
    growing = Path(loaded.config.audit.file.path)
    sealed = sealed_beside(growing)
    # A crash between sealing a segment and beginning the next leaves the sealed ones only.
    return (*sealed, growing) if growing.exists() or not sealed else tuple(sealed)


def _keys(loaded: Loaded | None, path: Path | None) -> PublicKeys:
    if loaded is not None:
        return {key.name: key.public for key in _audit_keys(loaded)}
    if path is None:
        return {}
    try:
        return read_public(path.read_bytes())
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise click.ClickException(f"{path} {error}") from None


def _audit_keys(loaded: Loaded) -> tuple[CheckpointKey, ...]:
    try:
        return audit_keys(loaded.config)
    except SecretError as error:
        raise click.ClickException(str(error)) from None


def loaded_of(path: Path) -> Loaded:
    """Without the secrets of the gate, which are not needed, and without warnings: they are not about the trail."""
    return loaded_from(path, secrets=False, warn=False)


def _utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time is not None else None


def _report(result: Result) -> None:
    for note in result.notes:
        click.echo(note)
    for name, standing in result.chains.items():
        click.echo(
            f"chain {name}: records {standing.first} to {standing.last} are as they were written; "
            f"signed up to {standing.signed or 'none'}"
        )
    if result.torn:
        click.echo(f"{result.torn}: the last record breaks off: it was being written, or was cut")
    if result.unsigned or result.torn:
        click.echo(f"not signed yet: the last {result.unsigned} records")
        raise SystemExit(UNSIGNED)
