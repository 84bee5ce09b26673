"""Drives a day of traffic through a gate, and keeps book of what clients and the provider see: nothing of it comes from
the gate's own counters or from its trail."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import aiohttp

from sidecar.adapters.key_lists import new_key
from sidecar.demo.jira.faults import Failure
from sidecar.demo.provider import Person
from sidecar.demo.provider.faults import Fault
from tests.web.rig import HTML, Browser, World
from tests.web.test_time_over_http import SESSION, Hands
from tests.web.test_websocket import _open
from tests.web.wire import Answer

PAGE = "/browse/KEY-1"
API = ("Accept", "application/json")
TEAM = "okta-project-moon"
USERS = "okta-jira-users"
_CODE = re.compile(r"<code>(\w+)</code>")
_WORD = re.compile(r"\(code (\w+),")
MEMBER = "new1"
"""Comes in hour 1, and into a team and out of it later."""
IDLE = 10 * 3600
FAILURES = frozenset(
    {
        "account_inactive",
        "account_reserved",
        "upstream_broken",
        "provider_unreachable",
        "landing_mismatch",
        "login_loop",
    }
)
KEPT_OUT = frozenset({"account_inactive", "account_reserved"})
OWN_CODES = frozenset({"landing_mismatch", "login_loop"})
"""Reasons of failures, those of an account, and those that are told under codes of their own; all others that a client
meets here are refusals."""


@dataclass(slots=True)
class Book:
    """What was sent and what came back, by what an operator would call it."""

    codes: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    sign_ins: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)

    def copy(self) -> Book:
        return Book(*(Counter(one) for one in (self.codes, self.outcomes, self.reasons, self.sign_ins, self.events)))

    def minus(self, other: Book) -> Book:
        return Book(
            self.codes - other.codes,
            self.outcomes - other.outcomes,
            self.reasons - other.reasons,
            self.sign_ins - other.sign_ins,
            self.events - other.events,
        )


class Visitor(Browser):
    """A browser that keeps book of every answer of the gate."""

    __slots__ = ("book",)
    book: Book

    async def go(self, url: str, method: str = "GET", **options: object) -> tuple[int, str, str]:
        status, place, text = await Browser.go(self, url, method, **options)
        if url.startswith(self.world.origin):
            note(self.book, url.removeprefix(self.world.url), status, text)
        return status, place, text


def note(book: Book, path: str, status: int, text: str, *, passed: bool = False) -> str:
    """Write one answer down; its reason, or "". *passed*: the request brought a credential of its own."""
    found = _CODE.search(text) or _WORD.search(text) or re.search(r'"error": ?"(\w+)"', text)
    reason = found[1] if found is not None and status >= 400 else ""
    at_callback = path.startswith("/.lychgate/callback/")
    if reason in FAILURES or (reason and at_callback):
        outcome = "failed"
    elif reason:
        outcome = "denied"
    elif path.startswith("/.lychgate/"):
        outcome = "own"
    elif status == 302:
        outcome = "login"
    elif passed:
        outcome = "passed"
    else:
        outcome = "anonymous" if path.startswith("/public/") else "forwarded"
    book.codes[f"{status // 100}xx"] += 1
    book.outcomes[outcome] += 1
    if reason:
        book.reasons[reason] += 1
    if outcome == "login":
        book.sign_ins["started"] += 1
        book.events["login.start"] += 1
    elif at_callback and status == 303:
        book.sign_ins["ok"] += 1
        book.events.update(("login.success", "session.created"))
    elif at_callback:
        book.sign_ins[reason] += 1
        book.events["login.error"] += 1
    elif outcome == "denied" and reason != "no_session":
        book.events["access.denied"] += 1
    elif outcome == "failed" and reason not in OWN_CODES:
        book.events["request.failed"] += 1
        book.events["account.refused"] += reason in KEPT_OUT
    return reason


@dataclass(slots=True)
class Driver:
    """The traffic of a day, hour by hour. Every hour does the usual, and most do something that is rare."""

    world: World
    clock: Hands
    book: Book = field(default_factory=Book)
    _numbers: count[int] = field(default_factory=lambda: count(1))
    _idle: list[int] = field(default_factory=list)
    """When the sessions end of which nobody hears again."""

    @asynccontextmanager
    async def visitor(self) -> AsyncIterator[Visitor]:
        """Somebody with a fresh browser."""
        async with self.world.browser() as browser:
            visitor = Visitor(browser.world, browser.session)
            visitor.book = self.book
            before = self.book.events["session.created"] - self.book.events["session.ended"]
            yield visitor
            left = self.book.events["session.created"] - self.book.events["session.ended"] - before
            self._idle += [self.clock.passed + IDLE] * left

    async def ask(self, target: str, *fields: tuple[str, str], method: str = "GET", host: str | None = None) -> str:
        """One request of a client with an address of its own; the reason of a refusal."""
        source = ("X-Forwarded-For", f"203.0.113.{next(self._numbers) % 250 + 1}")
        answer = await self.world.ask(method, target, source, *fields, host=host)
        passed = any(name == "Authorization" for name, _ in fields)
        return note(self.book, target, answer.status, _text(answer), passed=passed)

    async def hour(self, number: int) -> None:
        """What happens in one; sessions that nobody uses end in it too."""
        await self.everyday(number)
        rare = RARE.get(number)
        if rare is not None:
            await rare(self, number)
        await self.world.gate.sessions.sweep()
        ended = [at for at in self._idle if at <= self.clock.passed]
        self.book.events["session.ended"] += len(ended)
        self._idle = [at for at in self._idle if at > self.clock.passed]

    async def everyday(self, number: int) -> None:
        """A colleague works; strangers and programs knock."""
        async with self.visitor() as ada:
            assert 200 == (await ada.sign_in("ada"))[0]
            for _ in range(2):
                assert 200 == (await ada.go(self.world.url + PAGE))[0]
            headers = {"X-Forwarded-For": f"198.51.100.{number + 1}"}
            assert 403 == (await ada.go(self.world.url + "/forbidden/x", headers=headers))[0]
        assert "" == await self.ask("/public/a.png")
        assert "no_session" == await self.ask("/rest/api/2/myself", API)
        assert "bad_path" == await self.ask("/browse/%2e%2e%2fadmin", HTML)

    async def newcomer(self, number: int) -> None:
        """Somebody new comes: an account is made, and a group joined."""
        key = self._hire(f"new{number}", f"new{number}")
        async with self.visitor() as browser:
            assert 200 == (await browser.sign_in(key))[0]
        self.book.events.update(("user.linked", "user.created", "group.added"))

    async def changes_groups(self, number: int) -> None:
        """Somebody comes into a team, and the next time out of it."""
        inside = number % 2 == 0
        self.world.staff.provider.change_claims(MEMBER, groups=[USERS, *([TEAM] if inside else [])])
        async with self.visitor() as member:
            assert 200 == (await member.sign_in(MEMBER))[0]
        self.book.events["group.added" if inside else "group.removed"] += 1

    async def kept_out(self, number: int) -> None:
        """Somebody without the group, somebody whose account was switched off by hand, and who is called `admin`."""
        async with self.visitor() as browser:
            assert 403 == (await browser.sign_in(self._hire(f"odd{number}", "admin")))[0]
        async with self.visitor() as otto:
            assert 403 == (await otto.sign_in("otto"))[0]
        async with self.visitor() as amir:
            assert 403 == (await amir.sign_in("amir"))[0]

    async def works_on(self, number: int) -> None:
        """Twenty minutes later the provider is asked whether all is as it was."""
        async with self.visitor() as ada:
            assert 200 == (await ada.sign_in("ada"))[0]
            self.clock.passed += 1200
            assert 200 == (await ada.go(self.world.url + PAGE))[0]
        self.book.events["session.refreshed"] += 1

    def _hire(self, key: str, username: str) -> str:
        """Somebody of whom only the provider knows."""
        claims = {"preferred_username": username, "name": key, "email": f"{key}@example.com", "groups": [USERS]}
        self.world.staff.provider.people[key] = Person(key=key, sub=f"00u-{key}", claims=claims, label=key, story=".")
        return key

    async def provider_fails(self, number: int) -> None:
        self.world.staff.provider.fault = Fault.TOKEN_500
        async with self.visitor() as ada:
            assert 503 == (await ada.sign_in("ada"))[0]
        self.world.staff.provider.fault = None

    async def application_fails(self, number: int) -> None:
        """It answers with an error of its own, and then not at all."""
        self.world.jira.faults.prepare("/browse/KEY-2", Failure(500, "broken"), 1)
        self.world.jira.faults.prepare("/browse/KEY-3", Failure(None), 2)
        async with self.visitor() as ada:
            assert 200 == (await ada.sign_in("ada"))[0]
            assert 500 == (await ada.go(self.world.url + "/browse/KEY-2"))[0]
            assert 502 == (await ada.go(self.world.url + "/browse/KEY-3"))[0]

    async def leaves(self, number: int) -> None:
        """Somebody presses the button."""
        async with self.visitor() as ada:
            assert 200 == (await ada.sign_in("ada"))[0]
            await ada.sign_out()
            self.book.events["session.ended"] += 1

    async def pretends(self, number: int) -> None:
        """Identity headers and cookies that no browser was given, and hosts that are not ours."""
        async with self.visitor() as ada:
            assert 200 == (await ada.sign_in("ada"))[0]
            headers = {"Remote-User": "eve", "X-Forwarded-For": f"198.51.100.{100 + number}"}
            assert 200 == (await ada.go(self.world.url + PAGE, headers=headers))[0]
            cookie = f"{ada.cookie[1]}; JSESSIONID=abc"
        assert "" == await self.ask(PAGE, HTML, ("Cookie", cookie))
        assert "unknown_host" == await self.ask("/", HTML, host="elsewhere.example.com")
        self.book.events["header.spoof_stripped"] += 1

    async def flood(self, number: int) -> None:
        """Strangers, more at once than the trail tells one by one."""
        for _ in range(60):
            assert "bad_path" == await self.ask("/browse/%2e%2e%2fadmin", HTML)

    async def runs_programs(self, number: int) -> None:
        """A script comes with a token of the application's, and a page keeps a WebSocket open for a while."""
        token = self.world.jira.state.add_token("ada")
        assert "" == await self.ask("/rest/api/2/myself", API, ("Authorization", f"Bearer {token}"))
        self.book.events["api.passthrough"] += 1
        async with self.visitor() as ada:
            assert 200 == (await ada.sign_in("ada"))[0]
            async with _open(self.world, ada.cookie):
                assert 1 == await self._tunnels()
            async with asyncio.timeout(30):
                while await self._tunnels():  # noqa: ASYNC110 - a gate sets no events
                    await asyncio.sleep(0.01)
        self.book.codes["1xx"] += 1
        self.book.outcomes["forwarded"] += 1

    async def _tunnels(self) -> int:
        found = re.findall(r"^lychgate_tunnels\{.*\} (\d+)", await scraped(self.world), re.MULTILINE)
        return sum(map(int, found))

    async def goes_in_circles(self, number: int) -> None:
        """Somebody's session does not last, as behind a proxy that cuts its cookie off."""
        async with self.visitor() as ada:
            for _ in range(8):
                self.clock.passed += 2
                ada.session.cookie_jar.clear(lambda morsel: morsel.key == SESSION)
                status, place, _ = await ada.go(self.world.url + PAGE)
                if status != 302:
                    break
                assert 200 == (await ada.choose(place, "ada"))[0]
            assert 400 <= status
        self.book.sign_ins["login_loop"] += 1
        self.book.events["login.error"] += 1

    async def mistakes_somebody(self, number: int) -> None:
        """The application serves a page as somebody else; the file is read again, and so is a new key."""
        self.world.jira.faults.prepare("/browse/KEY-4", Failure(200, "of eve", (("X-AUSERNAME", "eve"),)), 1)
        async with self.visitor() as ada:
            assert 200 == (await ada.sign_in("ada"))[0]
            assert 502 == (await ada.go(self.world.url + "/browse/KEY-4"))[0]
        self.book.events["landing.mismatch"] += 1
        assert await self.world.gate.reloading.reload(self.world.folder / "lychgate.yaml", "signal")
        keys = self.world.folder / "cookie-key"
        keys.write_text(f"{new_key('cookie')}\n{keys.read_text('utf-8')}", "utf-8")
        assert await self.world.gate.reloading.renew()


RARE: dict[int, Callable[[Driver, int], Awaitable[None]]] = {
    0: Driver.goes_in_circles, 1: Driver.newcomer, 2: Driver.changes_groups, 3: Driver.kept_out, 4: Driver.pretends,
    5: Driver.changes_groups,
    6: Driver.provider_fails, 7: Driver.leaves, 8: Driver.flood, 9: Driver.newcomer, 10: Driver.application_fails,
    11: Driver.runs_programs, 12: Driver.works_on, 13: Driver.provider_fails,
    14: Driver.changes_groups, 15: Driver.leaves, 16: Driver.flood,
    17: Driver.kept_out,
    18: Driver.pretends, 19: Driver.changes_groups, 20: Driver.newcomer, 21: Driver.application_fails,
    22: Driver.mistakes_somebody,
}  # fmt: skip


def _text(answer: Answer) -> str:
    return answer.body.decode("utf-8", "replace")


async def scraped(world: World) -> str:
    """What the gate says on its operations port."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{world.gate.operations}/metrics") as answer,
    ):
        return await answer.text()
