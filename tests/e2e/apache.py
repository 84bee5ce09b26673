"""A real Apache whose pages are protected by mod_auth_openidc, as an application behind the gate: Debian's packages.

Its client is set where a product has its own: it begins at `initiate-login`, takes codes at `callback`, and keeps its
session in JSESSIONID. It names its user in X-AUSERNAME, as the products do.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from tests.e2e.servers import running_process
from tests.web.rig import LANDING, World

APACHE = Path("/usr/sbin/apache2")
MODULES = Path("/usr/lib/apache2/modules")
MODULE = MODULES / "mod_auth_openidc.so"
NEEDED = "needs Debian's packages apache2 and libapache2-mod-auth-openidc"
_LOADED = (
    "mpm_event", "authn_core", "authz_core", "authz_user", "headers", "rewrite", "proxy", "proxy_http", "dir", "mime",
    "auth_openidc",
)  # fmt: skip

_CONFIGURATION = """\
ServerRoot {folder}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/error.log
TypesConfig /dev/null
LogLevel warn
{modules}
{user}
DocumentRoot {www}
KeepAlive On

OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID lychgate
OIDCClientSecret "{secret}"
OIDCRedirectURI {origin}/plugins/servlet/oidc/callback
OIDCCookie JSESSIONID
OIDCCryptoPassphrase "{secret}"
OIDCScope "openid"
OIDCRemoteUserClaim preferred_username
OIDCStateInputHeaders user-agent
OIDCUnAuthAction 401
{more}

RewriteEngine On
RewriteRule ^/plugins/servlet/oidc/initiate-login$ http://127.0.0.1:{port}/plugins/servlet/oidc/callback?iss={iss}&target_link_uri={target} [P,NE]
ProxyPreserveHost On
Header always set X-AUSERNAME expr=%{{REMOTE_USER}}
<Location "/">
  AuthType openid-connect
  Require valid-user
</Location>
<Location "/plugins/servlet/oidc/initiate-login">
  AuthType None
  Require all granted
</Location>
"""  # noqa: E501 - a rule of Apache stands on one line


@asynccontextmanager
async def apache(folder: Path, port: int, world: World, more: str = "") -> AsyncIterator[Path]:
    """Run it at *port* as the application of *world*, with *more* of its own settings; gives its log."""
    folder.mkdir(exist_ok=True)
    # Where somebody who is not root may read; the tests' own folder is closed.
    with TemporaryDirectory(prefix="lychgate-apache-") as www:
        _write_pages(Path(www))
        path = folder / "apache.conf"
        path.write_text(_settings(folder, Path(www), port, world, more), encoding="ascii")
        async with running_process(port, str(APACHE), "-f", str(path), "-DFOREGROUND"):
            yield folder / "error.log"


def _write_pages(www: Path) -> None:
    for place in (www / "browse", www / "rest/api/2"):
        place.mkdir(parents=True, exist_ok=True)
    (www / "browse/KEY-1").write_text("a real page\n", encoding="ascii")
    (www / "rest/api/2/myself").write_text("{}", encoding="ascii")
    for place in (www, *www.rglob("*")):
        place.chmod(0o755 if place.is_dir() else 0o644)


def _settings(folder: Path, www: Path, port: int, world: World, more: str) -> str:
    return _CONFIGURATION.format(
        folder=folder,
        www=www,
        port=port,
        # A server of root gives root up; one of anybody else stays who it is.
        user="User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
        modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in _LOADED),
        issuer=(issuer := f"http://127.0.0.1:{world.site.landing_port}/jira"),
        iss=quote(issuer, safe="").replace("%", "\\%"),
        target=quote(f"{world.origin}/", safe="").replace("%", "\\%"),
        origin=world.origin,
        secret=LANDING,
        more=more,
    )
