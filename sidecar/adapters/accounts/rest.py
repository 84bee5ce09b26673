"""Calls to a product's REST interface: the credential on each, patience with rate limits, refusals told apart.

Shared by the connectors. Guesses nothing: an answer that was not given to the connector's own account is an error.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from sidecar.adapters.accounts.calls import Answer, call
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

_DEAD_TOKEN = frozenset({"AUTHENTICATED_FAILED", "AUTHENTICATION_DENIED"})
_NOT_ACCEPTED = "the application does not accept the access token: it is wrong, expired or revoked"
_ATTEMPTS = 3


class Rest:
    """One REST interface. One object per application; safe for many tasks at once."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base: str,
        credential: Callable[[], str],
        *,
        patience: float = 5.0,
        refused: str = _NOT_ACCEPTED,
    ) -> None:
        """Does no call.

        Args:
            session: From `calls.open_session`; the caller closes it.
            base: Address under which all paths lie, without a slash at the end.
            credential: Gives the value of `Authorization` of the moment, so that it can be replaced while we run.
            patience: Seconds that one call may wait in all because the product says that we ask too often.
            refused: What to say when the credential is not accepted.
        """
        self._session = session
        self._base = base
        self._credential = credential
        self._patience = patience
        self._refused = refused

    async def ask(
        self, method: str, path: str, body: Mapping[str, object] | None = None, *, may_lack: bool = False
    ) -> Answer:
        """One call, repeated while the product limits us and patience lasts. Refusals of the credential raise.

        With *may_lack* a 404 of anybody is an answer: an earlier version does not have the path.
        """
        patience = self._patience
        for attempt in range(1, _ATTEMPTS + 1):
            answer = await self._ask_once(method, path, body)
            pause = _retry_after(answer)
            if answer.status != 429:
                _check(answer, self._refused, may_lack=may_lack)
                return answer
            if attempt == _ATTEMPTS or pause > patience:
                break
            patience -= pause
            await asyncio.sleep(pause)
        detail = "the application limits how often we ask; exempt the token's account from rate limiting"
        raise AccountError(Reason.CONNECTOR_UNREACHABLE, detail)

    async def _ask_once(self, method: str, path: str, body: Mapping[str, object] | None) -> Answer:
        headers = {"Authorization": self._credential(), "X-Atlassian-Token": "no-check"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return await call(
            self._session, method, self._base + path, headers, content, failed=Reason.CONNECTOR_UNREACHABLE
        )


def path_of(path: str, **query: str) -> str:
    return path + "?" + "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())


def _check(answer: Answer, refused: str, *, may_lack: bool) -> None:
    """Refuse an answer that was not given to the credential's account, or not by the REST interface.

    Seraph serves a request with a dead token as anonymous, with status 200 where anonymous access is allowed; only
    this header tells.
    """
    said = {word.strip() for value in answer.headers.getall("X-Seraph-LoginReason", []) for word in value.split(",")}
    captcha = "CAPTCHA" in answer.headers.get("X-Authentication-Denied-Reason", "")
    if said & _DEAD_TOKEN or captcha or answer.status == 401:
        raise AccountError(Reason.CONNECTOR_REFUSED, refused, retry=False)
    if 200 <= answer.status < 300 and answer.content_type == "text/html":
        detail = "the answer is a page and no data; is there a log-in page in between?"
        raise AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)
    if answer.status == 404 and answer.content_type != "application/json" and not may_lack:
        detail = "there is no REST interface of the product at the connector's address"
        raise AccountError(Reason.CONNECTOR_REFUSED, detail, retry=False)


def _retry_after(answer: Answer) -> float:
    """Seconds to wait after a 429. Zero is said where tokens remain; a date or nothing counts as one second."""
    value = answer.headers.get("Retry-After", "")
    return max(float(value), 0.1) if value.isascii() and value.isdigit() and len(value) < 8 else 1.0


def unexpected(answer: Answer, doing: str) -> AccountError:
    said = messages(answer)
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
    return "".join(filter(str.isprintable, line))[:300]


def _decoded(answer: Answer) -> Any:
    """The JSON of an answer that says it is JSON, else None. What is nested too deeply counts as no JSON."""
    try:
        return json.loads(answer.body) if answer.content_type == "application/json" else None
    except (ValueError, RecursionError):
        return None


def json_object(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer. A log-in page with status 200 is none."""
    body = _decoded(answer)
    if not isinstance(body, dict):
        raise AccountError(
            Reason.CONNECTOR_REFUSED, "the answer is no JSON object; is there a log-in page in between?", retry=False
        )
    return body
