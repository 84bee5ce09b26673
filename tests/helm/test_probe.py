"""`helm test`: the probe of the chart against a gate that runs, and against something that is none; the trial."""

from __future__ import annotations

import asyncio
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from sidecar.demo.run import running_demo
from tests.helm.rendering import CHART, objects

DOOR = {"path": "", "https": False, "enforced": True}


async def probed(public: str, operations: str, doors: list[dict[str, object]]) -> tuple[int | None, str]:
    """What the pod's container would do, word for word."""
    (container,) = objects({})["Pod", "gate-lychgate-test"]["spec"]["containers"]
    python, option, script = *container["command"], container["args"][0]
    assert ("python", "-c") == (python, option)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, public, operations, json.dumps(doors), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, said.decode()


class Open(BaseHTTPRequestHandler):
    """Lets everybody in who says who they are."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"welcome")

    def log_message(self, *_: object) -> None:
        pass


async def test_the_probe_of_a_gate_that_is_well() -> None:
    async with running_demo(0) as demo:
        host = demo.url.removeprefix("http://")
        code, said = await probed(
            host.replace("localhost", "127.0.0.1"), f"127.0.0.1:{demo.gate.operations}", [{**DOOR, "host": host}]
        )
    assert (0, True) == (code, "a program without a session: 401" in said and "a page without a session: 30" in said)


async def test_the_probe_of_something_that_lets_everybody_in() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Open)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        address = f"127.0.0.1:{server.server_port}"
        code, said = await probed(address, address, [{**DOOR, "host": "jira.example.com"}])
        observed, _ = await probed(address, address, [{**DOOR, "host": "jira.example.com", "enforced": False}])
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
    assert (1, 1) == (code, observed)
    assert {"gets 200, not 401", "no forged header was taken off"} <= {
        word for word in ("gets 200, not 401", "no forged header was taken off") if word in said
    }


def test_the_doors_are_those_of_the_configuration() -> None:
    (container,) = objects({"config": {"portals": {"staff": {"mode": "observe"}}}})["Pod", "gate-lychgate-test"][
        "spec"
    ]["containers"]
    assert [{"host": "jira.example.com", "path": "", "https": True, "enforced": False}] == json.loads(
        container["args"][3]
    )
    assert ["gate-lychgate:80", "gate-lychgate-operations:9090"] == container["args"][1:3]


def test_a_whole_sign_in_is_walked_in_an_image_of_its_own_with_nothing_of_the_release() -> None:
    values = {"tests": {"signIn": {"enabled": True, "image": "registry.example.com/trial:1"}}}
    spec = objects(values)["Pod", "gate-lychgate-test-sign-in"]["spec"]
    (container,) = spec["containers"]
    assert "registry.example.com/trial:1" == container["image"]
    assert ["tmp"] == [volume["name"] for volume in spec["volumes"]]
    assert not {"env", "envFrom", "args", "command"} & set(container)
    dockerfile = (CHART.parent.parent / "Dockerfile").read_text("utf-8")
    assert 'ENTRYPOINT ["/opt/lychgate/bin/python", "-m", "sidecar.demo.trial"]' in dockerfile
