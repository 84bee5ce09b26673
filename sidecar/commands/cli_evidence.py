"""The commands `lychgate audit report` and `lychgate audit pseudonym`: what an auditor takes along, and finds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from sidecar import __version__
from sidecar.adapters.audit.record import name_mark, person_mark
from sidecar.adapters.audit.report import Gathering, Period
from sidecar.adapters.audit.report_files import Cover, files
from sidecar.adapters.audit.show import records
from sidecar.adapters.audit.verify import BrokenError, Line, Result, Verifier
from sidecar.adapters.seal import Sealer
from sidecar.adapters.secrets import SecretError
from sidecar.building.parts import pseudonym_of
from sidecar.commands.cli_audit import BROKEN, TIMES, UNSIGNED, lines_of, loaded_of, of_a_trail, verifier_of
from sidecar.commands.terminal import FILE
from sidecar.config.outside import cookie_keys
from sidecar.core.issuers import issuers_of
from sidecar.domain.identity import Person

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("trail", nargs=-1, type=click.Path(path_type=Path, allow_dash=True))
@of_a_trail
@click.option("--since", type=click.DateTime(TIMES), required=True, help="From this time on (UTC).")
@click.option("--until", type=click.DateTime(TIMES), required=True, help="Before this time (UTC).")
@click.option("--dormant", type=click.IntRange(1, 3650), default=90, help="Days after which an account is dormant.")
@click.option("--out", type=_FOLDER, required=True, help="A folder that does not exist yet, or is empty.")
def report(
    trail: tuple[Path, ...],
    config: Path | None,
    key_file: Path | None,
    checkpoints: Path | None,
    since: datetime,
    until: datetime,
    dormant: int,
    out: Path,
    *,
    part: bool,
    many: bool,
) -> None:
    """Write the evidence of a period: who came, changed, left and how fast, who was refused, and what is dormant. The
    trail is verified first. Status as with `verify`."""
    period = Period(since.replace(tzinfo=UTC), until.replace(tzinfo=UTC), timedelta(days=dormant))
    if period.since >= period.until:
        raise click.UsageError("--since is not before --until")
    trail, verifier = verifier_of(trail, config, key_file, checkpoints, part=part, many=many)
    gathering, status = Gathering(period), 0
    try:
        _make(out)
        cover = _read(gathering, verifier, lines_of(trail))
        status = cover[1]
        about = _about(period, gathering, trail)
        found = files(Cover(facts=about, held=status != BROKEN, verdict=cover[0], notes=cover[2]), gathering.tables())
        for name, body in found.items():
            _write(out / name, body)
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    click.echo(f"{out}: {len(found)} files; {cover[0]}")
    if status:
        raise SystemExit(status)


@click.command()
@click.argument("person")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
def pseudonym(config: Path, person: str) -> None:
    """Say under which pseudonyms PERSON stands in a sink that hides persons: a `sub`, `iss` and `sub` with a blank
    between, or the name of an account."""
    loaded = loaded_of(config)
    try:
        keys = cookie_keys(loaded.config)
    except SecretError as error:
        raise click.ClickException(str(error)) from None
    issuer, _, subject = person.strip().rpartition(" ")
    known = sorted({one for provider in loaded.policy.providers.values() for one in issuers_of(provider)})
    for number, key in enumerate(keys):
        mark, since = pseudonym_of(Sealer([key.encode()])), "" if number == 0 else f" (cookie_keys[{number}])"
        for one in [issuer] if issuer else known:
            click.echo(f"--person {person_mark(mark, Person(one, subject))}  {subject} at {one}{since}")
        if not issuer:
            click.echo(f"--username {name_mark(mark, subject)}  account {subject}{since}")


def _read(gathering: Gathering, verifier: Verifier, lines: Iterator[Line]) -> tuple[str, int, list[str]]:
    """One pass: what is judged is what is told. Behind a fault the rest is gathered all the same, and said to be so."""

    def passing() -> Iterator[Line]:
        for line in lines:
            for record in records([line.text]):
                gathering.take(record)
            yield line

    source = passing()
    try:
        result = verifier.run(source)
    except BrokenError as error:
        for _ in source:
            pass
        return f"The trail is NOT as it was written: {error}. What stands behind this place proves nothing.", BROKEN, []
    return (*_verdict(result), result.notes)


def _verdict(result: Result) -> tuple[str, int]:
    spans = "; ".join(f"chain {name}, records {one.first} to {one.last}" for name, one in result.chains.items())
    held = f"The trail is as it was written ({spans or 'no records'})"
    if result.unsigned or result.torn:
        return f"{held}, but its last {result.unsigned} records are not signed yet.", UNSIGNED
    return f"{held}, and signed to its end.", 0


def _about(period: Period, gathering: Gathering, trail: tuple[Path, ...]) -> dict[str, str]:
    beginning = gathering.first or "nowhere: there are no records"
    return {
        "From (UTC)": f"{period.since:%Y-%m-%d %H:%M:%S}",
        "Until, not included (UTC)": f"{period.until:%Y-%m-%d %H:%M:%S}",
        "Dormant": f"not used for {period.dormant.days} days at the end of the period",
        "Records of the period": str(gathering.count),
        "The trail begins": f"{beginning}; of accounts that nobody used since then it knows nothing",
        "Files": ", ".join(path.name or str(path) for path in trail),
        "Made": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC by lychgate {__version__}",
    }


def _make(out: Path) -> None:
    """Evidence is not mixed, and not written over."""
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(out.iterdir()):
        raise click.UsageError(f"{out} is not empty")


def _write(path: Path, body: bytes) -> None:
    path.touch(mode=0o600, exist_ok=False)
    path.write_bytes(body)
