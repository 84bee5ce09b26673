"""A real nginx and a real Tomcat on loopback, as applications: Debian packages, configured here, ended with a test."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.web.rig import free_port

TOMCAT = Path("/usr/share/tomcat10")
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
JAVAC = shutil.which("javac")
PATIENCE = 60.0

# As Jira's own server.xml has it: what a path and a query may hold beyond RFC 3986, and one charset for both.
SERVER_XML = """<?xml version="1.0"?>
<Server port="-1">
  <Service name="Catalina">
    <Connector address="127.0.0.1" port="{port}" maxHttpHeaderSize="8192" useBodyEncodingForURI="true"
      relaxedPathChars="[]|" relaxedQueryChars="[]|{{}}^&#x5c;&#x60;&quot;&lt;&gt;" maxKeepAliveRequests="-1" />
    <Engine name="Catalina" defaultHost="localhost">
      <Host name="localhost" appBase="webapps" autoDeploy="false"/>
    </Engine>
  </Service>
</Server>
"""

WEB_XML = """<?xml version="1.0" encoding="UTF-8"?>
<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0" metadata-complete="true">
  <servlet><servlet-name>echo</servlet-name><servlet-class>Echo</servlet-class></servlet>
  <servlet-mapping><servlet-name>echo</servlet-name><url-pattern>/echo/*</url-pattern></servlet-mapping>
</web-app>
"""

ECHO_JAVA = """
import jakarta.servlet.http.*;
import java.io.*;
import java.util.*;

public class Echo extends HttpServlet {
    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        StringBuilder said = new StringBuilder();
        said.append(request.getMethod()).append(' ').append(request.getRequestURI());
        said.append(" ?").append(request.getQueryString()).append('\\n');
        for (String name : Collections.list(request.getHeaderNames()))
            if (name.toLowerCase().startsWith("x-test"))
                said.append(name).append(": ").append(Collections.list(request.getHeaders(name))).append('\\n');
        long size = 0, sum = 0;
        InputStream body = request.getInputStream();
        for (int next = body.read(); next >= 0; next = body.read()) { size++; sum += next; }
        said.append(size).append(' ').append(sum).append('\\n');
        String status = request.getHeader("X-Status");
        if (status != null) response.setStatus(Integer.parseInt(status));
        for (String field : Collections.list(request.getHeaders("X-Answer")))
            response.addHeader(field.split("=", 2)[0], field.split("=", 2)[1]);
        byte[] answer = said.toString().getBytes("ISO-8859-1");
        response.setContentType("text/plain;charset=ISO-8859-1");
        if (request.getHeader("X-Chunked") == null) response.setContentLength(answer.length);
        else response.flushBuffer();
        response.getOutputStream().write(answer);
    }
}
"""

NGINX_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain; etag on; charset utf-8;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
  uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{
    listen 127.0.0.1:{port}; server_name _;
    location / {{
      root {folder}/www; add_header X-Many one; add_header X-Many two; add_header Set-Cookie "a=b; Path=/";
    }}
    location /moved {{ return 302 /target?x=1#y; }}
    location /nothing {{ return 204; }}
    location /gone {{ return 410 "gone for good"; }}
    location /closed {{ keepalive_timeout 0; root {folder}/www; try_files /some.txt =404; }}
    location /gzip {{ gzip on; gzip_min_length 1; gzip_types text/plain; root {folder}/www; try_files /big.txt =404; }}
  }}
}}
"""


@asynccontextmanager
async def tomcat(folder: Path) -> AsyncIterator[int]:
    """A Tomcat with an echo servlet at /echo and a file at /file.txt; its port."""
    port, base = free_port(), folder / "tomcat"
    classes = base / "webapps/ROOT/WEB-INF/classes"
    for path in (base / "conf", base / "logs", base / "temp", base / "work", classes):
        path.mkdir(parents=True)
    (base / "conf/server.xml").write_text(SERVER_XML.format(port=port), encoding="ascii")
    shutil.copy("/etc/tomcat10/web.xml", base / "conf/web.xml")
    (base / "webapps/ROOT/WEB-INF/web.xml").write_text(WEB_XML, encoding="ascii")
    (base / "webapps/ROOT/file.txt").write_text("a file\n" * 100, encoding="ascii")
    source = folder / "Echo.java"
    source.write_text(ECHO_JAVA, encoding="ascii")
    await _run("javac", "-cp", str(TOMCAT / "lib/servlet-api.jar"), "-d", str(classes), str(source))
    jars = f"{TOMCAT}/bin/bootstrap.jar:{TOMCAT}/bin/tomcat-juli.jar"
    options = (f"-Dcatalina.home={TOMCAT}", f"-Dcatalina.base={base}", f"-Djava.io.tmpdir={base}/temp", "-Xmx256m")
    async with running_process(port, "java", "-cp", jars, *options, "org.apache.catalina.startup.Bootstrap", "start"):
        yield port


@asynccontextmanager
async def nginx(folder: Path) -> AsyncIterator[int]:
    """An nginx that serves a few files and answers; its port."""
    port, base = free_port(), folder / "nginx"
    (base / "www/folder").mkdir(parents=True)
    (base / "www/some.txt").write_text("some text\n", encoding="ascii")
    (base / "www/big.txt").write_text("0123456789abcdef" * 20_000, encoding="ascii")
    (base / "www/empty.txt").touch()
    (base / "www/f\xe4hre.txt").write_text("ferry\n", encoding="ascii")
    conf = base / "nginx.conf"
    conf.write_text(NGINX_CONF.format(folder=base, port=port), encoding="utf-8")
    base.chmod(0o755)
    async with running_process(port, NGINX or "nginx", "-p", str(base), "-c", str(conf), "-e", str(base / "error.log")):
        yield port


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    assert 0 == await process.wait(), command


@asynccontextmanager
async def running_process(port: int, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server that listens on *port*, until the end."""
    null = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=null, stderr=null)
    try:
        async with asyncio.timeout(PATIENCE):
            await _answers(port, process)
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            await process.wait()


async def _answers(port: int, process: asyncio.subprocess.Process) -> None:
    for _ in range(1000):
        assert process.returncode is None, "the server ended at once"
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.write(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        await reader.read()
        writer.close()
        return
