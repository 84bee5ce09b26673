"""Three real Tomcats as nodes: an upload stays on its node, and a node that is killed moves its people only."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import require
from tests.e2e.servers import JAVAC, TOMCAT
from tests.e2e.tomcats import tomcats
from tests.web.rig import Site, free_port, world

NEEDED = "Tomcat 10 and javac (Debian: `apt install tomcat10 default-jdk`)"
UPLOAD = "/secure/upload"
Cookie = tuple[str, str]


async def test_an_upload_stays_on_its_node_and_a_killed_node_moves_its_people_only(tmp_path: Path) -> None:
    require(TOMCAT.exists() and JAVAC is not None, NEEDED)
    ports = {name: free_port() for name in ("a", "b", "c")}
    (tmp_path / "gate").mkdir()
    addresses = [f"http://127.0.0.1:{port}" for port in ports.values()]
    jira = {"upstream": {"url": addresses[0], "also": addresses[1:], "status_every": 1}}
    async with (
        tomcats(tmp_path / "tomcats", ports) as nodes,
        world(tmp_path / "gate", Site(proof="secret", upstream=addresses[0], jira=jira)) as site,
    ):
        people = [(person, number) for number in range(3) for person in ("ada", "nina")]
        cookies = {who: await site.sign_in(who[0], UPLOAD) for who in people}

        async def send(who: tuple[str, int], mark: str) -> str:
            """Upload as that person; the node."""
            body = f"{who} {mark} ".encode() + b"y" * 100_000
            answer = await site.ask("POST", UPLOAD, cookies[who], ("Content-Type", "image/png"), body=body)
            assert (200, f"{who[0]} {body.decode()}") == (answer.status, answer.text)
            return answer.header("X-ANODEID") or ""

        async def look(who: tuple[str, int], mark: str, node: str) -> None:
            answer = await site.ask("GET", UPLOAD, cookies[who])
            assert (200, node) == (answer.status, answer.header("X-ANODEID"))
            assert answer.text.startswith(f"{who[0]} {who} {mark} ")

        seats = {who: await send(who, "first") for who in people}
        while len(set(seats.values())) < 2:
            # Chance put all of them on one node.
            who = ("ada", len(seats))
            cookies[who] = await site.sign_in("ada", UPLOAD)
            seats[who] = await send(who, "first")
        for _ in range(3):
            for who, node in seats.items():
                await look(who, "first", node)
        gone = seats["ada", 0]
        nodes[gone].kill()
        await nodes[gone].wait()
        for who, node in seats.items():
            if node != gone:
                # They have noticed nothing.
                await look(who, "first", node)
                continue
            # The upload went with the node; the person did not, and not even this POST is lost.
            moved = await send(who, "second")
            assert moved != gone
            await look(who, "second", moved)
        assert [] == site.told("landing.failed") + site.told("landing.mismatch")
