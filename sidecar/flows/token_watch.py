"""The connectors' tokens: when they end, told a month and a week before, and told at once when one is refused.

Called every minute; asks each application once a day, in tasks of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Protocol

from sidecar.domain.events import Code, Event, Fact
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.telling import Audit, Clock

LOG = logging.getLogger(__name__)
DAY = 86_400
EVERY = DAY
AFTER_FAILURE = 3_600
WARNED = (7, 30)
"""Days before the end, the shortest first."""

_PLACES = {1: "token", 2: "next_token"}


class HasToken(Protocol):
    """A connector with a token that ends."""

    @property
    def refused(self) -> int:
        """How many of its tokens the application refuses at present."""
        ...

    async def token_expiry(self) -> UnixSeconds | None:
        """When the first of the tokens of its account ends; None: none does.

        Raises:
            AccountError: the application did not tell.
        """
        ...


class TokenWatch:
    """Watches one token per application."""

    def __init__(self, ways: Mapping[str, HasToken], audit: Audit, clock: Clock) -> None:
        self._ways = ways
        self._audit = audit
        self._clock = clock
        self._due: dict[str, float] = {}
        self._ends: dict[str, UnixSeconds] = {}
        self._told: dict[str, tuple[UnixSeconds, int]] = {}
        self._tasks = OwnedTasks()

    async def review(self) -> None:
        """Begin to ask whatever is due. Nobody waits for the answers."""
        now = self._clock.monotonic()
        for name, way in self._ways.items():
            if now >= self._due.get(name, 0.0):
                self._due[name] = now + EVERY
                _ = self._tasks.begin(self._look(name, way))

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()

    def ends(self) -> Mapping[str, int]:
        """When the tokens end, in Unix seconds, by application; those without an end are left out."""
        return dict(self._ends)

    def refused(self) -> Mapping[str, int]:
        """How many tokens are refused, by application."""
        return {name: way.refused for name, way in self._ways.items()}

    async def _look(self, name: str, way: HasToken) -> None:
        try:
            end = await way.token_expiry()
        except AccountError as error:
            LOG.warning("%s does not tell when the connector's token ends: %s", name, error)
            self._due[name] = self._clock.monotonic() + AFTER_FAILURE
            return
        if end is None:
            self._ends.pop(name, None)
            return
        self._ends[name] = end
        left = max(0, end - self._clock.now()) / DAY
        warned = next((days for days in WARNED if left <= days), None)
        if warned is not None and self._told.get(name) != (end, warned):
            self._told[name] = end, warned
            LOG.warning("a token of the connector's account at %s ends in %d days: make a new one", name, left)
            self._audit.tell(Event(code=Code.CREDENTIAL_EXPIRING, application=name, facts={"days": int(left)}))


def tell_refused(audit: Audit, application: str, place: int, none_left: bool) -> None:
    """The application does not take the token at *place* any more; with *none_left* no account can be changed."""
    which = _PLACES[place]
    LOG.error(
        "%s refuses the connector's %s: %s",
        application,
        which,
        "no token is left, accounts stay as they are" if none_left else "the other one is used",
    )
    facts: dict[str, Fact] = {"which": which, "none_left": none_left}
    event = Event(
        code=Code.CREDENTIAL_REFUSED,
        outcome="failure",
        reason=Reason.CONNECTOR_REFUSED,
        application=application,
        facts=facts,
    )
    audit.tell(event)
