"""The customers' portal of Jira Service Management: its pages and its REST. The table is in `table.py`."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from sidecar.demo.jira.answers import (
    demand_user,
    json_answer,
    not_found,
    page,
    redirect,
    wrong_method,
)
from sidecar.demo.jira.login import local_destination
from sidecar.demo.jira.recognise import DENIED
from sidecar.demo.jira.visit import Visit

_ROOT = "/servicedesk/customer/"
_PORTALS = {"1": ("Churchyard help", "Report a broken gate, a dark lantern or a lost key.")}


async def front(visit: Visit) -> web.Response:
    """GET `/servicedesk/customer`: on to the help centre."""
    return redirect(visit.below_context(_ROOT + "portals"))


async def portals(visit: Visit) -> web.StreamResponse:
    """GET `/servicedesk/customer/portals`: the help centre."""
    if visit.user is None:
        return _to_login(visit)
    return page(visit, "portals.html", portals=_PORTALS)


async def portal(visit: Visit) -> web.StreamResponse:
    """GET `/servicedesk/customer/portal/{id}`: one portal with its request types."""
    number = visit.target.path.removeprefix(_ROOT + "portal/").partition("/")[0]
    if visit.user is None:
        return _to_login(visit)
    if number not in _PORTALS:
        return not_found(visit)
    name, about = _PORTALS[number]
    return page(visit, "portal.html", name=name, about=about)


async def login_page(visit: Visit) -> web.Response:
    """The portal's own log-in form; its `destination` is relative to the portal's root."""
    destination = _ROOT + visit.params.get("destination", "portals").lstrip("/")
    if visit.user is not None:
        return redirect(visit.below_context(local_destination(destination)))
    return page(
        visit,
        "login.html",
        destination="",
        failed=visit.request.method == "POST",
        denied=DENIED in visit.reason,
        permission_violation=False,
        action=f"{_ROOT}user/login?{visit.target.query}",
    )


async def info(visit: Visit) -> web.Response:
    """GET `/rest/servicedeskapi/info`: anonymous may read it."""
    return json_answer({"version": visit.site.config.version, "platformVersion": visit.site.config.version})


async def requests(visit: Visit) -> web.Response:
    """GET `/rest/servicedeskapi/request`: the visitor's own requests."""
    username = demand_user(visit)
    own = [i for i in visit.site.state.issues.values() if i.assignee == username]
    return json_answer(
        {
            "size": len(own),
            "start": 0,
            "limit": 50,
            "isLastPage": True,
            "values": [{"issueKey": i.key, "summary": i.summary} for i in own],
        }
    )


async def models(visit: Visit) -> web.Response:
    """POST `/rest/servicedesk/1/customer/models`: the data of the portal's pages; no portal id in the path."""
    username = demand_user(visit)
    if visit.request.method != "POST":
        return wrong_method("POST")
    return json_answer(
        {
            "user": {"name": username},
            "portals": [{"id": number, "name": name} for number, (name, _) in _PORTALS.items()],
        }
    )


def _to_login(visit: Visit) -> web.Response:
    destination = quote(visit.target.path.removeprefix(_ROOT), safe="")
    return redirect(visit.below_context(f"{_ROOT}user/login?destination={destination}"))
