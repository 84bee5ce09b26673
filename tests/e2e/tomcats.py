"""Three real Tomcats as the nodes of one application, with sessions and temporary uploads of their own: a servlet that
believes the gate's header and its proof, and keeps what was uploaded in the HTTP session. Used by `test_real_nodes`."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.e2e.servers import SERVER_XML, TOMCAT, running_process
from tests.web.rig import SHARED

WEB_XML = """<?xml version="1.0" encoding="UTF-8"?>
<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0" metadata-complete="true">
  <servlet><servlet-name>node</servlet-name><servlet-class>Node</servlet-class></servlet>
  <servlet-mapping><servlet-name>node</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
</web-app>
"""

NODE_JAVA = """
import jakarta.servlet.http.*;
import java.io.*;
public class Node extends HttpServlet {
    private static volatile String state = "RUNNING";
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        response.setHeader("X-ANODEID", System.getProperty("node"));
        if (request.getServletPath().equals("/drain")) state = "MAINTENANCE";
        if (request.getServletPath().equals("/status") || request.getServletPath().equals("/drain")) {
            response.setContentType("application/json");
            response.getWriter().print("{\\"state\\": \\"" + state + "\\"}");
            return;
        }
        // As the free receivers do: the session's first user stays, whatever the header says later.
        HttpSession session = request.getSession(true);
        String name = request.getHeader("X-Lychgate-User");
        boolean proved = "SHARED".equals(request.getHeader("X-Lychgate-Secret"));
        if (session.getAttribute("user") == null && proved) session.setAttribute("user", name);
        Object user = session.getAttribute("user");
        response.setHeader("X-AUSERNAME", user == null ? "anonymous" : user.toString());
        if (request.getMethod().equals("POST")) {
            session.setAttribute("upload", new String(request.getInputStream().readAllBytes(), "ISO-8859-1"));
        }
        Object upload = session.getAttribute("upload");
        if (upload == null) response.setStatus(404);
        response.setContentType("text/plain;charset=ISO-8859-1");
        response.getWriter().print(user + " " + upload);
    }
}
""".replace("SHARED", SHARED)


@asynccontextmanager
async def tomcats(folder: Path, ports: dict[str, int]) -> AsyncIterator[dict[str, asyncio.subprocess.Process]]:
    """Nodes of these names at these ports, started side by side; gives their processes."""
    classes = folder / "classes"
    classes.mkdir(parents=True)
    (folder / "Node.java").write_text(NODE_JAVA, encoding="ascii")
    command = ("javac", "-cp", str(TOMCAT / "lib/servlet-api.jar"), "-d", str(classes), str(folder / "Node.java"))
    assert 0 == await (await asyncio.create_subprocess_exec(*command)).wait()
    async with AsyncExitStack() as stack:
        starts = [stack.enter_async_context(_node(folder, name, port, classes)) for name, port in ports.items()]
        yield dict(zip(ports, [await start for start in starts], strict=True))


@asynccontextmanager
async def _node(folder: Path, name: str, port: int, classes: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    base = folder / name
    for path in (base / "conf", base / "logs", base / "temp", base / "work", base / "webapps/ROOT/WEB-INF"):
        path.mkdir(parents=True)
    (base / "conf/server.xml").write_text(SERVER_XML.format(port=port), encoding="ascii")
    shutil.copy("/etc/tomcat10/web.xml", base / "conf/web.xml")
    (base / "webapps/ROOT/WEB-INF/web.xml").write_text(WEB_XML, encoding="ascii")
    shutil.copytree(classes, base / "webapps/ROOT/WEB-INF/classes")
    jars = f"{TOMCAT}/bin/bootstrap.jar:{TOMCAT}/bin/tomcat-juli.jar"
    options = (
        f"-Dcatalina.home={TOMCAT}", f"-Dcatalina.base={base}", f"-Djava.io.tmpdir={base}/temp", f"-Dnode={name}",
        "-Xmx96m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
    )  # fmt: skip
    start = ("java", "-cp", jars, *options, "org.apache.catalina.startup.Bootstrap", "start")
    async with running_process(port, *start) as process:
        yield process
