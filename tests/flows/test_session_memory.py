"""A session in memory is small: with 200 groups and a refresh token of 1.5 kB it takes less than 4 KiB (design,
section 8), its standing included."""

from __future__ import annotations

import gc
import secrets
import sys
import tracemalloc
from dataclasses import replace

from sidecar.core.standing import standing_of
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.flows.session_ports import Entry
from tests.core.worlds import Jira, session

GROUPS = tuple(sys.intern(f"group-{number}-of-the-provider") for number in range(300))
MANY = 500


def _entry(number: int) -> Entry:
    """Somebody with groups of their own; the names are shared by all who have them."""
    plain = session("agents", GROUPS[number % 100 : number % 100 + 200])
    whole = replace(
        plain,
        key=secrets.token_hex(32),
        form_token=secrets.token_urlsafe(16),
        refresh_token=secrets.token_urlsafe(1125),
        id_token=secrets.token_urlsafe(8000),
        identity=replace(plain.identity, person=Person(issuer=plain.identity.person.issuer, subject=f"s{number}")),
    )
    entry = Entry(whole.light(), seen=UnixSeconds(1), noted=UnixSeconds(1))
    entry.standing = standing_of(entry.session, Jira().policy)
    return entry


def test_a_session_takes_less_than_4_kib() -> None:
    _entry(0)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        entries = [_entry(number) for number in range(MANY)]
        gc.collect()
        size = (tracemalloc.get_traced_memory()[0] - before) / MANY
    finally:
        tracemalloc.stop()
    assert all(entry.standing is not None for entry in entries)
    assert size < 4096
