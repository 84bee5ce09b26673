"""The set-up of a product's built-in OpenID client as its REST interface has it: what is taken, refused and shown.

Used by the stand-ins of Jira and of Confluence: it is the same plug-in in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from sidecar.demo.jira.settings import SsoConfig
from sidecar.demo.jira.sso_memory import SsoMemory

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


def new(sso: SsoMemory, said: Mapping[str, object]) -> dict[str, object]:
    """What a POST says, with a number and what it leaves out."""
    return {**_DEFAULTS, **said, "id": max(sso.idps, default=0) + 1}


def keep(sso: SsoMemory, idp: dict[str, object]) -> dict[str, str]:
    """Put it in force, unless something is wrong with it: the errors by field."""
    errors = _errors(sso, idp)
    number = idp["id"]
    if not errors and isinstance(number, int):
        sso.idps[number] = idp
        sso.config = _config(sso, idp)
    return errors


def found(sso: SsoMemory, number: str) -> dict[str, object] | None:
    """The one with that number, as it stands in a path."""
    return sso.idps.get(int(number)) if number.isascii() and number.isdecimal() else None


def listed(sso: SsoMemory) -> dict[str, object]:
    """All of them, in short."""
    names = ("id", "name", "enabled", "sso-type", "include-customer-logins", "enable-remember-me")
    return {"results": [{name: idp[name] for name in names if name in idp} for idp in sso.idps.values()]}


def shown(idp: Mapping[str, object]) -> dict[str, object]:
    """One of them, whole but for its secret, which is never shown."""
    return {name: value for name, value in idp.items() if name != "client-secret"}


def _errors(sso: SsoMemory, idp: Mapping[str, object]) -> dict[str, str]:
    errors = {name: "This field is required." for name in _REQUIRED if not idp.get(name)}
    others = [other for other in sso.idps.values() if other["id"] != idp["id"]]
    if any(other["issuer-url"] == idp.get("issuer-url") for other in others):
        errors["issuer-url"] = "This issuer is used by another configuration."
    if len(str(idp.get("button-text", ""))) > _MOST_TEXT:
        errors["button-text"] = "This text is too long."
    for name in _ADDRESSES:
        parts = urlsplit(str(idp.get(name, "")))
        allowed = {"https"} if not sso.skips_https else {"http", "https"}
        if name not in errors and (parts.scheme not in allowed or not parts.netloc or parts.query):
            errors[name] = "This is not a valid URL."
    return errors


def _config(sso: SsoMemory, idp: Mapping[str, object]) -> SsoConfig:
    return SsoConfig(
        issuer=str(idp["issuer-url"]),
        client_id=str(idp["client-id"]),
        client_secret=str(idp["client-secret"]),
        username=str(idp["username-claim"]),
        enabled=idp["enabled"] is True,
        customers=idp.get("include-customer-logins") is True,
        remember_me=idp["enable-remember-me"] is True,
        skip_https=sso.skips_https,
    )
