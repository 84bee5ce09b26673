"""How `lychgate status` is written for people: what is wrong stands out, and a section of a newer gate is not lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sidecar.adapters.settings import spell

WRONG = "!! "
"""Before what somebody should look at."""


def status_lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """Line by line."""
    for name, found in answer.items():
        write = _SECTIONS.get(name, _plain)
        if not isinstance(found, dict):
            yield f"{WRONG}{name}: {found}"
            continue
        yield from write(name, found)


def time_of(at: int) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _mark(wrong: object) -> str:
    return WRONG if wrong else ""


def _process(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"lychgate {found['version']} on {found['host']} (process {found['pid']}), up for {spell(found['uptime'])}"
    if found["draining"]:
        yield f"{WRONG}draining: it is about to end"


def _configuration(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    warnings = f", {found['warnings']} warnings" if found["warnings"] else ""
    yield f"configuration {found['hash']} since {time_of(found['since'])}{warnings}"
    refused = found["refused"]
    if refused is not None:
        cure = "restart the gate, or take it back" if refused["restart_needed"] else "correct it; this one holds"
        yield f"{WRONG}a newer one was refused at {time_of(refused['at'])}: {cure}"
        for fault in refused["faults"]:
            yield f"     {fault}"


def _state(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    kind = "shared database" if found["shared"] else "of this gate alone"
    yield f"{_mark(not found['answers'])}state: {kind}, {'answers' if found['answers'] else 'does not answer'}"
    if found["others_heard"] is False:
        yield f"{WRONG}state: the other instances are not heard"
    for application, usable in found["ledgers"].items():
        if not usable:
            yield f"{WRONG}ledger of {application}: not initialised; run `lychgate ledger init`"


def _providers(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    for name, one in found.items():
        age = "never fetched" if one["keys_age"] is None else f"fetched {spell(one['keys_age'])} ago"
        yield f"provider {name}: {one['keys']} keys, {age}"
        if one["silent"]:
            yield f"{WRONG}provider {name}: left alone for a moment, did not answer: {', '.join(one['silent'])}"


def _applications(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    for name, one in found.items():
        traffic = f"{one['in_flight']} requests in flight, {one['waiting']} waiting, {one['idle']} idle connections"
        state = one["state"]
        yield f"{_mark(state != 'RUNNING')}application {name}: {state}, {one['sessions']} sessions, {traffic}"
        for node, serves in one["nodes"].items():
            yield f"{_mark(not serves)}  node {node}: {'serves' if serves else 'does not serve'}"
        if one["removals_frozen"]:
            yield f"{WRONG}application {name}: removals are frozen; `lychgate accounts resume` ends it"
        if one["tokens_refused"]:
            yield f"{WRONG}application {name}: {one['tokens_refused']} of its tokens are refused"


def _tunnels(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    for portal, count in found.items():
        yield f"portal {portal}: {count} WebSockets"


def _keys(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    for key, state in found.items():
        yield f"{_mark(state == 'revoked')}cookie key {key}: {state}"


def _bans(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"bans: {found['count']}"


def _break_glass(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    for name, one in found.items():
        if one["until"]:
            yield f"{WRONG}break-glass {name}: open until {time_of(one['until'])}, {one['browsers']} browsers"
        else:
            yield f"break-glass {name}: closed"


def _chores(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    if not found:
        yield "chores: not done yet; a minute after the start"
    for name, one in found.items():
        if one["failed"]:
            yield f"{WRONG}chore {name}: failed at {time_of(one['at'])}: {one['failed']}"
    fine = [name for name, one in found.items() if not one["failed"]]
    if fine:
        last = max(found[name]["at"] for name in fine)
        yield f"chores done at {time_of(last)}: {', '.join(fine)}"


def _audit(_: str, found: Mapping[str, Any]) -> Iterator[str]:
    for sink, one in found.items():
        mark, fails = _mark(one["failing"] or one["lost"]), ", cannot be written now" if one["failing"] else ""
        yield f"{mark}audit {sink}: {one['written']} written, {one['waiting']} waiting, {one['lost']} lost{fails}"


def _plain(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    for key, value in found.items():
        yield f"{name} {key}: {value}"


_SECTIONS: Mapping[str, Callable[[str, Mapping[str, Any]], Iterator[str]]] = {
    "process": _process,
    "configuration": _configuration,
    "state": _state,
    "providers": _providers,
    "applications": _applications,
    "tunnels": _tunnels,
    "keys": _keys,
    "bans": _bans,
    "break_glass": _break_glass,
    "chores": _chores,
    "audit": _audit,
}
