"""One browser's sign-in to one application, as it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sidecar.domain.identity import Identity, UnixSeconds

SCHEMA = 1
"""Number of the stored shape. A reader converts a smaller one and refuses a larger one (after a roll-back the person
signs in again)."""

KEPT = ""
"""In the place of a token: there is one, in the store alone. Memory holds thousands of sessions, and a token is needed
once in a while (design, section 8)."""

Jar = tuple[tuple[str, str], ...]
"""The application's session cookies that we keep for the person: (name, value), sorted."""


def seat_of(node: str, username: str) -> str:
    """Where a person sits at an application: the name of a jar. Two usernames never share one.

    The node comes first; "" is the only one of an application with one address.
    """
    return f"{node}\n{username}"


def node_of(seat: str) -> str:
    """The node of a seat."""
    return seat.partition("\n")[0]


MOST_NODES = 8
"""Nodes whose cookies a session keeps, beside the one of now; the oldest go first."""


def jars_after(jars: Mapping[str, Jar], seat: str, jar: Jar) -> Mapping[str, Jar]:
    """With *jar* at *seat*: whoever sat at the same node before under another username sits there no more."""
    others = {other: kept for other, kept in jars.items() if node_of(other) != node_of(seat)}
    while len(others) > MOST_NODES:
        del others[next(iter(others))]
    return {**others, seat: jar}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The way of a session's browser through the application's own sign-on (`flows.walking`). A step is a new object.

    Attributes:
        tries: When walks of this session began lately, the last of them this one.
        username: Who is to be landed.
        node: Where it started, or will start.
        back_to: The page that was asked for; where the way ends.
        over: It ended; what is left is when it began.
        started: The application has begun.
        again: It was started once more already, because the application forgot the first time, or the node was lost.
        jar: The application's cookies of this way.
        question: Where the application led, whole, if it did so with a redirect.
        code, state: What is on its way to the callback, or "".
    """

    tries: tuple[UnixSeconds, ...]
    username: str
    node: str
    back_to: str
    over: bool = False
    started: bool = False
    again: bool = False
    jar: Jar = ()
    question: str | None = None
    code: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Made by `flows.login`, read once per request, ended by `flows.logout`. A changed session is a new object.

    Attributes:
        key: SHA-256 (hex) of the opaque cookie key; the key itself is stored nowhere (D2).
        application: Name of the application; a session is good for this one only.
        portal: The home portal, at which it was made. The account order comes from it (design, section 5, R3).
        identity: Who it is.
        created_at: The first second of its life.
        ends_at: The first second at which it is dead whatever happens (absolute end).
        checked_at: When the claims were last confirmed by the provider.
        refresh_token: For confirming claims later, or None. In memory `KEPT`.
        id_token: Only where RP-initiated logout needs the hint, or None. In memory `KEPT`.
        form_token: Bound to this session; a sign-out form must carry it.
        jars: The application's cookies by seat (`seat_of`).
        source: Client address at the sign-in, as far as it is believed; "" in records from before.
        walk: The way that its browser takes to be landed, or the last one that it took.
        version: Counts the writes; a write names the version it read (compare and set).
        stored: Whether it stands in the store; a caller's, which is a session by its shape only, does not.
    """

    key: str
    application: str
    portal: str
    identity: Identity
    created_at: UnixSeconds
    ends_at: UnixSeconds
    checked_at: UnixSeconds
    form_token: str
    refresh_token: str | None = None
    id_token: str | None = None
    jars: Mapping[str, Jar] = field(default_factory=dict)
    source: str = ""
    walk: Walk | None = None
    version: int = 1
    stored: bool = True

    def is_live(self, now: UnixSeconds, last_seen: UnixSeconds, idle: int) -> bool:
        """Whether it still counts at *now*. *idle* is the longest pause in seconds."""
        return now < self.ends_at and now < last_seen + idle

    def light(self) -> Session:
        """As it is held in memory: without its tokens, which are several times as large as the rest."""
        return replace(
            self,
            refresh_token=None if self.refresh_token is None else KEPT,
            id_token=None if self.id_token is None else KEPT,
        )
