"""Which changes of a configuration count while the gate runs, and which only from the next start."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.config.load import Loaded, load
from sidecar.config.settled import BUILT, CHANGEABLE, needing_restart

FILE: dict[str, Any] = {
    "version": 1,
    "state": "memory",
    "cookie_keys": ["env://KEY"],
    "providers": {
        "staff": {"issuer": "https://id.example.com", "client_id": "gate", "client_secret": "env://SECRET"},
    },
    "applications": {
        "jira": {
            "product": "jira",
            "url": "https://jira.example.com",
            "upstream": "https://jira.internal:8443",
            "landing": {"header": "X-Lychgate-User", "proof": "assertion"},
            "accounts": {"token": "env://TOKEN", "groups": {"map": [{"from": "a", "to": "b"}]}},
        }
    },
    "portals": {"staff": {"application": "jira", "default": True, "provider": "staff"}},
}
DOOR = {"application": "jira", "paths": ["/x"], "provider": "staff"}
Change = Callable[[dict[str, Any]], object]


def loaded(folder: Path, change: Change | None = None) -> Loaded:
    data = copy.deepcopy(FILE)
    if change is not None:
        change(data)
    path = folder / "lychgate.yaml"
    path.write_text(yaml.safe_dump(data), "utf-8")
    return load(path, secrets=False)


COUNTS: list[tuple[str, Change]] = [
    ("nothing", lambda file: None),
    ("a mode", lambda file: file["portals"]["staff"].update(mode="observe")),
    ("a rule", lambda file: file["portals"]["staff"].update(rules=[{"paths": ["/x/**"], "answer": "deny"}])),
    ("a portal", lambda file: file["portals"].update(door=DOOR)),
    ("proxies", lambda file: file.update(trusted_proxies=["10.0.0.0/8"])),
    ("lives", lambda file: file.update(sessions={"idle": "1h"})),
    ("a line", lambda file: file["applications"]["jira"]["accounts"]["groups"]["map"].append({"from": "c", "to": "d"})),
    ("a cap", lambda file: file["applications"]["jira"]["accounts"].update(removals_per_hour=1)),
    ("reactivation", lambda file: file["applications"]["jira"]["accounts"].update(reactivate="never")),
    ("a key", lambda file: file["cookie_keys"].append("env://OLD")),
    ("where a secret is", lambda file: file["providers"]["staff"].update(client_secret="env://NEW")),
    ("machines", lambda file: file["applications"]["jira"].update(api={"pat": "deny"})),
]  # fmt: skip

RESTART: list[tuple[str, Change, tuple[str, ...]]] = [
    ("a port", lambda file: file.update(listen={"public": "0.0.0.0:8000"}), ("listen.public",)),
    ("a provider", lambda file: file["providers"]["staff"].update(client_id="x"), ("providers.staff.client_id",)),
    ("the way", lambda file: file["applications"]["jira"].update(upstream="https://other:8443"),
     ("applications.jira.upstream.url",)),
    ("the header", lambda file: file["applications"]["jira"]["landing"].update(header="X-Remote-User"),
     ("applications.jira.landing.header",)),
    ("the token", lambda file: file["applications"]["jira"]["accounts"].update(token="env://OTHER"),
     ("applications.jira.accounts.token",)),
    ("whose a token is", lambda file: file["applications"]["jira"].update(api={"pat_owner": "ignore"}),
     ("applications.jira.api.pat_owner",)),
    ("time", lambda file: file["applications"]["jira"]["accounts"].update(time_budget="9s"),
     ("applications.jira.accounts.time_budget",)),
    ("two things", lambda file: (file.update(listen={"drain": "5s"}), file["portals"]["staff"].update(mode="observe"),
                                 file["providers"]["staff"].update(client_id="x")),
     ("listen.drain", "providers.staff.client_id")),
]  # fmt: skip


@pytest.mark.parametrize("change", [row[1] for row in COUNTS], ids=[row[0] for row in COUNTS])
def test_what_only_decisions_read_counts_at_once(tmp_path: Path, change: Change) -> None:
    assert () == needing_restart(loaded(tmp_path), loaded(tmp_path, change))


@pytest.mark.parametrize(("change", "keys"), [row[1:] for row in RESTART], ids=[row[0] for row in RESTART])
def test_all_else_needs_a_restart_and_is_named(tmp_path: Path, change: Change, keys: tuple[str, ...]) -> None:
    assert keys == needing_restart(loaded(tmp_path), loaded(tmp_path, change))


def test_a_second_application_needs_a_restart(tmp_path: Path) -> None:
    def second(file: dict[str, Any]) -> None:
        file["applications"]["wiki"] = file["applications"]["jira"] | {"url": "https://wiki.example.com"}
        file["applications"]["wiki"]["accounts"] = {"token": "env://WIKI"}
        file["portals"]["wiki"] = {"application": "wiki", "default": True, "provider": "staff"}

    assert ("applications.wiki",) == needing_restart(loaded(tmp_path), loaded(tmp_path, second))


def test_a_claim_that_nobody_asked_the_provider_for_needs_a_restart(tmp_path: Path) -> None:
    def asks(file: dict[str, Any]) -> None:
        file["portals"]["staff"]["require"] = {"claims": {"department": ["it"]}}

    (told,) = needing_restart(loaded(tmp_path), loaded(tmp_path, asks))
    assert told.startswith("providers.staff ")


def test_every_changeable_key_is_one_of_the_file_s(tmp_path: Path) -> None:
    """A name that was changed in the models would otherwise need a restart for ever, and nobody would see why."""
    dump = loaded(tmp_path).config.model_dump(mode="json")
    for path in CHANGEABLE | BUILT:
        found: Any = dump
        for key in path:
            found = next(iter(found.values())) if key == "*" else found[key]
