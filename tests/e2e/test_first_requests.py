"""The first requests of a session: one account, one set of calls, and nothing for who claims another's name.

Without a browser's window, because thirty requests at once are easier to send so.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.adapters.clock import SystemClock
from sidecar.demo.cast import CUSTOMERS, MOON, STAFF, USERS, people
from sidecar.demo.provider import Client, Person, Provider, RunningProvider, serve_provider
from sidecar.demo.run import Demo, running_demo
from tests.e2e.journeys import CLIENT_SECRET, Ground, Walker, code_on, codes, counted, ground, walking

REQUESTS = 30
CREATED = ["POST /rest/api/2/user", f"POST /rest/api/2/group/user?groupname={MOON}",
           f"POST /rest/api/2/group/user?groupname={USERS}"]  # fmt: skip
PORTALS = "/servicedesk/customer/portals"
AGENTS = {"application": "jira", "default": True, "provider": "staff", "require": {"any_group": ["okta-jira-users"]}}


SECOND_TRY = 4.0
"""Seconds after which a failure is forgotten."""

UNFINISHED = 61.0
"""Seconds after which a failed step of an account that serves is tried again."""


class MovedClock(SystemClock):
    """The system's clock, and the seconds over which a test skipped."""

    skipped = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.skipped

    def pass_over(self, seconds: float) -> None:
        self.skipped += seconds


@pytest.fixture
async def story() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
async def demo(story: io.StringIO) -> AsyncIterator[Demo]:
    async with running_demo(0, story) as running:
        yield running


@pytest.fixture
async def nobody(demo: Demo) -> AsyncIterator[Walker]:
    async with walking(demo.url) as walker:
        yield walker


def account_calls(demo: Demo) -> list[str]:
    """What the gate changed in the stand-in."""
    calls = (call for call in demo.jira.matching(None, "/rest/api/") if call.method != "GET")
    return sorted(f"{call.method} {call.target}" for call in calls)


async def test_thirty_first_requests_make_one_account_with_one_set_of_calls(
    demo: Demo, nobody: Walker, story: io.StringIO
) -> None:
    page = await nobody.sign_in("/browse/KEY-1", "nina")
    # Slow enough that all of them wait for the one who works.
    demo.jira.delay("/rest/api/2/user", 0.2)
    answers = await asyncio.gather(*(nobody.ask(f"{page}?number={number}") for number in range(REQUESTS)))
    assert [200] * REQUESTS == [status for status, _, _ in answers]
    assert all("Nina New (nina)" in text for _, _, text in answers)
    assert sorted(CREATED) == account_calls(demo)
    asked = [call.target for call in demo.jira.matching("GET", "/rest/api/")]
    # One look before, and one at what was made.
    assert 2 == len([target for target in asked if target.startswith("/rest/api/2/user?")])
    assert ["nina"] * REQUESTS == demo.jira.usernames("/browse/")
    made = ["user.linked", "user.created", "group.added", "group.added", "landing.established"]
    assert made == codes(story)[-5:]
    assert 1 == (await counted(demo.gate))["user.created"]
    before = len(demo.jira.matching(None, "/rest/api/"))
    assert 200 == (await nobody.ask(page))[0]
    assert before == len(demo.jira.matching(None, "/rest/api/"))


async def test_thirty_first_requests_in_two_browsers_make_one_account(demo: Demo, nobody: Walker) -> None:
    async with walking(demo.url) as other:
        for walker in (nobody, other):
            await walker.sign_in("/browse/KEY-1", "nina")
        demo.jira.delay("/rest/api/2/user", 0.2)
        walkers = [nobody, other] * (REQUESTS // 2)
        answers = await asyncio.gather(*(walker.ask("/browse/KEY-1") for walker in walkers))
    assert [200] * REQUESTS == [status for status, _, _ in answers]
    assert sorted(CREATED) == account_calls(demo)


async def test_an_agent_at_the_customers_portal_keeps_every_group_and_seat(demo: Demo, nobody: Walker) -> None:
    state = demo.jira.state
    await nobody.sign_in("/browse/KEY-1", "stella")
    assert 200 == (await nobody.ask("/browse/KEY-1"))[0]
    role = state.roles["jira-software"]
    groups, seats, changes = set(state.users["stella"].groups), state.seats_taken(role), account_calls(demo)
    for page in (PORTALS, "/servicedesk/customer/portal/1", "/rest/servicedeskapi/request", "/browse/KEY-1"):
        assert 200 == (await nobody.ask(page))[0]
    assert (groups, seats, changes) == (state.users["stella"].groups, state.seats_taken(role), account_calls(demo))


async def test_a_call_of_a_script_without_a_session_gets_no_redirect(demo: Demo, nobody: Walker) -> None:
    async with nobody.http.get(f"{demo.url}/rest/api/2/myself", allow_redirects=False) as answer:
        assert (401, "application/json") == (answer.status, answer.content_type)
        assert "no_session" == (await answer.json())["error"]
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


# --- Sites of their own: other people, other rules, a restart ---------------------------------------------------------


def client(place: Ground, name: str) -> Client:
    """The gate as a provider knows it."""
    return Client("gate", CLIENT_SECRET, (f"{place.url}/.lychgate/callback/{name}",))


@asynccontextmanager
async def provider_of(place: Ground, name: str, persons: list[Person]) -> AsyncIterator[RunningProvider]:
    async with serve_provider(Provider(persons, [client(place, name)])) as running:
        yield running


def customer(name: str, verified: object = True) -> Person:
    """Somebody at the customers' provider who calls herself so."""
    return replace(
        people(CUSTOMERS)[0],
        claims={"preferred_username": name, "name": "Mallory", "email": "m@example.com", "email_verified": verified},
    )


@asynccontextmanager
async def customers_site(
    folder: Path, name: str, verified: object = True, **portal: Any
) -> AsyncIterator[tuple[Ground, Walker]]:
    """A gate with a customers' portal at whose provider somebody calls herself *name*."""
    async with (
        ground(folder) as place,
        provider_of(place, "staff", people(STAFF)) as staff,
        provider_of(place, "customers", [customer(name, verified)]) as customers,
    ):
        support = {"application": "jira", "paths": "@jsm", "provider": "customers", "accepts": ["agents"], **portal}
        loaded = place.write(
            {
                "staff": {"issuer": staff.issuer, "usernames": "authoritative"},
                "customers": {"issuer": customers.issuer},
            },
            {"agents": AGENTS, "support": support},
            adopt="by_username",
        )
        async with place.serving(loaded) as gate, walking(place.url) as walker:
            await gate.state.ledger.init("jira", 1)
            yield place, walker


@pytest.mark.parametrize("name", ["admin", "ADMIN", "alice", "ada", "lychgate", "root"])
async def test_a_customer_with_an_agents_name_is_another_person(tmp_path: Path, name: str) -> None:
    prefix = {"username": {"from": ["preferred_username"], "prefix": "cust-"}}
    async with customers_site(tmp_path, name, **prefix) as (place, walker):
        before = {user.username: (set(user.groups), user.active) for user in place.jira.state.users.values()}
        status, _, text = await walker.ask(await walker.sign_in(PORTALS, "carl"))
        assert (200, True) == (status, f"(cust-{name.lower()})" in text)
        after = {user.username: (set(user.groups), user.active) for user in place.jira.state.users.values()}
        assert {**before, f"cust-{name.lower()}": (set(), True)} == after
        assert {f"cust-{name.lower()}"} == set(place.jira.usernames("/servicedesk/"))
        assert 403 == (await walker.ask("/browse/KEY-1"))[0]


async def test_no_account_is_made_for_an_address_that_nobody_verified(tmp_path: Path) -> None:
    """Rule 45: else whoever registers somebody's address elsewhere gets the mail that Jira sends to it."""
    prefix = {"username": {"from": ["preferred_username"], "prefix": "cust-"}}
    async with customers_site(tmp_path, "mallory", verified="true", **prefix) as (place, walker):
        status, _, text = await walker.ask(await walker.sign_in(PORTALS, "carl"))
        assert (403, "email_missing") == (status, code_on(text))
        assert "cust-mallory" not in place.jira.state.users


@pytest.mark.parametrize("name", ["alice", "ada", "admin"])
async def test_a_customer_gets_nothing_of_an_account_that_was_made_with_the_prefix(tmp_path: Path, name: str) -> None:
    prefix = {"username": {"from": ["preferred_username"], "prefix": "cust-"}}
    async with customers_site(tmp_path, name, **prefix) as (place, walker):
        place.jira.state.add_user(f"cust-{name}", "Somebody else", groups=(USERS,))
        status, _, text = await walker.ask(await walker.sign_in(PORTALS, "carl"))
        assert (403, "account_not_adopted") == (status, code_on(text))
        assert ({USERS}, 0) == (place.jira.state.users[f"cust-{name}"].groups, place.jira.count(None, "/servicedesk/"))


BELIEVED: dict[str, Any] = {"usernames": "authoritative"}


@pytest.mark.parametrize(
    ("provider", "adopt", "name", "code"),
    [
        ({}, "never", "admin", "account_reserved"),
        ({}, "never", "Root", "account_reserved"),
        ({}, "never", "alice", "account_not_adopted"),
        (BELIEVED, "never", "alice", "account_not_adopted"),
        (BELIEVED, "by_username", "admin", "account_reserved"),
        (BELIEVED, "by_username", "ada", "account_protected"),
        (BELIEVED, "by_username", "lychgate", "account_reserved"),
    ],
)
async def test_a_name_alone_gives_nobodys_account_away(
    tmp_path: Path, provider: dict[str, Any], adopt: str, name: str, code: str
) -> None:
    async with ground(tmp_path) as place, provider_of(place, "customers", [customer(name)]) as customers:
        door = {"application": "jira", "default": True, "provider": "customers"}
        loaded = place.write({"customers": {"issuer": customers.issuer, **provider}}, {"door": door}, adopt=adopt)
        async with place.serving(loaded) as gate, walking(place.url) as walker:
            await gate.state.ledger.init("jira", 1)
            status, _, text = await walker.ask(await walker.sign_in("/browse/KEY-1", "carl"))
        assert (403, code) == (status, code_on(text))
        assert (0, []) == (place.jira.count(None, "/browse/"), place.jira.matching("POST"))


@asynccontextmanager
async def provider_alone() -> AsyncIterator[RunningProvider]:
    async with serve_provider(Provider(people(STAFF), [])) as running:
        yield running


@asynccontextmanager
async def staff_site(folder: Path) -> AsyncIterator[tuple[Ground, RunningProvider]]:
    async with ground(folder) as place, provider_of(place, "staff", people(STAFF)) as staff:
        yield place, staff


def staffed(place: Ground, staff: RunningProvider) -> Any:
    """The configuration of a gate with one door."""
    return place.write({"staff": {"issuer": staff.issuer, "usernames": "authoritative"}}, {"agents": AGENTS})


async def test_somebody_renamed_at_the_provider_keeps_the_account_or_is_refused(tmp_path: Path) -> None:
    async with staff_site(tmp_path) as (place, staff), place.serving(staffed(place, staff)) as gate:
        await gate.state.ledger.init("jira", 1)
        async with walking(place.url) as walker:
            assert 200 == (await walker.ask(await walker.sign_in("/browse/KEY-1", "nina")))[0]
        staff.provider.change_claims("nina", preferred_username="nina.newer")
        async with walking(place.url) as walker:
            status, _, text = await walker.ask(await walker.sign_in("/browse/KEY-1", "nina"))
        assert (403, "pin_conflict") == (status, code_on(text))
        assert place.jira.state.find("nina.newer") is None
        # The name is free now at the provider; whoever gets it does not get her account.
        staff.provider.change_claims("otto", preferred_username="nina", groups=["okta-jira-users"])
        async with walking(place.url) as walker:
            status, _, text = await walker.ask(await walker.sign_in("/browse/KEY-1", "otto"))
        assert (403, "pin_conflict") == (status, code_on(text))
        assert {"nina"} == set(place.jira.usernames("/browse/"))


async def test_an_account_that_could_not_be_made_is_made_at_the_next_try(tmp_path: Path) -> None:
    story, clock = io.StringIO(), MovedClock()
    async with (
        staff_site(tmp_path) as (place, staff),
        place.serving(staffed(place, staff), story, clock) as gate,
        walking(place.url) as walker,
    ):
        await gate.state.ledger.init("jira", 1)
        page = await walker.sign_in("/browse/KEY-1?x=1", "nina")
        place.jira.fail_next("/rest/api/2/user", 500, times=1000)
        status, headers, text = await walker.ask(page)
        assert (503, "10") == (status, headers["Retry-After"])
        assert 'href="/browse/KEY-1?x=1"' in text
        assert ["account.refused", "request.failed"] == codes(story)[-2:]
        assert place.jira.state.find("nina") is None
        assert 0 == place.jira.count(None, "/browse/")
        place.jira.faults.clear()
        asked = len(place.jira.calls)
        # The other requests of the same page are told the same without another call.
        assert (503, asked) == ((await walker.ask(page))[0], len(place.jira.calls))
        clock.pass_over(SECOND_TRY)
        status, _, text = await walker.ask(page)
        assert (200, True) == (status, "Nina New (nina)" in text)
        assert {USERS, MOON} == place.jira.state.users["nina"].groups


async def test_a_group_that_could_not_be_joined_is_joined_later(tmp_path: Path) -> None:
    clock = MovedClock()
    async with (
        staff_site(tmp_path) as (place, staff),
        place.serving(staffed(place, staff), clock=clock) as gate,
        walking(place.url) as walker,
    ):
        await gate.state.ledger.init("jira", 1)
        page = await walker.sign_in("/browse/KEY-1", "nina")
        place.jira.fail_next("/rest/api/2/group/user", 500, times=1000)
        # No group is marked `needed`: she is let in, and Jira says what she may do there.
        assert (200, set()) == ((await walker.ask(page))[0], place.jira.state.users["nina"].groups)
        place.jira.faults.clear()
        assert (200, set()) == ((await walker.ask(page))[0], place.jira.state.users["nina"].groups)
        clock.pass_over(UNFINISHED)
        assert 200 == (await walker.ask(page))[0]
        assert {USERS, MOON} == place.jira.state.users["nina"].groups
        assert 1 == place.jira.count("POST", "/rest/api/2/user")


async def test_people_stay_signed_in_across_a_restart(tmp_path: Path) -> None:
    story = io.StringIO()
    async with staff_site(tmp_path) as (place, staff), walking(place.url) as walker:
        async with place.serving(staffed(place, staff)) as gate:
            await gate.state.ledger.init("jira", 1)
            page = await walker.sign_in("/browse/KEY-1", "nina")
            assert 200 == (await walker.ask(page))[0]
        made = place.jira.count("POST", "/rest/api/")
        async with place.serving(staffed(place, staff), story):
            status, _, text = await walker.ask(page)
            assert (200, True) == (status, "(nina)" in text)
            assert (made, ["config.loaded"]) == (place.jira.count("POST", "/rest/api/"), codes(story))
            # And what is signed out before a restart stays so after it.
            token = form_token((await walker.ask("/.lychgate/logout"))[2])
            await walker.ask("/.lychgate/logout", "POST", data={"token": token})
        async with place.serving(staffed(place, staff)):
            assert 302 == (await walker.ask(page))[0]


def form_token(text: str) -> str:
    return text.partition('name="token" value="')[2].partition('"')[0]


async def test_a_sign_in_that_a_restart_interrupts_goes_on(tmp_path: Path) -> None:
    async with staff_site(tmp_path) as (place, staff), walking(place.url) as walker:
        async with place.serving(staffed(place, staff)) as gate:
            await gate.state.ledger.init("jira", 1)
            callback = await walker.to_callback("/browse/KEY-1?x=1", "nina")
        async with place.serving(staffed(place, staff)):
            status, headers, _ = await walker.ask(callback)
            assert (303, f"{place.url}/browse/KEY-1?x=1") == (status, headers["Location"])
            assert 200 == (await walker.ask("/browse/KEY-1?x=1"))[0]


async def test_jira_down_at_the_first_request_leaves_nothing_half_done(tmp_path: Path) -> None:
    clock = MovedClock()
    async with (
        staff_site(tmp_path) as (place, staff),
        place.serving(staffed(place, staff), clock=clock) as gate,
        walking(place.url) as walker,
    ):
        await gate.state.ledger.init("jira", 1)
        page = await walker.sign_in("/browse/KEY-1", "nina")
        place.jira.cut_next("/", times=1000)
        status, headers, text = await walker.ask(page)
        assert (503, "connector_unreachable", "10") == (status, code_on(text), headers["Retry-After"])
        assert place.jira.state.find("nina") is None
        place.jira.faults.clear()
        # As long as the page said; so long Jira is left alone.
        clock.pass_over(float(headers["Retry-After"]))
        assert 200 == (await walker.ask(page))[0]
        assert {USERS, MOON} == place.jira.state.users["nina"].groups
        place.jira.cut_next("/browse/", times=1000)
        status, headers, text = await walker.ask(page)
        assert (502, "upstream_broken", "10") == (status, code_on(text), headers["Retry-After"])
        place.jira.faults.clear()
        assert 200 == (await walker.ask(page))[0]
        assert 1 == place.jira.count("POST", "/rest/api/2/user")


async def test_jira_that_is_not_there_gives_a_page_with_retry(tmp_path: Path) -> None:
    async with provider_alone() as staff:
        async with ground(tmp_path) as place:
            staff.provider.clients["gate"] = client(place, "staff")
            loaded = staffed(place, staff)
        # Its port is closed from here on.
        async with place.serving(loaded) as gate, walking(place.url) as walker:
            await gate.state.ledger.init("jira", 1)
            status, headers, text = await walker.ask(await walker.sign_in("/browse/KEY-1", "nina"))
            assert (503, "connector_unreachable", "10") == (status, code_on(text), headers["Retry-After"])
            status, headers, text = await walker.ask("/images/logo.svg")
            assert (503, "upstream_unreachable", "10") == (status, code_on(text), headers["Retry-After"])
