"""What an account must look like: the username, the attributes and the groups that follow from claims (D4, D5).

Called when a standing is computed. Keeps the rule that unknown groups stay unknown.
"""

from __future__ import annotations

from sidecar.core.groups import given, reads_groups
from sidecar.core.usernames import email_is_verified, fold, folded
from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Groups, Identity
from sidecar.domain.policy import Application, GroupPolicy, Portal


def order_for(
    identity: Identity, portal: Portal, application: Application, username: str, *, trusted: bool
) -> AccountOrder:
    """What the account of *identity* must look like when *portal* is the home portal.

    An e-mail address that was not verified is not ordered (`usernames.email_is_verified`), nor a name with invisible
    characters. *trusted*: whether the provider is believed where it does not speak of it.
    """
    policy = application.accounts
    if not policy.enabled:
        return AccountOrder(
            application=application.name,
            portal=portal.name,
            username=username,
            display_name=None,
            email=None,
            groups=None,
        )
    groups = _wanted_groups(identity.groups, portal.groups, application.product.protected_groups)
    return AccountOrder(
        application=application.name,
        portal=portal.name,
        username=username,
        display_name=_display_name(identity) if policy.create or "display_name" in policy.update else None,
        email=_email(identity, trusted=trusted) if policy.create or "email" in policy.update else None,
        groups=groups,
        needed=tuple(name for name in groups or () if fold(name) in folded(portal.groups.needed)),
    )


def _wanted_groups(known: Groups, policy: GroupPolicy, built_in: frozenset[str]) -> Groups:
    if known is None and reads_groups(policy):
        return None
    return given(known or (), policy, built_in)


def _display_name(identity: Identity) -> str | None:
    name = identity.claims.get("name")
    if not isinstance(name, str):
        return None
    plain = " ".join(name.split())
    return plain if 0 < len(plain) <= 255 and plain.isprintable() else None


def _email(identity: Identity, *, trusted: bool) -> str | None:
    email = identity.claims.get("email")
    if not isinstance(email, str) or not email_is_verified(identity, trusted=trusted):
        return None
    local, _, domain = email.partition("@")
    sound = local and domain and "@" not in domain and email.isprintable() and " " not in email and len(email) <= 255
    return email if sound else None
