"""Whatever requests can make grow has a bound, a metric, and a row in docs/operations.md; and each bound is real."""

from __future__ import annotations

import asyncio
import gc
import re
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cachetools import Cache

from sidecar.adapters.accounts.confluence import ConfluenceConnector
from sidecar.adapters.seal import CookieSigner, Sealer
from sidecar.core import kept as kept_module
from sidecar.core.grants import Client
from sidecar.core.kept import held
from sidecar.core.lines import Remembered
from sidecar.core.logins import Attempt
from sidecar.domain.account import AccountOrder, Join
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By, Revocation
from sidecar.flows.account_plan import NotShownError
from sidecar.flows.accounts import AccountError
from sidecar.flows.barrier import Barrier
from sidecar.flows.late import Late
from sidecar.flows.leases import ALONE
from sidecar.flows.product_sessions import ProductSessions
from sidecar.flows.provisioning import Accounts, Memory
from sidecar.flows.read_only import ReadOnly
from sidecar.flows.returns import Returns
from sidecar.flows.session_ports import StateError
from sidecar.upstream.nodes import Nodes, Watch
from tests.adapters.state.samples import a_session
from tests.flows.fakes import TRACE, FakeClock, ListAudit, MemoryMarkers
from tests.web.rig import Site, world

ROOT = Path(__file__).parents[2]
MOST, MANY = 3, 9
PATHS = ("/browse/KEY-1", "/browse/KEY-2", "/secure/Dashboard.jspa", "/plugins/servlet/demo/echo")
CLIENT = Client(issuer="https://gate", client_id="jira", redirect_uri="https://jira/redirect")

CONSTANTS = {
    "sidecar.web.blocks": ("REMEMBERED",),
    "sidecar.flows.session_bounds": ("REMEMBERED", "MOST_REMEMBERED"),
    "sidecar.flows.session_cookies": ("REMEMBERED",),
    "sidecar.flows.sessions": ("MOST_REMEMBERED",),
    "sidecar.flows.barrier": ("UNTOLD", "LATELY"),
    "sidecar.flows.group_ages": ("_MOST",),
    "sidecar.flows.openings": ("MOST",),
    "sidecar.flows.returns": ("MOST",),
    "sidecar.flows.product_sessions": ("MOST",),
    "sidecar.core.routing": ("REMEMBERED_PATHS",),
    "sidecar.upstream.nodes": ("REMEMBERED",),
    "sidecar.adapters.landing.header": ("REMEMBERED",),
    "sidecar.adapters.seal": ("_KEPT_PURPOSES",),
    "sidecar.adapters.accounts.confluence": ("_MOST_ADDRESSES",),
}
"""What is made small for these tests."""


def with_small_bounds(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let everything forget soon, and nothing be registered yet."""
    monkeypatch.setattr(kept_module, "_KEPT", {})
    for module, constants in CONSTANTS.items():
        for name in constants:
            monkeypatch.setattr(f"{module}.{name}", most)
    monkeypatch.setattr(Accounts.__init__, "__defaults__", (Memory(entries=most), ALONE))
    monkeypatch.setattr(Remembered.__init__, "__defaults__", (most, 512))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    with_small_bounds(monkeypatch, MOST)


def names() -> set[str]:
    """Everything that is registered anywhere in the program."""
    texts = "\n".join(path.read_text("utf-8") for path in (ROOT / "sidecar").rglob("*.py"))
    return set(re.findall(r"\bkept\(\s*\"(\w+)\"", texts))


def an_order(number: int) -> AccountOrder:
    return AccountOrder(
        application="jira", portal="agents", username=f"u{number}", email="", display_name="", groups=()
    )


def late() -> object:
    waiting = Late(FakeClock(), MOST)
    for number in range(MANY):
        _ = waiting.refusal(an_order(number), NotShownError(Reason.ACCOUNT_ABSENT, "not there"), 60)
    return waiting


def read_only() -> object:
    memory, error = ReadOnly(FakeClock(), MOST), AccountError(Reason.DIRECTORY_READ_ONLY, "no")
    for number in range(MANY):
        memory.note("jira", {Join(f"u{number}", "g"): error})
    return memory


def return_pages() -> object:
    returns = Returns(FakeClock())
    for number in range(MANY):
        returns.note(
            Attempt(
                application="jira",
                portal="agents",
                provider="staff",
                state=f"s{number}",
                nonce="n",
                verifier="v",
                back_to="/",
                began=UnixSeconds(0),
            ),
            None,
        )
    return returns


def node_choices() -> object:
    async def find() -> Any:
        return {}

    nodes = Nodes(watch=Watch(find=find, otherwise={}, every=300, mark=str))
    nodes._use({"a:1": lambda: object()})
    for number in range(MANY):
        _ = nodes.of(f"k{number}")
    return nodes


def confluence_addresses() -> object:
    connector = ConfluenceConnector(None, "http://wiki", lambda: "t")  # type: ignore[arg-type] - nothing is called
    for number in range(MANY):
        connector._remember(f"u{number}", "u@example.com")
    return connector


def cookie_signers() -> object:
    signer = CookieSigner([b"k" * 32])
    for number in range(MANY):
        _ = signer.sign(f"p{number}", "v")
    return signer


def record_ciphers() -> object:
    sealer = Sealer([b"k" * 32])
    for number in range(MANY):
        _ = sealer.seal(f"p{number}", b"", b"x")
    return sealer


class Line:
    forget = False


def header_lines() -> object:
    lines = Remembered(lambda _: Line(), MOST)
    for number in range(MANY):
        _ = lines[b"%d" % number]
    return lines


def revocations_untold() -> object:
    barrier, refused = Barrier(MemoryMarkers(), FakeClock()), 0
    for number in range(MANY):
        try:
            barrier.raise_at_once(Revocation(issuer="i", by=By.SID, value=str(number), at=UnixSeconds(1)))
        except StateError:
            # Whoever brought it is told to bring it again.
            refused += 1
    assert MANY - MOST == refused
    return barrier


UNITS: dict[str, Callable[[], object]] = {
    "accounts_late": late,
    "accounts_read_only": read_only,
    "return_pages": return_pages,
    "node_choices": node_choices,
    "confluence_addresses": confluence_addresses,
    "cookie_signers": cookie_signers,
    "record_ciphers": record_ciphers,
    "header_lines": header_lines,
    "revocations_untold": revocations_untold,
}

FLOODED = {
    "sessions",
    "session_cookies",
    "accounts_ready",
    "accounts_latest",
    "accounts_noted",
    "accounts_served",
    "group_ages",
    "sign_ins_opened",
    "places",
    "landing_fields",
    "assertions",
}
"""Filled by people at a whole gate."""

ELSEWHERE = {
    "accounts_failed": ("tests/flows/test_provisioning.py", "test_memory_is_bounded_and_keeps_whom_it_saw_last"),
    "redemptions": ("tests/flows/test_signin.py", "REDEEMING"),
    "token_questions": ("tests/flows/test_owners.py", "WAITING"),
    "state_work": ("tests/adapters/state/test_postgres.py", "test_no_more_than_the_bound_wait_for_the_database"),
    "accounts_served_told": ("tests/flows/test_dead_token.py", "test_who_was_told_of_is_not_remembered_without_end"),
}
"""Test and word of it, for what needs a scene of its own."""


@pytest.mark.parametrize("name", UNITS)
async def test_a_bound_is_never_passed(name: str) -> None:
    owner = UNITS[name]()
    now, most = held()[name]
    assert MOST == most
    assert 0 < now <= most
    del owner


async def test_sign_outs_at_the_application_are_bounded_and_those_beyond_are_told() -> None:
    class Slow:
        async def end_sessions(self, username: str) -> None:
            await over.wait()

    over, audit = asyncio.Event(), ListAudit()
    ends = ProductSessions({"jira": Slow()}, audit)
    for number in range(MANY):
        ends.end_soon(a_session(f"k{number}"), "u", TRACE)
    assert (MOST, MOST) == held()["product_sign_outs"]
    assert MANY - MOST == len(audit.events)
    over.set()
    await ends.close()


async def test_people_at_a_gate_pass_no_bound_and_are_served_all_the_same(tmp_path: Path) -> None:
    async with world(tmp_path, Site()) as gate:
        for person in ("ada", "nina", "stella", "dora", "ada"):
            cookie = await gate.sign_in(person)
            assert [200] * 4 == [(await gate.page(path, cookie)).status for path in PATHS]
        found = held()
        assert {} == {name: count for name, count in found.items() if count[0] > count[1]}
        # Some of them forget all at once when they are full.
        assert {} == {name: found[name] for name in FLOODED if found[name] not in {(2, MOST), (MOST, MOST)}}
        # And it is measured.
        metrics = gate.gate.metrics.render()[1].decode()
        assert f'lychgate_kept{{what="sessions"}} {MOST}.0' in metrics
        assert f'lychgate_kept_most{{what="sessions"}} {MOST}.0' in metrics


async def test_what_a_library_bounds_is_made_with_the_bound_that_is_told(tmp_path: Path) -> None:
    gc.collect()
    async with world(tmp_path, Site(proof="sso", walks="auto")):
        for name, known in kept_module._KEPT.items():
            for reference, most in known:
                structure = reference()
                if isinstance(structure, Cache):
                    assert (name, most) == (name, structure.maxsize)
                if isinstance(structure, deque):
                    assert (name, most) == (name, structure.maxlen)


def test_each_is_proven_and_has_a_row() -> None:
    text = (ROOT / "docs/operations.md").read_text("utf-8")
    table = text.partition("### What is kept in memory")[2].partition("\n## ")[0].partition("\n### ")[0]
    assert names() == set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    libraries = set[str]()
    for path in (ROOT / "sidecar").rglob("*.py"):
        libraries |= set(
            re.findall(r"\bkept\(\s*\"(\w+)\",\s*(?:TTLCache|LRUCache|_Given|deque)\b", path.read_text("utf-8"))
        )
    proven = {*UNITS, *FLOODED, *ELSEWHERE, *libraries, "product_sign_outs"}
    assert set() == names() - proven
    for where, word in ELSEWHERE.values():
        assert word in (ROOT / where).read_text("utf-8"), (where, word)


SITE = re.compile(
    r"self\.(_?\w+)(?:: [^=\n]+)? = (?:\{\}|set\(\)|\[\]|.*(?:TTLCache|LRUCache|OrderedDict|deque|WeakValueDictionary"
    r"|defaultdict)\()"
)
FINE = {
    "adapters/accounts/credentials.py": {"_dead": "one for each of two tokens"},
    "adapters/accounts/jira.py": {"_own": "one for each of two tokens"},
    "adapters/audit/crowd.py": {"_seen": "kinds are fixed words, for a minute", "_counted": "the same"},
    "adapters/audit/pen.py": {"_doomed": "sealed segments, until they are deleted"},
    "adapters/audit/report.py": {"*": "a command's: its whole trail, for as long as it runs"},
    "adapters/audit/sink.py": {
        "_queue": "audit.queue, lychgate_audit_queue",
        "_rooms": "who waits for room, at most one for each piece of work",
        "_promised": "the same",
    },
    "adapters/audit/verify.py": {"_torn": "a command's"},
    "adapters/breaker.py": {"_silent": "one for each host of the configuration", "_trials": "the same"},
    "adapters/metric_kinds.py": {"*": "labels come from the configuration and fixed words"},
    "adapters/metrics.py": {"*": "labels come from the configuration and fixed words"},
    "adapters/oidc/remembered.py": {"_forced_at": "one for each of two budgets"},
    "building/chores.py": {"last": "one for each chore"},
    "building/renewing.py": {"_prepares": "who wants new keys, from the start on"},
    "core/lines.py": {"_old": "the older of two generations, no larger than the younger"},
    "flows/account_steps.py": {"results": "the steps of one person", "failures": "the same"},
    "flows/bans.py": {"_bans": "10,000, and by commands only", "hearing": "who acts on them, from the start on"},
    "flows/break_glass.py": {
        "_aborts": "WebSockets of its listener, whose connections are bounded",
        "_guests": "MOST_GUESTS",
    },
    "flows/callers.py": {"_tasks": "one for each request under way at most"},
    "flows/directory.py": {"_books": "one for each application"},
    "flows/headless.py": {"_landing": "one for each request under way at most"},
    "flows/last_administrators.py": {"_turns": "one for each application"},
    "flows/leavers.py": {"_farewells": "one for each application"},
    "flows/lineage.py": {"_seen": "SEEN"},
    "flows/openings.py": {"_locks": "held by requests under way"},
    "flows/owned.py": {"_tasks": "what is under way; who begins it has the bound"},
    "flows/provisioning.py": {
        "_tasks": "one for each request under way at most",
        "_seats": "one for each application",
        "_turns": "held by requests under way",
    },
    "flows/recheck.py": {
        "_tasks": "one for each session in memory at most",
        "_unsaved": "one for each session in memory at most, while the state is gone",
    },
    "flows/removals.py": {"_frozen": "one for each application", "_turns": "one for each application"},
    "flows/revocations.py": {"_origins": "revocations_untold", "_ended": "revocations_untold"},
    "flows/rounds.py": {"_counts": "findings have fixed kinds", "_known": "the same, of things of the configuration"},
    "flows/seats.py": {"_takings": "accounts that are being made ready"},
    "flows/session_cookies.py": {"_lost": "session_cookies, since the last change of keys", "_unseen": "sessions"},
    "flows/sessions.py": {"_loading": "one for each request under way at most"},
    "flows/signin.py": {"_redeeming": "one for each provider"},
    "flows/token_watch.py": {"*": "one for each application"},
    "flows/walking.py": {"_waits": "sessions whose requests wait; one for each at most", "_over": "the same"},
    "upstream/client.py": {"_busy": "upstream.limits.in_flight and tunnels"},
    "upstream/nodes.py": {"_watched": "64 nodes", "_closing": "nodes that have just gone"},
    "upstream/parser.py": {"pieces": "what one read of 64 KiB had"},
    "upstream/pool.py": {"_idle": "upstream.limits.idle_connections, lychgate_upstream_idle"},
    "upstream/slots.py": {"_waiting": "upstream.limits.queue, lychgate_upstream_waiting"},
    "web/answer.py": {"_waiting": "what one read had, until the client takes it"},
    "web/landing_provider.py": {"_handlers": "one for each application"},
    "web/tunnel.py": {"_open": "upstream.limits.tunnels, lychgate_tunnels", "_portals": "the configuration's"},
    "web/upstream_status.py": {"_answers": "one for each application"},
}
"""What grows without being registered, and what bounds it."""


def test_nothing_grows_in_secret() -> None:
    grown: dict[str, set[str]] = {}
    for room in ("adapters", "building", "core", "flows", "upstream", "web"):
        for path in (ROOT / "sidecar" / room).rglob("*.py"):
            found = {
                match[1]
                for line in path.read_text("utf-8").splitlines()
                if "kept(" not in line and (match := SITE.search(line)) is not None
            }
            if found:
                grown[str(path.relative_to(ROOT / "sidecar"))] = found
    # Register it with `core.kept.kept` and give it a row in docs/operations.md, or say in `FINE` what bounds it.
    assert grown == {path: grown.get(path) if "*" in known else set(known) for path, known in FINE.items()}
