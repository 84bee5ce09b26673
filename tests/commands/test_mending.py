"""cli_mending and mending: an account follows a new name, and a freeze is lifted, by hand and in the trail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp.test_utils import RawTestServer
from click.testing import Result

from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import open_state
from sidecar.adapters.state.stores import State
from sidecar.commands.mending import MendingError, _renamed, rename_account
from sidecar.config.load import load
from sidecar.core.breaker import Breaker
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, serve_jira
from sidecar.domain.account import Account
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import OwnedGroup, Pin
from tests.adapters.accounts.small_jira import SmallJira
from tests.commands.test_ledger import Site, events
from tests.flows.fake_accounts import Directory, Listener, account

T = TypeVar("T")
ADA = Person("https://id.example.com", "1")
FROZEN = Breaker(taken=((UnixSeconds(1), 200),), frozen=UnixSeconds(2), held=UnixSeconds(3))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Ada has the account ada, with a group of ours, and Nina has nina."""
    site = Site(tmp_path)
    site.run("ledger", "init")
    for name, subject in (("Ada", "1"), ("nina", "2")):
        assert 0 == site.link(name, subject).exit_code
    entry = OwnedGroup(application="jira", username="ada", group="jira-users", portal="agents", at=UnixSeconds(1))
    in_state(site, lambda state: state.ledger.own(entry))
    return site


def in_state(site: Site, work: Callable[[State], Coroutine[Any, Any, T]]) -> T:
    """Look at the state, or change it, while nothing runs."""

    async def do() -> T:
        async with open_state(site.folder / "state", Sealer([site.key.encode()])) as state:
            return await work(state)

    return asyncio.run(do())


def rename(site: Site, before: str, after: str, *words: str) -> Result:
    return site.run("accounts", "rename", "--application", "jira", "--from", before, "--to", after, *words)


def test_a_renaming_is_shown_first(site: Site) -> None:
    shown = rename(site, "ADA", "ada.king")
    assert (0, []) == (shown.exit_code, events(shown)), shown.output
    assert "jira: ada.king would have the account of; write --apply to do it: Ada (subject 1" in shown.stdout
    assert (ADA, None) == (site.pinned("ada"), site.pinned("ada.king"))


def test_an_account_follows_its_person_with_all_that_is_noted_of_it(site: Site) -> None:
    done = rename(site, "ada", "Ada.King", "--apply")
    assert 0 == done.exit_code, done.output
    (event,) = events(done)
    facts = {"cause": "command", "account": "Ada.King", "before": "Ada"}
    assert ("user.renamed", "ada.king", facts) == (event["code"], event["username"], event["facts"])
    assert (None, ADA) == (site.pinned("ada"), site.pinned("ada.king"))
    groups = in_state(site, lambda state: state.ledger.owned("jira", "ada.king"))
    assert ["jira-users"] == [entry.group for entry in groups]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("otto", "otto.k", "otto is tied to nobody"),
        ("ada", "Nina", "nina is tied to subject 2 at https://id.example.com already"),
    ],
)
def test_a_renaming_that_cannot_be_says_why(site: Site, before: str, after: str, said: str) -> None:
    for words in ((), ("--apply",)):
        done = rename(site, before, after, *words)
        assert (1, True, []) == (done.exit_code, said in done.stderr, events(done)), done.output
    assert (ADA, Person(ADA.issuer, "2")) == (site.pinned("ada"), site.pinned("nina"))


def test_a_freeze_is_lifted_by_hand(site: Site) -> None:
    words = ("accounts", "resume", "--application", "jira")
    none = site.run(*words, "--apply")
    assert (1, True) == (none.exit_code, "not frozen" in none.stderr)
    in_state(site, lambda state: state.ledger.keep_breaker("jira", FROZEN))

    shown = site.run(*words)
    assert (0, []) == (shown.exit_code, events(shown))
    assert FROZEN == in_state(site, lambda state: state.ledger.breaker("jira"))

    done = site.run(*words, "--apply")
    assert 0 == done.exit_code
    assert [("removals.resumed", {"cause": "command"})] == [(event["code"], event["facts"]) for event in events(done)]
    assert Breaker() == in_state(site, lambda state: state.ledger.breaker("jira"))


def test_intentions_stand_in_the_trail_before(site: Site) -> None:
    trail = site.folder / "audit.jsonl"
    text = site.path.read_text("utf-8") + f"audit: {{file: {{path: '{trail}', policy: required}}}}\n"
    site.path.write_text(text, "utf-8")
    in_state(site, lambda state: state.ledger.keep_breaker("jira", FROZEN))
    rename(site, "ada", "ada.king", "--apply")
    site.run("accounts", "resume", "--application", "jira", "--apply")

    records = [json.loads(line) for line in trail.read_text("utf-8").splitlines()]
    told = [(record["code"], record.get("facts", {}).get("step")) for record in records]
    assert [
        ("change.intended", "rename"),
        ("user.renamed", None),
        ("change.intended", "resume"),
        ("removals.resumed", None),
    ] == [pair for pair in told if not pair[0].startswith("audit.")]


async def reached(site: Site, upstream: str, token: str, key: str) -> None:
    """The site has the token of a Jira at an address, and ada's pin knows her account there."""
    (site.folder / "pat").touch(mode=0o600)
    (site.folder / "pat").write_text(token, "ascii")
    text = site.path.read_text("utf-8").replace("http://127.0.0.1:8081", upstream)
    text = text.replace("https://jira.example.com", "https://jira.example.com/jira")
    accounts = f"    accounts: {{token: 'file://{site.folder}/pat'}}\nportals:"
    site.path.write_text(text.replace("portals:", accounts), "utf-8")
    async with open_state(site.folder / "state", Sealer([site.key.encode()])) as state:
        await state.ledger.learn_key("jira", "ada", key)


@pytest.fixture
async def jira(site: Site) -> AsyncIterator[SmallJira]:
    """Jira answers, and the site has its token. Ada's pin knows the account."""
    small = SmallJira()
    small.add("ada", "jira-users")
    async with RawTestServer(small.handle) as server:
        upstream = str(server.make_url("/jira")).removesuffix("/jira")
        await reached(site, upstream, small.token, small.users["ada"]["key"])
        yield small


@pytest.fixture
async def standin(site: Site) -> AsyncIterator[RunningJira]:
    """A Jira that can rename its accounts."""
    state = JiraState()
    state.add_user("lychgate", groups=("jira-administrators",))
    ada = state.add_user("ada", "Ada", groups=("jira-users",))
    async with serve_jira(state, JiraConfig(context_path="/jira")) as running:
        await reached(site, running.origin, state.add_token("lychgate"), ada.key)
        yield running


async def renamed(site: Site, after: str, *, there: bool = False, apply: bool = True) -> str:
    """The name under which ada is pinned after the command, or what it said."""
    try:
        await rename_account(load(site.path), "jira", "ada", after, apply=apply, there=there)
    except MendingError as error:
        return str(error)
    async with open_state(site.folder / "state", Sealer([site.key.encode()])) as state:
        pin = await state.ledger.pin_of("jira", ADA)
    return "" if pin is None else pin.spelling


async def test_an_account_must_be_renamed_in_the_application_first(site: Site, jira: SmallJira) -> None:
    assert "has not renamed Ada to ada.king; do that first" in await renamed(site, "ada.king")
    jira.add("ada.king")
    assert "has not renamed Ada to ada.king; do that first" in await renamed(site, "ada.king")
    del jira.users["ada"]
    assert "is another account than Ada was" in await renamed(site, "ada.king")


async def test_the_application_says_how_the_new_name_is_written(site: Site, jira: SmallJira) -> None:
    jira.users["ada.king"] = jira.users.pop("ada") | {"name": "Ada.King"}
    assert "Ada.King" == await renamed(site, "ADA.KING")


async def test_a_name_that_changed_its_case_only_is_the_same_account(site: Site, jira: SmallJira) -> None:
    jira.users["ada"]["name"] = "ADA"
    assert "ADA" == await renamed(site, "ADA")


async def test_an_application_that_does_not_answer_is_not_believed(site: Site, jira: SmallJira) -> None:
    jira.token = "another"
    assert "jira could not be asked for the account" in await renamed(site, "ada.king")


async def test_an_account_is_renamed_in_the_application_too_where_that_is_asked_for(
    site: Site, standin: RunningJira
) -> None:
    trail = site.folder / "audit.jsonl"
    site.path.write_text(site.path.read_text("utf-8") + f"audit: {{file: {{path: '{trail}'}}}}\n", "utf-8")
    assert "Ada" == await renamed(site, "ada.king", there=True, apply=False)
    assert {"GET"} == {call.method for call in standin.calls}
    assert "ada.king" == await renamed(site, "ada.king", there=True)
    user = standin.state.find("ada.king")
    assert user is not None
    assert (None, {"jira-users"}) == (standin.state.find("ada"), user.groups)
    codes = [json.loads(line)["code"] for line in trail.read_text("utf-8").splitlines()]
    assert ["user.renamed"] == [code for code in codes if code.startswith("user.")]


@pytest.mark.parametrize(
    ("after", "spoil", "said"),
    [
        ("bob", lambda state: state.add_user("bob"), "has not renamed Ada to bob"),
        ("root", lambda state: None, "one of them is reserved"),
        ("a<b", lambda state: None, "did not rename Ada to a<b: renaming the account was answered by 400"),
        ("ada.king", lambda state: setattr(state.find("ada"), "read_only", True), "did not rename Ada to ada.king"),
        (
            "ada.king",
            lambda state: setattr(state.find("ada"), "key", "JIRAUSER77"),
            "is another account than the linked one",
        ),
    ],
    ids=["taken", "reserved", "refused", "read-only", "another"],
)
async def test_what_cannot_be_renamed_stays_as_it_is(
    site: Site, standin: RunningJira, after: str, spoil: Callable[[JiraState], object], said: str
) -> None:
    spoil(standin.state)
    assert said in await renamed(site, after, there=True)
    assert standin.state.find("ada") is not None
    async with open_state(site.folder / "state", Sealer([site.key.encode()])) as state:
        assert None is not await state.ledger.pin_on("jira", "ada")


class Yes(Directory):
    """Says yes to a renaming, and does what it likes."""

    after: Account | None = None

    async def rename(self, username: str, to: str) -> None:
        if self.after is not None:
            self.accounts[to] = self.after


@pytest.mark.parametrize("after", [None, account("ada.king", key="k-2")], ids=["nothing", "another"])
async def test_a_yes_is_no_proof(after: Account | None) -> None:
    directory, told = Yes(account("ada", key="k-1")), Listener()
    directory.after = after
    pin = Pin(
        application="jira", username="ada", spelling="Ada", person=ADA, created=False, at=UnixSeconds(1), key="k-1"
    )
    with pytest.raises(MendingError, match="does not show the account renamed"):
        await _renamed(told, directory, pin, "ada.king")
    assert ["account.failed"] == told.codes()
