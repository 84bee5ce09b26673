"""Directories that cannot be written: what one refused is not tried again for a day, for this person.

Used by `flows.provisioning`. Somebody whose directory is read-only would otherwise cost a refused call, and an event
in the audit trail, at every look.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from sidecar.core.accounts import Plan, Refusal
from sidecar.core.kept import kept
from sidecar.core.usernames import fold
from sidecar.domain.account import Join, Leave, Reactivate, Step, Update
from sidecar.domain.reason import Reason
from sidecar.flows.account_steps import keeps_out
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import Clock

LASTS = 86_400.0
_Key = tuple[str, str, type[Step], str]


class ReadOnly:
    """Remembers refusals by application, account and kind of step; those of leaving by group too, because they keep the
    person out, and a local group can still be left where the directory's cannot."""

    def __init__(self, clock: Clock, entries: int) -> None:
        self._clock = clock
        self._entries = entries
        self._until: OrderedDict[_Key, float] = kept("accounts_read_only", OrderedDict(), entries)

    def note(self, application: str, failures: Mapping[Step, AccountError]) -> None:
        """Remember those of *failures* that a directory gave which cannot be written."""
        for step, error in failures.items():
            if error.reason is Reason.DIRECTORY_READ_ONLY and isinstance(step, Join | Leave | Reactivate | Update):
                self._until[_key(application, step)] = self._clock.monotonic() + LASTS
        while len(self._until) > self._entries:
            self._until.popitem(last=False)

    def without(self, application: str, way: Plan) -> Plan | Refusal:
        """The plan without what would be refused again; a refusal where nobody is let in without it (D11)."""
        hopeless = {step for step in way.steps if self._is_noted(application, step)}
        for step in way.steps:
            if step in hopeless and keeps_out(step):
                return Refusal(Reason.DIRECTORY_READ_ONLY, _detail(step))
        return way.only(lambda step: step not in hopeless)

    def _is_noted(self, application: str, step: Step) -> bool:
        return self._clock.monotonic() < self._until.get(_key(application, step), 0.0)


def _key(application: str, step: Step) -> _Key:
    return application, fold(step.username), type(step), fold(step.group) if isinstance(step, Leave) else ""


def _detail(step: Step) -> str:
    if isinstance(step, Leave):
        return f"the directory of the account is read-only: take it out of {step.group} there; tried again in a day"
    return "the directory of the account is read-only; this is not tried again within a day"
