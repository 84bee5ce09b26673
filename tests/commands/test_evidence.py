"""cli_evidence: the evidence of a period says what happened and whether the trail held."""

from __future__ import annotations

import csv
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.adapters.audit.report import Table
from sidecar.adapters.audit.report_files import MOST_SHOWN, Cover, cell, page, sheet
from sidecar.adapters.seal import Sealer
from sidecar.building.parts import pseudonym_of
from sidecar.cli import main
from sidecar.domain.events import Code, Event
from sidecar.domain.identity import Person
from sidecar.domain.reason import Reason
from tests.adapters.audit.trails import KEY, Trail, stranger
from tests.commands.test_ledger import CONFIG

ISSUER = "https://id.example"
DAY = 86_400
WHERE: Mapping[str, Any] = {"application": "jira", "portal": "agents", "provider": "staff"}


def told(code: Code, name: str, request: str = "", **more: Any) -> Event:
    facts = (
        {"account": name, **more.pop("facts", {})}
        if not code.startswith(("session", "login", "access", "product"))
        else {}
    )
    facts |= more.pop("cause", {})
    who = {"person": Person(ISSUER, name.upper()), "username": name}
    return Event(code=code, request=request, facts=facts, **{**WHERE, **who, **more})


@pytest.fixture
async def trail(tmp_path: Path) -> Trail:
    """A quarter: the clock begins at 2027-01-15T08:00:00Z."""
    trail = Trail(tmp_path)
    log, clock = trail.open(), trail.clock
    for name in ("idle", "left", "moved"):
        log.tell(told(Code.USER_LINKED, name, "r-0"))
        log.tell(told(Code.SESSION_CREATED, name, "r-0"))
    clock.time += 100 * DAY
    log.tell(told(Code.USER_LINKED, "new", "r-1", facts={"created": True}))
    log.tell(told(Code.USER_CREATED, "new", "r-1"))
    log.tell(told(Code.GROUP_ADDED, "new", "r-1", before=(), after=("=cmd|'/c calc'!A1",)))
    log.tell(told(Code.GROUP_ADDED, "moved", "r-2", before=("a",), after=("a", "b")))
    log.tell(told(Code.SESSION_CREATED, "left", "r-3"))
    log.tell(told(Code.SESSION_CREATED, "moved", "r-3"))
    clock.time += 90
    log.tell(told(Code.SESSION_ENDED, "left", "r-4", cause={"cause": "revoked"}))
    clock.time += 4
    log.tell(told(Code.PRODUCT_SESSIONS_ENDED, "left", "r-4"))
    log.tell(Event(code=Code.SESSIONS_REVOKED, request="r-4", facts={"issued": "2027-04-25T08:00:30Z"}))
    log.tell(told(Code.SESSION_ENDED, "moved", "r-5", cause={"cause": "recheck"}))
    log.tell(told(Code.SESSION_ENDED, "new", "r-7", cause={"cause": "user"}))
    log.tell(told(Code.PRODUCT_SESSIONS_ENDED, "new", "r-7"))
    clock.time += 60
    log.tell(told(Code.SESSION_CREATED, "moved", "r-6"))
    for _ in range(3):
        log.tell(told(Code.ACCESS_DENIED, "moved", "r-8", outcome="failure", reason=Reason.NOT_IN_GROUP))
    for number in range(25):
        log.tell(replace(stranger(number), reason=Reason.NO_SESSION))
    log.tell(told(Code.USER_REACTIVATED, "<b>back</b>", "r-9"))
    log.tell(told(Code.USER_UNLINKED, "gone", facts={"cause": "command"}))
    await log.close()
    (tmp_path / "key.pem").write_text(KEY.pem())
    return trail


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, words)])


def evidence(trail: Trail, *more: str, elsewhere: bool = True) -> tuple[Result, Path]:
    out = trail.folder / f"evidence-{secrets.token_hex(3)}"
    second = ("--checkpoints", trail.witness) if elsewhere else ()
    places = ("-k", trail.folder / "key.pem", *second, "--out", out)
    return run("report", *trail.files, *places, "--since", "2027-04-01", "--until", "2027-05-01", *more), out


def rows(out: Path, name: str) -> list[dict[str, str]]:
    with (out / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_tables_say_what_happened(trail: Trail) -> None:
    done, out = evidence(trail)

    assert 0 == done.exit_code, done.output
    (joiner,) = rows(out, "joiners")
    assert "'=cmd|'/c calc'!A1" == joiner["groups"]
    assert ("new", ISSUER, "NEW", "jira", "linked and created") == tuple(
        joiner[name] for name in ("username", "issuer", "subject", "application", "how")
    )
    assert [("moved", "b", "")] == [(row["username"], row["joined"], row["left"]) for row in rows(out, "movers")]
    assert [("<b>back</b>", "user.reactivated")] == [
        (row["username"], row["code"]) for row in rows(out, "reactivations")
    ]
    assert ["idle"] == [row["username"] for row in rows(out, "dormant")]
    assert [] == rows(out, "break-glass")
    assert ["user.unlinked"] == [row["code"] for row in rows(out, "administration")]


def test_the_time_to_revoke_counts_from_the_providers_word_to_the_last_end(trail: Trail) -> None:
    _, out = evidence(trail)
    found = {row["username"]: row for row in rows(out, "leavers")}

    assert {"left", "moved", "gone"} == set(found)
    left = found["left"]
    assert ("2027-04-25T08:00:30Z", "2027-04-25T08:01:34Z", "64") == (left["known"], left["ended"], left["seconds"])
    assert ("1", "") == (left["sessions"], left["returned"])
    assert "2027-04-25T08:02:34Z" == found["moved"]["returned"]
    assert "command" == found["gone"]["how"]


def test_refusals_are_counted_those_too_that_were_not_told_one_by_one(trail: Trail) -> None:
    _, out = evidence(trail)
    found = {(row["reason"], row["username"]): int(row["count"]) for row in rows(out, "refusals")}

    assert {("no_session", ""): 25, ("not_in_group", "moved"): 3} == found


def test_nothing_in_a_record_becomes_a_formula_or_markup(trail: Trail) -> None:
    _, out = evidence(trail)
    text = (out / "index.html").read_text("utf-8")

    assert "<b>back" not in text and "&lt;b&gt;back" in text
    for path in out.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as stream:
            cells = [one for row in csv.reader(stream) for one in row]
        assert [] == [one for one in cells if one.startswith(("=", "+", "-", "@", "\t"))]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20A", "\u3000=1"],
)
def test_a_cell_that_begins_like_a_formula_is_quoted(text: str) -> None:
    assert cell(text).startswith("'")
    assert "a=1" == cell("a=1")
    assert "a\\u202eb" == cell("a\u202eb")


def test_the_page_needs_nothing_and_says_what_is_only_in_the_sheet() -> None:
    table = Table("t", "T", "Many.", ("n",), tuple((str(number),) for number in range(MOST_SHOWN + 5)))
    text = page(Cover(facts={}, held=True, verdict="It held."), [table])

    noted = page(Cover(facts={}, held=True, verdict="It held.", notes=["7 events are <missing>"]), [table])
    assert "7 events are &lt;missing&gt;" in noted
    assert "5 more rows are in t.csv." in text and "default-src 'none'" in text
    assert not any(word in text for word in ("<script", "src=", 'http-equiv="refresh', "<link"))
    assert MOST_SHOWN + 6 == len(sheet(table).splitlines())


def test_the_page_says_whether_the_trail_held(trail: Trail) -> None:
    whole, out = evidence(trail)
    assert 0 == whole.exit_code
    assert "signed to its end" in (out / "index.html").read_text("utf-8")
    lines = trail.lines
    trail.replace(lines[:-1])
    unsigned, out = evidence(trail, elsewhere=False)
    assert (3, True) == (unsigned.exit_code, "not signed yet" in (out / "index.html").read_text("utf-8"))
    trail.replace([line.replace(b'"left"', b'"kept"') for line in lines])
    broken, out = evidence(trail)
    text = (out / "index.html").read_text("utf-8")
    assert (1, True) == (broken.exit_code, "NOT as it was written: audit.jsonl:" in text and 'class="broken"' in text)
    # What stands behind the fault is there all the same.
    assert {"kept", "moved", "gone"} == {row["username"] for row in rows(out, "leavers")}


def test_the_files_are_private_named_with_their_sums_and_never_written_over(trail: Trail) -> None:
    _, out = evidence(trail)
    lines = (out / "SHA256SUMS").read_text().splitlines()
    sums = {name: value for value, _, name in (line.partition("  ") for line in lines)}
    period = ("--since", "2027-04-01", "--until", "2027-05-01")
    again = run("report", *trail.files, "-k", trail.folder / "key.pem", *period, "--out", out)

    assert {path.name for path in out.iterdir()} == {*sums, "SHA256SUMS"}
    assert all(hashlib.sha256((out / name).read_bytes()).hexdigest() == value for name, value in sums.items())
    assert {0o600} == {path.stat().st_mode & 0o777 for path in out.iterdir()}
    assert (2, True) == (again.exit_code, "is not empty" in again.stderr)


def test_a_period_goes_forward(trail: Trail) -> None:
    done, out = evidence(trail, "--since", "2027-06-01")

    assert (2, False) == (done.exit_code, out.exists())


def test_a_pseudonym_finds_what_a_sink_wrote(tmp_path: Path) -> None:
    for name in ("cookie-key", "client"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(secrets.token_urlsafe(48), encoding="ascii")
    path = tmp_path / "lychgate.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    mark = pseudonym_of(Sealer([(tmp_path / "cookie-key").read_bytes()]))
    whole, short = run("pseudonym", f"{ISSUER} 00u1", "-c", path), run("pseudonym", "Ada", "-c", path)

    expected = "~" + mark(json.dumps([ISSUER, "00u1"]))
    assert [f"--person {expected}  00u1 at {ISSUER}"] == whole.stdout.splitlines()
    assert f"--username ~{mark('ada')}  account Ada" == short.stdout.splitlines()[-1]
    assert 2 == len(short.stdout.splitlines())
