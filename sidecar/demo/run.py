"""`lychgate demo`: two embedded providers, a stand-in Jira and the real gate between them, all on loopback.

The gate is configured by a file like any other and built by `app`; nothing of it is special to the demonstration.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from sidecar.adapters.clock import SystemClock
from sidecar.adapters.seal import Sealer
from sidecar.adapters.state.sqlite import open_state
from sidecar.app import Running, running
from sidecar.config.load import load
from sidecar.demo.cast import CUSTOMERS, STAFF, Role, furnish, people, remember
from sidecar.demo.jira import JiraConfig, JiraState, RunningJira, SsoConfig, serve_jira
from sidecar.demo.provider import Client, Provider, RunningProvider, serve_provider

HTTP = 80

CONFIG = """\
version: 1
listen: {{public: "127.0.0.1:{port}", operations: "127.0.0.1:0", landing: "127.0.0.1:{landing}"}}
state: file://{folder}/state
cookie_keys: [file://{folder}/cookie-key]
audit: {{stdout: text}}
providers:
  staff:
    preset: okta
    label: Staff
    issuer: {staff}
    client_id: lychgate
    client_secret: file://{folder}/staff-secret
    usernames: authoritative
    sign_out: provider
  customers:
    label: Customers
    issuer: {customers}
    client_id: lychgate
    client_secret: file://{folder}/customers-secret
    sign_out: provider
applications:
  jira:
    product: jira
    url: {url}
    upstream: {upstream}
    landing: {{type: oidc, client_secret: file://{folder}/landing-secret}}
    username: {{from: [preferred_username]}}
    accounts:
      token: file://{folder}/jira-token
      adopt: by_username
      create: true
      update: [display_name, email]
      groups:
        map:
          - {{from: okta-jira-users, to: jira-software-users}}
          - {{from: "okta-project-(.+)", to: "jira-project-$1"}}
    machine: [applinks, gadgets]
portals:
  agents:
    application: jira
    default: true
    provider: staff
    require: {{any_group: [okta-jira-users]}}
    rules:
      - {{paths: "@admin", require: {{any_group: [okta-jira-admins]}}}}
  support:
    application: jira
    paths: "@jsm"
    provider: customers
    accepts: [agents]
    username: {{from: [preferred_username], prefix: cust-}}
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """Everything that runs.

    Attributes:
        url: The link to click.
    """

    url: str
    gate: Running
    jira: RunningJira
    staff: RunningProvider
    customers: RunningProvider


@asynccontextmanager
async def running_demo(port: int, audit: TextIO | None = None) -> AsyncIterator[Demo]:
    """Start the whole scene; *port* 0 takes any free one."""
    port = port or _free_port()
    landing = _free_port(besides=port)
    # Browsers leave the default port out, and the registered addresses are compared to the letter.
    url = "http://localhost" if port == HTTP else f"http://localhost:{port}"
    known = JiraState.sample()
    kept = {
        "cookie-key": secrets.token_urlsafe(48),
        "staff-secret": secrets.token_urlsafe(32),
        "customers-secret": secrets.token_urlsafe(32),
        "landing-secret": secrets.token_urlsafe(32),
        "jira-token": furnish(known),
    }
    sso = SsoConfig(f"http://127.0.0.1:{landing}/jira", "lychgate", kept["landing-secret"])
    with tempfile.TemporaryDirectory(prefix="lychgate-demo-") as name:
        folder = Path(name)
        async with (
            serve_provider(Provider(people(STAFF), [_client("staff", url, kept["staff-secret"])])) as staff,
            serve_provider(
                Provider(people(CUSTOMERS), [_client("customers", url, kept["customers-secret"])])
            ) as customers,
            serve_jira(known, JiraConfig(base_url=url, sso=sso)) as jira,
        ):
            _write_secrets(folder, kept)
            text = CONFIG.format(
                port=port,
                landing=landing,
                folder=folder,
                url=url,
                upstream=jira.origin,
                staff=staff.issuer,
                customers=customers.issuer,
            )
            path = folder / "lychgate.yaml"
            path.write_text(text, encoding="utf-8")
            loaded = load(path, serving=True)
            sealer = Sealer([kept["cookie-key"].encode()])
            async with open_state(loaded.config.state.directory, sealer) as state:
                await remember(state.ledger, "jira", staff.issuer, SystemClock().now())
            async with running(loaded, audit=audit) as gate:
                yield Demo(url, gate, jira, staff, customers)


async def run_demo(port: int) -> None:
    """The command: print the link and the people, serve until interrupted."""
    if port and not _is_free(port):
        print(f"Port {port} is taken; using another one.")
        port = 0
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running_demo(port) as demo:
        print(_welcome(demo), flush=True)
        await stop.wait()
    print("\nThe demonstration is over; nothing of it was kept.")


def _welcome(demo: Demo) -> str:
    lines = [
        "",
        "  Lychgate is running, with an OpenID provider and a stand-in Jira, on this machine only.",
        "",
        f"  Open   {demo.url}/browse/KEY-1",
        f"         {demo.url}/servicedesk/customer/portals   (the customers' door)",
        f"         {demo.url}/.lychgate/whoami",
        f"         http://127.0.0.1:{demo.gate.operations}/metrics",
        "",
        "  in Chrome, Chromium or Firefox, and sign in as one of these:",
        "",
        *(_line(role) for role in (*STAFF, *CUSTOMERS)),
        "",
        f"  To be somebody else, sign out first: {demo.url}/.lychgate/logout",
        "  Every step shows up below as an audit event. Ctrl-C ends it.",
        "",
    ]
    return "\n".join(lines)


def _line(role: Role) -> str:
    return f"    {role.name:<18} {role.expect}"


def _client(provider: str, url: str, secret: str) -> Client:
    return Client(
        client_id="lychgate",
        secret=secret,
        redirect_uris=(f"{url}/.lychgate/callback/{provider}",),
        post_logout_redirect_uris=(f"{url}/.lychgate/signed-out",),
    )


def _write_secrets(folder: Path, values: Mapping[str, str]) -> None:
    for name, value in values.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_text(value, encoding="ascii")


def _free_port(besides: int = 0) -> int:
    """The address must be known before anything listens, so the port stays below those that systems hand out."""
    tried = (20_000 + secrets.randbelow(12_000) for _ in range(100))
    found = (port for port in tried if port != besides and _is_free(port))
    port = next(found, None)
    if port is None:
        raise OSError("no free port was found")
    return port


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
