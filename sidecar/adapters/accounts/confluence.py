"""Confluence's accounts over its REST interface `/rest/api`, with a personal access token: Confluence 8.4 to 10.

Called by `flows.provisioning` through the `Connector` protocol. Plans nothing, and guesses nothing: an answer that does
not say clearly what is there is an error, never an empty account.

Confluence shows no e-mail address. What was last written by this object stands for it, so that an address is written
once per start of the gate and not at every look.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import assert_never

import aiohttp

from sidecar.adapters.accounts.calls import Answer
from sidecar.adapters.accounts.confluence_listing import ConfluenceListing, is_active, is_known
from sidecar.adapters.accounts.credentials import Shown, bearer
from sidecar.adapters.accounts.rest import Rest, json_object, path_of, segment, unexpected
from sidecar.core.kept import kept
from sidecar.domain.account import (
    Account,
    Create,
    Deactivate,
    Join,
    Leave,
    MakeGroup,
    Reactivate,
    Step,
    StepResult,
    Update,
)
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, CredentialRefusedError
from sidecar.flows.telling import Clock

LOG = logging.getLogger(__name__)

_PAGE = 200
_MOST_PAGES = 50
_MOST_ADDRESSES = 20_000


class ConfluenceConnector:
    """Reads and changes the accounts of one Confluence. One object per application; safe for many tasks at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        token: Callable[[], str],
        *,
        patience: float = 5.0,
        next_token: Callable[[], str] | None = None,
        told: Callable[[int, bool], None] = lambda place, all_of_them: None,
        clock: Clock | None = None,
    ) -> None:
        """Does no call.

        Args:
            session: From `calls.open_session`; the caller closes it.
            base: Address with context path at which Confluence is reached, without a slash at the end.
            token: Gives the personal access token of the moment, so that it can be replaced while we run.
            patience: Seconds that one call may wait in all because Confluence says that we ask too often.
            next_token: The token that takes over when the first is refused.
            told: Hears of each token that is refused, once; see `credentials.Credentials`.
            clock: Another clock, for tests.
        """
        self._rest = Rest(
            session,
            base.rstrip("/") + "/rest/api",
            bearer(token),
            patience=patience,
            second=bearer(next_token) if next_token is not None else None,
            told=told,
            clock=clock,
        )
        self._own: tuple[Shown, str] | None = None
        self._updates = True
        self._addresses: OrderedDict[str, str] = kept("confluence_addresses", OrderedDict(), _MOST_ADDRESSES)

    async def read(self, username: str) -> Account | None:
        """The account with all its groups; None if there is none of that name. See `Connector.read`."""
        path = path_of("/user", username=username, expand="status")
        answer, groups, own = await asyncio.gather(
            self._rest.ask("GET", path), self._groups(username), self._own_name()
        )
        person = _person(answer, "reading an account")
        if person is None:
            return None
        name = person.get("username")
        if not isinstance(name, str) or groups is None:
            raise _partial()
        # A user found otherwise than by this name is somebody else.
        return self._account(person, name, groups, own) if name.casefold() == username.casefold() else None

    async def by_key(self, key: str) -> Account | None:
        """The account of that key, whatever its name is now. See `Registry.by_key`."""
        answer = await self._rest.ask("GET", path_of("/user", key=key, expand="status"))
        person = _person(answer, "reading an account by its key")
        if person is None or not is_known(person):
            return None
        name = person.get("username")
        if not isinstance(name, str):
            raise _partial()
        account = await self.read(name)
        return account if account is not None and account.key == key else None

    async def licences(self) -> tuple[Licence, ...]:
        """None: Confluence refuses a new account (402) and tells of no roles. See `Registry.licences`."""
        return ()

    def listing(self) -> ConfluenceListing:
        """The way to list everybody. See `flows.listing.Lists`."""
        return ConfluenceListing(self._rest, self._own_name)

    def _account(self, person: Mapping[str, object], name: str, groups: frozenset[str], own: str) -> Account:
        key, shown = person.get("userKey"), person.get("displayName")
        return Account(
            username=name,
            display_name=shown if isinstance(shown, str) else "",
            email=self._addresses.get(name.casefold(), ""),
            active=is_active(person.get("status")),
            groups=groups,
            key=key if isinstance(key, str) else None,
            own=name.casefold() == own,
        )

    async def apply(self, step: Step) -> StepResult:
        """Do one step. See `Connector.apply`.

        Joining and leaving are the same to Confluence whether they change something or not, so they are always `DONE`.
        """
        match step:
            case Create():
                return await self._create(step)
            case Reactivate():
                return await self._switch(step.username, "enable", "reactivating the account")
            case Deactivate():
                return await self._switch(step.username, "disable", "deactivating the account")
            case Update():
                return await self._update(step)
            case MakeGroup():
                return await self._make_group(step)
            case Join():
                return await self._join(step)
            case Leave():
                return await self._leave(step)
            case _:
                assert_never(step)

    async def _create(self, step: Create) -> StepResult:
        # Without a mail to the person a password is asked for: nobody ever learns this one.
        body = {
            "userName": step.username,
            "fullName": step.display_name,
            "email": step.email,
            "password": secrets.token_urlsafe(32),
            "notifyViaEmail": False,
        }
        try:
            answer = await self._rest.ask("POST", "/admin/user", body)
            if answer.status == 201:
                self._remember(step.username, step.email)
                return StepResult.DONE
            if answer.status == 402:
                detail = "the licence of Confluence has no seat left for another account"
                raise AccountError(Reason.NO_SEAT_LEFT, detail, retry=False)
            error = unexpected(answer, "creating the account")
        except AccountError as failed:
            error = failed
        # 409 says that it exists; and an answer can get lost, so that only a look tells.
        try:
            found = await self.read(step.username)
        except AccountError:
            found = None
        if found is None:
            raise error
        if error.reason is Reason.CONNECTOR_UNREACHABLE:
            # Nobody said that it was there before, so it most likely is the one that was asked for.
            self._remember(step.username, step.email)
        return StepResult.ALREADY

    async def _switch(self, username: str, way: str, doing: str) -> StepResult:
        answer = await self._rest.ask("PUT", f"/admin/user/{segment(username)}/{way}")
        if answer.status != 204:
            raise unexpected(answer, doing)
        return StepResult.DONE

    async def _update(self, step: Update) -> StepResult:
        if not self._updates:
            raise _no_updates()
        fields = {"fullName": step.display_name, "email": step.email}
        body = {name: value for name, value in fields.items() if value is not None}
        answer = await self._rest.ask("PUT", f"/admin/user/{segment(step.username)}", body, may_lack=True)
        if _is_lacking(answer):
            if self._updates:
                LOG.warning("%s", _no_updates().detail)
            self._updates = False
            raise _no_updates()
        if answer.status != 204:
            raise unexpected(answer, "updating the account")
        if step.email is not None:
            self._remember(step.username, step.email)
        return StepResult.DONE

    async def _make_group(self, step: MakeGroup) -> StepResult:
        answer = await self._rest.ask("POST", "/admin/group", {"name": step.group, "type": "group"})
        if answer.status == 409:
            return StepResult.ALREADY
        if answer.status not in (200, 201):
            raise unexpected(answer, f"making the group {step.group}")
        return StepResult.DONE

    async def _join(self, step: Join) -> StepResult:
        answer = await self._rest.ask("PUT", _membership(step.username, step.group))
        if answer.status == 404:
            raise AccountError(Reason.GROUP_ABSENT, f"the application has no group {step.group}", retry=False)
        if answer.status not in (200, 204):
            raise unexpected(answer, f"joining the group {step.group}")
        return StepResult.DONE

    async def _leave(self, step: Leave) -> StepResult:
        answer = await self._rest.ask("DELETE", _membership(step.username, step.group))
        if answer.status == 404:
            return StepResult.ALREADY
        if answer.status not in (200, 204):
            raise unexpected(answer, f"leaving the group {step.group}")
        return StepResult.DONE

    async def _groups(self, username: str) -> frozenset[str] | None:
        """All groups of an account, page by page; None if there is no such account."""
        names: set[str] = set()
        start = 0
        for _ in range(_MOST_PAGES):
            path = path_of("/user/memberof", username=username, start=str(start), limit=str(_PAGE))
            answer = await self._rest.ask("GET", path)
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise unexpected(answer, "reading the groups of an account")
            page, more = _page(json_object(answer))
            names |= page
            if not more:
                return frozenset(names)
            start += len(page)
        raise _partial()

    async def _own_name(self) -> str:
        """The folded name behind the token, asked once per token."""
        shown = self._rest.shown()
        if self._own is None or self._own[0] != shown:
            answer = await self._rest.ask("GET", "/user/current")
            if answer.status != 200:
                raise unexpected(answer, "asking whose the token is")
            body = json_object(answer)
            name = body.get("username")
            # Anonymous is not refused here: it is a user like any other, of the type `anonymous`.
            if body.get("type") == "anonymous" or not isinstance(name, str) or not name:
                detail = "the application does not know the access token: it is wrong, expired or revoked"
                raise CredentialRefusedError(detail)
            await self._check_permission(name)
            self._own = (shown, name.casefold())
        return self._own[1]

    async def _check_permission(self, name: str) -> None:
        """Warn, once per token, where its account is no administrator. Only a warning: the steps themselves tell."""
        try:
            answer = await self._rest.ask("GET", f"/permissions/user/{segment(name)}", may_lack=True)
        except AccountError:
            return
        if answer.status == 403:
            LOG.warning(
                "the access token's account %s may not read global permissions in Confluence; "
                "it needs the permission Confluence Administrator to manage accounts",
                name,
            )

    def _remember(self, username: str, email: str) -> None:
        """Keep the address that was written; the one that was longest unused makes room."""
        self._addresses[username.casefold()] = email
        self._addresses.move_to_end(username.casefold())
        while len(self._addresses) > _MOST_ADDRESSES:
            self._addresses.popitem(last=False)


def _person(answer: Answer, doing: str) -> dict[str, object] | None:
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise unexpected(answer, doing)
    return json_object(answer)


def _page(body: Mapping[str, object]) -> tuple[frozenset[str], bool]:
    """The names on one page, and whether there may be another one."""
    results, links, limit = body.get("results"), body.get("_links"), body.get("limit")
    if not isinstance(results, list) or not isinstance(limit, int) or body.get("size") != len(results):
        raise _partial()
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in results]
    texts = frozenset(name for name in names if isinstance(name, str))
    follows = isinstance(links, dict) and "next" in links
    # Groups that are missing or cut short would look like groups the person is not in (D5). So a full page is never
    # taken for the last one.
    if len(texts) != len(results) or (follows and not texts):
        raise _partial()
    return texts, follows or len(results) >= limit > 0


def _is_lacking(answer: Answer) -> bool:
    """Whether Confluence has no such path. Its own 404 about an account has `statusCode`."""
    if answer.status == 404 and answer.content_type == "application/json":
        return "statusCode" not in json_object(answer)
    return answer.status in (404, 405)


def _membership(username: str, group: str) -> str:
    return f"/user/{segment(username)}/group/{segment(group)}"


def _no_updates() -> AccountError:
    detail = (
        "this Confluence has no way to change display names and addresses (it came between 9.0 and 9.4): "
        "leave accounts.update out, or let accounts.crowd manage its users where they are"
    )
    return AccountError(Reason.ACCOUNT_STEP_FAILED, detail, retry=False)


def _partial() -> AccountError:
    return AccountError(Reason.CONNECTOR_REFUSED, "the application does not show the whole account", retry=False)
