"""The sign-in that a rule asks for, begun in another window than the one whose request it refused. Pure.

Called by `web.own` for the page that a refused form leads to.
"""

from __future__ import annotations

from sidecar.core.departures import hint_of
from sidecar.core.traits import is_unconditional, takes
from sidecar.domain.decision import Place, StartLogin
from sidecar.domain.policy import Answer, Rule
from sidecar.domain.session import Session


def step_up_for(place: Place, method: str, session: Session, back_to: str) -> StartLogin | None:
    """The step-up at *place* for a request with *method*; None if no rule asks for one.

    Where several readings of the path meet several rules, the most recent sign-in that any of them asks for is asked.
    """
    asking = [rule for matching in place.traits.matching if (rule := _rule(place, matching, method)) is not None]
    home = place.application.portal(session.portal)
    if not asking or home is None:
        return None
    ages = [rule.fresh for rule in asking if rule.fresh is not None]
    return StartLogin(
        place=place,
        portal=home,
        provider=session.identity.provider,
        back_to=place.application.context + back_to,
        rule=asking[0].id,
        max_age=min(ages) if ages else None,
        acr=next((rule.acr for rule in asking if rule.acr), ()),
        login_hint=hint_of(session),
    )


def _rule(place: Place, matching: tuple[int, ...], method: str) -> Rule | None:
    """The first rule that decides, if it asks for a step-up; bans on some people are passed over."""
    for number in matching:
        rule = place.portal.rules[number]
        if takes(rule, method) and not (rule.answer is Answer.DENY and not is_unconditional(rule)):
            return rule if rule.steps_up else None
    return None
