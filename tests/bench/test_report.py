"""The page: every case has its table, and whatever has no numbers has a reason."""

from __future__ import annotations

import re

from tests.bench.budgets import judge
from tests.bench.cases import CASES, MAIN, REDIRECT
from tests.bench.readers import Beside
from tests.bench.report import Facts, case_table, page
from tests.bench.rounds import Results, Row, Sample

NAMES = ("direct", "nginx", "Lychgate")
RESULTS = Results(
    {
        (MAIN.key, "direct"): Row([Sample(None, 90_000.0, 0.3, 1.0, 0)]),
        (MAIN.key, "nginx"): Row([Sample(20.0, 45_000.0, 0.7, 1.5, 4 * 2**20)]),
        (MAIN.key, "Lychgate"): Row([Sample(60.0, 15_000.0, 2.0, 3.0, 60 * 2**20, broken=7)]),
    },
    {(REDIRECT.key, "nginx"): "signs nobody in"},
)
FACTS = Facts(
    machine="a machine",
    date="2026-01-01",
    load="0.1",
    rounds=1,
    seconds=2,
    versions={"nginx": "1.22.1"},
    absent={"oauth2-proxy": "is not built"},
    rest={"Lychgate": 58 * 2**20},
    beside={"Lychgate": Beside(20 * 2**20, 5.0, 6.5)},
    shown={"nginx": "events { worker_connections 4096; }"},
)


def test_a_row_has_its_numbers_and_what_was_lost() -> None:
    text = case_table(MAIN, RESULTS, NAMES)

    assert "| direct | – | – | – | 90000 | 0.300 | 1.000 | – |" in text
    assert "| Lychgate | 60.0 | 60.0 to 60.0 | 3.00 | 15000 | 2.000 | 3.000 | 60.0 |" in text
    assert "Lychgate: 7 times a connection was closed" in text


def test_a_peer_without_numbers_has_a_reason() -> None:
    text = case_table(REDIRECT, RESULTS, NAMES)

    assert "nginx: signs nobody in." in text
    assert "| nginx" not in text


def test_the_page_is_whole() -> None:
    text = page(RESULTS, judge(RESULTS, 58 * 2**20), FACTS, NAMES)

    assert [case.title for case in CASES] == re.findall(r"^### (.*)$", text, re.MULTILINE)[: len(CASES)]
    assert "oauth2-proxy was not measured: is not built." in text
    assert "events { worker_connections 4096; }" in text
    assert "| memory at rest: below 80 MiB | 58.0 MiB | met |" in text
    assert not re.search(r"\{\w+\}", text)
