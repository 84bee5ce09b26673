"""The sign-on of a stand-in Jira at its OpenID provider: pages and sessions around `relying_party`.

The table of pages leads here. What it does to the session is Seraph's: the old one is dropped, a new one begins.
"""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira.answers import not_found, page, redirect, wrong_method
from sidecar.demo.jira.login import local_destination, login_page, remember
from sidecar.demo.jira.relying_party import RefusedSignInError, begin, refused, state_cookie, taken, with_fragment
from sidecar.demo.jira.settings import SsoConfig
from sidecar.demo.jira.visit import Visit


async def initiate(visit: Visit) -> web.Response:
    """`initiate-login?iss=…`: a sign-in at the provider with that issuer; the present session is dropped."""
    config = visit.site.sso.config
    if config is None or not config.enabled:
        return not_found(visit)
    if visit.params.get("iss") != config.issuer:
        return _refused(visit, "no enabled configuration has this issuer")
    seen = visit.session is not None and visit.session.sso
    visit.sign_out()
    return _begin(visit, config, visit.params.get("target_link_uri", ""), again=seen)


async def external_login(visit: Visit) -> web.Response:
    """`external-login/<id>`, the chooser, and the log-in page where the form is hidden."""
    config = visit.site.sso.config
    if config is None or not config.enabled:
        return not_found(visit)
    again = visit.session is not None and visit.session.sso
    return _begin(visit, config, visit.params.get("os_destination", ""), again=again)


async def log_in_page(visit: Visit) -> web.Response:
    """The log-in page; where the form is hidden and one provider is left, it leads there, but for whoever asks for the
    fallback where that is switched on."""
    config = visit.site.sso.config
    falls_back = visit.site.sso.fallback and "auth_fallback" in visit.request.query
    if config is not None and config.enabled and config.hides_form and visit.request.method == "GET" and not falls_back:
        return await external_login(visit)
    return await login_page(visit)


async def callback(visit: Visit) -> web.Response:
    """`callback?code&state`: redeem the code, find the account, begin its session."""
    config = visit.site.sso.config
    if config is None or not config.enabled:
        return not_found(visit)
    if visit.request.method != "GET":
        return wrong_method("GET")
    try:
        username, target = await taken(config, visit.site.sso, visit.params, visit.cookies)
        user = visit.site.state.find(username)
        if user is None:
            raise RefusedSignInError(f"Received SSO request for user {username}, but the user does not exist")
        if not user.active or not _may_enter(visit, config, user.username):
            raise RefusedSignInError(
                f"Received SSO request for user {username}, but the user is not permitted to log in"
            )
    except RefusedSignInError as error:
        return _refused(visit, str(error))
    visit.call.how = "sso"
    visit.sign_in(user)
    if visit.session is not None:
        visit.session.sso = True
    remember(visit, wanted=config.remember_me)
    return redirect(visit.below_context(local_destination(target)))


def _begin(visit: Visit, config: SsoConfig, target: str, *, again: bool) -> web.Response:
    site = visit.site
    try:
        place, state = begin(config, site.sso, site.base_url, target, visit.params.get("login_hint"), again=again)
    except RefusedSignInError as error:
        return _refused(visit, str(error))
    visit.extra.append(("Set-Cookie", state_cookie(state, site.config.context_path or "/")))
    if target or config.script:
        return web.Response(text=with_fragment(place), content_type="text/html")
    return redirect(place)


def _may_enter(visit: Visit, config: SsoConfig, username: str) -> bool:
    """Access to an application, or a customer where customers may sign in this way."""
    groups = visit.site.state.users[username].groups
    return config.customers or any(not groups.isdisjoint(role.groups) for role in visit.site.state.roles.values())


def _refused(visit: Visit, reason: str) -> web.Response:
    number = refused(visit.site.sso, reason)
    text = f"Something went wrong. Give this number to your administrator: {number}"
    return page(visit, "message.html", 400, title="We can't log you in right now", text=text)
