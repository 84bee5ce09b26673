"""docs/providers: every preset has a page, and what it tells to write loads as part of a whole configuration."""

from __future__ import annotations

import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from sidecar.adapters.oidc.assertion import read_client_key
from sidecar.adapters.oidc.presets import PRESETS
from sidecar.config.load import load

FOLDER = Path(__file__).parents[2] / "docs" / "providers"
CLIENTS = (FOLDER / "client-authentication.md").read_text("utf-8")
OTHERS = ("README", "shapes", "client-authentication")
PAGES = {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.md") if path.stem not in OTHERS}

AROUND = """
version: 1
state: file:///var/lib/lychgate
cookie_keys: [env://PAGES_COOKIE_KEY]
applications:
  jira:
    product: jira
    url: https://jira.example.com
    upstream: http://127.0.0.1:8081
    landing: {header: X-Lychgate-User, proof: assertion}
    accounts: {token: env://PAGES_TOKEN}
portals:
  agents: {application: jira, default: true, provider: NAME, require: {any_group: [jira-users]}}
"""


class Part(NamedTuple):
    page: str
    number: int
    text: str


def _parts(stem: str, page: str, language: str = "yaml") -> list[Part]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [Part(stem, number, text) for number, text in enumerate(found)]


PARTS = [part for stem, page in sorted(PAGES.items()) for part in _parts(stem, page)]


def test_every_preset_has_a_page_and_a_line_in_the_index() -> None:
    index = (FOLDER / "README.md").read_text("utf-8")
    assert set(PRESETS) == set(PAGES)
    assert [] == [name for name in PRESETS if f"]({name}.md) | `{name}` |" not in index]
    assert set(PRESETS) == {next(iter(_providers(part).values())).get("preset", "generic") for part in PARTS}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.page}-{part.number}")
def test_what_the_page_tells_to_write_loads(part: Part, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (name,) = _providers(part)
    for key in ("COOKIE_KEY", "SECRET", "TOKEN"):
        monkeypatch.setenv(f"PAGES_{key}", secrets.token_urlsafe(48))
    path = tmp_path / "lychgate.yaml"
    text = re.sub(r"file:///run/secrets/[a-z0-9]+", "env://PAGES_SECRET", part.text)
    path.write_text(AROUND.replace("NAME", name) + text, "utf-8")
    warned = {fault.path for fault in load(path).warnings}
    # Google has no groups to ask for, and its page says so.
    assert warned == ({"providers.google.groups_claim"} if name == "google" else set())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """What the commands for keys leave, and what they say."""
    if shutil.which("openssl") is None or shutil.which("basenc") is None:
        pytest.skip("needs openssl and basenc")
    folder = tmp_path_factory.mktemp("keys")
    said = ""
    for part in _parts("client-authentication", CLIENTS, "sh"):
        command = ["sh", "-ec", part.text]
        said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return folder, said.strip()


def test_the_commands_make_a_key_that_can_be_used(made: tuple[Path, str]) -> None:
    folder, thumbprint = made
    key = read_client_key((folder / "client-key.pem").read_text("ascii"), None, thumbprint)
    assert ("RS256", 27, 0o400) == (key.algorithm, len(thumbprint), (folder / "client-key.pem").stat().st_mode & 0o777)
    assert "PUBLIC KEY" in (folder / "client-key-public.pem").read_text("ascii")


@pytest.mark.parametrize("part", _parts("client-authentication", CLIENTS), ids=lambda part: str(part.number))
def test_what_is_said_of_clients_loads(
    part: Part, made: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name,) = _providers(part)
    for key in ("COOKIE_KEY", "SECRET", "TOKEN"):
        monkeypatch.setenv(f"PAGES_{key}", secrets.token_urlsafe(48))
    text = part.text.replace("file:///run/secrets/client-key", f"file://{made[0]}/client-key.pem")
    path = tmp_path / "lychgate.yaml"
    path.write_text(AROUND.replace("NAME", name) + text.replace("file:///run/secrets/google", "env://PAGES_SECRET"))
    assert load(path).policy.providers[name]


@pytest.mark.parametrize("stem", PAGES)
def test_a_page_says_all_that_its_reader_needs(stem: str) -> None:
    page = PAGES[stem]
    headings = ["What to click there", "Addresses to register", "What to write here", "What groups look like"]
    assert [*headings, "Limits", "Not confirmed"] == re.findall(r"^## (.+)$", page, re.MULTILINE)
    (name,) = {name for part in PARTS if part.page == stem for name in _providers(part)}
    assert f"`<url>/.lychgate/callback/{name}`" in page
    assert "`<url>/.lychgate/signed-out`" in page


def _providers(part: Part) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = yaml.safe_load(part.text)["providers"]
    return found
