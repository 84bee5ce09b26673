"""Confluence Data Center 8 to 10. All paths are below the context path."""

from __future__ import annotations

from sidecar.domain.paths import path_set
from sidecar.domain.product import Product
from sidecar.products import atlassian


def _actions(*names: str) -> tuple[str, ...]:
    """By name alone, and with a method of the action behind `!`."""
    return tuple(pattern for name in names for pattern in (f"{name}.action", f"{name}!*.action"))


CONFLUENCE = Product(
    name="confluence",
    title="Confluence",
    path_sets={
        "admin": path_set(
            "/admin/**",
            "/plugins/servlet/upm/**",
            "/plugins/servlet/embedded-crowd/**",
            "/plugins/servlet/audit/**",
            "/rest/api/admin/**",
            "/rest/api/audit/**",
            "/rest/plugins/**",
            "/rest/scriptrunner/**",
            "edituser*.action",
            "createuser*.action",
            "removeuser*.action",
            "globalpermissions*.action",
            "restore*.action",
            *_actions("browseusers", "browsegroups", "viewuser", "viewgeneralconfig", "editgeneralconfig"),
            *_actions("viewsecurityconfig", "editsecurityconfig", "systeminfo", "license", "backup"),
        ),
        "password_login": path_set(
            *_actions("login", "dologin", "dosignup"),
            *_actions("forgotuserpassword", "doforgotuserpassword"),
            "signup*.action",
            "resetuserpassword*.action",
            "/rest/tsv/*/authenticate/**",
        ),
        "setup": path_set("/setup/**", "/bootstrap/**"),
        "tokens": path_set("/rest/pat/**", "/plugins/personalaccesstokens/**"),
        "machine": path_set("/rest/**"),
        "polling": path_set(
            "/rest/mywork/*/status/notification/**",
            "/rest/analytics/*/publish/**",
            "/rest/quickreload/**",
            "/rest/webResources/**",
            "/synchrony-proxy/heartbeat",
            "/synchrony/heartbeat",
            "/status",
        ),
        "customer": path_set(),
        "static": path_set(*atlassian.STATIC),
        "closed": path_set(*atlassian.CLOSED, "setup*.action"),
    },
    presets={},
    preset_starts={},
    machine_profiles={
        **atlassian.MACHINE_PROFILES,
        "attachments": ("/download/attachments/**", "/download/thumbnails/**"),
        "webdav": ("/plugins/servlet/confluence/**",),
    },
    machine_public=path_set(*atlassian.MACHINE_PUBLIC),
    session_cookies=atlassian.SESSION_COOKIES,
    remember_cookies=atlassian.REMEMBER_COOKIES,
    login_paths=path_set(*_actions("login")),
    logout_paths=path_set(*_actions("logout"), "/plugins/servlet/sso-logout"),
    login_page="/login.action",
    login_target=("os_destination",),
    password_fields=atlassian.PASSWORD_FIELDS,
    action_suffixes=(".action",),
    action_home="",
    forwards=(("/s/", "/_/"),),
    protected_groups=frozenset({"confluence-administrators", "system-administrators"}),
    reserved_names=atlassian.RESERVED_NAMES,
    start="/",
    user_header="X-AUSERNAME",
    status_page="/status",
    whoami=("/rest/api/user/current", "username"),
    websudo=("/admin/viewgeneralconfig.action", "/authenticate.action"),
    forms=("/index.action", "/dologin.action"),
    sso_start=atlassian.SSO_START,
    sso_callback=atlassian.SSO_CALLBACK,
    crowd_authenticator=atlassian.CROWD_AUTHENTICATORS["confluence"],
)
"""Product knowledge of Confluence."""
