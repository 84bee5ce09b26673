"""Groups that Entra ID leaves out of a token (more than 200), asked of Microsoft Graph with the person's own token.

`provider` asks at sign-in and at every refresh. Rules: the address is the configuration's, never the token's; whatever
goes wrong leaves the groups unknown, and the log says what to do about it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping

import aiohttp

from sidecar.adapters.oidc.config import ProviderConfig
from sidecar.adapters.oidc.http import ANSWER_LIMIT, Answer, Outbound, Told
from sidecar.core.claims import is_overage, with_groups
from sidecar.domain.identity import Claim
from sidecar.flows.login import LoginError

CONNECT, TOTAL = 3.0, 6.0
"""Seconds. Somebody waits for the page meanwhile."""

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

_log = logging.getLogger(__name__)


class _NoGroupsError(Exception):
    """Graph gave no groups. The text says why and what to do, without anything of the person."""


class Graph:
    """Microsoft Graph for one provider; `config.graph` is there."""

    def __init__(
        self,
        config: ProviderConfig,
        session: aiohttp.ClientSession,
        *,
        connect: float = CONNECT,
        total: float = TOTAL,
        told: Told | None = None,
    ) -> None:
        self._name = config.name
        self._claim = config.groups.path
        self._url = f"{(config.graph or '').rstrip('/')}/v1.0/me/getMemberObjects"
        self._body = json.dumps({"securityEnabledOnly": config.graph_security})
        self._outbound = Outbound(session, connect=connect, total=total, told=told)

    async def completed(self, claims: Mapping[str, Claim], access_token: str | None) -> Mapping[str, Claim]:
        """*claims* with the groups that Entra ID left out; unchanged if it left none out, or if Graph gives none."""
        # Ids of groups are no app roles: only a claim of groups can be made whole with them.
        if self._claim != ("groups",) or not is_overage(claims, "groups"):
            return claims
        try:
            return with_groups(claims, "groups", await self._ids(access_token))
        except (_NoGroupsError, LoginError) as error:
            why = error.detail if isinstance(error, LoginError) else str(error)
            _log.warning(
                "somebody has more groups than fit into a token of %s, and Microsoft Graph did not give them: %s; "
                "the groups are unknown",
                self._name,
                why,
            )
            return claims

    async def _ids(self, access_token: str | None) -> tuple[str, ...]:
        if access_token is None:
            raise _NoGroupsError("there is no access token to ask with")
        headers = {"Authorization": f"Bearer {access_token}", "Content-Type": "application/json"}
        answer = await self._outbound.post(self._url, ANSWER_LIMIT, headers, self._body, endpoint="graph")
        if answer.status != 200:
            raise _NoGroupsError(_reason(answer))
        document = answer.json()
        ids = document.get("value")
        if not isinstance(ids, list) or not all(isinstance(one, str) and _ID.fullmatch(one) for one in ids):
            raise _NoGroupsError(f"{answer.host} answered with something that is no list of ids")
        if "@odata.nextLink" in document:
            raise _NoGroupsError(f"{answer.host} answered with a part of the list")
        return tuple(ids)


def _reason(answer: Answer) -> str:
    """Why Graph refused, and the cure."""
    said = f"{answer.host} answered {answer.status}"
    if answer.status == 401 and "insufficient_claims" in answer.challenge:
        return f"{said} insufficient_claims (continuous access evaluation): the person has to sign in again"
    if answer.status == 401:
        return f"{said}: the access token is not for Graph; ask for the scope User.Read and for none of another API"
    if answer.status == 403:
        return f"{said}: give the app the delegated permission User.Read and grant consent for it"
    return said
