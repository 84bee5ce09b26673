"""How a trail of files is taken up at a start: its chain goes on, and what a crash tore is said."""

from __future__ import annotations

import secrets

from sidecar.adapters.audit.chain import Chain
from sidecar.adapters.audit.segments import Segments
from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import UnixSeconds


def take_up(segments: Segments, now: UnixSeconds) -> tuple[Chain, tuple[bytes, tuple[Event, ...]]]:
    """The chain where it stands, and what must be written before everything else.

    Raises:
        OSError: the files cannot be read.
    """
    ending = segments.ending(now)
    last, events = ending.last, list[Event]()
    chain = Chain(last.chain, last.sequence, last.hash) if last is not None else Chain(secrets.token_hex(8))
    if ending.damage is not None:
        facts: dict[str, Fact] = {"cause": "torn", "bytes": ending.damage.size, "sha256": ending.damage.sha256}
        events.append(Event(code=Code.AUDIT_GAP, outcome="failure", facts=facts))
    started: dict[str, Fact] = {"chain": "new" if last is None else "continued"}
    if last is not None:
        started["signed"] = last.code == Code.AUDIT_CHECKPOINT
    if ending.aside:
        started["aside"] = ending.aside
    events.append(Event(code=Code.AUDIT_STARTED, facts=started))
    return chain, (ending.joint, tuple(events))
