"""Apache with mod_auth_openidc as a peer, with Debian's modules and Debian's settings of its workers.

Its logs of accesses are off and its connections live on, which makes it faster than Debian's defaults do;
sessions live for an hour without use, because in a whole run a case comes late.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.cases import LOGIN, NEEDED, OUTSIDER, Who
from tests.bench.peers import CLIENT_SECRET, AbsentError, Peer, Stage, as_shown, register, resting
from tests.bench.processes import program, said_by, serving
from tests.bench.signin import sign_in
from tests.e2e.journeys import free_port

_NAME = "mod_auth_openidc"
_MODULES = Path("/usr/lib/apache2/modules")
_LOADED = (
    "mpm_event",
    "authn_core",
    "authz_core",
    "authz_user",
    "headers",
    "proxy",
    "proxy_http",
    "proxy_wstunnel",
    "auth_openidc",
)

_CONFIGURATION = """\
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
LogLevel warn
{modules}
{user}
KeepAlive On
MaxKeepAliveRequests 0
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client}
OIDCClientSecret {secret}
OIDCRedirectURI http://localhost:{port}/oidc/callback
OIDCCryptoPassphrase {secret}
OIDCScope "openid profile email groups"
OIDCPKCEMethod S256
OIDCSessionInactivityTimeout 3600
OIDCRemoteUserClaim preferred_username

ProxyPreserveHost On
ProxyPass /oidc/callback !
ProxyPass /plugins/servlet/echo http://127.0.0.1:{application}/plugins/servlet/echo upgrade=websocket
ProxyPass / http://127.0.0.1:{application}/
<Location "/">
  AuthType openid-connect
  AuthzSendForbiddenOnFailure On
  Require claim groups:{needed}
  RequestHeader set X-Remote-User expr=%{{REMOTE_USER}}
</Location>
"""


async def _versions(program_path: str) -> str:
    """Of the server, and of the module where Debian's package says it."""
    said = await said_by(program_path, "-v")
    server = said.partition("Apache/")[2].partition(" ")[0]
    module = await said_by("dpkg-query", "-W", "-f", "${Version}", "libapache2-mod-auth-openidc")
    return f"{module} (Apache {server})"


def _configuration(stage: Stage, folder: Path, port: int, client: str) -> str:
    return _CONFIGURATION.format(
        folder=folder,
        port=port,
        # A server of root gives root up; one of anybody else stays who it is.
        user="User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
        modules="\n".join(f"LoadModule {name}_module {_MODULES}/mod_{name}.so" for name in _LOADED),
        issuer=stage.provider.issuer,
        client=client,
        secret=CLIENT_SECRET,
        application=stage.application,
        needed=NEEDED,
    )


@asynccontextmanager
async def apache(stage: Stage) -> AsyncIterator[Peer]:
    """Run it, and sign in somebody who may and somebody who may not."""
    server = program("apache2")
    if server is None or not (_MODULES / "mod_auth_openidc.so").exists():
        raise AbsentError("needs Debian's packages apache2 and libapache2-mod-auth-openidc")
    folder, port = stage.room("apache"), free_port()
    origin = f"http://localhost:{port}"
    client = await register(stage, origin, "/oidc/callback")
    text = _configuration(stage, folder, port, client)
    path = folder / "apache.conf"
    path.write_text(text)
    command = [server, "-f", str(path), "-DFOREGROUND"]
    async with serving(_NAME, command, port, folder) as service:
        cookies = {
            Who.MEMBER: await sign_in(origin, LOGIN),
            Who.OUTSIDER: await sign_in(origin, OUTSIDER, expected=403),
        }
        shown = as_shown(stage, folder, text)
        yield Peer(_NAME, port, service, await _versions(server), cookies, await resting(service), shown=shown)
