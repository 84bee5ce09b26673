"""The authorization endpoint: the page of buttons, and what happens when one is pressed.

The page carries nothing of the request but the id of an interaction that is kept here, once,
for the browser that got the page.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from hashlib import sha256
from typing import NamedTuple

from aiohttp import web

from sidecar.demo.provider import faults, pages
from sidecar.demo.provider.answers import redirect
from sidecar.demo.provider.asking import (
    RefusedHereError,
    RefusedToClientError,
    read_client,
    read_request,
    wants_form,
)
from sidecar.demo.provider.instance import Instance
from sidecar.demo.provider.memory import (
    AuthorizationRequest,
    Grant,
    Interaction,
    LogoutRequest,
    SignIn,
    Ticket,
)
from sidecar.demo.provider.parameters import Parameters, form, query

PAGE_SECONDS = 600
TWICE_SECONDS = 10
"""How long the same button of the same page may be pressed again: a double click ends on no page that was used up."""


class Back(NamedTuple):
    """Where an answer goes, and how."""

    uri: str
    state: str | None
    form_post: bool


async def authorize(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """Answer an authorization request by GET or POST (OpenID Connect Core 1.0, 3.1.2)."""
    parameters = await form(request) if request.method == "POST" else query(request)
    try:
        client, redirect_uri = read_client(parameters, instance.provider.clients)
    except RefusedHereError as error:
        return pages.message("This sign-in cannot go on", str(error), status=400)
    try:
        asked = read_request(parameters, client, redirect_uri)
        sign_in = _usable_sign_in(instance, request, asked)
        if sign_in is not None:
            return _with_code(instance, asked, sign_in)
        if "none" in asked.prompt:
            raise RefusedToClientError("login_required", "nobody is signed in")
    except RefusedToClientError as error:
        back = Back(redirect_uri, parameters.get("state"), wants_form(parameters))
        return _refusal(instance, back, error)
    return _page(instance, request, asked)


async def choose(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """A button of the sign-in page was pressed."""
    parameters = await form(request)
    kept = _taken(instance, request, parameters)
    if kept is None or not isinstance(kept.request, AuthorizationRequest):
        return forget_page(pages.used_up(), parameters)
    response = _chosen(instance, request, parameters, kept, kept.request)
    return remember_browser(response, parameters.get("interaction", ""), kept.browser, TWICE_SECONDS)


def _chosen(
    instance: Instance,
    request: web.BaseRequest,
    parameters: Parameters,
    kept: Interaction,
    asked: AuthorizationRequest,
) -> web.Response:
    if kept.sign_in is not None:
        twice = "cancel" not in parameters and kept.sign_in.person_key == parameters.get("person")
        return _signed_in(instance, request, asked, kept.sign_in) if twice else pages.used_up()
    if "cancel" in parameters:
        refused = RefusedToClientError("access_denied", "the person pressed Cancel")
        return _refusal(instance, _back_of(asked), refused)
    person = instance.provider.people.get(parameters.get("person", ""))
    if person is None:
        return pages.message("Nobody of that name", "Please go back and start again.", status=400)
    provider = instance.provider
    before = instance.signed_in(request)
    sign_in = SignIn(person.key, person.sub, instance.now(), provider.acr, provider.amr)
    if before is not None and before.sub == person.sub:
        # The same person again, perhaps for a step-up: what clients know by `sid` stays true.
        sign_in.sid, sign_in.clients = before.sid, before.clients
    answered = replace(kept, sign_in=sign_in, expires=instance.now() + TWICE_SECONDS)
    instance.memory.interactions.put(answered, parameters.get("interaction"))
    return _signed_in(instance, request, asked, sign_in)


def _signed_in(
    instance: Instance, request: web.BaseRequest, asked: AuthorizationRequest, sign_in: SignIn
) -> web.Response:
    instance.memory.sign_ins.take(request.cookies.get(instance.sign_in_cookie))
    response = _with_code(instance, asked, sign_in)
    key = instance.memory.sign_ins.put(sign_in)
    response.set_cookie(instance.sign_in_cookie, key, httponly=True, samesite="Lax", path="/")
    return response


def open_interaction(
    instance: Instance, request: web.BaseRequest, asked: AuthorizationRequest | LogoutRequest
) -> tuple[str, str]:
    """Keep a request until its page is answered; gives the id and the browser's own mark."""
    browser = secrets.token_urlsafe(32)
    kept = Interaction(asked, browser, instance.now() + PAGE_SECONDS)
    return instance.memory.interactions.put(kept), browser


def take_interaction(
    instance: Instance, request: web.BaseRequest, parameters: Parameters
) -> AuthorizationRequest | LogoutRequest | None:
    """The request behind an answered page, once, in time, and for its own browser only."""
    kept = _taken(instance, request, parameters)
    return None if kept is None else kept.request


def _taken(instance: Instance, request: web.BaseRequest, parameters: Parameters) -> Interaction | None:
    kept = instance.memory.interactions.take(parameters.get("interaction"))
    if kept is None or kept.expires < instance.now():
        return None
    browser = request.cookies.get(_mark(parameters.get("interaction", "")), "")
    same = secrets.compare_digest(browser.encode(), kept.browser.encode())
    return kept if same else None


def remember_browser(
    response: web.Response, interaction: str, browser: str, seconds: int = PAGE_SECONDS
) -> web.Response:
    """Set the mark that ties a page to its browser: one per page, since tabs that start together share no mark yet."""
    response.set_cookie(_mark(interaction), browser, max_age=seconds, httponly=True, samesite="Lax", path="/")
    return response


def forget_page(response: web.Response, parameters: Parameters) -> web.Response:
    """Take back the mark of a page that was answered."""
    response.del_cookie(_mark(parameters.get("interaction", "")), path="/", httponly=True, samesite="Lax")
    return response


def _mark(interaction: str) -> str:
    return f"lychgate-demo-page-{sha256(interaction.encode()).hexdigest()[:12]}"


def _usable_sign_in(instance: Instance, request: web.BaseRequest, asked: AuthorizationRequest) -> SignIn | None:
    """The browser's sign-in, unless the client wants a newer one or somebody else."""
    sign_in = instance.signed_in(request)
    if sign_in is None or asked.prompt & {"login", "consent", "select_account"}:
        return None
    if asked.max_age is not None and instance.now() - sign_in.auth_time >= asked.max_age:
        return None
    return sign_in if _is_meant(instance, asked, sign_in) else None


def _is_meant(instance: Instance, asked: AuthorizationRequest, sign_in: SignIn) -> bool:
    if asked.id_token_hint is not None:
        hint = instance.keys.read(asked.id_token_hint)
        if hint is None or hint.get("sub") != sign_in.sub:
            return False
    person = instance.person_of(sign_in)
    return asked.login_hint is None or (person is not None and person.known_as(asked.login_hint))


def _page(instance: Instance, request: web.BaseRequest, asked: AuthorizationRequest) -> web.StreamResponse:
    interaction, browser = open_interaction(instance, request, asked)
    now_here = instance.signed_in(request)
    response = pages.sign_in(
        people=list(instance.provider.people.values()),
        client=asked.client,
        return_to=asked.redirect_uri,
        interaction=interaction,
        hint=asked.login_hint,
        signed_in=None if now_here is None else now_here.person_key,
    )
    return remember_browser(response, interaction, browser)


def _with_code(instance: Instance, asked: AuthorizationRequest, sign_in: SignIn) -> web.Response:
    sign_in.clients.add(asked.client.client_id)
    expires = instance.now() + instance.provider.code_seconds
    code = instance.memory.codes.put(Ticket(Grant(asked, sign_in), asked.scope, expires))
    return _response(instance, _back_of(asked), {"code": code})


def _back_of(asked: AuthorizationRequest) -> Back:
    return Back(asked.redirect_uri, asked.state, asked.form_post)


def _refusal(instance: Instance, back: Back, refused: RefusedToClientError) -> web.Response:
    said = {"error": refused.error, "error_description": refused.description}
    return _response(instance, back, said)


def _response(instance: Instance, back: Back, said: dict[str, str]) -> web.Response:
    parameters = {**said, "iss": instance.issuer}
    if back.state is not None:
        parameters["state"] = back.state
    bent = faults.response_parameters(instance.provider.fault, parameters)
    return pages.post_back(back.uri, bent) if back.form_post else redirect(back.uri, bent)
