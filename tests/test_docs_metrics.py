"""The reference of metrics in docs/operations.md is what a running gate says: names, types, labels."""

from __future__ import annotations

from sidecar.app import Running
from sidecar.domain.events import Code, Event
from sidecar.domain.record import RequestRecord
from tests.test_docs import OPERATIONS, _code, _rows, _section, gate

__all__ = ["gate"]


async def test_every_metric_and_label_is_in_operations(gate: Running) -> None:
    metrics = gate.metrics
    metrics.began()
    record = RequestRecord(request="r", started=0.0, application="jira", portal="all", status=403, first_byte=0.1)
    record.stripped = record.cookies = True
    metrics.request(record, 0.2)
    metrics.hook("jira", "accounts", "done", 0.1)
    metrics.connected("jira", "ok", 0.1)
    metrics.step("jira", "create", "done")
    metrics.event(Event(code=Code.USER_CREATED))
    metrics.event(Event(code=Code.LOGIN_SUCCEEDED, facts={"silent": False, "seconds": 3}))
    metrics.event(Event(code=Code.SESSION_REFRESHED))
    metrics.event(Event(code=Code.SESSION_ENDED, facts={"cause": "user"}))
    metrics.event(Event(code=Code.REMOVALS_FROZEN))
    metrics.provider_call("here", "token", "ok", 0.1)
    metrics.lag(0.0)
    families = {family.name + "_total" * (family.type == "counter"): family for family in metrics.collect()}
    rows = {_code(cells[0])[0]: cells for cells in _rows(_section(OPERATIONS, "## Metrics")) if "lychgate_" in cells[0]}

    assert set(families) == set(rows)
    for name, family in families.items():
        assert family.type == rows[name][1]
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(_code(rows[name][2])), name
