"""The whole run: every peer that can be had here, every case, in rounds; and the page that tells of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import click

from sidecar import __version__
from tests.bench import gate, machine, peers
from tests.bench.apache import apache
from tests.bench.budgets import GATE, judge
from tests.bench.cases import Case
from tests.bench.install import UVLOOP_VERSION
from tests.bench.load import LoadError
from tests.bench.oauth2_proxy import oauth2_proxy
from tests.bench.peers import AbsentError, Peer, Stage, Start
from tests.bench.processes import StartError
from tests.bench.proof import fault
from tests.bench.readers import beside
from tests.bench.report import Facts, budget_table, case_table, page
from tests.bench.rounds import Results, Row, measure
from tests.bench.signin import SignInError
from tests.bench.stage import standing, tell

PAGE = gate.ROOT / "docs" / "benchmarks.md"
ORDER: dict[str, Start] = {
    "direct": peers.direct,
    "nginx": peers.nginx,
    "nginx, bare": peers.bare_nginx,
    "mod_auth_openidc": apache,
    "oauth2-proxy": oauth2_proxy,
    "Lychgate": gate.lychgate,
    "Lychgate, uvloop": gate.lychgate_on_uvloop,
}


async def assemble(stage: Stage, stack: AsyncExitStack) -> tuple[list[Peer], dict[str, str]]:
    """Start every peer; gives those that run, and why the others do not."""
    ready, absent = [], {}
    for name, start in ORDER.items():
        try:
            ready.append(await stack.enter_async_context(start(stage)))
        except (AbsentError, StartError, SignInError) as error:
            absent[name] = str(error)
            click.echo(f"{name}: {error}", err=True)
    return ready, absent


async def _row(ready: Sequence[Peer], case: Case, rounds: int, seconds: int, stage: Stage, results: Results) -> None:
    """Measure one case with the peers that can answer it; the others get a reason."""
    able = []
    for peer in ready:
        if peer.only is not None and case.key not in peer.only:
            continue
        why = peer.unable.get(case.key) or await fault(peer, case, stage.provider.issuer)
        if why:
            results.missing[case.key, peer.name] = why
        else:
            able.append(peer)
    rows: dict[str, Row] = {}
    while able:
        try:
            rows = await measure(able, case, rounds, seconds, stage.folder, tell)
            break
        except LoadError as error:
            # One peer's failure shall not cost the others their row: once more without it.
            click.echo(f"  {error.peer}: {error}", err=True)
            results.missing[case.key, error.peer] = str(error)
            able = [peer for peer in able if peer.name != error.peer]
    results.rows.update({(case.key, name): row for name, row in rows.items()})


async def whole(rounds: int, seconds: int, cases: Sequence[Case], target: Path | None) -> None:
    """Measure, say it, and write it to *target*."""
    load, results = machine.load(), Results()
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(standing())
        ready, absent = await assemble(stage, stack)
        for case in cases:
            click.echo(f"\n{case.title}")
            await _row(ready, case, rounds, seconds, stage, results)
            click.echo(case_table(case, results, list(ORDER)))
        seen = {peer.name: found for peer in ready if (found := await beside(peer, seconds, stage.folder)) is not None}
    rest = next((peer.rest for peer in ready if peer.name == GATE), 0)
    budgets = judge(results, rest, seen.get(GATE))
    click.echo(budget_table(budgets))
    if target is None:
        return
    facts = Facts(
        machine=machine.described(),
        date=datetime.now(UTC).date().isoformat(),
        load=load,
        rounds=rounds,
        seconds=seconds,
        versions={
            "Lychgate": __version__,
            **{
                peer.name: peer.version for peer in ready if peer.version and "," not in peer.name and peer.name != GATE
            },
            "uvloop": UVLOOP_VERSION,
            **await machine.versions(),
        },
        absent=absent,
        rest={peer.name: peer.rest for peer in ready if peer.service},
        beside=seen,
        shown={peer.name: peer.shown for peer in ready if peer.shown},
    )
    target.write_text(page(results, budgets, facts, list(ORDER)), encoding="utf-8")
    click.echo(f"written to {target}")
