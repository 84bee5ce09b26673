"""Starting the demo provider: loopback only, exact paths, a quiet log.

`serve_provider` is all that the demo and the tests call. There is no way to let it listen
anywhere else: whoever reaches it can be anybody.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from sidecar.demo.provider import documents, logout, pages
from sidecar.demo.provider.authorize import authorize, choose
from sidecar.demo.provider.instance import Handler, Instance
from sidecar.demo.provider.keys import SigningKeys
from sidecar.demo.provider.logout import Delivery
from sidecar.demo.provider.model import Provider
from sidecar.demo.provider.parameters import UnreadableParametersError
from sidecar.demo.provider.redeeming import token

LOOPBACK = ("127.0.0.1", "::1")

_log = logging.getLogger("lychgate.demo.provider")

# aiohttp logs what it could not read, a token perhaps. Nobody listens to this logger.
_nobody = logging.getLogger("lychgate.demo.provider.unreadable")
_nobody.disabled = True

# path: (name in the counts, {method: handler})
_ROUTES: dict[str, tuple[str, dict[str, Handler]]] = {
    "/.well-known/openid-configuration": ("discovery", {"GET": documents.discovery}),
    "/jwks": ("jwks", {"GET": documents.jwks}),
    "/authorize": ("authorize", {"GET": authorize, "POST": authorize}),
    "/choose": ("choose", {"POST": choose}),
    "/token": ("token", {"POST": token}),
    "/userinfo": ("userinfo", {"GET": documents.userinfo, "POST": documents.userinfo}),
    "/end_session": ("end_session", {"GET": logout.end_session, "POST": logout.end_session}),
    "/end_session/confirm": ("confirm", {"POST": logout.confirm}),
    "/style.css": ("style", {"GET": pages.style}),
}


class RunningProvider:
    """A provider that listens. `provider` may be changed while it runs."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.provider: Provider = instance.provider
        self.issuer: str = instance.issuer
        self.counts: Counter[str] = instance.counts

    def rotate_key(self, *, keep_old: bool = True) -> str:
        """Sign with a new key from now on and give its id; the old one may stay published."""
        return self._instance.keys.rotate(keep_old=keep_old)

    def sign(self, claims: Mapping[str, object], typ: str) -> str:
        """Any token at all with the provider's good signature; `fault` spoils it as it does others."""
        return self._instance.keys.sign(claims, typ, self.provider.fault)

    async def end_session_of(self, sub: str, *, name_session: bool = True) -> list[Delivery]:
        """End all sessions of a person, revoke their tokens, send logout tokens.

        Without `name_session` the logout tokens have a `sub` and no `sid`.
        """
        return await logout.end_sessions_of(self._instance, sub, name_session=name_session)


@asynccontextmanager
async def serve_provider(
    provider: Provider, port: int = 0, *, host: str = "127.0.0.1"
) -> AsyncIterator[RunningProvider]:
    """Serve until the block ends. Raises `ValueError` for a host that is no loopback address."""
    if host not in LOOPBACK:
        raise ValueError(f"the demo provider listens on {' or '.join(LOOPBACK)} only, not {host!r}")
    keys = await asyncio.to_thread(SigningKeys)
    with _bound(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        instance = Instance(provider, f"http://{shown}:{listener.getsockname()[1]}", keys)

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await _dispatch(instance, request)

        server = web.Server(handle, logger=_nobody, access_log=None, handler_cancellation=True)
        runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield RunningProvider(instance)
        finally:
            await runner.cleanup()


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has its port before anything listens: the issuer needs the number."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def _dispatch(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """Find the endpoint by its exact path and turn what goes wrong into a plain page."""
    name, methods = _ROUTES.get(request.rel_url.raw_path, ("unknown", {}))
    instance.counts[name] += 1
    try:
        response = await _answer(instance, request, methods)
    except UnreadableParametersError as error:
        response = pages.message("This request cannot be read", f"Because {error}.", status=400)
    except Exception as error:  # noqa: BLE001 - a fault must not be logged with its request
        _log.error("%s failed with %s", name, type(error).__name__)
        response = pages.message("Something broke", "Please start again.", status=500)
    _log.info("%s %s %d", request.method, name, response.status)
    return response


async def _answer(instance: Instance, request: web.BaseRequest, methods: dict[str, Handler]) -> web.StreamResponse:
    # A page of another site that points its own name at this address gets nothing.
    if f"http://{request.headers.get('Host', '')}" != instance.issuer:
        return pages.message("Wrong address", f"This provider is {instance.issuer}.", status=421)
    if not methods:
        return pages.message("Nothing here", "No such page.", status=404)
    handler = methods.get(request.method)
    if handler is None:
        response = pages.message("Not like that", "This address takes another method.", status=405)
        response.headers["Allow"] = ", ".join(methods)
        return response
    return await handler(instance, request)
