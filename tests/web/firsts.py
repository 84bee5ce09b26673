"""The first request of a session, of every kind: it is answered as the person who sent it."""

from __future__ import annotations

from tests.web.rig import World
from tests.web.wire import Answer

KINDS = ("page", "xhr", "post", "upload", "socket", "head")
PATH, WHO = "/browse/KEY-1", "/rest/api/2/myself"


async def ask_first(world: World, kind: str, cookie: tuple[str, str]) -> None:
    """Send it as ada, and look at what comes back."""
    if kind == "page":
        assert 200 == (await world.page(PATH, cookie)).status
    elif kind == "xhr":
        answer = await world.ask("GET", WHO, cookie, ("X-Requested-With", "XMLHttpRequest"))
        assert 200 == answer.status and '"name":"ada"' in answer.text
    elif kind == "post":
        answer = await world.ask("POST", "/plugins/servlet/demo/echo", cookie, body=b"as it came")
        assert (200, "as it came") == (answer.status, answer.text)
    elif kind == "upload":
        body = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
            + b"y" * 300_000
            + b"\r\n--x--"
        )
        more = (("Content-Type", "multipart/form-data; boundary=x"), ("X-Atlassian-Token", "no-check"))
        answer = await world.ask("POST", "/rest/api/2/issue/KEY-1/attachments", cookie, *more, body=body)
        assert 200 == answer.status and '"ada"' in answer.text
    elif kind == "socket":
        assert 101 == (await socket(world, cookie)).status
    else:
        assert 200 == (await world.ask("HEAD", PATH, cookie)).status


async def socket(world: World, cookie: tuple[str, str], path: str = "/rest/live/1.0/socket") -> Answer:
    """Ask for a WebSocket; the head of the answer."""
    fields = (
        ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Origin", world.origin), cookie,
    )  # fmt: skip
    async with world.wire() as wire:
        wire.request("GET", path, *fields)
        return await wire.head()
