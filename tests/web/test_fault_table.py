"""The table of faults in docs/operations.md, tried out: every row, and no fault that has none."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest

from tests.upstream.faulty import faulty
from tests.upstream.scripted import until
from tests.web.conftest import Worlds
from tests.web.rig import World, free_port
from tests.web.wire import Wire

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
FAULTS = {
    "it hangs up before the head": "hung_up",
    "it resets before the head": "reset_before",
    "it hangs up in the head": "hung_up_in_head",
    "it resets in the head": "reset_in_head",
    "garbage instead of HTTP": "garbage",
    "a length and a coding": "two_framings",
    "a switch that nobody asked for": "switched",
    "silence before the head": "stalled",
    "it resets after the head": "reset_after_head",
    "a body shorter than its length": "truncated",
    "a broken chunk": "bad_chunk",
    "silence in the body": "stalled_in_body",
    "a slow answer": "fine_slowly",
    "it answers before the upload ends": "early",
    "a second answer that nobody asked for": "second_answer",
    "the client is gone before the head": "stalled",
    "the client is gone in the body": "stalled_in_body",
    "the client half-closes behind its request": "stalled",
}
REFUSED = "the connection is refused"


def _rows() -> dict[str, list[str]]:
    text = PAGE.read_text(encoding="utf-8").partition("### Faults one by one")[2].partition("\n## ")[0]
    table = text[text.index("\n| ") + 1 :].partition("\n\n")[0]
    lines = table.splitlines()[2:]
    cells = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in cells}


ROWS = _rows()


def test_every_fault_has_its_row() -> None:
    assert {*FAULTS, REFUSED} == set(ROWS)


@pytest.mark.parametrize("fault", ROWS)
async def test_it_is_as_the_page_says(worlds: Worlds, caplog: pytest.LogCaptureFixture, fault: str) -> None:
    gets, reason, outcome, log = ROWS[fault]
    name = FAULTS.get(fault, "fine")
    async with faulty() as server:
        port = free_port() if fault == REFUSED else server.port
        quick = {"first_byte": 1, "idle_body": 1} if log == "warning" else {}
        way = {"url": f"http://127.0.0.1:{port}", **quick}
        rules = [{"paths": [f"/{name}/*"], "answer": "public"}]
        world = await worlds(upstream=way["url"], jira={"upstream": way}, agents={"rules": rules})
        caplog.clear()
        async with world.wire() as wire:
            assert gets == await _told(wire, fault, f"/{name}/5")
        await until(lambda: _counted(world, outcome))
        assert ([] if reason == "none" else [reason]) == [told["reason"] for told in world.told("request.failed")]
        assert ([] if reason == "none" else [reason]) == _reasons(world)
    warnings = [r for r in caplog.records if r.levelno >= logging.WARNING]
    assert ([reason] if log == "warning" else []) == [r.getMessage().partition(":")[0] for r in warnings]
    assert [] == [r for r in caplog.records if r.exc_info]


async def _told(wire: Wire, fault: str, target: str) -> str:
    if fault == "it answers before the upload ends":
        wire.request("PUT", target, ("Content-Length", "1000000"), body=b"x" * 1000)
        return str((await wire.answer("PUT")).status)
    wire.request("GET", target)
    if fault == "the client is gone before the head":
        await asyncio.sleep(0.1)
        return "–"
    if fault == "the client half-closes behind its request":
        wire.writer.write_eof()
        assert b"" == await wire.rest()
        return "–"
    try:
        head = await wire.head()
        if fault == "the client is gone in the body":
            return "–"
        await wire.body(head)
    except (ConnectionResetError, asyncio.IncompleteReadError):
        return "reset"
    return str(head.status)


def _counted(world: World, outcome: str) -> bool:
    text = world.gate.metrics.render()[1].decode()
    return f'outcome="{outcome}"' in text


def _reasons(world: World) -> list[str]:
    text = world.gate.metrics.render()[1].decode()
    return re.findall(r'^lychgate_refusals_total\{reason="(\w+)"\} 1.0$', text, re.MULTILINE)
