"""Jira's accounts over its REST interface `/rest/api/2`, with a personal access token.

Called by `flows.provisioning` through the `Connector` protocol. Plans nothing, and guesses nothing: an answer that does
not say clearly what is there is an error, never an empty account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, assert_never
from urllib.parse import quote

import aiohttp

from sidecar.adapters.accounts.jira_listing import JiraListing
from sidecar.adapters.accounts.rest import Rest, json_object, messages, path_of, unexpected
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
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError


class JiraConnector:
    """Reads and changes the accounts of one Jira. One object per application; safe for many tasks at once."""

    def __init__(
        self, session: aiohttp.ClientSession, base: str, token: Callable[[], str], *, patience: float = 5.0
    ) -> None:
        """Does no call.

        Args:
            session: From `calls.open_session`; the caller closes it.
            base: Address with context path at which Jira is reached, without a slash at the end.
            token: Gives the personal access token of the moment, so that it can be replaced while we run.
            patience: Seconds that one call may wait in all because Jira says that we ask too often.
        """
        self._token = token
        self._rest = Rest(session, base.rstrip("/") + "/rest/api/2", self._bearer, patience=patience)
        self._own: tuple[str, str] | None = None

    async def read(self, username: str) -> Account | None:
        """The account with all its groups; None if there is none of that name. See `Connector.read`."""
        path = path_of("/user", username=username, expand="groups")
        answer, own = await asyncio.gather(self._rest.ask("GET", path), self._own_name())
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise unexpected(answer, "reading an account")
        account = _account(json_object(answer), own)
        # A user found otherwise than by this name is somebody else.
        return account if account and account.username.casefold() == username.casefold() else None

    async def apply(self, step: Step) -> StepResult:
        """Do one step. See `Connector.apply`."""
        match step:
            case Create():
                return await self._create(step)
            case Reactivate():
                return await self._put(step.username, {"name": step.username, "active": True}, "reactivating")
            case Update():
                fields = {"displayName": step.display_name, "emailAddress": step.email}
                body = {name: value for name, value in fields.items() if value is not None}
                return await self._put(step.username, body, "updating")
            case Deactivate():
                return await self._put(step.username, {"name": step.username, "active": False}, "deactivating")
            case MakeGroup():
                return await self._make_group(step)
            case Join():
                return await self._join(step)
            case Leave():
                return await self._leave(step)
            case _:
                assert_never(step)

    async def end_sessions(self, username: str) -> None:
        """End all of Jira's own sessions of an account, in every browser. See `flows.product_sessions.EndsSessions`."""
        if not username.strip("."):
            # It would lead to another path than the one that is meant.
            raise AccountError(Reason.ACCOUNT_STEP_FAILED, "a username of dots has no address", retry=False)
        answer = await self._rest.ask("DELETE", f"/user/session/{quote(username, safe='')}")
        # 404 of the REST interface itself: Jira knows no such account, so it has no sessions either.
        if answer.status not in (200, 204, 404):
            raise unexpected(answer, "ending the sessions of an account")

    def listing(self) -> JiraListing:
        """The way to list everybody. See `flows.listing.Lists`."""
        return JiraListing(self._rest, self._own_name)

    async def _create(self, step: Create) -> StepResult:
        # No password: Jira makes a random one. No application: seats come with groups only.
        body = {
            "name": step.username,
            "emailAddress": step.email,
            "displayName": step.display_name,
            "applicationKeys": [],
            "notification": "false",
        }
        try:
            answer = await self._rest.ask("POST", "/user", body)
            if answer.status == 201:
                return StepResult.DONE
            error = unexpected(answer, "creating the account")
        except AccountError as failed:
            error = failed
        # Jira documents no "exists already", and an answer can get lost: only a look tells.
        try:
            found = await self.read(step.username)
        except AccountError:
            found = None
        if found is None:
            raise error
        return StepResult.ALREADY

    async def _put(self, username: str, body: Mapping[str, object], doing: str) -> StepResult:
        answer = await self._rest.ask("PUT", path_of("/user", username=username), body)
        if answer.status != 200:
            raise unexpected(answer, f"{doing} the account")
        return StepResult.DONE

    async def _make_group(self, step: MakeGroup) -> StepResult:
        answer = await self._rest.ask("POST", "/group", {"name": step.group})
        if answer.status == 201:
            return StepResult.DONE
        if answer.status == 400 and "already exists" in messages(answer).lower():
            return StepResult.ALREADY
        raise unexpected(answer, f"making the group {step.group}")

    async def _join(self, step: Join) -> StepResult:
        answer = await self._rest.ask("POST", path_of("/group/user", groupname=step.group), {"name": step.username})
        if answer.status == 201:
            return StepResult.DONE
        if answer.status == 400 and "already a member" in messages(answer).lower():
            return StepResult.ALREADY
        if answer.status == 404:
            raise AccountError(Reason.GROUP_ABSENT, f"the application has no group {step.group}", retry=False)
        raise unexpected(answer, f"joining the group {step.group}")

    async def _leave(self, step: Leave) -> StepResult:
        answer = await self._rest.ask("DELETE", path_of("/group/user", groupname=step.group, username=step.username))
        if answer.status == 200:
            return StepResult.DONE
        not_in_it = answer.status == 400 and "not a member" in messages(answer).lower()
        if not_in_it or answer.status == 404:
            return StepResult.ALREADY
        raise unexpected(answer, f"leaving the group {step.group}")

    def _bearer(self) -> str:
        return f"Bearer {self._token().strip()}"

    async def _own_name(self) -> str:
        """The folded name behind the token, asked once per token."""
        token = self._token()
        if self._own is None or self._own[0] != token:
            answer = await self._rest.ask("GET", "/myself")
            name = json_object(answer).get("name") if answer.status == 200 else None
            if not isinstance(name, str) or not name:
                raise unexpected(answer, "asking whose the token is")
            self._own = (token, name.casefold())
        return self._own[1]


def _account(body: dict[str, Any], own: str) -> Account | None:
    name, active, groups = body.get("name"), body.get("active"), body.get("groups")
    items = groups.get("items") if isinstance(groups, dict) else None
    size = groups.get("size") if isinstance(groups, dict) else None
    if body.get("deleted") is True:
        return None
    names = [item.get("name") if isinstance(item, dict) else None for item in items] if isinstance(items, list) else []
    texts = frozenset(entry for entry in names if isinstance(entry, str))
    # Groups that are missing or cut short would look like groups the person is not in (D5).
    if not isinstance(name, str) or not isinstance(active, bool) or size != len(texts):
        raise AccountError(Reason.CONNECTOR_REFUSED, "the application does not show the whole account", retry=False)
    email, display_name, key = body.get("emailAddress"), body.get("displayName"), body.get("key")
    return Account(
        username=name,
        display_name=display_name if isinstance(display_name, str) else "",
        email=email if isinstance(email, str) else "",
        active=active,
        groups=texts,
        key=key if isinstance(key, str) else None,
        own=name.casefold() == own,
    )
