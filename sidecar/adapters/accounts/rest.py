"""Calls to a product's REST interface: a credential on each, one pace for all, a breaker, refusals told apart.

Shared by the connectors. Guesses nothing: an answer that was not given to the connector's own account is an error.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from sidecar.adapters.accounts.calls import Answer, call, masked
from sidecar.adapters.accounts.credentials import NOT_ACCEPTED, Credentials, Read, Shown
from sidecar.adapters.accounts.pace import Pace, Sleep
from sidecar.adapters.breaker import Breaker
from sidecar.adapters.clock import SystemClock
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import Clock

_DEAD_TOKEN = frozenset({"AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED"})
_READ_ONLY = re.compile(r"read[- ]?only", re.IGNORECASE)
_CREDENTIALS = 3
"""Credentials that one call shows: both, and one that was replaced meanwhile."""

_ATTEMPTS = 8
"""Calls that may meet a limit; what they wait in all is bounded by patience."""


class Rest:
    """One REST interface. One object per application; safe for many tasks at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        credential: Read,
        *,
        patience: float = 5.0,
        refused: str = NOT_ACCEPTED,
        second: Read | None = None,
        told: Callable[[int, bool], None] = lambda place, all_of_them: None,
        clock: Clock | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Does no call.

        Args:
            session: From `calls.open_session`; the caller closes it.
            base: Address under which all paths lie, without a slash at the end.
            credential: Gives the value of `Authorization` of the moment, so that it can be replaced while we run.
            patience: Seconds that one call may wait in all because the product says that we ask too often.
            refused: What to say when no credential is accepted.
            second: The credential that takes over when the first is refused.
            told: Hears of each credential that is refused, once; see `Credentials`.
            clock: Another clock, for tests.
            sleep: How to wait, for tests.
        """
        self._session = session
        self._base = base
        self._patience = patience
        time = clock or SystemClock()
        self._credentials = Credentials(credential, second, time, told, refused)
        self._pace = Pace(time, sleep)
        self._breaker = Breaker(time)

    @property
    def refused(self) -> int:
        """How many credentials the application refuses at present."""
        return self._credentials.refused

    def shown(self) -> Shown:
        """The credential that the next call shows.

        Raises:
            CredentialRefusedError: none is left.
        """
        return self._credentials.choose()

    async def ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, may_lack: bool = False
    ) -> Answer:
        """One call, repeated while the product limits us and patience lasts, and with the next credential when one is
        refused. With *may_lack* a 404 of anybody is an answer: an earlier version does not have the path.

        Raises:
            CredentialRefusedError: the product takes none of ours.
            AccountError: `connector_unreachable`, `connector_refused`.
        """
        for _ in range(_CREDENTIALS):
            shown = self.shown()
            answer = await self._ask_patiently(method, path, body, shown)
            if not _is_refused(answer):
                self._credentials.accepted(shown)
                _check(answer, may_lack=may_lack)
                return answer
            self._credentials.was_refused(shown)
        raise self._credentials.refusal()

    async def _ask_patiently(self, method: str, path: str, body: Mapping[str, object] | None, shown: Shown) -> Answer:
        patience = self._patience
        for _ in range(_ATTEMPTS):
            try:
                patience -= await self._pace.turn(patience)
            except TimeoutError:
                break
            answer = await self._ask_once(method, path, body, shown)
            if answer.status != 429:
                return answer
        detail = "the application limits how often we ask; exempt the token's account from rate limiting"
        raise AccountError(Reason.CONNECTOR_UNREACHABLE, detail)

    async def _ask_once(self, method: str, path: str, body: Mapping[str, object] | None, shown: Shown) -> Answer:
        try:
            answer = await self._call(method, path, body, shown)
        except BaseException:
            self._pace.over(None, {})
            raise
        self._pace.over(answer.status, answer.headers)
        return answer

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None, shown: Shown) -> Answer:
        async with self._breaker.turn(self._base) as may_call:
            if not may_call:
                detail = "the application did not answer several times; it is left alone for a moment"
                raise AccountError(Reason.CONNECTOR_UNREACHABLE, detail)
            return await self._call_now(method, path, body, shown)

    async def _call_now(self, method: str, path: str, body: Mapping[str, object] | None, shown: Shown) -> Answer:
        headers = {"X-Atlassian-Token": "no-check"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        failed = Reason.CONNECTOR_UNREACHABLE
        try:
            answer = await call(self._session, method, self._base + path, headers, content, failed=failed, shown=shown)
        except AccountError as error:
            if error.retry:
                self._breaker.was_silent(self._base)
            raise
        self._breaker.answered(self._base)
        return answer


def path_of(path: str, **query: str) -> str:
    return path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


def segment(name: str, what: str = "name") -> str:
    """A name as one segment of a path.

    Raises:
        AccountError: it cannot be one; *what* says of what it is the name.
    """
    if not name.strip("."):
        # It would lead to another path than the one that is meant.
        raise AccountError(Reason.ACCOUNT_STEP_FAILED, f"a {what} of dots has no address", retry=False)
    return quote(name, safe="")


def is_served_as_nobody(answer: Answer) -> bool:
    """Whether the token is dead.

    Seraph serves a request with a dead token as anonymous, with status 200 where anonymous access is allowed; only
    this header tells.
    """
    said = {word.strip() for value in answer.headers.getall("X-Seraph-LoginReason", []) for word in value.split(",")}
    return bool(said & _DEAD_TOKEN)


def _is_refused(answer: Answer) -> bool:
    """Whether the product does not take the credential."""
    captcha = "CAPTCHA" in answer.headers.get("X-Authentication-Denied-Reason", "")
    return is_served_as_nobody(answer) or captcha or answer.status == 401


def _check(answer: Answer, *, may_lack: bool) -> None:
    """Refuse an answer that was not given by the REST interface."""
    if 200 <= answer.status < 300 and answer.content_type == "text/html":
        detail = "the answer is a page and no data; is there a log-in page in between?"
        raise AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)
    if answer.status == 404 and answer.content_type != "application/json" and not may_lack:
        detail = "there is no REST interface of the product at the connector's address"
        raise AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)


def unexpected(answer: Answer, doing: str) -> AccountError:
    said = messages(answer)
    tail = f": {said}" if said else ""
    if 300 <= answer.status < 400:
        return AccountError(
            Reason.CONNECTOR_REFUSED, f"{doing} was answered by a redirect; is the address right?", retry=False
        )
    if answer.status >= 500:
        return AccountError(Reason.CONNECTOR_UNREACHABLE, f"{doing} was answered by {answer.status}{tail}")
    if 400 <= answer.status < 500 and _READ_ONLY.search(said):
        # Documented for `myself` only; the other resources say it in their own words.
        detail = f"{doing} was refused with {answer.status}, for the directory of the user is read-only: {said}"
        return AccountError(Reason.DIRECTORY_READ_ONLY, detail, retry=False)
    if answer.status == 403:
        cause = "the token's account may not do this, or the directory of the user is read-only"
        reason = Reason.CONNECTOR_REFUSED if doing.startswith(("reading", "asking")) else Reason.ACCOUNT_STEP_FAILED
        return AccountError(reason, f"{doing} was refused with 403: {cause}{tail}", retry=False)
    return AccountError(Reason.ACCOUNT_STEP_FAILED, f"{doing} was answered by {answer.status}{tail}", retry=False)


def messages(answer: Answer) -> str:
    """What Jira's `ErrorCollection`, or the `message` of Confluence and Crowd, says; "" for any other body.

    On one line, of at most 300 characters.
    """
    body = _decoded(answer)
    if not isinstance(body, dict):
        return ""
    general, fields = body.get("errorMessages"), body.get("errors")
    texts = [*(general if isinstance(general, list) else ()), *(fields.values() if isinstance(fields, dict) else ())]
    texts.append(body.get("message"))
    line = " ".join(" ".join(text.split()) for text in texts if isinstance(text, str))
    return masked("".join(filter(str.isprintable, line)), answer.showed)[:300]


def _decoded(answer: Answer) -> Any:
    """The JSON of an answer that says it is JSON, else None. What is nested too deeply counts as no JSON."""
    try:
        return json.loads(answer.body) if answer.content_type == "application/json" else None
    except (ValueError, RecursionError):
        return None


def json_list(answer: Answer) -> list[dict[str, Any]]:
    """The JSON objects of an answer that is a list of them."""
    body = _decoded(answer)
    if not isinstance(body, list) or not all(isinstance(entry, dict) for entry in body):
        raise AccountError(Reason.CONNECTOR_REFUSED, "the answer is no list of JSON objects", retry=False)
    return body


def json_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. A log-in page with status 200 is none."""
    body = _decoded(answer)
    if not isinstance(body, dict):
        raise AccountError(
            Reason.CONNECTOR_REFUSED, "the answer is no JSON object; is there a log-in page in between?", retry=False
        )
    return body
