"""Who is there: Seraph's order with the trusted-header receiver in its place. Called once per request by `handler.py`.

The order is the point of this module, for it is what the free receivers do:
the session's first user wins, whatever the header says later.
"""

from __future__ import annotations

import base64

from aiohttp import web

from sidecar.demo.jira.answers import plain
from sidecar.demo.jira.crowd import by_token
from sidecar.demo.jira.visit import REMEMBER_ME, SESSION, Visit
from sidecar.demo.people import User

_CAPTCHA_AFTER = 3  # wrong passwords; Jira's default
DENIED = "AUTHENTICATION_DENIED"
FAILED = "AUTHENTICATED_FAILED"


async def recognise(visit: Visit) -> web.Response | None:
    """Find the visitor's user; an answer comes back only when a credential is refused outright."""
    if visit.site.config.crowd is not None:
        # This authenticator believes no session of its own without a token; a Bearer was taken before it.
        return None if await by_token(visit) else _by_credential(visit)
    if _by_session(visit) or _by_remember_me(visit) or await _by_header(visit):
        return None
    return _by_credential(visit)


def _by_credential(visit: Visit) -> web.Response | None:
    scheme, _, credentials = visit.request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        return _by_basic(visit, credentials.strip())
    if scheme.lower() == "bearer":
        _by_token(visit, credentials.strip())
    elif "os_username" in visit.params and "os_password" in visit.params:
        log_in(visit, visit.params["os_username"], visit.params["os_password"], "parameters")
    return None


def log_in(visit: Visit, username: str, password: str, how: str) -> bool:
    """Try a password; the visit becomes that user's, or its login reason tells why not."""
    user = visit.site.state.find(username)
    if user is not None and user.failed_logins >= _CAPTCHA_AFTER:
        visit.reason.append(DENIED)
        visit.extra.append(
            (
                "X-Authentication-Denied-Reason",
                f"CAPTCHA_CHALLENGE; login-url={visit.site.url('/login.jsp')}",
            )
        )
        return False
    if user is None or not user.active or not user.has_password(password):
        if user is not None:
            user.failed_logins += 1
        visit.reason.append(FAILED)
        return False
    user.failed_logins = 0
    visit.call.how = how
    visit.sign_in(user)
    return True


def _active(visit: Visit, username: str | None) -> User | None:
    user = visit.site.state.users.get(username or "")
    return user if user is not None and user.active else None


def _by_session(visit: Visit) -> bool:
    known = visit.site.state.sessions
    # Tomcat takes the first JSESSIONID that is a living session.
    visit.session = next((known[i] for i in visit.cookies.get(SESSION, []) if i in known), None)
    user = _active(visit, None if visit.session is None else visit.session.username)
    if user is None:
        return False
    visit.user = user
    visit.call.username, visit.call.how = user.username, "session"
    visit.reason.append("OK")
    return True


def _by_remember_me(visit: Visit) -> bool:
    for value in visit.cookies.get(REMEMBER_ME, []):
        user = _active(visit, visit.site.state.remembered.get(value))
        if user is not None:
            visit.call.how = "remember-me"
            visit.sign_in(user)
            return True
    return False


async def _by_header(visit: Visit) -> bool:
    name = visit.request.headers.get(visit.site.config.user_header, "")
    # Exactly the stored name: the header is not folded.
    user, left_behind = _active(visit, name), visit.site.config.believes
    if user is None or not await visit.site.prover.holds(name, visit.request.headers):
        user = _active(visit, visit.request.headers.get(left_behind, "")) if left_behind else None
    if user is None:
        return False
    visit.call.how = "header"
    visit.sign_in(user)
    return True


def _by_basic(visit: Visit, credentials: str) -> web.Response | None:
    if not visit.site.config.basic_auth:
        return plain("Basic Authentication has been disabled on this instance.", 403)
    try:
        name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        name, password = "", ""
    if log_in(visit, name, password, "basic"):
        return None
    reason = visit.reason[-1]
    status = 403 if reason == DENIED else 401
    return plain(f"Basic Authentication Failure - Reason : {reason}", status)


def _by_token(visit: Visit, token: str) -> None:
    state = visit.site.state
    dead = token in visit.site.faults.dead_tokens
    user = None if dead else _active(visit, state.tokens.get(token))
    if user is None:
        # Not a 401 by itself: where anonymous may read, the call is served as anonymous.
        visit.reason.append(FAILED)
        return
    # A token speaks for one request; the session stays anonymous.
    visit.user = user
    visit.call.username, visit.call.how = user.username, "pat"
    visit.reason.append("OK")
