"""cli and commands: what an administrator does beside the gate, told plainly and written into the audit trail."""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.files import held
from sidecar.adapters.state.sqlite import open_state
from sidecar.cli import main
from sidecar.domain.identity import Person

CONFIG = """\
version: 1
state: file://{folder}/state
cookie_keys: [file://{folder}/cookie-key]
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
    upstream: http://127.0.0.1:8081
    landing: {{header: X-Lychgate-User, proof: assertion}}
portals:
  agents: {{application: jira, default: true, provider: staff, require: {{any_group: [users]}}}}
"""


class Site:
    """A configuration with its secrets in a folder, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = secrets.token_urlsafe(48)
        self.path = folder / "lychgate.yaml"
        self.path.write_text(CONFIG.format(folder=folder), encoding="utf-8")
        for name, value in (("cookie-key", self.key), ("client", secrets.token_urlsafe(32))):
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(value, encoding="ascii")

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "-c", str(self.path)])

    def link(self, username: str, subject: str = "7", application: str = "jira") -> Result:
        return self.run(
            "accounts", "link", "--application", application, "--username", username,
            "--issuer", "https://id.example.com", "--subject", subject,
        )  # fmt: skip

    def pinned(self, username: str) -> Person | None:
        async def ask() -> Person | None:
            async with open_state(self.folder / "state", Sealer([self.key.encode()])) as state:
                pin = await state.ledger.pin_on("jira", username)
                return pin.person if pin is not None else None

        return asyncio.run(ask())


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def events(result: Result) -> list[dict[str, object]]:
    """Without what the trail says of itself."""
    told = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return [event for event in told if not event["code"].startswith("audit.")]


def test_the_ledger_is_initialised_once_and_says_so(site: Site) -> None:
    first, second = site.run("ledger", "init"), site.run("ledger", "init")

    assert (0, 0) == (first.exit_code, second.exit_code)
    assert "jira: initialised" in first.stdout
    assert "nothing changed" in second.stdout
    assert [["ledger.initialised"], []] == [[event["code"] for event in events(done)] for done in (first, second)]


def test_a_reserved_account_is_tied_to_a_person_by_hand_only(site: Site) -> None:
    site.run("ledger", "init")
    done = site.link("Admin")

    assert 0 == done.exit_code
    assert "jira: Admin is tied to subject 7 at https://id.example.com" in done.stdout
    assert Person("https://id.example.com", "7") == site.pinned("admin")
    assert ["user.linked"] == [event["code"] for event in events(done)]


def test_a_link_names_a_tenant_that_is_let_in(site: Site) -> None:
    base, tenant = "https://login.microsoftonline.com", "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
    text = site.path.read_text("utf-8").replace(
        "issuer: https://id.example.com",
        f"preset: entra\n    tenants: {tenant}\n    issuer: {base}/organizations/v2.0",
    )
    site.path.write_text(text, "utf-8")
    site.run("ledger", "init")

    def link(issuer: str) -> int:
        words = ("--application", "jira", "--username", "admin", "--issuer", issuer, "--subject", "o-1")
        return site.run("accounts", "link", *words).exit_code

    strangers = [f"{base}/organizations/v2.0", f"{base}/{{tenantid}}/v2.0", f"{base}/{tenant.replace('3', '4')}/v2.0"]
    assert [1, 1, 1, 0] == [link(issuer) for issuer in (*strangers, f"{base}/{tenant}/v2.0")]
    assert Person(f"{base}/{tenant}/v2.0", "o-1") == site.pinned("admin")


def test_a_link_takes_nobody_s_account_away(site: Site) -> None:
    site.run("ledger", "init")
    site.link("admin")
    other = site.link("admin", subject="8")

    assert 1 == other.exit_code
    assert "admin is tied to subject 7 at https://id.example.com already" in other.stderr
    assert Person("https://id.example.com", "7") == site.pinned("admin")


@pytest.mark.parametrize(
    ("words", "said"),
    [({"application": "wiki"}, "no application wiki"), ({}, "run `lychgate ledger init` first")],
)
def test_a_link_that_cannot_be_made_says_why(site: Site, words: dict[str, str], said: str) -> None:
    done = site.link("admin", **words)

    assert 1 == done.exit_code
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_commands_do_not_touch_the_state_of_a_running_gate(site: Site) -> None:
    site.run("ledger", "init")
    with held(site.folder / "state"):
        done = site.run("ledger", "init")

    assert 1 == done.exit_code
    assert "Error: " in done.stderr
    assert "Traceback" not in done.output


def test_check_names_the_portals_and_faults_end_it(site: Site) -> None:
    good = CliRunner().invoke(main, ["check", str(site.path)])
    site.path.write_text(site.path.read_text(encoding="utf-8").replace("provider: staff", "provider: stuff"))
    bad = CliRunner().invoke(main, ["check", str(site.path)])

    assert (0, 1) == (good.exit_code, bad.exit_code)
    assert "Portals: agents" in good.stdout
    assert f"{site.path}:17: error: portals.agents.provider" in bad.stderr
    assert "staff" in bad.stderr


def test_schema_is_json_and_version_a_line() -> None:
    schema, version = (CliRunner().invoke(main, [word]) for word in ("schema", "version"))

    assert "cookie_keys" in json.loads(schema.stdout)["properties"]
    assert version.stdout.startswith("lychgate ")


def test_a_mistaken_link_can_be_undone(site: Site) -> None:
    site.run("ledger", "init")
    site.link("admin")
    words = ("accounts", "unlink", "--application", "jira", "--username", "ADMIN")
    undone, again = site.run(*words), site.run(*words)

    assert (0, 1) == (undone.exit_code, again.exit_code)
    assert ["user.unlinked"] == [event["code"] for event in events(undone)]
    assert "tied to nobody" in again.stderr
    assert site.pinned("admin") is None
    assert 0 == site.link("admin", subject="8").exit_code


def test_many_links_are_undone_all_or_none(site: Site) -> None:
    site.run("ledger", "init")
    for number, name in enumerate(("admin", "o'brien"), 1):
        assert 0 == site.link(name, subject=str(number)).exit_code
    path = site.folder / "accounts.csv"
    words = ("accounts", "unlink", "--application", "jira", "--list", str(path))
    path.write_text("ADMIN\no'brien\nnobody\n", "utf-8")
    stopped = site.run(*words)
    assert (1, True) == (stopped.exit_code, "nobody is tied to nobody" in stopped.stderr)
    path.write_text("ADMIN\n\no'brien\n", "utf-8")
    looked = site.run(*words, "--dry-run")
    assert 2 == looked.stdout.count("would no longer be tied")
    assert None not in {site.pinned("admin"), site.pinned("o'brien")}
    done = site.run(*words)
    assert ["user.unlinked"] * 2 == [event["code"] for event in events(done)]
    assert {None} == {site.pinned("admin"), site.pinned("o'brien")}
    for lines, said in (("a,b\n", "one account per line"), ("a\nA\n", "earlier line"), ("", "names no account")):
        path.write_text(lines, "utf-8")
        assert said in site.run(*words).stderr
    assert 2 == site.run(*words, "--username", "admin").exit_code


def test_a_link_names_an_issuer_that_exists(site: Site) -> None:
    site.run("ledger", "init")
    done = site.run(
        "accounts", "link", "--application", "jira", "--username", "admin", "--issuer", "typo", "--subject", "7"
    )

    assert 1 == done.exit_code
    assert "https://id.example.com" in done.stderr
    assert site.pinned("admin") is None


def explained(site: Site, claims: object, *words: str) -> Result:
    (site.folder / "claims.json").write_text(json.dumps(claims), encoding="utf-8")
    path = str(site.folder / "claims.json")
    return site.run("explain", "--application", "jira", "--claims", path, *words)


def test_explain_says_who_gets_in_and_who_does_not(site: Site) -> None:
    claims = {"sub": "7", "preferred_username": "ada", "groups": ["users"]}
    told = explained(site, claims, "--url", "https://jira.example.com/browse/A-1")
    assert (0, True) == (told.exit_code, "passes as ada, by agents/default" in told.output)
    told = explained(site, {"id_token": {**claims, "groups": None}, "userinfo": {"sub": "7", "groups": ["users"]}})
    assert (0, True) == (told.exit_code, "groups:" in told.output)
    told = explained(site, {**claims, "groups": ["others"]}, "--url", "/browse/A-1")
    assert (1, True) == (told.exit_code, "not_in_group: A `require`" in told.output)


@pytest.mark.parametrize(
    ("claims", "words", "cure"),
    [
        ([], (), "no object of claims"),
        ({"id_token": []}, (), "no object of claims"),
        ({}, ("--portal", "door"), "has no portal door; there is agents"),
        ({}, ("--provider", "other"), "does not use other; it uses staff"),
        ({}, ("--url", "https://evil.example/x"), "is not at https://jira.example.com"),
    ],
)
def test_explain_says_what_makes_no_sense(site: Site, claims: object, words: tuple[str, ...], cure: str) -> None:
    told = explained(site, claims, *words)
    assert (1, True) == (told.exit_code, cure in told.output)


def test_explain_needs_no_secrets_and_leaves_nothing_behind(site: Site) -> None:
    for name in ("cookie-key", "client"):
        (site.folder / name).unlink()
    assert 0 == explained(site, {"sub": "7", "preferred_username": "ada", "groups": ["users"]}).exit_code
    assert not (site.folder / "state").exists()


NEW = "https://login.example.org"


def moving(site: Site, lines: str, *words: str, to: str = NEW) -> Result:
    """The site has a second provider, and a list of who is who there."""
    text = site.path.read_text("utf-8")
    if NEW not in text:
        second = f"  new: {{issuer: '{NEW}', client_id: x, client_secret: 'file://{site.folder}/client', label: New}}\n"
        text = text.replace("applications:\n", second + "applications:\n")
        text = text.replace("provider: staff,", "provider: [staff, new], usernames: {new: {prefix: n-}},")
        text = text.replace("require: {any_group: [users]}", "mode: enforce")
        site.path.write_text(text, "utf-8")
    (site.folder / "list.csv").write_text(lines, "utf-8")
    given = ("--from", "https://id.example.com", "--to", to, "--subjects", str(site.folder / "list.csv"))
    return site.run("accounts", "relink", "--application", "jira", *given, *words)


def test_many_accounts_pass_to_another_provider_by_a_list(site: Site) -> None:
    site.run("ledger", "init")
    for name, subject in (("Ada", "1"), ("nina", "2"), ("otto", "3")):
        assert 0 == site.link(name, subject).exit_code
    lines = "1,a-1\r\n\r\n 2 , a-2\n9,a-9\n"

    shown = moving(site, lines)
    assert (0, []) == (shown.exit_code, events(shown)), shown.output
    assert "jira: Ada: subject 1 -> a-1" in shown.stdout and "2 of 3 would be tied anew" in shown.stdout
    assert Person("https://id.example.com", "1") == site.pinned("ada")

    assert shown.stdout == moving(site, lines, "--dry-run").stdout
    assert 2 == moving(site, lines, "--dry-run", "--apply").exit_code
    assert Person("https://id.example.com", "1") == site.pinned("ada")

    done = moving(site, lines, "--apply")
    assert 0 == done.exit_code, done.output
    assert ["user.unlinked", "user.linked"] * 2 == [event["code"] for event in events(done)]
    persons = [Person(NEW, "a-1"), Person(NEW, "a-2"), Person("https://id.example.com", "3")]
    assert persons == [site.pinned(name) for name in ("ada", "nina", "otto")]
    assert "0 of 3 were tied anew" in moving(site, lines, "--apply").stdout


def test_one_that_cannot_be_moved_stops_all(site: Site) -> None:
    site.run("ledger", "init")
    for name, subject in (("ada", "1"), ("nina", "2")):
        site.link(name, subject)
    assert 0 == moving(site, "2,a-2\n", "--apply").exit_code
    for words in ((), ("--apply",)):
        refused = moving(site, "1,a-2\n", *words)
        assert 1 == refused.exit_code
        assert f"nina is tied to subject a-2 at {NEW} already" in refused.stderr
    assert Person("https://id.example.com", "1") == site.pinned("ada")


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("1,a\n1,b\n", "list.csv:2: a subject stands here that stood in an earlier line already"),
        ("1,a\n2,a\n", "list.csv:2: a subject stands here"),
        ("1\n", "list.csv:1: write two columns"),
        ("1,a,x\n", "write two columns"),
        ("1,\n", "write two columns"),
        ("1,\x07\n", "write two columns"),
        ('"1,a\n', "cannot be read as CSV"),
        ("", "names nobody"),
    ],
)
def test_a_list_that_cannot_be_used_says_where(site: Site, lines: str, said: str) -> None:
    site.run("ledger", "init")
    done = moving(site, lines, "--apply")
    assert (1, True, False) == (done.exit_code, said in done.stderr, "Traceback" in done.output), done.output


def test_people_pass_only_to_a_provider_that_is_there(site: Site) -> None:
    site.run("ledger", "init")
    done = moving(site, "1,a\n", "--apply", to="https://typo.example.org")
    assert (1, True) == (done.exit_code, f"there is https://id.example.com, {NEW}" in done.stderr)
