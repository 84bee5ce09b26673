"""All accounts and groups of a Jira in bounded calls: a stream of users, groups by pages of members.

Implements `flows.listing.Listing`. Guesses nothing: a list that may be cut is an error, because everybody who is
missing on it would look like somebody without an account.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sidecar.adapters.accounts.calls import Answer
from sidecar.adapters.accounts.rest import Rest, json_object, path_of, unexpected
from sidecar.domain.account import Account
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

API = "/rest/api/2"
_USERS, _MEMBERS, _GROUPS = "500", "50", "10000"
"""Most entries of one answer that we ask for. Jira shows fifty members at most."""
_MOST_PAGES = 2000
_CUT = 100
"""From Jira 10 on a search ends after so many hits, whatever there is."""


class JiraListing:
    """Lists what one Jira has."""

    untold: tuple[str, ...] = ()

    def __init__(self, rest: Rest, own_names: Callable[[], Awaitable[frozenset[str]]]) -> None:
        """*own_names* gives the case-folded names of the connector's own accounts."""
        self._rest = rest
        self._own_names = own_names

    async def people(self) -> tuple[Account, ...]:
        """See `Listing.people`. Before 10.3 there is no list, only the search, which Jira 9 does not cut."""
        own = await self._own_names()
        answer = await self._rest.ask("GET", path_of(f"{API}/user/list", maxResults=_USERS))
        if answer.status == 404:
            beans = await self._searched()
        else:
            beans = []
            for _ in range(_MOST_PAGES):
                if answer.status != 200:
                    raise unexpected(answer, "reading the list of accounts")
                page = json_object(answer)
                beans += _values(page)
                cursor = page.get("nextCursor")
                if page.get("isLast") is True:
                    break
                if not isinstance(cursor, str | int):
                    raise _cut("the list of accounts has no end and no next page")
                answer = await self._rest.ask("GET", path_of(f"{API}/user/list", maxResults=_USERS, cursor=str(cursor)))
            else:
                raise _cut("the list of accounts does not end")
        found = [_account(bean, own) for bean in beans]
        return tuple(account for account in found if account is not None)

    async def _searched(self) -> list[Any]:
        beans: list[Any] = []
        for _ in range(_MOST_PAGES):
            path = path_of(
                f"{API}/user/search",
                username=".",
                includeActive="true",
                includeInactive="true",
                startAt=str(len(beans)),
                maxResults=_USERS,
            )
            answer = await self._rest.ask("GET", path)
            if answer.status != 200:
                raise unexpected(answer, "reading the accounts")
            page = _values({"values": _decoded(answer)})
            beans += page
            if not page:
                break
            if len(beans) == _CUT:
                raise _cut(f"this Jira lists {_CUT} accounts at most; only 9, and 10.3 and later, list all")
        return beans

    async def groups(self) -> tuple[tuple[str, ...], int]:
        """See `Listing.groups`."""
        answer = await self._rest.ask("GET", path_of(f"{API}/groups/picker", query="", maxResults=_GROUPS))
        if answer.status != 200:
            raise unexpected(answer, "reading the groups")
        body = json_object(answer)
        names = [item.get("name") for item in body.get("groups") or () if isinstance(item, dict)]
        total = body.get("total")
        found = tuple(name for name in names if isinstance(name, str))
        return found, total if isinstance(total, int) else len(found)

    async def members(self, group: str) -> frozenset[str] | None:
        """See `Listing.members`. Read again once if somebody joined or left while the pages were read."""
        for _ in range(2):
            found, total = await self._pages(group)
            if found is None or len(found) == total:
                return found
        raise _cut(f"the members of {group} change while they are read; run the command again")

    async def _pages(self, group: str) -> tuple[frozenset[str] | None, int]:
        found: set[str] = set()
        start, total = 0, -1
        for _ in range(_MOST_PAGES):
            path = path_of(
                f"{API}/group/member",
                groupname=group,
                includeInactiveUsers="true",
                startAt=str(start),
                maxResults=_MEMBERS,
            )
            answer = await self._rest.ask("GET", path)
            if answer.status == 404:
                return None, 0
            if answer.status != 200:
                raise unexpected(answer, f"reading the members of {group}")
            page = json_object(answer)
            values, said = _values(page), page.get("total")
            total = said if isinstance(said, int) else -1
            found |= {bean["name"].lower() for bean in values if isinstance(bean.get("name"), str)}
            start += len(values)
            if page.get("isLast") is True or not values:
                break
        return frozenset(found), total

    async def shadowed(self) -> Mapping[str, tuple[str, ...]]:
        """See `Listing.shadowed`."""
        answer = await self._rest.ask("GET", f"{API}/user/duplicated/list")
        if answer.status != 200:
            raise unexpected(answer, "reading the accounts of several directories")
        found: dict[str, tuple[str, ...]] = {}
        for name, places in json_object(answer).items():
            named = [place.get("directoryName") for place in places if isinstance(place, dict)]
            found[name.lower()] = tuple(one for one in named if isinstance(one, str))
        return found


def _decoded(answer: Answer) -> object:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


def _values(page: dict[str, Any]) -> list[dict[str, Any]]:
    values = page.get("values")
    if not isinstance(values, list) or not all(isinstance(bean, dict) for bean in values):
        raise _cut("the application does not show a list")
    return values


def _account(bean: dict[str, Any], own: frozenset[str]) -> Account | None:
    name, active, key = bean.get("name"), bean.get("active"), bean.get("key")
    if bean.get("deleted") is True:
        return None
    if not isinstance(name, str) or not isinstance(active, bool):
        raise _cut("the application does not show the whole account")
    email, shown = bean.get("emailAddress"), bean.get("displayName")
    return Account(
        username=name,
        display_name=shown if isinstance(shown, str) else "",
        email=email if isinstance(email, str) else "",
        active=active,
        groups=frozenset(),
        key=key if isinstance(key, str) else None,
        own=name.casefold() in own,
    )


def _cut(detail: str) -> AccountError:
    return AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)
