"""All accounts and groups of a user server in bounded calls: its search, page by page, and the members of groups.

Implements `flows.listing.Listing`, for Crowd and for a Jira that is a user server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

from sidecar.adapters.accounts.crowd_answers import refusal
from sidecar.adapters.accounts.paging import Bean, Page, cut, whole
from sidecar.adapters.accounts.rest import Rest, json_object, path_of
from sidecar.domain.account import Account

_PAGE = 1000

UNTOLD = (
    "the user server does not tell which directories have a name; compare the application's directories by hand",
    "accounts and groups that the application keeps in directories of its own are not on the user server",
)


class CrowdListing:
    """Lists what one user server shows to an application."""

    untold = UNTOLD

    def __init__(self, rest: Rest) -> None:
        """*rest* is that of the connector."""
        self._rest = rest

    async def people(self) -> tuple[Account, ...]:
        """See `Listing.people`."""
        beans = await self._search("user", expand="user")
        return tuple(map(_account, beans))

    async def groups(self) -> tuple[tuple[str, ...], int]:
        """See `Listing.groups`."""
        names = tuple(str(bean["name"]) for bean in await self._search("group"))
        return names, len(names)

    async def members(self, group: str) -> frozenset[str] | None:
        """See `Listing.members`: those by nesting too, as `CrowdConnector.read` has them."""
        direct, nested = await asyncio.gather(self._members("direct", group), self._members("nested", group))
        return None if direct is None or nested is None else direct | nested

    async def shadowed(self) -> Mapping[str, tuple[str, ...]] | None:
        """See `Listing.shadowed`: a user server does not tell."""
        return None

    async def _search(self, kind: str, **more: str) -> tuple[Bean, ...]:
        query = {"entity-type": kind, "restriction": "", **more}
        found = await whole(partial(self._page, "/search", f"{kind}s", query), f"the list of {kind}s")
        if found is None:
            raise cut(f"the user server does not list its {kind}s")
        return found

    async def _members(self, way: str, group: str) -> frozenset[str] | None:
        read = partial(self._page, f"/group/user/{way}", "users", {"groupname": group})
        beans = await whole(read, f"the members of {group}")
        return None if beans is None else frozenset(str(bean["name"]).lower() for bean in beans)

    async def _page(self, path: str, listed: str, query: Mapping[str, str], start: int) -> Page | None:
        pages = {"start-index": str(start), "max-results": str(_PAGE)}
        answer = await self._rest.ask("GET", path_of(path, **query, **pages))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise refusal(answer, f"reading the {listed}")
        beans = json_object(answer).get(listed)
        if not isinstance(beans, list) or not all(
            isinstance(bean, dict) and isinstance(bean.get("name"), str) for bean in beans
        ):
            raise cut(f"the user server does not show its {listed}")
        return Page(tuple((bean["name"], bean) for bean in beans), width=len(beans), more=len(beans) >= _PAGE)


def _account(bean: Bean) -> Account:
    active, email, shown, key = bean.get("active"), bean.get("email"), bean.get("display-name"), bean.get("key")
    if not isinstance(active, bool):
        raise cut("the user server lists names only, and no whole accounts")
    return Account(
        username=bean["name"],
        display_name=shown if isinstance(shown, str) else "",
        email=email if isinstance(email, str) else "",
        active=active,
        groups=frozenset(),
        key=key if isinstance(key, str) and key else None,
    )
