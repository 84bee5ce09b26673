"""Answers that a provider's page sends in a form (OAuth 2.0 Form Post Response Mode), on their way to the callback.

A form of another site brings none of our cookies, and none of them is ever opened to other sites for its sake. So what
it says is sealed into a cookie that lives a minute, and the browser comes again by GET, with all its cookies: then
there is one way to judge a callback. Used by `web.own`.

Anybody can post such a form, and the browser keeps what comes of it: so the cookie goes to that callback only, and a
heap of them is no burden anywhere else.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

from aiohttp import web

from sidecar.core.cookies import find_cookie
from sidecar.core.logins import SKEW, attempt_name
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.flows.attempts import AttemptSealer
from sidecar.flows.login import LoginError
from sidecar.web.forms import form_of
from sidecar.web.replies import Replies, put_cookie_at
from sidecar.web.visit import Visit

PURPOSE = "posted"
LIFE = 60
MOST_BYTES = 16 * 1024
MOST_SEALED = 3_600
"""Characters of the cookie; browsers keep 4,096 bytes with its name and attributes."""

_KEPT = ("state", "code", "iss", "error", "session_state")
_QUERY = re.compile(rf"{PURPOSE}=([0-9a-f]{{12}})", re.ASCII)


class Bounce:
    """Takes a form and sends the browser on with it; opens what the browser brings."""

    def __init__(self, sealer: AttemptSealer, replies: Replies) -> None:
        self._sealer = sealer
        self._replies = replies

    async def receive(self, visit: Visit, application: Application, provider: str) -> web.Response:
        """The form came; the callback is next.

        Raises:
            LoginError: `callback_invalid`: it is no answer of a provider, or too large.
        """
        form = await form_of(visit, MOST_BYTES)
        state = (form or {}).get("state")
        if form is None or not state:
            raise LoginError(Reason.CALLBACK_INVALID, "the form is none, or has no state")
        name = attempt_name(state)
        query = urlencode({key: form[key] for key in _KEPT if key in form})
        content = json.dumps([visit.now, query]).encode()
        text = self._sealer.seal_text(PURPOSE, _bound(application, provider, name), content)
        if len(text) > MOST_SEALED:
            raise LoginError(Reason.CALLBACK_INVALID, "the answer is larger than a cookie can be")
        path = _path(application, provider)
        response = self._replies.redirect(f"{application.origin}{path}?{PURPOSE}={name}", visit.record)
        put_cookie_at(response, path, _cookie(application, name), text, LIFE)
        return response

    def query_of(self, visit: Visit, application: Application, provider: str, name: str) -> str:
        """The query of the callback that the form for the attempt *name* stands for.

        Raises:
            LoginError: `state_missing`, `state_expired`: the cookie is gone, or too old.
        """
        text = find_cookie(b"; ".join(visit.head.cookies), _cookie(application, name).encode()) or ""
        content = self._sealer.open_text(PURPOSE, _bound(application, provider, name), text)
        if content is None:
            raise LoginError(Reason.STATE_MISSING, "the browser did not bring back what the form had said")
        at, query = json.loads(content)
        if not -SKEW <= visit.now - at <= LIFE + SKEW:
            raise LoginError(Reason.STATE_EXPIRED, "what the form had said is too old")
        return str(query)

    def forget(self, response: web.Response, application: Application, provider: str, name: str) -> None:
        """Take the cookie back."""
        put_cookie_at(response, _path(application, provider), _cookie(application, name), None, None)


def posted_name(query: str) -> str | None:
    """The attempt whose answer came in a form, by the callback's raw query; None if it came in the query itself."""
    found = _QUERY.fullmatch(query)
    return found[1] if found is not None else None


def _cookie(application: Application, name: str) -> str:
    # `__Host-` would mean the whole host. A neighbour that plants one gains nothing: it is sealed, and only for the
    # attempt whose state it names.
    return f"{application.cookie.replace('__Host-', '__Secure-', 1)}.{PURPOSE}-{name}"


def _path(application: Application, provider: str) -> str:
    return f"{application.context}/.lychgate/callback/{provider}"


def _bound(application: Application, provider: str, name: str) -> bytes:
    return json.dumps([application.name, provider, name]).encode()
