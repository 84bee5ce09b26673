"""What is wrong with what is ours: the state, the ledger, and what is done about people who are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor.catalogue import or_well, unknown, well
from sidecar.domain.finding import Check, Finding

LEAST_ROOM = 64 * 1024 * 1024
"""Bytes that must be free on the disk of the state."""

OLDEST_DATABASE = 14
SLOW = 0.1
"""Seconds for one question to the database."""

LAGS = 30.0
"""Seconds by which a standby may be behind."""

Versions = Mapping[str, tuple[int, int]]
"""By file or schema: the version that is there, and the one that this program knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What was seen of the embedded store.

    Attributes:
        unwritable: Why it cannot be written, for each place; empty: it can.
        damaged: What SQLite says of a file that it cannot read.
        room: Free bytes of the disk.
        initialised: Applications whose ledger was initialised; None: nobody knows.
    """

    unwritable: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    versions: Versions = field(default_factory=dict)
    room: int = LEAST_ROOM
    initialised: frozenset[str] | None = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What was seen of the database.

    Attributes:
        major: Of PostgreSQL.
        version: Of our schema; 0: there is none yet.
        took: Seconds for one question.
        standby: Whether this server takes no writes.
        behind: Seconds by which the slowest standby is behind; None: there is none, or we may not see it.
        initialised: Applications whose ledger was initialised.
    """

    major: int
    version: tuple[int, int]
    took: float
    standby: bool = False
    behind: float | None = None
    initialised: frozenset[str] = frozenset()


def judge_files(seen: Files) -> tuple[Finding, ...]:
    """Whether the embedded store can go on."""
    found = [Finding(kind=kinds.STATE_UNWRITABLE, seen=why) for why in seen.unwritable]
    found += [Finding(kind=kinds.STATE_DAMAGED, seen=why) for why in seen.damaged]
    found += _versions(seen.versions)
    if seen.room < LEAST_ROOM:
        found.append(Finding(kind=kinds.DISK_FULL, seen=f"{seen.room // (1024 * 1024)} MiB are free"))
    return or_well(found, Check.STATE, "its files can be written")


def judge_server(seen: Server) -> tuple[Finding, ...]:
    """Whether the database can go on."""
    found: list[Finding] = []
    if seen.major < OLDEST_DATABASE:
        found.append(Finding(kind=kinds.DATABASE_TOO_OLD, seen=f"it is PostgreSQL {seen.major}"))
    if seen.standby:
        found.append(Finding(kind=kinds.DATABASE_READ_ONLY, seen="the server that answers is a standby"))
    if seen.took > SLOW:
        found.append(Finding(kind=kinds.DATABASE_SLOW, seen=f"one question took {seen.took:.2f} seconds"))
    if seen.behind is not None and seen.behind > LAGS:
        found.append(Finding(kind=kinds.DATABASE_LAGS, seen=f"a standby is {seen.behind:.0f} seconds behind"))
    found += _versions({"the schema": seen.version})
    return or_well(found, Check.STATE, f"PostgreSQL {seen.major} answers in {seen.took * 1000:.0f} ms")


def _versions(versions: Versions) -> list[Finding]:
    found: list[Finding] = []
    for name, (there, ours) in versions.items():
        seen = f"{name} is of version {there}, this program knows {ours}"
        if there > ours:
            found.append(Finding(kind=kinds.STATE_NEWER, seen=seen))
        elif there < ours:
            found.append(Finding(kind=kinds.STATE_OLDER, seen=seen))
    return found


def judge_memory() -> tuple[Finding, ...]:
    """The state is kept in memory."""
    return (Finding(kind=kinds.STATE_FORGOTTEN, seen="state is memory"),)


def judge_ledger(application: str, initialised: frozenset[str] | None) -> tuple[Finding, ...]:
    """Whether the ledger of an application was initialised. None: nobody knows."""
    if initialised is None:
        return (unknown(Check.LEDGER, "its file cannot be read"),)
    if application in initialised:
        return (well(Check.LEDGER, "it was initialised"),)
    return (Finding(kind=kinds.LEDGER_UNUSABLE, seen="it was not initialised: nobody new gets in"),)


def judge_leavers(*, managed: bool, deactivates: bool, passes_tokens: bool, asks_owners: bool) -> tuple[Finding, ...]:
    """What becomes of the account and of the tokens of somebody who is gone. *managed*: we could change the account."""
    found: list[Finding] = []
    if managed and not deactivates:
        found.append(Finding(kind=kinds.LEAVERS_STAY, seen="accounts.on_revoke is none"))
    if passes_tokens and not asks_owners:
        found.append(Finding(kind=kinds.LEAVERS_TOKENS_PASS, seen="api.pat is pass, and api.pat_owner is ignore"))
    return or_well(found, Check.LEAVERS, "accounts and tokens of people who are gone are dealt with")
