"""The nodes of one application, as those see them who send requests. `upstream.nodes` is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sidecar.flows.streaming import Upstream

ONLY = ""
"""Name of the only node of an application with one address."""


@dataclass(frozen=True, slots=True)
class Node:
    """One of them. Sessions of the application are kept under its *name* (`domain.session.seat_of`)."""

    name: str
    upstream: Upstream


class Nodes(Protocol):
    """Says which node serves whom."""

    @property
    def only(self) -> Node | None:
        """The node of an application with one address, so that nobody need ask which."""
        ...

    def of(self, key: str) -> Node:
        """The node of a session, by its key: the same for as long as that node serves."""
        ...

    def of_client(self, authorization: str) -> Node:
        """The node of a program, by its credential, which is not kept."""
        ...

    def any(self) -> Node:
        """A node for a request that belongs to nobody: each in turn."""
        ...

    async def is_lost(self, node: str) -> bool:
        """Whether the node of that name, to which no connection could be had, serves no more, and others do: it is
        asked."""
        ...
