"""The pod on one machine: nginx as the ingress, the gate, and a real Tomcat on loopback."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.e2e.servers import NGINX, TOMCAT, free_port
from tests.helm.namespaces import PATIENCE, Pod, permitted, pods, process
from tests.helm.pod_site import configuration
from tests.helm.rendering import merged

HOST = {"Host": "jira.example.com", "X-Forwarded-Proto": "https"}
PAGE = {**HOST, "Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

SERVER_XML = """<Server port="-1"><Service name="Catalina"><Connector address="127.0.0.1" port="8081"/>
<Engine name="Catalina" defaultHost="localhost"><Host name="localhost" appBase="webapps"/></Engine></Service>
</Server>"""

WEB_XML = """<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0"><servlet><servlet-name>j</servlet-name>
<servlet-class>Starting</servlet-class></servlet><servlet-mapping><servlet-name>j</servlet-name>
<url-pattern>/*</url-pattern></servlet-mapping></web-app>"""

STARTING_JAVA = """
import jakarta.servlet.http.*;
import java.nio.file.*;
public class Starting extends HttpServlet {
    protected void service(HttpServletRequest request, HttpServletResponse response) throws java.io.IOException {
        boolean up = Files.exists(Path.of(System.getProperty("up")));
        response.setStatus(up ? 200 : 503);
        String user = String.valueOf(request.getHeader("X-Lychgate-User"));
        boolean status = request.getRequestURI().equals("/jira/status");
        response.getWriter().print(status
            ? "{\\"state\\":\\"" + (up ? "RUNNING" : "STARTING") + "\\"}" : "user " + user);
    }
}
"""

NGINX_CONF = """
daemon off; master_process on; worker_processes 1; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  upstream gates {{ {servers} keepalive 16; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://gates; proxy_http_version 1.1; proxy_next_upstream off;
      proxy_set_header Connection ""; proxy_set_header Host jira.example.com;
      proxy_set_header X-Forwarded-Proto https; proxy_set_header X-Forwarded-For $remote_addr;
    }}
  }}
}}
"""


@pytest.fixture(autouse=True)
def _namespaces(request: pytest.FixtureRequest) -> None:
    if not permitted():
        # Where a container may not make namespaces nobody can do anything about it.
        request.node.add_marker(pytest.mark.outside)
        pytest.skip("network namespaces cannot be made here: it takes root and `ip`")


def written(folder: Path, pod: Pod, changes: dict[str, Any]) -> Path:
    """The configuration of a gate in *pod*, which everybody passes who is nobody."""
    folder.mkdir()
    (folder / "cookie-key").write_text(secrets.token_urlsafe(48), "ascii")
    (folder / "secret").write_text(secrets.token_urlsafe(48), "ascii")
    site: dict[str, Any] = {
        "state": f"file://{folder}/state",
        "listen": {"drain": "3s"},
        "trusted_proxies": [pod.outside],
        "cookie_keys": [f"file://{folder}/cookie-key"],
        "providers": {"okta": {"client_secret": f"file://{folder}/secret"}},
        "portals": {"staff": {"mode": "observe"}},
    }
    path = folder / "lychgate.yaml"
    path.write_text(yaml.safe_dump(merged(merged(configuration("jira"), site), changes)), "utf-8")
    return path


@asynccontextmanager
async def gate(pod: Pod, config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    command = (sys.executable, "-m", "sidecar", "serve", "-c", str(config))
    async with process(*pod.within(*command), log=config.parent / "gate.log") as started:
        yield started


async def compiled(folder: Path) -> None:
    """A Tomcat's folder with an application that says that it is starting, until there is a file `up`."""
    classes = folder / "webapps/jira/WEB-INF/classes"
    for path in (folder / "conf", folder / "logs", folder / "temp", folder / "work", classes):
        path.mkdir(parents=True)
    (folder / "conf/server.xml").write_text(SERVER_XML, "ascii")
    shutil.copy("/etc/tomcat10/web.xml", folder / "conf/web.xml")
    (folder / "webapps/jira/WEB-INF/web.xml").write_text(WEB_XML, "ascii")
    (folder / "Starting.java").write_text(STARTING_JAVA, "ascii")
    log = folder / "tomcat.log"
    javac = ("javac", "-cp", str(TOMCAT / "lib/servlet-api.jar"), "-d", str(classes), str(folder / "Starting.java"))
    async with process(*javac, log=log) as compiling:
        assert 0 == await asyncio.wait_for(compiling.wait(), PATIENCE), log.read_text("utf-8")


@asynccontextmanager
async def tomcat(pod: Pod, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """It, on the pod's loopback."""
    log = folder / "tomcat.log"
    jars = f"{TOMCAT}/bin/bootstrap.jar:{TOMCAT}/bin/tomcat-juli.jar"
    options = (f"-Dcatalina.home={TOMCAT}", f"-Dcatalina.base={folder}", f"-Djava.io.tmpdir={folder}/temp",
               f"-Dup={folder}/up", "-Xmx128m")  # fmt: skip
    start = ("java", "-cp", jars, *options, "org.apache.catalina.startup.Bootstrap", "start")
    async with process(*pod.within(*start), log=log) as started:
        yield started


class Ingress:
    """An nginx that leads to gates."""

    def __init__(self, folder: Path) -> None:
        self._conf = folder / "nginx.conf"
        self._folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def lead_to(self, *addresses: str) -> None:
        servers = " ".join(f"server {address}:8080 max_fails=0;" for address in addresses)
        self._conf.write_text(NGINX_CONF.format(folder=self._folder, port=self.port, servers=servers), "utf-8")

    def command(self, *words: str) -> tuple[str, ...]:
        return (NGINX or "nginx", "-p", str(self._folder), "-c", str(self._conf), "-e", str(self._folder / "e"), *words)


async def asked(http: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    """Status and text; 0 if nobody answers."""
    try:
        async with http.get(url, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return 0, ""


async def until(http: aiohttp.ClientSession, url: str, wanted: int, *, holding: str = "", **headers: str) -> str:
    async with asyncio.timeout(PATIENCE):
        while True:
            status, text = await asked(http, url, **headers)
            if status == wanted and holding in text:
                return text
            await asyncio.sleep(0.1)


async def reaches(pod: Pod, address: str, port: int) -> bool:
    """Whether something in *pod* can connect."""
    code = f"import socket; socket.create_connection(({address!r}, {port}), 3)"
    command = pod.within(sys.executable, "-c", code)
    null = asyncio.subprocess.DEVNULL
    started = await asyncio.create_subprocess_exec(*command, stderr=null)
    return 0 == await asyncio.wait_for(started.wait(), PATIENCE)


async def test_a_long_start_is_no_restart_and_nothing_but_the_gate_reaches_tomcat(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        (pod,) = stack.enter_context(pods(1))
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)))
        compiling = asyncio.create_task(compiled(tmp_path / "tomcat"))
        ingress = Ingress(tmp_path)
        ingress.lead_to(pod.address)
        _ = await stack.enter_async_context(process(*ingress.command(), log=tmp_path / "nginx.log"))
        running = await stack.enter_async_context(gate(pod, written(tmp_path / "gate", pod, {})))
        probes = f"http://{pod.address}:9090"

        # The gate is up before Tomcat listens at all, and says so; the product's own probe says the truth.
        await until(http, f"{probes}/readyz", 200)
        assert (503, 200) == ((await asked(http, f"{probes}/upstream-status"))[0],
                              (await asked(http, f"{probes}/healthz"))[0])  # fmt: skip

        await compiling
        server = await stack.enter_async_context(tomcat(pod, tmp_path / "tomcat"))
        async with asyncio.timeout(PATIENCE):
            while "STARTING" not in (await asked(http, f"{probes}/upstream-status"))[1]:
                assert server.returncode is None, (tmp_path / "tomcat/tomcat.log").read_text("utf-8")
                await asyncio.sleep(0.1)
        await until(http, f"{ingress.url}/jira/browse/KEY-1", 503, holding="Jira is starting", **PAGE)
        # The ten minutes, shortened: a kubelet's probes of the gate hold all along, and people see what is going on.
        for _ in range(10):
            assert 503 == (await asked(http, f"{ingress.url}/jira/browse/KEY-1", **PAGE))[0]
            assert [200, 200, 503] == [
                (await asked(http, probes + path))[0] for path in ("/healthz", "/readyz", "/upstream-status")
            ]
        (tmp_path / "tomcat/up").touch()
        await until(http, f"{probes}/upstream-status", 200)
        assert "user null" == await until(http, f"{ingress.url}/jira/x", 200, **PAGE, **{"X-Lychgate-User": "admin"})

        # Tomcat is there, and only within.
        assert await reaches(pod, "127.0.0.1", 8081)
        for port, open_ in ((8081, False), (8080, True), (9090, True)):
            status, _ = await asked(http, f"http://{pod.address}:{port}/jira/status", **HOST)
            assert open_ == (status != 0), port
        assert running.returncode is None
