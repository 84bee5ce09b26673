"""Rule 5 at the whole gate: whatever fails beside it, the answer is a refusal with its reason, and the application
hears nothing; only the audit trail may fail without stopping anybody. Rule 1: a request is located once."""

from __future__ import annotations

import io
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sidecar.core.routing import Locator
from sidecar.domain.decision import Deny, Own, Place, Relocate, RequestFacts
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.landing import Keep, LandingError
from sidecar.flows.streaming import AnswerHead, Fields
from sidecar.web.inbound import Connection
from sidecar.web.lane import Lane
from tests.web.conftest import Worlds
from tests.web.rig import HTML, MACHINES, World, free_port
from tests.web.wire import Answer

PAT = ("Authorization", f"Bearer {MACHINES}")
Field = tuple[str, str]


class Broken(Mapping[str, Any]):
    """A collaborator with a fault of its own: whoever looks into it gets an exception that nobody foresaw."""

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("secret detail")

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]

    def __iter__(self) -> Iterator[str]:
        raise RuntimeError("secret detail")

    def __len__(self) -> int:
        return 1


def _lose(world: World, file: str, *tables: str) -> None:
    """Take tables away under the running gate, as a damaged or foreign file would."""
    with closing(sqlite3.connect(world.folder / "state" / file)) as connection:
        for table in tables:
            connection.execute(f"ALTER TABLE {table} RENAME TO lost_{table}")
        connection.commit()


async def _is_refused(world: World, status: int, reason: str, *fields: Field, method: str = "GET") -> None:
    """To a script with a JSON object, to a person with a page; the application hears nothing."""
    world.forget()
    answer = await world.ask(method, "/rest/api/2/myself", *fields)
    assert (status, reason) == (answer.status, answer.error)
    assert "no-store" in (answer.header("Cache-Control") or "")
    page = await world.page("/browse/KEY-1", *fields)
    assert (status, True) == (page.status, reason in page.text)
    for text in (answer.text, page.text):
        assert "secret detail" not in text and "Traceback" not in text
    assert [] == world.arrived


async def test_without_the_session_store_nobody_is_let_in(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    # What the process remembers is good for as long as it runs.
    await world.restart()
    _lose(world, "sessions.sqlite3", "sessions")
    await _is_refused(world, 503, "state_unavailable", cookie)
    # Who has no session is asked to sign in, and the sign-in comes to nothing.
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("ada")
        assert (503, True) == (status, "state_unavailable" in text)
        assert world.loaded.policy.applications["jira"].cookie not in browser.cookies
    assert [] == world.arrived


async def test_without_the_spent_states_nobody_signs_in(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    _lose(world, "sessions.sqlite3", "spent")
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("stella")
        assert (503, True) == (status, "state_unavailable" in text)
        assert world.loaded.policy.applications["jira"].cookie not in browser.cookies
    assert [] == world.arrived
    # Who is in stays in.
    assert 200 == (await world.page("/browse/KEY-1", cookie)).status


async def test_without_the_ledger_no_account_is_made_ready(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    await world.restart()
    _lose(world, "ledger.sqlite3", "pins")
    await _is_refused(world, 503, "state_unavailable", cookie)


class RefusingLanding:
    """An application that takes nobody in."""

    async def establish(
        self, session: Session, username: str, node: str, now: UnixSeconds, keep: Keep, *, surely: bool
    ) -> Fields:
        raise LandingError("secret detail")

    def check(self, session: Session, username: str, node: str, head: AnswerHead) -> Reason:
        return Reason.OK

    async def end(self, session: Session) -> None:
        return None

    def keys(self) -> dict[str, object]:
        return {"keys": []}


async def test_an_application_that_takes_nobody_in(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    monkeypatch.setattr("sidecar.building.parts.header_landing", lambda *_: RefusingLanding())
    await world.restart()
    await _is_refused(world, 502, "landing_failed", cookie)


async def test_a_fault_of_ours_in_the_decision(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    (entry,) = world.gate.sessions._entries.values()
    assert entry.standing is not None
    entry.standing = replace(entry.standing, portals=Broken())
    await _is_refused(world, 500, "internal", cookie)
    # It is the fault of one session, and the others go on.
    assert 200 == (await world.page("/browse/KEY-1", await world.sign_in("stella"))).status


async def test_a_fault_of_ours_before_the_decision_opens_no_path(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.forget()
    world.loaded = replace(world.loaded, policy=replace(world.loaded.policy, sites=Broken()))
    await world.restart()
    for fields in ((), (cookie,), (PAT,)):
        for path in ("/public/page", "/images/icon.png", "/rest/api/2/myself", "/browse/KEY-1", "/.lychgate/jwks"):
            answer = await world.ask("GET", path, *fields)
            assert (500, "internal") == (answer.status, answer.error), path
            assert "secret detail" not in answer.text
    assert [] == world.arrived


class FullDisk(io.StringIO):
    """Takes no line."""

    tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise OSError(28, "No space left on device")


async def test_a_full_disk_under_the_audit_trail_stops_nobody(worlds: Worlds) -> None:
    world = await worlds()
    full = FullDisk()
    world.audit = full
    await world.restart()
    cookie = await world.sign_in("nina")
    world.forget()
    assert 200 == (await world.page("/browse/KEY-1", cookie)).status
    assert 403 == (await world.ask("GET", "/forbidden/x", cookie)).status
    assert ["/browse/KEY-1"] == [call.target for call in world.arrived]
    # Somebody hears of it, and what was told waits for room.
    shown = world.gate.metrics.render()[1].decode()
    assert full.tried > 0 and 'lychgate_audit_failing{sink="stdout"} 1.0' in shown
    assert int(re.findall(r'lychgate_audit_queue\{sink="stdout"\} ([0-9]+)', shown)[0]) > 0


@pytest.mark.parametrize(
    ("failure", "reason"),
    [(None, "connector_unreachable"), (500, "connector_unreachable"), (403, "connector_refused")],
)
async def test_without_the_connector_no_account_is_made_ready(worlds: Worlds, failure: int | None, reason: str) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    await world.restart()
    if failure is None:
        world.jira.cut_next("/rest/", times=100)
    else:
        world.jira.fail_next("/rest/", failure, times=100)
    await _is_refused(world, 503, reason, cookie)


def _hooked(folder: Path, port: int, on_failure: str) -> dict[str, Any]:
    hook = {"url": f"http://127.0.0.1:{port}/hook", "secret": f"file://{folder}/cookie-key", "on_failure": on_failure}
    token = f"file://{folder}/jira-token"
    return {"accounts": {"token": token, "adopt": "by_username", "hooks": {"webhook": [hook]}}}


async def test_without_its_webhook_nobody_goes_on(worlds: Worlds, tmp_path: Path) -> None:
    world = await worlds(jira=_hooked(tmp_path, free_port(), "deny"))
    cookie = await world.sign_in("ada")
    await _is_refused(world, 503, "hook_failed", cookie)


async def test_a_webhook_that_does_not_matter_stops_nobody(worlds: Worlds, tmp_path: Path) -> None:
    world = await worlds(jira=_hooked(tmp_path, free_port(), "serve"))
    cookie = await world.sign_in("ada")
    world.forget()
    assert 200 == (await world.page("/browse/KEY-1", cookie)).status
    assert ["ada"] == [call.username for call in world.arrived]


class CountingLocator(Locator):
    """Counts how often it is asked."""

    asked = 0

    def locate(self, facts: RequestFacts) -> Place | Own | Relocate | Deny:
        type(self).asked += 1
        return super().locate(facts)


class CountingLane(Lane):
    """Counts whom it serves: they use the place that it has found, and the gateway does not see them."""

    def __call__(self, connection: Connection, data: bytes) -> Callable[[], None] | None:
        taken = super().__call__(connection, data)
        CountingLocator.asked += taken is not None
        return taken


async def test_a_request_is_located_once(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.web.reading.Locator", CountingLocator)
    monkeypatch.setattr("sidecar.app.Lane", CountingLane)
    monkeypatch.setattr(CountingLocator, "asked", 0)
    world = await worlds()
    cookie = await world.sign_in("ada")
    asked: list[tuple[str, tuple[Field, ...]]] = [
        ("/browse/KEY-1", (HTML,)),
        ("/browse/KEY-1", (HTML, cookie)),
        ("/public/page", ()),
        ("/images/icon.png", ()),
        ("/rest/api/2/myself", (PAT,)),
        ("/servicedesk/customer/portals", (HTML, cookie)),
        ("/s/1/_/browse/KEY-1", (HTML, cookie)),
        ("/forbidden/x", (cookie,)),
        ("/a/%2e%2e/b", (cookie,)),
        ("//browse", ()),
        ("/.lychgate/whoami", (cookie,)),
    ]
    for path, fields in asked:
        before = CountingLocator.asked
        answer: Answer = await world.ask("GET", path, *fields)
        assert (path, 1) == (path, CountingLocator.asked - before), answer.status
