"""oauth2-proxy as a peer, built from its source by `python -m tests.bench.install`; logs of requests are off."""

from __future__ import annotations

import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.bench.cases import LOGIN, NEEDED, Who
from tests.bench.install import OAUTH2_PROXY
from tests.bench.peers import CLIENT_SECRET, AbsentError, Peer, Stage, as_shown, register, resting
from tests.bench.processes import said_by, serving
from tests.bench.signin import sign_in
from tests.e2e.journeys import free_port

_NAME = "oauth2-proxy"
_UNABLE = {"refused": "turns people away at the callback and keeps no session of them"}


@asynccontextmanager
async def oauth2_proxy(stage: Stage) -> AsyncIterator[Peer]:
    """Run it, with sessions in sealed cookies as it has them by default, and sign somebody in."""
    if not OAUTH2_PROXY.exists():
        raise AbsentError("is not built: `python -m tests.bench.install` builds it where there is a Go toolchain")
    folder, port = stage.room(_NAME), free_port()
    origin = f"http://localhost:{port}"
    client = await register(stage, origin, "/oauth2/callback")
    command = [
        str(OAUTH2_PROXY),
        "--provider=oidc",
        f"--oidc-issuer-url={stage.provider.issuer}",
        f"--client-id={client}",
        f"--client-secret={CLIENT_SECRET}",
        f"--cookie-secret={'0123456789abcdef' * 2}",
        "--cookie-secure=false",
        "--code-challenge-method=S256",
        "--scope=openid profile email groups",
        "--email-domain=*",
        f"--allowed-group={NEEDED}",
        f"--http-address=127.0.0.1:{port}",
        f"--redirect-url={origin}/oauth2/callback",
        f"--upstream=http://127.0.0.1:{stage.application}",
        "--skip-provider-button",
        "--request-logging=false",
        "--auth-logging=false",
    ]
    version = (await said_by(str(OAUTH2_PROXY), "--version")).removeprefix("oauth2-proxy ").partition(" (")[0]
    async with serving(_NAME, command, port, folder) as service:
        cookies = {Who.MEMBER: await sign_in(origin, LOGIN)}
        shown = as_shown(stage, folder, " \\\n  ".join(shlex.quote(word) for word in [_NAME, *command[1:]]))
        yield Peer(_NAME, port, service, version, cookies, await resting(service), _UNABLE, shown)
