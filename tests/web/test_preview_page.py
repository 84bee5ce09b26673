"""The sign-in test page: who may, how recent, how often; what it shows is true, and looking changes nothing at all."""

from __future__ import annotations

import html
import re
import sqlite3
import time
from typing import Any

import pytest

from sidecar.core.accounts import Refusal
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Pin
from sidecar.domain.reason import Reason
from sidecar.flows.account_look import Foreseen, Seen
from sidecar.web.preview_page import _look
from tests.flows.fake_accounts import account, agent
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.test_time_over_http import Hands

PAGE = "/.lychgate/test"
GROUPS = {"map": [{"from": "okta-project-(.+)", "to": "jira-project-$1"}, {"from": "okta-jira-(.+)", "to": "jira-$1"}]}
OPEN: dict[str, Any] = {
    "agents": {"test_page": {"require": {"any_group": ["okta-jira-users"]}}},
    "accounts": {"groups": GROUPS},
}


def lines(text: str) -> list[tuple[str, str, str, str]]:
    """What, found, why and reason of every line of a page."""
    found = re.findall(
        r"<dt><bdi>(.*?)</bdi></dt><dd><bdi>(.*?)</bdi>"
        r'(?:<br><span class="quiet"><bdi>(.*?)</bdi></span>)?(?: <code>(.*?)</code>)?</dd>',
        text,
        re.DOTALL,
    )
    return [tuple(html.unescape(part) for part in line) for line in found]  # type: ignore[misc]


def plan(text: str) -> list[tuple[str, str, str, str]]:
    return lines(text.partition("What a sign-in would do now")[2])


async def look(world: World, who: str, portal: str = "") -> tuple[int, str]:
    """Somebody opens the page in a fresh browser."""
    async with world.browser() as browser:
        status, _, text = await browser.sign_in(who, PAGE + (f"?portal={portal}" if portal else ""))
        return status, text


def written(world: World) -> list[str]:
    """Everything that the ledger holds."""
    with sqlite3.connect(f"file:{world.folder}/state/ledger.sqlite3?mode=ro", uri=True) as connection:
        return list(connection.iterdump())


def changes(world: World) -> list[str]:
    return [call.method for call in world.jira.calls if call.method not in {"GET", "HEAD"}]


async def test_somebody_new_sees_what_would_be_made_and_nothing_is(worlds: Worlds) -> None:
    world = await worlds(**OPEN)
    before = written(world)
    status, text = await look(world, "nina")
    told = lines(text)
    assert 200 == status
    assert ("preferred_username", "nina", "", "") in told
    assert (
        "user name",
        "nina",
        "preferred_username is the first of preferred_username, email that is there",
        "",
    ) in told
    assert ("okta-project-moon", "gives jira-project-moon", "", "") in told
    assert "there is no account of this name" in text
    assert [
        ("link", "nina", "it is yours from then on", ""),
        ("create", "nina", "there is no account of this name", ""),
        ("join", "jira-project-moon", "given by okta-project-moon", ""),
        ("join", "jira-users", "given by okta-jira-users", ""),
    ] == plan(text)
    assert (before, [], None) == (written(world), changes(world), world.jira.state.find("nina"))
    assert [] == [event for event in world.events if event["code"].startswith(("user.", "group.", "change."))]


async def test_what_it_foresees_is_what_a_sign_in_then_does(worlds: Worlds) -> None:
    world = await worlds(**OPEN)
    _, text = await look(world, "stella")
    foreseen = {(what, found) for what, found, *_ in plan(text)}
    assert {("leave", "jira-project-mars"), ("join", "jira-project-moon"), ("join", "jira-users")} == foreseen
    await world.sign_in("stella")
    codes = {"group.removed": "leave", "group.added": "join"}
    done = {(codes[event["code"]], event["facts"]["group"]) for event in world.events if event["code"] in codes}
    assert ("join", "jira-users") in foreseen - done  # the stand-in has no such group
    assert foreseen - {("join", "jira-users")} == done
    _, text = await look(world, "stella")
    assert [("join", "jira-users", "given by okta-jira-users", "")] == plan(text)


@pytest.mark.parametrize(
    ("who", "line"),
    [
        ("amir", ("refused", "you would not be let in", "the account is inactive and may not be made active again")),
        ("dora", ("reactivate", "dora", "Lychgate made it inactive")),
    ],
)
async def test_an_inactive_account_says_whose_work_that_is(worlds: Worlds, who: str, line: tuple[str, ...]) -> None:
    world = await worlds(**OPEN)
    before = written(world)
    _, text = await look(world, who)
    assert line in [entry[:3] for entry in plan(text)]
    user = world.jira.state.find(who)
    assert user is not None
    assert (before, False) == (written(world), user.active)


async def test_an_account_that_is_somebody_else_s_is_not_shown(worlds: Worlds) -> None:
    world = await worlds(**OPEN)
    await world.sign_in("ada")
    ada = world.jira.state.find("ada")
    assert ada is not None
    ada.email = "of.ada@example.com"
    world.jira.state.join("ada", "jira-of-ada")
    world.staff.provider.change_claims("nina", preferred_username="ada")
    _, text = await look(world, "nina")
    (line,) = plan(text)
    assert ("refused", "pin_conflict") == (line[0], line[3])
    (shown,) = [entry for entry in lines(text) if entry[0] == "account"]
    assert ("unknown", "pin_conflict") == (shown[1], shown[3])
    assert not re.search("of.ada|there is no account", text)


@pytest.mark.parametrize(
    ("pin", "shown"),
    [
        ({}, True),
        ({"key": None}, True),
        ({"key": "k-2"}, False),
        ({"username": "nora"}, False),
        (None, False),
    ],
    ids=["linked", "linked-by-name", "other-key", "other-name", "linked-to-nobody"],
)
@pytest.mark.parametrize("reason", [Reason.ACCOUNT_ABSENT, Reason.ACCOUNT_INACTIVE, Reason.PIN_CONFLICT])
def test_a_refusal_shows_an_account_only_to_the_person_to_whom_it_is_tied(
    pin: dict[str, Any] | None, shown: bool, reason: Reason
) -> None:
    found = account("Nina", "of-nina", key="k-1")
    tied = {"application": "jira", "username": "nina", "spelling": "Nina", "person": agent("nina").person, "key": "k-1"}
    linked = None if pin is None else Pin(**{**tied, "created": False, "at": UnixSeconds(1), **pin})
    seen = Seen(found, found, (), linked, linked, (), None, True, None)
    assert (found if shown else None) == _look(Foreseen(Refusal(reason, "why"), seen)).account


async def test_a_protected_group_says_why_it_is_ignored(worlds: Worlds) -> None:
    lines_of = {"map": [{"from": "okta-jira-admin(.+)", "to": "jira-admini$1trators"}]}
    world = await worlds(agents=OPEN["agents"], accounts={"groups": lines_of})
    _, text = await look(world, "ada")
    why = "jira-administrators: protected, so only an exact line under admin gives it"
    assert ("okta-jira-admins", "ignored", why, "") in lines(text)
    assert ("okta-jira-users", "ignored", "no line of the configuration names it", "") in lines(text)


async def test_it_is_off_unless_the_portal_says_who_may(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for fields in ((), (cookie,)):
        answer = await world.page(PAGE, *fields)
        assert (404, True) == (answer.status, b"unknown_endpoint" in answer.body)


async def test_whoever_is_not_meant_is_refused_and_customers_have_no_page(worlds: Worlds) -> None:
    world = await worlds(agents={"test_page": {"require": {"any_group": ["okta-jira-admins"]}}})
    world.forget()
    status, text = await look(world, "nina")
    assert (403, True, []) == (status, "not_in_group" in text, world.arrived)
    cookie = await world.sign_in("carl", "/servicedesk/customer/portals")
    assert 404 == (await world.page(PAGE, cookie)).status
    assert 404 == (await world.page(f"{PAGE}?portal=support")).status
    assert 404 == (await world.page(f"{PAGE}?portal=nothing")).status


async def test_a_claim_that_only_this_page_reads_counts(worlds: Worlds) -> None:
    world = await worlds(agents={"test_page": {"require": {"claims": {"department": ["IT"]}}}})
    person = world.staff.provider.people["nina"]
    assert isinstance(person.claims, dict)
    for department, expected in (("HR", 403), ("IT", 200)):
        person.claims["department"] = department
        assert expected == (await look(world, "nina"))[0]


async def test_an_old_sign_in_is_not_enough(worlds: Worlds) -> None:
    clock = Hands(int(time.time()))
    world = await worlds(**OPEN, clock=clock, proof="secret")
    async with world.browser() as browser:
        await browser.sign_in("ada")
        assert 200 == (await browser.go(world.url + PAGE))[0]
        clock.passed += 301
        status, place, _ = await browser.go(world.url + PAGE)
        assert (302, True) == (status, place.startswith(world.staff.issuer))
        assert "max_age=300" in place or "request_uri" in place
        status, then, text = await browser.choose(place, "ada")
        assert (200, True, True) == (status, then.endswith(PAGE), "Your sign-in to Jira, tested" in text)


async def test_it_opens_some_times_a_minute_for_one_person_in_all_browsers(worlds: Worlds) -> None:
    clock = Hands(int(time.time()))
    world = await worlds(**OPEN, clock=clock, proof="secret")
    async with world.browser() as one, world.browser() as two:
        for browser in (one, two):
            await browser.sign_in("ada")
        seen = [(await browser.go(world.url + PAGE))[0] for browser in (one, two) * 6]
        assert [200] * 10 + [429] * 2 == seen
        clock.passed += 61
        assert 200 == (await one.go(world.url + PAGE))[0]


async def test_nobody_frames_caches_or_reads_it_as_a_program(worlds: Worlds) -> None:
    world = await worlds(**OPEN)
    cookie = await world.sign_in("ada")
    answer = await world.page(PAGE, cookie)
    (policy,) = answer.headers("Content-Security-Policy")
    assert "frame-ancestors 'none'" in policy
    assert "script" not in policy
    assert (["no-store"], 200) == (answer.headers("Cache-Control"), answer.status)
    assert b"<script" not in answer.body
    anonymous = await world.ask("GET", PAGE, ("Accept", "application/json"))
    assert (401, "no_session") == (anonymous.status, anonymous.error)
    assert 404 == (await world.ask("POST", PAGE, cookie, HTML, body=b"")).status


async def test_values_are_escaped_and_no_token_is_shown(worlds: Worlds) -> None:
    world = await worlds(**OPEN)
    nasty = '<img src=x onerror="alert(1)">\u202e'
    person = world.staff.provider.people["nina"]
    assert isinstance(person.claims, dict)
    person.claims["name"] = nasty
    _, text = await look(world, "nina")
    assert ("<img" in text, "&lt;img src=x" in text, "\u202e" in text) == (False, True, False)
    assert re.search(r"eyJ[A-Za-z0-9_-]{10}", text) is None


async def test_an_application_that_does_not_answer_is_said_and_the_rest_is_shown(worlds: Worlds) -> None:
    world = await worlds(**OPEN)
    world.jira.fail_next("/rest/api/2/user", 500, times=20)
    status, text = await look(world, "stella")
    assert (200, ["connector_unreachable"]) == (status, [reason for *_, reason in plan(text)])
    assert ("okta-project-moon", "gives jira-project-moon", "", "") in lines(text)


async def test_somebody_without_a_username_sees_why(worlds: Worlds) -> None:
    world = await worlds(**OPEN, jira={"username": {"from": ["employee_number"]}})
    _, text = await look(world, "nina")
    why = "none of the claims is there that are asked for: employee_number"
    assert ("user name", "none", why, "username_missing") in lines(text)
    assert [] == plan(text)


async def test_another_application_beside_it_has_none(worlds: Worlds) -> None:
    world = await worlds(**OPEN, second=True)
    assert 404 == (await world.page(f"/tools{PAGE}")).status
