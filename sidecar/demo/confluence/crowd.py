"""The older sign-on of a stand-in Confluence: Crowd's token in a cookie, and a Crowd server that says whose it is.

Called by `server.py` in place of the session alone. No session of its own is believed without a token.
"""

from __future__ import annotations

import time

from sidecar.demo.confluence.answers import Visit
from sidecar.demo.confluence.sso import SESSION
from sidecar.demo.jira.crowd import COOKIE, crowd_client, whose
from sidecar.demo.jira.settings import CrowdConfig


async def recognise(visit: Visit, config: CrowdConfig) -> bool:
    """Whether the request has a token that stands for somebody who may sign in. Without one, the session ends."""
    known, checked = visit.state.sessions, visit.state.checked
    visit.session = next((known[key] for key in visit.cookies.get(SESSION, ()) if key in known), None)
    token = next(iter(visit.cookies.get(COOKIE, ())), "")
    at = checked.get(visit.session.id) if visit.session is not None else None
    if at is not None and token and at[0] == token and time.monotonic() - at[1] < config.interval * 60:
        visit.user = visit.active(visit.session.username if visit.session is not None else None)
        visit.ask.call.how = "session"
    if visit.user is None and token:
        async with crowd_client(config) as client:
            visit.user = visit.active(await whose(client, config, token))
        visit.ask.call.how = "crowd"
    if visit.user is None:
        if visit.session is not None:
            known.pop(visit.session.id, None)
            visit.session = None
        return False
    if visit.session is None or visit.session.username != visit.user.username:
        visit.open_session(visit.user)
    if visit.session is not None and visit.ask.call.how == "crowd":
        checked[visit.session.id] = token, time.monotonic()
        visit.set_cookie(COOKIE, token)
    return True
