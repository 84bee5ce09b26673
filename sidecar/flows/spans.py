"""The port of tracing, and what is traced of flows: each part in a wrapper that exists only when a site wants spans.

The parts themselves know nothing of it, so that it costs nothing where it is off. A span's attributes are words of the
configuration, enumerations and numbers: never a person, a path, a query or a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from enum import Enum, auto
from typing import Protocol

from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.flows.login import AuthorizationRequest, CodeGrant, Provider, Tokens
from sidecar.flows.nodes import Node, Nodes
from sidecar.flows.streaming import Answer, Outcome, Outgoing, Over, Upstream
from sidecar.flows.telling import Trace

Attribute = str | int | bool
CONTEXT = (b"traceparent:", b"tracestate:", b"baggage:")
"""Fields of the trace context (W3C), of which the application gets ours alone."""


class Kind(Enum):
    """What a span stands for."""

    SERVER = auto()
    INTERNAL = auto()
    CLIENT = auto()


class Spans(Protocol):
    """Where spans go."""

    def span(self, name: str, kind: Kind = Kind.INTERNAL, **attributes: Attribute) -> AbstractContextManager[None]:
        """A span inside the one that is open here; an error that leaves it is noted by its class alone."""
        ...

    def request(self, fields: Mapping[str, str]) -> AbstractContextManager[None]:
        """The outermost span, in the trace that *fields* name (`traceparent`, `tracestate`), or in a new one."""
        ...

    def note(self, **attributes: Attribute) -> None:
        """Add to the open span."""
        ...

    def fields(self) -> Mapping[str, str]:
        """The trace context of the open span, to be passed on."""
        ...


class Ready(Protocol):
    """Makes accounts ready; `flows.provisioning.Accounts` in production."""

    async def ensure(self, order: AccountOrder, identity: Identity, request: Trace) -> str:
        """See `Accounts.ensure`."""
        ...

    def at_hand(self, order: AccountOrder, identity: Identity, session: str) -> str | None:
        """See `Accounts.at_hand`."""
        ...


class TracedAccounts:
    """A span for each account that is not ready at once."""

    def __init__(self, accounts: Ready, spans: Spans) -> None:
        self._accounts = accounts
        self._spans = spans

    async def ensure(self, order: AccountOrder, identity: Identity, request: Trace) -> str:
        """See `Accounts.ensure`."""
        ready = self._accounts.at_hand(order, identity, request.session)
        if ready is not None:
            return ready
        with self._spans.span("accounts", application=order.application, portal=order.portal):
            return await self._accounts.ensure(order, identity, request)

    def at_hand(self, order: AccountOrder, identity: Identity, session: str) -> str | None:
        """See `Accounts.at_hand`."""
        return self._accounts.at_hand(order, identity, session)


class TracedUpstream:
    """A span for each exchange with the application, which gets its trace context."""

    def __init__(self, upstream: Upstream, application: str, spans: Spans) -> None:
        self._upstream = upstream
        self._application = application
        self._spans = spans

    def begin(self, request: Outgoing, answer: Answer, over: Over) -> Callable[[], None] | None:
        """Nothing is sent without a span: every request goes the whole way."""
        return None

    async def exchange(self, request: Outgoing, answer: Answer) -> Outcome:
        """See `Upstream.exchange`."""
        with self._spans.span("upstream", Kind.CLIENT, application=self._application):
            request.head = with_context(request.head, self._spans.fields())
            outcome = await self._upstream.exchange(request, answer)
            self._spans.note(state=outcome.state, received=outcome.received)
            return outcome

    async def close(self) -> None:
        """See `Upstream.close`."""
        await self._upstream.close()


class TracedNodes:
    """The nodes of an application, with a span for each exchange with one."""

    def __init__(self, nodes: Nodes, application: str, spans: Spans) -> None:
        self._nodes = nodes
        self._application = application
        self._spans = spans
        self.only = self._traced(nodes.only) if nodes.only is not None else None

    def of(self, key: str) -> Node:
        """See `Nodes.of`."""
        return self._traced(self._nodes.of(key))

    def of_client(self, authorization: str) -> Node:
        """See `Nodes.of_client`."""
        return self._traced(self._nodes.of_client(authorization))

    def any(self) -> Node:
        """See `Nodes.any`."""
        return self._traced(self._nodes.any())

    async def is_lost(self, node: str) -> bool:
        """See `Nodes.is_lost`."""
        return await self._nodes.is_lost(node)

    def _traced(self, node: Node) -> Node:
        return Node(node.name, TracedUpstream(node.upstream, self._application, self._spans))


class TracedProvider:
    """A span for each word with the provider."""

    def __init__(self, provider: Provider, name: str, spans: Spans) -> None:
        self._provider = provider
        self._name = name
        self._spans = spans

    async def authorization_url(self, request: AuthorizationRequest) -> str:
        """See `Provider.authorization_url`."""
        with self._call("authorization_url"):
            return await self._provider.authorization_url(request)

    async def check_response_issuer(self, issuer: str | None) -> None:
        """See `Provider.check_response_issuer`."""
        await self._provider.check_response_issuer(issuer)

    async def redeem(self, grant: CodeGrant) -> Tokens:
        """See `Provider.redeem`."""
        with self._call("redeem"):
            return await self._provider.redeem(grant)

    async def refresh(self, refresh_token: str, person: Person, now: UnixSeconds) -> Tokens:
        """See `Provider.refresh`."""
        with self._call("refresh"):
            return await self._provider.refresh(refresh_token, person, now)

    async def end_session_url(self, id_token: str | None, back_to: str, state: str) -> str | None:
        """See `Provider.end_session_url`."""
        with self._call("end_session_url"):
            return await self._provider.end_session_url(id_token, back_to, state)

    def _call(self, operation: str) -> AbstractContextManager[None]:
        return self._spans.span("provider", Kind.CLIENT, provider=self._name, operation=operation)


def with_context(head: bytes, fields: Mapping[str, str]) -> bytes:
    """A request's head with our trace context instead of whatever the client had written."""
    lines = [line for line in head.split(b"\r\n")[:-2] if not line.lower().startswith(CONTEXT)]
    lines += [f"{name}: {value}".encode() for name, value in fields.items()]
    return b"\r\n".join([*lines, b"", b""])
