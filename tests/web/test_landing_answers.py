"""What the application's answers say about the landing (D8's alarm, D14), an account that is not ready (D11), and the
operations listener (D9)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from sidecar.demo.jira import RateLimit
from tests.upstream.scripted import ScriptedServer
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World
from tests.web.wire import Answer, Wire

PATH = "/browse/KEY-1"
LOG_IN = "/login.jsp?permissionViolation=true&os_destination=%2Fbrowse%2FKEY-1"


async def test_an_answer_for_somebody_else_is_not_delivered_and_the_custody_is_dropped(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    assert 200 == (await world.page(PATH, cookie)).status
    # The stored session turns into somebody else's: the reason why the header alone is not trusted.
    for session in world.jira.state.sessions.values():
        session.username = "admin"
    world.forget()
    answer = await world.page(PATH, cookie)
    assert 502 == answer.status and "landing_mismatch" in answer.text
    assert "The gate at the churchyard sticks" not in answer.text and "Jira Administrator" not in answer.text
    assert [] == answer.headers("Set-Cookie") + answer.headers("X-AUSERNAME")
    (told,) = world.told("landing.mismatch")
    assert ("ada", "failure", "jira") == (told["username"], told["outcome"], told["application"])
    # The next request begins a session of its own.
    assert 200 == (await world.page(PATH, cookie)).status
    assert [("admin", "session"), ("ada", "header")] == [(call.username, call.how) for call in world.arrived]


async def test_the_alarm_holds_for_scripts_and_pieces_of_pages_too(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for method, path in (("GET", "/rest/api/2/myself"), ("HEAD", PATH), ("GET", "/rest/servicedeskapi/info")):
        await world.page(PATH, cookie)
        for session in world.jira.state.sessions.values():
            session.username = "admin"
        answer = await world.ask(method, path, cookie)
        assert (path, 502) == (path, answer.status)


@pytest.mark.parametrize(("name", "status"), [("ADA", 200), ("ada", 200), ("a%64a", 200), ("adam", 502), ("ada2", 502)])
async def test_the_name_is_compared_whole_and_without_case(worlds: Worlds, name: str, status: int) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.jira.fail_next("/x", 200, "text", headers=(("X-AUSERNAME", name),))
    assert status == (await world.page("/x", cookie)).status


@pytest.mark.parametrize("location", [LOG_IN, "{origin}" + LOG_IN, "/login.jsp", "{origin}/login"])
async def test_a_redirect_to_the_log_in_page_is_a_failed_landing(worlds: Worlds, location: str) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    # An anonymous answer: the application did not take the person in.
    fields = (("Location", location.format(origin=world.origin)), ("X-AUSERNAME", "anonymous"))
    for status in (301, 302, 303, 307):
        world.jira.fail_next(PATH, status, headers=fields)
        answer = await world.page(PATH, cookie)
        assert (status, 502, "") == (status, answer.status, answer.location)
        assert "landing_failed" in answer.text and "ada" in answer.text
    assert {"ada"} == {event["username"] for event in world.told("landing.failed")}
    assert 1 == len(world.told("login.start"))


async def test_where_the_product_knows_the_person_it_has_refused_the_page(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    world.jira.fail_next(PATH, 302, headers=(("Location", LOG_IN), ("X-AUSERNAME", "ada")))
    answer = await world.page(PATH, cookie)
    assert 403 == answer.status and "product_refused" in answer.text and "" == answer.location


async def test_other_redirects_and_scripts_pass(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    for location in ("/browse/KEY-2", "//x", "https://wiki.example/login.jsp", "/loginx.jsp", "/x?next=/login.jsp"):
        world.jira.fail_next(PATH, 302, headers=(("Location", location), ("X-AUSERNAME", "ada")))
        answer = await world.page(PATH, cookie)
        assert (302, location) == (answer.status, answer.location)
    # A redirect that is no redirect to a page: a script must see what the product says.
    world.jira.fail_next(PATH, 401, "{}", headers=(("X-AUSERNAME", "anonymous"),))
    assert 401 == (await world.ask("GET", PATH, cookie)).status


async def test_a_landing_that_the_receiver_does_not_believe_is_no_new_sign_in(worlds: Worlds) -> None:
    world = await worlds(proof="secret")
    world.jira._site.prover._proof = None
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("ada")
        assert 502 == status and "landing_failed" in text
        for _ in range(3):
            assert 502 == (await browser.go(world.url + "/secure/Dashboard.jspa"))[0]
    assert 1 == len(world.told("login.start"))


FAILURES = {
    "unreachable": "connector_unreachable",
    "refuses": "connector_refused",
}


@pytest.mark.parametrize("kind", FAILURES)
async def test_an_account_that_is_not_ready_stops_the_request(worlds: Worlds, kind: str) -> None:
    world = await worlds()
    if kind == "refuses":
        world.jira.kill_token(world.token)
    else:
        world.jira.fail_next("/rest/api/2/user", 503, times=1000)
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("nina")
        assert 503 == status and "Try again" in text
        page = await world.page(PATH, browser.cookie)
        api = await world.ask("GET", "/rest/api/2/myself", browser.cookie)
        post = await world.ask("POST", "/secure/X.jspa", HTML, browser.cookie, body=b"x=y")
    assert [503, 503, 503] == [page.status, api.status, post.status]
    assert "10" == page.header("Retry-After") and FAILURES[kind] == api.error
    assert FAILURES[kind] in page.text and f'href="{PATH}"' in page.text
    assert [] == world.arrived
    assert "nina" not in world.jira.state.users


async def test_it_is_served_as_soon_as_the_account_is_ready(worlds: Worlds) -> None:
    world = await worlds()
    world.jira.faults.rate_limit = RateLimit(0, 0, interval=1)
    async with world.browser() as browser:
        status, _, _ = await browser.sign_in("nina")
        assert 503 == status
        world.jira.faults.clear()
        for _ in range(100):
            status, _, _ = await browser.go(world.url + PATH)
            if status == 200:
                break
            await _moment()
        assert 200 == status
    assert ["nina"] == list({call.username for call in world.arrived})


async def _moment() -> None:
    import asyncio

    # A failure is remembered for three seconds, so that a page's thirty requests share it.
    await asyncio.sleep(0.1)


async def test_somebody_whom_an_administrator_put_out_stays_out(worlds: Worlds) -> None:
    world = await worlds()
    async with world.browser() as browser:
        status, _, text = await browser.sign_in("amir")
    assert 403 == status and "account_inactive" in text
    assert [] == world.arrived and not world.jira.state.users["amir"].active


@pytest.mark.parametrize("where", ["http://[", "//[x]y/login.jsp", "http://a]/x"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_an_address_that_is_none_is_the_applications_own_affair(worlds: Worlds, where: str, method: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            odd = b"?odd" in await server.head(reader)
            writer.write(f"HTTP/1.1 302 Found\r\nLocation: {where if odd else '/'}\r\n".encode())
            writer.write(b"Content-Length: 0\r\n\r\n")

    async with ScriptedServer(script) as server:
        world = await worlds(upstream=f"http://127.0.0.1:{server.port}")
        cookie = await world.sign_in("ada")
        for _ in range(3):
            answer = await world.ask(method, PATH + "?odd", cookie)
            assert (302, where) == (answer.status, answer.header("Location"))


@asynccontextmanager
async def _operations(world: World) -> AsyncIterator[Wire]:
    wire = await Wire.open(world.gate.operations)
    try:
        yield wire
    finally:
        await wire.close()


async def _probe(world: World, method: str, target: str, body: bytes | None = None) -> Answer:
    async with _operations(world) as wire:
        wire.request(method, target, body=body)
        return await wire.answer(method)


async def test_operations_answer_exact_paths_and_get_only(worlds: Worlds) -> None:
    world = await worlds()
    for path in ("/healthz", "/readyz", "/metrics"):
        assert [200, 200] == [(await _probe(world, method, path)).status for method in ("GET", "HEAD")]
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
            assert 405 == (await _probe(world, method, path, b"x")).status
        for other in (path + "/", path + "/x", path + "?x", path.upper(), "/" + path, f"http://localhost{path}"):
            assert 404 == (await _probe(world, "GET", other)).status, other
    for path in ("/", "/.lychgate/whoami", "/debug", "/browse/KEY-1", "/config", "/sessions"):
        assert 404 == (await _probe(world, "GET", path)).status
    # And not on the public one (rule 7).
    for path in ("/healthz", "/readyz", "/metrics"):
        assert 401 == (await world.ask("GET", path, ("User-Agent", "kube-probe/1.30"))).status
    assert [] == world.arrived


async def test_metrics_tell_nothing_personal_and_no_request_data(worlds: Worlds) -> None:
    world = await worlds()
    cookie = await world.sign_in("ada")
    await world.page("/s3cr3t-path?s3cr3t=1", cookie, ("User-Agent", "s3cr3t"))
    await world.ask("S3CR3T", "/x")
    answer = await _probe(world, "GET", "/metrics")
    assert "lychgate_" in answer.text and 'application="jira"' in answer.text
    key = cookie[1].partition("__Host-lychgate-jira=")[2][:20]
    for word in ("s3cr3t", "S3CR3T", "ada", "Ada", "okta-jira", "127.0.0.1", key, "00u-"):
        assert word not in answer.text.replace("load", ""), word
