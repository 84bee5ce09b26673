"""A small OpenID provider on loopback that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from sidecar.adapters.oidc.config import ProviderConfig
from sidecar.domain.identity import UnixSeconds

NOW = UnixSeconds(1_800_000_000)
RSA_ONE = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
RSA_TWO = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})

Key = RSAKey | ECKey | OKPKey


class HandClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> UnixSeconds:
        return UnixSeconds(NOW + int(self.seconds))

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class Reply:
    """What to answer: *body* as bytes or as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        raw = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return web.Response(body=raw, status=self.status, headers={"Content-Type": "application/json", **self.headers})


@dataclass
class Asked:
    """One request that came in."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]
    text: str = ""


class StandIn:
    """The provider. `replies` overrides what a path answers; `gate`, if set, holds every answer back;
    `came` is set by the first request."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.replies: dict[str, Reply] = {}
        self.keys: list[dict[str, Any]] = [public(RSA_ONE)]
        self.metadata: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.came = asyncio.Event()
        self.gate: asyncio.Event | None = None
        self.issuer = ""

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.issuer = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def counts(self) -> Counter[str]:
        return Counter(asked.path for asked in self.asked)

    def last(self, path: str) -> Asked:
        return next(asked for asked in reversed(self.asked) if asked.path == path)

    def config(self, **changes: Any) -> ProviderConfig:
        basis: dict[str, Any] = {
            "name": "stand-in",
            "issuer": self.issuer,
            "client_id": "gate",
            "client_secret": "CANARY-client-secret",
        }
        return ProviderConfig(**(basis | changes))

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = self.clock.now()
        basis = {"iss": self.issuer, "sub": "s-1", "aud": "gate", "exp": now + 300, "iat": now, "nonce": "n-1"}
        return {name: value for name, value in (basis | changes).items() if value is not None}

    def gives(self, id_token: str | None, **more: Any) -> None:
        """Make the token endpoint answer with *id_token*."""
        body = {"access_token": "CANARY-access", "token_type": "Bearer", **more}
        if id_token is not None:
            body["id_token"] = id_token
        self.replies["/token"] = Reply(body)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.asked.append(Asked(request.path, dict(request.headers), form, await request.text()))
        self.came.set()
        if self.gate is not None:
            await self.gate.wait()
        if request.path in self.replies:
            return self.replies[request.path].response()
        if request.path == "/.well-known/openid-configuration":
            return Reply(self._discovery()).response()
        if request.path == "/jwks":
            return Reply({"keys": self.keys}).response()
        return Reply({"error": "not_here"}, status=404).response()

    def _discovery(self) -> dict[str, Any]:
        basis = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/logout",
            # One real provider says so; it must not matter.
            "id_token_signing_alg_values_supported": ["RS256", "none"],
        }
        return {name: value for name, value in (basis | self.metadata).items() if value is not None}


def public(key: Key, **changes: Any) -> dict[str, Any]:
    """The public JWK of *key*; None removes a member."""
    members = {**key.as_dict(private=False), **changes}
    return {name: value for name, value in members.items() if value is not None}


def signed(
    claims: dict[str, Any], key: Any = RSA_ONE, *, alg: str = "RS256", kid: str | None = "one", **header: Any
) -> str:
    """An ID token."""
    head = {"alg": alg, "typ": "JWT", **header}
    if kid is not None:
        head["kid"] = kid
    return jwt.encode(head, claims, key, registry=JWSRegistry(algorithms=[alg], strict_check_header=False))
