"""Pages for people: front, dashboard, issue, user browser. The table is in `table.py`, the looks in `templates/`."""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira.answers import not_found, page, redirect, to_login
from sidecar.demo.jira.visit import Visit


async def front(visit: Visit) -> web.Response:
    """GET `/`: on to the visitor's home."""
    return redirect(visit.below_context("/secure/MyJiraHome.jspa"))


async def home(visit: Visit) -> web.Response:
    """`MyJiraHome.jspa`: an absolute redirect to the public address, as some of Jira's are."""
    return redirect(visit.site.url("/secure/Dashboard.jspa"))


async def dashboard(visit: Visit) -> web.Response:
    """`Dashboard.jspa`: greets the visitor and shows the groups Jira knows of."""
    if visit.user is None:
        return to_login(visit)
    state = visit.site.state
    return page(
        visit,
        "dashboard.html",
        groups=sorted(visit.user.groups),
        issues=list(state.issues.values()),
        projects=state.projects,
        how=visit.call.how,
    )


async def issue(visit: Visit) -> web.Response:
    """GET `/browse/{key}`: the issue with its files and the live mark."""
    if visit.user is None:
        return to_login(visit)
    found = visit.site.state.issues.get(visit.target.path.removeprefix("/browse/"))
    if found is None:
        return not_found(visit)
    files = [visit.site.state.attachments[i] for i in found.attachments]
    assignee = visit.site.state.find(found.assignee)
    return page(visit, "issue.html", issue=found, files=files, assignee=assignee)


async def user_browser(visit: Visit) -> web.Response:
    """`UserBrowser.jspa`: administrators only; others are sent to the log-in page."""
    if not visit.is_admin:
        return to_login(visit, user_role="ADMIN")
    users = sorted(visit.site.state.users.values(), key=lambda user: user.username)
    return page(visit, "users.html", users=users)


async def application_properties(visit: Visit) -> web.Response:
    """`ViewApplicationProperties.jspa`: administrators only, and where Jira is set so after their password again."""
    if not visit.is_admin:
        return to_login(visit, user_role="ADMIN")
    if visit.site.config.websudo:
        return redirect(visit.below_context("/secure/admin/WebSudoAuthenticate!default.jspa?webSudoDestination=x"))
    return page(visit, "message.html", title="General configuration", text=f"Base URL: {visit.site.base_url}")
