"""Directories that cannot be written: what one refused is not tried again for a day, for this person.

Used by `flows.provisioning`. Somebody whose directory is read-only would otherwise cost a refused call, and an event
in the audit trail, at every look.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from sidecar.core.accounts import Plan, Refusal
from sidecar.core.usernames import fold
from sidecar.domain.account import Join, Reactivate, Step, Update
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import Clock

LASTS = 86_400.0
_Key = tuple[str, str, type[Step]]


class ReadOnly:
    """Remembers refusals by application, account and kind of step."""

    def __init__(self, clock: Clock, entries: int) -> None:
        self._clock = clock
        self._entries = entries
        self._until: OrderedDict[_Key, float] = OrderedDict()

    def note(self, application: str, failures: Mapping[Step, AccountError]) -> None:
        """Remember those of *failures* that a directory gave which cannot be written."""
        for step, error in failures.items():
            if error.reason is Reason.DIRECTORY_READ_ONLY and isinstance(step, Join | Reactivate | Update):
                self._until[application, fold(step.username), type(step)] = self._clock.monotonic() + LASTS
        while len(self._until) > self._entries:
            self._until.popitem(last=False)

    def without(self, application: str, way: Plan) -> Plan | Refusal:
        """The plan without what would be refused again; a refusal where nobody is let in without it."""
        hopeless = {step for step in way.steps if self._is_noted(application, step)}
        for step in way.steps:
            if step in hopeless and (isinstance(step, Reactivate) or (isinstance(step, Join) and step.needed)):
                detail = "the directory of the account is read-only; this is not tried again within a day"
                return Refusal(Reason.DIRECTORY_READ_ONLY, detail)
        return way.only(lambda step: step not in hopeless)

    def _is_noted(self, application: str, step: Step) -> bool:
        return self._clock.monotonic() < self._until.get((application, fold(step.username), type(step)), 0.0)
