"""Log-outs at a product that takes us for its Crowd server: the sessions behind its tokens end, whoever made them.

Called by `web.crowd_server`. A caller's session stands nowhere, so its tokens are marked in the store instead.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sidecar.core.usernames import fold
from sidecar.domain.ledger import Pin
from sidecar.flows.crowd_tokens import Given, Tokens
from sidecar.flows.session_ports import SessionStore
from sidecar.flows.sessions import Sessions

CAUSE = "product"
PinOn = Callable[[str, str], Awaitable[Pin | None]]


class CrowdEnds:
    """Ends them."""

    def __init__(self, tokens: Tokens, sessions: Sessions, store: SessionStore, pin_on: PinOn) -> None:
        """*pin_on*: to whom an account is tied, by application and username."""
        self._tokens = tokens
        self._sessions = sessions
        self._store = store
        self._pin_on = pin_on

    async def of_token(self, given: Given) -> None:
        """The session of one token.

        Raises:
            StateError: the store could not be told.
        """
        holder = given.token.holder
        if holder.lent is not None:
            await self._tokens.end(given.token)
        else:
            _ = await self._sessions.end(holder.session, CAUSE)

    async def of_user(self, application: str, username: str, exclude: str) -> None:
        """All sessions of a username at an application, but for that of the token *exclude*.

        Raises:
            StateError: the store could not be asked, or told.
        """
        await self._tokens.end_lent(application, username)
        pin = await self._pin_on(application, fold(username))
        kept = self._tokens.opened(application, exclude) if exclude else None
        for key in await self._store.of_person(application, pin.person) if pin is not None else ():
            if kept is None or kept.holder.session != key:
                _ = await self._sessions.end(key, CAUSE)
