"""The image built where there is no registry: on a base that Debian's packages make, by buildah without a daemon.

    apt install buildah debootstrap qemu-user-static binfmt-support
    python -m tests.helm.build_image /var/tmp/image arm64

As root. It prints what was made and where it lies; tests/helm/test_image_run.py starts it. Another architecture than
this machine's is emulated. What is there already is made anew, but for the base.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.helm.rendering import ROOT

OURS = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
PACKAGES = "python3,python3-venv,ca-certificates"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
TARGETS = ("gate", "trial", "inventory")


def told(*command: str) -> str:
    """What a command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def mirror() -> str:
    """Where this machine has its own packages from."""
    lists = [*Path("/etc/apt").glob("sources.list.d/*"), Path("/etc/apt/sources.list")]
    texts = [path.read_text("utf-8") for path in lists if path.is_file()]
    return next(found[0] for text in texts if (found := re.findall(r"https?://\S+/debian/?(?=\s)", text)))


def base(folder: Path, architecture: str) -> Path:
    """The least Debian with Python; pip in it asks whom pip asks here."""
    place = folder / f"base-{architecture}"
    if not (place / "usr/bin/python3").exists():
        shutil.rmtree(place, ignore_errors=True)
        release = platform.freedesktop_os_release()["VERSION_CODENAME"]
        command = ("debootstrap", f"--arch={architecture}", "--variant=minbase", f"--include={PACKAGES}")
        with (folder / f"base-{architecture}.log").open("w") as log:
            subprocess.run([*command, release, str(place), mirror()], stdout=log, check=True)
        shutil.copy(f"/{AUTHORITIES}", place / AUTHORITIES)
        lines = [line.partition(".")[2] for line in told(sys.executable, "-m", "pip", "config", "list").splitlines()
                 if line.startswith(("global.", "user."))]  # fmt: skip
        (place / "etc/pip.conf").write_text("\n".join(["[global]", *(line.replace("'", "") for line in lines), ""]))
    return place


def build(folder: Path, architecture: str) -> dict[str, Path]:
    """The images by target, each as the folder in which it is unpacked."""
    buildah = ("buildah", "--root", f"{folder}/storage", "--runroot", f"{folder}/run", "--storage-driver", "overlay")
    container = told(*buildah, "from", "--arch", architecture, "scratch")
    told(*buildah, "add", container, str(base(folder, architecture)), "/")
    told(*buildah, "commit", "--rm", container, f"base:{architecture}")
    found = {}
    for target in TARGETS:
        name = f"{target}:{architecture}"
        with (folder / f"{target}-{architecture}.log").open("w") as log:
            subprocess.run(
                [*buildah, "bud", "--isolation", "chroot", "--format", "docker", "--layers", "--pull-never",
                 "--platform", f"linux/{architecture}", "--build-arg", f"BASE=localhost/base:{architecture}",
                 "--build-arg", f"TARGETARCH={architecture}",
                 "--build-arg", f"REVISION={told('git', '-C', str(ROOT), 'rev-parse', 'HEAD')}",
                 "--target", target, "--tag", name, str(ROOT)],
                stdout=log, stderr=log, check=True,
            )  # fmt: skip
        found[target] = Path(told(*buildah, "mount", told(*buildah, "from", "--pull-never", f"localhost/{name}")))
    return found


def sizes(place: Path) -> tuple[float, float]:
    """Unpacked, and as it travels, in MB."""
    unpacked = int(told("du", "--bytes", "--summarize", str(place)).split()[0])
    with tempfile.TemporaryFile() as file:
        subprocess.run(["tar", "-C", str(place), "-cz", "."], stdout=file, check=True)
        packed = file.tell()
    return unpacked / 1e6, packed / 1e6


def main() -> int:
    """Build, and say what came of it."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for architecture in sys.argv[2:] or [OURS]:
        for target, place in build(folder, architecture).items():
            unpacked, packed = sizes(place)
            sys.stdout.write(f"{architecture} {target}: {unpacked:.0f} MB, compressed {packed:.0f} MB: {place}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
