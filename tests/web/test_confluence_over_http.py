"""A Confluence beside a Jira on one host, at the whole gate: each is a door of its own, with its own session, its own
log-in and log-out paths and its own `@admin`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from aiohttp import web

from tests.web.conftest import Worlds
from tests.web.rig import SHARED, Browser, World
from tests.web.wire import Answer

JIRA, WIKI = "__Host-lychgate-jira", "__Host-lychgate-wiki"
PAGE = "/display/DEV/A+page?focusedCommentId=7"
FORM = ("Content-Type", "application/x-www-form-urlencoded")
THEIRS = "JSESSIONID=0123456789ABCDEF"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it reached Confluence."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def person(self) -> str | None:
        """As whom it is served: only the proof makes the name good."""
        names, proofs = self.values("X-Wiki-Person"), self.values("X-Wiki-Key")
        assert len(names) <= 1 and (proofs == [SHARED]) == bool(names), self.headers
        return names[0] if names else None


@dataclass(slots=True)
class Wiki:
    """A Confluence that opens a session for everybody and remembers everybody, as the real one would like to."""

    asked: list[Asked] = field(default_factory=list)
    origin: str = ""

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in request.raw_headers)
        asked = Asked(request.method, request.raw_path, fields)
        self.asked.append(asked)
        response = web.Response(text=f"Hello {asked.person}", content_type="text/html")
        response.headers["X-AUSERNAME"] = asked.person or "anonymous"
        for line in (
            f"{THEIRS}; Path=/confluence; HttpOnly",
            "seraph.confluence=remember-me; Path=/confluence",
            "confluence.list.pages.cookie=list-content-tree; Path=/confluence",
        ):
            response.headers.add("Set-Cookie", line)
        return response

    def people(self) -> list[str | None]:
        return [asked.person for asked in self.asked]


@asynccontextmanager
async def serve_wiki() -> AsyncIterator[Wiki]:
    wiki = Wiki()
    runner = web.ServerRunner(web.Server(wiki.answer, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        wiki.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield wiki
    finally:
        await runner.cleanup()


@dataclass(slots=True)
class Both:
    """The two applications behind one gate."""

    world: World
    wiki: Wiki

    @property
    def url(self) -> str:
        """Confluence as people know it."""
        return self.world.origin + "/confluence"

    async def enter(self, browser: Browser, person: str = "ada", path: str = PAGE) -> tuple[int, str, str]:
        """Ask Confluence for a page, sign in, come back; the person's button is pressed if it is shown."""
        status, place, text = await browser.go(self.url + path)
        assert status == 302, (status, text)
        return await browser.choose(place, person)

    async def cookie(self, person: str = "ada") -> tuple[str, str]:
        """The `Cookie` field of somebody who is signed in at Confluence only."""
        async with self.world.browser() as browser:
            assert 200 == (await self.enter(browser, person))[0]
            name, value = browser.cookie
        self.wiki.asked.clear()
        assert JIRA not in value
        return name, value


@pytest.fixture
async def both(worlds: Worlds) -> AsyncIterator[Both]:
    async with serve_wiki() as wiki:
        yield Both(await worlds(context="/jira", confluence=wiki.origin), wiki)


def _refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.error


async def test_a_page_signs_in_and_lands_where_it_was_asked_for(both: Both) -> None:
    async with both.world.browser() as browser:
        status, place, _ = await browser.go(both.url + PAGE)
        asked = parse_qs(urlsplit(place).query)
        assert (302, [f"{both.url}/.lychgate/callback/staff"]) == (status, asked["redirect_uri"])
        assert [] == both.wiki.asked
        status, landed, text = await browser.choose(place, "ada")
        assert (200, both.url + PAGE, "Hello ada") == (status, landed, text)
    (asked_once,) = both.wiki.asked
    assert ("/confluence" + PAGE, [both.world.host]) == (asked_once.target, asked_once.values("Host"))
    assert 401 == (await both.world.ask("GET", "/confluence/rest/api/content")).status


async def test_each_application_has_a_session_of_its_own(both: Both) -> None:
    world = both.world
    async with world.browser() as browser:
        await browser.sign_in("ada")
        assert {JIRA} == set(browser.cookies) & {JIRA, WIKI}
        # The provider knows her by now, yet Confluence has a sign-in of its own.
        assert 302 == (await browser.go(both.url + PAGE))[0]
        assert 200 == (await both.enter(browser))[0]
        assert {JIRA, WIKI} == set(browser.cookies) & {JIRA, WIKI}
        held = browser.cookies
    jira, wiki = held[JIRA], held[WIKI]
    myself, content = "/jira/rest/api/2/myself", "/confluence/rest/api/content"
    for target, text, status in (
        (myself, f"{JIRA}={jira}", 200),
        (content, f"{WIKI}={wiki}", 200),
        (myself, f"{WIKI}={wiki}", 401),
        (content, f"{JIRA}={jira}", 401),
        # A value under the other one's name is worth nothing.
        (myself, f"{JIRA}={wiki}", 401),
        (content, f"{WIKI}={jira}", 401),
    ):
        answer = await world.ask("GET", target, ("Cookie", text))
        assert (target, text, status) == (target, text, answer.status)


async def test_two_people_at_two_doors_are_two_people(both: Both) -> None:
    world = both.world
    async with world.browser() as browser:
        await browser.sign_in("ada")
        # At the provider somebody else takes the seat.
        browser.session.cookie_jar.clear(lambda morsel: morsel["domain"] == "127.0.0.1")
        await both.enter(browser, "stella")
        world.forget()
        both.wiki.asked.clear()
        assert 200 == (await browser.go(world.url + "/browse/KEY-1"))[0]
        assert 200 == (await browser.go(both.url + PAGE))[0]
    assert (["ada"], ["stella"]) == ([call.username for call in world.arrived], both.wiki.people())
    (call,), (asked,) = world.arrived, both.wiki.asked
    # Neither hears the identity headers of the other.
    assert [] == call.header_values("X-Wiki-Person") + call.header_values("X-Wiki-Key")
    assert [] == asked.values("X-Lychgate-User") + asked.values("X-Lychgate-Assertion")


@pytest.mark.parametrize(
    "path", ["/dologin.action", "/x/dologin.action", "/login.action", "/s/1/_/dologin.action", "/DoLogin.action"]
)
async def test_the_log_in_with_a_password_is_refused(both: Both, path: str) -> None:
    cookie = await both.cookie()
    body = b"os_username=admin&os_password=admin"
    for fields in ((), (cookie,)):
        answer = await both.world.ask("POST", "/confluence" + path, FORM, *fields, body=body)
        assert (403, "password_login") == _refusal(answer)
        # The path alone is enough, whatever the form holds.
        answer = await both.world.ask("POST", "/confluence" + path, FORM, *fields, body=b"a=b")
        assert (403, "password_login") == _refusal(answer)
    assert [] == both.wiki.asked


@pytest.mark.parametrize("query", ["os_username=admin&os_password=x", "a=b&os%5Fpassword=x"])
async def test_nor_does_a_password_pass_elsewhere(both: Both, query: str) -> None:
    cookie = await both.cookie()
    answer = await both.world.ask("GET", f"/confluence/display/DEV?{query}", cookie)
    assert (403, "password_login") == _refusal(answer)
    answer = await both.world.ask("POST", "/confluence/display/DEV", FORM, cookie, body=query.encode())
    assert (403, "password_login") == _refusal(answer)
    assert [] == both.wiki.asked


async def test_the_log_in_page_turns_into_our_sign_in_and_leads_on(both: Both) -> None:
    async with both.world.browser() as browser:
        path = "/login.action?os_destination=" + quote(PAGE, safe="")
        status, landed, _ = await both.enter(browser, "ada", path)
        assert (200, both.url + PAGE) == (status, landed)
        # With a living session it can only mean that Confluence did not believe us (D14).
        status, place, text = await browser.go(both.url + "/login.action")
        assert (403, "", True) == (status, place, "landing_failed" in text)
    assert ["/confluence" + PAGE] == [asked.target for asked in both.wiki.asked]


async def test_the_log_out_link_asks_and_signs_out_of_confluence_only(both: Both) -> None:
    async with both.world.browser() as browser:
        await browser.sign_in("ada")
        await both.enter(browser)
        both.wiki.asked.clear()
        status, _, text = await browser.go(both.url + "/logout.action")
        token = text.partition('name="token" value="')[2].partition('"')[0]
        assert (200, True, True) == (status, bool(token), 'action="/confluence/.lychgate/logout"' in text)
        # A link alone signs nobody out.
        assert 200 == (await browser.go(both.url + PAGE))[0]
        assert 303 == (await browser.go(both.url + "/.lychgate/logout", "POST", data={"token": token}))[0]
        assert 302 == (await browser.go(both.url + PAGE))[0]
        assert 200 == (await browser.go(both.world.url + "/browse/KEY-1"))[0]
    assert ["/confluence" + PAGE] == [asked.target for asked in both.wiki.asked]


@pytest.mark.parametrize(
    "path",
    [
        "/x/viewuser.action",
        "/viewuser.action?username=ada",
        "/users/ViewUser.action",
        "/s/1/_/x/viewuser.action",
        "/x/viewuser!doDefault.action",
        "/admin/users/browseusers.action",
        "/%61dmin/console.action",
    ],
)
async def test_a_rule_for_administrators_catches_the_action_wherever_it_stands(both: Both, path: str) -> None:
    ada, stella = await both.cookie("ada"), await both.cookie("stella")
    answer = await both.world.ask("GET", "/confluence" + path, stella)
    assert (403, "not_in_group") == _refusal(answer)
    assert 401 == (await both.world.ask("GET", "/confluence" + path)).status
    assert [] == both.wiki.asked
    assert 200 == (await both.world.page("/confluence" + path, ada)).status
    assert ["ada"] == both.wiki.people()


async def test_other_actions_stay_open(both: Both) -> None:
    stella = await both.cookie("stella")
    for path in ("/pages/viewpage.action?pageId=1", "/dosearchsite.action?queryString=viewuser.action", "/"):
        assert 200 == (await both.world.page("/confluence" + path, stella)).status
    assert ["stella"] * 3 == both.wiki.people()


SPELLINGS = ("JSESSIONID=stolen", "jsessionid=stolen", "JSESSIONID = stolen", "a=b,JSESSIONID=stolen",
             "seraph.confluence=stolen", "confluence.session=stolen", "crowd.token_key=stolen")  # fmt: skip


async def test_a_session_of_confluence_never_passes(both: Both) -> None:
    name, own = await both.cookie()
    paths = ("/confluence" + PAGE, "/confluence/rest/api/content", "/confluence/images/icon.png")
    for text in SPELLINGS:
        for path in paths:
            await both.world.page(path, (name, f"{own}; {text}"))
            await both.world.page(path, (name, f"{text}; {own}"))
    assert len(SPELLINGS) * len(paths) * 2 == len(both.wiki.asked)
    assert [] == [asked for asked in both.wiki.asked if "stolen" in str(asked.headers)]
    assert 400 == (await both.world.page("/confluence/display/DEV;jsessionid=stolen", (name, own))).status


async def test_its_cookies_stay_with_us_and_the_others_pass(both: Both) -> None:
    async with both.world.browser() as browser:
        await both.enter(browser)
        assert 200 == (await browser.go(both.url + PAGE))[0]
        names = {line.partition("=")[0].lower() for line in browser.seen}
        assert not names & {"jsessionid", "seraph.confluence"}
        assert "confluence.list.pages.cookie" in names
    first, second = both.wiki.asked
    assert (False, True) == (THEIRS in str(first.values("Cookie")), THEIRS in str(second.values("Cookie")))
    assert 1 == str(second.values("Cookie")).count("JSESSIONID")
    assert "lychgate" not in str(second.values("Cookie"))
    # Neither down nor up: kept by us, it would sign her in behind our back once her session is over.
    assert "remember-me" not in str(second.values("Cookie"))


async def test_the_session_of_one_application_is_not_told_to_the_other(both: Both) -> None:
    world = both.world
    async with world.browser() as browser:
        await both.enter(browser)
        # The provider knows her by now: no button is shown.
        await browser.sign_in("ada")
        for _ in range(2):
            assert 200 == (await browser.go(world.url + "/browse/KEY-1"))[0]
            assert 200 == (await browser.go(both.url + PAGE))[0]
    own = {part for call in world.arrived for part in call.header_values("Cookie")}
    assert (True, False) == ("JSESSIONID=" in str(own), THEIRS in str(own))
    kept = [part for asked in both.wiki.asked for part in asked.values("Cookie")]
    assert {THEIRS} == {part for text in kept for part in text.split("; ") if part.startswith("JSESSIONID=")}
