"""Signing out: the browser's way, the owner's way, and the word to the clients.

A browser comes by `end_session` (OpenID Connect RP-Initiated Logout 1.0). The demo and the tests
end a person's sessions with `end_sessions_of`. Either way, each client that took part and has a
back-channel address gets a logout token.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from sidecar.demo.provider import pages
from sidecar.demo.provider.answers import redirect
from sidecar.demo.provider.authorize import (
    forget_page,
    open_interaction,
    remember_browser,
    take_interaction,
)
from sidecar.demo.provider.instance import Instance
from sidecar.demo.provider.memory import LogoutRequest, SignIn
from sidecar.demo.provider.minting import logout_token
from sidecar.demo.provider.model import Client
from sidecar.demo.provider.parameters import Parameters, form, query

_TIMEOUT = aiohttp.ClientTimeout(total=2.5)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A logout token sent to a client; `status` is `None` when no answer came."""

    client_id: str
    status: int | None


async def end_session(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """Sign a browser out, at once for a valid hint about the same person, else after a question."""
    parameters = await form(request) if request.method == "POST" else query(request)
    hint = instance.keys.read(parameters.get("id_token_hint", ""))
    if hint is not None and hint.get("iss") != instance.issuer:
        hint = None
    client = _client(instance, parameters, hint)
    return_to = parameters.get("post_logout_redirect_uri")
    if return_to is not None and (client is None or return_to not in client.post_logout_redirect_uris):
        explained = "The application asked to return to an address it did not register."
        return pages.message("This sign-out cannot go on", explained, status=400)
    if return_to is not None and "state" in parameters:
        return_to = redirect(return_to, {"state": parameters["state"]}).headers["Location"]
    sign_in = instance.signed_in(request)
    if hint is not None and (sign_in is None or sign_in.sub == hint.get("sub")):
        return await _signed_out(instance, sign_in, return_to)
    interaction, browser = open_interaction(instance, request, LogoutRequest(return_to))
    return remember_browser(pages.sign_out(interaction, return_to), interaction, browser)


async def confirm(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """A button of the sign-out page was pressed."""
    parameters = await form(request)
    return forget_page(await _confirmed(instance, request, parameters), parameters)


async def _confirmed(instance: Instance, request: web.BaseRequest, parameters: Parameters) -> web.Response:
    asked = take_interaction(instance, request, parameters)
    if not isinstance(asked, LogoutRequest):
        return pages.used_up()
    if "stay" in parameters:
        return pages.message("You are still signed in", "Nothing was changed.")
    return await _signed_out(instance, instance.signed_in(request), asked.return_to)


async def end_sessions_of(instance: Instance, sub: str, *, name_session: bool) -> list[Delivery]:
    """End all sign-ins of a person and tell the clients; tokens from them die too."""
    ended = [one for _, one in instance.memory.sign_ins.items() if one.sub == sub]
    told: list[Delivery] = []
    for sign_in in ended:
        told += await _end(instance, sign_in, name_session=name_session)
    return told


def _client(instance: Instance, parameters: Parameters, hint: dict[str, object] | None) -> Client | None:
    """The client that asks, by the hint and by `client_id`, which must not disagree."""
    named = parameters.get("client_id")
    hinted = None if hint is None else hint.get("aud")
    if named is not None and hinted is not None and named != hinted:
        return None
    client_id = hinted if isinstance(hinted, str) else named
    return None if client_id is None else instance.provider.clients.get(client_id)


async def _signed_out(instance: Instance, sign_in: SignIn | None, return_to: str | None) -> web.Response:
    if sign_in is not None:
        await _end(instance, sign_in, name_session=True)
    response = (
        pages.message("You are signed out", "You can close this page.")
        if return_to is None
        else redirect(return_to, {})
    )
    response.del_cookie(instance.sign_in_cookie, path="/", httponly=True, samesite="Lax")
    return response


async def _end(instance: Instance, sign_in: SignIn, *, name_session: bool) -> list[Delivery]:
    instance.memory.end(sign_in)
    sid = sign_in.sid if name_session else None
    found = (instance.provider.clients.get(client_id) for client_id in sorted(sign_in.clients))
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
        sending = [
            _send(http, client, client.backchannel_logout_uri, token)
            for client in found
            if client is not None and client.backchannel_logout_uri is not None
            for token in [logout_token(instance, client.client_id, sign_in.sub, sid)]
        ]
        return list(await asyncio.gather(*sending))


async def _send(http: aiohttp.ClientSession, client: Client, uri: str, token: str) -> Delivery:
    """POST the token as a form (OpenID Connect Back-Channel Logout 1.0, section 2.5)."""
    try:
        async with http.post(uri, data={"logout_token": token}, allow_redirects=False) as answer:
            return Delivery(client.client_id, answer.status)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return Delivery(client.client_id, None)
