"""What the audit trail's events say as numbers: sign-ins, refreshes, ended sessions. Made by `adapters.metrics`.

Events of strangers count here too, those that a sink only counts. Labels are the configuration's names and fixed words.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric

from sidecar.adapters.metric_kinds import Counter, Timer
from sidecar.domain.events import Code, Event

SIGN_IN_BOUNDS = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Somebody types a password and fetches a telephone."""
_SIGN_INS = {Code.LOGIN_STARTED: "started", Code.LOGIN_SUCCEEDED: "ok"}


class ToldMetrics:
    """Listens to every event."""

    def __init__(self) -> None:
        where = ("portal", "provider", "result")
        self._sign_ins = Counter("lychgate_sign_ins", "Sign-ins by what became of them.", *where, "silent")
        self._took = Timer("lychgate_sign_in_seconds", "From the provider and back.", SIGN_IN_BOUNDS, "provider")
        self._refreshes = Counter("lychgate_refreshes", "Claims that were asked for again.", *where)
        self._ended = Counter("lychgate_sessions_ended", "Sessions that ended, by cause.", "application", "cause")

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
            self._ended.add(event.application, str(event.facts.get("cause", "")))

    def families(self) -> Iterator[Metric]:
        """For the scrape."""
        for kept in (self._sign_ins, self._took, self._refreshes, self._ended):
            yield kept.family()
