"""From session and policy to standing: the work that no request repeats (design, section 1)."""

from __future__ import annotations

from sidecar.core.conditions import meets
from sidecar.core.issuers import issuers_of
from sidecar.core.orders import order_for
from sidecar.core.traits import is_unconditional
from sidecar.core.usernames import resolve_username
from sidecar.domain.identity import Identity
from sidecar.domain.policy import Answer, Application, Policy, Portal, Rule
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.domain.standing import Admission, Standing


def standing_of(session: Session, policy: Policy) -> Standing | None:
    """How a session stands under *policy*; None if its application, portal or provider is no longer there, or if the
    provider's name now means another issuer."""
    application = policy.applications.get(session.application)
    home = application.portal(session.portal) if application is not None else None
    if application is None or home is None or session.identity.provider not in home.providers:
        return None
    identity = session.identity
    provider = policy.providers.get(identity.provider)
    if provider is None or identity.person.issuer not in issuers_of(provider):
        return None
    username = resolve_username(identity, home.names_of(identity.provider), trusted=provider.authoritative)
    refused = username if isinstance(username, Reason) else Reason.OK
    name = None if isinstance(username, Reason) else username
    return Standing(
        policy=policy.hash,
        username=name,
        refused=refused,
        order=None if name is None else order_for(identity, home, application, name, trusted=provider.authoritative),
        portals={portal.name: _admission(identity, portal, home) for portal in application.portals},
    )


def needed_claims(application: Application) -> frozenset[str]:
    """The claims that the policy reads; a session keeps no others (design, section 7)."""
    names = {"name", "email", "email_verified", "preferred_username"}
    for portal in application.portals:
        for provider in portal.providers:
            names.update(portal.names_of(provider).claims)
        rules = portal.rules if portal.test_page is None else (*portal.rules, portal.test_page)
        for condition in (portal.require, *(rule.condition for rule in rules)):
            names.update(condition.claims)
    return frozenset(names)


def _admission(identity: Identity, portal: Portal, home: Portal) -> Admission:
    if identity.provider not in portal.providers:
        return _guest(portal, home)
    return Admission(
        require=meets(identity, portal.require),
        rules=tuple(_verdict(identity, rule) for rule in portal.rules),
    )


def _guest(portal: Portal, home: Portal) -> Admission:
    """How somebody of another provider stands. A portal's conditions speak of its own providers' groups and claims, and
    a name that another provider gives out means nothing here: no demand is met by it, and every ban may mean it. What
    the portal requires of its own people, acceptance stands for (R3)."""
    return Admission(
        require=Reason.OK if home.name in portal.accepts else Reason.OTHER_PORTAL,
        rules=tuple(
            Reason.OK if rule.answer is Answer.DENY or is_unconditional(rule) else Reason.OTHER_PORTAL
            for rule in portal.rules
        ),
    )


def _verdict(identity: Identity, rule: Rule) -> Reason:
    verdict = meets(identity, rule.condition)
    if rule.answer is Answer.DENY and verdict is Reason.GROUPS_UNKNOWN:
        # A ban on groups that cannot be read holds (D5).
        return Reason.OK
    return verdict
