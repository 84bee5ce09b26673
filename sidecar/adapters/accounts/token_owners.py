"""Whose a personal access token is: asked of the product with that token itself, and with nothing of ours.

Implements `flows.owners.Resolves`. Jira answers at `/rest/api/2/myself`, Confluence at `/rest/api/user/current`; both
say 401 to a token that they do not accept, or serve it as nobody.
"""

from __future__ import annotations

import aiohttp

from sidecar.adapters.accounts.calls import call
from sidecar.adapters.accounts.rest import is_served_as_nobody, json_object
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.owners import Owner

PATHS = {"jira": "/rest/api/2/myself", "confluence": "/rest/api/user/current"}
_NAMES = {"jira": ("name", "key"), "confluence": ("username", "userKey")}
LARGEST = 256 * 1024


class TokenOwners:
    """Asks one application. One object per application; safe for many tasks at once."""

    def __init__(self, session: aiohttp.ClientSession, base: str, product: str) -> None:
        """*session* is from `calls.open_session`, the caller closes it; *base* has the context path."""
        self._session = session
        self._url = base.rstrip("/") + PATHS[product]
        self._names = _NAMES[product]

    async def owner_of(self, authorization: str) -> Owner | None:
        """The owner. See `Resolves.owner_of`."""
        answer = await call(
            self._session,
            "GET",
            self._url,
            {"Authorization": authorization},
            None,
            failed=Reason.CONNECTOR_UNREACHABLE,
            largest=LARGEST,
        )
        if answer.status == 401 or is_served_as_nobody(answer):
            return None
        if answer.status != 200:
            detail = f"asking whose a token is was answered by {answer.status}"
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, detail)
        body = json_object(answer)
        if body.get("type") == "anonymous":
            return None
        name, key = (body.get(field) for field in self._names)
        if not isinstance(name, str) or not name:
            raise AccountError(Reason.CONNECTOR_REFUSED, "the application does not say whose a token is")
        return Owner(name, key if isinstance(key, str) else None)
