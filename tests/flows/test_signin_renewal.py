"""flows.signin with a live session: renewals keep it or leave it alone; other persons and portals replace it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError
from sidecar.flows.sessions import Entry
from tests.flows.browsers import Browser, Gate, Tab
from tests.flows.fakes import NOON

JAR = (("JSESSIONID", "one"),)
START = "https://jira.example.com/jira/secure/Dashboard.jspa"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def browser(gate: Gate) -> Browser:
    return Browser(gate)


async def in_renewal(gate: Gate, browser: Browser) -> tuple[Entry, Tab]:
    """A session with a jar, and its silent renewal at the provider."""
    entry = await browser.signs_in()
    gate.sessions.keep_jar(entry, "", JAR)
    gate.clock.time += 80_000
    gate.sessions.used(entry)
    await gate.settle()
    gate.policy = replace(gate.policy, limits=replace(gate.policy.limits, idle=86_400))
    tab = await browser.leave("/jira/browse/ABC-9", silent=True)
    assert isinstance(tab, Tab)
    return entry, tab


async def test_a_silent_renewal_goes_on_with_fresh_key_and_old_cookies(gate: Gate, browser: Browser) -> None:
    old, tab = await in_renewal(gate, browser)
    assert tab.provider.asked[tab.state].prompt == "none"
    tab.query = tab.provider.approves(tab.state)
    await browser.come_back(tab)
    new = await browser.entry()
    assert new is not None
    assert new.session.key != old.session.key
    assert (new.session.jars, new.session.ends_at) == ({"": JAR}, gate.clock.time + 86_400)
    assert gate.store.sessions == [new.session]


async def test_a_silent_renewal_is_no_sign_in_of_somebody_else(gate: Gate, browser: Browser) -> None:
    """It skips what a sign-in asks, such as the provider's `max_age`: the next page begins one instead."""
    old, tab = await in_renewal(gate, browser)
    tab.query = tab.provider.approves(tab.state, "bob")
    arrival = await browser.come_back(tab)
    assert (arrival.location, arrival.session_cookie) == ("https://jira.example.com/jira/browse/ABC-9", None)
    assert (await browser.entry(), old.ended, old.unconfirmed) == (old, False, True)
    assert gate.store.sessions == [old.session]


async def test_a_silent_renewal_without_its_session_opens_none(gate: Gate, browser: Browser) -> None:
    old, tab = await in_renewal(gate, browser)
    tab.query = tab.provider.approves(tab.state)
    await gate.sessions.end(old.session.key, "idle")
    arrival = await browser.come_back(tab)
    assert (arrival.location, arrival.session_cookie) == ("https://jira.example.com/jira/browse/ABC-9", None)
    assert gate.store.kept == {}


async def test_a_silent_renewal_that_fails_keeps_session_and_page(gate: Gate, browser: Browser) -> None:
    old, tab = await in_renewal(gate, browser)
    cookie = browser.session
    for failure in ("login_required", "code", "provider"):
        if failure != "login_required":
            again = await browser.leave("/jira/browse/ABC-9", silent=True)
            assert isinstance(again, Tab)
            tab = again
        tab.query = tab.provider.refuses(tab.state) if failure == "login_required" else tab.provider.approves(tab.state)
        if failure == "code":
            tab.provider.codes.clear()
        if failure == "provider":
            tab.provider.failing = LoginError(Reason.PROVIDER_UNREACHABLE, "down")
        arrival = await browser.come_back(tab)
        assert (arrival.location, arrival.session_cookie) == ("https://jira.example.com/jira/browse/ABC-9", None)
        assert gate.audit.events[-1].facts["silent"] is True
    assert (browser.session, await browser.entry()) == (cookie, old)
    # Not even to begin one must cost the page.
    assert await browser.leave("/jira/browse/ABC-9", silent=True) == "https://jira.example.com/jira/browse/ABC-9"


async def test_a_failed_renewal_of_a_session_that_ended_meanwhile_leads_back_to_the_page(
    gate: Gate, browser: Browser
) -> None:
    """Where an ordinary sign-in begins."""
    old, tab = await in_renewal(gate, browser)
    tab.query = tab.provider.refuses(tab.state)
    await gate.sessions.end(old.session.key, "idle")
    arrival = await browser.come_back(tab)
    assert (arrival.location, arrival.session_cookie) == ("https://jira.example.com/jira/browse/ABC-9", None)


async def test_a_renewal_under_way_does_not_undo_a_sign_out(gate: Gate, browser: Browser) -> None:
    old, tab = await in_renewal(gate, browser)
    tab.query = tab.provider.approves(tab.state)
    held = tab.provider.hold("redeem")
    renewal = asyncio.create_task(browser.callback(tab))
    await gate.settle()
    await gate.sessions.end(old.session.key, "user")
    held.set()
    arrival = await renewal
    assert (arrival.session_cookie, gate.store.kept) == (None, {})


async def test_renewals_are_no_circles(gate: Gate, browser: Browser) -> None:
    await browser.signs_in()
    for _ in range(6):
        tab = await browser.leave(silent=True)
        assert isinstance(tab, Tab)
        tab.query = tab.provider.approves(tab.state)
        await browser.come_back(tab)
        gate.clock.time += 1
    assert isinstance(await browser.leave(), Tab)


async def test_a_step_up_asks_for_a_fresh_authentication_and_changes_the_key(gate: Gate, browser: Browser) -> None:
    old = await browser.signs_in()
    tab = await browser.at_provider("/jira/secure/admin/X.jspa", max_age=300)
    assert tab.provider.asked[tab.state].max_age == 300
    tab.query = tab.provider.approves(tab.state, auth_time=NOON + 5)
    await browser.come_back(tab)
    new = await browser.entry()
    assert new is not None
    assert new.session.key != old.session.key
    assert (new.session.identity.auth_time, old.ended) == (NOON + 5, True)


async def test_a_step_up_is_not_taken_for_a_second_tab(gate: Gate, browser: Browser) -> None:
    """The session beside it must rest on the same authentication."""
    first = await browser.at_provider()
    second = await browser.at_provider(max_age=300)
    second.query = second.provider.approves(second.state, auth_time=NOON + 5)
    lost = await browser.callback(first)
    arrival = await browser.callback(second)
    assert arrival.session_cookie not in (None, lost.session_cookie)


async def test_a_sign_in_at_another_portal_replaces_the_session_and_drops_the_cookies(
    gate: Gate, browser: Browser
) -> None:
    old = await browser.signs_in()
    before = browser.session
    gate.sessions.keep_jar(old, "", JAR)
    gate.clock.time += 100
    new = await browser.signs_in("/jira/servicedesk/customer/portals", "support", who="carol")
    assert (new.session.portal, new.session.jars, old.ended) == ("support", {}, True)
    assert await gate.sessions.find("jira", before) is None
    assert gate.audit.causes() == ["replaced"]


async def test_the_applications_know_nothing_of_each_other(gate: Gate, browser: Browser) -> None:
    jira, wiki = await browser.signs_in(), Browser(gate, "wiki")
    entry = await wiki.signs_in("/display/X", "writers")
    assert (jira.ended, entry.session.application) == (False, "wiki")
    assert await gate.sessions.find("wiki", browser.session) is None
