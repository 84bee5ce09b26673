"""Tracing: one trace from a proxy in front to the application, seen by a collector on loopback; nothing of a person."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from sidecar.flows.spans import with_context
from tests.web.conftest import Worlds
from tests.web.rig import HTML, World

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CONTEXT = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "vendor=1"), ("baggage", "who=ada"))
ALLOWED = frozenset(
    {"application", "portal", "decision", "found", "provider", "operation", "state", "received", "error.type"}
    | {"http.request.method", "http.response.status_code", "lychgate.request", "lychgate.application"}
    | {"lychgate.portal", "lychgate.rule", "lychgate.outcome", "lychgate.reason"}
)


@dataclass
class Collector:
    """Takes OTLP over HTTP, as a collector does."""

    port: int = 0
    spans: list[Span] = field(default_factory=list)

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        told = ExportTraceServiceRequest()
        told.ParseFromString(await request.read())
        assert "/v1/traces" == request.path
        self.spans += [span for one in told.resource_spans for scope in one.scope_spans for span in scope.spans]
        return web.Response()


@asynccontextmanager
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    runner = web.ServerRunner(web.Server(found.take))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()


def _words(span: Span) -> dict[str, object]:
    return {one.key: one.value.string_value or one.value.int_value or one.value.bool_value for one in span.attributes}


def _sent_up(world: World) -> list[str]:
    return [call.header("traceparent") or "" for call in world.arrived]


async def test_a_request_is_one_trace_from_the_proxy_in_front_to_the_application(worlds: Worlds) -> None:
    async with collector() as taken:
        tracing = {"endpoint": f"http://127.0.0.1:{taken.port}/v1/traces"}
        world = await worlds(trusted=["127.0.0.1/32"], more={"tracing": tracing})
        cookie = await world.sign_in("nina")
        world.forget()
        answer = await world.ask("GET", "/browse/KEY-1?jql=secret-query", HTML, cookie, *CONTEXT)
        refused = await world.ask("GET", "/forbidden/x", HTML, cookie)
        (upward,) = _sent_up(world)
        baggage = [call.header("baggage") for call in world.arrived]
        await world.gates.aclose()

    assert (200, 403, [None]) == (answer.status, refused.status, baggage)
    mine = {span.name: span for span in taken.spans if TRACE == span.trace_id.hex()}
    assert {"request", "decision", "session", "upstream"} == set(mine)
    assert PARENT == mine["request"].parent_span_id.hex()
    assert mine["request"].span_id == mine["decision"].parent_span_id == mine["upstream"].parent_span_id
    assert mine["decision"].span_id == mine["session"].parent_span_id
    assert f"00-{TRACE}-{mine['upstream'].span_id.hex()}-01" == upward
    assert {"request", "decision", "session", "upstream", "accounts", "provider"} == {s.name for s in taken.spans}
    told = [_words(span) for span in taken.spans]
    assert {"rule_denied", "ok"} <= {words.get("lychgate.reason") for words in told}
    assert set().union(*told) <= ALLOWED
    everything = b"".join(span.SerializeToString() for span in taken.spans)
    marks = [b"nina", b"secret-query", b"KEY-1", cookie[1].partition("=")[2][:20].encode(), world.token.encode()]
    assert [] == [mark for mark in marks if mark in everything]


async def test_a_client_cannot_begin_a_trace_and_nobody_waits_for_a_collector_that_is_away(worlds: Worlds) -> None:
    async with collector() as taken:
        port = taken.port
    world = await worlds(more={"tracing": {"endpoint": f"http://127.0.0.1:{port}/v1/traces"}})
    cookie = await world.sign_in("ada")
    world.forget()
    answer = await world.ask("GET", "/browse/KEY-1", cookie, *CONTEXT)

    assert 200 == answer.status
    (upward,) = _sent_up(world)
    assert upward and TRACE not in upward


async def test_without_it_no_part_is_wrapped(worlds: Worlds) -> None:
    """No cost is a matter of what is there, not of time: the very objects are those that know nothing of spans."""
    world = await worlds()
    gateway = world.gate.gateway
    serving = gateway._forwarding._applications["jira"]

    found = [gateway, serving.nodes, serving.accounts, gateway._teller._meter, *gateway._recheck._providers.values()]
    assert [] == [part for part in found if type(part).__name__.startswith("Traced")]
    assert 5 <= len(found)
    cookie = await world.sign_in("ada")
    world.forget()
    await world.ask("GET", "/browse/KEY-1", cookie, *CONTEXT)
    assert [CONTEXT[0][1]] == _sent_up(world)


async def test_what_is_not_installed_is_said(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sidecar.building.tracing", raising=False)
    monkeypatch.delitem(sys.modules, "sidecar.adapters.tracing", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(OSError, match=r"lychgate\[tracing\]"):
        await worlds(more={"tracing": {"endpoint": "http://127.0.0.1:4318/v1/traces"}})


def test_the_application_gets_our_context_alone() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nTraceParent: theirs\r\nBAGGAGE: b\r\ntracestate: s\r\nA: b\r\n\r\n"

    assert b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\ntraceparent: ours\r\n\r\n" == with_context(
        head, {"traceparent": "ours"}
    )
