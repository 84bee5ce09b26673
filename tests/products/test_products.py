"""products: every path that Jira and Confluence are known for lands in the set that decides about it."""

from __future__ import annotations

import pytest

from sidecar.domain.paths import check_pattern
from sidecar.domain.product import Product
from sidecar.products import PRODUCTS
from sidecar.products.confluence import CONFLUENCE
from sidecar.products.jira import JIRA

BOTH = (JIRA, CONFLUENCE)


def sets_of(product: Product, path: str) -> set[str]:
    """Names of all sets that hold the path, the log-in and log-out pages, machine profiles and portal presets too."""
    found = {name for name, paths in product.path_sets.items() if path in paths}
    found |= {"login"} if path in product.login_paths else set()
    found |= {"logout"} if path in product.logout_paths else set()
    found |= {"machine_public"} if path in product.machine_public else set()
    for kind, profiles in (("profile", product.machine_profiles), ("preset", product.presets)):
        for name, patterns in profiles.items():
            plain = [pattern.removesuffix("/**") for pattern in patterns]
            if any(path == prefix or path.startswith(prefix + "/") for prefix in plain):
                found.add(f"{kind}:{name}")
    return found


LOG_IN_AND_OUT = [
    (JIRA, "/login.jsp", {"login", "password_login"}),
    (JIRA, "/login", {"login"}),
    (JIRA, "/rest/tsv/1.0/authenticate", {"password_login", "machine"}),
    (CONFLUENCE, "/rest/tsv/1.0/authenticate", {"password_login", "machine"}),
    (JIRA, "/rest/auth/1/session", {"password_login", "machine"}),
    (JIRA, "/rest/auth/latest/session", {"password_login", "machine"}),
    (JIRA, "/rest/gadget/1.0/login", {"password_login", "machine"}),
    (JIRA, "/rest/auth/1/websudo", {"machine"}),
    (CONFLUENCE, "/login.action", {"login", "password_login"}),
    (CONFLUENCE, "/x/y/login.action", {"login", "password_login"}),
    (CONFLUENCE, "/login!default.action", {"login", "password_login"}),
    (CONFLUENCE, "/dologin.action", {"password_login"}),
    (CONFLUENCE, "/x/dologin!x.action", {"password_login"}),
    (CONFLUENCE, "/doauthenticate.action", set()),
    (CONFLUENCE, "/authenticate.action", set()),
    (JIRA, "/secure/Logout!default.jspa", {"logout"}),
    (JIRA, "/secure/Logout.jspa", {"logout"}),
    (JIRA, "/logoutconfirm.jsp", {"logout"}),
    (JIRA, "/logout", {"logout"}),
    (CONFLUENCE, "/logout.action", {"logout"}),
    (CONFLUENCE, "/x/logout!default.action", {"logout"}),
    (JIRA, "/secure/admin/WebSudoAuthenticate.jspa", {"admin"}),
    (JIRA, "/secure/admin/WebSudoAuthenticate!default.jspa", {"admin"}),
    (JIRA, "/secure/Signup!default.jspa", {"password_login"}),
    (JIRA, "/secure/ForgotLoginDetails.jspa", {"password_login"}),
    (CONFLUENCE, "/forgotuserpassword.action", {"password_login"}),
    (CONFLUENCE, "/signup.action", {"password_login"}),
    (CONFLUENCE, "/resetuserpassword.action", {"password_login"}),
    (JIRA, "/servicedesk/customer/user/login", {"login", "password_login", "preset:jsm"}),
    (JIRA, "/servicedesk/customer/portal/7/user/login", {"login", "password_login", "preset:jsm"}),
    (JIRA, "/servicedesk/customer/user/signup", {"password_login", "preset:jsm"}),
    (JIRA, "/servicedesk/customer/portal/7/user/signup", {"password_login", "preset:jsm"}),
    *[
        (product, f"/plugins/servlet/{path}", {"closed"})
        for product in BOTH
        for path in ("external-login", "external-login/x", "oidc/callback", "samlconsumer", "authentication-config")
    ],
]

MACHINES = [
    *[
        (product, path, expected)
        for product in BOTH
        for path, expected in [
            ("/rest/api/2/search", {"machine"}),
            ("/rest/applinks/1.0/manifest", {"machine", "machine_public"}),
            ("/rest/applinks/1.0/applicationlink", {"machine"}),
            ("/plugins/servlet/applinks/whoami", {"profile:applinks"}),
            ("/plugins/servlet/oauth/request-token", {"profile:applinks", "machine_public"}),
            ("/plugins/servlet/oauth/access-token", {"profile:applinks", "machine_public"}),
            ("/plugins/servlet/oauth/authorize", {"profile:applinks"}),
            ("/rest/oauth2/latest/authorize", {"machine"}),
            ("/rest/oauth2/latest/token", {"machine"}),
            ("/plugins/servlet/gadgets/dashboard-diagnostics", {"profile:gadgets"}),
            ("/rest/gadgets/1.0/x", {"machine"}),
            ("/plugins/servlet/streams", {"profile:applinks", "profile:feeds"}),
            ("/activity", {"profile:feeds"}),
            ("/rest/mywork/latest/status/notification/count", {"machine", "polling"}),
            ("/rest/quickreload/latest/123", {"machine", "polling"}),
            ("/rpc/xmlrpc", {"closed"}),
            ("/rpc/json-rpc/confluenceservice-v2", {"closed"}),
            ("/rpc/soap/jirasoapservice-v2", {"closed"}),
            ("/rest/usermanagement/1/user", {"machine", "closed"}),
            ("/rest/usermanagement/latest/session", {"machine", "closed"}),
            ("/rest/pat/latest/tokens", {"machine", "tokens"}),
            ("/setup", {"closed", "setup"}),
            ("/setup/setupadministrator.action", {"closed", "setup"}),
            ("/bootstrap/selectsetupstep.action", {"closed", "setup"}),
            ("/WEB-INF/web.xml", {"closed"}),
            ("/META-INF/maven", {"closed"}),
        ]
    ],
    (JIRA, "/rest/analytics/1.0/publish/bulk", {"machine", "polling", "customer"}),
    (CONFLUENCE, "/rest/analytics/1.0/publish/bulk", {"machine", "polling"}),
    (JIRA, "/rest/servicedesk/1/servicedesk/ABC/queues/poll", {"machine", "polling"}),
    (JIRA, "/rest/servicedeskapi/customer", {"machine", "customer"}),
    (JIRA, "/rest/servicedesk/1/customer/models", {"machine", "customer"}),
    (JIRA, "/secure/SetupMode!default.jspa", {"closed", "setup"}),
    (JIRA, "/x/SetupDatabase.jspa", {"closed", "setup"}),
    (CONFLUENCE, "/json/setup-restore.action", {"closed"}),
    (CONFLUENCE, "/plugins/servlet/confluence/default", {"profile:webdav"}),
    (CONFLUENCE, "/pages/doattachfile.action", set()),
    (CONFLUENCE, "/plugins/drag-and-drop/upload.action", set()),
    (CONFLUENCE, "/synchrony-proxy/v1/bayeux-sync1", set()),
    (CONFLUENCE, "/synchrony-proxy/heartbeat", {"polling"}),
    (JIRA, "/rest/internal/2/AttachTemporaryFile", {"machine"}),
    (JIRA, "/secure/AttachFile.jspa", set()),
    (JIRA, "/servicedesk/customer/portals", {"preset:jsm"}),
]

STATIC = [
    *[
        (product, path, {"static"})
        for product in BOTH
        for path in ("/favicon.ico", "/images/icons/x.png", "/download/resources/x/y.js", "/download/batch/x/y.css")
    ],
    *[(product, "/status", {"static", "polling"}) for product in BOTH],
    *[
        (product, path, set())
        for product in BOTH
        for path in (
            "/",
            "/download/temp/x",
            "/imagesx",
        )
    ],
    (JIRA, "/secure/attachment/1/a.png", {"profile:attachments"}),
    *[
        (product, path, {"profile:attachments"} if product is CONFLUENCE else set())
        for product in BOTH
        for path in ("/download/attachments/1/a.png", "/download/thumbnails/1/a.png")
    ],
    (JIRA, "/secure/projectavatar", set()),
    (JIRA, "/secure/useravatar", set()),
    (JIRA, "/browse/ABC-1", set()),
    (CONFLUENCE, "/display/DS/Home", set()),
]

ADMIN = [
    (JIRA, "/secure/admin/ViewSystemInfo.jspa"),
    (JIRA, "/secure/ViewUser!default.jspa"),
    (JIRA, "/x/AddUser.jspa"),
    (JIRA, "/plugins/servlet/upm/x"),
    (JIRA, "/rest/plugins/1.0/"),
    (JIRA, "/rest/api/2/reindex"),
    (CONFLUENCE, "/admin/console.action"),
    (CONFLUENCE, "/x/viewuser!x.action"),
    (CONFLUENCE, "/plugins/servlet/upm"),
]


@pytest.mark.parametrize(("product", "path", "expected"), [*LOG_IN_AND_OUT, *MACHINES, *STATIC])
def test_a_known_path_lands_in_its_sets(product: Product, path: str, expected: set[str]) -> None:
    assert expected == sets_of(product, path)


@pytest.mark.parametrize(("product", "path"), ADMIN)
def test_administration_is_known(product: Product, path: str) -> None:
    assert path in product.path_sets["admin"]


@pytest.mark.parametrize("product", BOTH)
def test_nothing_static_is_anything_else(product: Product) -> None:
    for pattern in product.path_sets["static"].patterns:
        path = pattern.replace("/**", "/x")
        assert {"static"} <= sets_of(product, path) <= {"static", "polling"}


@pytest.mark.parametrize("product", BOTH)
def test_the_data_is_well_formed(product: Product) -> None:
    assert product is PRODUCTS[product.name]
    for names in (product.session_cookies, product.remember_cookies, product.password_fields, product.protected_groups):
        assert names and all(name == name.casefold() for name in names)
    assert not product.session_cookies & product.remember_cookies
    assert product.reserved_names == {"admin", "administrator", "root", "sysadmin", "system", "anonymous"}
    for prefix, marker in product.forwards:
        assert (
            prefix == prefix.lower()
            and prefix.startswith("/")
            and prefix.endswith("/")
            and marker[0] == marker[-1] == "/"
        )
    for patterns in (*product.machine_profiles.values(), *product.presets.values()):
        for pattern in patterns:
            check_pattern(pattern)
            assert pattern.startswith("/")


@pytest.mark.parametrize("product", BOTH)
def test_what_carries_an_identity_is_known(product: Product) -> None:
    cookies = product.session_cookies | product.remember_cookies
    assert {"jsessionid", "seraph.rememberme.cookie", "seraph.confluence", "crowd.token_key"} <= cookies
    assert {"os_username", "os_password"} <= product.password_fields


@pytest.mark.parametrize("product", BOTH)
def test_the_portal_prefixes_have_no_slash_at_the_end(product: Product) -> None:
    """`core.routing` compares them at segment boundaries."""
    assert not [prefix for prefixes in product.presets.values() for prefix in prefixes if prefix.endswith("/")]
