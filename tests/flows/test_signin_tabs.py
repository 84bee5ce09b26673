"""flows.signin: many tabs of one browser are one sign-in, their cookies stay small, and circles are broken."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sidecar.adapters.state.sqlite import open_state
from sidecar.core.logins import ATTEMPT_LIFE, LOOP_WINDOW, attempt_name
from sidecar.domain.events import Code
from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError
from sidecar.flows.signin import LOOP
from tests.flows.browsers import Browser, Gate, Tab
from tests.flows.fakes import changed

JAR = (("JSESSIONID", "one"),)
START = "https://jira.example.com/jira/secure/Dashboard.jspa"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def browser(gate: Gate) -> Browser:
    return Browser(gate)


async def test_ten_tabs_one_after_the_other_all_end_on_their_own_page(gate: Gate, browser: Browser) -> None:
    pages = [f"/jira/browse/ABC-{number}?focusedCommentId=1{number}" for number in range(10)]
    tabs = [await browser.at_provider(page) for page in pages]
    for tab in tabs:
        await browser.come_back(tab)
    assert browser.landed == ["https://jira.example.com" + page for page in pages]
    assert gate.diary.count("redeem") == 1
    assert len(gate.store.kept) == 1
    assert await browser.entry() is not None
    assert set(browser.cookies) == {LOOP}


async def ten_tabs(browser: Browser, **options: object) -> list[Tab]:
    """A browser that opens its ten tabs again: every request goes out before the first answer is there."""
    pages = [f"/jira/browse/ABC-{number}" for number in range(10)]
    started = dict(browser.cookies)
    return [await browser.at_provider(page, carrying=started, **options) for page in pages]  # type: ignore[arg-type]


@pytest.mark.parametrize("backwards", [False, True])
async def test_ten_tabs_at_once_share_one_session(gate: Gate, browser: Browser, backwards: bool) -> None:
    tabs = await ten_tabs(browser)
    arrivals = list(await asyncio.gather(*(browser.callback(tab) for tab in tabs)))
    # Answers overtake each other on the way to the browser.
    for arrival in reversed(arrivals) if backwards else arrivals:
        browser.receive(arrival)
    assert [arrival.location for arrival in arrivals] == ["https://jira.example.com" + tab.back_to for tab in tabs]
    assert len({arrival.session_cookie for arrival in arrivals}) == 1
    assert len(gate.store.kept) == 1
    entry = await browser.entry()
    assert entry is not None
    assert gate.store.sessions == [entry.session]
    assert len(gate.audit.of(Code.LOGIN_SUCCEEDED)) == 1
    assert set(browser.cookies) == {LOOP}


async def test_ten_tabs_at_once_with_the_real_store(gate: Gate, browser: Browser) -> None:
    async with open_state(None, gate.sealer) as state:
        gate.sessions._store, gate.sign_in._spent = state.sessions, state.spent
        tabs = await ten_tabs(browser)
        for arrival in await asyncio.gather(*(browser.callback(tab) for tab in tabs)):
            browser.receive(arrival)
        entry = await browser.entry()
        assert entry is not None
        gate.sessions.keep_jar(entry, "", (("JSESSIONID", "one"),))
        await gate.sessions.close()
        person = entry.session.identity.person
        assert await state.sessions.of_person("jira", person) == (entry.session.key,)
        stored = await state.sessions.get(entry.session.key)
        assert stored is not None and (stored[0].light(), stored[1]) == (entry.session, entry.seen)


async def test_a_tab_whose_callback_left_before_the_first_answer_arrived_shares_too(
    gate: Gate, browser: Browser
) -> None:
    tabs = await ten_tabs(browser)
    arrivals = [await browser.callback(tab) for tab in tabs]
    assert len({arrival.session_cookie for arrival in arrivals}) == 1
    assert len(gate.store.kept) == 1


async def test_ten_tabs_at_another_portal_replace_the_session_once(gate: Gate, browser: Browser) -> None:
    old = await browser.signs_in()
    gate.clock.time += 100
    tabs = await ten_tabs(browser, portal="partners")
    for arrival in await asyncio.gather(*(browser.callback(tab) for tab in tabs)):
        browser.receive(arrival)
    entry = await browser.entry()
    assert entry is not None
    assert gate.store.sessions == [entry.session]
    assert (entry.session.portal, old.ended) == ("partners", True)


async def test_a_session_is_shared_with_the_same_person_only(gate: Gate, browser: Browser) -> None:
    """Somebody closed the tab before the answer; the next person at the same machine is not that somebody."""
    first = await browser.at_provider(who="alice")
    second = await browser.at_provider(who="bob")
    lost = await browser.callback(first)
    arrival = await browser.come_back(second)
    assert arrival.session_cookie != lost.session_cookie
    entry = await browser.entry()
    assert entry is not None
    assert entry.session.identity.person.subject == "bob"


async def test_a_session_is_shared_with_the_same_browser_only(gate: Gate, browser: Browser) -> None:
    await browser.callback(await browser.at_provider())
    other = Browser(gate)
    tab = await other.at_provider()
    # The name of an attempt is no secret: without its sealed value it proves nothing.
    other.cookies.update(dict.fromkeys(browser.cookies, "x"))
    arrival = await other.come_back(tab)
    assert len(gate.store.kept) == 2
    assert arrival.session_cookie is not None


async def test_a_session_is_shared_at_the_same_portal_only(gate: Gate, browser: Browser) -> None:
    agents, partners = await browser.at_provider(), await browser.at_provider(portal="partners")
    for arrival in await asyncio.gather(browser.callback(agents), browser.callback(partners)):
        browser.receive(arrival)
    entry = await browser.entry()
    assert entry is not None
    assert (entry.session.portal, browser.landed[-1]) == ("partners", "https://jira.example.com/jira/browse/ABC-1")


async def test_a_session_is_not_shared_for_long(gate: Gate, browser: Browser) -> None:
    first, second = await browser.at_provider(), await browser.at_provider()
    await browser.callback(first)
    gate.clock.time += 61
    await browser.callback(second)
    assert len(gate.store.kept) == 2
    assert list(gate.sign_in._openings._opened) == [("jira", attempt_name(second.state))]


async def test_an_ended_session_is_not_shared(gate: Gate, browser: Browser) -> None:
    first, second = await browser.at_provider(), await browser.at_provider()
    await browser.callback(first)
    await gate.sessions.end(gate.store.sessions[0].key, "user")
    await browser.come_back(second)
    assert await browser.entry() is not None


@pytest.mark.parametrize("page", ["/jira/browse/A-1", "/jira/issues/?jql=" + "x" * 700, "/jira/x?y=" + "z" * 2000])
async def test_attempt_cookies_are_few_and_small(gate: Gate, browser: Browser, page: str) -> None:
    entry = await browser.signs_in()
    states = []
    for _ in range(30):
        gate.clock.time += 1
        tab = await browser.leave(page)
        if isinstance(tab, str):
            break
        states.append(tab.state)
        assert len(browser.cookie_field()) < 4096
    names = [attempt_name(state) for state in states]
    kept = [name for name in names if name in browser.cookies]
    assert kept == names[-len(kept) :]
    assert 1 <= len(kept) <= 12
    assert entry.session.portal == "agents"


async def test_a_long_name_of_the_application_counts(gate: Gate, browser: Browser) -> None:
    jira = replace(gate.application(), cookie="__Host-lychgate-" + "j" * 60)
    gate.policy = changed(gate.policy, applications={"jira": jira})
    await browser.signs_in()
    for _ in range(30):
        gate.clock.time += 1
        await browser.leave()
        assert len(browser.cookie_field()) < 4096


async def test_dead_attempts_are_taken_back_and_other_cookies_left_alone(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    browser.cookies |= {"0123456789ab": "not ours", "try": "t" * 500, "other": "o" * 3000}
    gate.clock.time += ATTEMPT_LIFE + 1
    fresh = await browser.at_provider()
    assert set(browser.cookies) == {attempt_name(fresh.state), "try", "other"}
    assert attempt_name(tab.state) not in browser.cookies


async def test_a_callback_without_attempt_but_with_a_session_goes_on(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    await browser.signs_in()
    browser.cookies.clear()
    arrival = await browser.come_back(tab)
    assert (arrival.location, arrival.session_cookie, arrival.portal) == (START, None, "agents")


async def test_a_replay_or_a_late_callback_with_a_session_goes_to_its_page(gate: Gate, browser: Browser) -> None:
    tab, late = await browser.at_provider("/jira/browse/ABC-2"), await browser.at_provider("/jira/browse/ABC-3")
    kept = dict(browser.cookies)
    await browser.come_back(tab)
    browser.cookies |= kept
    gate.diary.clear()
    arrival = await browser.come_back(tab)
    assert (arrival.location, arrival.session_cookie) == ("https://jira.example.com/jira/browse/ABC-2", None)
    gate.clock.time += ATTEMPT_LIFE + 1
    arrival = await browser.come_back(late)
    assert (arrival.location, arrival.session_cookie) == ("https://jira.example.com/jira/browse/ABC-3", None)
    assert "redeem" not in gate.diary


async def test_three_circles_are_one_too_many(gate: Gate, browser: Browser) -> None:
    for _ in range(3):
        await browser.signs_in()
        # Something loses the session right away.
        browser.session = None
        gate.clock.time += 2
    with pytest.raises(LoginError) as caught:
        await browser.leave()
    assert caught.value.reason is Reason.LOGIN_LOOP
    assert gate.audit.events[-1].reason is Reason.LOGIN_LOOP
    # "Try again" after a while works.
    gate.clock.time += LOOP_WINDOW
    assert isinstance(await browser.leave(), Tab)


async def test_who_signs_in_twice_a_day_is_never_in_a_circle(gate: Gate, browser: Browser) -> None:
    for _ in range(60):
        gate.clock.time += 12 * 3600
        await browser.signs_in()


async def test_ten_tabs_at_once_are_no_circle(gate: Gate, browser: Browser) -> None:
    for _ in range(2):
        for arrival in await asyncio.gather(*(browser.callback(tab) for tab in await ten_tabs(browser))):
            browser.receive(arrival)
        browser.session = None
        gate.clock.time += 2
    assert isinstance(await browser.leave(), Tab)


async def test_a_strange_loop_cookie_is_no_circle(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    browser.cookies[LOOP] = browser.cookies[attempt_name(tab.state)]
    assert isinstance(await browser.leave(), Tab)
    wiki = Browser(gate, "wiki")
    wiki.cookies[LOOP] = "x"
    assert isinstance(await wiki.leave("/page", "writers"), Tab)
