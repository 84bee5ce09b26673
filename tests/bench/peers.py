"""What is measured side by side: the application itself, plain proxies, and gateways where people have signed in.

A `Peer` is ready to be loaded: it runs, and holds the cookies that its own sign-in at the real provider gave.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.cases import GROUPS, LOGIN, MAIN, OUTSIDER, Case, Who, request_headers
from tests.bench.processes import Service, program, said_by, serving
from tests.bench.signin import sign_in
from tests.e2e.journeys import free_port
from tests.e2e.rigs import NodeProvider

CLIENT_SECRET = "a-secret-of-the-benchmark-and-of-nothing-else"  # only the provider of this run knows it
PEOPLE = {
    name: {
        "preferred_username": name,
        "name": name.title(),
        "email": f"{name}@example.com",
        "email_verified": True,
        "groups": list(groups),
    }
    for name, groups in ((LOGIN, GROUPS), (OUTSIDER, ("okta-canteen", *GROUPS[1:])))
}


class AbsentError(Exception):
    """A peer cannot run on this machine; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What every peer of a run stands on.

    Attributes:
        folder: Of the run; each peer makes its own below.
        application: Port of the application behind all peers.
        jira_token: With which the stand-in Jira lets the gate work on accounts.
    """

    folder: Path
    application: int
    provider: NodeProvider
    jira_token: str

    def room(self, name: str) -> Path:
        """A new folder for one peer; servers that give up root may look into it."""
        path = self.folder / name
        path.mkdir(mode=0o755)
        return path


@dataclass(frozen=True, slots=True)
class Peer:
    """Something that answers.

    Attributes:
        service: Its processes; None for the application itself, which is not counted.
        cookies: Of each sort of asker.
        rest: Resident bytes after somebody signed in and before any load.
        unable: Keys of cases that it cannot answer, with the reason.
        only: Keys of the cases in which it takes part; None for all.
        shown: Its configuration, for the report.
    """

    name: str
    port: int
    service: Service | None
    version: str
    cookies: Mapping[Who, str] = field(default_factory=dict)
    rest: int = 0
    unable: Mapping[str, str] = field(default_factory=dict)
    shown: str = ""
    only: frozenset[str] | None = None

    @property
    def origin(self) -> str:
        """As a browser knows it."""
        return f"http://localhost:{self.port}"

    def headers(self, case: Case) -> dict[str, str]:
        """The fields of a request of this case to it."""
        return request_headers(case, self.origin, self.cookies.get(case.who, ""))


Start = Callable[[Stage], AbstractAsyncContextManager[Peer]]


async def resting(service: Service) -> int:
    """Resident bytes once a server has come to rest after its start."""
    await asyncio.sleep(1)
    return service.memory()


def as_shown(stage: Stage, folder: Path, text: str) -> str:
    """A configuration without what is different in every run."""
    for found, word in {
        str(folder): "FOLDER",
        CLIENT_SECRET: "SECRET",
        stage.provider.issuer: "PROVIDER",
        f"127.0.0.1:{stage.application}": "APPLICATION",
    }.items():
        text = text.replace(found, word)
    return text


async def register(stage: Stage, origin: str, callback: str) -> str:
    """Make a peer known at the provider; gives its client id."""
    client = "client-" + origin.rpartition(":")[2]
    await stage.provider.put_client(
        {"client_id": client, "client_secret": CLIENT_SECRET, "redirect_uris": [origin + callback]}
    )
    return client


async def _first_visit(origin: str) -> dict[Who, str]:
    """Where nobody signs in there are cookies too: the application's."""
    return {Who.MEMBER: await sign_in(origin, LOGIN)}


NO_GATE = {"redirect": "signs nobody in", "refused": "refuses nobody"}


@asynccontextmanager
async def direct(stage: Stage) -> AsyncIterator[Peer]:
    """The application without anything in front."""
    port = stage.application
    cookies = await _first_visit(f"http://localhost:{port}")
    yield Peer("direct", port, None, "", cookies, unable=NO_GATE)


_SERVER = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
"""
_KEPT = """\
  upstream application {{ server 127.0.0.1:{application}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
    }}
    location /plugins/servlet/echo {{
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""
_BARE = """\
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{application};
    }}
  }}
}}
"""


@asynccontextmanager
async def _nginx(stage: Stage, name: str, template: str, only: frozenset[str] | None) -> AsyncIterator[Peer]:
    folder, port = stage.room(name.replace(", ", "-")), free_port()
    text = template.format(folder=folder, port=port, application=stage.application)
    path = folder / "nginx.conf"
    path.write_text(text)
    version = (await said_by(program("nginx") or "nginx", "-v")).rpartition("/")[2]
    async with serving("nginx", [program("nginx") or "nginx", "-c", str(path)], port, folder) as service:
        cookies = await _first_visit(f"http://localhost:{port}")
        shown = as_shown(stage, folder, text)
        yield Peer(name, port, service, version, cookies, await resting(service), NO_GATE, shown, only)


def nginx(stage: Stage) -> AbstractAsyncContextManager[Peer]:
    """Plain `proxy_pass` that keeps its connections to the application: the measure of the budgets."""
    return _nginx(stage, "nginx", _SERVER + _KEPT, None)


def bare_nginx(stage: Stage) -> AbstractAsyncContextManager[Peer]:
    """`proxy_pass` with nothing else: a new connection to the application for every request."""
    return _nginx(stage, "nginx, bare", _SERVER + _BARE, frozenset({MAIN.key}))
