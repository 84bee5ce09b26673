"""adapters.metrics: what Prometheus reads is what happened, under labels that no client can choose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sidecar.adapters.metrics import BOUNDS, Metrics
from sidecar.domain.events import Code, Event
from sidecar.domain.reason import Reason
from sidecar.domain.record import RequestRecord

REQUESTS = "lychgate_requests_total"


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
    return RequestRecord(request="r", started=0.0, method="GET", **{**values, **changes})  # type: ignore[arg-type]


def test_requests_are_counted_by_what_became_of_them() -> None:
    metrics = Metrics("1.0")
    for outcome, status in (("forwarded", 200), ("forwarded", 204), ("denied", 403)):
        metrics.began()
        metrics.request(record(outcome=outcome, status=status, reason=Reason.NOT_IN_GROUP), 0.02)
    metrics.began()
    found = samples(metrics)
    where = (("application", "jira"),)

    def count(outcome: str, code: str) -> float:
        of = (("code", code), ("method", "read"), ("outcome", outcome), ("portal", "agents"), ("rule", ""))
        labels = tuple(sorted((*where, *of)))
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
    assert 0.5 == found["lychgate_upstream_seconds_sum", (("portal", "agents"),)]
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


def test_whatever_a_client_calls_its_method_there_are_two_kinds() -> None:
    metrics = Metrics("1.0")
    for method in ("GET", "HEAD", "OPTIONS", "POST", "DELETE", "X-" * 40):
        metrics.request(replace(record(), method=method), 0.01)
    kinds = {dict(labels)["method"]: count for (name, labels), count in samples(metrics).items() if name == REQUESTS}

    assert {"read": 3, "write": 3} == kinds


def test_what_guards_held_back_and_who_signed_out_is_counted() -> None:
    metrics = Metrics("1.0")
    held = {
        Code.REMOVALS_FROZEN: Reason.REMOVALS_CAPPED,
        Code.REMOVAL_SKIPPED: Reason.REMOVALS_CAPPED,
        Code.JOIN_SKIPPED: Reason.NO_SEAT_LEFT,
        Code.GROUPS_INCOMPLETE: Reason.GROUPS_UNKNOWN,
        Code.ACCOUNT_REFUSED: Reason.PIN_CONFLICT,
        Code.ACCOUNT_FAILED: Reason.CONNECTOR_UNREACHABLE,
    }
    for code, reason in held.items():
        metrics.event(Event(code=code, reason=reason, application="jira"))
    metrics.event(Event(code=Code.SESSION_ENDED, application="jira", provider="staff", facts={"cause": "user"}))
    metrics.event(Event(code=Code.SESSION_ENDED, application="jira", provider="staff", facts={"cause": "idle"}))
    metrics.event(Event(code=Code.SESSIONS_REVOKED, provider="staff", facts={"door": "back_channel"}))
    found = samples(metrics)
    guards = {dict(labels)["guard"] for name, labels in found if name == "lychgate_guards_tripped_total"}
    outs = {dict(labels)["way"]: n for (name, labels), n in found.items() if name == "lychgate_sign_outs_total"}

    # What did not work is no guard.
    assert {"removals_frozen", "removals_capped", "no_seat_left", "groups_unknown", "pin_conflict"} == guards
    assert {"user": 1, "back_channel": 1} == outs


def test_what_others_count_is_a_counter_and_may_not_fall() -> None:
    metrics = Metrics("1.0")
    metrics.counter("lychgate_audit_lost", "Lost.", "sink", lambda: {"file": 7})

    assert 7 == samples(metrics)["lychgate_audit_lost_total", (("sink", "file"),)]


def test_the_rule_that_decided_and_removed_headers_are_counted() -> None:
    metrics = Metrics("1.0")
    metrics.request(record(rule="admins", stripped=True, cookies=True), 0.01)
    metrics.request(record(), 0.01)
    found = samples(metrics)

    assert {"admins", ""} == {dict(labels)["rule"] for name, labels in found if name == "lychgate_requests_total"}
    assert 1 == found["lychgate_stripped_requests_total", (("portal", "agents"),)]
    assert 1 == found["lychgate_stripped_cookies_total", (("portal", "agents"),)]


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
    metrics.state_work("ledger", "failed", 0.002)
    metrics.hook("jira", "directory", "hook_failed", 2.0)
    metrics.connected("jira", "failed", 1.0)
    metrics.danced("jira", "ok", 0.5)
    metrics.lag(0.3)
    found = samples(metrics)

    call = (("endpoint", "token"), ("provider", "staff"), ("result", "provider_unreachable"))
    assert 1 == found["lychgate_provider_requests_total", call]
    assert 10 == found["lychgate_provider_seconds_sum", call[:2]]
    assert 1 == found["lychgate_state_seconds_bucket", (("le", "0.0025"), ("result", "failed"), ("store", "ledger"))]
    hook = (("application", "jira"), ("hook", "directory"), ("result", "hook_failed"))
    assert 2 == found["lychgate_hook_seconds_sum", hook]
    assert 1 == found["lychgate_upstream_connect_seconds_sum", (("application", "jira"), ("result", "failed"))]
    assert 0.5 == found["lychgate_landing_seconds_sum", (("application", "jira"), ("result", "ok"))]
    assert (0, 1) == tuple(found["lychgate_event_loop_lag_seconds_bucket", (("le", le),)] for le in ("0.25", "0.5"))
    assert 1 == found["lychgate_build_info", (("python", "3"), ("version", "1.0"))]
