"""What is kept, as the flows see it: the stores together, whichever database they stand in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sidecar.adapters.state.ledger import SqliteLedger
from sidecar.flows.bans import BanStore
from sidecar.flows.directory import DirectoryStore
from sidecar.flows.history import HistoryStore
from sidecar.flows.leases import Leases
from sidecar.flows.lineage import Pulses
from sidecar.flows.login import SpentStates
from sidecar.flows.logout import Markers
from sidecar.flows.others import Confirms, Line
from sidecar.flows.sessions import SessionStore

if TYPE_CHECKING:
    from sidecar.adapters.state.postgres.ledger import PostgresLedger


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What instances need that share a state."""

    line: Line
    confirms: Confirms
    leases: Leases
    pulse: Pulses


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is kept, as the flows see it. Nothing here says where.

    Attributes:
        shared: Only where several instances may have it.
    """

    sessions: SessionStore
    spent: SpentStates
    markers: Markers
    ledger: SqliteLedger | PostgresLedger
    directory: DirectoryStore
    bans: BanStore
    history: HistoryStore
    shared: Shared | None = None
