"""The token endpoint: who asks, the code, the refresh token.

A code works once and a refresh token works once. Whoever shows a spent one again ends
everything that came from it (RFC 9700, section 4.14.2, and RFC 6749, section 4.1.2).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
import secrets
from urllib.parse import unquote_plus

from aiohttp import web

from sidecar.demo.provider import faults
from sidecar.demo.provider.answers import error_answer, json_answer
from sidecar.demo.provider.faults import Fault
from sidecar.demo.provider.instance import Instance
from sidecar.demo.provider.keys import s256
from sidecar.demo.provider.memory import Shelf, Ticket
from sidecar.demo.provider.minting import id_token
from sidecar.demo.provider.model import Client
from sidecar.demo.provider.parameters import Parameters, UnreadableParametersError, form

REFRESH_TOKEN_SECONDS = 24 * 3600
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_SLOW_STEP = 0.02


class RefusedError(Exception):
    """The token endpoint says no; `error` is a word of RFC 6749, section 5.2."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


async def token(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """Answer a token request, or misbehave as told."""
    await _while_slow(instance)
    match instance.provider.fault:
        case Fault.TOKEN_500:
            return web.Response(status=500, text="broken on purpose")
        case Fault.TOKEN_NOT_JSON:
            return web.Response(text="<p>This is no JSON.</p>", content_type="text/html")
        case Fault.TOKEN_REFLECTS:
            said = f"{await request.text()} {request.headers.get('Authorization', '')}"
            return error_answer("invalid_grant", said)
        case _:
            return await _answer(instance, request)


async def _while_slow(instance: Instance) -> None:
    """Hold the answer back until the time is over or the fault is taken away."""
    for _ in range(int(instance.provider.slow_seconds / _SLOW_STEP)):
        if instance.provider.fault is not Fault.TOKEN_SLOW:
            return
        await asyncio.sleep(_SLOW_STEP)


async def _answer(instance: Instance, request: web.BaseRequest) -> web.Response:
    try:
        parameters = await form(request)
        client = _client(instance, request, parameters)
        match parameters.get("grant_type"):
            case "authorization_code":
                return _redeem_code(instance, client, parameters)
            case "refresh_token":
                return _refresh(instance, client, parameters)
            case None:
                raise RefusedError("invalid_request", "grant_type is missing")
            case _:
                raise RefusedError("unsupported_grant_type", "only codes and refresh tokens")
    except UnreadableParametersError as error:
        return error_answer("invalid_request", str(error))
    except RefusedError as error:
        if error.error != "invalid_client":
            return error_answer(error.error, error.description)
        challenge = {"WWW-Authenticate": 'Basic realm="demo provider"'}
        return error_answer(error.error, error.description, 401, challenge)


def _client(instance: Instance, request: web.BaseRequest, parameters: Parameters) -> Client:
    """Who asks, by exactly one of client_secret_basic and client_secret_post."""
    header = request.headers.get("Authorization")
    if header is None:
        client_id, secret = parameters.get("client_id", ""), parameters.get("client_secret", "")
    else:
        if "client_secret" in parameters:
            raise RefusedError("invalid_request", "the secret came in two ways")
        client_id, secret = _basic(header)
        if parameters.get("client_id", client_id) != client_id:
            raise RefusedError("invalid_request", "two clients are named")
    client = instance.provider.clients.get(client_id)
    known = client.secret if client is not None else secrets.token_urlsafe(32)
    same = secrets.compare_digest(known.encode(), secret.encode())
    if client is None or not same:
        raise RefusedError("invalid_client", "unknown client or wrong secret")
    return client


def _basic(header: str) -> tuple[str, str]:
    """Id and secret, each form-encoded before it was joined (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    try:
        joined = base64.b64decode(encoded.strip(), validate=True).decode("ascii")
        client_id, colon, secret = joined.partition(":")
        pair = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise RefusedError("invalid_client", "the Authorization header is unreadable") from error
    if scheme.lower() != "basic" or not colon:
        raise RefusedError("invalid_client", "the Authorization header is unreadable")
    return pair


def _redeem_code(instance: Instance, client: Client, parameters: Parameters) -> web.Response:
    ticket = _spend(instance, instance.memory.codes, parameters.get("code"), client)
    asked = ticket.grant.request
    if parameters.get("redirect_uri") != asked.redirect_uri:
        raise RefusedError("invalid_grant", "redirect_uri differs from the request")
    verifier = parameters.get("code_verifier", "")
    if not _VERIFIER.fullmatch(verifier) or s256(verifier) != asked.challenge:
        raise RefusedError("invalid_grant", "code_verifier does not fit the challenge")
    return _tokens(instance, ticket, asked.scope, asked.nonce)


def _refresh(instance: Instance, client: Client, parameters: Parameters) -> web.Response:
    shelf = instance.memory.refresh_tokens
    shown = parameters.get("refresh_token")
    before = shelf.peek(shown)
    scope = tuple(parameters.get("scope", "").split())
    # Judged before the token is spent: a client that asks too much may ask again.
    if before is not None and not set(scope) <= set(before.scope):
        raise RefusedError("invalid_scope", "a refresh cannot widen the scope")
    ticket = _spend(instance, shelf, shown, client)
    # A refreshed ID token should have no nonce (OpenID Connect Core 1.0, section 12.2).
    return _tokens(instance, ticket, scope or ticket.scope, nonce=None)


def _spend(instance: Instance, shelf: Shelf[Ticket], shown: str | None, client: Client) -> Ticket:
    """The ticket, which nobody can use again."""
    ticket = shelf.peek(shown)
    if ticket is None or ticket.grant.client_id != client.client_id:
        raise RefusedError("invalid_grant", "no such grant for this client")
    if ticket.spent:
        ticket.grant.revoked = True
        raise RefusedError("invalid_grant", "used before: everything from it is revoked")
    ticket.spent = True
    if ticket.grant.revoked or ticket.expires <= instance.now():
        raise RefusedError("invalid_grant", "revoked or expired")
    return ticket


def _tokens(instance: Instance, ticket: Ticket, scope: tuple[str, ...], nonce: str | None) -> web.Response:
    grant, now, memory = ticket.grant, instance.now(), instance.memory
    person = instance.person_of(grant.sign_in)
    if person is None:
        raise RefusedError("invalid_grant", "the person is gone")
    lifetime = instance.provider.access_token_seconds
    access_token = memory.access_tokens.put(Ticket(grant, scope, now + lifetime))
    answer: dict[str, object] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetime,
        "scope": " ".join(scope),
        "id_token": id_token(instance, grant, person, access_token, nonce),
    }
    if instance.provider.fault is Fault.KEEPS_REFRESH_TOKEN:
        # The one that was shown stays good: nobody gets another.
        ticket.spent = False
    if "offline_access" in ticket.scope:
        kept = Ticket(grant, ticket.scope, now + REFRESH_TOKEN_SECONDS)
        answer["refresh_token"] = memory.refresh_tokens.put(kept)
    return json_answer(faults.token_answer(instance.provider.fault, answer))
