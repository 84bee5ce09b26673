"""All accounts and groups of a Confluence in bounded calls, page by page.

Implements `flows.listing.Listing`. Confluence shows neither e-mail addresses nor directories; that is said by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from sidecar.adapters.accounts.calls import Answer
from sidecar.adapters.accounts.paging import Bean, Page, cut, whole
from sidecar.adapters.accounts.rest import Rest, json_object, path_of, segment, unexpected
from sidecar.domain.account import Account
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.listing import UnreadGroupError

_USERS, _GROUPS, _MEMBERS = 100, 200, 200
_ACTIVE = {"active": True, "deactivated": False, "inactive": False, "disabled": False}
"""Words for `status`, folded. Any other word is an error."""

UNTOLD = (
    "Confluence shows no e-mail addresses: nobody is found by one, and an address that is changed cannot be put back",
    "Confluence does not tell which directories have a name; compare its user directories by hand",
)


class ConfluenceListing:
    """Lists what one Confluence has."""

    untold = UNTOLD

    def __init__(self, rest: Rest, own_name: Callable[[], Awaitable[str]]) -> None:
        """*own_name* gives the case-folded name of the connector's own account."""
        self._rest = rest
        self._own_name = own_name

    async def people(self) -> tuple[Account, ...]:
        """See `Listing.people`."""
        own = await self._own_name()
        what = "the list of accounts"
        read = partial(self._page, "/user/list", "username", _USERS, what, may_lack=True, expand="status")
        beans = await whole(read, what)
        if beans is None:
            raise cut("this Confluence does not list its accounts; 8.4 and later do")
        return tuple(_account(bean, own) for bean in beans if is_known(bean))

    async def groups(self) -> tuple[tuple[str, ...], int]:
        """See `Listing.groups`."""
        beans = await whole(partial(self._page, "/group", "name", _GROUPS, "the groups"), "the list of groups")
        if beans is None:
            raise cut("this Confluence does not list its groups")
        names = tuple(str(bean["name"]) for bean in beans)
        return names, len(names)

    async def members(self, group: str) -> frozenset[str] | None:
        """See `Listing.members`."""
        what = f"the members of {group}"
        if set(group) & {"/", "\\"} or not group.strip("."):
            # The name is a part of the path, and Tomcat takes no such part.
            raise UnreadGroupError(Reason.CONNECTOR_REFUSED, f"{what} have no address", retry=False)
        read = partial(self._page, f"/group/{segment(group)}/member", "username", _MEMBERS, what)
        beans = await whole(read, what)
        return None if beans is None else frozenset(str(bean["username"]).lower() for bean in beans if is_known(bean))

    async def shadowed(self) -> Mapping[str, tuple[str, ...]] | None:
        """See `Listing.shadowed`: Confluence does not tell."""
        return None

    async def _page(
        self, path: str, name: str, limit: int, what: str, start: int, *, may_lack: bool = False, **more: str
    ) -> Page | None:
        """One page of beans that have a *name*; None where there is none."""
        path = path_of(path, start=str(start), limit=str(limit), **more)
        answer = await self._rest.ask("GET", path, may_lack=may_lack)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise unexpected(answer, f"reading {what}")
        return _page(answer, name, what)


def _page(answer: Answer, name: str, what: str) -> Page:
    body = json_object(answer)
    results, links, limit = body.get("results"), body.get("_links"), body.get("limit")
    if not isinstance(results, list) or not isinstance(limit, int) or body.get("size") != len(results):
        raise cut(f"the application does not show {what}")
    if not all(isinstance(bean, dict) and (isinstance(bean.get(name), str) or not is_known(bean)) for bean in results):
        raise cut(f"the application does not show {what}")
    beans = tuple((str(bean.get(name)), bean) for bean in results)
    # A full page is never taken for the last one; and behind one that is not full, others may follow.
    follows = isinstance(links, dict) and "next" in links
    full = len(beans) >= limit
    return Page(beans, width=len(beans) if full or not follows else limit, more=follows or (full and limit > 0))


def is_known(bean: Bean) -> bool:
    """Whether a person has an account. Who has none any more, and anonymous, are persons too."""
    return bean.get("type") not in ("unknown", "anonymous")


def is_active(status: object) -> bool:
    """Whether that is the status of an active account.

    Raises:
        AccountError: it is no word that is known.
    """
    active = _ACTIVE.get(status.casefold()) if isinstance(status, str) else None
    if active is None:
        detail = "the application does not say whether the account is active"
        raise AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)
    return active


def _account(bean: Bean, own: str) -> Account:
    name, key, shown = str(bean["username"]), bean.get("userKey"), bean.get("displayName")
    return Account(
        username=name,
        display_name=shown if isinstance(shown, str) else "",
        email="",
        active=is_active(bean.get("status")),
        groups=frozenset(),
        key=key if isinstance(key, str) else None,
        own=name.casefold() == own,
    )
