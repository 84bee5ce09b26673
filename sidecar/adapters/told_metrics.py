"""What the audit trail's events say as numbers: sign-ins, sign-outs, refreshes, sessions, guards. Made by
`adapters.metrics`.

Events of strangers count here too, those that a sink only counts. Labels are the configuration's names and fixed words.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from sidecar.adapters.metric_kinds import Counter, Timer
from sidecar.domain.events import Code, Event
from sidecar.domain.reason import Reason

SIGN_IN_BOUNDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Somebody types a password and fetches a telephone."""
_SIGN_INS = {Code.LOGIN_STARTED: "started", Code.LOGIN_SUCCEEDED: "ok"}
_HELD_BACK = frozenset({Code.REMOVAL_SKIPPED, Code.JOIN_SKIPPED, Code.GROUPS_INCOMPLETE, Code.REMOVALS_FROZEN})
_KEPT_OUT = frozenset({Code.ACCOUNT_REFUSED, Code.ACCOUNT_FAILED})
GUARDS = frozenset(
    {Reason.PIN_CONFLICT, Reason.ACCOUNT_NOT_ADOPTED, Reason.ACCOUNT_RESERVED, Reason.ACCOUNT_PROTECTED}
    | {Reason.ACCOUNT_RENAMED, Reason.GROUP_LICENSED, Reason.NO_SEAT_LEFT, Reason.GROUPS_STALE}
    | {Reason.LEDGER_UNUSABLE, Reason.DEACTIVATIONS_CAPPED}
)
"""Why we ourselves left an account alone; the other reasons say that something did not work."""


class ToldMetrics:
    """Listens to every event."""

    def __init__(self) -> None:
        where = ("portal", "provider", "result")
        self._sign_ins = Counter("lychgate_sign_ins", "Sign-ins by what became of them.", *where, "silent")
        self._took = Timer("lychgate_sign_in_seconds", "From the provider and back.", SIGN_IN_BOUNDS, "provider")
        self._refreshes = Counter("lychgate_refreshes", "Claims that were asked for again.", *where)
        self._ended = Counter("lychgate_sessions_ended", "Sessions that ended, by cause.", "application", "cause")
        self._outs = Counter("lychgate_sign_outs", "Sign-outs by their way.", "provider", "way", "result")
        self._guards = Counter("lychgate_guards_tripped", "What a guard held back.", "application", "guard")

    def event(self, event: Event) -> None:
        """An event was told."""
        code = event.code
        if code in _SIGN_INS or code is Code.LOGIN_FAILED:
            result = _SIGN_INS.get(code, event.reason.value)
            self._sign_ins.add(event.portal, event.provider, result, str(bool(event.facts.get("silent"))).lower())
            seconds = event.facts.get("seconds")
            if isinstance(seconds, int) and not event.facts.get("silent"):
                self._took.observe(seconds, event.provider)
        elif code is Code.SESSION_REFRESHED:
            self._refreshes.add(event.portal, event.provider, event.reason.value)
        elif code is Code.SESSION_ENDED:
            cause = str(event.facts.get("cause", ""))
            self._ended.add(event.application, cause)
            if cause == "user":
                self._outs.add(event.provider, "user", Reason.OK.value)
        elif code is Code.SESSIONS_REVOKED:
            self._outs.add(event.provider, str(event.facts.get("door", "")), event.reason.value)
        elif code in _HELD_BACK or (code in _KEPT_OUT and event.reason in GUARDS):
            guard = "removals_frozen" if code is Code.REMOVALS_FROZEN else event.reason.value
            self._guards.add(event.application, guard)

    def families(self) -> Iterator[Metric]:
        """For the scrape."""
        for kept in (self._sign_ins, self._took, self._refreshes, self._ended, self._outs, self._guards):
            yield kept.family()
