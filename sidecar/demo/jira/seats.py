"""Licence seats. Asked before an account gets an application by creation or by a group."""

from __future__ import annotations

from sidecar.demo.jira.answers import RefusedError
from sidecar.demo.jira.state import ApplicationRole
from sidecar.demo.jira.visit import Visit
from sidecar.demo.people import User


def remaining(visit: Visit, role: ApplicationRole) -> int | None:
    """Seats left; None when the application is not limited."""
    limit = _limit(visit, role)
    return None if limit is None else max(0, limit - visit.site.state.seats_taken(role))


def number_of_seats(visit: Visit, role: ApplicationRole) -> int:
    """Seats of the licence; -1 is how Jira writes "unlimited"."""
    limit = _limit(visit, role)
    return -1 if limit is None else limit


def demand_seat(visit: Visit, role: ApplicationRole, field: str) -> None:
    """400 with an entry in `errors` when nobody more fits (status and text are not documented)."""
    if remaining(visit, role) == 0:
        raise RefusedError(400, **{field: f"The licence of {role.name} has no seat left."})


def demand_seat_for_group(visit: Visit, user: User, group: str) -> None:
    """400 when joining the group would take a seat that is not there."""
    for role in visit.site.state.roles.values():
        takes_one = group in role.groups and user.groups.isdisjoint(role.groups) and user.active
        if takes_one:
            demand_seat(visit, role, "groups")


def _limit(visit: Visit, role: ApplicationRole) -> int | None:
    if visit.site.faults.seats_exhausted:
        return visit.site.state.seats_taken(role)
    return visit.site.config.jira_seats if role.key == "jira-software" else role.seats
