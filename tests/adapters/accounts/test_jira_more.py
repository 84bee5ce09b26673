"""adapters.accounts.jira: seats, missing groups, the second way to switch accounts, keys, the end of a token."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from aiohttp import web

from sidecar.domain.account import Create, Deactivate, Join, MakeGroup, Reactivate, StepResult
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from tests.adapters.accounts.small_jira import TOKEN, SmallJira, connected, errors
from tests.adapters.accounts.test_pace import Time


class Switch:
    """The second way: notes what it was asked, and does it at the same Jira."""

    def __init__(self, jira: SmallJira) -> None:
        self.jira = jira
        self.asked: list[tuple[str, bool]] = []

    async def set_active(self, username: str, *, active: bool) -> None:
        self.asked.append((username, active))
        self.jira.users[username.lower()]["active"] = active


def role(**changes: Any) -> dict[str, Any]:
    usual = {"key": "jira-software", "groups": ["Jira-Software-Users"], "remainingSeats": 3, "hasUnlimitedSeats": False}
    return usual | changes


async def test_seats_are_read_as_they_are_told() -> None:
    jira = SmallJira()
    jira.roles = [
        role(),
        role(key="core", groups=[], remainingSeats=-1, hasUnlimitedSeats=True),
        role(remainingSeats=-2),
    ]
    async with connected(jira) as connector:
        found = await connector.licences()
    software = Licence(key="jira-software", groups=frozenset({"jira-software-users"}), remaining=3)
    empty = Licence(key="jira-software", groups=software.groups, remaining=0)
    assert (software, Licence(key="core", groups=frozenset(), remaining=None), empty) == found


@pytest.mark.parametrize(
    "changes",
    [{"remainingSeats": None}, {"remainingSeats": True}, {"remainingSeats": "3"}, {"groups": None}, {"key": 1}],
)
async def test_seats_that_are_not_told_plainly_are_an_error(changes: dict[str, Any]) -> None:
    jira = SmallJira()
    jira.roles = [role(**changes)]
    async with connected(jira) as connector:
        with pytest.raises(AccountError) as caught:
            await connector.licences()
    assert Reason.CONNECTOR_REFUSED is caught.value.reason


async def test_a_group_is_made_once() -> None:
    jira = SmallJira()
    jira.add("alice")
    async with connected(jira) as connector:
        step = MakeGroup("alice", "team-1")
        assert [StepResult.DONE, StepResult.ALREADY] == [await connector.apply(step), await connector.apply(step)]
        assert StepResult.DONE is await connector.apply(Join("alice", "team-1"))
    assert {"alice"} == jira.groups["team-1"]


async def test_a_group_that_may_not_be_made_is_an_error() -> None:
    jira = SmallJira()
    jira.next_answers = [partial(errors, 403)]
    async with connected(jira) as connector:
        with pytest.raises(AccountError, match="team-1") as caught:
            await connector.apply(MakeGroup("alice", "team-1"))
    assert Reason.ACCOUNT_STEP_FAILED is caught.value.reason


async def test_an_account_is_made_inactive_and_looked_at() -> None:
    jira = SmallJira()
    jira.add("Alice")
    async with connected(jira) as connector:
        assert StepResult.DONE is await connector.apply(Deactivate("Alice"))
        assert {"name": "Alice", "active": False} in jira.bodies
        jira.deaf = True
        jira.users["alice"]["active"] = True
        with pytest.raises(AccountError) as caught:
            await connector.apply(Deactivate("Alice"))
    assert (Reason.ACCOUNT_STEP_FAILED, True) == (caught.value.reason, jira.users["alice"]["active"])


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("how", ["works", "ignored", "old version", "read-only", "silent"])
async def test_the_second_way_is_taken_only_where_the_first_does_nothing(active: bool, how: str) -> None:
    jira = SmallJira()
    jira.add("alice", active=not active)
    switch = Switch(jira)
    step = Reactivate("alice") if active else Deactivate("alice")
    async with connected(jira, switch=switch) as connector:
        await connector.read("alice")
        jira.deaf = how == "ignored"
        prepared = {
            "old version": [partial(errors, 400, "error.no.value.found.to.be.changed")],
            "read-only": [partial(errors, 403, "The directory is read-only.")],
            "silent": [partial(errors, 503)],
        }
        jira.next_answers = list(prepared.get(how, []))
        if how == "silent":
            with pytest.raises(AccountError):
                await connector.apply(step)
        else:
            assert StepResult.DONE is await connector.apply(step)
    assert ([] if how in {"works", "silent"} else [("alice", active)]) == switch.asked
    assert (how != "silent") == (jira.users["alice"]["active"] is active)


async def test_an_account_is_found_by_its_key_under_another_name() -> None:
    jira = SmallJira()
    jira.add("alice", "users")
    key = jira.users["alice"]["key"]
    jira.users["alice.new"] = jira.users.pop("alice") | {"name": "alice.new"}
    async with connected(jira) as connector:
        found = await connector.by_key(key)
        assert None is await connector.by_key("JIRAUSER9")
        jira.next_answers = [partial(web.json_response, jira.users["connector"] | {"groups": {"size": 0, "items": []}})]
        assert None is await connector.by_key(key)
    assert found is not None
    assert ("alice.new", key) == (found.username, found.key)


async def test_whom_jira_does_not_know_yet_is_no_missing_group() -> None:
    jira = SmallJira()
    jira.next_answers = [partial(errors, 404, "The user named 'alice' does not exist")]
    async with connected(jira) as connector:
        with pytest.raises(AccountError) as caught:
            await connector.apply(Join("alice", "users"))
    assert (Reason.ACCOUNT_ABSENT, True) == (caught.value.reason, caught.value.retry)


async def test_an_account_that_is_said_to_be_there_and_not_shown_is_there() -> None:
    jira = SmallJira()
    jira.next_answers = [partial(errors, 400, username="A user with that username already exists.")]
    async with connected(jira) as connector:
        assert StepResult.ALREADY is await connector.apply(Create("alice", "Alice", "alice@example.com"))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([], None),
        ([None], None),
        (["2026-11-26T09:30:00.000+0000"], 1_795_685_400),
        (["2026-11-26T09:30:00.000+0000", None, "2026-11-26T09:00:00Z"], 1_795_683_600),
        (["1970-01-01T00:00:00.000+0000", "2026-11-26T10:30:00+01:00"], 1_795_685_400),
        (["2026-11-26T09:30:00"], 1_795_685_400),
    ],
)
async def test_the_end_of_the_token_is_the_first_that_is_still_to_come(ends: list[Any], expected: int | None) -> None:
    jira = SmallJira()
    jira.tokens = [{"name": "one", "expiringAt": end} for end in ends]
    async with connected(jira, clock=Time()) as connector:
        assert (UnixSeconds(expected) if expected else None) == await connector.token_expiry()


@pytest.mark.parametrize("odd", [[{"expiringAt": "soon"}], [1], {"expiringAt": "2026-11-26"}])
async def test_an_end_that_cannot_be_read_is_an_error(odd: Any) -> None:
    jira = SmallJira()
    jira.tokens = odd
    async with connected(jira) as connector:
        with pytest.raises(AccountError):
            await connector.token_expiry()


async def test_the_account_of_the_next_token_is_our_own_too() -> None:
    jira = SmallJira()
    jira.add("second", "jira-administrators")
    jira.token = "next-token"
    jira.users["connector"], both = jira.users["second"], jira.users["connector"]
    async with connected(jira, token=lambda: TOKEN, next_token=lambda: "next-token") as connector:
        own = await connector.read("second")
        assert (True, 1) == (own and own.own, connector.refused)
    assert both["name"] == "connector"
