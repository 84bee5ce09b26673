"""What the tests of the quick way share: a watch on who takes it, and somebody for whom all is at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from sidecar.web.inbound import Connection
from sidecar.web.lane import Lane
from tests.web.rig import HTML, World

PAGE = "/browse/KEY-1"
Field = tuple[str, str]
BROWSER: tuple[Field, ...] = (
    HTML, ("Accept-Encoding", "gzip"), ("Accept-Language", "de"), ("User-Agent", "Mozilla/5.0"), ("X-Odd", "a \t b"),
    ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"), ("Sec-Fetch-Site", "same-origin"),
)  # fmt: skip


@dataclass
class Seen:
    """How often the quick way was asked, and how often it was taken."""

    asked: int = 0
    taken: int = 0
    heads: list[bytes] = field(default_factory=list)


def watched(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Watch the quick way."""
    counts, real = Seen(), Lane.__call__

    def call(self: Lane, connection: Connection, data: bytes) -> Callable[[], None] | None:
        counts.asked += 1
        taken = real(self, connection, data)
        counts.taken += taken is not None
        if taken is not None:
            counts.heads.append(data)
        return taken

    monkeypatch.setattr(Lane, "__call__", call)
    return counts


async def signed_in(world: World, path: str = PAGE) -> Field:
    """Signed in, all of it remembered: the session, the account, the path, a connection to the application."""
    cookie = await world.sign_in("ada", path)
    assert 200 == (await world.ask("GET", path, cookie, *BROWSER)).status
    world.forget()
    return cookie
