"""The contract of connectors: the same behaviour at Jira, Confluence, Crowd, and Jira as user server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest

from sidecar.demo.jira import RateLimit
from sidecar.domain.account import (
    Account,
    Create,
    Deactivate,
    Join,
    Leave,
    MakeGroup,
    Reactivate,
    Step,
    StepResult,
    Update,
)
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, Connector, Renames
from tests.adapters.accounts.standins import ADMIN, WAYS, StandIn

CREATE = Create("alice", "Alice Archer", "alice@example.com")
STEPS: list[Step] = [
    CREATE,
    Reactivate("bob"),
    Update("bob", "Robert", "robert@example.com"),
    Deactivate("bob"),
    MakeGroup("bob", "new"),
    Join("bob", "other"),
    Leave("bob", "users"),
]
ODD = ["o'neill", "jürgen", "o+tag@example.com", "50%", "a b", "a#b", "a?b;c", "a&b=c", "ñ.日本", "a..b", "..."]


@pytest.fixture(params=WAYS)
async def standin(request: pytest.FixtureRequest) -> AsyncIterator[StandIn]:
    async with WAYS[request.param]() as made:
        yield made


async def refused(work: Awaitable[object]) -> tuple[Reason, bool]:
    """Why it fails, and whether trying again soon can help."""
    with pytest.raises(AccountError) as caught:
        await work
    return caught.value.reason, caught.value.retry


async def test_an_account_is_read_whole(standin: StandIn) -> None:
    standin.add("Alice", "jira-users", "other", active=False)
    async with standin.connected() as connector:
        account = await connector.read("alice")
        nobody = await connector.read("nobody")
    user = standin.people.find("alice")
    assert user is not None
    expected = Account(
        username=user.username,
        display_name="Alice Person",
        email="alice@example.com" if standin.mail else "",
        active=False,
        groups=frozenset({"jira-users", "other"}),
        key=user.key,
    )
    assert (expected, None) == (account, nobody)


async def test_names_are_found_in_any_case(standin: StandIn) -> None:
    standin.add("Alice", "users")
    async with standin.connected() as connector:
        found = [await connector.read(name) for name in ("alice", "ALICE", "Alice")]
        assert StepResult.DONE is await connector.apply(Leave("ALICE", "USERS"))
    assert 1 == len({account.key for account in found if account})
    assert (3, set()) == (len(found), standin.groups_of("alice"))


async def test_somebody_else_is_nobody(standin: StandIn) -> None:
    standin.add("alice")
    user = standin.people.find("alice")
    assert user is not None
    standin.people.users["alias"] = user
    async with standin.connected() as connector:
        assert None is await connector.read("alias")


@pytest.mark.parametrize("name", ODD)
async def test_odd_names_mean_what_they_say(standin: StandIn, name: str) -> None:
    standin.add(name, "users")
    standin.make([f"{name} group", "..x"])
    # A step that lands at another one's address would be seen here.
    standin.add("a")
    async with standin.connected() as connector:
        account = await connector.read(name)
        assert (name, frozenset({"users"})) == (account and account.username, account and account.groups)
        if name.strip("."):
            for step in (Join(name, f"{name} group"), Join(name, "..x"), Leave(name, "users"), Deactivate(name)):
                assert StepResult.DONE is await connector.apply(step)
            assert {f"{name} group", "..x"} == standin.groups_of(name)
    user, other = standin.people.find(name), standin.people.find("a")
    assert user is not None
    assert other is not None
    assert (bool(name.strip(".")), True, set()) == (not user.active, other.active, standin.groups_of("a"))


async def test_a_slash_is_taken_for_a_part_of_the_name(standin: StandIn) -> None:
    standin.add("a/b", "users")
    standin.add("a")
    standin.make(["x/y"])
    async with standin.connected() as connector:
        account = await connector.read("a/b")
        assert ("a/b", frozenset({"users"})) == (account and account.username, account and account.groups)
        for step in (Join("a/b", "x/y"), Deactivate("a/b")):
            if standin.in_queries:
                assert StepResult.DONE is await connector.apply(step)
            else:
                # Tomcat takes no slash in a path, however it is written.
                assert (Reason.ACCOUNT_STEP_FAILED, False) == await refused(connector.apply(step))
    assert ({"users", "x/y"} if standin.in_queries else {"users"}) == standin.groups_of("a/b")
    assert set() == standin.groups_of("a")


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_name_of_dots_leads_nowhere_else(standin: StandIn, name: str) -> None:
    standin.add(name)
    standin.make([".."])
    async with standin.connected() as connector:
        for step in (Join(name, ".."), Deactivate(name)):
            if standin.in_queries:
                assert StepResult.DONE is await connector.apply(step)
            else:
                assert (Reason.ACCOUNT_STEP_FAILED, False) == await refused(connector.apply(step))
    assert ({".."} if standin.in_queries else set()) == standin.groups_of(name)


@pytest.mark.parametrize("count", [199, 200, 201, 1000, 1001])
async def test_many_groups_are_read_to_the_last(standin: StandIn, count: int) -> None:
    many = [f"group-{number:04}" for number in range(count)]
    standin.add("alice", *many)
    async with standin.connected() as connector:
        account = await connector.read("alice")
    assert account is not None
    assert frozenset(many) == account.groups


async def test_the_connectors_own_account_is_known(standin: StandIn) -> None:
    standin.add("alice")
    if not standin.own:
        standin.add(ADMIN)
    async with standin.connected() as connector:
        found = [await connector.read(name) for name in (ADMIN.upper(), "alice")]
    assert [standin.own, False] == [account is not None and account.own for account in found]


async def test_an_account_is_made_as_it_was_asked_for(standin: StandIn) -> None:
    async with standin.connected() as connector:
        assert StepResult.DONE is await connector.apply(CREATE)
        account = await connector.read("alice")
        assert StepResult.ALREADY is await connector.apply(CREATE)
    user = standin.people.find("alice")
    assert user is not None
    assert ("Alice Archer", "alice@example.com", True) == (user.display_name, user.email, user.active)
    # What was written is shown, by whomever.
    assert account is not None
    assert ("Alice Archer", "alice@example.com") == (account.display_name, account.email)


async def test_switching_on_and_off_changes_nothing_else(standin: StandIn) -> None:
    standin.add("bob", "users")
    user = standin.people.find("bob")
    assert user is not None
    async with standin.connected() as connector:
        for step, active in ((Deactivate("bob"), False), (Reactivate("bob"), True), (Reactivate("bob"), True)):
            assert StepResult.DONE is await connector.apply(step)
            assert active is user.active
            account = await connector.read("bob")
            assert (active, frozenset({"users"})) == (account and account.active, account and account.groups)
    assert ("bob Person", "bob@example.com", {"users"}) == (user.display_name, user.email, user.groups)


async def test_a_renamed_account_is_the_same_one(standin: StandIn) -> None:
    standin.add("bob", "users")
    standin.add("carl")
    async with standin.connected() as connector:
        if not isinstance(connector, Renames):
            assert "confluence" == standin.name
            return
        before = await connector.read("bob")
        await connector.rename("bob", "bob.builder")
        after = await connector.read("bob.builder")
        assert None is await connector.read("bob")
        assert before is not None and replace(before, username="bob.builder") == after
        for name, to in (("bob.builder", "carl"), ("nobody", "somebody")):
            with pytest.raises(AccountError) as caught:
                await connector.rename(name, to)
            assert Reason.ACCOUNT_STEP_FAILED is caught.value.reason


async def test_an_update_changes_only_what_it_says(standin: StandIn) -> None:
    standin.add("bob", "users")
    user = standin.people.find("bob")
    assert user is not None
    async with standin.connected() as connector:
        assert StepResult.DONE is await connector.apply(Update("bob", "Robert", None))
        assert ("Robert", "bob@example.com") == (user.display_name, user.email)
        assert StepResult.DONE is await connector.apply(Update("bob", None, "robert@example.com"))
        assert ("Robert", "robert@example.com") == (user.display_name, user.email)
        account = await connector.read("bob")
    assert ("robert@example.com", True) == (account and account.email, user.active)


async def test_what_is_so_already_is_no_failure(standin: StandIn) -> None:
    standin.add("alice", "users")
    standin.make(["others"])
    again = StepResult.ALREADY if standin.tells else StepResult.DONE
    async with standin.connected() as connector:
        assert again is await connector.apply(Join("alice", "users"))
        assert again is await connector.apply(Leave("alice", "others"))
        assert StepResult.ALREADY is await connector.apply(Leave("alice", "gone"))
        assert StepResult.DONE is await connector.apply(MakeGroup("alice", "made"))
        assert StepResult.ALREADY is await connector.apply(MakeGroup("alice", "made"))
    assert ({"users"}, True) == (standin.groups_of("alice"), "made" in standin.people.groups)


async def test_a_group_that_is_not_there_is_told_by_name(standin: StandIn) -> None:
    standin.add("alice")
    async with standin.connected() as connector:
        with pytest.raises(AccountError, match="nowhere") as caught:
            await connector.apply(Join("alice", "nowhere"))
    assert (Reason.GROUP_ABSENT, False) == (caught.value.reason, caught.value.retry)


async def test_a_limit_is_waited_for_within_patience_and_not_beyond(standin: StandIn) -> None:
    standin.add("alice")
    async with standin.connected(patience=0.5) as connector:
        await connector.read("alice")
        standin.server.fail_next("/rest", 429, headers=(("Retry-After", "0"),))
        assert await connector.read("alice") is not None
        standin.server.faults.rate_limit = RateLimit(limit=10, remaining=0)
        assert (Reason.CONNECTOR_UNREACHABLE, True) == await refused(connector.read("alice"))
        assert (Reason.CONNECTOR_UNREACHABLE, True) == await refused(connector.apply(Deactivate("alice")))
    # Another gate, which did not hear of the limit: this one waits for as long as it was told.
    standin.server.faults.rate_limit = RateLimit(limit=10, remaining=10)
    async with standin.connected(patience=0.5) as connector:
        assert await connector.read("alice") is not None


Break = Callable[[StandIn], None]


def html(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 200, "<html>Log in</html>", 9, (("Content-Type", "text/html"),))


def bare(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 200, "ok", 9)


def redirect(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 302, "", 9, (("Location", "/login.jsp"),))


def moved(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 404, "<html>", 9, (("Content-Type", "text/html"),))


def half(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 200, '{"name": "bo', 9, (("Content-Type", "application/json"),))


def empty(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 200, "{}", 9, (("Content-Type", "application/json"),))


def deep(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 200, "[" * 100_000, 9, (("Content-Type", "application/json"),))


def forbidden(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 403, "no", 9)


def sick(standin: StandIn) -> None:
    standin.server.fail_next("/rest", 503, "<html>", 9, (("Content-Type", "text/html"),))


def cut(standin: StandIn) -> None:
    standin.server.cut_next("/rest", 9)


@pytest.mark.parametrize("broken", [html, bare, redirect, moved, half, empty, deep, forbidden])
async def test_an_answer_that_is_not_clear_is_never_an_account_and_never_none(standin: StandIn, broken: Break) -> None:
    standin.add("bob", "users")
    async with standin.connected() as connector:
        await connector.read("bob")
        broken(standin)
        assert (Reason.CONNECTOR_REFUSED, False) == await refused(connector.read("bob"))


@pytest.mark.parametrize("broken", [sick, cut])
async def test_no_answer_is_worth_another_try(standin: StandIn, broken: Break) -> None:
    standin.add("bob", "users")
    async with standin.connected() as connector:
        await connector.read("bob")
        broken(standin)
        assert (Reason.CONNECTOR_UNREACHABLE, True) == await refused(connector.read("bob"))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: type(step).__name__)
@pytest.mark.parametrize("broken", [html, redirect, moved, forbidden, sick, cut])
async def test_a_step_without_its_own_answer_is_never_done(standin: StandIn, broken: Break, step: Step) -> None:
    standin.add("bob", "users")
    standin.make(["other"])
    async with standin.connected() as connector:
        broken(standin)
        reason, _ = await refused(connector.apply(step))
    unknown = broken in (sick, cut)
    assert unknown == (reason is Reason.CONNECTOR_UNREACHABLE)
    # Nothing of it came through.
    user = standin.people.find("bob")
    assert user is not None
    assert ("bob Person", True, {"users"}) == (user.display_name, user.active, user.groups)
    assert (None, False) == (standin.people.find("alice"), "new" in standin.people.groups)


async def test_silence_ends_in_time(standin: StandIn) -> None:
    standin.add("bob")
    standin.server.delay("/rest", 30)
    async with standin.connected(seconds=0.05) as connector:
        assert (Reason.CONNECTOR_UNREACHABLE, True) == await refused(connector.read("bob"))


async def test_a_dead_credential_is_known_at_every_call(standin: StandIn) -> None:
    standin.add("bob", "users")
    standin.make(["other"])

    async def dead(connector: Connector) -> None:
        assert (Reason.CONNECTOR_REFUSED, False) == await refused(connector.read("bob"))
        for step in STEPS:
            assert (Reason.CONNECTOR_REFUSED, False) == await refused(connector.apply(step))

    async with standin.connected(secret=lambda: "another-secret") as connector:
        await dead(connector)
    if standin.own:
        async with standin.connected() as connector:
            assert await connector.read("bob") is not None
            standin.server.faults.dead_tokens.add("the-secret-of-the-connector")
            await dead(connector)


@pytest.mark.parametrize("step", [*STEPS[1:4], *STEPS[5:]], ids=lambda step: type(step).__name__)
async def test_a_read_only_directory_is_named_as_a_cause(standin: StandIn, step: Step) -> None:
    standin.add("bob", "users")
    standin.make(["other"])
    standin.server.faults.directory_read_only = True
    async with standin.connected() as connector:
        with pytest.raises(AccountError, match=r"403.*directory") as caught:
            await connector.apply(step)
    reason = Reason.DIRECTORY_READ_ONLY if standin.own else Reason.ACCOUNT_STEP_FAILED
    assert (reason, False) == (caught.value.reason, caught.value.retry)


async def test_a_new_secret_counts_at_once(standin: StandIn) -> None:
    standin.add("bob")
    kept = ["an-old-secret"]
    async with standin.connected(secret=lambda: kept[0]) as connector:
        assert (Reason.CONNECTOR_REFUSED, False) == await refused(connector.read("bob"))
        kept[0] = "the-secret-of-the-connector"
        assert await connector.read("bob") is not None


async def test_no_call_carries_more_than_it_needs(standin: StandIn) -> None:
    standin.add("bob", "users")
    standin.make(["other"])
    async with standin.connected() as connector:
        await connector.read("bob")
        for step in STEPS:
            await connector.apply(step)
    assert standin.server.calls
    for call in standin.server.calls:
        sent = {name.lower(): value for name, value in call.headers}
        assert set() == {"cookie", "origin", "referer"} & sent.keys()
        assert ("no-check", "application/json") == (sent["x-atlassian-token"], sent["accept"])
        assert "the-secret-of-the-connector" not in call.target
