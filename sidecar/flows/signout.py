"""Sign-out: our session, the application's, and where the site wants it the provider's (D8, rule 56).

It runs in a task of its own: a tab that is closed right after the button was pressed is signed out all the same.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sidecar.domain.policy import Application, Policy
from sidecar.flows.landing import Landing, LandingError
from sidecar.flows.login import LoginError, Provider
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.product_sessions import ProductSessions
from sidecar.flows.sessions import Entry, Sessions
from sidecar.flows.telling import Chance, Trace

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Farewell:
    """Where a browser goes to sign out at the provider too (None: nowhere), and the `state` that must come back."""

    location: str | None = None
    state: str = ""


class SignOuts:
    """Ends sessions at a person's wish."""

    def __init__(
        self,
        sessions: Sessions,
        providers: Mapping[str, Provider],
        landings: Mapping[str, Landing],
        products: ProductSessions,
        policy: Callable[[], Policy],
        chance: Chance,
    ) -> None:
        self._sessions = sessions
        self._providers = providers
        self._landings = landings
        self._products = products
        self._policy = policy
        self._chance = chance
        self._tasks = OwnedTasks()

    def is_asked_by(self, entry: Entry, form_token: str) -> bool:
        """Whether the form that asks was made for this session: no other site can sign somebody out."""
        given = form_token.encode("utf-8", "surrogatepass")
        return hmac.compare_digest(entry.session.form_token.encode(), given)

    async def end(self, application: Application, entry: Entry, cause: str, trace: Trace) -> Farewell:
        """End the session and what hangs on it.

        The application's cookies were only ever in our custody: with the session they are gone.

        Raises:
            StateError: the session may be alive in the store; the person must try again.
        """
        return await self._tasks.finish(self._end(application, entry, cause, trace))

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()

    async def _end(self, application: Application, entry: Entry, cause: str, trace: Trace) -> Farewell:
        session = entry.session
        username = entry.standing.username if entry.standing is not None else None
        ended = await self._sessions.end(session.key, cause, trace)
        hint = ended.id_token if ended is not None else None
        landing = self._landings.get(application.name)
        if landing is not None:
            try:
                await landing.end(session)
            except LandingError as error:
                LOG.warning("%s kept what was established for a session: %s", application.name, error.detail)
        self._products.end_soon(session, username, trace)
        known = self._policy().providers.get(session.identity.provider)
        provider = self._providers.get(session.identity.provider)
        if known is None or provider is None or not known.sign_out:
            return Farewell()
        state = self._chance.token(16)
        try:
            location = await provider.end_session_url(hint, signed_out_url(application), state)
            # Cognito's own way knows no state, and gives none back.
            return Farewell(location, state if location is not None and state in location else "")
        except LoginError as error:
            LOG.warning("the provider %s could not be told of a sign-out: %s", known.name, error.detail)
            return Farewell()


def signed_out_url(application: Application) -> str:
    """Where the browser ends; to be registered at the provider as post-logout address."""
    return f"{application.origin}{application.context}/.lychgate/signed-out"
