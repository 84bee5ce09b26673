"""A day of mixed traffic, and three books of it: what clients saw, what the boards show, what the audit trail tells."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from sidecar.cli import main
from tests.operations.boards import Query, queries, query
from tests.operations.driver import Book, Driver, scraped
from tests.operations.prometheus import Prometheus, prometheus
from tests.web.rig import Site, world
from tests.web.test_time_over_http import Hands

HOURS, HOUR = 24, 3600
DAY = HOURS * HOUR
RATE = "4h"
"""Grafana takes four times the interval between two looks."""

OWN = ("config.loaded", "change.intended", "secrets.renewed")
"""What the gate tells of itself, and not of any client."""


def site(clock: Hands, folder: Path) -> Site:
    groups = {
        "map": [
            {"from": "okta-jira-users", "to": "jira-software-users"},
            {"from": "okta-project-(.+)", "to": "jira-project-$1"},
        ]
    }
    return Site(
        clock=clock,
        proof="secret",
        trusted=["127.0.0.1/32"],
        accounts={"groups": groups},
        staff={"client_secret_ends": "2099-12-31"},
        audit={"stdout": "json", "file": {"path": f"{folder}/audit.jsonl", "policy": "required"}},
    )


async def board(prom: Prometheus, one: Query, label: str, at: int, period: int) -> Mapping[str, float]:
    """What a panel of totals shows, by one of its labels."""
    found: defaultdict[str, float] = defaultdict(float)
    for labels, value in await prom.ask(one.filled(f"{period}s", RATE), at):
        found[labels[label]] += value
    return {name: round(value, 6) for name, value in found.items() if value}


async def compare(prom: Prometheus, sent: Book, at: int, period: int) -> None:
    """The driver's book is the boards'."""
    shown = {
        "outcomes": await board(prom, query("service", "Requests, by what became of them"), "outcome", at, period),
        "reasons": await board(prom, query("security", "Refusals, by reason"), "reason", at, period),
        "sign_ins": await board(prom, query("service", "Sign-ins, by result"), "result", at, period),
        "events": await board(prom, query("security", "Audit events, by code"), "code", at, period),
    }
    assert dict(sent.outcomes) == shown["outcomes"]
    assert dict(sent.reasons) == shown["reasons"]
    assert dict(sent.sign_ins) == shown["sign_ins"]
    assert dict(+sent.events) == {code: count for code, count in shown["events"].items() if code not in OWN}


def told(folder: Path) -> Counter[str]:
    """What the trail tells, by code, with what was only counted."""
    found: Counter[str] = Counter()
    lines = [line for path in sorted(folder.glob("audit*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    for line in lines:
        record: dict[str, Any] = json.loads(line)
        if record["code"] == "audit.counted":
            found[record["facts"]["counted"]] += record["facts"]["count"]
        elif not record["code"].startswith("audit."):
            found[record["code"]] += 1
    return found


async def test_a_day_s_three_books_are_the_same_and_every_panel_answers(tmp_path: Path) -> None:
    begun = int(time.time()) - DAY
    clock = Hands(begun)
    async with world(tmp_path, site(clock, tmp_path)) as gate, prometheus(tmp_path, gate.gate.operations) as prom:
        driver = Driver(gate, clock)
        noon = Book()
        for hour in range(HOURS):
            clock.passed = (hour + 1) * HOUR
            await driver.hour(hour)
            await prom.take_in(await scraped(gate), clock.now())
            if hour == HOURS // 2 - 1:
                noon = driver.book.copy()
        end = int(clock.now())

        await compare(prom, driver.book, end, DAY)
        await compare(prom, driver.book.minus(noon), end, DAY // 2)
        shown = await board(prom, query("security", "Audit events, by code"), "code", end, DAY)
        await _every_panel_answers(prom, begun + HOUR, end)
        assert await prom.is_up("direct")
    assert dict(told(tmp_path)) == shown
    verified = CliRunner().invoke(main, ["audit", "verify", "-c", str(tmp_path / "lychgate.yaml")])
    assert 0 == verified.exit_code, verified.output


async def _every_panel_answers(prom: Prometheus, since: int, until: int) -> None:
    silent = []
    for one in queries():
        # Without what a board shows in place of nothing: that would answer always.
        expr = one.filled(f"{DAY}s", RATE).replace(" or vector(0)", "")
        if one.instant:
            values = [value for _, value in await prom.ask(expr, until)]
        else:
            values = await prom.ask_over(expr, since, until, HOUR)
        if not [value for value in values if math.isfinite(value)]:
            silent.append((one.board, one.panel, one.expr))
    assert [] == silent
