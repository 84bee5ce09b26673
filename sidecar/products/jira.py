"""Jira Data Center 9 to 11, with Jira Service Management. All paths are below the context path."""

from __future__ import annotations

from sidecar.domain.paths import path_set
from sidecar.domain.product import Product
from sidecar.products import common

# Webwork finds an action by its name alone, so an administrator's page answers outside /secure/admin too.
_ADMIN_ACTIONS = (
    "AddApplicationLink*.jspa", "AddGroup*.jspa", "AddNewGlobalPermission*.jspa", "AddNewIssueType*.jspa",
    "AddPermission*.jspa", "AddProject*.jspa", "AddUser*.jspa", "AdminSummary*.jspa",
    "ApplicationAccess*.jspa", "AttachmentSettings*.jspa", "Bulk*EditUserGroups*.jspa",
    "BulkEditUserGroups*.jspa", "ConfigureCrowdServer*.jspa", "ConfigureLogging*.jspa",
    "ConfigureCustomField*.jspa", "CreateCustomField*.jspa", "DeleteGroup*.jspa", "DeleteProject*.jspa",
    "DeleteUser*.jspa", "EditAnnouncementBanner*.jspa", "EditApplicationProperties*.jspa", "EditUser!*.jspa",
    "EditUser.jspa", "EditUserGroups*.jspa", "EditUserProjectRoles*.jspa", "GeneralConfiguration*.jspa",
    "GlobalPermissions*.jspa", "GroupBrowser*.jspa", "ImportWorkflow*.jspa", "IndexAdmin*.jspa",
    "IndexReIndex*.jspa", "IntegrityChecker*.jspa", "JellyRunner*.jspa", "ListEvents*.jspa",
    "ListWorkflows*.jspa", "LookAndFeel*.jspa", "MailQueueAdmin*.jspa", "OutgoingMailServers*.jspa",
    "IncomingMailServers*.jspa", "ProjectImport*.jspa", "ProjectRoleBrowser*.jspa", "SchedulerAdmin*.jspa",
    "SendBulkMail*.jspa", "ServiceExecutor*.jspa", "SetPassword*.jspa", "SystemSupport*.jspa",
    "TimeTrackingAdmin*.jspa", "UserBrowser*.jspa", "ViewApplicationProperties*.jspa",
    "ViewAttachmentSettings*.jspa", "ViewCustomFields*.jspa", "ViewGroup*.jspa", "ViewInstrumentation*.jspa",
    "ViewLicense*.jspa", "ViewListeners*.jspa", "ViewLogging*.jspa", "ViewMemoryInfo*.jspa",
    "ViewPermissionSchemes*.jspa", "ViewPlugins*.jspa", "ViewProjects*.jspa", "ViewServices*.jspa",
    "ViewSystemInfo*.jspa", "ViewTrustedApplications*.jspa", "ViewUpgrades*.jspa", "ViewUser!*.jspa",
    "ViewUser.jspa", "ViewUserProjectRoles*.jspa", "WhitelistAdmin*.jspa", "XmlBackup*.jspa",
    "XmlRestore*.jspa",
)  # fmt: skip

JIRA = Product(
    name="jira",
    title="Jira",
    path_sets={
        "admin": path_set(
            "/secure/admin/**",
            "/secure/project/**",
            "/plugins/servlet/upm/**",
            "/plugins/servlet/audit/**",
            "/plugins/servlet/embedded-crowd/**",
            "/plugins/servlet/project-config/**",
            "/plugins/servlet/applinks/listApplicationLinks/**",
            "/rest/plugins/**",
            "/rest/scriptrunner/**",
            "/rest/auditing/**",
            "/rest/api/*/auditing/**",
            "/rest/api/*/user/anonymization/**",
            "/rest/api/*/application-properties/**",
            "/rest/api/*/configuration/**",
            "/rest/api/*/cluster/**",
            "/rest/api/*/reindex/**",
            "/rest/api/*/upgrade/**",
            "/rest/api/*/licenseValidator/**",
            *_ADMIN_ACTIONS,
        ),
        "password_login": path_set(
            "/login.jsp",
            "/rest/auth/*/session/**",
            "/rest/tsv/*/authenticate/**",
            "/rest/gadget/*/login/**",
            "/servicedesk/customer/user/login/**",
            "/servicedesk/customer/portal/*/user/login/**",
            "/servicedesk/customer/user/signup/**",
            "Signup*.jspa",
            "ForgotLoginDetails*.jspa",
            "ResetPassword*.jspa",
        ),
        "setup": path_set("/setup/**", "/bootstrap/**", "Setup*.jspa"),
        "tokens": path_set("/rest/pat/**", "/secure/ViewPersonalAccessTokens.jspa", "ViewPersonalAccessTokens*.jspa"),
        "machine": path_set("/rest/**"),
        "polling": path_set(
            "/rest/mywork/*/status/notification/**",
            "/rest/analytics/*/publish/**",
            "/rest/quickreload/**",
            "/rest/servicedesk/*/servicedesk/*/queues/poll",
            "/rest/greenhopper/*/xboard/work/transitions*",
            "/rest/webResources/**",
            "/rest/menu/**",
            "/rest/nps/**",
            "/status",
        ),
        "customer": path_set(
            "/rest/servicedeskapi/**",
            "/rest/servicedesk/*/customer/**",
            "/rest/servicedesk/*/pages/**",
            "/rest/servicedesk/knowledgebase/**",
            "/rest/webResources/**",
            "/rest/analytics/*/publish/**",
        ),
        "static": path_set(*common.STATIC),
        "closed": path_set(*common.CLOSED, "Setup*.jspa"),
    },
    presets={
        "jsm": (
            "/servicedesk/customer",
            "/servicedesk/customershim",
            "/plugins/servlet/servicedesk/customer",
        )
    },
    machine_profiles={**common.MACHINE_PROFILES, "mobile": ("/rest/nativemobile/**", "/rest/mobile/**")},
    machine_public=path_set(*common.MACHINE_PUBLIC),
    session_cookies=common.SESSION_COOKIES,
    remember_cookies=common.REMEMBER_COOKIES,
    login_paths=path_set(
        "/login.jsp",
        "/login",
        "/servicedesk/customer/user/login/**",
        "/servicedesk/customer/portal/*/user/login/**",
    ),
    logout_paths=path_set(
        "Logout*.jspa",
        "/logout",
        "/logoutconfirm.jsp",
        "/servicedesk/customer/user/logout",
        "/plugins/servlet/sso-logout",
    ),
    login_target=("os_destination", "destination"),
    password_fields=common.PASSWORD_FIELDS,
    action_suffixes=(".jspa",),
    action_home="/secure",
    forwards=(("/s/", "/_/"),),
    protected_groups=frozenset({"jira-administrators", "jira-system-administrators", "system-administrators"}),
    reserved_names=common.RESERVED_NAMES,
    start="/secure/Dashboard.jspa",
    user_header="X-AUSERNAME",
)
"""Product knowledge of Jira."""
