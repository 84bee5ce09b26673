"""What Jira and Confluence share: both stand on Seraph, Crowd's user API and Atlassian's REST and plug-in modules."""

from __future__ import annotations

RESERVED_NAMES = frozenset({"admin", "administrator", "root", "sysadmin", "system", "anonymous"})
"""Names that everybody tries first (D4)."""

SESSION_COOKIES = frozenset({"jsessionid", "jsessionidsso", "crowd.token_key", "confluence.session"})
"""Each carries an identity inside the product; compared case-folded."""

REMEMBER_COOKIES = frozenset({"seraph.rememberme.cookie", "seraph.confluence", "seraph.os.cookie"})
"""Would sign the browser in behind the gate's back; never pass in either direction (D8)."""

PASSWORD_FIELDS = frozenset({"os_username", "os_password", "os_cookie"})
"""Seraph's log-in filter takes these from the query and from forms on any URL (D12)."""

STATIC = (
    "/favicon.ico",
    "/robots.txt",
    "/images/**",
    "/static-assets/**",
    "/download/resources/**",
    "/download/batch/**",
    "/download/superbatch/**",
    "/download/contextbatch/**",
    "/download/sources/**",
    "/status",
)
"""Files of the product and its apps, and the health page; attachments are not among them."""

CLOSED = (
    "/WEB-INF/**",
    "/META-INF/**",
    "/setup/**",
    "/bootstrap/**",
    "/rpc/**",
    "/rest/usermanagement/**",
    "/rest/appmanagement/**",
    "/rest/authconfig/**",
    "/rest/basicauth/**",
    "/rest/crowd/**",
    "/plugins/servlet/authentication-config/**",
    "/plugins/servlet/external-login/**",
    "/plugins/servlet/oidc/**",
    "/plugins/servlet/samlconsumer/**",
    "/plugins/servlet/login/**",
)
"""Set-up, remote procedure calls with a password of their own, the user server, the built-in SSO's endpoints."""

MACHINE_PROFILES = {
    "applinks": (
        "/plugins/servlet/applinks/**",
        "/plugins/servlet/oauth/**",
        "/plugins/servlet/streams/**",
    ),
    "gadgets": ("/plugins/servlet/gadgets/**",),
    "oauth2": ("/plugins/servlet/oauth2/**",),
    "feeds": ("/plugins/servlet/streams/**", "/activity/**"),
}
"""Everything else that machines call lies below `/rest/`."""

MACHINE_PUBLIC = (
    "/rest/applinks/*/manifest",
    "/plugins/servlet/oauth/consumer-info",
    "/plugins/servlet/oauth/request-token",
    "/plugins/servlet/oauth/access-token",
)
"""Application links ask these before they have a credential, or carry it in the query (OAuth 1.0a, section 5.2)."""

CROWD_AUTHENTICATORS = {
    "jira": "com.atlassian.jira.security.login.SSOSeraphAuthenticator",
    "confluence": "com.atlassian.confluence.user.ConfluenceCrowdSSOAuthenticator",
}
"""The classes of the products' own that ask a Crowd server; named in their `seraph-config.xml`."""

SSO_START = "/plugins/servlet/oidc/initiate-login"
SSO_CALLBACK = "/plugins/servlet/oidc/callback"
"""The OpenID client that is built in ("SSO for Atlassian Data Center"): Jira 8.15 and Confluence 7.12 and later."""
