"""Accounts over Crowd's REST interface `/rest/usermanagement/1`, which Jira serves as well where it is a user server.

Called by `flows.provisioning` through the `Connector` protocol. The credential is an application's name and password,
so there is no account with which the connector itself works. Plans nothing, and guesses nothing.
"""

from __future__ import annotations

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, assert_never

import aiohttp

from sidecar.adapters.accounts.calls import Answer
from sidecar.adapters.accounts.crowd_answers import refusal
from sidecar.adapters.accounts.crowd_listing import CrowdListing
from sidecar.adapters.accounts.rest import Rest, json_object, messages, path_of
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
from sidecar.flows.accounts import AccountError

_PAGE = 1000
_MOST_PAGES = 10
_FIELDS = ("name", "first-name", "last-name", "display-name", "email", "active")
"""What a change writes: Crowd empties those that are not sent."""

_REFUSED = "the user server does not accept the application's name and password (accounts.crowd)"


class CrowdConnector:
    """Reads and changes the accounts of one user server. Safe for many tasks at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        application: str,
        password: Callable[[], str],
        *,
        patience: float = 5.0,
    ) -> None:
        """Does no call.

        Args:
            session: From `calls.open_session`; the caller closes it.
            base: Address of Crowd or Jira with its context path, without a slash at the end.
            application: Name under which the user server knows us.
            password: Gives the application's password of the moment, so that it can be replaced while we run.
            patience: Seconds that one call may wait in all because the user server says that we ask too often.
        """
        self._application = application
        self._password = password
        base = base.rstrip("/") + "/rest/usermanagement/1"
        self._rest = Rest(session, base, self._basic, patience=patience, refused=_REFUSED)

    async def read(self, username: str) -> Account | None:
        """The account with all its groups, those by nesting too; None if there is none. See `Connector.read`."""
        body, direct, nested = await asyncio.gather(
            self._user({"username": username}, "reading an account"),
            self._groups("direct", username),
            self._groups("nested", username),
        )
        if body is None:
            return None
        name, active = body.get("name"), body.get("active")
        email, display_name, key = body.get("email"), body.get("display-name"), body.get("key")
        if not isinstance(name, str) or not isinstance(active, bool) or direct is None or nested is None:
            raise _partial()
        # A user found otherwise than by this name is somebody else.
        if name.casefold() != username.casefold():
            return None
        return Account(
            username=name,
            display_name=display_name if isinstance(display_name, str) else "",
            email=email if isinstance(email, str) else "",
            active=active,
            groups=direct | nested,
            key=key if isinstance(key, str) and key else None,
        )

    async def by_key(self, key: str) -> Account | None:
        """The account of that key, whatever its name is now. See `Registry.by_key`."""
        body = await self._user({"key": key}, "reading an account by its key")
        name = body.get("name") if body is not None else None
        account = await self.read(name) if isinstance(name, str) else None
        return account if account is not None and account.key == key else None

    async def licences(self) -> tuple[Licence, ...]:
        """None: a user server knows nothing of the application's licence. See `Registry.licences`."""
        return ()

    def listing(self) -> CrowdListing:
        """The way to list everybody. See `flows.listing.Lists`."""
        return CrowdListing(self._rest)

    async def apply(self, step: Step) -> StepResult:
        """Do one step. See `Connector.apply`."""
        match step:
            case Create():
                return await self._create(step)
            case Reactivate():
                return await self._change(step.username, "reactivating the account", active=True)
            case Deactivate():
                return await self._change(step.username, "deactivating the account", active=False)
            case Update():
                fields = {"display-name": step.display_name, "email": step.email}
                wanted = {name: value for name, value in fields.items() if value is not None}
                return await self._change(step.username, "updating the account", **wanted)
            case MakeGroup():
                return await self._make_group(step)
            case Join():
                return await self._join(step)
            case Leave():
                return await self._leave(step)
            case _:
                assert_never(step)

    async def rename(self, username: str, to: str) -> None:
        """Give an account another name. See `flows.accounts.Renames`."""
        answer = await self._rest.ask("POST", path_of("/user/rename", username=username), {"new-name": to})
        if answer.status != 200:
            raise refusal(answer, "renaming the account")

    async def _create(self, step: Create) -> StepResult:
        first, _, last = step.display_name.rpartition(" ")
        body = {
            "name": step.username,
            "first-name": first or last,
            "last-name": last,
            "display-name": step.display_name,
            "email": step.email,
            "active": True,
            # Nobody ever learns it.
            "password": {"value": secrets.token_urlsafe(32)},
        }
        try:
            answer = await self._rest.ask("POST", "/user", body)
            if answer.status == 201:
                return StepResult.DONE
            error = refusal(answer, "creating the account")
        except AccountError as failed:
            error = failed
        # 400 has many causes, and an answer can get lost: only a look tells.
        try:
            found = await self.read(step.username)
        except AccountError:
            found = None
        if found is None:
            raise error
        return StepResult.ALREADY

    async def set_active(self, username: str, *, active: bool) -> None:
        """Make an account active or inactive for a Jira that does not. See `flows.accounts.SwitchesActive`."""
        _ = await self.apply(Reactivate(username) if active else Deactivate(username))

    async def _change(self, username: str, doing: str, **wanted: object) -> StepResult:
        """Read the whole user and write the whole user, with *wanted* changed."""
        body = await self._user({"username": username}, doing)
        if body is None:
            raise AccountError(Reason.ACCOUNT_STEP_FAILED, f"{doing}: there is no such account", retry=False)
        whole = {name: body[name] for name in _FIELDS if name in body}
        name = whole.get("name")
        if not isinstance(name, str) or "active" not in whole:
            raise _partial()
        answer = await self._rest.ask("PUT", path_of("/user", username=name), whole | wanted)
        if answer.status not in (200, 204):
            raise refusal(answer, doing)
        return StepResult.DONE

    async def _make_group(self, step: MakeGroup) -> StepResult:
        body = {"name": step.group, "type": "GROUP", "description": "", "active": True}
        answer = await self._rest.ask("POST", "/group", body)
        if answer.status == 201:
            return StepResult.DONE
        if answer.status == 400:
            # "Exists already" and "not valid" look the same.
            there = await self._rest.ask("GET", path_of("/group", groupname=step.group))
            if there.status == 200 and json_object(there).get("name"):
                return StepResult.ALREADY
        raise refusal(answer, f"making the group {step.group}")

    async def _join(self, step: Join) -> StepResult:
        path = path_of("/user/group/direct", username=step.username)
        answer = await self._rest.ask("POST", path, {"name": step.group})
        if answer.status == 201:
            return StepResult.DONE
        if answer.status == 409:
            return StepResult.ALREADY
        if answer.status == 400 or (answer.status == 404 and _reason(answer) == "GROUP_NOT_FOUND"):
            # 400 means that what the body names is unknown: the group.
            said = messages(answer)
            detail = f"the application has no group {step.group}" + (f": {said}" if said else "")
            raise AccountError(Reason.GROUP_ABSENT, detail, retry=False)
        raise refusal(answer, f"joining the group {step.group}")

    async def _leave(self, step: Leave) -> StepResult:
        path = path_of("/user/group/direct", username=step.username, groupname=step.group)
        answer = await self._rest.ask("DELETE", path)
        if answer.status == 404:
            return StepResult.ALREADY
        if answer.status not in (200, 204):
            raise refusal(answer, f"leaving the group {step.group}")
        return StepResult.DONE

    async def _user(self, named: Mapping[str, str], doing: str) -> dict[str, Any] | None:
        answer = await self._rest.ask("GET", path_of("/user", **named))
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise refusal(answer, doing)
        return json_object(answer)

    async def _groups(self, way: str, username: str) -> frozenset[str] | None:
        """The names of an account's groups, page by page; None if there is no such account."""
        names: set[str] = set()
        for page in range(_MOST_PAGES):
            query = {"username": username, "start-index": str(page * _PAGE), "max-results": str(_PAGE)}
            answer = await self._rest.ask("GET", path_of(f"/user/group/{way}", **query))
            if answer.status == 404:
                return None
            if answer.status != 200:
                raise refusal(answer, "reading the groups of an account")
            found = _names(json_object(answer))
            names |= found
            if len(found) < _PAGE:
                return frozenset(names)
        raise _partial()

    def _basic(self) -> str:
        pair = f"{self._application}:{self._password().strip()}"
        return "Basic " + b64encode(pair.encode()).decode()


def _names(body: dict[str, Any]) -> frozenset[str]:
    groups = body.get("groups")
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in groups] if groups else []
    texts = frozenset(name for name in names if isinstance(name, str))
    # Groups that are missing or cut short would look like groups the person is not in (D5).
    if not isinstance(groups, list) or len(texts) != len(groups):
        raise _partial()
    return texts


def _reason(answer: Answer) -> str:
    reason = json_object(answer).get("reason")
    return reason if isinstance(reason, str) else ""


def _partial() -> AccountError:
    return AccountError(Reason.CONNECTOR_REFUSED, "the application does not show the whole account", retry=False)
