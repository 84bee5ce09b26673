"""What we know of OpenID providers: the defaults that `preset:` fills in, and the issuers that serve strangers.

A preset only fills what the site leaves out; whatever the site writes wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sidecar.core.issuers import TENANT

_BASE = ("openid", "profile", "email")

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "generic": {"scopes": _BASE},
    # A groups scope exists on the org server only; custom servers (below /oauth2/) answer invalid_scope.
    "okta": {"label": "Okta", "scopes": (*_BASE, "groups", "offline_access")},
    # `sub` differs per registered app and the e-mail is unverified: oid with tid is the key. Userinfo knows no groups.
    # User.Read lets Graph be asked for the groups that do not fit into a token.
    "entra": {
        "label": "Microsoft",
        "scopes": (*_BASE, "offline_access", "User.Read"),
        "overage": "graph",
        "client_authentication": "post",
        "subject_claim": "oid",
        "step_up": "acrs",
        "userinfo": "never",
        "endpoint_hosts": ("graph.microsoft.com",),
    },
    # A refresh token comes without offline_access and then ends with the provider's own session, as it should.
    "keycloak": {"label": "Keycloak", "scopes": _BASE},
    "google": {
        "label": "Google",
        "issuer": "https://accounts.google.com",
        "scopes": _BASE,
        "endpoint_hosts": ("oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com"),
    },
    "auth0": {"label": "Auth0", "scopes": (*_BASE, "offline_access")},
    # A claim of more than 25 values is cut in the ID token, not in userinfo.
    "pingone": {"label": "PingOne", "scopes": _BASE, "userinfo": "always"},
    # Attributes are set up by hand, and one value comes without a list around it.
    "pingfederate": {"label": "Ping", "scopes": _BASE, "single_group": True},
    # userinfo knows `sub` only. A claim rule that gives one group sends it without a list around it.
    "adfs": {
        "label": "AD FS",
        "scopes": _BASE,
        "userinfo": "never",
        "single_group": True,
        "claims": {"preferred_username": (("upn",), ("unique_name",))},
    },
    # People may change their `preferred_username` there; the name that they sign in with stands elsewhere.
    "cognito": {
        "label": "Amazon Cognito",
        "scopes": _BASE,
        "groups_claim": ("cognito:groups",),
        "claims": {"preferred_username": (("cognito:username",),)},
    },
    # The ID token holds direct groups under another name; inherited ones come by userinfo only.
    "gitlab": {"label": "GitLab", "scopes": _BASE, "userinfo": "always"},
}


def preset_values(preset: str, issuer: object) -> dict[str, Any]:
    """The defaults of *preset* for *issuer*; empty for an unknown preset."""
    values = dict(PRESETS.get(preset, {}))
    if preset == "okta" and isinstance(issuer, str) and "/oauth2/" in issuer:
        values["scopes"] = (*_BASE, "offline_access")
        # Okta says that it refuses where more groups match; others saw lists end here.
        values["groups_cut_at"] = 100
    return values


TOKEN_HINTS: Mapping[str, str] = {
    "okta": "Okta also answers so when more groups match the groups claim than it can send: narrow the claim's filter",
}
"""What a 400 of the token endpoint may mean besides what it says."""

_GRAPHS: Mapping[str, str] = {
    "login.microsoftonline.us": "https://graph.microsoft.us",
    "login.partner.microsoftonline.cn": "https://microsoftgraph.chinacloudapi.cn",
}


def graph_of(issuer: str, given: str | None) -> str:
    """Microsoft Graph's address: *given*, or that of the cloud in which *issuer* is."""
    return given or _GRAPHS.get(urlsplit(issuer).hostname or "", "https://graph.microsoft.com")


def issuer_pattern(preset: str, issuer: str) -> str:
    """What the provider's tokens and metadata call the issuer (`core.issuers`): for Entra ID's addresses that serve
    many tenants, that of each token's own tenant."""
    if preset != "entra" or not is_shared(issuer):
        return issuer
    parts = urlsplit(issuer)
    _, *rest = parts.path.removeprefix("/").split("/")
    return parts._replace(path="/".join(("", TENANT, *rest))).geturl()


def is_shared(issuer: str) -> bool:
    """Whether *issuer* is an address of Entra ID's at which people of many tenants sign in."""
    return urlsplit(issuer).path.removeprefix("/").split("/")[0].lower() in _ENTRA_SHARED


_ENTRA_HOSTS = ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn",
                "login.windows.net", "sts.windows.net")  # fmt: skip
_ENTRA_SHARED = ("common", "organizations", "consumers", TENANT)
PERSONAL_TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"
"""Entra's tenant of everybody's personal Microsoft accounts."""

_PUBLIC_HOSTS: Mapping[str, str] = {
    "accounts.google.com": "hd: [example.com]",
    "gitlab.com": "only: {groups: [your-group]}",
    "github.com": "only: {organization: [your-organization]}",
    "token.actions.githubusercontent.com": "only: {repository_owner: [your-organization]}",
    "bitbucket.org": "only: {workspace: [your-workspace]}",
    "appleid.apple.com": "only: {sub: [one-person, another-person]}",
    "www.linkedin.com": "only: {sub: [one-person, another-person]}",
    "www.facebook.com": "only: {sub: [one-person, another-person]}",
    "slack.com": 'only: {"https://slack.com/team_id": [T0123456]}',
    "login.salesforce.com": "only: {organization_id: [00D000000000000]}",
    "auth.atlassian.com": "only: {sub: [one-person, another-person]}",
}


def fence_wanted(issuer: str) -> str | None:
    """For an issuer at which anybody can have an account: the fence to write. None for all others."""
    parts = urlsplit(issuer)
    host = (parts.hostname or "").rstrip(".")
    if host in _ENTRA_HOSTS:
        tenant = parts.path.strip("/").split("/")[0].lower()
        if tenant == PERSONAL_TENANT:
            return "only: {oid: [one-person, another-person]}"
        return "tenants: [your-tenant-id]" if tenant in _ENTRA_SHARED else None
    return _PUBLIC_HOSTS.get(host)
