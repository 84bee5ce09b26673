"""An application that starts says so on its status page: asked only upon failure, rarely, and believed only then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sidecar.upstream import startup
from sidecar.upstream.client import Client, connect_to
from sidecar.upstream.startup import StatusPage
from tests.upstream.asking import OK, UPGRADE, Told, asking, client_of, failure, fetch
from tests.upstream.receiving import RecordingAnswer
from tests.upstream.scripted import ScriptedServer, until

PAGE = StatusPage(b"/jira/status", b"jira.example.com")
UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nwait"


def json_of(body: bytes, status: int = 503) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
        status,
        len(body),
        body,
    )


class Application(ScriptedServer):
    """Answers everything with *answer*, its status page with *status*; None: it hangs up."""

    def __init__(self, status: bytes | None, answer: bytes = UNAVAILABLE) -> None:
        super().__init__(self._serve_all)
        self.status = status
        self.answer = answer
        self.asked = 0

    async def _serve_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await self.head(reader)
            if head.startswith(b"GET /jira/status "):
                self.asked += 1
                if self.status is None:
                    return
                writer.write(self.status)
            else:
                writer.write(self.answer)


STARTING = json_of(b'{"state":"STARTING"}')


async def known(client: Client) -> None:
    """The first 503 passes, and the application is asked."""
    answer = await fetch(client)
    assert (503, b"wait") == (answer.head.status, answer.content)
    await until(lambda: client._startup._task is None)


@pytest.mark.parametrize("status", [200, 503])
async def test_a_503_of_an_application_that_is_starting_does_not_pass(status: int) -> None:
    async with Application(json_of(b'{"state":"STARTING"}', status)) as server:
        client = client_of(server, status=PAGE)
        await known(client)
        assert b"Host: jira.example.com\r\n" in server.heads[1]
        answer = RecordingAnswer()
        assert "starting" == await failure(client, answer)
        assert ([], b"") == (answer.heads, answer.content)
        assert "starting" == await failure(client, request=UPGRADE)
        assert (1, 0, 0) == (server.asked, client.in_flight, client._tunnels)
        await client.close()


@pytest.mark.parametrize(
    "status",
    [
        json_of(b'{"state":"RUNNING"}', 200),
        json_of(b'{"state":"FIRST_RUN"}'),
        json_of(b'["STARTING"]'),
        json_of(b'{"state":'),
        json_of(b"[" * 4000),
        json_of(b" " * 5000 + b'{"state":"STARTING"}'),
        b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n",
        b"no HTTP",
        None,
    ],
)
async def test_whoever_does_not_say_so_is_not_starting(status: bytes | None) -> None:
    async with Application(status) as server:
        client = client_of(server, status=PAGE)
        await known(client)
        assert 503 == (await fetch(client)).head.status
        assert 1 == server.asked
        await client.close()


async def test_other_answers_pass_while_it_is_starting_and_the_status_page_itself() -> None:
    async with Application(STARTING) as server:
        client = client_of(server, status=PAGE)
        await known(client)
        assert STARTING.endswith((await fetch(client, asking(path="/jira/status"))).content)
        assert 503 == (await fetch(client, asking(path="/jira/status?x=1"))).head.status
        server.answer = OK
        assert b"ok" == (await fetch(client)).content
        # The quick way, which cannot hold an answer back, is closed meanwhile.
        assert client.begin(asking(), RecordingAnswer(), Told()) is None
        await client.close()


async def test_it_is_asked_again_after_a_while_and_only_if_somebody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Application(STARTING) as server:
        client = client_of(server, status=PAGE)
        await known(client)
        for _ in range(20):
            assert "starting" == await failure(client)
        assert 1 == server.asked
        client._startup._asked_at -= startup.EVERY
        server.status, server.answer = json_of(b'{"state":"RUNNING"}', 200), OK
        answers = await asyncio.gather(*(fetch(client) for _ in range(5)))
        assert ([b"ok"] * 5, 2) == ([answer.content for answer in answers], server.asked)
        assert client.begin(asking(), RecordingAnswer(), Told()) is not None
        await client.close()


async def test_a_503_by_the_quick_way_is_noticed() -> None:
    async with Application(STARTING, OK) as server:
        client = client_of(server, status=PAGE)
        await fetch(client)
        server.answer = UNAVAILABLE
        told = Told()
        assert client.begin(asking(), RecordingAnswer(), told) is not None
        await until(lambda: client._startup.starting)
        assert (1, 1) == (len(told.results), server.asked)
        await client.close()


async def test_an_application_that_is_well_is_never_asked() -> None:
    async with Application(STARTING, b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n") as server:
        client = client_of(server, status=PAGE)
        for _ in range(3):
            await fetch(client)
        assert 0 == server.asked
        await client.close()


async def test_without_a_status_page_a_503_is_a_503() -> None:
    async with Application(STARTING) as server:
        client = client_of(server)
        for _ in range(3):
            assert 503 == (await fetch(client)).head.status
        assert 0 == server.asked
        await client.close()


async def test_no_connection_is_unreachable_unless_it_says_that_it_is_starting() -> None:
    """The first connections are refused, as by a full backlog; the question gets through."""
    async with Application(STARTING) as server:
        refusing = True
        real = connect_to("127.0.0.1", server.port)

        async def connect(protocol: Callable[[], asyncio.BaseProtocol], /) -> object:
            nonlocal refusing
            if refusing:
                refusing = False
                raise ConnectionRefusedError
            return await real(protocol)

        client = Client(connect, status=PAGE)
        assert "starting" == await failure(client)
        assert 1 == server.asked
        await client.close()
    assert "connect" == await failure(Client(connect_to("127.0.0.1", server.port), status=PAGE))


async def test_a_status_page_that_does_not_come_is_waited_for_only_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "LONGEST", 0.05)
    async with Application(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{") as server:
        client = client_of(server, status=PAGE)
        await known(client)
        assert 503 == (await fetch(client)).head.status
        assert set() == client._busy
        await client.close()


async def test_a_request_that_goes_does_not_take_the_question_with_it() -> None:
    async with Application(STARTING) as server:
        client = client_of(server, status=PAGE)
        client._startup.starting = True
        gone = asyncio.create_task(fetch(client))
        await asyncio.sleep(0)
        assert client._startup._task is not None
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert "starting" == await failure(client)
        assert 1 == server.asked
        await client.close()
        assert client._startup._task is None


async def test_closing_ends_an_open_question() -> None:
    async with Application(b"") as server:
        client = client_of(server, status=PAGE)
        await fetch(client)
        await until(lambda: server.asked == 1)
        await client.close()
        assert (None, set()) == (client._startup._task, client._busy)
