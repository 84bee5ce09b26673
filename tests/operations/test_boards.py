"""The boards of Grafana: whole, explained, of our own metrics; the chart brings them. Their answers: `test_day`."""

from __future__ import annotations

import json
import re

import pytest

from tests.helm.rendering import objects
from tests.operations.boards import BOARDS, queries
from tests.operations.test_alerts import ALERTS, METRICS


@pytest.mark.parametrize("board", BOARDS)
def test_every_panel_has_a_place_a_title_and_says_what_it_shows(board: str) -> None:
    shown = BOARDS[board]["panels"]
    assert len({panel["id"] for panel in shown}) == len(shown)
    taken: set[tuple[int, int]] = set()
    for panel in shown:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert set() == cells & taken, panel["title"]
        assert 24 >= at["x"] + at["w"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["title"] and panel["description"].endswith(".") and panel["targets"], panel["title"]


@pytest.mark.parametrize("board", BOARDS)
def test_whoever_looks_chooses_the_prometheus_and_the_gates(board: str) -> None:
    variables = {one["name"] for one in BOARDS[board]["templating"]["list"]}
    assert {"datasource", "instance"} == variables
    text = json.dumps(BOARDS[board])
    assert {*variables, "__all", "__range", "__rate_interval"} == set(re.findall(r"\$\{?(\w+)", text))
    assert {"${datasource}"} == set(re.findall(r'"uid": "(\$[^"]+)"', text))


def test_every_metric_of_the_boards_is_one_of_ours_and_every_one_of_ours_is_on_a_board_or_in_an_alert() -> None:
    named = {name for one in queries() for name in re.findall(r"\blychgate_\w+", one.expr)}
    known = set(re.findall(r"^\| `(lychgate_\w+)`", METRICS, re.MULTILINE))
    alarming = set(re.findall(r"\blychgate_\w+", str(ALERTS)))
    bare, alarming = ({re.sub(r"_(bucket|count|sum)$", "", name) for name in some} for some in (named, alarming))
    assert set() == bare - known
    assert set() == known - bare - alarming


def test_the_chart_brings_them_where_grafana_looks() -> None:
    label = {"dashboards": {"enabled": True, "labels": {"boards": "yes"}, "annotations": {"folder": "Gates"}}}
    found = objects(label)
    for board, content in BOARDS.items():
        item = found["ConfigMap", f"gate-lychgate-board-{board}"]
        assert content == json.loads(item["data"][f"lychgate-{board}.json"])
        assert {"boards": "yes", "grafana_dashboard": "1"}.items() <= item["metadata"]["labels"].items()
        assert {"folder": "Gates"} == item["metadata"]["annotations"]
    assert not any("board" in name for _, name in objects({}))
