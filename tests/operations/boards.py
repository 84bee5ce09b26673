"""The boards as they are shipped, and what Grafana puts in the place of their variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "helm" / "lychgate" / "dashboards"
BOARDS: Mapping[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    board: str
    panel: str
    expr: str
    instant: bool

    def filled(self, period: str, rate: str) -> str:
        """With every variable in its place: all gates, the period that is looked at, the window of rates."""
        text = self.expr.replace("$instance", ".*")
        return text.replace("$__rate_interval", rate).replace("$__range", period)


def panels(board: str) -> Iterator[dict[str, Any]]:
    """Without the headings between them."""
    return (panel for panel in BOARDS[board]["panels"] if panel["type"] != "row")


def queries() -> list[Query]:
    """All of all boards."""
    return [
        Query(board, panel["title"], target["expr"], bool(target.get("instant")))
        for board in BOARDS
        for panel in panels(board)
        for target in panel["targets"]
    ]


def query(board: str, panel: str, number: int = 0) -> Query:
    """That of a panel, by its title."""
    return [one for one in queries() if (one.board, one.panel) == (board, panel)][number]
