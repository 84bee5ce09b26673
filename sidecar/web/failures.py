"""From decision or error to refusal: one table, read by the gateway only (design, section 3)."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import quote

from sidecar.domain.decision import Deny, Kind
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.landing import LandingError
from sidecar.flows.login import LoginError
from sidecar.flows.sessions import StateError
from sidecar.flows.streaming import UpstreamError
from sidecar.web.forwarding import RefusedError
from sidecar.web.pages import Action
from sidecar.web.replies import Refusal
from sidecar.web.texts import TEXTS
from sidecar.web.visit import Visit

OutsideError = LoginError | AccountError | LandingError | StateError | UpstreamError | RefusedError
"""What flows raise when the outside failed, a sign-in is unusable or an account is not ready."""

RETRY = 10
"""Seconds after which a page tries again by itself."""

_UPSTREAM = {"connect": Reason.UPSTREAM_UNREACHABLE, "timeout": Reason.UPSTREAM_TIMEOUT}
_SWITCHABLE = frozenset(
    {
        Reason.OTHER_PORTAL,
        Reason.NOT_IN_GROUP,
        Reason.RULE_DENIED,
        Reason.GROUPS_UNKNOWN,
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
        Reason.ACCOUNT_INACTIVE,
        Reason.LANDING_FAILED,
        Reason.PRODUCT_REFUSED,
    }
)


def from_decision(deny: Deny, visit: Visit) -> Refusal:
    """A refusal by the rules."""
    return _refusal(visit, deny.reason, (), status=deny.status)


def from_error(error: OutsideError, visit: Visit) -> Refusal:
    """A failure; every kind has its status and says whether trying again can help."""
    match error:
        case LoginError():
            return _refusal(visit, error.reason, (_again(visit),))
        case AccountError() if error.retry or TEXTS[error.reason].status == HTTPStatus.SERVICE_UNAVAILABLE:
            return _refusal(visit, error.reason, (_again(visit),), retry_after=RETRY)
        case AccountError():
            return _refusal(visit, error.reason, ())
        case LandingError():
            return _refusal(visit, Reason.LANDING_FAILED, (_again(visit),))
        case StateError():
            return _refusal(visit, Reason.STATE_UNAVAILABLE, (_again(visit),), retry_after=RETRY)
        case UpstreamError():
            reason = _UPSTREAM.get(error.stage, Reason.UPSTREAM_BROKEN)
            return _refusal(visit, reason, (_again(visit),), retry_after=RETRY)
        case RefusedError():
            return _refusal(visit, error.reason, ())


def unexpected(visit: Visit) -> Refusal:
    """A fault of ours."""
    return _refusal(visit, Reason.INTERNAL, (_again(visit),))


def _refusal(
    visit: Visit,
    reason: Reason,
    actions: tuple[Action | None, ...],
    *,
    status: int | None = None,
    retry_after: int | None = None,
) -> Refusal:
    application = visit.application
    standing = visit.entry.standing if visit.entry is not None else None
    offered = [action for action in actions if action is not None]
    if application is not None and visit.entry is not None and reason in _SWITCHABLE:
        offered.append(_switch(application, visit))
    return Refusal(
        status=status or TEXTS[reason].status,
        reason=reason,
        kind=visit.facts.kind,
        application=application,
        portal=visit.place.portal.name if visit.place is not None else "",
        username=(standing.username or "") if standing is not None else "",
        actions=tuple(offered),
        form_targets=form_targets(visit) if any(action.post for action in offered) else (),
        # A reload at the callback would spend a code twice.
        retry_after=retry_after if visit.facts.method == "GET" and visit.place is not None else None,
    )


def form_targets(visit: Visit) -> tuple[str, ...]:
    """Browsers hold `form-action` against the redirects behind a form too: sign-out and switch lead to providers."""
    return tuple(dict.fromkeys(origin for known in visit.policy.providers.values() for origin in known.origins))


def _again(visit: Visit) -> Action | None:
    """Back to the page that was asked for; for a broken sign-in, to its beginning."""
    application = visit.application
    if application is None or visit.facts.kind not in {Kind.NAVIGATION, Kind.FRAME} or visit.facts.method != "GET":
        return None
    start = application.context + application.product.start
    href = visit.facts.target if visit.place is not None else f"{application.context}/.lychgate/login?to={quote(start)}"
    return Action(label="Try again", href=href, primary=True)


def _switch(application: Application, visit: Visit) -> Action:
    """Sign out and come back to the same page: the way from one portal to another (design, section 5, R3)."""
    token = visit.entry.session.form_token if visit.entry is not None else ""
    to = visit.facts.target if visit.facts.method == "GET" else application.context + application.product.start
    return Action(
        label="Sign out and sign in as somebody else",
        href=f"{application.context}/.lychgate/logout",
        post=True,
        fields=(("token", token), ("to", to)),
    )
