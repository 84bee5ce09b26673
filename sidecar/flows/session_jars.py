"""The application's cookies of a session, written into the stored record. Used by `flows.sessions`."""

from __future__ import annotations

from dataclasses import replace

from sidecar.flows.session_ports import Entry, SessionStore, StateError

WRITES = 5
"""Tries of one write against writers of other processes."""


async def write_jars(store: SessionStore, entry: Entry) -> None:
    """Put the jars into the stored record, and nothing else: the rest of it may have changed elsewhere.

    Raises:
        StateError: the store did not take them.
    """
    conflicts = 0
    while conflicts < WRITES:
        stored = await store.get(entry.session.key)
        if stored is None:
            return
        jars = entry.session.jars
        ready = replace(stored[0], jars=jars, version=stored[0].version + 1)
        if not await store.replace(ready):
            conflicts += 1
            continue
        # Its claims may have been confirmed elsewhere.
        entry.learn(ready)
        if entry.session.jars is jars:
            return
    raise StateError("the application's cookies of a session could not be kept: others write all the time")
