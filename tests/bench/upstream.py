"""The application behind every peer: one nginx with fixed bodies, a WebSocket echo, and the stand-in Jira's REST.

The answers carry what Jira's carry: 20 header fields, the name of the user, a session of its own on the first page.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.cases import LARGE, LOGIN, MAIN, MIDDLE, POST, SMALL, SOCKET, START
from tests.bench.processes import program, serving
from tests.e2e.journeys import free_port

# nginx itself sends Server, Date, Content-Type, Content-Length, Last-Modified, Connection, ETag, Accept-Ranges.
_FIELDS = {
    "X-AREQUESTID": "614x10232x1",
    "X-ASESSIONID": "1xk0c3m",
    "X-AUSERNAME": LOGIN,
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "X-XSS-Protection": "1; mode=block",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "frame-ancestors 'self'",
    "Cache-Control": "no-cache, no-store, no-transform",
    "Vary": "User-Agent, Accept-Encoding",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Seraph-LoginReason": "OK",
}
ANSWER_FIELDS = len(_FIELDS) + 8

_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  open_file_cache max=100;
  large_client_header_buffers 8 64k;
  default_type "text/html;charset=UTF-8";
  client_body_buffer_size 256k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream self {{ server 127.0.0.1:{port}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder}/bodies;
{fields}
    location = {main} {{ try_files /main =404; }}
    location = {small} {{ try_files /small =404; }}
    location = {middle} {{ try_files /middle =404; }}
    location = {large} {{ try_files /large =404; }}
    location = {start} {{
      add_header Set-Cookie "JSESSIONID=5C1F0A7E6B2D4C9A8E3F7B6D1A2C4E5F; Path=/; HttpOnly";
      try_files /main =404;
    }}
    location = /posted {{ return 200 "{posted}"; }}
    # The whole body is read before the answer, as an application does.
    location = {post} {{
      proxy_pass http://self/posted;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
    location = {socket} {{
      proxy_pass http://127.0.0.1:{echo};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
    }}
    location /rest/api/ {{
      proxy_pass {jira};
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


def _write(folder: Path, port: int, echo: int, jira: str) -> Path:
    bodies = folder / "bodies"
    bodies.mkdir(parents=True)
    for name, case in {"main": MAIN, "small": SMALL, "middle": MIDDLE, "large": LARGE}.items():
        (bodies / name).write_bytes(b"x" * (case.size or 0))
    text = _CONFIGURATION.format(
        folder=folder,
        port=port,
        echo=echo,
        jira=jira,
        fields="\n".join(f'    add_header {name} "{value}" always;' for name, value in _FIELDS.items()),
        posted="x" * (POST.size or 0),
        start=START,
        main=MAIN.path,
        small=SMALL.path,
        middle=MIDDLE.path,
        large=LARGE.path,
        post=POST.path,
        socket=SOCKET.path,
    )
    path = folder / "nginx.conf"
    path.write_text(text)
    return path


@asynccontextmanager
async def application(folder: Path, jira: str) -> AsyncIterator[int]:
    """Run it; gives its port. *jira* is the origin of the stand-in, which answers the account connector."""
    port, echo = free_port(), free_port()
    path = _write(folder, port, echo, jira)
    command = [sys.executable, "-m", "tests.bench.echo", str(echo)]
    async with (
        serving("echo", command, echo, folder),
        serving("application", [program("nginx") or "nginx", "-c", str(path)], port, folder),
    ):
        yield port
