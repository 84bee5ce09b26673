"""What sort of client asks: a person's navigation, a frame, a link preview, a script (R4).

A navigation may be sent to the provider; everything else gets 401, because a redirect breaks every script, gadget,
application link and mobile app (D6).
"""

from __future__ import annotations

from functools import lru_cache

from sidecar.domain.decision import Kind

_FRAMES = frozenset({"iframe", "frame", "embed", "object", "fencedframe"})
_OFFICE = (
    "ms-office",
    "microsoft office",
    "msoffice",
    "ms frontpage",
    "microsoft-webdav",
    "microsoft data access internet publishing provider",
)
_OFFICE_PROGRAMS = tuple(
    f"{before}{name}{mark}"
    for name in ("word", "excel", "powerpoint")
    for before, mark in (("", "/"), ("microsoft ", "/"), ("microsoft ", " "))
)
"""How the programs name themselves at the beginning; further behind, the name may be that of a browser inside one."""


def kind_of(
    *,
    mode: str,
    dest: str,
    accept: str,
    requested_with: str,
    agent: str,
    purpose: str,
    websocket: bool,
) -> Kind:
    """Judge by Fetch Metadata where the client sends it, else by what it accepts.

    Args:
        mode, dest: `Sec-Fetch-Mode` and `Sec-Fetch-Dest` (Fetch Metadata, section 2), "" if absent.
        accept: `Accept`.
        requested_with: `X-Requested-With`.
        agent: `User-Agent`.
        purpose: `Sec-Purpose` or `Purpose`: a page fetched ahead begins no sign-in.
        websocket: Whether an upgrade to `websocket` is asked for.
    """
    if websocket:
        return Kind.UPGRADE
    asked = (mode, dest, accept, requested_with, agent, purpose)
    # A browser says the same with every request; what is longer than any browser's is not worth remembering.
    return _remembered(*asked) if sum(map(len, asked)) <= _LONGEST_REMEMBERED else _judge(*asked)


def _judge(mode: str, dest: str, accept: str, requested_with: str, agent: str, purpose: str) -> Kind:
    low = agent.lower()
    if low.startswith(_OFFICE_PROGRAMS) or any(word in low for word in _OFFICE):
        return Kind.PREVIEW
    if "prefetch" in purpose.lower() or requested_with.lower() == "xmlhttprequest":
        return Kind.API
    if mode:
        if mode != "navigate":
            return Kind.API
        return Kind.FRAME if dest in _FRAMES else Kind.NAVIGATION
    return Kind.NAVIGATION if "text/html" in accept.lower() else Kind.API


_LONGEST_REMEMBERED = 1024
_remembered = lru_cache(maxsize=1024)(_judge)
