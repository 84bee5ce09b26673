"""cli_audit: what an auditor and an administrator ask of the trail, and the statuses that scripts read."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.cli import main
from sidecar.domain.events import Code
from sidecar.domain.identity import Person
from sidecar.flows.telling import AuditError
from tests.adapters.audit.trails import KEY, Trail, event, stranger
from tests.commands.test_ledger import CONFIG


def run(*words: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, words)], input=stdin)


@pytest.fixture
async def trail(tmp_path: Path) -> Trail:
    trail = Trail(tmp_path)
    log = trail.open()
    bob = Person("https://id.example", "8")
    log.tell(stranger(1))
    log.tell(replace(event(2, Code.LOGIN_SUCCEEDED), session="1" * 16))
    await log.close()
    trail.clock.time += 3600
    log = trail.open()
    log.tell(replace(event(3, Code.USER_CREATED), session="1" * 16, facts={"account": "Ada"}))
    log.tell(replace(event(3, Code.GROUP_ADDED), session="1" * 16, before=("a",), after=("a", "b\x1b")))
    log.tell(replace(event(4, Code.ACCESS_DENIED), person=bob, username="bob", portal="support", session="2" * 17))
    await log.close()
    (tmp_path / "key.pem").write_text(KEY.pem())
    return trail


def test_verify_says_that_a_trail_is_whole(trail: Trail) -> None:
    done = run("verify", trail.path, "-k", trail.folder / "key.pem", "--checkpoints", trail.witness)

    assert 0 == done.exit_code, done.output
    assert "records 1 to 9 are as they were written; signed up to 9" in done.stdout


def test_verify_names_what_is_wrong_and_what_is_not_signed(trail: Trail) -> None:
    lines = trail.lines
    key = ("-k", trail.folder / "key.pem")
    unsigned = run("verify", "-", *key, stdin=b"".join(lines[:-1]))
    torn = run("verify", "-", *key, stdin=b"".join(lines)[:-9])
    broken = run("verify", "-", *key, stdin=b"".join(lines).replace(b'"bob"', b'"eve"'))

    assert (3, 3, 1) == (unsigned.exit_code, torn.exit_code, broken.exit_code)
    assert "not signed yet: the last 4 records" in unsigned.stdout
    assert "standard input:9: the last record breaks off" in torn.stdout
    assert "not as it was written: standard input:8: record 8" in broken.stdout


def test_verify_wants_a_key_and_files_that_are_there(trail: Trail) -> None:
    none = run("verify", trail.path)
    missing = run("verify", trail.folder / "none", "-k", trail.folder / "key.pem")
    wrong = run("verify", trail.path, "-k", trail.path)

    assert (2, 1, 1) == (none.exit_code, missing.exit_code, wrong.exit_code)
    assert "No such file" in missing.stderr and "holds no public key" in wrong.stderr


FILTERS = {
    "everything": ((), 9),
    "a person": (("--person", "7"), 3),
    "a person of an issuer": (("--person", "https://id.example 8"), 1),
    "an account": (("--username", "ADA"), 3),
    "a portal": (("--portal", "support"), 1),
    "a code": (("--code", "group.added"), 1),
    "codes": (("--code", "login.*"), 1),
    "a time": (("--since", "2027-01-15T09:00:00Z", "--until", "2027-01-15T09:00:01"), 5),
    "a day": (("--until", "2027-01-15"), 0),
    "a request": (("--request", "r-3"), 2),
    "a session": (("--session", "keyed-16"), 3),
    "a request and all of its session": (("--request", "r-2", "--follow"), 3),
    "two at once": (("--username", "ada", "--code", "user.*"), 1),
}


@pytest.mark.parametrize("name", FILTERS)
def test_show_finds(trail: Trail, name: str) -> None:
    words, count = FILTERS[name]
    text, lines = run("show", trail.path, *words), run("show", trail.path, *words, "--json")

    assert (0, 0) == (text.exit_code, lines.exit_code), text.output
    assert [count] * 2 == [len(done.stdout.splitlines()) for done in (text, lines)]
    assert all("code" in json.loads(line) for line in lines.stdout.splitlines())
    # Whoever finds nothing is told where else to look.
    assert [not count] * 2 == ["audit.counted" in done.stderr for done in (text, lines)]


def test_show_is_readable_and_moves_no_cursor(trail: Trail) -> None:
    shown = run("show", trail.path, "--code", "group.added").stdout

    assert "2027-01-15 09:00:00  group.added" in shown
    assert "changed=+b\\u001b" in shown
    assert "\x1b" not in shown


@pytest.fixture
def config(tmp_path: Path) -> Path:
    for name in ("cookie-key", "client"):
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(secrets.token_urlsafe(48), encoding="ascii")
    path = tmp_path / "lychgate.yaml"
    file = {"path": f"{tmp_path}/audit.jsonl", "policy": "required", "checkpoints": f"{tmp_path}/elsewhere.jsonl"}
    path.write_text(CONFIG.format(folder=tmp_path) + f"audit: {{stdout: off, file: {json.dumps(file)}}}\n")
    return path


def test_commands_are_told_before_they_are_done_and_the_configuration_says_where(config: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert 0 == CliRunner().invoke(main, ["ledger", "init", "-c", str(config)]).exit_code
    verified, shown = run("verify", "-c", config), run("show", "-c", config, "--json")
    key = run("key", "-c", config)
    (tmp_path / "public.pem").write_text(key.stdout)

    assert (0, 0) == (verified.exit_code, shown.exit_code), verified.output
    codes = [json.loads(line)["code"] for line in shown.stdout.splitlines()]
    begun = ["audit.started", "change.intended"]
    assert [*begun, "ledger.initialised", "audit.checkpoint", *begun, "audit.checkpoint"] == codes
    assert 0 == run("verify", tmp_path / "audit.jsonl", "-k", tmp_path / "public.pem").exit_code
    assert 0o600 == (tmp_path / "audit.jsonl").stat().st_mode & 0o777


def test_a_command_that_cannot_be_told_is_not_done(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        raise AuditError("the audit trail (file) does not take anything")

    with monkeypatch.context() as patch:
        patch.setattr("sidecar.adapters.audit.sink.Sink.take", refuse)
        refused = CliRunner().invoke(main, ["ledger", "init", "-c", str(config)])
    done = CliRunner().invoke(main, ["ledger", "init", "-c", str(config)])

    assert (1, 0) == (refused.exit_code, done.exit_code)
    assert "the audit trail (file) does not take anything" in refused.stderr
    assert "jira: initialised" in done.stdout


def test_a_file_that_is_in_use_is_said_to_be(config: Path, tmp_path: Path) -> None:
    trail = Trail(tmp_path)
    log = trail.open()
    done = CliRunner().invoke(main, ["ledger", "init", "-c", str(config)])
    for sink in log._sinks:
        sink.close()

    assert 1 == done.exit_code
    assert "is written by another process" in done.stderr
