"""Which page answers which path. Asked by `handler.py`; exact paths first, then actions, then the longest prefix.

Paths here are below the context and as Tomcat reads them.
"""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira import (
    attachments,
    customers,
    groups_rest,
    issues_rest,
    listing_rest,
    live,
    login,
    pages,
    server_rest,
    sso,
    sso_rest,
    static,
    transfers,
    users_rest,
)
from sidecar.demo.jira.answers import not_found
from sidecar.demo.jira.paths import Target
from sidecar.demo.jira.visit import Page, Visit

EXACT: dict[str, Page] = {
    "/": pages.front,
    "/status": server_rest.status,
    "/login.jsp": sso.log_in_page,
    "/rest/auth/1/session": login.rest_session,
    "/rest/tsv/1.0/authenticate": login.two_step,
    "/rest/gadget/1.0/login": login.gadget,
    "/rest/api/2/user": users_rest.user,
    "/rest/api/2/user/search": users_rest.search,
    "/rest/api/2/user/list": listing_rest.everybody,
    "/rest/api/2/user/duplicated/list": listing_rest.duplicated,
    "/rest/api/2/myself": users_rest.myself,
    "/rest/api/2/group": groups_rest.group,
    "/rest/api/2/group/member": groups_rest.members,
    "/rest/api/2/group/user": groups_rest.membership,
    "/rest/api/2/groups/picker": groups_rest.picker,
    "/rest/api/2/serverInfo": server_rest.server_info,
    "/rest/api/2/search": issues_rest.search,
    "/rest/api/2/field": issues_rest.fields,
    "/rest/api/2/issue": issues_rest.create,
    "/rest/api/2/mypermissions": server_rest.my_permissions,
    "/rest/crowd/latest/directory": server_rest.directories,
    "/rest/pat/latest/tokens": server_rest.tokens,
    "/rest/applinks/1.0/manifest": server_rest.manifest,
    "/rest/webResources/1.0/resources": server_rest.web_resources,
    "/rest/mywork/latest/status/notification/count": server_rest.notifications,
    "/rest/servicedeskapi/info": customers.info,
    "/rest/servicedeskapi/request": customers.requests,
    "/rest/servicedesk/1/customer/models": customers.models,
    "/rest/authconfig/1.0/idps": sso_rest.providers,
    "/rest/authconfig/1.0/sso": sso_rest.switches,
    "/rest/live/1.0/socket": live.socket,
    "/plugins/servlet/oidc/initiate-login": sso.initiate,
    "/plugins/servlet/oidc/callback": sso.callback,
    "/plugins/servlet/login": sso.external_login,
    "/plugins/servlet/applinks/whoami": server_rest.whoami,
    "/plugins/servlet/demo/chunked": transfers.chunked,
    "/plugins/servlet/demo/until-close": transfers.until_close,
    "/plugins/servlet/demo/echo": transfers.echo,
    "/plugins/servlet/demo/request": transfers.seen_request,
    "/secure/attachment/big": transfers.big,
    "/secure/useravatar": static.avatar,
    "/secure/projectavatar": static.avatar,
    "/servicedesk/customershim/secure/useravatar": static.avatar,
    "/servicedesk/customer": customers.front,
    "/servicedesk/customer/": customers.front,
    "/servicedesk/customer/portals": customers.portals,
    "/servicedesk/customer/user/login": customers.login_page,
    "/servicedesk/customer/user/logout": login.logout,
}

PREFIXES: dict[str, Page] = {
    "/rest/api/2/user/session/": users_rest.end_sessions,
    "/rest/api/2/applicationrole": server_rest.application_roles,
    "/rest/api/2/issue/": issues_rest.issue,
    "/rest/api/2/project/": issues_rest.project,
    "/servicedesk/customer/portal/": customers.portal,
    "/rest/authconfig/1.0/idps/": sso_rest.provider,
    "/plugins/servlet/external-login/": sso.external_login,
    "/browse/": pages.issue,
    "/secure/attachment/": attachments.download,
    "/images/": static.resource,
    "/download/": static.resource,
}

ACTIONS: dict[str, Page] = {
    "Dashboard": pages.dashboard,
    "MyJiraHome": pages.home,
    "UserBrowser": pages.user_browser,
    "ViewApplicationProperties": pages.application_properties,
    "Logout": login.logout,
    "AttachFile": attachments.attach_form,
}

_BY_LENGTH = sorted(PREFIXES, key=len, reverse=True)


def find_page(visit: Visit) -> Page:
    """The page for a visit; Jira's 404 when there is none."""
    path = visit.target.path
    if path in EXACT:
        return EXACT[path]
    action = visit.target.action
    if action is not None:
        return ACTIONS.get(action[0], _no_page)
    prefix = next((prefix for prefix in _BY_LENGTH if path.startswith(prefix)), None)
    return _no_page if prefix is None else PREFIXES[prefix]


def is_static(target: Target) -> bool:
    """Paths that need and make no session."""
    return target.path == "/status" or target.path.startswith(("/images/", "/download/"))


def streams_its_body(request: web.BaseRequest, target: Target) -> bool:
    """Whether the page reads the body itself: uploads and the echo."""
    return request.content_type == "multipart/form-data" or target.path == "/plugins/servlet/demo/echo"


async def _no_page(visit: Visit) -> web.Response:
    return not_found(visit)
