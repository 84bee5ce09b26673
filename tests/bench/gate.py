"""Lychgate as a peer: `lychgate serve` in a process of its own, with everything on.

On are: session, `require`, four rules, the username from a claim, the account made ready and its order remembered,
the landing header with a signed assertion, the audit trail in a file, metrics; and the application's own session
cookie is kept by the gate.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from sidecar import __version__
from tests.bench.cases import LOGIN, NEEDED, OUTSIDER, Who
from tests.bench.install import UVLOOP
from tests.bench.peers import CLIENT_SECRET, AbsentError, Peer, Stage, register, resting
from tests.bench.processes import StartError, said_by, serving
from tests.bench.signin import sign_in
from tests.e2e.journeys import free_port

ROOT = Path(__file__).parent.parent.parent
_PLAIN = ("-m", "sidecar")
_ON_UVLOOP = ("-m", "tests.bench.uvloop_gate")


def _keep(folder: Path, name: str, value: str) -> str:
    path = folder / name
    path.touch(mode=0o600)
    path.write_text(value, encoding="ascii")
    return f"file://{path}"


def configuration(stage: Stage, folder: Path, port: int, client: str) -> dict[str, Any]:
    """The configuration file, with everything on."""
    return {
        "version": 1,
        "listen": {"public": f"127.0.0.1:{port}", "operations": "127.0.0.1:0"},
        "state": f"file://{folder}/state",
        "cookie_keys": [_keep(folder, "cookie-key", secrets.token_urlsafe(48))],
        "audit": {"stdout": "off", "file": f"{folder}/audit.jsonl"},
        "providers": {
            "staff": {
                "issuer": stage.provider.issuer,
                "client_id": client,
                "client_secret": _keep(folder, "client-secret", CLIENT_SECRET),
                "scopes": ["openid", "profile", "email", "groups"],
                "usernames": "authoritative",
            }
        },
        "applications": {
            "jira": {
                "product": "jira",
                "url": f"http://localhost:{port}",
                "upstream": f"http://127.0.0.1:{stage.application}",
                "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
                "username": {"from": ["preferred_username"]},
                "accounts": {
                    "token": _keep(folder, "jira-token", stage.jira_token),
                    "create": True,
                    "adopt": "by_username",  # the other gate of the run has made the account already
                    "update": ["display_name", "email"],
                    "groups": {"map": [{"from": NEEDED, "to": "jira-software-users"},
                                       {"from": "okta-project-(0.)", "to": "jira-project-$1"}]},
                },
            }
        },
        "portals": {
            "agents": {
                "application": "jira",
                "default": True,
                "provider": "staff",
                "mode": "enforce",
                "require": {"any_group": [NEEDED]},
                "rules": [
                    {"paths": "@admin", "require": {"any_group": ["okta-jira-admins"]}, "fresh": "30m"},
                    {"paths": ["/public/**"], "answer": "public"},
                    {"paths": ["/forbidden/**"], "answer": "deny"},
                    {"paths": ["/projects/*/settings/**"], "require": {"all_groups": [NEEDED, "okta-project-01"]}},
                ],
            }
        },
    }  # fmt: skip


@asynccontextmanager
async def _gate(name: str, stage: Stage, launch: Sequence[str], path_more: str = "") -> AsyncIterator[Peer]:
    folder, port = stage.room(name.replace(", ", "-")), free_port()
    origin = f"http://localhost:{port}"
    client = await register(stage, origin, "/.lychgate/callback/staff")
    file = folder / "lychgate.yaml"
    file.write_text(json.dumps(configuration(stage, folder, port, client)), encoding="utf-8")
    # The package is found from wherever the benchmark was started.
    env = {"PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), path_more)))}
    told = await said_by(sys.executable, "-m", "sidecar", "ledger", "init", "-c", str(file), env=env)
    if "initialised" not in told:
        raise StartError(f"{name}: {told}")
    command = [sys.executable, *launch, "serve", "-c", str(file)]
    async with serving("lychgate", command, port, folder, env) as service:
        cookies = {
            Who.MEMBER: await sign_in(origin, LOGIN),
            Who.OUTSIDER: await sign_in(origin, OUTSIDER, expected=403),
        }
        yield Peer(name, port, service, __version__, cookies, await resting(service))


def lychgate(stage: Stage) -> AbstractAsyncContextManager[Peer]:
    """The gate as it is shipped."""
    return _gate("Lychgate", stage, _PLAIN)


def lychgate_on_uvloop(stage: Stage) -> AbstractAsyncContextManager[Peer]:
    """The same on uvloop, which the product does not depend on."""
    if not (UVLOOP / "uvloop").is_dir():
        raise AbsentError("needs uvloop: `python -m tests.bench.install` fetches it for the benchmark")
    return _gate("Lychgate, uvloop", stage, _ON_UVLOOP, str(UVLOOP))


def profiled(stage: Stage, dump: Path) -> AbstractAsyncContextManager[Peer]:
    """The gate under the profiler, which writes *dump* when the gate has ended."""
    return _gate("Lychgate, profiled", stage, ("-m", "cProfile", "-o", str(dump), "-m", "sidecar"))
