"""The OpenID client that is built into the products, as one was observed: it asks, takes codes, refuses by number.

The table of pages leads here. What it does to the session is Seraph's: the old one is dropped, a new one begins.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from sidecar.demo.jira.answers import not_found, page, redirect, wrong_method
from sidecar.demo.jira.login import local_destination, login_page, remember
from sidecar.demo.jira.settings import SsoConfig
from sidecar.demo.jira.sso_memory import Begun
from sidecar.demo.jira.visit import Visit

CALLBACK = "/plugins/servlet/oidc/callback"
GRACE = 300  # seconds for which a state is good
SKEW = 60  # seconds by which the provider's clock may differ
_EXPRESSION = re.compile(r"\$\{([^}]+)\}")
_TIMEOUT = ClientTimeout(total=5)


class RefusedSignInError(Exception):
    """The sign-in ends with the page that carries a number; the text goes into the log."""


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
    """The log-in page; where the form is hidden and one provider is left, it leads there."""
    config = visit.site.sso.config
    if config is not None and config.enabled and config.hides_form and visit.request.method == "GET":
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
        username, target = await _taken(visit, config)
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
    if urlsplit(visit.site.base_url).scheme != "https" and not config.skip_https:
        return _refused(visit, "the base URL is not https")
    memory, state, verifier = visit.site.sso, secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    begun = Begun(secrets.token_urlsafe(24), target, time.time(), verifier)
    if memory.lose:
        memory.lose -= 1
    else:
        memory.begun[state] = begun
    asked = {
        "response_type": "code",
        "scope": " ".join(("openid", *config.scopes)),
        "client_id": config.client_id,
        "redirect_uri": visit.site.url(CALLBACK),
        "state": state,
        "nonce": begun.nonce,
    }
    if config.pkce:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    if again:
        # It takes a second sign-in for a permission that the person lacks.
        asked["prompt"] = "login"
    if "login_hint" in visit.params:
        asked["login_hint"] = visit.params["login_hint"]
    path = visit.site.config.context_path or "/"
    cookie = f"session-data-{state}=; Path={path}; Max-Age={GRACE}; Secure; HttpOnly; SameSite=None"
    visit.extra.append(("Set-Cookie", cookie))
    place = f"{config.issuer}/authorize?{urlencode(asked)}"
    if target:
        # So that the part behind # outlives the way: a page with a script.
        script = f"document.cookie='sso.fragment='+location.hash;location={json.dumps(place)}"
        return web.Response(text=f"<!doctype html><script>{script}</script>", content_type="text/html")
    return redirect(place)


async def _taken(visit: Visit, config: SsoConfig) -> tuple[str, str]:
    """Whom the code names, and where the person wanted to go."""
    state = visit.params.get("state", "")
    begun = visit.site.sso.begun.pop(state, None)
    if begun is None or time.time() - begun.at > GRACE or f"session-data-{state}" not in visit.cookies:
        raise RefusedSignInError("Unknown state in response")
    if "error" in visit.params or not visit.params.get("code"):
        raise RefusedSignInError("the provider refused")
    token = await _redeem(visit, config, visit.params["code"], begun)
    claims = _claims(token.get("id_token"))
    _check(claims, config, begun)
    wanted = _EXPRESSION.findall(config.username)
    if any(not isinstance(claims.get(name), str) for name in wanted):
        claims = await _userinfo(config, token, claims)
    if visit.site.sso.takes:
        return visit.site.sso.takes, begun.target
    return _EXPRESSION.sub(lambda found: str(claims.get(found[1], "")), config.username), begun.target


async def _redeem(visit: Visit, config: SsoConfig, code: str, begun: Begun) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": visit.site.url(CALLBACK)}
    if config.pkce:
        form["code_verifier"] = begun.verifier
    # RFC 6749, section 2.3.1: form-encoded inside Basic.
    pair = f"{quote_plus(config.client_id)}:{quote_plus(config.client_secret)}"
    headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    try:
        async with (
            ClientSession(timeout=_TIMEOUT) as client,
            client.post(f"{config.issuer}/token", data=form, headers=headers) as answer,
        ):
            if answer.status != 200:
                raise RefusedSignInError(f"the token endpoint answered {answer.status}")
            found: dict[str, Any] = await answer.json()
            return found
    except (ClientError, TimeoutError, ValueError) as error:
        raise RefusedSignInError(f"the token endpoint cannot be reached: {type(error).__name__}") from None


async def _userinfo(config: SsoConfig, token: Mapping[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token.get('access_token')}"}
    try:
        async with (
            ClientSession(timeout=_TIMEOUT) as client,
            client.get(f"{config.issuer}/userinfo", headers=headers) as answer,
        ):
            answer.raise_for_status()
            told = await answer.json()
    except (ClientError, TimeoutError, ValueError):
        raise RefusedSignInError("the userinfo endpoint cannot be reached") from None
    if told.get("sub") != claims.get("sub"):
        raise RefusedSignInError("userinfo speaks of somebody else")
    return {**told, **claims}


def _claims(token: object) -> dict[str, Any]:
    """What the ID token says. Its signature is not looked at: the way to the token endpoint must be safe."""
    try:
        payload = str(token).split(".")[1]
        found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, IndexError):
        raise RefusedSignInError("the ID token cannot be read") from None
    return found


def _check(claims: Mapping[str, Any], config: SsoConfig, begun: Begun) -> None:
    now, audience = time.time(), claims.get("aud")
    if claims.get("iss") != config.issuer:
        raise RefusedSignInError(f"Unexpected JWT issuer: {claims.get('iss')}")
    if config.client_id not in (audience if isinstance(audience, list) else [audience]):
        raise RefusedSignInError("Unexpected JWT audience")
    if claims.get("nonce") != begun.nonce:
        raise RefusedSignInError("Unexpected JWT nonce")
    if not claims.get("iat", now + 9e9) - SKEW <= now <= claims.get("exp", 0) + SKEW:
        raise RefusedSignInError("Expired JWT, or issued ahead of time")


def _may_enter(visit: Visit, config: SsoConfig, username: str) -> bool:
    """Access to an application, or a customer where customers may sign in this way."""
    groups = visit.site.state.users[username].groups
    return config.customers or any(not groups.isdisjoint(role.groups) for role in visit.site.state.roles.values())


def _refused(visit: Visit, reason: str) -> web.Response:
    number = str(uuid.uuid4())
    visit.site.sso.log.append((number, reason))
    text = f"Something went wrong. Give this number to your administrator: {number}"
    return page(visit, "message.html", 400, title="We can't log you in right now", text=text)
