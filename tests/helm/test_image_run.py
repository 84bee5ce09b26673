"""The built image, unpacked: started on a read-only root as its own user, it signs somebody in, and ends when told.

    IMAGE_ROOT=… TRIAL_ROOT=… python -m pytest tests/helm/test_image_run.py

with the folders that tests/helm/build_image.py names, as root. A mount namespace and `chroot` stand in for a
container's runtime.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import time
from pathlib import Path

import aiohttp
import pytest

from sidecar.demo.cast import CUSTOMERS, STAFF, furnish, people
from sidecar.demo.jira import JiraConfig, JiraState, SsoConfig, serve_jira
from sidecar.demo.provider import Client, Provider, serve_provider
from sidecar.demo.run import CONFIG
from sidecar.demo.trial import steps
from tests.e2e.journeys import free_port
from tests.helm.namespaces import PATIENCE, process
from tests.helm.rendering import ROOT

pytestmark = pytest.mark.outside

IMAGE = os.environ.get("IMAGE_ROOT")
TRIAL = os.environ.get("TRIAL_ROOT")
# A runtime makes the folders on which it mounts something.
RUN = """
set -e
mkdir -p "$ROOT/etc/lychgate" "$ROOT/proc"
mount --bind "$ROOT" "$ROOT"
mount -o remount,bind,ro "$ROOT"
mount -t proc proc "$ROOT/proc"
if [ -n "$FOLDER" ]; then
    mount --bind "$FOLDER/config" "$ROOT/etc/lychgate"
    mount -o remount,bind,ro "$ROOT/etc/lychgate"
    mount --bind "$FOLDER/state" "$ROOT/var/lib/lychgate"
fi
mount -t tmpfs -o mode=1777 tmpfs "$ROOT/tmp"
exec /usr/bin/env -i PATH=/opt/lychgate/bin \\
    /usr/sbin/chroot --userspec=10001:10001 --groups= "$ROOT" "$@"
"""
GATE = ("/opt/lychgate/bin/lychgate",)
PYTHON = ("/opt/lychgate/bin/python", "-c")
CANNOT = "import os, pathlib; assert os.getuid() == 10001; pathlib.Path('/opt/lychgate/x').touch()"
DRAIN = 2


def within(folder: Path | None, *command: str, root: str | None = IMAGE) -> tuple[str, ...]:
    """The command in the image, with configuration and state of *folder*, or with none."""
    places = (f"ROOT={root}", f"FOLDER={folder or ''}")
    return ("env", *places, "unshare", "--mount", "sh", "-c", RUN, "sh", *command)


def of_dockerfile(word: str, stage: str) -> list[str]:
    """The command that a stage names after *word*."""
    text = (ROOT / "Dockerfile").read_text("utf-8").partition(f" AS {stage}\n")[2].partition(f"{word} [")[2]
    command: list[str] = json.loads("[" + text.partition("\n")[0])
    return command


def written(folder: Path, values: dict[str, str], **places: object) -> None:
    """Configuration and secrets, and an empty state."""
    text = CONFIG.format(folder="/etc/lychgate", **places).replace(
        "state: file:///etc/lychgate/state", "state: file:///var/lib/lychgate"
    )
    text = text.replace('operations: "127.0.0.1:0"', f'drain: "{DRAIN}s", operations: "127.0.0.1:{places["probes"]}"')
    for name in ("config", "state"):
        (folder / name).mkdir()
        os.chown(folder / name, 10001, 10001)
    project(folder / "config", {**values, "lychgate.yaml": text})


def project(folder: Path, values: dict[str, str]) -> None:
    """As a cluster mounts them and changes them: a folder for the group of the pod to read, behind a link that is
    turned."""
    held = folder / f"..{secrets.token_hex(4)}"
    held.mkdir(0o755)
    for name, value in values.items():
        (held / name).write_text(value, "utf-8")
        os.chown(held / name, 0, 10001)
        (held / name).chmod(0o440)
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data_tmp").symlink_to(held.name)
    (folder / "..data_tmp").rename(folder / "..data")


async def until_told(log: Path, code: str) -> None:
    """Wait until the audit trail on standard output tells it."""
    async with asyncio.timeout(PATIENCE):
        while code not in log.read_text("utf-8"):  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.5)


async def ready(url: str) -> None:
    async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE):
        while True:
            try:
                async with http.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)


async def health(folder: Path, port: int, log: Path) -> int | None:
    """What the image's own check of its health says of a gate with its probes at *port*."""
    command = [word.replace("9090", str(port)) for word in of_dockerfile("CMD", "gate")]
    assert str(port) in command[-1]
    async with process(*within(folder, *command), log=log) as checking:
        return await checking.wait()


@pytest.mark.skipif(TRIAL is None, reason="TRIAL_ROOT names no unpacked image")
async def test_the_image_of_the_trial_walks_its_sign_in_with_nothing_but_a_folder_for_passing_things(
    tmp_path: Path,
) -> None:
    command = of_dockerfile("ENTRYPOINT", "trial")
    async with process(*within(None, *command, root=TRIAL), log=tmp_path / "log") as walking:
        code = await asyncio.wait_for(walking.wait(), PATIENCE)
    assert 0 == code, (tmp_path / "log").read_text("utf-8")


@pytest.mark.skipif(IMAGE is None, reason="IMAGE_ROOT names no unpacked image")
async def test_the_image_signs_somebody_in_on_a_read_only_root_and_ends_when_told(tmp_path: Path) -> None:
    port, landing, probes = free_port(), free_port(), free_port()
    url = f"http://localhost:{port}"
    known = JiraState.sample()
    names = ("cookie-key", "staff-secret", "customers-secret", "landing-secret")
    kept = {name: secrets.token_urlsafe(48) for name in names} | {"jira-token": furnish(known)}
    sso = SsoConfig(f"http://127.0.0.1:{landing}/jira", "lychgate", kept["landing-secret"])

    def client(name: str) -> Client:
        return Client(
            client_id="lychgate",
            secret=kept[f"{name}-secret"],
            redirect_uris=(f"{url}/.lychgate/callback/{name}",),
            post_logout_redirect_uris=(f"{url}/.lychgate/signed-out",),
        )

    provider = Provider(people(STAFF), [client("staff")])
    async with (
        serve_provider(provider) as staff,
        serve_provider(Provider(people(CUSTOMERS), [client("customers")])) as customers,
        serve_jira(known, JiraConfig(base_url=url, sso=sso)) as jira,
    ):
        written(
            tmp_path, kept, port=port, landing=landing, url=url, upstream=jira.origin, staff=staff.issuer,
            customers=customers.issuer, probes=probes,
        )  # fmt: skip
        tmp_path.chmod(0o755)
        log = tmp_path / "log"
        async with process(*within(tmp_path, *PYTHON, CANNOT), log=log) as writing:
            assert 0 != await writing.wait()
        assert "Read-only file system" in log.read_text("utf-8")
        init = (*GATE, "ledger", "init", "-c", "/etc/lychgate/lychgate.yaml")
        async with process(*within(tmp_path, *init), log=log) as declaring:
            assert 0 == await declaring.wait(), log.read_text("utf-8")

        serve = (*GATE, "serve", "-c", "/etc/lychgate/lychgate.yaml")
        began = time.monotonic()
        async with process(*within(tmp_path, *serve), log=log) as gate:
            await ready(f"http://127.0.0.1:{probes}/readyz")
            started = time.monotonic() - began
            assert 4 == len([step async for step in steps(url)])
            # As `kubectl exec` would.
            async with process(*within(tmp_path, *GATE, "status"), log=log) as asking:
                assert 0 == await asking.wait(), log.read_text("utf-8")
            # A changed secret is followed: the provider takes the new one only.
            kept["staff-secret"] = secrets.token_urlsafe(48)
            provider.clients["lychgate"] = client("staff")
            project(tmp_path / "config", {**kept, "lychgate.yaml": (tmp_path / "config/lychgate.yaml").read_text()})
            await until_told(log, "secrets.renewed")
            assert 4 == len([step async for step in steps(url)])
            assert [0, 1] == [await health(tmp_path, at, log) for at in (probes, free_port())]
            gate.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            code = await asyncio.wait_for(gate.wait(), DRAIN + 30)
            took = time.monotonic() - asked
        assert 0 == code, log.read_text("utf-8")
    print(f"ready after {started:.1f} s; ended {took:.1f} s after SIGTERM")  # noqa: T201
