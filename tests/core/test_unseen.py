"""core.unseen: nobody has more than when the account was last looked at, and nobody keeps what was taken since."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.unseen import gains, why_not
from sidecar.domain.account import AccountOrder, Removal
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Pin, Readiness
from tests.core.plans import BOB, GROUPS, ORDER, OURS, PIN, owned

READY = Readiness(
    application="jira",
    username="alice",
    portal="agents",
    spelling="Alice",
    groups=("a", "b"),
    needed=("a",),
    at=UnixSeconds(1000),
)
BOBS = replace(PIN, person=BOB)


def cause(
    order: AccountOrder = ORDER, pin: Pin | None = PIN, on_name: Pin | None = PIN, **changes: object
) -> str | None:
    given: dict[str, object] = {
        "ready": READY,
        "owned": owned("b"),
        "deactivation": None,
        "groups": GROUPS,
        "longest": 100,
        "now": UnixSeconds(1100),
        **changes,
    }
    return why_not(order, pin=pin, pin_on_name=on_name, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (cause(), None),
        (cause(now=UnixSeconds(1101)), "too long ago"),
        (cause(ready=None), "never"),
        (cause(pin=replace(PIN, at=UnixSeconds(1000)), on_name=replace(PIN, at=UnixSeconds(1000))), None),
        (cause(pin=replace(PIN, at=UnixSeconds(1001)), on_name=replace(PIN, at=UnixSeconds(1001))), "before it was"),
        (cause(pin=None), "another person"),
        (cause(pin=None, on_name=None), "never"),
        (cause(pin=replace(PIN, username="old", spelling="Old")), "Old"),
        (cause(on_name=BOBS), "another person"),
        (cause(deactivation=OURS), "deactivated"),
        (cause(replace(ORDER, groups=None, needed=())), None),
        (cause(replace(ORDER, groups=("A", "B"))), None),
        (cause(replace(ORDER, groups=("a", "b", "c"))), None),
        (cause(replace(ORDER, groups=("a",))), "leave"),
        (cause(replace(ORDER, groups=("a",)), groups=replace(GROUPS, remove=Removal.NEVER)), None),
        (cause(replace(ORDER, groups=("a",)), owned=()), "leave"),
        (cause(owned=owned("c")), "leave"),
        (cause(owned=owned("c", portal="support")), None),
        (cause(replace(ORDER, needed=("a", "b"))), "join"),
        (cause(replace(ORDER, needed=())), None),
    ],
)
def test_who_is_served_without_a_look(found: str | None, word: str | None) -> None:
    assert found is None if word is None else found is not None and word in found


def test_what_somebody_gained_waits() -> None:
    assert ("C",) == gains(replace(ORDER, groups=("A", "b", "C")), READY)
    assert () == gains(replace(ORDER, groups=None), READY)
