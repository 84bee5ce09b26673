"""How a request goes up: what of the visit, and what is the same for every request of an application."""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.core.headers import Head, Passage
from sidecar.domain.session import Jar
from sidecar.flows.streaming import Fields
from sidecar.web.visit import Serving


def passage_of(
    head: Head,
    serving: Serving,
    forwarded_for: str,
    request_id: str,
    *,
    identity: Fields = (),
    jar: Jar = (),
    guarded: frozenset[bytes] | None = None,
    cookies: bool = True,
    carried: Sequence[bytes] | None = None,
    credential: bool = False,
    upgrade: bool = False,
) -> Passage:
    """The passage of a request.

    Args:
        forwarded_for: The chain of addresses.
        identity: Fields that tell the application who is there, with their proof; empty without a person.
        jar: The application's session cookies that we keep for the person.
        guarded: Names of cookies a browser may not present; the application's own unless said otherwise.
        cookies: Whether the browser's other cookies pass.
        carried: Those of them that pass, if that was found before.
        credential: Whether `Authorization` passes.
        upgrade: Whether this is a WebSocket handshake.
    """
    noted = head.noted
    length = noted.get(b"content-length")
    return Passage(
        host=serving.host,
        jar=jar,
        guarded=serving.guarded if guarded is None else guarded,
        cookies=cookies,
        carried=carried,
        credential=credential,
        ours=(
            b"X-Forwarded-For: " + forwarded_for.encode(),
            *serving.forwarded,
            *[name + b": " + value for name, value in identity],
            b"X-Request-Id: " + request_id.encode(),
        ),
        length=int(length) if length is not None else None,
        chunked=b"transfer-encoding" in noted,
        upgrade=upgrade,
    )
