"""docs/kubernetes.md, 7: what the chart sets follows from what docs/benchmarks.md measured."""

from __future__ import annotations

import re

import yaml

from tests.helm.rendering import CHART, ROOT

PEOPLE, REQUESTS, EVERY = 5_000, 10, 30.0
SESSION = 4 * 1024
APPLICATIONS = 2
MIB = 1 << 20


def measured(heading: str, column: int) -> float:
    """A number of Lychgate's own row in the table below a heading."""
    page = (ROOT / "docs/benchmarks.md").read_text("utf-8")
    table = page.partition(f"### {heading}")[2].partition("\n###")[0]
    (row,) = re.findall(r"^\| Lychgate \|(.*)\|$", table, re.MULTILINE)
    return float(row.split("|")[column])


def test_a_morning_of_five_thousand_people_fits_into_what_one_replica_asks_for() -> None:
    resources = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["resources"]
    assert {"cpu": "250m", "memory": "256Mi"} == resources["requests"] and {"memory"} == set(resources["limits"])
    rate = PEOPLE * REQUESTS / EVERY
    assert 1_600 < rate < 1_700, "the page says about 1,700"
    cores = rate * measured("4 KiB page, 32 connections", 0) / 1e6
    assert cores < 0.25
    peak = max(measured(f"4 KiB page, {count} connections", 5) for count in (32, 512))
    assert peak + PEOPLE * APPLICATIONS * SESSION / MIB < 256
    assert peak + 20_000 * SESSION / MIB < 512
