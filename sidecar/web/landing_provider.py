"""What the product's own OpenID client asks of us on its listener: discovery, keys, token, userinfo (OIDC Core 1.0).

It stands on a listener of its own and knows nothing of the public one. The authorization endpoint is answered by
`flows.dance` inside a process, whichever; here it says so. Exact paths only.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from sidecar.core.grants import TOKEN_LIFE, Client, Grant, is_client, person_claims, read_basic, read_redemption
from sidecar.domain.identity import UnixSeconds
from sidecar.flows.landing_codes import Codes
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)
LARGEST_FORM = 8192
_FORM = "application/x-www-form-urlencoded"
_DISCOVERY = "/.well-known/openid-configuration"
_HEADERS = {"Server": "lychgate", "Cache-Control": "no-store", "Pragma": "no-cache"}


class Minter(Protocol):
    """Signs ID tokens."""

    def sign(self, grant: Grant, now: UnixSeconds) -> str:
        """The ID token for a grant."""
        ...

    def keys(self) -> dict[str, object]:
        """The public keys as a JWK set."""
        ...


@dataclass(slots=True, kw_only=True)
class Party:
    """One product that takes us for its provider.

    Attributes:
        secret: What it redeems codes with.
        older: What it may still redeem them with, until it was told the other one.
    """

    client: Client
    secret: str = field(repr=False)
    older: tuple[str, ...] = field(default=(), repr=False)
    codes: Codes
    minter: Minter


Handler = Callable[[web.BaseRequest, Party], Awaitable[web.Response]]


class LandingProvider:
    """The one handler of the landing listener."""

    def __init__(self, parties: Mapping[str, Party], clock: Clock) -> None:
        """*parties* are found by the path of their issuer: `/<application>`."""
        self._clock = clock
        self._handlers: dict[tuple[str, str], tuple[Handler, Party]] = {}
        for name, party in parties.items():
            for method, path, handler in (
                ("GET", _DISCOVERY, self._discovery),
                ("GET", "/jwks", self._jwks),
                ("GET", "/authorize", self._authorize),
                ("POST", "/token", self._token),
                ("GET", "/userinfo", self._userinfo),
                ("POST", "/userinfo", self._userinfo),
            ):
                self._handlers[method, f"/{name}{path}"] = (handler, party)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request. Never raises."""
        method = "GET" if request.method == "HEAD" else request.method
        path = request.raw_path.partition("?")[0]
        found = self._handlers.get((method, path))
        if found is None:
            known = any(other == path for _, other in self._handlers)
            return _answer(405 if known else 404, {"error": "invalid_request"})
        handler, party = found
        try:
            return await handler(request, party)
        except StateError as error:
            LOG.warning("the landing's provider cannot answer at %s: %s", path, error)
            return _answer(503, {"error": "temporarily_unavailable"}, {"Retry-After": "5"})
        except Exception:
            LOG.exception("the landing's provider failed at %s", path)
            return _answer(500, {"error": "server_error"})

    async def _discovery(self, _request: web.BaseRequest, party: Party) -> web.Response:
        issuer = party.client.issuer
        return _answer(
            200,
            {
                "issuer": issuer,
                "authorization_endpoint": party.client.authorization_endpoint,
                "token_endpoint": f"{issuer}/token",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "jwks_uri": f"{issuer}/jwks",
                "response_types_supported": ["code"],
                "response_modes_supported": ["query"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid"],
                "claims_supported": ["sub", "preferred_username", "name", "email", "auth_time"],
                "request_parameter_supported": False,
                "request_uri_parameter_supported": False,
            },
        )

    async def _jwks(self, _request: web.BaseRequest, party: Party) -> web.Response:
        return _answer(200, party.minter.keys())

    async def _authorize(self, _request: web.BaseRequest, _party: Party) -> web.Response:
        """A browser that comes here went past the gate: there is nobody to whom it could be tied."""
        text = "Lychgate signs people in by itself. Open the application at its own address.\n"
        return web.Response(status=403, text=text, headers=_HEADERS)

    async def _token(self, request: web.BaseRequest, party: Party) -> web.Response:
        given = read_basic(request.headers.getall("Authorization", ()))
        if not is_client(given, party.client.client_id, party.secret, *party.older):
            LOG.warning("somebody at the landing's token endpoint does not know the secret of %s", party.client.issuer)
            return _answer(401, {"error": "invalid_client"}, {"WWW-Authenticate": 'Basic realm="lychgate"'})
        body = await _body(request)
        if body is None or request.content_type != _FORM or "?" in request.raw_path:
            return _answer(400, {"error": "invalid_request"})
        asked = read_redemption(body, party.client.client_id)
        if isinstance(asked, str):
            return _answer(401 if asked == "invalid_client" else 400, {"error": asked})
        redeemed = await party.codes.redeem(party.client, asked)
        if redeemed is None:
            return _answer(400, {"error": "invalid_grant"})
        token = {
            "access_token": redeemed.access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE,
            "scope": "openid",
            "id_token": party.minter.sign(redeemed.grant, self._clock.now()),
        }
        return _answer(200, token)

    async def _userinfo(self, request: web.BaseRequest, party: Party) -> web.Response:
        """By the access token in the header alone (RFC 6750, section 2.1)."""
        fields = request.headers.getall("Authorization", ())
        scheme, _, token = fields[0].partition(" ") if len(fields) == 1 else ("", "", "")
        grant = await party.codes.of_token(party.client, token.strip()) if scheme.lower() == "bearer" else None
        if grant is None:
            return _answer(401, {"error": "invalid_token"}, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        return _answer(200, person_claims(grant))


async def _body(request: web.BaseRequest) -> str | None:
    """The form as text; None if it is too large or no ASCII."""
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > LARGEST_FORM:
            return None
    return data.decode("ascii") if data.isascii() else None


def _answer(status: int, content: object, more: Mapping[str, str] | None = None) -> web.Response:
    headers = {**_HEADERS, "Content-Type": "application/json", "X-Content-Type-Options": "nosniff", **(more or {})}
    return web.Response(status=status, text=json.dumps(content), headers=headers)
