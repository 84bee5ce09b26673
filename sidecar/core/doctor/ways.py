"""What is wrong on the way to an application: its nodes, its clock and the providers', its public address."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import or_well, unknown, well
from sidecar.domain.finding import Check, Finding

RUNNING, STARTING, UNKNOWN = "RUNNING", "STARTING", "UNKNOWN"

Told = tuple[int, str]
"""What a status page says: the answer's status, and its word."""


def judge_nodes(told: Mapping[str, Told | None]) -> tuple[Finding, ...]:
    """Whether each node answers and serves. *told* by name; the only node of an application has the name ""."""
    silent = [name for name, said in told.items() if said is None]
    if len(silent) == len(told):
        return (Finding(kind=kinds.UPSTREAM_UNREACHABLE, seen=f"{_nodes(silent)} did not answer"),)
    found = [Finding(kind=kinds.NODE_UNREACHABLE, seen=f"{name} did not answer") for name in silent]
    for name, said in told.items():
        if said is None or said == (200, RUNNING):
            continue
        status, word = said
        seen = f"{_nodes([name])} says {word} ({status})"
        kind = {STARTING: kinds.UPSTREAM_STARTING, UNKNOWN: kinds.STATUS_UNREADABLE}.get(
            word, kinds.UPSTREAM_NOT_RUNNING
        )
        found.append(Finding(kind=kind, seen=seen))
    return or_well(found, Check.UPSTREAM, f"{len(told)} of {len(told)} nodes serve")


def _nodes(names: list[str]) -> str:
    return ", ".join(name for name in names if name) or "it"


def judge_clock(theirs: float | None, ours: float, tolerated: int) -> tuple[Finding, ...]:
    """How far a clock is from ours. *theirs* is the answer's `Date`; *tolerated* seconds still let people in."""
    if theirs is None:
        return (unknown(Check.CLOCK, "the answer had no Date", "Compare the clocks of both machines by hand."),)
    apart = round(theirs - ours)
    side = "ahead of" if apart > 0 else "behind"
    seen = f"its clock is {abs(apart)} seconds {side} ours; {tolerated} are tolerated"
    if abs(apart) > tolerated:
        return (Finding(kind=kinds.CLOCK_WRONG, seen=seen),)
    # A Date has whole seconds and is as old as the way is long.
    if abs(apart) > max(2, tolerated // 4):
        return (Finding(kind=kinds.CLOCK_DIFFERS, seen=seen),)
    return (well(Check.CLOCK, seen if apart else "its clock says the same as ours"),)


def judge_address(theirs: str | None, ours: str, *, by_sign_on: bool) -> tuple[Finding, ...]:
    """Whether the application believes itself to be where people find it. *by_sign_on*: it lands them by its own."""
    if theirs is None:
        return (unknown(Check.ADDRESS, "the application does not tell its base URL", "Compare it by hand with `url`."),)
    found: list[Finding] = []
    if _spelt(theirs) != _spelt(ours):
        found.append(Finding(kind=kinds.ADDRESS_DIFFERS, seen=f"its base URL is {theirs}; `url` is {ours}"))
    if by_sign_on and not theirs.lower().startswith("https:"):
        found.append(Finding(kind=kinds.ADDRESS_INSECURE, seen=f"its base URL is {theirs}"))
    return or_well(found, Check.ADDRESS, f"its base URL is {theirs}")


def _spelt(url: str) -> tuple[str, str, int | None, str]:
    """Without what means the same: letters of the host, a default port, a slash at the end."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", url, None, ""
    return parts.scheme, (parts.hostname or "").lower(), port, parts.path.rstrip("/")
