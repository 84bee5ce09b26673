"""Jira's accounts over its REST interface `/rest/api/2`, with a personal access token.

Called by `flows.provisioning` through the `Connector` protocol. Plans nothing, and guesses nothing: an answer that does
not say clearly what is there is an error, never an empty account.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, assert_never
from urllib.parse import quote

import aiohttp

from sidecar.adapters.accounts.calls import Answer, call
from sidecar.domain.account import Account, Create, Join, Leave, Reactivate, Step, StepResult, Update
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

_DEAD_TOKEN = frozenset({"AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED"})
_ATTEMPTS = 3


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
        self._session = session
        self._base = base.rstrip("/") + "/rest/api/2"
        self._token = token
        self._patience = patience
        self._own: tuple[str, str] | None = None

    async def read(self, username: str) -> Account | None:
        """The account with all its groups; None if there is none of that name. See `Connector.read`."""
        path = _path("/user", username=username, expand="groups")
        answer, own = await asyncio.gather(self._call("GET", path), self._own_name())
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise _unexpected(answer, "reading an account")
        account = _account(_object(answer), own)
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
        answer = await self._call("DELETE", f"/user/session/{quote(username, safe='')}")
        # 404 of the REST interface itself: Jira knows no such account, so it has no sessions either.
        if answer.status not in (200, 204, 404):
            raise _unexpected(answer, "ending the sessions of an account")

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
            answer = await self._call("POST", "/user", body)
            if answer.status == 201:
                return StepResult.DONE
            error = _unexpected(answer, "creating the account")
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
        answer = await self._call("PUT", _path("/user", username=username), body)
        if answer.status != 200:
            raise _unexpected(answer, f"{doing} the account")
        return StepResult.DONE

    async def _join(self, step: Join) -> StepResult:
        answer = await self._call("POST", _path("/group/user", groupname=step.group), {"name": step.username})
        if answer.status == 201:
            return StepResult.DONE
        if answer.status == 400 and "already a member" in _messages(answer).lower():
            return StepResult.ALREADY
        if answer.status == 404:
            raise AccountError(Reason.GROUP_ABSENT, f"the application has no group {step.group}", retry=False)
        raise _unexpected(answer, f"joining the group {step.group}")

    async def _leave(self, step: Leave) -> StepResult:
        answer = await self._call("DELETE", _path("/group/user", groupname=step.group, username=step.username))
        if answer.status == 200:
            return StepResult.DONE
        not_in_it = answer.status == 400 and "not a member" in _messages(answer).lower()
        if not_in_it or answer.status == 404:
            return StepResult.ALREADY
        raise _unexpected(answer, f"leaving the group {step.group}")

    async def _own_name(self) -> str:
        """The folded name behind the token, asked once per token."""
        token = self._token()
        if self._own is None or self._own[0] != token:
            answer = await self._call("GET", "/myself")
            name = _object(answer).get("name") if answer.status == 200 else None
            if not isinstance(name, str) or not name:
                raise _unexpected(answer, "asking whose the token is")
            self._own = (token, name.casefold())
        return self._own[1]

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Answer:
        """One call, repeated while Jira limits us and patience lasts. Refusals of the token are told apart here."""
        patience = self._patience
        for attempt in range(1, _ATTEMPTS + 1):
            answer = await self._call_once(method, path, body)
            pause = _retry_after(answer)
            if answer.status != 429:
                _check(answer)
                return answer
            if attempt == _ATTEMPTS or pause > patience:
                break
            patience -= pause
            await asyncio.sleep(pause)
        detail = "the application limits how often we ask; exempt the token's account from rate limiting"
        raise AccountError(Reason.CONNECTOR_UNREACHABLE, detail)

    async def _call_once(self, method: str, path: str, body: Mapping[str, object] | None) -> Answer:
        headers = {"Authorization": f"Bearer {self._token().strip()}", "X-Atlassian-Token": "no-check"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return await call(
            self._session, method, self._base + path, headers, content, failed=Reason.CONNECTOR_UNREACHABLE
        )


def _path(path: str, **query: str) -> str:
    return path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


def _check(answer: Answer) -> None:
    """Refuse an answer that was not given to the token's account, or not by Jira's REST interface.

    Seraph serves a request with a dead token as anonymous, with status 200 where anonymous access is allowed; only
    this header tells.
    """
    said = {word.strip() for value in answer.headers.getall("X-Seraph-LoginReason", []) for word in value.split(",")}
    captcha = "CAPTCHA" in answer.headers.get("X-Authentication-Denied-Reason", "")
    if said & _DEAD_TOKEN or captcha or answer.status == 401:
        detail = "the application does not accept the access token: it is wrong, expired or revoked"
        raise AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)
    if answer.status == 404 and answer.content_type != "application/json":
        detail = "there is no REST interface of Jira at the connector's address"
        raise AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)


def _retry_after(answer: Answer) -> float:
    """Seconds to wait after a 429. Zero is said where tokens remain; a date or nothing counts as one second."""
    value = answer.headers.get("Retry-After", "")
    return max(float(value), 0.1) if value.isascii() and value.isdigit() and len(value) < 8 else 1.0


def _unexpected(answer: Answer, doing: str) -> AccountError:
    said = _messages(answer)
    tail = f": {said}" if said else ""
    if 300 <= answer.status < 400:
        return AccountError(
            Reason.CONNECTOR_REFUSED, f"{doing} was answered by a redirect; is the address right?", retry=False
        )
    if answer.status >= 500:
        return AccountError(Reason.CONNECTOR_UNREACHABLE, f"{doing} was answered by {answer.status}{tail}")
    if answer.status == 403:
        cause = "the token's account may not do this, or the directory of the user is read-only"
        reason = Reason.CONNECTOR_REFUSED if doing.startswith(("reading", "asking")) else Reason.ACCOUNT_STEP_FAILED
        return AccountError(reason, f"{doing} was refused with 403: {cause}{tail}", retry=False)
    return AccountError(Reason.ACCOUNT_STEP_FAILED, f"{doing} was answered by {answer.status}{tail}", retry=False)


def _messages(answer: Answer) -> str:
    """What Jira's `ErrorCollection` says, on one line of at most 300 characters; "" for any other body."""
    body = _decoded(answer)
    if not isinstance(body, dict):
        return ""
    general, fields = body.get("errorMessages"), body.get("errors")
    texts = [*(general if isinstance(general, list) else ()), *(fields.values() if isinstance(fields, dict) else ())]
    line = " ".join(" ".join(text.split()) for text in texts if isinstance(text, str))
    return "".join(filter(str.isprintable, line))[:300]


def _decoded(answer: Answer) -> Any:
    """The JSON of an answer that says it is JSON, else None. What is nested too deeply counts as no JSON."""
    try:
        return json.loads(answer.body) if answer.content_type == "application/json" else None
    except (ValueError, RecursionError):
        return None


def _object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. A log-in page with status 200 is none."""
    body = _decoded(answer)
    if not isinstance(body, dict):
        raise AccountError(
            Reason.CONNECTOR_REFUSED, "the answer is no JSON object; is there a log-in page in between?", retry=False
        )
    return body


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
