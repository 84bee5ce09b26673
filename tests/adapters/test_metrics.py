"""adapters.metrics: what Prometheus reads is what happened, under labels that no client can choose."""

from __future__ import annotations

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sidecar.adapters.metrics import BOUNDS, Metrics
from sidecar.domain.events import Code, Event
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples by name and labels."""
    _, body = metrics.render()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def record(**changes: object) -> RequestRecord:
    values: dict[str, object] = {"application": "jira", "portal": "agents", "outcome": "forwarded", "status": 200}
    return RequestRecord(request="r", started=0.0, **{**values, **changes})  # type: ignore[arg-type]


def test_requests_are_counted_by_what_became_of_them() -> None:
    metrics = Metrics("1.0")
    for outcome, status in (("forwarded", 200), ("forwarded", 204), ("denied", 403)):
        metrics.began()
        metrics.request(record(outcome=outcome, status=status, reason=Reason.NOT_IN_GROUP), 0.02)
    metrics.began()
    found = samples(metrics)
    where = (("application", "jira"),)

    def count(outcome: str, code: str) -> float:
        labels = tuple(sorted((*where, ("code", code), ("outcome", outcome), ("portal", "agents"), ("rule", ""))))
        return found["lychgate_requests_total", labels]

    assert (2, 1) == (count("forwarded", "2xx"), count("denied", "4xx"))
    assert 1 == found["lychgate_requests_in_flight", ()]
    assert 1 == found["lychgate_refusals_total", (("reason", "not_in_group"),)]
    assert 3 == found["lychgate_request_seconds_count", (("portal", "agents"),)]
    assert 0 == found["lychgate_request_seconds_bucket", (("le", "0.01"), ("portal", "agents"))]
    assert 3 == found["lychgate_request_seconds_bucket", (("le", "0.025"), ("portal", "agents"))]


def test_an_observation_on_a_bound_belongs_below_it() -> None:
    metrics = Metrics("1.0")
    metrics.request(record(), BOUNDS[3])
    found = samples(metrics)

    assert 1 == found["lychgate_request_seconds_bucket", (("le", str(BOUNDS[3])), ("portal", "agents"))]


def test_overhead_is_what_is_not_the_applications() -> None:
    metrics = Metrics("1.0")
    metrics.request(record(first_byte=0.4, waited=0.5), 0.75)
    found = samples(metrics)

    assert 0.25 == found["lychgate_overhead_seconds_sum", (("portal", "agents"),)]
    assert 0.4 == found["lychgate_upstream_first_byte_seconds_sum", (("portal", "agents"),)]


def test_events_steps_and_gauges() -> None:
    metrics = Metrics("1.0")
    metrics.event(Event(code=Code.USER_CREATED, application="jira"))
    metrics.step("jira", "create", "done")
    metrics.gauge("lychgate_sessions", "Live sessions.", "application", lambda: {"jira": 3})
    found = samples(metrics)

    assert 1 == found["lychgate_events_total", (("application", "jira"), ("code", "user.created"), ("reason", "ok"))]
    assert 1 == found["lychgate_account_steps_total", (("application", "jira"), ("result", "done"), ("step", "create"))]
    assert 3 == found["lychgate_sessions", (("application", "jira"),)]
    assert 1 == found["lychgate_build_info", (("version", "1.0"),)]


def test_the_rule_that_decided_and_removed_headers_are_counted() -> None:
    metrics = Metrics("1.0")
    metrics.request(record(rule="admins", stripped=True), 0.01)
    metrics.request(record(), 0.01)
    found = samples(metrics)

    assert {"admins", ""} == {dict(labels)["rule"] for name, labels in found if name == "lychgate_requests_total"}
    assert 1 == found["lychgate_stripped_requests_total", (("portal", "agents"),)]


def test_events_say_how_sign_ins_refreshes_and_sessions_end() -> None:
    metrics = Metrics("1.0")
    where: Any = {"application": "jira", "portal": "agents", "provider": "staff"}
    metrics.event(Event(code=Code.LOGIN_STARTED, facts={"silent": False}, **where))
    metrics.event(Event(code=Code.LOGIN_SUCCEEDED, facts={"silent": False, "seconds": 7}, **where))
    metrics.event(Event(code=Code.LOGIN_SUCCEEDED, facts={"silent": True, "seconds": 1}, **where))
    metrics.event(Event(code=Code.LOGIN_FAILED, reason=Reason.TOKEN_INVALID, facts={"silent": False}, **where))
    metrics.event(Event(code=Code.SESSION_REFRESHED, reason=Reason.CODE_REFUSED, **where))
    metrics.event(Event(code=Code.SESSION_ENDED, facts={"cause": "recheck"}, **where))
    found = samples(metrics)

    def sign_ins(result: str, silent: str) -> float:
        at = (("portal", "agents"), ("provider", "staff"), ("result", result), ("silent", silent))
        return found["lychgate_sign_ins_total", at]

    asked = (("started", "false"), ("ok", "false"), ("ok", "true"), ("token_invalid", "false"))
    assert [1, 1, 1, 1] == [sign_ins(*one) for one in asked]
    # A silent one says nothing of how long people take.
    assert 7 == found["lychgate_sign_in_seconds_sum", (("provider", "staff"),)]
    refreshed = (("portal", "agents"), ("provider", "staff"), ("result", "code_refused"))
    assert 1 == found["lychgate_refreshes_total", refreshed]
    assert 1 == found["lychgate_sessions_ended_total", (("application", "jira"), ("cause", "recheck"))]


def test_calls_state_and_lag_have_their_times() -> None:
    metrics = Metrics("1.0", {"python": "3"})
    metrics.provider_call("staff", "token", "provider_unreachable", 10.0)
    metrics.state_work("failed", 0.002)
    metrics.lag(0.3)
    found = samples(metrics)

    call = (("endpoint", "token"), ("provider", "staff"), ("result", "provider_unreachable"))
    assert 1 == found["lychgate_provider_requests_total", call]
    assert 10 == found["lychgate_provider_seconds_sum", call[:2]]
    assert 1 == found["lychgate_state_seconds_bucket", (("le", "0.0025"), ("result", "failed"))]
    assert (0, 1) == tuple(found["lychgate_event_loop_lag_seconds_bucket", (("le", le),)] for le in ("0.25", "0.5"))
    assert 1 == found["lychgate_build_info", (("python", "3"), ("version", "1.0"))]
