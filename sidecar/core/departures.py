"""The sign-ins that a decision orders: where, at which provider, and where the browser goes afterwards. Pure.

Called by `core.decide` and `core.steps`.
"""

from __future__ import annotations

from sidecar.core.redirects import safe_return
from sidecar.domain.decision import Decision, Deny, Kind, Place, RequestFacts, StartLogin
from sidecar.domain.policy import Rule
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session

PAGES = frozenset({Kind.NAVIGATION, Kind.FRAME, Kind.PREVIEW})
"""What can be answered with a page for a person."""

LONGEST_HINT = 320
"""Characters of an e-mail address (RFC 5321, section 4.5.3.1)."""


def again(
    facts: RequestFacts,
    place: Place,
    rule_id: str,
    session: Session,
    *,
    silent: bool = False,
    rule: Rule | None = None,
) -> Decision:
    """A sign-in that confirms the session, as *rule* asks for it if it does.

    It happens at the session's home, wherever the page is: elsewhere it would be a sign-in at another portal, which
    nobody asked for (R3, R5).
    """
    home = place.application.portal(session.portal)
    if home is None:
        return Deny(status=403, reason=Reason.INTERNAL, place=place, rule=rule_id)
    return StartLogin(
        place=place,
        portal=home,
        provider=session.identity.provider,
        back_to=back_to(facts.target, place),
        rule=rule_id,
        silent=silent,
        max_age=rule.fresh if rule is not None else None,
        acr=rule.acr if rule is not None else (),
        login_hint=hint_of(session),
        framed=facts.kind is Kind.FRAME,
        preview=facts.kind is Kind.PREVIEW,
    )


def hint_of(session: Session) -> str | None:
    """As whom the provider knows the person: with several accounts in one browser, providers confirm nobody silently
    without it, and with it nobody else."""
    claims = session.identity.claims
    known = (claims.get(name) for name in ("preferred_username", "email"))
    return next((name for name in known if isinstance(name, str) and 0 < len(name) <= LONGEST_HINT), None)


def no_session(facts: RequestFacts, place: Place, rule: str, wanted: str) -> Decision:
    """R4: a page leads to the provider, or to the choice of one; everything else gets 401, never a redirect."""
    if facts.method != "GET" or facts.kind not in PAGES:
        return Deny(status=401, reason=Reason.NO_SESSION, place=place, rule=rule)
    return StartLogin(
        place=place,
        portal=place.portal,
        provider="" if place.portal.asks_where else place.portal.providers[0],
        back_to=wanted,
        rule=rule,
        framed=facts.kind is Kind.FRAME,
        preview=facts.kind is Kind.PREVIEW,
    )


def back_to(target: str | None, place: Place) -> str:
    """The judged target; what is not usable leads to the start of the portal, not to another portal's."""
    application, start = place.application, place.portal.start
    back = safe_return(target, application)
    return back if back == target or not start else application.context + start
