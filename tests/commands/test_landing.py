"""cli_landing and landing_commands: what must be filled in, written by REST and read back, and walked; all against a
stand-in Jira that runs."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sidecar.adapters.state.files import held
from sidecar.cli import main
from sidecar.core.landing_setup import creates_users
from sidecar.demo.confluence import ConfluenceConfig, ConfluenceState, serve_confluence
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from sidecar.demo.jira.sso_memory import SsoMemory
from tests.web.rig import free_port

CONFIG = """\
version: 1
listen: {{landing: "127.0.0.1:{port}"}}
state: file://{folder}/state
cookie_keys: [file://{folder}/cookie-key]
audit: {{stdout: "off", file: {{path: "{folder}/audit.jsonl", policy: required}}}}
providers:
  staff:
    issuer: https://id.example.com
    client_id: jira
    client_secret: file://{folder}/client
    usernames: authoritative
applications:
  jira:
    product: jira
    url: https://jira.example.com
    upstream: {upstream}
    landing: {{client_secret: file://{folder}/landing}}
    accounts: {{token: file://{folder}/token}}
portals:
  agents: {{application: jira, default: true, provider: staff, require: {{any_group: [users]}}}}
"""


@dataclass(frozen=True, slots=True)
class Wiki:
    """A stand-in Confluence, and what its node knows of sign-ins."""

    state: ConfluenceState
    sso: SsoMemory


class Site:
    """A configuration before a stand-in Jira, and the command."""

    def __init__(self, folder: Path, jira: RunningJira) -> None:
        self.folder, self.jira = folder, jira
        self.issuer = f"http://127.0.0.1:{(port := free_port())}/jira"
        self.path = folder / "lychgate.yaml"
        self.path.write_text(CONFIG.format(folder=folder, port=port, upstream=jira.origin), encoding="utf-8")
        self.secret = secrets.token_urlsafe(32)
        kept = {"cookie-key": secrets.token_urlsafe(48), "client": secrets.token_urlsafe(32), "landing": self.secret}
        for name, value in {**kept, "token": jira.state.add_token("admin")}.items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(value, encoding="ascii")

    async def run(self, *words: str) -> Result:
        """In a thread: the stand-in goes on beside it."""
        return await asyncio.to_thread(CliRunner().invoke, main, ["landing", *words, "-c", str(self.path)])

    def told(self) -> list[str]:
        """The codes of the audit trail, but for its own."""
        lines = (self.folder / "audit.jsonl").read_text().splitlines()
        return [code for line in lines if not (code := json.loads(line)["code"]).startswith("audit.")]


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with serve_jira(JiraState.sample(), JiraConfig(base_url="https://jira.example.com")) as jira:
        yield Site(tmp_path, jira)


async def test_every_field_is_shown(site: Site) -> None:
    result = await site.run("show")
    assert 0 == result.exit_code, result.output
    for words in (
        site.issuer, f"{site.issuer}/authorize", f"{site.issuer}/token",
        f"{site.issuer}/userinfo", "${preferred_username}", f"file://{site.folder}/landing",
        "https://jira.example.com/plugins/servlet/oidc/callback", "skip.https.requirement",
    ):  # fmt: skip
        assert words in result.output
    assert site.secret not in result.output
    assert '(with the ${}: else everybody becomes the user "preferred_username")' in result.output
    assert "(no slash at the end; it is compared to the letter)" in result.output


@pytest.mark.parametrize("product", ["jira", "confluence"])
@pytest.mark.parametrize("filled", [True, False])
async def test_where_we_are_the_crowd_server_both_files_and_the_form_are_shown(
    site: Site, product: str, filled: bool
) -> None:
    found = site.path.read_text().replace("{client_secret:", "{type: crowd, client_id: them, client_secret:")
    found = found.replace("product: jira", f"product: {product}")
    if filled:
        found = found.replace(f"accounts: {{token: file://{site.folder}/token}}", "accounts: {directory: true}")
    site.path.write_text(found)
    result = await site.run("show")
    assert 0 == result.exit_code, result.output
    asks = {
        "jira": "com.atlassian.jira.security.login.SSOSeraphAuthenticator",
        "confluence": "com.atlassian.confluence.user.ConfluenceCrowdSSOAuthenticator",
    }
    for words in (
        f'<authenticator class="{asks[product]}"/>', "application.name=them", f"crowd.base.url={site.issuer}/",
        f"file://{site.folder}/landing", "session.validationinterval=5", "session.tokenkey=session.tokenkey",
        "Atlassian Crowd", "Read only", "Incremental synchronisation", "Restart the product",
    ):  # fmt: skip
        assert words in result.output, words
    assert filled != ("it stays empty" in result.output)
    assert site.secret not in result.output and "preferred_username" not in result.output
    # There is nothing to write by REST, and nothing to walk.
    for words in (("configure",), ("verify", "--username", "alice")):
        other = await site.run(*words)
        assert 1 == other.exit_code and "none has landing.type oidc" in other.output


async def test_with_its_own_sign_on_the_form_of_a_directory_is_shown_beside_it(site: Site) -> None:
    text = site.path.read_text().replace(f"{{token: file://{site.folder}/token}}", "{directory: true}")
    site.path.write_text(text)
    result = await site.run("show")
    assert 0 == result.exit_code and "${preferred_username}" in result.output
    assert "Atlassian Crowd" in result.output and f"{site.issuer}/" in result.output
    assert "seraph-config.xml" not in result.output


@pytest.fixture
async def wiki(site: Site) -> AsyncIterator[Wiki]:
    """The site's configuration, before a Confluence instead."""
    told = ConfluenceConfig(context_path="", base_url="https://jira.example.com")
    wiki = Wiki(ConfluenceState.sample(), SsoMemory())
    async with serve_confluence(wiki.state, told, memory=wiki.sso) as running:
        (site.folder / "token").write_text(wiki.state.add_token("admin"), encoding="ascii")
        text = site.path.read_text().replace("product: jira", "product: confluence")
        site.path.write_text(text.replace(site.jira.origin, running.origin))
        yield wiki


async def test_confluence_is_set_up_and_a_test_person_lands_there(site: Site, wiki: Wiki) -> None:
    shown = await site.run("show")
    assert 0 == shown.exit_code and "Customer logins" not in shown.output
    done = await site.run("configure", "--apply")
    assert 0 == done.exit_code, done.output
    assert "all is as it must be" in done.output and site.secret not in done.output
    (idp,) = wiki.sso.idps.values()
    assert (False, "${preferred_username}", site.secret) == (
        idp["enable-remember-me"], idp["username-claim"], idp["client-secret"],
    )  # fmt: skip
    result = await site.run("verify", "--username", "alice")
    assert 0 == result.exit_code, result.output
    assert "The product serves alice" in result.output and "GET /rest/api/user/current: 200" in result.output
    refused = await site.run("verify", "--username", "nobody-there")
    assert 1 == refused.exit_code and "did not take the code" in refused.output


async def test_what_somebody_changed_at_confluence_is_mended_and_what_it_refuses_is_told(
    site: Site, wiki: Wiki
) -> None:
    assert 0 == (await site.run("configure", "--apply")).exit_code
    (idp,) = wiki.sso.idps.values()
    idp["enable-remember-me"] = True
    found = await site.run("configure")
    assert 1 == found.exit_code and "enable-remember-me is on, and must be off" in found.output
    assert 0 == (await site.run("configure", "--apply")).exit_code
    assert [False] == [one["enable-remember-me"] for one in wiki.sso.idps.values()]
    wiki.sso.idps.clear()
    wiki.sso.skips_https = False
    result = await site.run("configure", "--apply")
    assert 1 == result.exit_code and "token-endpoint: This is not a valid URL." in result.output
    (site.folder / "token").write_text(wiki.state.add_token("alice"), encoding="ascii")
    assert "no system administrator's" in (await site.run("configure")).output


async def test_the_product_is_set_up_and_a_test_person_lands(site: Site) -> None:
    before = await site.run("configure")
    assert 1 == before.exit_code and "does not know Lychgate" in before.output
    assert {} == site.jira.sso.idps
    done = await site.run("configure", "--apply")
    assert 0 == done.exit_code, done.output
    assert "all is as it must be" in done.output and site.secret not in done.output
    assert ["change.intended", "landing.configured"] == site.told()
    (idp,) = site.jira.sso.idps.values()
    assert (False, False, True, "${preferred_username}") == (
        idp["enable-remember-me"], idp["discovery-enabled"], idp["include-customer-logins"], idp["username-claim"],
    )  # fmt: skip
    assert site.secret == idp["client-secret"]
    assert 0 == (await site.run("configure")).exit_code
    walked = await site.run("verify", "--username", "alice")
    assert 0 == walked.exit_code, walked.output
    assert "The product serves alice" in walked.output
    assert "GET /plugins/servlet/oidc/initiate-login: 302 to " + site.issuer + "/authorize" in walked.output
    assert ["change.intended", "landing.established"] == site.told()[2:]
    assert ["alice"] == [session.username for session in site.jira.state.sessions.values() if session.sso]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"enable-remember-me": True}, "enable-remember-me is on, and must be off"),
        ({"username-claim": "preferred_username"}, "username-claim is preferred_username, and must be ${preferred"),
        ({"include-customer-logins": False}, "include-customer-logins is off, and must be on"),
        ({"enabled": False}, "enabled is off, and must be on"),
        ({"additional-scopes": ["email"]}, "additional-scopes is email, and must be none"),
        ({"jit-configuration": {"user-provisioning-enabled": True}}, "creation of users on login is on"),
    ],
)
async def test_what_somebody_changed_there_is_found_and_mended(site: Site, change: dict[str, Any], words: str) -> None:
    assert 0 == (await site.run("configure", "--apply")).exit_code
    (idp,) = site.jira.sso.idps.values()
    idp.update(change)
    found = await site.run("configure")
    assert 1 == found.exit_code and words in found.output
    again = await site.run("configure", "--apply")
    # What cannot be written for certain is said, and not passed over.
    assert ("jit-configuration" in change) == (1 == again.exit_code)
    assert 1 == len(site.jira.sso.idps)


async def test_what_the_product_does_not_take_is_told_in_its_own_words(site: Site) -> None:
    site.jira.sso.skips_https = False
    result = await site.run("configure", "--apply")
    assert 1 == result.exit_code
    assert "token-endpoint: This is not a valid URL." in result.output and site.secret not in result.output
    for status, words in ((401, "no system administrator's"), (404, "no such interface"), (500, "500")):
        site.jira.fail_next("/rest/authconfig", status, "nothing that is shown")
        result = await site.run("configure")
        assert 1 == result.exit_code and words in result.output and "nothing that is shown" not in result.output


async def test_a_token_may_be_named_for_this_one_time(site: Site) -> None:
    (site.folder / "other").write_text(site.jira.state.add_token("alice"), encoding="ascii")
    result = await site.run("configure", "--token", f"file://{site.folder}/other")
    assert 1 == result.exit_code and "no system administrator's" in result.output
    assert "file:///absolute/path" in (await site.run("configure", "--token", "literal")).output


@pytest.mark.parametrize(
    ("username", "words"), [("carol", "did not take the code"), ("nobody-there", "did not take the code")]
)
async def test_a_person_whom_the_product_does_not_take_is_told(site: Site, username: str, words: str) -> None:
    assert 0 == (await site.run("configure", "--apply")).exit_code
    result = await site.run("verify", "--username", username)
    assert 1 == result.exit_code and words in result.output
    assert site.jira.sso.log[-1][0] in result.output
    assert "landing.failed" == site.told()[-1]


async def test_while_the_gate_runs_nothing_is_written_or_walked(site: Site) -> None:
    (site.folder / "state").mkdir(mode=0o700)
    with held(site.folder / "state"):
        for words in (("configure", "--apply"), ("verify", "--username", "alice")):
            result = await site.run(*words)
            assert 1 == result.exit_code and "in use by another process" in result.output
    assert [] == [call for call in site.jira.calls if call.method != "GET"]


async def test_an_application_that_is_landed_otherwise_has_nothing_to_set_up(site: Site) -> None:
    text = site.path.read_text()
    header = "landing: {header: X-User, proof: assertion}"
    site.path.write_text(text.replace(f"landing: {{client_secret: file://{site.folder}/landing}}", header))
    assert "none has landing.type oidc" in (await site.run("show")).output
    assert "not landed by its sign-on" in (await site.run("show", "--application", "jira")).output
    assert "no application wiki" in (await site.run("show", "--application", "wiki")).output


@pytest.mark.parametrize(
    ("found", "on"),
    [
        ({}, False),
        ({"jit-configuration": {"enabled": True}}, True),
        ({"jit-configuration": {"user-provisioning-enabled": True}}, True),
        ({"jit-configuration": {"enabled": False, "mapping-email": "x"}}, False),
        ({"jit-configuration": None, "enabled": True}, False),
    ],
)
def test_creation_of_users_is_seen_whatever_its_switch_is_called(found: dict[str, Any], on: bool) -> None:
    assert on == creates_users(found)
