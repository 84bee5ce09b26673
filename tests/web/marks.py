"""Marked secrets, and where they are found again: as they are, and as encoders of every kind would write them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from tests.web.rig import World
from tests.web.wire import Answer

TOKENS = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}|[?&]code=[\w%-]{16,}")
"""Whatever looks like a signed token or a code that is redeemed, whosever it is."""


def spellings(mark: str) -> set[str]:
    """How a mark may stand in a text. In Basic credentials of the client `lychgate` it stands as in base64 alone."""
    plain = {mark, quote(mark, safe=""), quote_plus(mark), json.dumps(mark)[1:-1], repr(mark)[1:-1]}
    return plain | {base64.b64encode(one.encode()).decode("ascii").rstrip("=")[:-1] for one in plain}


def leaks(outputs: Mapping[str, str], marks: Mapping[str, str]) -> list[tuple[str, str]]:
    """Which outputs have which mark; whoever asks with too short a mark would find it by chance."""
    assert [] == [name for name, mark in marks.items() if len(mark) < 12]
    ways = {name: spellings(mark) for name, mark in marks.items()}
    return [
        *((where, name) for where, text in outputs.items() for name in ways if any(way in text for way in ways[name])),
        *((where, "a token or code") for where, text in outputs.items() if TOKENS.search(text)),
    ]


class Seen:
    """Everything that a browser or a terminal got."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def answer(self, answer: Answer) -> None:
        """Its head and its body."""
        head = "\n".join(f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in answer.fields)
        self.texts += [head, answer.body.decode("utf-8", "replace")]

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def at_rest(world: World) -> dict[str, str]:
    """The secrets in the files of a world."""
    names = ("client-secret", "cookie-key", "jira-token", "shared", "landing-secret", "database")
    return {name: (world.folder / name).read_text(encoding="ascii") for name in names}


def in_use(world: World) -> dict[str, str]:
    """Sessions of the stand-in, and what the gate showed it."""
    marks = {f"application's session {number}": key for number, key in enumerate(world.jira.state.sessions)}
    for number, call in enumerate(world.jira.calls):
        for name in ("X-Lychgate-Assertion", "Authorization", "Cookie"):
            if value := call.header(name):
                marks[f"{name} {number}"] = value
    return marks
