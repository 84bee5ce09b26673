"""A list that is read page by page from an application that tells no total.

Each page begins with the last entry of the one before. So a list that changed meanwhile is noticed and read again, and
nobody is missing on it: they would look like somebody without an account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

Bean = dict[str, Any]

_MOST_PAGES = 2000


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        beans: By name, in their order.
        width: How far the next page is away: more than there are beans where the application left some out.
        more: Whether there may be another page.
    """

    beans: tuple[tuple[str, Bean], ...]
    width: int
    more: bool


ReadPage = Callable[[int], Awaitable[Page | None]]
"""Reads the page that begins at a place; None if there is no such list."""


async def whole(read: ReadPage, what: str) -> tuple[Bean, ...] | None:
    """All entries, read again once if they changed meanwhile; None if there is no such list.

    Raises:
        AccountError: *what* does not end, or is never the same twice; or as *read* does.
    """
    for _ in range(2):
        found, fits = await _once(read, what)
        if fits:
            return found
    raise cut(f"{what} changes while it is read; run the command again")


async def _once(read: ReadPage, what: str) -> tuple[tuple[Bean, ...] | None, bool]:
    """What was read, and whether the pages fit together."""
    found: list[Bean] = []
    last: str | None = None
    start = 0
    for _ in range(_MOST_PAGES):
        page = await read(start)
        if page is None:
            return None, start == 0
        beans = page.beans
        if last is not None:
            if not beans or beans[0][0] != last:
                return tuple(found), False
            beans = beans[1:]
        found += (bean for _, bean in beans)
        if not page.more:
            return tuple(found), True
        # Where entries were left out, nobody knows which is the last before the next page.
        last = page.beans[-1][0] if page.width == len(page.beans) else None
        step = page.width - (last is not None)
        if step < 1:
            break
        start += step
    raise cut(f"{what} does not end")


def cut(detail: str) -> AccountError:
    """A list that is none, or not all of one."""
    return AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)
