"""adapters.audit.report, record by record: what counts, from when to when, and whose it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sidecar.adapters.audit.report import Gathering, Period

SINCE, UNTIL = datetime(2027, 4, 1, tzinfo=UTC), datetime(2027, 5, 1, tzinfo=UTC)
PERIOD = Period(SINCE, UNTIL, timedelta(days=90))
REFUSED = {"outcome": "failure", "reason": "not_in_group"}
Told = dict[str, Any]


def told(code: str, day: float = 1, name: str = "ada", **more: Any) -> Told:
    """A record of the *day*-th day of the period (the first is 0)."""
    time = (SINCE + timedelta(days=day)).isoformat().replace("+00:00", "Z")
    person = {"iss": "https://id", "sub": name.upper()} if name else None
    whole = {"application": "jira", "portal": "agents", "provider": "staff", "outcome": "success", "request": "r"}
    return {"time": time, "code": code, "person": person, "username": name, **whole, **more}


def gathered(*records: Told) -> Gathering:
    gathering = Gathering(PERIOD)
    for record in records:
        gathering.take(record)
    return gathering


def rows(name: str, *records: Told) -> list[dict[str, str]]:
    (table,) = [table for table in gathered(*records).tables() if table.name == name]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def names(found: list[dict[str, str]]) -> list[str]:
    return [row["username"] for row in found]


def test_a_period_has_its_first_instant_and_not_its_last() -> None:
    all_of_it = (told("user.reactivated", -0.001, "before"), told("user.reactivated", 0, "first"),
                 told("user.reactivated", 29.999, "last"), told("user.reactivated", 30, "after"))  # fmt: skip
    assert ["first", "last"] == names(rows("reactivations", *all_of_it))
    gathering = gathered(*all_of_it)
    assert (2, all_of_it[0]["time"]) == (gathering.count, gathering.first)


LINKED = told("user.linked", -300)
IDLE: list[tuple[str, list[Told], list[str]]] = [
    ("never used", [], ["never"]),
    ("used long ago", [told("session.created", -200)], ["2026-09-13T00:00:00Z"]),
    ("used by a program", [told("api.caller", 20)], []),
    ("confirmed by the provider", [told("session.refreshed", 20)], []),
    ("signed in", [told("login.success", 20)], []),
    ("not let in", [told("login.success", 20, outcome="failure")], ["never"]),
    ("made inactive", [told("user.deactivated", -100)], []),
    ("untied", [told("user.unlinked", -100)], []),
    ("not made inactive after all", [told("user.deactivated", -100, outcome="failure")], ["never"]),
    ("refused to be made inactive", [told("user.deactivated", -100, outcome="refused")], ["never"]),
    ("active again", [told("user.deactivated", -200), told("user.reactivated", -150)], ["never"]),
    ("used again", [told("user.deactivated", -200), told("session.created", -150)], ["2026-11-02T00:00:00Z"]),
    ("used at another application", [told("session.created", 20, application="wiki")], ["never"]),
    ("of a day that is not long ago", [told("session.created", -59)], []),
]


@pytest.mark.parametrize(("more", "seen"), [row[1:] for row in IDLE], ids=[row[0] for row in IDLE])
def test_who_is_dormant(more: list[Told], seen: list[str]) -> None:
    found = rows("dormant", LINKED, *more)
    assert seen == [row["last seen"] for row in found if row["application"] == "jira"]


def test_who_was_away_longest_is_first_and_a_name_is_one_in_any_case() -> None:
    late, early = told("user.linked", -200, "late"), told("user.linked", -300, "early")
    assert ["early", "late"] == names(rows("dormant", late, early))
    nameless = [{**told("user.linked", -300, "Ada"), "person": None}, {**told("user.deactivated", -1), "person": None}]
    assert [] == rows("dormant", *nameless)


def test_only_what_was_done_moves_somebody_and_a_joiner_is_no_mover() -> None:
    added: Told = {"before": [], "after": ["a"]}
    outcomes = [told("group.added", outcome=outcome, **added) for outcome in ("success", "failure", "skipped")]
    assert ["a"] == [row["joined"] for row in rows("movers", *outcomes)]
    assert [] == rows("movers", told("user.created"), told("group.added", **added))
    assert ["name, email"] == [
        row["attributes"] for row in rows("movers", told("user.updated", facts={"fields": ["name", "email"]}))
    ]


HOWS = [
    ({"code": "user.created"}, "created"),
    ({"code": "user.created", "outcome": "already"}, "found"),
    ({"code": "user.linked"}, "adopted"),
    ({"code": "user.linked", "facts": {"created": True}}, "linked"),
    ({"code": "user.linked", "facts": {"cause": "command"}}, "command"),
]


@pytest.mark.parametrize(("change", "how"), HOWS)
def test_how_somebody_joined(change: Told, how: str) -> None:
    assert [how] == [row["how"] for row in rows("joiners", {**told("user.linked"), **change})]


def revoked(day: float, request: str = "r", cause: str = "revoked") -> Told:
    return told("session.ended", day, request=request, facts={"cause": cause})


def test_an_end_is_one_case_until_the_person_is_back() -> None:
    back = told("session.created", 3)
    again = told("session.created", 4)
    found = rows("leavers", revoked(1), revoked(2), back, again, revoked(5))
    assert [("1", ""), ("2", back["time"])] == [(row["sessions"], row["returned"]) for row in found]
    found = rows("leavers", revoked(1), back, revoked(5), late := told("session.created", 6))
    assert [back["time"], late["time"]] == [row["returned"] for row in found]
    # An account that was made inactive is an end, and no session.
    off = rows("leavers", told("user.deactivated"))
    assert [("user.deactivated", "0")] == [(row["how"], row["sessions"]) for row in off]


def test_what_failed_brought_nobody_in_and_ended_nothing() -> None:
    failed = [told(code, outcome="failure") for code in ("user.created", "user.deactivated", "user.reactivated")]
    assert ([], [], []) == (rows("joiners", *failed), rows("leavers", *failed), rows("reactivations", *failed))


@pytest.mark.parametrize("cause", ["revoked", "recheck", "blocked", "command"])
def test_whoever_ends_somebody_s_access_is_named(cause: str) -> None:
    assert [(cause, "1")] == [(row["how"], row["sessions"]) for row in rows("leavers", revoked(1, cause=cause))]


@pytest.mark.parametrize("cause", ["user", "idle", "absolute", "replaced"])
def test_an_end_of_one_s_own_is_no_leaving(cause: str) -> None:
    assert [] == rows("leavers", revoked(1, cause=cause), told("product.sessions_ended"))


def test_the_application_s_sessions_belong_to_the_end_that_asked_for_it() -> None:
    (other,) = rows("leavers", revoked(1, "r-1"), told("product.sessions_ended", 2, request="r-2"))
    (same,) = rows("leavers", revoked(1, "r-1"), told("product.sessions_ended", 2, request="r-1"))
    assert ("0", "86400") == (other["seconds"], same["seconds"])


def test_whoever_did_not_come_back_is_first() -> None:
    returned = (told("session.ended", 1, "back", facts={"cause": "recheck"}), told("session.created", 2, "back"))
    assert ["gone", "back"] == names(rows("leavers", *returned, told("user.unlinked", 3, "gone")))


def test_refusals_of_every_kind_the_most_frequent_first() -> None:
    counted = {"facts": {"counted": "login.error", "count": 7}, **REFUSED}
    found = rows(
        "refusals",
        told("account.refused", **REFUSED),
        *[told("access.denied", **REFUSED)] * 2,
        told("audit.counted", name="", **counted),
        told("audit.counted", name="", facts={"counted": "login.start", "count": 99}),
    )
    shown = [(row["code"], row["count"]) for row in found]
    assert [("login.error", "7"), ("access.denied", "2"), ("account.refused", "1")] == shown


def test_what_administrators_did_is_there_and_what_they_only_meant_is_not() -> None:
    by_command = {"cause": "command"}
    records = (
        told("config.loaded"),
        told("ledger.initialised"),
        told("user.unlinked", facts=by_command),
        told("change.intended", outcome="intended", facts=by_command),
        told("command.given", outcome="intended", facts={"command": "block"}),
        told("command.given", outcome="failure", facts={"command": "block"}),
        told("secrets.renewed"),
        told("sessions.cleared"),
        told("user.created"),
    )
    whole = ["config.loaded", "ledger.initialised", "user.unlinked", "command.given", "secrets.renewed"]
    assert [*whole, "sessions.cleared"] == [row["code"] for row in rows("administration", *records)]
    assert ["breakglass.opened"] == [row["code"] for row in rows("break-glass", told("breakglass.opened"))]
