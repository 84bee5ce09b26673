"""`python -m tests.bench.uvloop_gate serve -c FILE`: the command of the gate, on uvloop's event loop."""

from __future__ import annotations

import asyncio
import importlib

from sidecar.cli import main

if __name__ == "__main__":
    # Imported by name: the checkers' environment has no uvloop.
    asyncio.set_event_loop_policy(importlib.import_module("uvloop").EventLoopPolicy())
    main()
