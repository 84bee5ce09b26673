"""The docs: every word of the program is named in them, and what they show is true.

Generated pages are compared with their sources elsewhere (`tests/config/test_reference.py`, `tests/web/test_texts.py`).
"""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import aiohttp
import click
import pytest
import yaml
from pydantic import BaseModel, RootModel

from sidecar.adapters.accounts.settings import AccountSettings, GroupSettings, HookSettings
from sidecar.adapters.accounts.webhook import sign
from sidecar.adapters.audit.settings import AuditSettings
from sidecar.adapters.landing.header import AssertionProof, signing_keys
from sidecar.adapters.landing.settings import LandingSettings
from sidecar.adapters.oidc.settings import ProviderSettings
from sidecar.adapters.state.settings import PostgresSettings
from sidecar.app import Running, running
from sidecar.cli import main
from sidecar.config.load import load
from sidecar.config.model_application import ApiSettings
from sidecar.config.model_portal import PortalSettings
from sidecar.config.model_tracing import TracingSettings
from sidecar.config.model_upstream import UpstreamSettings
from sidecar.domain.catalogue import FACTS
from sidecar.domain.events import Code
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.web.doors import Doors
from sidecar.web.own import OwnEndpoints

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "sidecar"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_SECRET = re.compile(r"file:///run/secrets/([a-z-]+(?:/[a-z-]+)?)")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"


def _blocks(*languages: str) -> list[Block]:
    found = []
    for path in PAGES:
        text = path.read_text("utf-8")
        for match in _FENCE.finditer(text):
            if match[1] in languages:
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(str(path.relative_to(ROOT)), line, match[1], match[2]))
    return found


def _section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of any depth."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, heading
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _rows(text: str) -> list[list[str]]:
    """The cells of the rows whose first cell is code."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def _code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def _is_whole(block: Block) -> bool:
    return re.search(r"^version:", block.text, re.MULTILINE) is not None


YAML = _blocks("yaml")
WHOLE = [block for block in YAML if _is_whole(block)]
PARTS: dict[str, type[BaseModel]] = {
    "accounts": AccountSettings,
    "api": ApiSettings,
    "landing": LandingSettings,
    "groups": GroupSettings,
    "hooks": HookSettings,
    "upstream": UpstreamSettings,
    "portals": RootModel[dict[str, PortalSettings]],
    "providers": RootModel[dict[str, ProviderSettings]],
    "audit": AuditSettings,
    "postgresql": PostgresSettings,
    "tracing": TracingSettings,
}


@pytest.mark.parametrize("block", WHOLE, ids=lambda block: block.name)
def test_a_whole_configuration_loads(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def put(match: re.Match[str]) -> str:
        name = f"DOCS_{re.sub('[-/]', '_', match[1]).upper()}"
        monkeypatch.setenv(name, secrets.token_urlsafe(48))
        return f"env://{name}"

    path = tmp_path / "lychgate.yaml"
    path.write_text(_SECRET.sub(put, block.text), "utf-8")

    assert load(path).policy.hash


def test_the_first_hour_shows_whole_configurations() -> None:
    assert 2 <= sum(block.page == "docs/getting-started.md" for block in WHOLE)


@pytest.mark.parametrize("block", [b for b in YAML if not _is_whole(b)], ids=lambda block: block.name)
def test_a_part_of_a_configuration_fits_its_model(block: Block) -> None:
    data = yaml.safe_load(block.text)
    if "apiVersion" in data or "image" in data:
        return
    (key,) = data
    assert PARTS[key].model_validate(data[key]).model_fields_set


@pytest.mark.parametrize("block", _blocks("python"), ids=lambda block: block.name)
def test_a_python_example_runs(block: Block) -> None:
    exec(compile(block.text, block.name, "exec"), {"__name__": "example"})  # noqa: S102


def _function(page: str, name: str) -> Any:
    space: dict[str, Any] = {"__name__": "example"}
    for block in _blocks("python"):
        if block.page == page and f"def {name}(" in block.text:
            exec(compile(block.text, block.name, "exec"), space)  # noqa: S102
    return space[name]


def test_the_webhook_example_knows_our_signature() -> None:
    check = _function("docs/accounts.md", "is_from_lychgate")
    secret, body = b"k" * 32, b'{"version":1}'
    signature = sign(secret, "1000", body)

    assert check(secret, "1000", signature, body, now=1100) is True
    assert check(secret, "1000", signature, body, now=2000) is False
    assert check(secret, "1001", signature, body, now=1100) is False
    assert check(secret, "1000", signature, body + b" ", now=1100) is False
    assert check(b"j" * 32, "1000", signature, body, now=1100) is False
    assert check(secret, "now", signature, body, now=1100) is False


def _session(now: UnixSeconds) -> Session:
    person = Person("https://id.example.com", "00u1")
    return Session(
        key="0" * 64,
        application="jira",
        portal="staff",
        identity=Identity(person=person, provider="okta", claims={}, groups=None),
        created_at=now,
        ends_at=UnixSeconds(now + 60),
        checked_at=now,
        form_token="form",
    )


def test_the_receiver_example_knows_our_assertion() -> None:
    check = _function("docs/landing.md", "proved")
    url, now = "https://jira.example.com", UnixSeconds(1_800_000_000)
    keys = signing_keys(("a" * 32,), "jira")
    proof = AssertionProof(header="X", issuer=f"{url}/.lychgate", audience=url, private=keys)
    session = _session(now)
    token = proof.fields("ada", session, now)[0][1].decode()
    other = AssertionProof(header="X", issuer="i", audience="a", private=signing_keys(("a" * 32,), "wiki"))

    assert check("ada", token, proof.keys(), url=url, now=now) is True
    assert check("bob", token, proof.keys(), url=url, now=now) is False
    assert check("ada", token, proof.keys(), url="https://wiki.example.com", now=now) is False
    assert check("ada", token, proof.keys(), url=url, now=now + 600) is False
    assert check("ada", token, other.keys(), url=url, now=now) is False
    assert check("ada", "x.y.z", proof.keys(), url=url, now=now) is False


def _anchors(page: Path) -> set[str]:
    """As common renderers make them of the headings."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    missing = []
    for link in _LINK.findall(_FENCE.sub("", page.read_text("utf-8"))):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            missing.append(link)

    assert [] == missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_of_ours_that_is_named_exists(page: Path) -> None:
    named = {word for word in _code(page.read_text("utf-8")) if re.fullmatch(r"(sidecar|tests)(/[\w.-]+)+/?", word)}

    assert [] == sorted(name for name in named if not (ROOT / name).exists())


def _commands(group: click.Group, words: tuple[str, ...] = ("lychgate",)) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from _commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(_commands(main))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_operations(name: str) -> None:
    section = _section(OPERATIONS, f"### `{name}`")
    options = {opt for param in COMMANDS[name].params if isinstance(param, click.Option) for opt in param.opts}

    assert options == {word.split()[0] for cells in _rows(section) for word in _code(cells[0])}


def test_no_other_command_is_in_operations() -> None:
    assert set(COMMANDS) == set(re.findall(r"^### `(lychgate [^`]+)`$", OPERATIONS, re.MULTILINE))


@pytest.mark.parametrize("block", _blocks("sh"), ids=lambda block: block.name)
def test_commands_that_are_shown_exist(block: Block) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for line in block.text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert words[1] in targets
        if words[:1] == ["lychgate"]:
            assert any(name.split() == words[: len(name.split())] for name in COMMANDS), line


def test_the_readme_shows_the_two_commands() -> None:
    shown = "".join(block.text for block in _blocks("sh") if block.page == "README.md")
    assert {"make demo", "make test"} <= set(shown.splitlines())


def test_every_reason_is_in_the_docs() -> None:
    page = (ROOT / "docs" / "reasons.md").read_text("utf-8")
    assert [] == [reason for reason in Reason if f"### `{reason}`" not in page]


def test_every_event_code_is_in_operations_as_told_or_as_kept_for_later() -> None:
    """A code that a module begins or ceases to tell changes its place."""
    sources = [
        path.read_text("utf-8") for path in PACKAGE.rglob("*.py") if path.name not in {"events.py", "catalogue.py"}
    ]
    told = {code.value for code in Code if any(re.search(rf"\bCode\.{code.name}\b", text) for text in sources)}
    section = _section(OPERATIONS, "### Codes")
    kept = next((line for line in section.splitlines() if "never told" in line), "")

    assert told == {word for cells in _rows(section) for word in _code(cells[0])}
    assert {code.value for code in Code} - told == set(_code(kept))


def test_every_fact_of_a_code_is_in_its_row() -> None:
    rows = {_code(cells[0])[0]: set(_code(cells[2])) for cells in _rows(_section(OPERATIONS, "### Codes"))}

    assert set(Code) == set(FACTS)
    missing = {code.value: set(facts) - rows[code.value] for code, facts in FACTS.items()}
    assert {} == {code: names for code, names in missing.items() if names}


def test_own_endpoints_are_in_operations() -> None:
    doors = Doors(*[cast("Any", None)] * 3)
    handlers = cast("Any", OwnEndpoints)(*[None] * 6, doors, None, None)._handlers
    expected = {(method, f"/.lychgate/{name}") for method, name in handlers}
    expected |= {(method, f"/.lychgate/{name}/<provider>") for method, name in doors._doors}
    expected |= {(method, "/.lychgate/callback/<provider>") for method in ("GET", "POST")}
    rows = _rows(_section(OPERATIONS, "## Own public paths"))

    assert expected == {(cells[1], _code(cells[0])[0]) for cells in rows}


CONFIG = """\
version: 1
listen: {public: "127.0.0.1:0", operations: "127.0.0.1:00"}
state: memory
cookie_keys: [env://DOCS_COOKIE_KEY]
providers:
  here: {issuer: "http://127.0.0.1:9", client_id: docs, client_authentication: none}
applications:
  jira:
    product: jira
    url: http://127.0.0.1:8999
    upstream: http://127.0.0.1:9
    landing: {header: X-Lychgate-User, proof: assertion}
portals:
  all: {application: jira, default: true, provider: here}
"""


@pytest.fixture
async def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A running gate that nobody has used."""
    monkeypatch.setenv("DOCS_COOKIE_KEY", secrets.token_urlsafe(48))
    path = tmp_path / "lychgate.yaml"
    path.write_text(CONFIG, "utf-8")
    async with running(load(path, serving=True), audit=StringIO()) as gate:
        yield gate


async def test_the_paths_of_the_operations_listener_answer(gate: Running) -> None:
    paths = [_code(cells[0])[0] for cells in _rows(_section(OPERATIONS, "## Listeners"))]

    # Nobody is where this gate's application should be.
    expected = {"/healthz": 200, "/readyz": 200, "/metrics": 200, "/upstream-status": 503}
    assert list(expected) == paths
    async with aiohttp.ClientSession() as client:
        for path in paths:
            async with client.get(f"http://127.0.0.1:{gate.operations}{path}") as answer:
                assert expected[path] == answer.status


def _mapped() -> set[str]:
    _, _, rooms = ARCHITECTURE.partition("\n## The rooms\n")
    found: set[str] = set()
    room = ""
    for line in rooms.partition("\n## ")[0].splitlines():
        if line.startswith("### "):
            room = _code(line)[0] if "/" in line else ""
        elif line.startswith("| `"):
            found.add(room + _code(line)[0])
    return found


def test_every_module_is_on_the_map() -> None:
    modules = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    expected = {re.sub(r"^(demo/\w+/).*", r"\1", module) for module in modules}

    assert expected == _mapped()


def test_the_rules_table_names_files_that_exist() -> None:
    rows = _rows_of_rules()

    assert rows
    assert [] == [name for cells in rows for name in _code(cells[2]) if not (PACKAGE / name).exists()]


def _rows_of_rules() -> list[list[str]]:
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    lines = [line for line in _section(page, "## Rules by number").splitlines() if re.match(r"\| \d", line)]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def _numbers(text: str) -> set[int]:
    spans = re.findall(r"(\d+)(?: to (\d+))?", text)
    return {number for first, last in spans for number in range(int(first), int(last or first) + 1)}


def test_every_rule_that_the_code_names_is_in_security() -> None:
    listed = set().union(*(_numbers(cells[0]) for cells in _rows_of_rules()))
    texts = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    named = [_numbers(words) for words in re.findall(r"\brules? (\d+(?:(?:, | and | to )\d+)*)\b", texts)]

    assert set() == set().union(*named) - listed
