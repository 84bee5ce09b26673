"""building.status: a part that hangs or fails takes nothing from the others."""

from __future__ import annotations

import asyncio

import pytest

from sidecar.building import status
from sidecar.building.status import SILENT, Status, at_once
from sidecar.commands.status_text import status_lines
from sidecar.flows.commanding import Asked
from sidecar.flows.sessions import StateError


async def test_a_part_that_does_not_answer_is_said_not_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "PATIENCE", 0.05)

    async def hangs() -> object:
        await asyncio.Event().wait()
        return {}

    async def fails() -> object:
        raise StateError("down")

    told = await Status({"one": at_once(lambda: {"fine": 1}), "two": hangs, "three": fails}).told(Asked(0, "", {}))

    assert {"one": {"fine": 1}, "two": SILENT, "three": SILENT} == told
    assert ["one fine: 1", "!! two: no answer", "!! three: no answer"] == list(status_lines(told))
