"""How a report, a plan and an undoing are written: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from sidecar.core.accounts import Plan
from sidecar.core.report import Finding, Report, Status
from sidecar.core.usernames import fold
from sidecar.domain.account import Join, Leave, MakeGroup, Step, Update
from sidecar.domain.journal import Entry
from sidecar.domain.reason import Reason
from sidecar.flows.account_events import kind_of

SHOWN = 20
"""People who are shown one by one unless all are wanted."""


def step_text(step: Step) -> str:
    """One step in a few words."""
    match step:
        case Join() | Leave() | MakeGroup():
            return f"{kind_of(step)} {step.group}"
        case Update():
            parts = {"display name": step.display_name, "e-mail": step.email}
            return "update " + ", ".join(f"{name} to {value}" for name, value in parts.items() if value is not None)
        case _:
            return f"{kind_of(step)} {step.username}"


def entry_text(entry: Entry) -> str:
    """One deed of the journal in a few words."""
    what = f" {entry.group}" if entry.group else ""
    unsure = ", not known whether it was done" if entry.pending else ""
    return f"{entry.deed.value}{what}{unsure}"


def way_texts(way: Plan) -> tuple[str, ...]:
    """The steps of a plan, the link among them, and what is left alone."""
    link = (f"link {way.pin.spelling}",) if way.pin is not None else ()
    skipped = tuple(f"left alone ({one.reason.value}): {', '.join(one.groups) or 'all groups'}" for one in way.skipped)
    return (*link, *map(step_text, way.steps), *skipped)


def report_json(application: str, report: Report) -> dict[str, object]:
    """Everything, for programs."""
    counts = {one.name: getattr(report, one.name) for one in fields(report) if one.name != "findings"}
    plain = {
        name: dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value
        for name, value in counts.items()
    }
    people = [_finding_json(one) for one in report.findings]
    return {"application": application, "let_in": report.let_in, **plain, "people": people}


def _finding_json(one: Finding) -> dict[str, object]:
    return {
        "line": one.line,
        "subject": one.subject,
        "status": one.status.value,
        "username": one.username,
        "account": one.account.username if one.account is not None else None,
        "linked": one.is_linked,
        "reason": one.reason.value,
        "detail": one.detail,
        "steps": list(way_texts(one.plan)) if one.plan is not None else [],
        "shadowed": list(one.shadowed),
        "read_only": one.read_only,
    }


def report_lines(application: str, report: Report, *, everybody: bool) -> Iterator[str]:
    """For people: numbers first, then those who need somebody's eye."""
    yield f"{application}: {report.accounts} accounts, {report.active} of them active, {report.linked} linked"
    shadowed = "not told" if report.shadowed is None else report.shadowed
    yield f"  reserved {report.reserved}, protected {report.protected}, in several directories {shadowed}"
    if report.findings:
        yield f"{len(report.findings)} people on the list"
        yield from _counted(report.statuses)
        yield f"would be let in: {report.let_in}; kept out: {sum(report.kept_out.values())}"
        yield from _counted(report.kept_out)
        yield "what would be done"
        yield from _counted(report.steps)
        if report.skipped:
            yield "people of whom groups would be left alone"
            yield from _counted(report.skipped)
        yield from _groups(report)
        if report.read_only:
            yield f"in a directory that cannot be written: {report.read_only}"
    else:
        yield "no list of people was given (--idp): nothing can be said of what would be done"
    if report.unlisted:
        yield f"the application does not list {report.unlisted} of its groups; memberships there were not looked at"
    for group in report.unread:
        yield f"the members of {group} cannot be asked for; nobody was taken to be in it"
    for sentence in report.untold:
        yield f"not told: {sentence}"
    yield from _people(report, everybody=everybody)
    yield from _unclaimed(report, everybody=everybody)


def _counted(counts: Mapping[str, int]) -> Iterator[str]:
    for name, count in counts.items():
        if count:
            yield f"  {name:<24} {count}"


def _groups(report: Report) -> Iterator[str]:
    names = sorted(report.joins.keys() | report.leaves.keys())
    if names:
        yield "by group"
    for name in names:
        missing = "   there is no such group" if name in report.absent else ""
        yield f"  {name:<40} +{report.joins.get(name, 0)} -{report.leaves.get(name, 0)}{missing}"


def _people(report: Report, *, everybody: bool) -> Iterator[str]:
    worth = [one for one in report.findings if everybody or _needs_an_eye(one)]
    if worth:
        yield "one by one" if everybody else "to be looked at"
    for one in worth if everybody else worth[:SHOWN]:
        name = one.username or one.subject or "?"
        steps = "; ".join(way_texts(one.plan)) if one.plan is not None else ""
        why = "" if one.reason is Reason.OK else one.reason.value
        places = f"in {', '.join(one.shadowed)}" if one.shadowed else ""
        unwritable = "its directory cannot be written" if one.read_only else ""
        told = ": ".join(text for text in (one.status.value, why, one.detail, places, unwritable, steps) if text)
        yield f"  line {one.line}, {name}: {told}"
    if not everybody and len(worth) > SHOWN:
        yield f"  and {len(worth) - SHOWN} more; --all or --json shows them"


def _needs_an_eye(one: Finding) -> bool:
    odd = one.status in {Status.AMBIGUOUS, Status.NAMELESS, Status.RESERVED, Status.PROTECTED}
    return odd or one.reason is not Reason.OK or bool(one.shadowed) or one.fails_read_only


def _unclaimed(report: Report, *, everybody: bool) -> Iterator[str]:
    names = sorted(report.unclaimed, key=fold)
    if not names:
        return
    whose = "nobody on the list has" if report.findings else "are tied to nobody"
    yield f"active accounts that {whose}: {len(names)}"
    for name in names if everybody else names[:SHOWN]:
        yield f"  {name}"
    if not everybody and len(names) > SHOWN:
        yield f"  and {len(names) - SHOWN} more"
