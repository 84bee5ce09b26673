"""Commands that hold secrets and fail: what the application answers has the token in it, the token is refused, files
hold what they should not. Neither stream of a command has a secret."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from click.testing import CliRunner

from sidecar.adapters.accounts.calls import open_session
from sidecar.adapters.landing.authconfig import AuthConfig
from sidecar.cli import main
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from sidecar.flows.accounts import AccountError
from tests.commands.test_landing import Site
from tests.introduction.company import Colleague, Office, Place, write_list
from tests.web.marks import leaks
from tests.web.test_audit_trail import CANARY, TOKEN
from tests.web.test_headless import BACK, START

ADA = Colleague("1", "ada", "ada@example.com", "Ada", ("okta-users",))
WRONG = "a-token-that-nobody-knows-Hs72Lq+/="


class Terminal:
    """Runs commands and keeps all that they say."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def run(self, *words: str) -> int:
        """In a thread: the stand-in goes on beside it."""
        done = await asyncio.to_thread(CliRunner().invoke, main, list(words))
        self.said += [done.stdout, done.stderr, repr(done.exception)]
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return done.exit_code

    @property
    def text(self) -> str:
        return "\n".join(self.said)


def _trail(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in folder.glob("audit*"))


async def _on_accounts(terminal: Terminal, office: Office, claims: Path) -> list[int]:
    """Every command that asks the application for accounts."""
    at = ("--application", "jira", "-c", str(office.path))
    given, everybody = ("--claims", str(claims)), ("--idp", str(office.folder / "users.csv"))
    return [
        await terminal.run(*words, *at)
        for words in (
            ("accounts", "show", "ada"),
            ("accounts", "plan", "ada", *given),
            ("accounts", "sync", "ada", *given, "--apply"),
            ("explain", *given, "--live"),
            ("migrate", "report", *everybody),
            ("migrate", "link", *everybody, "--apply"),
            ("migrate", "adopt-groups", *everybody),
        )
    ]


async def _on_files(terminal: Terminal, office: Office) -> None:
    """A token where claims belong, a configuration with a secret in it, and what reads no accounts."""
    config = ("-c", str(office.path))
    for text in (TOKEN, json.dumps({"id_token": TOKEN}), json.dumps({"sub": 1, "x": TOKEN}), f'{{"sub": "{CANARY}'):
        (office.folder / "odd.json").write_text(text, "utf-8")
        for asked in ("explain", "explain --live", "accounts plan ada", "accounts sync ada"):
            await terminal.run(
                *asked.split(), "--application", "jira", "--claims", str(office.folder / "odd.json"), *config
            )
    commands: tuple[tuple[str, ...], ...] = (
        ("audit", "show"), ("audit", "verify"), ("audit", "key"), ("audit", "show", "--request", CANARY[:6]),
        ("audit", "report", "--since", "2020-01-01", "--until", "2040-01-01", "--out", str(office.folder / "report")),
        ("helm-values", "--product", "jira"), ("accounts", "undo", "--since", "2020-01-01", "--application", "jira"),
    )  # fmt: skip
    for words in commands:
        await terminal.run(*words, *config)
    good = office.path.read_text("utf-8")
    for old in (
        f"file://{office.folder}/token",
        f"file://{office.folder}/cookie-key",
        f"file://{office.folder}/client",
    ):
        office.path.write_text(good.replace(old, CANARY), "utf-8")
        await terminal.run("check", str(office.path))
        await terminal.run("helm-values", "--product", "jira", *config)
        await terminal.run("accounts", "show", "ada", "--application", "jira", *config)
    office.path.write_text(good, "utf-8")
    await terminal.run("check", str(office.path))


async def test_no_command_on_accounts_shows_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sidecar")
    state, terminal = JiraState(), Terminal()
    state.add_user("lychgate", groups=("jira-administrators",))
    state.add_user("ada", "Ada")
    token = state.add_token("lychgate")
    claims = tmp_path / "claims.json"
    told = {"sub": "1", "preferred_username": "ada", "email": "a@example.com", "name": "Ada", "groups": ["okta-users"]}
    claims.write_text(json.dumps(told), "utf-8")
    async with serve_jira(state, JiraConfig(jira_seats=None)) as jira:
        office = Office(tmp_path, Place(upstream=jira.origin), token)
        write_list(tmp_path / "users.csv", [ADA])
        assert 0 == await terminal.run("ledger", "init", "-c", str(office.path))
        for status in (401, 403, 500, 302, 200):
            headers = (("Location", f"http://127.0.0.1:1/?os_authType={token}"), ("X-Seraph-LoginReason", token))
            collection = json.dumps({"errorMessages": [f"{token}?"], "errors": {"name": f"Bearer {token}"}})
            for said, kind in ((f"<html>Bearer {token}", "text/html"), (collection, "application/json")):
                jira.fail_next("/rest", status, said, 999, (*headers, ("Content-Type", kind)))
                assert {1} <= set(await _on_accounts(terminal, office, claims))
                jira.faults.clear()
        jira.cut_next("/rest", 999)
        await _on_accounts(terminal, office, claims)
        jira.faults.clear()
        office.secret("token", WRONG)
        assert {1} <= set(await _on_accounts(terminal, office, claims))
        office.secret("token", token)
        await _on_accounts(terminal, office, claims)
        await _on_files(terminal, office)
    marks = {name: (tmp_path / name).read_text("ascii") for name in ("cookie-key", "client")}
    marks |= {"token": token, "wrong": WRONG, "canary": CANARY, "somebody's": TOKEN}
    report = "".join(path.read_text("utf-8") for path in (tmp_path / "report").iterdir())
    assert [] == leaks(
        {"terminal": terminal.text, "trail": _trail(tmp_path), "log": caplog.text, "report": report}, marks
    )
    assert "does not accept the access token" in terminal.text and "is ready" in terminal.text


async def _written(jira: RunningJira, token: str, secret: str) -> str:
    """What the refusal of a change says, that repeats all that the change had in it."""
    said = json.dumps({"errors": {"issuer": f"not {secret} by {token}"}})
    jira.fail_next("/rest", 400, said)
    async with open_session() as session:
        with pytest.raises(AccountError) as refused:
            await AuthConfig(session, jira.origin, lambda: token).write(None, {}, secret)
    assert "issuer: not … by …" in str(refused.value)
    return str(refused.value)


async def test_no_command_on_the_landing_shows_a_secret(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "sidecar")
    terminal = Terminal()
    async with serve_jira(JiraState.sample(), JiraConfig(base_url="https://jira.example.com")) as jira:
        site = Site(tmp_path, jira)
        config, configure = ("-c", str(site.path)), ("landing", "configure", "-c", str(site.path))
        verify = ("landing", "verify", "--username", "alice", *config)
        token = (tmp_path / "token").read_text("ascii")
        (tmp_path / "wrong").write_text(WRONG, "ascii")
        assert 1 == await terminal.run(*configure, "--token", f"file://{tmp_path}/wrong")
        for literal in (CANARY, f"file://{CANARY}", f"env://{CANARY}"):
            assert 0 != await terminal.run(*configure, "--token", literal)
        for status in (401, 403, 500, 302, 400):
            said = json.dumps(
                {"errors": {"issuer": f"no {token}", "client-secret": site.secret}, "message": site.secret}
            )
            jira.fail_next("/rest", status, said, 9)
            assert 1 == await terminal.run(*configure, "--apply")
            jira.faults.clear()
            terminal.said.append(await _written(jira, token, site.secret))
        assert 0 == await terminal.run(*configure, "--apply")
        for status, path in ((500, BACK), (401, START), (302, BACK), (200, START)):
            place = ("Location", f"http://127.0.0.1:1/x?code={CANARY}&state={CANARY}")
            jira.fail_next(path, status, f"{token} {site.secret}", 9, (place,))
            assert 1 == await terminal.run(*verify)
            jira.faults.clear()
        (idp,) = jira.sso.idps.values()
        idp["client-secret"] = WRONG
        await terminal.run(*verify)
        await terminal.run(*configure)
        assert 0 == await terminal.run("landing", "show", *config)
        walked = [part for call in jira.calls for part in call.target.split("code=")[1:]]
        sessions = dict(enumerate(jira.state.sessions))
    marks = {name: (tmp_path / name).read_text("ascii") for name in ("cookie-key", "client", "landing", "token")}
    marks |= {"wrong": WRONG, "canary": CANARY} | {f"session {number}": key for number, key in sessions.items()}
    marks |= {f"code {number}": part.partition("&")[0] for number, part in enumerate(walked)}
    assert len(marks) > 7
    assert [] == leaks({"terminal": terminal.text, "trail": _trail(tmp_path), "log": caplog.text}, marks)
    assert "no system administrator's" in terminal.text and '"landing.failed"' in _trail(tmp_path)
