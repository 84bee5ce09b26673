"""Answers that a provider's page sends in a form (OAuth 2.0 Form Post Response Mode), on their way to the callback.

A form of another site brings none of our cookies, and none of them is ever opened to other sites for its sake. So what
it says is sealed into a cookie that lives a minute, and the browser comes again by GET, with all its cookies: then
there is one way to judge a callback. Used by `web.own`.
"""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, urlencode

from aiohttp import web

from sidecar.core.logins import SKEW, attempt_name
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.flows.attempts import AttemptSealer, CookieChange
from sidecar.flows.login import LoginError
from sidecar.web.forms import form_of
from sidecar.web.replies import Replies, flow_cookies, put_cookies
from sidecar.web.visit import Visit

PURPOSE = "posted"
LIFE = 60
MOST_BYTES = 16 * 1024
MOST_SEALED = 3_600
"""Characters of the cookie; browsers keep 4,096 bytes with its name and attributes."""

_KEPT = ("state", "code", "iss", "error", "session_state")
_NAME = re.compile(r"[0-9a-f]{12}", re.ASCII)


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
        back = f"{application.origin}{application.context}/.lychgate/callback/{provider}?{PURPOSE}={name}"
        response = self._replies.redirect(back, visit.record)
        put_cookies(response, application, [CookieChange(_cookie(name), text, LIFE)])
        return response

    def query_of(self, visit: Visit, application: Application, provider: str, query: str) -> tuple[str, str | None]:
        """The query of the callback, and the name of the cookie that brought it; as it stands if none did.

        Raises:
            LoginError: `state_missing`, `state_expired`: the cookie is gone, or too old.
        """
        named = parse_qs(query, keep_blank_values=True).get(PURPOSE) if len(query) <= 64 else None
        if not named:
            return query, None
        name = named[0] if len(named) == 1 and _NAME.fullmatch(named[0]) else ""
        text = flow_cookies(visit.head.cookies, application).get(_cookie(name), "")
        content = self._sealer.open_text(PURPOSE, _bound(application, provider, name), text) if name else None
        if content is None:
            raise LoginError(Reason.STATE_MISSING, "the browser did not bring back what the form had said")
        at, kept = json.loads(content)
        if not -SKEW <= visit.now - at <= LIFE + SKEW:
            raise LoginError(Reason.STATE_EXPIRED, "what the form had said is too old")
        return kept, _cookie(name)


def _cookie(name: str) -> str:
    return f"{PURPOSE}-{name}"


def _bound(application: Application, provider: str, name: str) -> bytes:
    return json.dumps([application.name, provider, name]).encode()
