"""The sign-on of a stand-in Confluence at its OpenID provider, and its sessions: as Jira's, by the same client.

Paths lead here from `server.py`. Confluence's log-in actions take GET and HEAD; anything else is sent there by 303.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from sidecar.demo.confluence.answers import Visit
from sidecar.demo.jira.login import local_destination
from sidecar.demo.jira.relying_party import (
    CALLBACK,
    RefusedSignInError,
    begin,
    refused,
    state_cookie,
    taken,
    with_fragment,
)
from sidecar.demo.jira.settings import SsoConfig

SESSION = "JSESSIONID"
REMEMBER_ME = "seraph.confluence"
START = "/plugins/servlet/oidc/initiate-login"
LOG_IN = frozenset({"/login.action", "/dologin.action", "/signup.action"})


def page_of(visit: Visit) -> Callable[[Visit], Awaitable[web.Response]] | None:
    """The page of the sign-on at that path, if there is one."""
    config = visit.sso.config
    if config is None or not config.enabled:
        return None
    if visit.ask.path in LOG_IN:
        return _log_in if config.hides_form else None
    return {START: _initiate, CALLBACK: _callback}.get(visit.ask.path)


def recognise(visit: Visit) -> bool:
    """Find the visitor by the session, or by a remembered log-in."""
    known = visit.state.sessions
    visit.session = next((known[key] for key in visit.cookies.get(SESSION, ()) if key in known), None)
    user = visit.active(visit.session.username if visit.session is not None else None)
    if user is not None:
        visit.user, visit.ask.call.how = user, "session"
        return True
    for value in visit.cookies.get(REMEMBER_ME, ()):
        user = visit.active(visit.state.remembered.get(value))
        if user is not None:
            visit.open_session(user)
            visit.ask.call.how = "remember-me"
            return True
    return False


async def _initiate(visit: Visit) -> web.Response:
    config = _config(visit)
    if visit.ask.params.get("iss") != config.issuer:
        return _refused(visit, "no enabled configuration has this issuer")
    again = visit.session is not None and visit.session.sso
    visit.open_session(None)
    return _begin(visit, visit.ask.params.get("target_link_uri", ""), again=again)


async def _log_in(visit: Visit) -> web.Response:
    if visit.ask.method != "GET":
        return web.Response(status=303, headers={"Location": visit.config.context_path + visit.ask.path})
    again = visit.session is not None and visit.session.sso
    return _begin(visit, visit.ask.params.get("os_destination", ""), again=again)


async def _callback(visit: Visit) -> web.Response:
    config, ask = _config(visit), visit.ask
    try:
        username, target = await taken(config, visit.sso, ask.params, visit.cookies)
        user = visit.state.people.find(username)
        if user is None:
            raise RefusedSignInError(f"Received SSO request for user {username}, but the user does not exist")
        if not user.active:
            raise RefusedSignInError(
                f"Received SSO request for user {username}, but the user is not permitted to log in"
            )
    except RefusedSignInError as error:
        return _refused(visit, str(error))
    visit.open_session(user).sso = True
    ask.call.how = "sso"
    if config.remember_me:
        visit.set_cookie(REMEMBER_ME, visit.state.remember(user.username))
    place = local_destination(target) if target else "/"
    return web.Response(status=302, headers={"Location": visit.config.context_path + place})


def _begin(visit: Visit, target: str, *, again: bool) -> web.Response:
    config, hint = _config(visit), visit.ask.params.get("login_hint")
    try:
        place, state = begin(config, visit.sso, visit.base_url, target, hint, again=again)
    except RefusedSignInError as error:
        return _refused(visit, str(error))
    visit.ask.extra.append(("Set-Cookie", state_cookie(state, visit.config.context_path or "/")))
    if target or config.script:
        return web.Response(text=with_fragment(place), content_type="text/html")
    return web.Response(status=302, headers={"Location": place})


def _config(visit: Visit) -> SsoConfig:
    if visit.sso.config is None:
        raise LookupError("no provider is set up")
    return visit.sso.config


def _refused(visit: Visit, reason: str) -> web.Response:
    number = refused(visit.sso, reason)
    text = f"<title>We can't log you in right now</title>Give this number to your administrator: {number}"
    return web.Response(text=text, status=400, content_type="text/html")
