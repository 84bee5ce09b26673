"""The OpenID client that the products have in common, as one was observed: what it asks, which answers it takes.

It knows no session and no page: `sso.py` and Confluence's own have those. It keeps its states in `SsoMemory`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
import time
import uuid
from collections.abc import Container, Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout

from sidecar.demo.jira.settings import SsoConfig
from sidecar.demo.jira.sso_memory import Begun, SsoMemory

CALLBACK = "/plugins/servlet/oidc/callback"
GRACE = 300  # seconds for which a state is good
SKEW = 60  # seconds by which the provider's clock may differ
_EXPRESSION = re.compile(r"\$\{([^}]+)\}")
_TIMEOUT = ClientTimeout(total=5)


class RefusedSignInError(Exception):
    """The sign-in ends with the page that carries a number; the text goes into the log."""


def begin(
    config: SsoConfig, memory: SsoMemory, base_url: str, target: str, hint: str | None, *, again: bool
) -> tuple[str, str]:
    """Where the browser is sent, and the state. *again*: this session began at the provider before.

    Raises:
        RefusedSignInError: it does not work without https.
    """
    if urlsplit(base_url).scheme != "https" and not config.skip_https:
        raise RefusedSignInError("the base URL is not https")
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    begun = Begun(secrets.token_urlsafe(24), target, time.time(), verifier, base_url + CALLBACK)
    if memory.lose:
        memory.lose -= 1
    else:
        memory.begun[state] = begun
    asked = {
        "response_type": "code",
        "scope": " ".join(("openid", *config.scopes)),
        "client_id": config.client_id,
        "redirect_uri": begun.redirect_uri,
        "state": state,
        "nonce": begun.nonce,
    }
    if config.pkce:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        asked |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    if again:
        # It takes a second sign-in for a permission that the person lacks.
        asked["prompt"] = "login"
    if hint is not None:
        asked["login_hint"] = hint
    return f"{config.authorize_at or config.issuer + '/authorize'}?{urlencode(asked)}", state


def state_cookie(state: str, path: str) -> str:
    """The `Set-Cookie` value that ties a state to its browser."""
    return f"session-data-{state}=; Path={path}; Max-Age={GRACE}; Secure; HttpOnly; SameSite=None"


def with_fragment(place: str) -> str:
    """A page with a script that leads to *place*, so that the part behind # outlives the way."""
    script = f"document.cookie='sso.fragment='+location.hash;location={json.dumps(place)}"
    return f"<!doctype html><script>{script}</script>"


async def taken(
    config: SsoConfig, memory: SsoMemory, params: Mapping[str, str], cookies: Container[str]
) -> tuple[str, str]:
    """Whom the code names, and where the person wanted to go.

    Raises:
        RefusedSignInError: the callback is not to be believed.
    """
    state = params.get("state", "")
    begun = memory.begun.pop(state, None)
    if begun is None or time.time() - begun.at > GRACE or f"session-data-{state}" not in cookies:
        raise RefusedSignInError("Unknown state in response")
    if "error" in params or not params.get("code"):
        raise RefusedSignInError("the provider refused")
    token = await _redeem(config, params["code"], begun)
    claims = _claims(token.get("id_token"))
    _check(claims, config, begun)
    wanted = _EXPRESSION.findall(config.username)
    if any(not isinstance(claims.get(name), str) for name in wanted):
        claims = await _userinfo(config, token, claims)
    if memory.takes:
        return memory.takes, begun.target
    return _EXPRESSION.sub(lambda found: str(claims.get(found[1], "")), config.username), begun.target


def refused(memory: SsoMemory, reason: str) -> str:
    """Write a refusal into the log; the number that stands there and on the page."""
    number = str(uuid.uuid4())
    memory.log.append((number, reason))
    return number


async def _redeem(config: SsoConfig, code: str, begun: Begun) -> dict[str, Any]:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": begun.redirect_uri}
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
