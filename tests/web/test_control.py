"""The control socket of a running gate: who is heard there, what is bounded, and that nothing else leads to it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sidecar.cli import main
from tests.web.commanding import command, place
from tests.web.conftest import Worlds
from tests.web.rig import World


@asynccontextmanager
async def spoken(world: World) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(str(place(world)))
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def said(world: World, request: bytes) -> tuple[int, dict[str, Any]]:
    """Status and JSON that the raw *request* gets."""
    async with spoken(world) as (reader, writer):
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(head.split()[1]), json.loads(await reader.readexactly(length))


def post(path: str, body: bytes = b"{}") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def test_status_tells_how_the_gate_is(worlds: Worlds) -> None:
    world = await worlds()
    await world.sign_in("ada")

    text, plain = await command(world, "status"), await command(world, "status", "--format", "json")

    assert (0, 0) == (text.exit_code, plain.exit_code), text.output
    found = json.loads(plain.stdout)
    assert world.gate.policy.hash[:16] == found["configuration"]["hash"]
    assert (1, "RUNNING") == (found["applications"]["jira"]["sessions"], found["applications"]["jira"]["state"])
    assert (False, True, {"jira": True}) == tuple(found["state"][key] for key in ("shared", "answers", "ledgers"))
    assert {"staff", "customers"} == set(found["providers"])
    assert 1 == found["providers"]["staff"]["keys"]
    assert f"configuration {world.gate.policy.hash[:16]} since" in text.stdout
    assert "application jira: RUNNING, 1 sessions" in text.stdout
    assert "!!" not in text.stdout.replace("!! provider customers", "")
    (told, _) = world.told("command.given")
    assert ("success", "status", os.geteuid()) == (told["outcome"], told["facts"]["command"], told["facts"]["uid"])


async def test_a_refused_configuration_is_told_though_its_file_is_at_fault(worlds: Worlds) -> None:
    world = await worlds()
    path = world.folder / "lychgate.yaml"
    whole = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**whole, "portals": {}}), "utf-8")

    assert not await world.gate.reloading.reload(path, "signal")
    shown = await command(world, "status")

    assert 0 == shown.exit_code, shown.output
    assert "!! a newer one was refused at" in shown.stdout
    assert "names nothing" in shown.stdout
    path.write_text(json.dumps(whole), "utf-8")
    assert await world.gate.reloading.reload(path, "signal")
    assert "refused" not in (await command(world, "status")).stdout


async def test_a_gate_that_ended_leaves_nothing_and_is_said_not_to_run(worlds: Worlds) -> None:
    world = await worlds()
    await world.gates.aclose()

    gone = await command(world, "status")

    assert (1, True) == (gone.exit_code, "no gate listens at" in gone.output), gone.output
    assert not place(world).exists()


@pytest.mark.parametrize(
    ("request_", "status", "says"),
    [
        (b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n", 404, "POST /v1/<command> only"),
        (post("/status"), 404, "POST /v1/<command> only"),
        (post("/v1/nothing"), 404, "has no command 'nothing'; there are "),
        (post("/v1/status", b"no"), 400, "no JSON"),
        (post("/v1/status", b"[]"), 400, "no JSON object"),
        (post("/v1/status", b"[" * 20_000), 400, "no JSON"),
        (post("/v1/status", b'{"more": 1}'), 409, "status takes no more"),
        (post("/v1/status", b'{"reason": 1}'), 409, "reason must be text"),
        (post("/v1/status", b'{"reason": "a\\u0007b"}'), 409, "reason must be text"),
        (post("/v1/status", b'{"reason": "%s"}' % (b"x" * 501)), 409, "reason must be text"),
        (post("/v1/status", b" " * (64 * 1024 + 1)), 413, "at most 65536 bytes"),
    ],
)
async def test_what_is_no_command_is_refused(request_: bytes, status: int, says: str, worlds: Worlds) -> None:
    world = await worlds()

    code, answer = await said(world, request_)

    assert (status, True) == (code, says in answer["error"]), answer


async def test_a_client_that_says_nothing_or_not_enough_is_let_go(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sidecar.web.server.SWEEP", 0.02)
    monkeypatch.setattr("sidecar.building.controlling.ALLOWANCE", _impatient())
    world = await worlds()

    for sent in (b"", b"POST /v1/sta", post("/v1/status", b" " * 100)[:-50]):
        async with spoken(world) as (reader, writer):
            writer.write(sent)
            answer = await asyncio.wait_for(reader.read(), 10)
            assert not answer.startswith(b"HTTP/1.1 200"), sent
    assert 0 == (await command(world, "status")).exit_code


def _impatient() -> object:
    from sidecar.web.allowance import Allowance

    return Allowance(connections=16, head_time=0.1, body_time=0.1, answer_time=1.0, keep_alive=1.0)


async def test_only_so_many_connect_at_once(worlds: Worlds) -> None:
    world = await worlds()
    async with AsyncExitStack() as held:
        for _ in range(16):
            await held.enter_async_context(spoken(world))
        reader, _ = await held.enter_async_context(spoken(world))
        answer = await asyncio.wait_for(reader.read(), 10)

    assert answer.startswith(b"HTTP/1.1 503"), answer


STRANGER = """
import os, socket, sys
os.setgid(65534); os.setgroups([]); os.setuid(65534)
try:
    opened = socket.socket(socket.AF_UNIX); opened.connect(sys.argv[1])
    opened.sendall(b"POST /v1/status HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    print(opened.recv(65536).decode())
except PermissionError:
    print("no permission")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
@pytest.mark.parametrize("opened", [False, True], ids=["as it is", "its mode was widened"])
async def test_another_user_is_not_heard(opened: bool, worlds: Worlds) -> None:
    """By the mode of the file; and though somebody widened it, by the kernel's word of who is there."""
    world = await worlds()
    path = place(world)
    if opened:
        path.chmod(0o666)
        for folder in (path.parent, path.parent.parent, world.folder, *list(world.folder.parents)[:3]):
            folder.chmod(0o755)

    ran = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", STRANGER, str(path)], capture_output=True, text=True, check=False
    )

    assert ("HTTP/1.1 403" if opened else "no permission") in ran.stdout, ran
    assert [] == world.told("command.given")


async def test_it_is_on_no_port(worlds: Worlds) -> None:
    world = await worlds()

    for port in (world.port, world.gate.operations):
        with socket.create_connection(("127.0.0.1", port)) as opened:
            opened.sendall(post("/v1/status").replace(b"Host: x", b"Host: localhost"))
            assert b" 200 " not in await asyncio.to_thread(opened.recv, 65_536)
    assert [] == world.told("command.given")


async def test_off_means_none(worlds: Worlds) -> None:
    world = await worlds(listen={"control": "off"})

    shown = await command(world, "status")

    assert (False, 1, True) == (place(world).exists(), shown.exit_code, "write listen.control" in shown.output)


async def test_it_lies_where_the_setting_says(worlds: Worlds, tmp_path: Path) -> None:
    path = tmp_path / "run" / "gate.sock"
    world = await worlds(listen={"control": str(path)})

    assert (True, False) == (path.exists(), place(world).exists())
    assert 0 == (await command(world, "status")).exit_code
    by_socket = await asyncio.to_thread(CliRunner().invoke, main, ["status", "--socket", str(path)])
    assert 0 == by_socket.exit_code
