"""cli_doctor: what the command prints and with which status it ends; beside a running gate, and writing nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.adapters.state.files import held
from sidecar.building.examining import Request
from sidecar.cli import main
from sidecar.commands.doctor import examined
from sidecar.config.load import load
from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.crowd import CrowdConfig, crowd_people, serve_crowd
from sidecar.demo.jira import SsoConfig
from sidecar.demo.jira.sso_memory import SsoMemory
from sidecar.domain.finding import Check, Severity
from tests.commands.doctor_site import SHARED, Surroundings, by_sign_on, codes, surroundings, unknowns

ANSI = "\x1b[31m"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with surroundings(tmp_path) as site:
        yield site


async def run(site: Surroundings, *words: str) -> Result:
    """In a thread: the stand-ins go on beside it."""
    return await asyncio.to_thread(CliRunner().invoke, main, ["doctor", "-c", str(site.path), *words])


async def test_a_site_in_good_health_beside_a_running_gate(site: Surroundings) -> None:
    state = site.folder / "state"

    def files() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in state.iterdir()}

    before = files()
    with held(state):
        result = await run(site, "--token", f"file://{site.admin}")
    assert before.keys() | {"lock"} == files().keys()
    assert {name: content for name, content in before.items() if name != "lock"}.items() <= files().items()
    assert 0 == result.exit_code, result.output
    assert "0 errors, 0 warnings, 0 notices, 1 could not be done, 17 well" in result.output
    assert "ok       jira, landing: X-Lychgate-User is believed with our proof, and not without" in result.output


async def test_an_error_is_first_and_ends_with_status_1(site: Surroundings) -> None:
    site.jira.base_url = f"https://other.example.com/{ANSI}"
    result = await run(site)
    assert 1 == result.exit_code
    first, second = result.output.splitlines()[:2]
    assert first.startswith("error    jira, address: its base URL is https://other.example.com/")
    assert second.startswith("         address_differs: Make the application's base URL and `url` the same")
    # What others say moves no cursor.
    assert ANSI not in result.output


async def test_warnings_end_with_status_0(site: Surroundings) -> None:
    site.put("token", site.jira.state.add_token("admin"))
    result = await run(site)
    assert 0 == result.exit_code and "0 errors, 1 warning, 0 notices" in result.output


async def test_as_json(site: Surroundings) -> None:
    site.put("token", "a-token-that-nobody-knows")
    result = await run(site, "--format", "json")
    told = json.loads(result.stdout)
    assert (1, 1) == (result.exit_code, told["version"])
    (error,) = [one for one in told["findings"] if one["severity"] == "error"]
    assert {"code": "token_refused", "check": "token", "application": "jira", "provider": ""}.items() <= error.items()
    assert error["cure"].endswith(".") and error["seen"]
    secrets = [(site.folder / name).read_text() for name in ("token", "admin", "shared", "client", "cookie-key")]
    assert [] == [secret for secret in secrets if secret in result.output]


async def test_what_is_asked_for_wrongly(site: Surroundings) -> None:
    assert "no application wiki" in (await run(site, "--application", "wiki")).output
    literal = await run(site, "--token", "a-literal-token")
    assert 1 == literal.exit_code and "file:///absolute/path" in literal.output
    assert "a-literal-token" not in literal.output
    gone = await run(site, "--token", f"file://{site.folder}/not-there")
    # What the token was for could not be done, and the rest was.
    assert 0 == gone.exit_code and "the token cannot be read" in gone.output
    del site.file["portals"]
    assert 1 == (await run(site)).exit_code


async def test_one_application_of_two(site: Surroundings) -> None:
    other = {**site.jira_settings, "url": "https://other.example.com", "upstream": "http://127.0.0.1:9"}
    other["landing"] = {**other["landing"], "header": "X-Other-User"}
    site.file["applications"]["other"] = other
    site.file["portals"]["others"] = {"application": "other", "default": True, "provider": "staff",
                                      "require": {"any_group": ["x"]}}  # fmt: skip
    whole = await run(site)
    assert "error    other, upstream: it did not answer" in whole.output
    assert "error    other, ledger: it was not initialised" in whole.output
    one = await run(site, "--application", "jira")
    assert 0 == one.exit_code and "other, " not in one.output


async def test_the_state(site: Surroundings) -> None:
    site.file["state"] = f"file://{site.folder}/nowhere/at/all"
    assert ["ledger_unusable", "state_unwritable"] == await site.codes()
    site.file["state"] = f"file://{site.folder}/new"
    assert ["ledger_unusable"] == await site.codes()
    shutil.copytree(site.folder / "state", site.folder / "new")
    assert [] == await site.codes()
    (site.folder / "new" / "ledger.sqlite3").write_bytes(b"this is no database, and is long enough to be read" * 100)
    found = await site.found()
    assert ["state_damaged"] == codes(found) and "ledger" in unknowns(found)
    site.file["state"] = "memory"
    assert ["state_forgotten"] == await site.codes()


async def test_confluence(site: Surroundings) -> None:
    state = ConfluenceState.sample()
    state.administering.add("gate-administrators")
    state.people.add_user("gate", groups=("gate-administrators",))
    site.put("token", state.add_token("gate"))
    site.put("admin", state.add_token("admin"))
    whole = {"websudo_on": {"websudo": True}, "password_forms": {"login_submit_url": False}, None: {}}
    for code, shape in whole.items():
        config = ConfluenceConfig(context_path="", base_url="https://jira.example.com", secret=SHARED, **shape)
        async with serve_confluence(state, config) as wiki:
            site.jira_settings.update(
                product="confluence", upstream=wiki.origin,
                landing={"header": "X-Wiki-Person", "proof": "secret", "secret_header": "X-Wiki-Key",
                         "secret": f"file://{site.folder}/shared"},
            )  # fmt: skip
            assert [code] * (code is not None) == await site.codes(), code
    assert {0} == {user.failed_logins for user in state.people.users.values()}


async def test_confluence_and_its_sign_on(site: Surroundings) -> None:
    state, by = ConfluenceState.sample(), SsoConfig("http://127.0.0.1:9091/jira", "lychgate", "unseen", customers=False)
    site.put("token", state.add_token("gate"))
    site.put("admin", state.add_token("admin"))
    by_sign_on(site)
    for sso, expected in ((None, ["sign_on_absent"]), (by, []), (replace(by, remember_me=True), ["sign_on_remembers"])):
        config = ConfluenceConfig(context_path="", base_url="https://jira.example.com", sso=sso)
        async with serve_confluence(state, config, memory=SsoMemory(sso)) as wiki:
            site.jira_settings.update(product="confluence", upstream=wiki.origin)
            assert expected == [code for code in await site.codes() if code.startswith("sign_on")]


async def test_confluence_tells_what_its_account_may(site: Surroundings) -> None:
    state = ConfluenceState.sample()
    config = ConfluenceConfig(context_path="", base_url="https://jira.example.com", secret=SHARED)
    site.put("admin", state.add_token("admin"))
    async with serve_confluence(state, config) as wiki:
        site.jira_settings.update(
            product="confluence", upstream=wiki.origin,
            landing={"header": "X-Wiki-Person", "proof": "secret", "secret_header": "X-Wiki-Key",
                     "secret": f"file://{site.folder}/shared"},
        )  # fmt: skip
        for name, code in (("alice", "token_underprivileged"), ("admin", "token_overprivileged")):
            site.put("token", state.add_token(name))
            assert [code] == await site.codes()
        state.directories = [("LDAP", "Full synchronisation failed."), ("Confluence Internal Directory", None)]
        assert {"first_directory_foreign", "synchronisation_failed"} <= set(await site.codes())


async def test_a_user_server(site: Surroundings) -> None:
    password = "an application's password"
    async with serve_crowd(crowd_people(), CrowdConfig(applications={"lychgate": password})) as crowd:
        accounts = {"crowd": {"url": crowd.url, "application": "lychgate", "password": site.put("crowd", password)},
                    "on_revoke": "deactivate"}  # fmt: skip
        site.jira_settings["accounts"] = accounts
        assert [] == await site.codes()
        site.put("crowd", "not the application's password")
        assert ["user_server_refused"] == await site.codes()
    assert ["user_server_unreachable"] == await site.codes()
    accounts["look_token"] = site.put("look", "a-token-that-nobody-knows")
    assert ["look_token_refused", "user_server_unreachable"] == await site.codes()


async def test_what_cannot_even_be_begun_keeps_nothing_else(site: Surroundings) -> None:
    loaded = load(site.path, secrets=False)
    (site.folder / "client").unlink()
    found = await examined(loaded, Request())
    (gone,) = [one for one in found if one.provider == "staff"]
    assert (Check.PROVIDER, Severity.UNKNOWN) == (gone.kind.check, gone.kind.severity)
    assert "there is no file" in gone.seen
    assert {Check.UPSTREAM, Check.TOKEN, Check.STATE} <= {one.kind.check for one in found if one.kind.code == "ok"}
