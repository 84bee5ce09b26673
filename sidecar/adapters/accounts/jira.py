"""Jira's accounts, groups, seats and tokens over its REST interface, with a personal access token.

Called by `flows.provisioning` through the `Connector` protocol. Plans nothing, and guesses nothing: an answer that does
not say clearly what is there is an error, never an empty account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, assert_never

import aiohttp

from sidecar.adapters.accounts.credentials import Shown, bearer
from sidecar.adapters.accounts.jira_listing import API, JiraListing
from sidecar.adapters.accounts.pace import Sleep
from sidecar.adapters.accounts.rest import Rest, json_list, json_object, messages, path_of, segment, unexpected
from sidecar.adapters.clock import SystemClock
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
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, SwitchesActive
from sidecar.flows.telling import Clock


class JiraConnector:
    """Reads and changes the accounts of one Jira. One object per application; safe for many tasks at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        token: Callable[[], str],
        *,
        patience: float = 5.0,
        next_token: Callable[[], str] | None = None,
        told: Callable[[int, bool], None] = lambda place, all_of_them: None,
        switch: SwitchesActive | None = None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Does no call.

        Args:
            session: From `calls.open_session`; the caller closes it.
            base: Address with context path at which Jira is reached, without a slash at the end.
            token: Gives the personal access token of the moment, so that it can be replaced while we run.
            patience: Seconds that one call may wait in all because Jira says that we ask too often.
            next_token: The token that takes over when the first is refused.
            told: Hears of each token that is refused, once; see `credentials.Credentials`.
            switch: The second way to make accounts active, where Jira ignores the first.
            clock: Another clock, for tests.
            sleep: How to wait, for tests.
        """
        self._rest = Rest(
            session,
            base.rstrip("/"),
            bearer(token),
            patience=patience,
            second=bearer(next_token) if next_token is not None else None,
            told=told,
            clock=clock,
            sleep=sleep,
        )
        self._switch = switch
        self._clock = clock or SystemClock()
        self._own: dict[Shown, str] = {}
        self._asking = asyncio.Lock()

    @property
    def refused(self) -> int:
        """How many of the tokens Jira refuses at present."""
        return self._rest.refused

    async def read(self, username: str) -> Account | None:
        """The account with all its groups; None if there is none of that name. See `Connector.read`."""
        account = await self._read(username=username)
        # A user found otherwise than by this name is somebody else.
        return account if account and account.username.casefold() == username.casefold() else None

    async def by_key(self, key: str) -> Account | None:
        """The account of that key, whatever its name is now. See `Registry.by_key`."""
        account = await self._read(key=key)
        return account if account and account.key == key else None

    async def _read(self, **named: str) -> Account | None:
        path = path_of(f"{API}/user", **named, expand="groups")
        answer, own = await asyncio.gather(self._rest.ask("GET", path), self._own_names())
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise unexpected(answer, "reading an account")
        return _account(json_object(answer), own)

    async def licences(self) -> tuple[Licence, ...]:
        """Jira's application roles. See `Registry.licences`."""
        answer = await self._rest.ask("GET", f"{API}/applicationrole")
        if answer.status != 200:
            raise unexpected(answer, "reading the application roles")
        return tuple(map(_licence, json_list(answer)))

    async def token_expiry(self) -> UnixSeconds | None:
        """When the first of the tokens ends that the connector's account has and that still live; None: none does.

        Jira does not say which of them is ours.
        """
        answer = await self._rest.ask("GET", "/rest/pat/latest/tokens")
        if answer.status != 200:
            raise unexpected(answer, "reading when the token ends")
        ends = [moment(entry.get("expiringAt")) for entry in json_list(answer)]
        now = self._clock.now()
        return min((end for end in ends if end is not None and end > now), default=None)

    async def apply(self, step: Step) -> StepResult:
        """Do one step. See `Connector.apply`."""
        match step:
            case Create():
                return await self._create(step)
            case Reactivate():
                return await self._set_active(step.username, True, "reactivating")
            case Update():
                fields = {"displayName": step.display_name, "emailAddress": step.email}
                body = {name: value for name, value in fields.items() if value is not None}
                return await self._put(step.username, body, "updating")
            case Deactivate():
                return await self._set_active(step.username, False, "deactivating")
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
        await self._put(username, {"name": to}, "renaming")

    async def end_sessions(self, username: str) -> None:
        """End all of Jira's own sessions of an account, in every browser. See `flows.product_sessions.EndsSessions`."""
        answer = await self._rest.ask("DELETE", f"{API}/user/session/{segment(username, 'username')}")
        # 404 of the REST interface itself: Jira knows no such account, so it has no sessions either.
        if answer.status not in (200, 204, 404):
            raise unexpected(answer, "ending the sessions of an account")

    def listing(self) -> JiraListing:
        """The way to list everybody. See `flows.listing.Lists`."""
        return JiraListing(self._rest, self._own_names)

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
            answer = await self._rest.ask("POST", f"{API}/user", body)
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
        # An account that is said to be there and is not shown: its directory is late (`account_steps.must_be_ready`).
        if found is None and not (error.reason is Reason.ACCOUNT_STEP_FAILED and "already exists" in error.detail):
            raise error
        return StepResult.ALREADY

    async def _put(self, username: str, body: Mapping[str, object], doing: str) -> StepResult:
        answer = await self._rest.ask("PUT", path_of(f"{API}/user", username=username), body)
        if answer.status != 200:
            raise unexpected(answer, f"{doing} the account")
        return StepResult.DONE

    async def _set_active(self, username: str, active: bool, doing: str) -> StepResult:
        """`active` by PUT. Old versions and some directories refuse or ignore it: then the second way, if any."""
        try:
            await self._put(username, {"name": username, "active": active}, doing)
        except AccountError as error:
            if self._switch is None or error.reason not in {Reason.ACCOUNT_STEP_FAILED, Reason.DIRECTORY_READ_ONLY}:
                raise
        if self._switch is None and active:
            # Whoever reactivates looks again in any case.
            return StepResult.DONE
        account = await self.read(username)
        if account is not None and account.active is active:
            return StepResult.DONE
        if self._switch is not None:
            await self._switch.set_active(username, active=active)
            return StepResult.DONE
        raise AccountError(Reason.ACCOUNT_STEP_FAILED, f"{doing} the account was accepted and not done", retry=False)

    async def _make_group(self, step: MakeGroup) -> StepResult:
        answer = await self._rest.ask("POST", f"{API}/group", {"name": step.group})
        if answer.status == 201:
            return StepResult.DONE
        if answer.status == 400 and "already exists" in messages(answer).lower():
            return StepResult.ALREADY
        raise unexpected(answer, f"making the group {step.group}")

    async def _join(self, step: Join) -> StepResult:
        answer = await self._rest.ask(
            "POST", path_of(f"{API}/group/user", groupname=step.group), {"name": step.username}
        )
        if answer.status == 201:
            return StepResult.DONE
        if answer.status == 400 and "already a member" in messages(answer).lower():
            return StepResult.ALREADY
        if answer.status == 404 and _names_a_user(messages(answer)):
            detail = f"the application does not know the account that joins {step.group}"
            raise AccountError(Reason.ACCOUNT_ABSENT, detail)
        if answer.status == 404:
            raise AccountError(Reason.GROUP_ABSENT, f"the application has no group {step.group}", retry=False)
        raise unexpected(answer, f"joining the group {step.group}")

    async def _leave(self, step: Leave) -> StepResult:
        answer = await self._rest.ask(
            "DELETE", path_of(f"{API}/group/user", groupname=step.group, username=step.username)
        )
        if answer.status == 200:
            return StepResult.DONE
        not_in_it = answer.status == 400 and "not a member" in messages(answer).lower()
        if not_in_it or answer.status == 404:
            return StepResult.ALREADY
        raise unexpected(answer, f"leaving the group {step.group}")

    async def _own_names(self) -> frozenset[str]:
        """The folded names behind the tokens, asked once per token however many read at the same time."""
        if self._rest.shown() in self._own:
            return frozenset(self._own.values())
        async with self._asking:
            if self._rest.shown() not in self._own:
                await self._ask_own_name()
        return frozenset(self._own.values())

    async def _ask_own_name(self) -> None:
        answer = await self._rest.ask("GET", f"{API}/myself")
        name = json_object(answer).get("name") if answer.status == 200 else None
        if not isinstance(name, str) or not name:
            raise unexpected(answer, "asking whose the token is")
        # What answered may be the next token already; the one before is still ours.
        self._own = {**dict(list(self._own.items())[-1:]), self._rest.shown(): name.casefold()}


def _names_a_user(text: str) -> bool:
    lowered = text.lower()
    return "user" in lowered and "group" not in lowered


def _licence(body: dict[str, Any]) -> Licence:
    """One application role. Seats that are not told plainly are an error: they would be given away twice."""
    key, groups, unlimited = body.get("key"), body.get("groups"), body.get("hasUnlimitedSeats")
    remaining = body.get("remainingSeats")
    told = unlimited is True or (isinstance(remaining, int) and not isinstance(remaining, bool))
    if not isinstance(key, str) or not isinstance(groups, list) or not told:
        raise AccountError(Reason.CONNECTOR_REFUSED, "the application does not tell its seats plainly", retry=False)
    names = frozenset(name.casefold() for name in groups if isinstance(name, str))
    left = None if unlimited is True or not isinstance(remaining, int) else max(0, remaining)
    return Licence(key=key, groups=names, remaining=left)


def moment(text: object) -> UnixSeconds | None:
    """A point in time as Jira writes it, `2026-11-26T09:30:00.000+0000`; None for none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise AccountError(Reason.CONNECTOR_REFUSED, "the end of a token is no point in time", retry=False) from None
    return UnixSeconds(int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()))


def _account(body: dict[str, Any], own: frozenset[str]) -> Account | None:
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
        own=name.casefold() in own,
    )
