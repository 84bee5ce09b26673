"""The older sign-on of the stand-in: Crowd's token in a cookie, and a Crowd server that says whose it is.

Called by `recognise.py` in place of Seraph's usual order. Speaks XML and asks as the products' client does.
"""

from __future__ import annotations

import time
from urllib.parse import quote
from xml.etree.ElementTree import Element, ParseError, fromstring

import aiohttp

from sidecar.demo.jira.settings import CrowdConfig
from sidecar.demo.jira.visit import SESSION, Visit
from sidecar.demo.people import Directory, User

COOKIE = "crowd.token_key"
_FACTORS = (
    "<validation-factors><validation-factor><name>remote_address</name><value>127.0.0.1</value></validation-factor>"
    "</validation-factors>"
)


async def by_token(visit: Visit) -> bool:
    """Whether the request has a token that stands for somebody who may sign in. Without one, the session ends."""
    config = visit.site.config.crowd
    if config is None:
        return False
    known = visit.site.state.sessions
    visit.session = next((known[i] for i in visit.cookies.get(SESSION, []) if i in known), None)
    token = next(iter(visit.cookies.get(COOKIE, [])), "")
    checked = visit.site.crowd_checked
    user = None
    if token and visit.session is not None and visit.session.username is not None:
        last = checked.get(visit.session.id)
        if last is not None and last[0] == token and time.monotonic() - last[1] < config.interval * 60:
            user = visit.site.state.users.get(visit.session.username)
    if user is not None and user.active:
        visit.user, visit.call.username, visit.call.how = user, user.username, "session"
        visit.reason.append("OK")
        return True
    user = await _asked(visit, config, token) if token else None
    if user is None:
        if visit.session is not None and visit.session.username is not None:
            visit.sign_out()
        return False
    visit.call.how = "crowd"
    if visit.session is not None and visit.session.username == user.username:
        visit.user, visit.call.username = user, user.username
        visit.reason.append("OK")
    else:
        visit.sign_in(user)
    if visit.session is not None:
        checked[visit.session.id] = token, time.monotonic()
    visit.set_cookie(COOKIE, token)
    return True


async def _asked(visit: Visit, config: CrowdConfig, token: str) -> User | None:
    async with crowd_client(config) as client:
        name = await whose(client, config, token)
        if name and config.directory:
            path = f"{config.base_url}/authentication/notify?username={quote(name)}"
            notified = await ask_crowd(client, "POST", path)
            if notified is not None:
                groups = await ask_crowd(client, "GET", f"{config.base_url}/user/group/nested?username={quote(name)}")
                _take_over(visit, notified, groups)
    user = visit.site.state.find(name)
    return user if user is not None and user.active else None


async def whose(client: aiohttp.ClientSession, config: CrowdConfig, token: str) -> str:
    """The username that a token stands for; "" is nobody."""
    session = await ask_crowd(client, "POST", f"{config.base_url}/session/{quote(token, safe='')}", _FACTORS)
    if session is None or await ask_crowd(client, "GET", f"{config.base_url}/config/cookie") is None:
        return ""
    found = session.find("user")
    return found.get("name", "") if found is not None else ""


def crowd_client(config: CrowdConfig) -> aiohttp.ClientSession:
    """What asks the server as the application."""
    basic = aiohttp.encode_basic_auth(config.application, config.password)
    kind = "application/xml"
    return aiohttp.ClientSession(headers={"Authorization": basic, "Accept": kind, "Content-Type": kind})


async def ask_crowd(client: aiohttp.ClientSession, method: str, url: str, body: str = "") -> Element | None:
    """What the server says; None: it says no."""
    async with client.request(method, url, data=body.encode()) as answer:
        if "X-Embedded-Crowd-Version" not in answer.headers:
            raise RuntimeError("The following URL does not specify a valid Crowd User Management REST service")
        try:
            return fromstring(await answer.read()) if answer.status == 200 else None  # noqa: S314 - our own server
        except ParseError:
            return None


def take_over(people: Directory, found: Element) -> User:
    """One user, as the server has it; the local copy becomes so."""
    name = found.get("name", "")
    user = people.find(name) or people.add_user(name, found.findtext("display-name") or name)
    user.display_name = found.findtext("display-name") or name
    user.email = found.findtext("email") or ""
    user.active = found.findtext("active") == "true"
    return user


def _take_over(visit: Visit, found: Element, groups: Element | None) -> None:
    """What a Crowd directory does at authentication."""
    user = take_over(visit.site.state, found)
    if groups is not None:
        wanted = {group.get("name", "") for group in groups}
        user.groups.intersection_update(group.lower() for group in wanted)
        for group in wanted:
            visit.site.state.join(user.username, group)
