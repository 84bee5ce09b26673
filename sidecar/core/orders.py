"""What an account must look like: the username, the attributes and the groups that follow from claims (D4, D5).

Called when a standing is computed. Keeps the rule that unknown groups stay unknown, and that a protected group comes
from an exact line only.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from sidecar.core.usernames import email_is_verified, fold, folded
from sidecar.domain.account import AccountOrder
from sidecar.domain.identity import Groups, Identity
from sidecar.domain.policy import Application, GroupMapping, GroupPolicy, Portal

PLACE = re.compile(r"\$([1-9])")
"""A place in the target of a line that what matched is put into."""


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
        needed=tuple(name for name in groups or () if name in folded(portal.groups.needed)),
    )


def _wanted_groups(known: Groups, policy: GroupPolicy, built_in: frozenset[str]) -> Groups:
    if known is None and policy.mapping:
        return None
    protected = folded(policy.protected | built_in)
    mapped = {name for line in policy.mapping for name in _mapped(line, known or (), protected, folded(policy.admin))}
    default = {name for entry in policy.default if (name := _group_name(entry)) is not None}
    return tuple(sorted(mapped | {name for name in default if fold(name) not in protected}))


def _mapped(
    line: GroupMapping, known: Iterable[str], protected: frozenset[str], admin: frozenset[str]
) -> Iterable[str]:
    """What one line makes of the provider's groups. A protected group comes from an exact line under `admin` only."""
    pattern = re.compile(line.source)
    for group in known:
        match = pattern.fullmatch(group)
        name = _group_name(_expand(match, line.target)) if match else None
        exact = line.source in {group, re.escape(group)} and not PLACE.search(line.target)
        if name is not None and (fold(name) not in protected or (exact and fold(name) in admin)):
            yield name


def mapped_groups(known: Iterable[str], policy: GroupPolicy, built_in: frozenset[str]) -> Mapping[str, tuple[str, ...]]:
    """What becomes of each of the provider's groups: the application's, sorted; none where no line names it."""
    protected, admin = folded(policy.protected | built_in), folded(policy.admin)
    return {
        group: tuple(sorted({name for line in policy.mapping for name in _mapped(line, (group,), protected, admin)}))
        for group in known
    }


def _expand(match: re.Match[str], target: str) -> str:
    found = ("", *match.groups(default=""))
    return PLACE.sub(lambda place: found[int(place[1])] if int(place[1]) < len(found) else "", target)


def _group_name(name: str) -> str | None:
    """Lower case; None for a name that could be taken for another one."""
    lowered = name.lower()
    sound = (
        0 < len(name) <= 255
        and name == name.strip()
        and name.isprintable()
        and unicodedata.normalize("NFKC", name) == name
        and unicodedata.normalize("NFKC", lowered) == lowered
    )
    return lowered if sound else None


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
