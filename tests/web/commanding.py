"""What an administrator types beside a running gate, and where its socket lies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from sidecar.cli import main
from tests.web.rig import World


def place(world: World) -> Path:
    """Where the gate listens, as nobody said otherwise: below the folder of its state."""
    return world.folder / "state" / "control" / "gate.sock"


async def command(world: World, *words: str, socket: Path | None = None) -> Result:
    """Run one; of the world's own gate, or of that at *socket*."""
    gate = ["-c", str(world.folder / "lychgate.yaml")] if socket is None else ["--socket", str(socket)]
    return await asyncio.to_thread(CliRunner().invoke, main, [*words, *gate])


async def done(world: World, *words: str, socket: Path | None = None) -> str:
    """What a command says that must go well."""
    ran = await command(world, *words, socket=socket)
    assert 0 == ran.exit_code, ran.output
    return ran.stdout


async def told(world: World, *words: str, socket: Path | None = None) -> dict[str, Any]:
    """The JSON of a command that must go well."""
    found = json.loads(await done(world, *words, "--format", "json", socket=socket))
    assert isinstance(found, dict)
    return found
