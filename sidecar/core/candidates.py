"""Somebody with given claims as a sign-in would see them, without a sign-in. Pure.

Called by the commands that look ahead: `lychgate migrate`, `lychgate accounts plan`, `lychgate explain --live`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sidecar.core.claims import freeze_claims, identity_from, is_stranger
from sidecar.core.issuers import named_issuer
from sidecar.core.standing import needed_claims, standing_of
from sidecar.core.tokens import TokenFault
from sidecar.core.usernames import name_with_apostrophe
from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.policy import Application, Policy, Portal
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the gate would make of somebody.

    Attributes:
        identity: None where the claims name nobody.
        order: What their account must look like; None without a username.
        refused: Why there is no order, or why the portal does not let them in; else `ok`.
        cure: What an administrator can do about that, or "".
    """

    identity: Identity | None
    order: AccountOrder | None
    refused: Reason
    cure: str = ""


def candidate(
    claims: Mapping[str, object],
    application: Application,
    portal: Portal,
    provider: str,
    policy: Policy,
    now: UnixSeconds,
) -> Candidate:
    """Somebody who signs in with *claims* at *portal* with its provider *provider*."""
    known = policy.providers[provider]
    try:
        frozen = freeze_claims(claims)
        frozen = {"iss": named_issuer(known.issuer, frozen) or known.issuer, **frozen}
        if is_stranger(frozen, known):
            return Candidate(identity=None, order=None, refused=Reason.STRANGER)
        identity = identity_from(frozen, known, needed_claims(application))
    except TokenFault:
        return Candidate(identity=None, order=None, refused=Reason.TOKEN_INVALID)
    return candidate_of(identity, application, portal, policy, now)


def candidate_of(
    identity: Identity, application: Application, portal: Portal, policy: Policy, now: UnixSeconds
) -> Candidate:
    """Somebody who is known already, at *portal*."""
    session = Session(
        key="0" * 64,
        application=application.name,
        portal=portal.name,
        identity=identity,
        created_at=now,
        ends_at=UnixSeconds(now + 1),
        checked_at=now,
        form_token="",
    )
    standing = standing_of(session, policy)
    if standing is None:
        return Candidate(identity=identity, order=None, refused=Reason.OTHER_PORTAL)
    refused = standing.refused if standing.order is None else standing.portals[portal.name].require
    cure = _cure(identity, portal, policy) if refused is Reason.USERNAME_INVALID else ""
    return Candidate(identity=identity, order=standing.order, refused=refused, cure=cure)


def _cure(identity: Identity, portal: Portal, policy: Policy) -> str:
    trusted = policy.providers[identity.provider].authoritative
    name = name_with_apostrophe(identity, portal.names_of(identity.provider), trusted=trusted)
    return f"{name} has an apostrophe: username.apostrophe lets such accounts in where they exist" if name else ""
