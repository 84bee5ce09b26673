"""The evidence of a period, gathered from the records of a trail: who came, changed, left, was refused, is dormant.

Used by `lychgate audit report`. Reads record by record and keeps what it must: accounts, cases and counts, no records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sidecar.adapters.audit.show import Record, changed
from sidecar.domain.events import Code

Row = tuple[str, ...]
WHO = ("issuer", "subject", "username", "application", "portal", "provider")
FROM_OUTSIDE = frozenset({"revoked", "recheck", "blocked", "command"})
"""Causes of `session.ended` by which a provider, a ban or an administrator ends somebody's access."""
_ALIVE = frozenset({Code.LOGIN_SUCCEEDED, Code.SESSION_CREATED, Code.SESSION_REFRESHED, Code.API_CALLER})
_REFUSED = frozenset({Code.ACCESS_DENIED, Code.ACCOUNT_REFUSED, Code.LOGIN_FAILED})
_OVER = frozenset({Code.USER_DEACTIVATED, Code.USER_UNLINKED, Code.PRODUCT_SESSIONS_ENDED})
"""What ends access, or is a part of such an end."""
_ADMINISTRATION = frozenset(
    {Code.CONFIG_LOADED, Code.SECRETS_RENEWED, Code.LEDGER_INITIALISED, Code.SESSIONS_CLEARED, Code.COMMAND_GIVEN}
)


@dataclass(frozen=True, slots=True)
class Table:
    """One sheet of the evidence. *meaning* says how its rows are to be read."""

    name: str
    title: str
    meaning: str
    columns: Row
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """The first instant that counts, and the first that does not; *dormant* is how long an account may be unused."""

    since: datetime
    until: datetime
    dormant: timedelta


@dataclass(slots=True)
class _Account:
    """What is known of one account of an application up to the end of the period."""

    who: Row
    known: datetime
    seen: datetime | None = None
    over: bool = False


@dataclass(slots=True)
class _Case:
    """Somebody's access to an application came to an end from outside, or by an administrator."""

    who: Row
    told: datetime
    last: datetime
    sessions: int = 0
    how: dict[str, None] = field(default_factory=dict)
    requests: set[str] = field(default_factory=set)
    returned: datetime | None = None


@dataclass(slots=True)
class _Refusals:
    """The same refusal of the same person, counted."""

    first: str
    last: str
    count: int = 0


class Gathering:
    """Takes the records of a trail in their order, from its beginning to the end of the period."""

    def __init__(self, period: Period) -> None:
        self._period = period
        self.first = ""
        """Time of the first record there is."""
        self.count = 0
        """Records of the period."""
        self._accounts: dict[Row, _Account] = {}
        self._joins: dict[Row, list[str]] = {}
        self._joined: dict[Row, Row] = {}
        self._moves: list[tuple[Row, Row]] = []
        self._cases: dict[Row, list[_Case]] = defaultdict(list)
        self._issued: dict[str, datetime] = {}
        self._refused: dict[Row, _Refusals] = {}
        self._lists: dict[str, list[Row]] = defaultdict(list)

    def take(self, record: Record) -> None:
        """Take the next record."""
        time = _time(record.get("time"))
        if time is None or time >= self._period.until:
            return
        self.first = self.first or str(record["time"])
        self._note_life(record, time)
        if time >= self._period.since:
            self.count += 1
            self._note(record, time)

    def tables(self) -> Iterator[Table]:
        """All sheets."""
        yield self._joiners()
        rows = tuple(row for key, row in self._moves if key not in self._joined)
        yield Table("movers", "Movers", _MOVERS, ("time", *WHO, "joined", "left", "attributes", "request"), rows)
        yield self._leavers()
        for name, title, meaning in _LISTS:
            yield Table(name, title, meaning, ("time", "code", "outcome", *WHO, "facts"), tuple(self._lists[name]))
        yield self._refusals()
        yield self._dormant()

    def _note_life(self, record: Record, time: datetime) -> None:
        """What the past says of an account: whether it is used, and whether it is over."""
        code, key = record["code"], _account(record)
        if not key[1]:
            return
        known = self._accounts.get(key)
        if known is None and (code in _ALIVE or code in {Code.USER_LINKED, Code.USER_CREATED}):
            known = self._accounts[key] = _Account(_who(record), time)
        if known is None or _failed(record):
            return
        if code in {Code.USER_DEACTIVATED, Code.USER_UNLINKED}:
            known.over = True
        elif code in _ALIVE:
            known.seen, known.over = time, False
        elif code in {Code.USER_LINKED, Code.USER_CREATED, Code.USER_REACTIVATED}:
            known.over = False
        if record.get("username"):
            known.who = _who(record)

    def _note(self, record: Record, time: datetime) -> None:
        code, facts = record["code"], _facts(record)
        if code in _REFUSED or code == Code.AUDIT_COUNTED:
            self._refuse(record)
        elif code == Code.SESSIONS_REVOKED:
            issued, request = _time(facts.get("issued")), record.get("request")
            if issued is not None and request:
                self._issued[str(request)] = issued
        elif not _failed(record):
            self._note_change(record, time)
        if str(code).startswith("breakglass."):
            self._list("break-glass", record)
        if record.get("outcome") != "intended" and (code in _ADMINISTRATION or facts.get("cause") == "command"):
            self._list("administration", record)

    def _note_change(self, record: Record, time: datetime) -> None:
        code, request = record["code"], (*_account(record), str(record.get("request", "")))
        if code in {Code.USER_CREATED, Code.USER_LINKED}:
            self._joined.setdefault(request, (str(record["time"]), *_who(record)))
            self._joins.setdefault(request, []).append(_how(record))
        elif code in {Code.GROUP_ADDED, Code.GROUP_REMOVED, Code.USER_UPDATED} and record.get("outcome") == "success":
            joined, left = (", ".join(one[1:] for one in changed(record) if one[0] == sign) for sign in "+-")
            fields = _text(_facts(record).get("fields"))
            self._moves.append((request, (str(record["time"]), *_who(record), joined, left, fields, request[-1])))
        elif code == Code.USER_REACTIVATED:
            self._list("reactivations", record)
        if code in _OVER or (code == Code.SESSION_ENDED and _facts(record).get("cause") in FROM_OUTSIDE):
            self._end(record, time)
        elif code == Code.SESSION_CREATED:
            for case in self._cases.get(_account(record), ())[-1:]:
                case.returned = case.returned or time

    def _end(self, record: Record, time: datetime) -> None:
        cases, code, request = self._cases[_account(record)], record["code"], str(record.get("request", ""))
        if code == Code.PRODUCT_SESSIONS_ENDED and not (cases and request in cases[-1].requests):
            # The end of an ordinary sign-out.
            return
        if not cases or cases[-1].returned is not None:
            cases.append(_Case(_who(record), time, time))
        case = cases[-1]
        case.last = time
        case.sessions += code == Code.SESSION_ENDED
        case.how[str(_facts(record).get("cause") or code)] = None
        case.requests.add(request)
        if record.get("username"):
            case.who = _who(record)

    def _refuse(self, record: Record) -> None:
        facts, count = _facts(record), 1
        code = str(record["code"])
        if code == Code.AUDIT_COUNTED:
            code, number = str(facts.get("counted")), facts.get("count")
            count = number if isinstance(number, int) else 0
            if code not in _REFUSED:
                return
        key = (code, _text(record.get("reason")), *_who(record))
        found = self._refused.setdefault(key, _Refusals(str(record["time"]), ""))
        found.last = str(record["time"])
        found.count += count

    def _list(self, name: str, record: Record) -> None:
        facts = "; ".join(f"{key}={_text(value)}" for key, value in _facts(record).items())
        row = (str(record["time"]), str(record["code"]), _text(record.get("outcome")), *_who(record), facts)
        self._lists[name].append(row)

    def _joiners(self) -> Table:
        given: dict[Row, list[str]] = defaultdict(list)
        for key, row in self._moves:
            given[key] += filter(None, row[-4:-3])
        rows = tuple(
            (*row, " and ".join(dict.fromkeys(self._joins[key])), ", ".join(given[key]), key[-1])
            for key, row in self._joined.items()
        )
        return Table("joiners", "Joiners", _JOINERS, ("time", *WHO, "how", "groups", "request"), rows)

    def _leavers(self) -> Table:
        columns = ("known", "ended", "seconds", *WHO, "how", "sessions", "returned")
        rows = []
        for case in (case for cases in self._cases.values() for case in cases):
            known = min([case.told, *(self._issued[name] for name in case.requests if name in self._issued)])
            seconds = str(int((case.last - known).total_seconds()))
            returned = _written(case.returned) if case.returned is not None else ""
            ended = (_written(known), _written(case.last), seconds)
            rows.append((*ended, *case.who, ", ".join(case.how), str(case.sessions), returned))
        # Whoever did not come back first.
        rows.sort(key=lambda row: (row[-1] != "", row[0]))
        return Table("leavers", "Leavers", _LEAVERS, columns, tuple(rows))

    def _refusals(self) -> Table:
        columns = ("first", "last", "count", "code", "reason", *WHO)
        found = sorted(self._refused.items(), key=lambda item: (-item[1].count, item[0]))
        rows = tuple((one.first, one.last, str(one.count), *key) for key, one in found)
        return Table("refusals", "Refusals", _REFUSALS, columns, rows)

    def _dormant(self) -> Table:
        edge = self._period.until - self._period.dormant
        idle = [one for one in self._accounts.values() if not one.over and (one.seen or one.known) < edge]
        idle.sort(key=lambda one: one.seen or one.known)
        rows = tuple((_written(one.seen) if one.seen else "never", _written(one.known), *one.who) for one in idle)
        return Table("dormant", "Dormant", _DORMANT, ("last seen", "known since", *WHO), rows)


_JOINERS = (
    "Accounts that were made for a person or tied to one, and the groups that came with it. `how`: created by "
    "Lychgate, adopted (it was there already), or by an administrator's command."
)
_MOVERS = "Groups and attributes that changed for accounts that were there already."
_LEAVERS = (
    "People whose access was ended by their provider (`revoked`, `recheck`), by a ban (`blocked`), by an "
    "administrator's command (`command`), or by an account that was made inactive or untied. `known`: when the "
    "provider says it decided so, or else when Lychgate heard of it; `seconds`: from there to the last session or "
    "account that was ended. `returned`: when the person signed in again, or empty."
)
_REFUSALS = (
    "Who was refused, how often and why. Refusals without a person are strangers, and people before their sign-in; "
    "beyond the first of a minute they are counted."
)
_DORMANT = "Accounts that nobody used for so long at the end of the period, and that are neither inactive nor untied."
_LISTS = (
    ("reactivations", "Reactivations", "Accounts that were made active again."),
    ("break-glass", "Break-glass", "Emergency access, and drills of it. Empty: there was none."),
    (
        "administration",
        "Administration",
        "Configurations and secrets that came into force, and administrators' commands.",
    ),
)


def _how(record: Record) -> str:
    facts = _facts(record)
    if record["code"] == Code.USER_CREATED:
        return "created" if record.get("outcome") == "success" else "found"
    if facts.get("cause"):
        return str(facts["cause"])
    return "linked" if facts.get("created") else "adopted"


def _who(record: Record) -> Row:
    person = record.get("person")
    known: Mapping[str, object] = person if isinstance(person, dict) else {}
    name = _facts(record).get("account") or record.get("username")
    rest = (record.get(field) for field in WHO[3:])
    return tuple(_text(value) for value in (known.get("iss"), known.get("sub"), name, *rest))


def _account(record: Record) -> Row:
    """Application and person, or the name where no person is known."""
    issuer, subject, username, application, *_ = _who(record)
    return (application, f"{issuer} {subject}" if subject else username.casefold())


def _failed(record: Record) -> bool:
    return record.get("outcome") in {"failure", "refused"}


def _facts(record: Record) -> Mapping[str, object]:
    facts = record.get("facts")
    return facts if isinstance(facts, dict) else {}


def _text(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return time if time.tzinfo is not None else None


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
