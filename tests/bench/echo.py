"""`python -m tests.bench.echo PORT`: a WebSocket server that sends back what it gets, in a process of its own."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import WSMsgType, web


async def _echo(request: web.BaseRequest) -> web.WebSocketResponse:
    websocket = web.WebSocketResponse(compress=False)
    await websocket.prepare(request)
    async for message in websocket:
        if message.type is WSMsgType.BINARY:
            await websocket.send_bytes(message.data)
    return websocket


async def _serve(port: int) -> None:
    runner = web.ServerRunner(web.Server(_echo))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
