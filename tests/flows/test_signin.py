"""flows.signin: nothing is redeemed before the browser's side is judged, and every tab ends on a page of its own."""

from __future__ import annotations

import asyncio
import gc
import logging
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from sidecar.core.logins import ATTEMPT_LIFE, attempt_name
from sidecar.domain.events import Code
from sidecar.domain.reason import Reason
from sidecar.domain.session import KEPT
from sidecar.flows.login import LoginError
from sidecar.flows.sessions import StateError
from sidecar.flows.signin import Arrival
from tests.flows.browsers import Browser, Gate, Tab
from tests.flows.fakes import NOON, TRACE, changed
from tests.upstream.scripted import until

JAR = (("JSESSIONID", "one"),)
START = "https://jira.example.com/jira/secure/Dashboard.jspa"


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def browser(gate: Gate) -> Browser:
    return Browser(gate)


async def refused(reason: Reason, browser: Browser, tab: Tab, **changes: str) -> None:
    """The callback fails with *reason*, no code was redeemed and nobody is signed in."""
    before = len(browser.gate.store.kept)
    browser.gate.diary.clear()
    with pytest.raises(LoginError) as caught:
        await browser.come_back(tab, **changes)
    assert caught.value.reason is reason
    assert "redeem" not in browser.gate.diary
    assert len(browser.gate.store.kept) == before
    failed = browser.gate.audit.of(Code.LOGIN_FAILED)[-1]
    assert (failed.reason, failed.outcome, failed.request) == (reason, "failure", "r-1")


async def test_a_person_signs_in(gate: Gate, browser: Browser) -> None:
    tab = await browser.leave("/jira/browse/ABC-1")
    assert isinstance(tab, Tab)
    asked = tab.provider.asked[tab.state]
    assert asked.redirect_uri == "https://jira.example.com/jira/.lychgate/callback/staff"
    assert (asked.prompt, asked.max_age) == (None, None)
    # Rule 30 and RFC 7636, section 4.1.
    assert min(len(asked.state), len(asked.nonce)) >= 22
    assert len(asked.verifier) >= 43
    tab.query = tab.provider.approves(tab.state)
    arrival = await browser.come_back(tab)
    assert arrival.location == "https://jira.example.com/jira/browse/ABC-1"
    assert arrival.portal == "agents"
    entry = await browser.entry()
    assert entry is not None
    assert entry.session.identity.person.subject == "alice"
    assert gate.store.kept[entry.session.key][0].refresh_token == "a refresh token"
    assert entry.session.refresh_token == KEPT
    assert [event.code for event in gate.audit.events] == [
        Code.LOGIN_STARTED,
        Code.SESSION_CREATED,
        Code.LOGIN_SUCCEEDED,
    ]
    assert gate.audit.events[-1].session == entry.session.key[:16]


async def test_the_state_is_spent_before_the_code_is_redeemed_before_a_session_exists(
    gate: Gate, browser: Browser
) -> None:
    tab = await browser.at_provider()
    gate.diary.clear()
    await browser.come_back(tab)
    assert gate.diary == ["spend", "check_iss", "redeem", "add", "marked_at", "marked_at", "of_person", "count"]
    # The mark outlives the attempt.
    assert gate.spent.until[tab.state] > NOON + ATTEMPT_LIFE


async def test_nothing_of_an_attempt_can_be_read_in_the_browser(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider("/jira/browse/SECRET-1")
    asked = tab.provider.asked[tab.state]
    text = str(browser.cookies)
    assert not any(secret in text for secret in (asked.state, asked.nonce, asked.verifier, "SECRET"))


async def test_the_id_token_is_kept_only_where_sign_out_needs_it(gate: Gate, browser: Browser) -> None:
    assert (await browser.signs_in()).session.id_token is None
    staff = replace(gate.policy.providers["staff"], sign_out=True)
    gate.policy = changed(gate.policy, providers={**gate.policy.providers, "staff": staff})
    key = (await Browser(gate).signs_in()).session.key
    assert gate.store.kept[key][0].id_token == "an.id.token"


async def test_the_state_of_another_browser_is_refused(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    await refused(Reason.STATE_MISSING, Browser(gate), tab)
    victim = Browser(gate)
    await victim.at_provider()
    await refused(Reason.STATE_MISSING, victim, tab)


async def test_an_attempt_cookie_serves_its_own_state_only(gate: Gate, browser: Browser) -> None:
    """Somebody who can plant a cookie's value under another name gains nothing."""
    mine, theirs = await browser.at_provider(), await browser.at_provider()
    browser.cookies[attempt_name(theirs.state)] = browser.cookies.pop(attempt_name(mine.state))
    await refused(Reason.STATE_MISSING, browser, theirs)
    await refused(Reason.STATE_MISSING, browser, mine)


async def test_a_replay_is_refused(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    thief = Browser(gate)
    thief.cookies = dict(browser.cookies)
    await browser.come_back(tab)
    await refused(Reason.STATE_SPENT, thief, tab)


async def test_two_callbacks_with_one_state_redeem_once(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    both = await asyncio.gather(browser.callback(tab), browser.callback(tab), return_exceptions=True)
    assert gate.diary.count("redeem") == 1
    assert len(gate.store.kept) == 1
    (error,) = [end for end in both if isinstance(end, LoginError)]
    assert error.reason is Reason.STATE_SPENT


async def test_an_expired_attempt_is_refused(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    gate.clock.time += ATTEMPT_LIFE + 1
    await refused(Reason.STATE_EXPIRED, browser, tab)


async def test_the_endpoint_of_another_provider_is_refused(gate: Gate, browser: Browser) -> None:
    await refused(Reason.ISSUER_MISMATCH, browser, await browser.at_provider(), provider="customers")


async def test_the_endpoint_of_another_application_is_refused(gate: Gate, browser: Browser) -> None:
    await refused(Reason.STATE_MISSING, browser, await browser.at_provider(), application="wiki")


@pytest.mark.parametrize("issuer", ["https://evil.example", "https://customers.example", ""])
async def test_an_answer_of_another_issuer_is_refused(gate: Gate, browser: Browser, issuer: str) -> None:
    tab = await browser.at_provider()
    tab.query = urlencode({"code": "code-0", "state": tab.state, **({"iss": issuer} if issuer else {})})
    await refused(Reason.ISSUER_MISMATCH, browser, tab)


@pytest.mark.parametrize("query", ["", "code=x", "state=x&state=x&code=y", "state=x&code=y&error=z", "%FF", "é=1"])
async def test_a_callback_that_is_none_is_refused(gate: Gate, browser: Browser, query: str) -> None:
    tab = await browser.at_provider()
    await refused(Reason.CALLBACK_INVALID, browser, tab, query=query or "&")


async def test_the_provider_s_refusal_is_told_in_known_words_only(gate: Gate, browser: Browser) -> None:
    for error, word in (("access_denied", "access_denied"), ("x<script>SECRET", "an error of its own")):
        tab = await browser.leave()
        assert isinstance(tab, Tab)
        tab.query = tab.provider.refuses(tab.state, error)
        await refused(Reason.PROVIDER_REFUSED, browser, tab)
        assert gate.audit.events[-1].facts["detail"] == f"the provider answered {word}"
    assert "SECRET" not in repr(gate.audit.events)


async def test_no_token_code_or_cookie_is_told(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    cookies = list(browser.cookies.values())
    await browser.come_back(tab)
    asked, told = tab.provider.asked[tab.state], repr(gate.audit.events)
    secrets = ["an.id.token", "a refresh token", "code-0", asked.state, asked.nonce, asked.verifier, *cookies]
    assert not any(secret in told for secret in [*secrets, browser.session or "?"])


@pytest.mark.parametrize(
    ("claims", "reason"),
    [({"iss": "https://evil.example"}, Reason.TOKEN_INVALID), ({"sub": ""}, Reason.TOKEN_INVALID)],
)
async def test_claims_that_name_nobody_open_nothing(
    gate: Gate, browser: Browser, claims: dict[str, str], reason: Reason
) -> None:
    tab = await browser.at_provider()
    tab.query = tab.provider.approves(tab.state, **claims)
    with pytest.raises(LoginError) as caught:
        await browser.come_back(tab)
    assert (caught.value.reason, gate.store.kept) == (reason, {})


async def test_a_stranger_is_not_let_in(gate: Gate, browser: Browser) -> None:
    staff = replace(gate.policy.providers["staff"], fence={"tid": frozenset({"ours"})})
    gate.policy = changed(gate.policy, providers={**gate.policy.providers, "staff": staff})
    with pytest.raises(LoginError) as caught:
        await browser.come_back(await browser.at_provider())
    assert (caught.value.reason, gate.store.kept) == (Reason.STRANGER, {})


async def test_a_portal_that_went_away_meanwhile_opens_nothing(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    old, jira = gate.application(), gate.application()
    without = replace(jira, portals=tuple(portal for portal in jira.portals if portal.name != "agents"))
    gate.policy = changed(gate.policy, applications={"jira": without})
    with pytest.raises(LoginError) as caught:
        await gate.sign_in.finish(old, "staff", tab.query, browser.cookies, None, TRACE)
    assert (caught.value.reason, gate.store.kept) == (Reason.STATE_EXPIRED, {})


@pytest.mark.parametrize(
    "page",
    [
        "/jira/browse/ABC-1?focusedId=1&page=com.atlassian%3Atab",
        "/jira/issues/?jql=project%20%3D%20%22A%26B%22%20ORDER%20BY%20created+DESC",
        "/jira/secure/attachment/1/%E6%96%87%E4%BB%B6.pdf",
        "/jira/plugins/servlet/x?next=https://evil.example//y",
        "/jira/issues/?jql=" + "a" * 2000,
    ],
)
async def test_deep_links_and_query_strings_survive(gate: Gate, browser: Browser, page: str) -> None:
    arrival = await browser.come_back(await browser.at_provider(page))
    assert arrival.location == "https://jira.example.com" + page


@pytest.mark.parametrize("page", ["//evil.example/", "/\\evil.example", "/other", "/jira/.lychgate/logout", "", "x"])
async def test_a_return_path_is_judged_again_at_the_end(gate: Gate, browser: Browser, page: str) -> None:
    arrival = await browser.come_back(await browser.at_provider(page))
    assert arrival.location == START


@pytest.mark.parametrize(("portal", "who"), [("partners", "victim"), ("agents", "victim"), ("agents", "alice")])
async def test_every_sign_in_has_a_fresh_key(gate: Gate, browser: Browser, portal: str, who: str) -> None:
    first = await browser.signs_in()
    planted = browser.session
    gate.clock.time += 100
    victim = Browser(gate)
    victim.session = planted
    tab = await victim.at_provider(portal=portal, who=who)
    await victim.come_back(tab)
    assert victim.session != planted
    # What the one who planted it holds is worth nothing now.
    assert await gate.sessions.find("jira", planted) is None
    assert first.ended


async def test_a_planted_value_is_never_taken_for_a_session(gate: Gate, browser: Browser) -> None:
    browser.session = "0" * 43
    await browser.signs_in()
    assert browser.session != "0" * 43


@pytest.mark.parametrize("verb", ["spend", "redeem", "add"])
async def test_a_browser_that_goes_away_leaves_no_code_half_used(gate: Gate, browser: Browser, verb: str) -> None:
    tab = await browser.at_provider()
    outside = {"spend": gate.spent, "redeem": tab.provider, "add": gate.store}[verb]
    held = outside.hold(verb)
    request = asyncio.create_task(browser.callback(tab))
    await gate.settle()
    request.cancel()
    await gate.settle()
    assert request.cancelled()
    held.set()
    await gate.sign_in.close()
    assert gate.diary[-8:] == ["spend", "check_iss", "redeem", "add", "marked_at", "marked_at", "of_person", "count"]
    assert len(gate.store.kept) == 1
    assert len(gate.audit.of(Code.LOGIN_SUCCEEDED)) == 1


async def test_a_failure_whose_browser_is_gone_is_told_and_no_more(
    gate: Gate, browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    tab = await browser.at_provider()
    tab.provider.codes.clear()
    held = tab.provider.hold("redeem")
    request = asyncio.create_task(browser.callback(tab))
    await gate.settle()
    request.cancel()
    await gate.settle()
    del request
    with caplog.at_level(logging.ERROR):
        held.set()
        await gate.settle()
        gc.collect()
    assert caplog.text == ""
    assert gate.audit.events[-1].reason is Reason.CODE_REFUSED


@pytest.mark.parametrize("where", ["spent", "store"])
async def test_nobody_signs_in_while_the_store_is_down(gate: Gate, browser: Browser, where: str) -> None:
    tab = await browser.at_provider()
    getattr(gate, where).down = True
    gate.diary.clear()
    with pytest.raises(StateError):
        await browser.come_back(tab)
    assert (browser.session, gate.store.kept, gate.audit.of(Code.LOGIN_SUCCEEDED)) == (None, {}, [])
    if where == "spent":
        assert gate.diary == ["spend"]


@pytest.mark.parametrize("reason", [Reason.PROVIDER_UNREACHABLE, Reason.PROVIDER_MISCONFIGURED])
async def test_a_provider_that_cannot_be_used_is_said_at_once(gate: Gate, browser: Browser, reason: Reason) -> None:
    if reason is Reason.PROVIDER_MISCONFIGURED:
        del gate.providers["staff"]
    else:
        gate.providers["staff"].failing = LoginError(reason, "down")
    with pytest.raises(LoginError) as caught:
        await browser.leave()
    assert caught.value.reason is reason
    assert gate.audit.events[-1].reason is reason
    assert browser.cookies == {}


async def test_a_provider_that_is_no_longer_there_redeems_nothing(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    del gate.providers["staff"]
    await refused(Reason.STATE_EXPIRED, browser, tab)


async def test_attempts_survive_a_restart(gate: Gate, browser: Browser) -> None:
    tab = await browser.at_provider()
    gate.restart()
    arrival: Arrival = await browser.come_back(tab)
    assert arrival.session_cookie is not None


async def test_only_so_many_wait_for_a_provider_at_once(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rule 65: made-up codes are cheap. Whoever is turned away has lost nothing and comes back."""
    monkeypatch.setattr("sidecar.flows.signin.REDEEMING", 2)
    browsers = [Browser(gate) for _ in range(3)]
    tabs = [await browser.at_provider() for browser in browsers]
    holding = tabs[0].provider.hold("redeem")
    waiting = [asyncio.ensure_future(browsers[n].come_back(tabs[n])) for n in range(2)]
    await until(lambda: 2 == gate.diary.count("redeem"))
    with pytest.raises(LoginError) as caught:
        await browsers[2].come_back(tabs[2])
    assert caught.value.reason is Reason.PROVIDER_UNREACHABLE
    # The other providers are not slow.
    customer = Browser(gate)
    tab = await customer.at_provider("/servicedesk/customer/portals", "support")
    assert tab.provider is not tabs[0].provider
    assert (await customer.come_back(tab)).session_cookie is not None
    holding.set()
    await asyncio.gather(*waiting)
    assert (await browsers[2].come_back(tabs[2])).session_cookie is not None


def choosing(gate: Gate, *providers: str) -> None:
    """The agents' portal has several providers; this browser leaves for the first."""
    jira = gate.application()
    agents = replace(jira.default_portal, providers=providers)
    others = tuple(portal for portal in jira.portals if not portal.default)
    gate.policy = changed(gate.policy, applications={"jira": replace(jira, portals=(agents, *others))})


@pytest.mark.parametrize("silent", [False, True])
async def test_another_provider_chosen_meanwhile(gate: Gate, browser: Browser, *, silent: bool) -> None:
    """Who chose one means it, even if another tab was faster; a renewal of the other one undoes nothing."""
    choosing(gate, "staff", "customers")
    if silent:
        await browser.signs_in()
    slow = await browser.at_provider("/jira/browse/ABC-2", silent=silent)
    choosing(gate, "customers", "staff")
    await browser.come_back(await browser.at_provider(who="carl"))
    gate.clock.time += 1
    await browser.come_back(slow)
    entry = await browser.entry()
    assert entry is not None
    assert ("customers" if silent else "staff") == entry.session.identity.provider
    assert browser.landed[-1].endswith("/jira/browse/ABC-2")


async def test_somebody_else_signed_in_meanwhile_stays(gate: Gate, browser: Browser) -> None:
    """At the same provider too: a renewal that began before would bring the first person back."""
    await browser.signs_in("alice")
    slow = await browser.at_provider("/jira/browse/ABC-2", who="alice", silent=True)
    gate.clock.time += 1
    await browser.come_back(await browser.at_provider(who="bob"))
    await browser.come_back(slow)
    entry = await browser.entry()
    assert entry is not None
    assert "bob" == entry.session.identity.claims["preferred_username"]
