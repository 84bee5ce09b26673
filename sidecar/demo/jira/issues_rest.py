"""REST of issues: make and read one, search, comment, attach files. The table is in `table.py`."""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira.answers import RefusedError, demand_user, json_answer, json_body, text_field, wrong_method
from sidecar.demo.jira.attachments import attachment_bean, read_files
from sidecar.demo.jira.state import Comment, Issue
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


async def fields(visit: Visit) -> web.Response:
    """GET `/rest/api/2/field`: clients ask for it before they name a field."""
    return json_answer(
        [
            {
                "id": name,
                "name": name.title(),
                "custom": False,
                "navigable": True,
                "searchable": True,
                "clauseNames": [],
            }
            for name in ("summary", "description", "status", "assignee", "attachment", "comment")
        ]
    )


async def project(visit: Visit) -> web.Response:
    """GET `/rest/api/2/project/{key}`."""
    demand_user(visit)
    key = visit.target.path.rpartition("/")[2]
    name = visit.site.state.projects.get(key)
    if name is None:
        raise RefusedError(404, f"No project could be found with key '{key}'.")
    url = visit.site.url(f"/rest/api/2/project/{key}")
    return json_answer(
        {"self": url, "id": _project_ids(visit)[key], "key": key, "name": name, "projectTypeKey": "software"}
    )


async def create(visit: Visit) -> web.Response:
    """POST `/rest/api/2/issue`."""
    demand_user(visit)
    if visit.request.method != "POST":
        return wrong_method("POST")
    told = json_body(visit).get("fields")
    told = told if isinstance(told, dict) else {}
    project, kind = told.get("project"), told.get("issuetype")
    key = _project_of(visit, project) if isinstance(project, dict) else ""
    errors = {}
    if key not in visit.site.state.projects:
        errors["project"] = "valid project is required" if project else "project is required"
    if not isinstance(kind, dict) or not kind:
        errors["issuetype"] = "issue type is required"
    if not text_field(told, "summary").strip():
        errors["summary"] = "You must specify a summary of the issue."
    if errors:
        raise RefusedError(400, **errors)
    state = visit.site.state
    made = state.add_issue(state.next_key(key), text_field(told, "summary"))
    made.description = text_field(told, "description")
    bean = issue_bean(visit, made)
    return json_answer({name: bean[name] for name in ("id", "key", "self")}, 201)


async def issue(visit: Visit) -> web.Response:
    """`/rest/api/2/issue/{key}`, its `/attachments` and its `/comment`."""
    demand_user(visit)
    key, _, rest = visit.target.path.removeprefix("/rest/api/2/issue/").partition("/")
    found = visit.site.state.issues.get(key)
    if found is None:
        raise RefusedError(404, "Issue Does Not Exist")
    if rest == "attachments":
        return await _attach(visit, found)
    if rest == "comment":
        return _comment(visit, found)
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
            "comment": _comments(issue),
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


def _project_ids(visit: Visit) -> dict[str, str]:
    return {key: str(10_000 + number) for number, key in enumerate(visit.site.state.projects)}


def _project_of(visit: Visit, project: dict[str, object]) -> str:
    """The key of a project that is named by key or id."""
    by_id = {number: key for key, number in _project_ids(visit).items()}
    return text_field(project, "key") or by_id.get(text_field(project, "id"), "")


def _comments(issue: Issue) -> dict[str, object]:
    shown = [{"id": one.id, "author": {"name": one.author}, "body": one.body} for one in issue.comments]
    return {"startAt": 0, "maxResults": len(shown), "total": len(shown), "comments": shown}


def _comment(visit: Visit, issue: Issue) -> web.Response:
    if visit.request.method in ("GET", "HEAD"):
        return json_answer(_comments(issue))
    if visit.request.method != "POST":
        return wrong_method("GET", "POST")
    body = text_field(json_body(visit), "body")
    if not body.strip():
        raise RefusedError(400, comment="Comment body can not be empty!")
    made = Comment(str(10_000 + len(issue.comments)), demand_user(visit), body)
    issue.comments.append(made)
    return json_answer({"id": made.id, "author": {"name": made.author}, "body": made.body}, 201)
