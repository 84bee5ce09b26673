"""The commands of an introduction, one by one, at a small site with everything odd in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import Result

from sidecar.adapters.state.files import held
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from tests.introduction.company import ISSUER, Colleague, Office, Place, write_list

PEOPLE = [
    Colleague("1", "ada", "ada@example.com", "Ada", ("okta-users", "okta-new")),
    Colleague("2", "CARL", "carl@example.com", "Carl", ("okta-users",)),
    Colleague("3", "nina", "nina@example.com", "Nina", ("okta-users",)),
    Colleague("4", "admin", "admin@example.com", "Admin", ()),
    Colleague("5", "root2", "root2@example.com", "Root", ()),
    Colleague("6", "o'brien", "o@example.com", "O", ()),
    Colleague("7", "twin", "twin@example.com", "Twin", ()),
    Colleague("8", "Twin", "twin2@example.com", "Twin", ()),
    Colleague("9", "b.new", "bob@example.com", "Bob", ()),
    Colleague("10", "ldap", "ldap@example.com", "Ldap", ()),
]


@dataclass(slots=True)
class Desk:
    """The administrator's desk at a running Jira."""

    jira: RunningJira
    office: Office

    async def run(self, *words: str) -> Result:
        return await self.office.run(*words, "--application", "jira")

    async def people(self, *words: str) -> Result:
        return await self.run(*words, "--idp", str(self.office.folder / "users.csv"))

    def events(self) -> list[dict[str, object]]:
        lines = (self.office.folder / "audit.jsonl").read_text("utf-8").splitlines()
        return [event for event in map(json.loads, lines) if not event["code"].startswith("audit.")]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    state = JiraState()
    state.add_user("lychgate", groups=("jira-administrators",))
    token = state.add_token("lychgate")
    state.groups |= {"jira-everybody", "jira-users"}
    state.add_user("ada", "Ada", groups=("jira-everybody", "jira-users", "jira-unclaimed"))
    state.add_user("carl", "Carl", groups=("jira-everybody",), active=False)
    state.add_user("admin", "Admin")
    state.add_user("root2", "Root", groups=("jira-administrators",))
    state.add_user("twin", "Twin")
    state.add_user("bob", "Bob", "Bob@example.com")
    state.add_user("ldap", "Other", groups=("jira-users",), read_only=True)
    state.add_user("leaver", "Leaver")
    state.duplicates["ldap"] = (("LDAP", True), ("Jira Internal Directory", True))
    async with serve_jira(state, JiraConfig(jira_seats=None)) as jira:
        office = Office(tmp_path, Place(upstream=jira.origin), token)
        write_list(tmp_path / "users.csv", PEOPLE)
        assert 0 == (await office.run("ledger", "init")).exit_code
        yield Desk(jira, office)


async def test_the_report_finds_everything_odd_and_changes_nothing(desk: Desk) -> None:
    (desk.office.folder / "ldap.txt").write_text("LDAP\n", "utf-8")
    told = await desk.people("migrate", "report", "--json", "--read-only", str(desk.office.folder / "ldap.txt"))
    assert 0 == told.exit_code, told.output
    report = json.loads(told.stdout)
    found = {one["subject"]: (one["status"], one["reason"]) for one in report["people"]}
    assert {
        "1": ("matched", "ok"),
        "2": ("inactive", "account_inactive"),
        "3": ("unmatched", "ok"),
        "4": ("reserved", "account_reserved"),
        "5": ("protected", "account_protected"),
        "6": ("nameless", "username_invalid"),
        "7": ("ambiguous", "ok"),
        "8": ("ambiguous", "ok"),
        "9": ("ambiguous", "ok"),
        "10": ("matched", "ok"),
    } == found
    assert {"link": 6, "create": 2, "reactivate": 0, "update": 2, "make_group": 0, "leave": 0} == {
        name: count for name, count in report["steps"].items() if name != "join"
    }
    assert {"jira-everybody": 5, "jira-new": 1, "jira-users": 1} == report["joins"]
    assert (["jira-new"], ["bob", "leaver"]) == (report["absent"], report["unclaimed"])
    assert (1, 1, 6) == (report["shadowed"], report["read_only"], report["let_in"])
    assert {"GET"} == {call.method for call in desk.jira.calls}
    assert [] == [event for event in desk.events() if event["code"] != "ledger.initialised"]


async def test_the_report_is_readable_and_works_beside_a_running_gate(desk: Desk) -> None:
    with held(desk.office.folder / "state"):
        told = await desk.people("migrate", "report")
        bare = await desk.run("migrate", "report")
    assert (0, 0) == (told.exit_code, bare.exit_code), told.output
    for text in (
        "10 people on the list",
        "would be let in: 6; kept out: 4",
        "jira-new                                 +1 -0   there is no such group",
        "line 10, b.new: ambiguous: no account has this name, but bob has the e-mail address: link b.new; create b.new",
        "lines 8, 9 make the same username",
        "line 7, 6: nameless: username_invalid: o'brien has an apostrophe: username.apostrophe lets",
        "in LDAP, Jira Internal Directory",
        "active accounts that nobody on the list has: 2",
    ):
        assert text in told.stdout
    assert "no list of people was given" in bare.stdout
    assert "active accounts that are tied to nobody: 7" in bare.stdout


async def test_ordinary_accounts_are_linked_and_the_others_told(desk: Desk) -> None:
    looked = await desk.people("migrate", "link")
    assert (3, "3 would be linked; write --apply to do it" in looked.stdout) == (looked.exit_code, True), looked.output
    assert "user.linked" not in [event["code"] for event in desk.events()]

    done = await desk.people("migrate", "link", "--apply")
    assert 3 == done.exit_code
    for text in (
        "line 5, subject 4: reserved",
        "line 6, subject 5: protected",
        "line 7, subject 6: no username: username_invalid",
        "line 8, subject 7: ambiguous",
        "line 4, subject 3: no account has this name",
    ):
        assert text in done.stderr
    assert ["ada", "carl", "ldap"] == [event["username"] for event in desk.events() if event["code"] == "user.linked"]
    again = await desk.people("migrate", "link", "--apply")
    assert "0 were linked; 3 were linked before" in again.stdout
    assert "adopted or linked" in (await desk.run("accounts", "show", "ADA")).stdout
    back = await desk.run("accounts", "undo", "--since", "2020-01-01")
    assert 3 == back.stdout.count(": link: to be taken back")


async def test_memberships_become_ours_only_where_claims_give_them_too(desk: Desk) -> None:
    early = await desk.people("migrate", "adopt-groups", "--pattern", ".*")
    assert (3, "is not linked" in early.stderr) == (early.exit_code, True)
    await desk.people("migrate", "link", "--apply")
    looked = await desk.people("migrate", "adopt-groups", "--pattern", "JIRA-U.*")
    assert ["ada: jira-users"] == [line for line in looked.stdout.splitlines() if "jira:" not in line]
    await desk.people("migrate", "adopt-groups", "--pattern", "jira-u.*", "--apply")
    shown = (await desk.run("accounts", "show", f"{ISSUER} 1")).stdout
    assert ["jira-users"] == [line.split()[1] for line in shown.splitlines() if "added by Lychgate" in line]
    adopted = [event["facts"] for event in desk.events() if event["code"] == "group.adopted"]
    assert [{"cause": "command", "account": "ada", "group": "jira-users"}] == adopted
    wrong = await desk.people("migrate", "adopt-groups", "--pattern", "(")
    assert (1, True) == (wrong.exit_code, "no regular expression" in wrong.stderr)


def claims(desk: Desk, person: Colleague, *groups: str) -> str:
    path = desk.office.folder / "claims.json"
    told = {"sub": person.subject, "preferred_username": person.username, "email": person.email, "name": person.name}
    path.write_text(json.dumps({**told, "groups": list(groups)}), "utf-8")
    return str(path)


async def test_a_plan_says_why_and_a_sync_does_it(desk: Desk) -> None:
    given = ("--claims", claims(desk, PEOPLE[0], "okta-users", "okta-new"))
    told = await desk.run("accounts", "plan", "ada", *given)
    assert 0 == told.exit_code, told.output
    lines = dict(line.split(":", 1) for line in told.stdout.splitlines())
    assert {
        "link ada": "the account has the person's name and is linked to nobody",
        "join jira-new": "okta-new gives it",
        "keep jira-unclaimed": "Lychgate did not add it",
        "keep jira-everybody": "everybody at this portal gets it",
        "keep jira-users": "okta-users gives it",
    } == {name: why.strip() for name, why in lines.items()}
    assert {"GET"} == {call.method for call in desk.jira.calls}

    desk.jira.state.groups.add("jira-new")
    done = await desk.run("accounts", "sync", "ada", *given, "--apply")
    assert (0, "jira: ada is ready" in done.stdout) == (done.exit_code, True), done.output
    assert "jira-new" in desk.jira.state.users["ada"].groups
    less = await desk.run("accounts", "plan", "ada", "--claims", claims(desk, PEOPLE[0], "okta-users"))
    assert "leave jira-new:" in less.stdout and "Lychgate added it for agents on 20" in less.stdout
    assert ["user.linked", "group.added"] == [e["code"] for e in desk.events() if e["outcome"] == "success"][1:]


async def test_whoever_the_portal_keeps_out_is_not_touched(desk: Desk) -> None:
    text = desk.office.path.read_text("utf-8")
    desk.office.path.write_text(text.replace("mode: observe", "require: {any_group: [okta-users]}"), "utf-8")
    given = ("--claims", claims(desk, PEOPLE[0], "okta-new"))
    told = await desk.run("accounts", "plan", "ada", *given)
    assert (1, True) == (told.exit_code, "portal agents keeps them out: not_in_group" in told.stdout)
    done = await desk.run("accounts", "sync", "ada", *given, "--apply")
    assert (1, True) == (done.exit_code, "nothing was done" in done.stderr)
    assert {"GET"} == {call.method for call in desk.jira.calls}
    report = await desk.people("migrate", "report", "--json")
    assert {"not_in_group": 6} == {k: n for k, n in json.loads(report.stdout)["kept_out"].items() if k[:3] == "not"}


@pytest.mark.parametrize(
    ("person", "given", "said"),
    [
        ("carl", PEOPLE[1], "account_inactive"),
        ("admin", PEOPLE[3], "account_reserved"),
        ("ada", PEOPLE[2], "the claims are somebody else's"),
        (f"{ISSUER} 99", PEOPLE[0], "the claims are somebody else's"),
        ("ada", None, "their claims are not known"),
        ("o'brien", PEOPLE[5], "there is no username: username_invalid"),
    ],
)
async def test_a_plan_that_leads_nowhere_says_so(desk: Desk, person: str, given: Colleague | None, said: str) -> None:
    words = ("--claims", claims(desk, given)) if given is not None else ()
    told = await desk.run("accounts", "plan", person, *words)
    assert (1, True, False) == (told.exit_code, said in told.output, "Traceback" in told.output), told.output


async def test_explain_looks_at_the_application_when_it_is_asked_to(desk: Desk) -> None:
    given = ("--claims", claims(desk, PEOPLE[0], "okta-users"))
    told = await desk.run("explain", *given, "--live")
    assert 0 == told.exit_code, told.output
    assert "account there:               ada, active" in told.stdout
    assert "keep jira-unclaimed:         Lychgate did not add it" in told.stdout
    desk.jira.calls.clear()
    assert 0 == (await desk.run("explain", *given)).exit_code
    assert [] == desk.jira.calls
    # A page that is refused hides nothing of the account.
    page = await desk.run("explain", *given, "--live", "--url", "/rpc/soap/jirasoapservice-v2")
    assert (1, True) == (page.exit_code, "refused with 403" in page.stdout), page.output
    assert "keep jira-unclaimed:         Lychgate did not add it" in page.stdout
    refused = await desk.run("explain", "--claims", claims(desk, PEOPLE[1]), "--live")
    assert (1, True) == (refused.exit_code, "account_inactive: the account is inactive" in refused.stdout)
    nameless = await desk.run("explain", "--claims", claims(desk, PEOPLE[5]), "--live")
    assert (1, True) == (nameless.exit_code, "there is no username: username_invalid" in nameless.stderr)


async def test_what_was_done_is_taken_back_and_what_others_did_since_stays(desk: Desk) -> None:
    desk.jira.state.groups.add("jira-new")
    given = ("--claims", claims(desk, PEOPLE[0], "okta-users", "okta-new"))
    await desk.run("accounts", "sync", "ada", *given, "--apply")
    await desk.run("accounts", "sync", "nina", "--claims", claims(desk, PEOPLE[2], "okta-users"), "--apply")
    desk.jira.state.users["nina"].groups.discard("jira-users")

    looked = await desk.run("accounts", "undo", "--since", "2020-01-01")
    assert (0, "to be taken back" in looked.stdout) == (looked.exit_code, True), looked.output
    assert "jira-new" in desk.jira.state.users["ada"].groups
    part = await desk.run("accounts", "undo", "--since", "2020-01-01", "--username", "ADA", "--apply")
    assert "jira: 2 of 2 were taken back; 0 failed" in part.stdout
    assert "jira-new" not in desk.jira.state.users["ada"].groups
    done = await desk.run("accounts", "undo", "--since", "2020-01-01", "--apply")
    assert "nina: join jira-users: stays: the account is not in jira-users any more" in done.stdout
    assert not desk.jira.state.users["nina"].active
    assert {"undo"} == {e["facts"]["cause"] for e in desk.events()[-4:] if e["code"] != "change.intended"}  # type: ignore[index]


async def test_what_changes_something_needs_a_gate_that_does_not_run(desk: Desk) -> None:
    given = ("--claims", claims(desk, PEOPLE[0]))
    commands: dict[tuple[str, ...], tuple[str, ...]] = {
        ("accounts", "undo", "--since", "2020-01-01"): (),
        ("accounts", "sync", "ada"): given,
        ("migrate", "link", "--idp", str(desk.office.folder / "users.csv")): (),
    }
    with ExitStack() as stack:
        stack.enter_context(held(desk.office.folder / "state"))
        for words, more in commands.items():
            assert (await desk.run(*words, *more)).exit_code in {0, 3}
            done = await desk.run(*words, *more, "--apply")
            assert (1, True) == (done.exit_code, "in use by another process" in done.stderr), done.output


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("", "write a heading"),
        ("name,email\na,b\n", "write a heading"),
        ("subject,subject\n1,2\n", "each column once"),
        ("subject,name\n1\n", ":2: 1 columns where the heading has 2"),
        ("subject,name\n,x\n", ":2: the subject is missing"),
        ("subject\n1\n2\n1\n", ":4: this subject stands in line 2 already"),
        ("subject\n\n", "names nobody"),
        ('subject\n"1\n', "cannot be read as CSV"),
    ],
)
async def test_a_list_that_cannot_be_used_says_where(desk: Desk, lines: str, said: str) -> None:
    (desk.office.folder / "users.csv").write_text(lines, "utf-8")
    for words in (("report",), ("link", "--apply")):
        done = await desk.people("migrate", *words)
        assert (1, True, False) == (done.exit_code, said in done.stderr, "Traceback" in done.output), done.output


async def test_an_application_that_does_not_answer_is_told(desk: Desk) -> None:
    desk.jira.kill_token(next(iter(desk.jira.state.tokens)))
    for words in (("migrate", "report"), ("accounts", "show", "ada")):
        done = await desk.run(*words)
        assert (1, True, False) == (done.exit_code, "access token" in done.stderr, "Traceback" in done.output)


async def test_many_accounts_are_linked_by_hand_all_or_none(desk: Desk) -> None:
    path = desk.office.folder / "links.csv"
    words = ("accounts", "link", "--issuer", ISSUER, "--list", str(path))
    path.write_text("admin,4\nroot2,5\n", "utf-8")
    looked = await desk.run(*words, "--dry-run")
    assert (0, "2 would be tied" in looked.stdout) == (looked.exit_code, True), looked.output
    done = await desk.run(*words)
    assert "jira: 2 were tied; 0 were tied so before" in done.stdout
    path.write_text("admin,4\nada,5\nbob,9\n", "utf-8")
    refused = await desk.run(*words)
    assert (1, True) == (refused.exit_code, "root2 is tied to subject 5" in refused.stderr)
    assert "linked:       to nobody" in (await desk.run("accounts", "show", "bob")).stdout
    unlinking = ("accounts", "unlink", "--username", "admin")
    assert "would no longer be tied" in (await desk.run(*unlinking, "--dry-run")).stdout
    assert "is no longer tied" in (await desk.run(*unlinking)).stdout
    for lines, said in (("admin\n", "write two columns"), ("admin,1\nADMIN,2\n", "earlier line"), ("", "names nobody")):
        path.write_text(lines, "utf-8")
        assert said in (await desk.run(*words)).stderr
    assert 2 == (await desk.run(*words, "--username", "x", "--subject", "1")).exit_code
