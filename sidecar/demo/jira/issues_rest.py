"""REST of issues: read one, search, attach files. The table is in `table.py`."""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira.answers import RefusedError, demand_user, json_answer, wrong_method
from sidecar.demo.jira.attachments import attachment_bean, read_files
from sidecar.demo.jira.state import Issue
from sidecar.demo.jira.visit import Visit


async def search(visit: Visit) -> web.Response:
    """GET or POST `/rest/api/2/search`: anonymous may ask and sees nothing."""
    issues = [] if visit.user is None else list(visit.site.state.issues.values())
    return json_answer(
        {
            "expand": "schema,names",
            "startAt": 0,
            "maxResults": 50,
            "total": len(issues),
            "issues": [issue_bean(visit, found) for found in issues],
        }
    )


async def issue(visit: Visit) -> web.Response:
    """`/rest/api/2/issue/{key}` and `/rest/api/2/issue/{key}/attachments`."""
    demand_user(visit)
    key, _, rest = visit.target.path.removeprefix("/rest/api/2/issue/").partition("/")
    found = visit.site.state.issues.get(key)
    if found is None:
        raise RefusedError(404, "Issue Does Not Exist")
    if rest == "attachments":
        return await _attach(visit, found)
    if rest:
        raise RefusedError(404, f"There is no '{rest}' at an issue.")
    if visit.request.method not in ("GET", "HEAD"):
        return wrong_method("GET")
    return json_answer(issue_bean(visit, found))


def issue_bean(visit: Visit, issue: Issue) -> dict[str, object]:
    """An issue with the fields that the demo shows."""
    files = visit.site.state.attachments
    return {
        "id": issue.key.rpartition("-")[2],
        "key": issue.key,
        "self": visit.site.url(f"/rest/api/2/issue/{issue.key}"),
        "fields": {
            "summary": issue.summary,
            "description": issue.description,
            "status": {"name": issue.status},
            "assignee": {"name": issue.assignee} if issue.assignee else None,
            "attachment": [attachment_bean(visit, files[i]) for i in issue.attachments],
        },
    }


async def _attach(visit: Visit, issue: Issue) -> web.Response:
    if visit.request.method != "POST":
        return wrong_method("POST")
    if visit.request.content_type != "multipart/form-data":
        raise RefusedError(415, "The request must be multipart/form-data.")
    # The module's check of X-Atlassian-Token has already passed.
    _, made = await read_files(visit, issue)
    return json_answer([attachment_bean(visit, attachment) for attachment in made])
