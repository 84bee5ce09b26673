"""Rule 44, the whole matrix: whatever is a credential somewhere is worth nothing anywhere else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from yarl import URL

from sidecar.adapters.accounts.webhook import sign
from sidecar.core.logins import attempt_name
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.session import seat_of
from sidecar.flows.attempts import LOOP
from tests.web.conftest import Worlds
from tests.web.rig import MACHINES, SHARED, Browser, World
from tests.web.wire import Answer, Wire

SESSION = "__Host-lychgate-jira"
OTHER = "__Host-lychgate-tools"
PATH = "/browse/KEY-1"
START = re.compile(rb'href="([^"]*)"')
Field = tuple[str, str]


@dataclass
class Purse:
    """A world, and every credential that somebody in it could hold, by name."""

    world: World
    state: str
    known: dict[str, str]


@asynccontextmanager
async def _purse(worlds: Worlds, folder: Path, **site: object) -> AsyncIterator[Purse]:
    world = await worlds(second=True, sign_out=True, **site)
    await world.gate.state.ledger.init("tools", UnixSeconds(1))
    async with world.browser() as browser, world.browser() as waiting:
        await browser.sign_in("ada")
        await browser.go(world.url + "/.lychgate/try")
        _, _, page = await browser.go(world.url + "/.lychgate/logout")
        form_token = page.partition('name="token" value="')[2].partition('"')[0]
        (call,) = [call for call in world.jira.calls if call.target == PATH]
        (entry,) = world.gate.sessions._entries.values()
        whole = await world.gate.sessions.whole(entry)
        assert whole is not None
        known = {
            "session cookie": browser.cookies[SESSION],
            "try cookie": browser.cookies[f"{SESSION}.try"],
            "form token": form_token,
            "assertion": call.header("X-Lychgate-Assertion") or "",
            "landing secret": SHARED,
            "connector's token": world.token,
            "somebody's access token": MACHINES,
            "webhook's signature": sign(b"the-webhook-has-a-secret-of-its-own", "1700000000", b"{}"),
            "last sign-in's cookie": browser.cookies[f"{SESSION}.{LOOP}"],
            "ID token": whole.id_token or "",
            "refresh token": whole.refresh_token or "",
            "session's key in the store": entry.session.key,
            "application's session": dict(entry.session.jars[seat_of("", "ada")])["JSESSIONID"],
            "cookie key": (folder / "cookie-key").read_text(encoding="ascii"),
            "client's secret": (folder / "client-secret").read_text(encoding="ascii"),
        }
        _, place, _ = await waiting.go(world.url + PATH)
        state = URL(place).query["state"]
        known["state"] = state
        known["attempt cookie"] = waiting.cookies[f"{SESSION}.{attempt_name(state)}"]
        known["code verifier's challenge"] = URL(place).query["code_challenge"]
        known["other application's session"] = await _at_tools(world)
        known["next cookie"] = await _after_sign_out(world)
        assert all(known.values()), [name for name, value in known.items() if not value]
        assert len(known) == len(set(known.values()))
        world.forget()
        yield Purse(world, state, known)


async def _at_tools(world: World) -> str:
    async with world.browser() as browser:
        status, place, _ = await browser.go(world.origin + "/tools/browse/KEY-1")
        assert 302 == status
        await browser.choose(place, "ada")
        return browser.cookies[OTHER]


async def _after_sign_out(world: World) -> str:
    async with world.browser() as browser:
        await browser.sign_in("ada")
        await browser.sign_out()
        return browser.cookies[f"{SESSION}.next"]


Ask = Callable[[Purse, str], list[tuple[str, str, tuple[Field, ...]]]]
"""Method, target and fields of the requests that show a credential at one place."""


def _as_cookie(name: str, path: str = PATH) -> Ask:
    return lambda purse, value: [("GET", path, (("Cookie", f"{name}={value}"),))]


def _as_authorization(scheme: str) -> Ask:
    return lambda purse, value: [
        ("GET", path, (("Authorization", f"{scheme} {value}"),)) for path in (PATH, "/.lychgate/whoami")
    ]


def _as_identity(name: str) -> Ask:
    return lambda purse, value: [("GET", PATH, ((name, value), ("X-Lychgate-User", "ada")))]


def _at_callback(purse: Purse, value: str) -> list[tuple[str, str, tuple[Field, ...]]]:
    cookie = ("Cookie", f"{SESSION}.{attempt_name(purse.state)}={value}")
    provider = "staff" if value != purse.known["attempt cookie"] else "customers"
    return [
        ("GET", f"/.lychgate/callback/staff?code={value}&state={purse.state}", ()),
        ("GET", f"/.lychgate/callback/staff?code=x&state={value}", (cookie,)),
        # With its own attempt cookie this is a sign-in with a made-up code, and not a matter of this page.
        ("GET", f"/.lychgate/callback/{provider}?code=x&state={purse.state}", (cookie,)),
    ]


def _at_another_attempt(purse: Purse, value: str) -> list[tuple[str, str, tuple[Field, ...]]]:
    state = "A" * len(purse.state)
    cookie = ("Cookie", f"{SESSION}.{attempt_name(state)}={value}")
    return [("GET", f"/.lychgate/callback/{provider}?code=x&state={state}", (cookie,)) for provider in PROVIDERS]


def _at_the_second(purse: Purse, value: str) -> list[tuple[str, str, tuple[Field, ...]]]:
    return [("GET", "/tools/browse/KEY-1", (("X-Tools-Key", value), ("X-Tools-Person", "ada")))]


PROVIDERS = ("staff", "customers")
PLACES: dict[str, tuple[Ask, frozenset[str]]] = {
    "session cookie": (_as_cookie(SESSION), frozenset({"session cookie"})),
    "session cookie, whoami": (_as_cookie(SESSION, "/.lychgate/whoami"), frozenset({"session cookie"})),
    "session cookie of the other application": (
        _as_cookie(OTHER, "/tools/.lychgate/whoami"),
        frozenset({"other application's session"}),
    ),
    "the application's own cookie": (_as_cookie("JSESSIONID"), frozenset()),
    "bearer": (_as_authorization("Bearer"), frozenset()),
    "basic": (_as_authorization("Basic"), frozenset()),
    "proof": (_as_identity("X-Lychgate-Assertion"), frozenset()),
    "secret": (_as_identity("X-Lychgate-Secret"), frozenset()),
    "secret of the other application": (_at_the_second, frozenset()),
    "callback": (_at_callback, frozenset()),
    "attempt cookie of another sign-in": (_at_another_attempt, frozenset()),
}


@pytest.mark.parametrize("place", PLACES)
async def test_a_credential_is_good_at_its_own_place_only(worlds: Worlds, tmp_path: Path, place: str) -> None:
    ask, good = PLACES[place]
    async with _purse(worlds, tmp_path) as purse:
        world = purse.world
        for name, value in purse.known.items():
            world.forget()
            answers = [await world.ask(method, target, *fields) for method, target, fields in ask(purse, value)]
            if name in good:
                assert [200] == [answer.status for answer in answers], (place, name)
                continue
            for answer in answers:
                assert answer.status in {400, 401, 403}, (place, name, answer.status, answer.body)
                assert [] == [line for line in answer.headers("Set-Cookie") if _opens(line)], (place, name)
            assert [] == world.arrived, (place, name)
        assert ["ada", "ada"] == sorted(e.session.identity.claims["preferred_username"] for e in _entries(world))


def _opens(line: str) -> bool:
    name, _, value = line.partition("=")
    return name in {SESSION, OTHER} and not value.startswith(";")


def _entries(world: World) -> list:  # type: ignore[type-arg]
    return list(world.gate.sessions._entries.values())


async def test_the_small_cookies_take_no_other_value(worlds: Worlds, tmp_path: Path) -> None:
    """`try` turns an observed portal's rules on, `next` says where a signed-out page leads; nothing else does."""
    async with _purse(worlds, tmp_path, support={"mode": "observe"}) as purse:
        world = purse.world
        plain = await world.page("/.lychgate/signed-out")
        for name, value in purse.known.items():
            world.forget()
            answer = await world.page("/servicedesk/customer/portals", ("Cookie", f"{SESSION}.try={value}"))
            enforced = name == "try cookie"
            assert (name, enforced) == (name, "/authorize?" in answer.location)
            assert (name, not enforced) == (name, bool(world.arrived))
            page = await world.page("/.lychgate/signed-out", ("Cookie", f"{SESSION}.next={value}"))
            assert (name, 200, START.findall(plain.body)) == (name, page.status, START.findall(page.body))


async def test_only_the_applications_own_tokens_open_a_machines_path(worlds: Worlds, tmp_path: Path) -> None:
    """Whose token it is, is the application's to say, but for those that providers or we have signed."""
    async with _purse(worlds, tmp_path) as purse:
        world = purse.world
        for name, value in purse.known.items():
            world.forget()
            cookie = ("Cookie", f"{SESSION}={purse.known['session cookie']}")
            answer = await world.ask("GET", "/rest/api/2/myself", ("Authorization", f"Bearer {value}"), cookie)
            good = name in {"connector's token", "somebody's access token"}
            assert (name, 200 if good else 401) == (name, answer.status)
            if name in {"ID token", "assertion"}:
                assert (name, "token_not_accepted", []) == (name, answer.error, world.arrived)
            assert [] == [call.target for call in world.arrived if call.header("X-Lychgate-User") is not None]


async def test_no_credential_signs_somebody_out(worlds: Worlds, tmp_path: Path) -> None:
    """The token of the form is its session's own, and nothing else passes for it."""
    form = ("Content-Type", "application/x-www-form-urlencoded")
    async with _purse(worlds, tmp_path) as purse:
        world, cookie = purse.world, ("Cookie", f"{SESSION}={purse.known['session cookie']}")
        for name, value in purse.known.items():
            if name != "form token":
                body = str(URL.build(query={"token": value}))[1:].encode()
                answer = await world.ask("POST", "/.lychgate/logout", cookie, form, body=body)
                assert (name, 403, "form_token_invalid") == (name, answer.status, answer.error)
        assert 200 == (await world.ask("GET", PATH, cookie)).status
        body = b"token=" + purse.known["form token"].encode()
        assert 303 == (await world.ask("POST", "/.lychgate/logout", cookie, form, body=body)).status
        assert 401 == (await world.ask("GET", PATH, cookie)).status


async def test_nothing_opens_the_operations_listener_to_more_and_it_tells_no_secret(
    worlds: Worlds, tmp_path: Path
) -> None:
    """It changes nothing and knows no pages, whoever asks; and what it shows is not for the public listener."""
    async with _purse(worlds, tmp_path) as purse:
        world = purse.world
        for name, value in purse.known.items():
            shows = (("Authorization", f"Bearer {value}"), ("Cookie", f"{SESSION}={value}"), ("X-Lychgate-User", "ada"))
            for method, path, status in (
                ("GET", PATH, 404),
                ("GET", "/.lychgate/whoami", 404),
                ("POST", "/metrics", 405),
            ):
                wire = await Wire.open(world.gate.operations)
                wire.request(method, path, *shows)
                assert (name, path, status) == (name, path, (await wire.answer(method)).status)
                await wire.close()
        assert [] == world.arrived
        shown = world.gate.metrics.render()[1].decode() + world.audit.getvalue()
        assert [] == [name for name, value in purse.known.items() if value in shown]
        for path in ("/metrics", "/healthz", "/readyz"):
            answer: Answer = await world.ask("GET", path)
            assert 401 == answer.status


async def test_another_browser_is_another_browser(worlds: Worlds) -> None:
    """An attempt is bound to its browser: the same state from elsewhere finishes nothing (rule 30)."""
    world = await worlds()
    async with world.browser() as one, world.browser() as two:
        _, place, _ = await one.go(world.url + PATH)
        back = await _approved(one, place)
        status, _, text = await two.go(back)
        assert 400 == status and "state_missing" in text


async def _approved(browser: Browser, place: str) -> str:
    _, _, text = await browser.go(place)
    interaction = text.partition('name="interaction" value="')[2].partition('"')[0]
    choice = {"interaction": interaction, "person": "ada"}
    return (await browser.go(place.partition("/authorize")[0] + "/choose", "POST", data=choice))[1]
