"""`/rest/authconfig/1.0`: the set-up of the built-in OpenID client, for system administrators. The table leads here."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from sidecar.demo.jira.answers import RefusedError, demand_system_admin, json_answer, json_body, not_found, wrong_method
from sidecar.demo.jira.settings import SsoConfig
from sidecar.demo.jira.visit import Visit

_REQUIRED = (
    "name", "button-text", "issuer-url", "client-id", "client-secret", "authorization-endpoint", "token-endpoint",
    "userinfo-endpoint", "username-claim",
)  # fmt: skip
_ADDRESSES = ("issuer-url", "authorization-endpoint", "token-endpoint", "userinfo-endpoint")
_DEFAULTS: dict[str, object] = {
    "enabled": True, "sso-type": "OIDC", "include-customer-logins": False, "enable-remember-me": True,
    "discovery-enabled": True, "additional-scopes": [],
    "jit-configuration": {"user-provisioning-enabled": False},
}  # fmt: skip
_MOST_TEXT = 40


async def providers(visit: Visit) -> web.Response:
    """GET the list, POST a new one."""
    demand_system_admin(visit)
    known = visit.site.sso.idps
    match visit.request.method:
        case "GET":
            shown = ("id", "name", "enabled", "sso-type", "include-customer-logins", "enable-remember-me")
            return json_answer({"results": [{name: idp[name] for name in shown} for idp in known.values()]})
        case "POST":
            idp = {**_DEFAULTS, **json_body(visit), "id": max(known, default=0) + 1}
            return _kept(visit, idp, 201)
        case _:
            return wrong_method("GET", "POST")


async def provider(visit: Visit) -> web.Response:
    """GET, PATCH or DELETE one."""
    demand_system_admin(visit)
    number = visit.target.path.rpartition("/")[2]
    known = visit.site.sso.idps
    idp = known.get(int(number)) if number.isascii() and number.isdecimal() else None
    if idp is None:
        return not_found(visit)
    match visit.request.method:
        case "GET":
            return json_answer(_shown(idp))
        case "PATCH":
            return _kept(visit, {**idp, **json_body(visit), "id": idp["id"]}, 200)
        case "DELETE":
            del known[int(number)]
            visit.site.sso.config = None
            return web.Response(status=204)
        case _:
            return wrong_method("GET", "PATCH", "DELETE")


async def switches(visit: Visit) -> web.Response:
    """GET what holds for all providers together."""
    demand_system_admin(visit)
    if visit.request.method != "GET":
        return wrong_method("GET")
    found = {"show-login-form": True, "show-login-form-for-jsm": True}
    return json_answer({**found, "enable-authentication-fallback": visit.site.sso.fallback})


def _kept(visit: Visit, idp: dict[str, object], status: int) -> web.Response:
    errors = _errors(visit, idp)
    if errors:
        raise RefusedError(400, **errors)
    number = idp["id"]
    if isinstance(number, int):
        visit.site.sso.idps[number] = idp
    visit.site.sso.config = _config(visit, idp)
    return json_answer(_shown(idp), status)


def _errors(visit: Visit, idp: Mapping[str, object]) -> dict[str, str]:
    errors = {name: "This field is required." for name in _REQUIRED if not idp.get(name)}
    others = [other for other in visit.site.sso.idps.values() if other["id"] != idp["id"]]
    if any(other["issuer-url"] == idp.get("issuer-url") for other in others):
        errors["issuer-url"] = "This issuer is used by another configuration."
    if len(str(idp.get("button-text", ""))) > _MOST_TEXT:
        errors["button-text"] = "This text is too long."
    for name in _ADDRESSES:
        parts = urlsplit(str(idp.get(name, "")))
        allowed = {"https"} if not visit.site.sso.skips_https else {"http", "https"}
        if name not in errors and (parts.scheme not in allowed or not parts.netloc or parts.query):
            errors[name] = "This is not a valid URL."
    return errors


def _config(visit: Visit, idp: Mapping[str, object]) -> SsoConfig:
    return SsoConfig(
        issuer=str(idp["issuer-url"]),
        client_id=str(idp["client-id"]),
        client_secret=str(idp["client-secret"]),
        username=str(idp["username-claim"]),
        enabled=idp["enabled"] is True,
        customers=idp["include-customer-logins"] is True,
        remember_me=idp["enable-remember-me"] is True,
        skip_https=visit.site.sso.skips_https,
    )


def _shown(idp: Mapping[str, object]) -> dict[str, object]:
    """A secret is never shown."""
    return {name: value for name, value in idp.items() if name != "client-secret"}
