"""What answers at the control socket: one command a request, `POST /v1/<command>` with a JSON object, and JSON back.

Served by a `web.server.Listener` on a Unix socket, never on a port (D9). The kernel says who is at the other end; root
and the gate's own user are heard, nobody else, whatever the mode of the file became.
"""

from __future__ import annotations

import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from sidecar.flows.accounts import AccountError
from sidecar.flows.commanding import CommandError, UnknownCommandError
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import AuditError
from sidecar.web.allowance import Allowance

LOG = logging.getLogger(__name__)
PREFIX = "/v1/"
LARGEST = 64 * 1024
"""Bytes of a request's body."""

ALLOWANCE = Allowance(connections=16, head_time=5.0, body_time=5.0, answer_time=10.0, keep_alive=5.0)
"""A client that is slow, or says nothing, is let go; those who wait for a place are few."""

Run = Callable[[str, Mapping[str, object], int], Awaitable[Mapping[str, object]]]
_CREDENTIALS = struct.Struct("iII")
"""`struct ucred`: process, user, group (unix(7), SO_PEERCRED)."""


class Control:
    """The one handler of that listener."""

    def __init__(self, run: Run, users: frozenset[int]) -> None:
        """*run* does a command; *users* are heard."""
        self._run = run
        self._users = users

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request. Never raises."""
        user = _user_of(request)
        if user not in self._users:
            LOG.warning("the user %s was refused at the control socket", user)
            return _refused(403, "commands are for root and for the user of the gate only")
        if request.method != "POST" or not request.raw_path.startswith(PREFIX):
            return _refused(404, "there is POST /v1/<command> only")
        try:
            given = await _given(request)
        except ValueError as error:
            return _refused(400, str(error))
        if given is None:
            return _refused(413, f"a command has at most {LARGEST} bytes")
        return await self._answer(request.raw_path.removeprefix(PREFIX).replace("/", " "), given, user or 0)

    async def _answer(self, name: str, given: Mapping[str, object], user: int) -> web.Response:
        try:
            return _told(200, await self._run(name, given, user))
        except UnknownCommandError as error:
            return _refused(404, str(error))
        except CommandError as error:
            return _refused(409, str(error))
        except StateError as error:
            return _refused(503, f"the state did not take it: {error}")
        except AuditError as error:
            return _refused(503, f"the audit trail does not take it, so nothing was done: {error}")
        except AccountError as error:
            return _refused(503, f"{error.reason.value}: {error.detail}")
        except Exception:
            LOG.exception("the command %s failed", name)
            return _refused(500, "a fault of Lychgate; its log has more")


async def _given(request: web.BaseRequest) -> Mapping[str, object] | None:
    """The JSON object of the body; None if it is too large.

    Raises:
        ValueError: there is none.
    """
    body = bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > LARGEST:
            return None
    try:
        found = json.loads(bytes(body) or b"{}")
    except (ValueError, RecursionError):
        raise ValueError("the body is no JSON") from None
    if not isinstance(found, dict):
        raise ValueError("the body is no JSON object")
    return found


def _user_of(request: web.BaseRequest) -> int | None:
    """The user at the other end; None where there is no kernel's word."""
    connection = request.transport.get_extra_info("socket") if request.transport is not None else None
    kind = getattr(socket, "SO_PEERCRED", None)
    if connection is None or kind is None or connection.family != socket.AF_UNIX:
        return None
    return int(_CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, kind, _CREDENTIALS.size))[1])


def _refused(status: int, error: str) -> web.Response:
    response = _told(status, {"error": error})
    # What of the body was not read is nobody's next request.
    response.force_close()
    return response


def _told(status: int, body: Mapping[str, object]) -> web.Response:
    headers = {"Server": "lychgate", "Cache-Control": "no-store"}
    text = json.dumps(body, ensure_ascii=False) + "\n"
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
