"""From decision or error to refusal: one table, read by the gateway only (design, section 3)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote, urlencode

from aiohttp import web

from sidecar.domain.decision import Deny, Kind
from sidecar.domain.policy import Application, Portal
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.landing import LandingError
from sidecar.flows.login import LoginError
from sidecar.flows.sessions import StateError
from sidecar.flows.streaming import UpstreamError
from sidecar.web.forwarding import RefusedError
from sidecar.web.pages import Action
from sidecar.web.replies import Refusal, Replies
from sidecar.web.texts import TEXTS
from sidecar.web.visit import Visit

OutsideError = LoginError | AccountError | LandingError | StateError | UpstreamError | RefusedError
"""What flows raise when the outside failed, a sign-in is unusable or an account is not ready."""

RETRY = 10
"""Seconds after which a page tries again by itself."""

_PASSING = frozenset(
    reason
    for reason, text in TEXTS.items()
    if text.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
) | {Reason.UPSTREAM_BROKEN}
"""What may be over soon: the page tries again by itself."""

_UPSTREAM = {
    "busy": Reason.UPSTREAM_BUSY,
    "tunnels": Reason.TUNNELS_FULL,
    "connect": Reason.UPSTREAM_UNREACHABLE,
    "starting": Reason.UPSTREAM_STARTING,
    "timeout": Reason.UPSTREAM_TIMEOUT,
}
"""By the stage of an `UpstreamError`; all other stages are `upstream_broken`."""
_UNASKED = frozenset({Reason.UPSTREAM_BUSY, Reason.TUNNELS_FULL, Reason.UPSTREAM_UNREACHABLE, Reason.UPSTREAM_STARTING})
"""The application has not done what was asked."""

_SWITCHABLE = frozenset(
    {
        Reason.OTHER_PORTAL,
        Reason.NOT_IN_GROUP,
        Reason.RULE_DENIED,
        Reason.GROUPS_UNKNOWN,
        Reason.GROUPS_STALE,
        Reason.CLAIM_MISSING,
        Reason.CLAIM_MISMATCH,
        Reason.USERNAME_MISSING,
        Reason.USERNAME_INVALID,
        Reason.USERNAME_FOREIGN,
        Reason.PIN_CONFLICT,
        Reason.ACCOUNT_NOT_ADOPTED,
        Reason.ACCOUNT_RESERVED,
        Reason.ACCOUNT_PROTECTED,
        Reason.ACCOUNT_ABSENT,
        Reason.EMAIL_MISSING,
        Reason.ACCOUNT_INACTIVE,
        Reason.LANDING_FAILED,
        Reason.PRODUCT_REFUSED,
    }
)


ALARMING = _PASSING | {
    Reason.PROVIDER_MISCONFIGURED,
    Reason.LANDING_FAILED,
    Reason.LANDING_MISMATCH,
    Reason.NO_SEAT_LEFT,
    Reason.INTERNAL,
}
"""What an administrator must hear of: warnings in the log."""


def from_decision(deny: Deny, visit: Visit) -> Refusal:
    """A refusal by the rules."""
    begin: tuple[Action | None, ...] = ()
    if deny.reason is Reason.NO_SESSION:
        begin = (_again(visit, "Sign in") or _beside(visit, "Sign in"),)
    elif deny.reason is Reason.CLAIMS_STALE:
        begin = (_beside(visit, "Confirm in a new window"),)
    elif deny.reason is Reason.STEP_UP_NEEDED:
        begin = (_confirm(visit),)
    return _refusal(visit, deny.reason, begin, status=deny.status)


def denied(replies: Replies, visit: Visit, deny: Deny) -> web.Response:
    """The answer to what the rules refuse."""
    visit.record.outcome = "denied"
    return replies.refuse(from_decision(deny, visit), visit.record)


def from_error(error: OutsideError, visit: Visit) -> Refusal:
    """A failure; every kind has its status and says whether trying again can help."""
    match error:
        case LoginError(reason=Reason.SESSION_REVOKED):
            # The provider may remember the very authentication that was revoked.
            again = _again(visit, "Sign in again", back_to=error.back_to, more="&prompt=login")
            return _refusal(visit, error.reason, (again, _elsewhere(visit, error.back_to)))
        case LoginError():
            actions = (_again(visit, back_to=error.back_to), _elsewhere(visit, error.back_to))
            return _refusal(visit, error.reason, actions)
        case AccountError():
            return _refusal(visit, error.reason, (_again(visit),) if _passes(error) else ())
        case LandingError():
            facts = (("Error number in the log of the application", error.error_id),) if error.error_id else ()
            return _refusal(visit, error.reason, (_again(visit),), facts=facts)
        case StateError():
            return _refusal(visit, Reason.STATE_UNAVAILABLE, (_again(visit),))
        case UpstreamError():
            return _refusal(visit, _UPSTREAM.get(error.stage, Reason.UPSTREAM_BROKEN), (_again(visit),))
        case RefusedError():
            return _refusal(visit, error.reason, ())


def reason_of(error: OutsideError) -> Reason:
    """The word of an error, for the log."""
    match error:
        case LoginError() | AccountError() | LandingError() | RefusedError():
            return error.reason
        case StateError():
            return Reason.STATE_UNAVAILABLE
        case UpstreamError():
            return _UPSTREAM.get(error.stage, Reason.UPSTREAM_BROKEN)


def _passes(error: AccountError) -> bool:
    """Whether trying again can help: only if the fault may pass. A sign-in can always be begun again."""
    return error.retry or error.reason in _PASSING


def unexpected(visit: Visit) -> Refusal:
    """A fault of ours."""
    return _refusal(visit, Reason.INTERNAL, (_again(visit),))


def _refusal(
    visit: Visit,
    reason: Reason,
    actions: tuple[Action | None, ...],
    *,
    status: int | None = None,
    facts: tuple[tuple[str, str], ...] = (),
) -> Refusal:
    application, status = visit.application, status or TEXTS[reason].status
    standing = visit.entry.standing if visit.entry is not None else None
    offered = [action for action in actions if action is not None]
    if application is not None and visit.entry is not None and reason in _SWITCHABLE:
        offered.append(_switch(application, visit))
    return Refusal(
        status=status,
        reason=reason,
        kind=visit.facts.kind,
        application=application,
        portal=visit.place.portal.name if visit.place is not None else "",
        username=(standing.username or "") if standing is not None else "",
        facts=facts,
        actions=tuple(offered),
        form_targets=form_targets(visit) if any(action.post for action in offered) else (),
        retry_after=RETRY if _may_be_sent_again(reason, visit) else None,
    )


def _may_be_sent_again(reason: Reason, visit: Visit) -> bool:
    """Without a second thought: a page by itself, a program after the time that it is told."""
    if reason not in _PASSING or visit.place is None:
        # A reload at the callback would spend a code twice.
        return False
    program = visit.facts.kind not in {Kind.NAVIGATION, Kind.FRAME, Kind.PREVIEW}
    return visit.facts.method == "GET" or (program and reason in _UNASKED)


def form_targets(visit: Visit) -> tuple[str, ...]:
    """Browsers hold `form-action` against the redirects behind a form too: sign-out and switch lead to providers."""
    return tuple(dict.fromkeys(origin for known in visit.policy.providers.values() for origin in known.origins))


def choice(application: Application, portal: Portal, back_to: str) -> Action | None:
    """Where another of the portal's providers is chosen, on the way to *back_to*; None if there is none."""
    if not portal.asks_where:
        return None
    href = f"{application.context}/.lychgate/choose?to={quote(back_to)}"
    return Action(label="Sign in with another service", href=href)


def _elsewhere(visit: Visit, back_to: str) -> Action | None:
    """A provider that does not answer keeps nobody from the others."""
    application = visit.application
    if application is None or visit.entry is not None or visit.facts.kind is not Kind.NAVIGATION:
        return None
    portal = visit.place.portal if visit.place is not None else _portal_of(application, visit.facts.target)
    target = visit.facts.target if visit.place is not None and visit.facts.method == "GET" else ""
    return choice(application, portal, back_to or target or application.start_of(portal))


def _again(visit: Visit, label: str = "Try again", back_to: str = "", more: str = "") -> Action | None:
    """Back to the page that was asked for; for a broken sign-in, to its beginning, on the way to *back_to*."""
    application = visit.application
    if application is None or visit.facts.kind not in {Kind.NAVIGATION, Kind.FRAME} or visit.facts.method != "GET":
        return None
    if visit.place is not None:
        return Action(label=label, href=visit.facts.target, primary=True)
    # Customers are not sent to the agents' door.
    start = back_to or application.start_of(_portal_of(application, visit.facts.target))
    return Action(label=label, href=f"{application.context}/.lychgate/login?to={quote(start)}{more}", primary=True)


def _beside(visit: Visit, label: str) -> Action | None:
    """The portal's start page in a new window: what was sent from this one may be sent again afterwards."""
    application, place = visit.application, visit.place
    if application is None or place is None:
        return None
    return Action(label=label, href=application.start_of(place.portal), primary=True, new_window=True)


def _confirm(visit: Visit) -> Action | None:
    """Where a browser signs in as the rule asks that refused this request."""
    application, facts = visit.application, visit.facts
    if application is None:
        return None
    query = urlencode({"for": facts.target, "method": facts.method})
    href = f"{application.context}/.lychgate/confirm?{query}"
    return Action(label="Confirm in a new window", href=href, primary=True, new_window=True)


def _portal_of(application: Application, target: str) -> Portal:
    """The portal to whose provider a callback belongs, as far as that can be told."""
    provider = target.partition("?")[0].rpartition("/")[2]
    return next((door for door in application.portals if provider in door.providers), application.default_portal)


def _switch(application: Application, visit: Visit) -> Action:
    """Sign out and come back to the same page: the way from one portal to another (design, section 5, R3)."""
    token = visit.entry.session.form_token if visit.entry is not None else ""
    to = visit.facts.target if visit.facts.method == "GET" else application.start_of()
    return Action(
        label="Sign out and sign in as somebody else",
        href=f"{application.context}/.lychgate/logout",
        post=True,
        fields=(("token", token), ("to", to)),
    )
