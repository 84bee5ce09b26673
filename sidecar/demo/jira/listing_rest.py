"""REST that lists all accounts: `/rest/api/2/user/list` and `…/user/duplicated/list`. The table is in `table.py`.

The first is there since 10.3 and 11.0 only; both follow Atlassian's documents.
"""

from __future__ import annotations

from aiohttp import web

from sidecar.demo.jira.answers import demand_admin, demand_user, json_answer, not_found
from sidecar.demo.jira.users_rest import number, user_bean
from sidecar.demo.jira.visit import Visit

_PAGE = 2000  # accounts per answer at most


async def everybody(visit: Visit) -> web.Response:
    """GET `/rest/api/2/user/list`: a stream of all accounts, active or not, in no order; never 404 for a cursor."""
    demand_user(visit)
    if _version(visit) < (10, 3):
        return not_found(visit)
    users = list(visit.site.state.users.values())
    start, size = number(visit.params.get("cursor"), 0), min(_PAGE, number(visit.params.get("maxResults"), _PAGE))
    shown, after = users[start : start + size], start + size
    here = f"/rest/api/2/user/list?maxResults={size}"
    answer: dict[str, object] = {
        "self": visit.site.url(f"{here}&cursor={start}"),
        "maxResults": size,
        "isLast": after >= len(users),
        "values": [user_bean(visit, user) for user in shown],
    }
    if not answer["isLast"]:
        answer["nextCursor"] = str(after)
        answer["nextPage"] = visit.site.url(f"{here}&cursor={after}")
    return json_answer(answer)


async def duplicated(visit: Visit) -> web.Response:
    """GET `/rest/api/2/user/duplicated/list`: accounts that more than one directory has, and in which they are."""
    demand_admin(visit)
    state = visit.site.state
    return json_answer(
        {
            name: [
                {"directoryId": 10_000 + place, "directoryName": directory, "userActive": active}
                for place, (directory, active) in enumerate(found)
            ]
            for name, found in sorted(state.duplicates.items())
        }
    )


def _version(visit: Visit) -> tuple[int, ...]:
    return tuple(int(part) for part in visit.site.config.version.split(".")[:2])
