"""From a provider's JSON to what the policy reads: frozen claims, groups, the identity.

`adapters.oidc.provider` freezes and merges; `flows.login` makes the identity. Pure.
The rule it keeps: groups that are missing, cut short or malformed are *unknown*, never *empty* (D5).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sidecar.core.groupnames import group_name
from sidecar.core.issuers import named_issuer
from sidecar.core.tokens import TokenFault, check_subject
from sidecar.domain.identity import Claim, Groups, Identity, Person, UnixSeconds
from sidecar.domain.policy import ProviderPolicy
from sidecar.domain.shape import PLAIN, ClaimSources, GroupReading

DEEPEST = 32
"""Levels of nesting in claims. Real tokens have four."""

PING_OVERAGE = "[SIZE_LIMIT_EXCEEDED]"
"""What PingOne writes in the place of an attribute with more than 25 values."""

_OF_THE_TOKEN = frozenset(
    {"iss", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "at_hash", "c_hash", "s_hash"}
    | {"auth_time", "acr", "amr", "sid", "_claim_names", "_claim_sources", "hasgroups"}
)


def freeze(value: object) -> Claim:
    """The immutable shape of a JSON value: arrays become tuples, objects become read-only mappings.

    Raises:
        TokenFault: It is nested too deeply, or holds what no store can keep: NaN, infinity, halves of characters.
    """
    return _freeze(value, DEEPEST)


def freeze_claims(values: Mapping[str, object]) -> Mapping[str, Claim]:
    """`freeze` for the whole set of claims."""
    return MappingProxyType({_text(name): _freeze(value, DEEPEST) for name, value in values.items()})


def _freeze(value: object, levels: int) -> Claim:
    if levels == 0:
        raise TokenFault("claims are nested too deeply")
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise TokenFault("a claim is a number that no number is")
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, (list, tuple)):
        return tuple(_freeze(item, levels - 1) for item in value)
    if isinstance(value, Mapping):
        return MappingProxyType({_text(name): _freeze(item, levels - 1) for name, item in value.items()})
    raise TokenFault("a claim is not a JSON value")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TokenFault("the name of a claim is not text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TokenFault("a claim contains halves of characters") from None
    return value


def read_claim(claims: Mapping[str, Claim], path: tuple[str, ...]) -> Claim:
    """What stands at the end of a path of keys; None if nothing does. A claim's name is one key, dots and all
    (`https://example.com/groups` is one name)."""
    value: Claim = claims
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def has_claim(claims: Mapping[str, Claim], sources: ClaimSources, name: str) -> bool:
    """Whether the claim *name* is there, under its own name or where *sources* say."""
    if name not in sources:
        return name in claims
    return any(read_claim(claims, path) is not None for path in sources[name])


def named_claims(claims: Mapping[str, Claim], sources: ClaimSources, names: Iterable[str]) -> Mapping[str, Claim]:
    """The claims *names*, as far as they are there.

    One that *sources* name is read there only: the first path at which something stands counts, and what the provider
    sends under the name itself counts for nothing.
    """
    found: dict[str, Claim] = {}
    for name in sorted(names):
        if name not in sources:
            if name in claims:
                found[name] = claims[name]
            continue
        values = (read_claim(claims, path) for path in sources[name])
        value = next((value for value in values if value is not None), None)
        if value is not None:
            found[name] = value
    return MappingProxyType(found)


def groups_from(claims: Mapping[str, Claim], reading: GroupReading = PLAIN) -> Groups:
    """The groups claim as sorted names, or None where it is unknown."""
    if not reading.path or is_overage(claims, reading.path[0]):
        return None
    value = read_claim(claims, reading.path)
    values = (value,) if reading.single and isinstance(value, str) else value
    if not isinstance(values, tuple) or len(values) == reading.cut_at > 0:
        return None
    found: set[str] = set()
    for one in values:
        name = group_name(one, reading) if isinstance(one, str) and one != PING_OVERAGE else None
        if name is None:
            return None
        # One person's groups are another's too: five thousand sessions share the strings.
        found.add(sys.intern(reading.prefix + name))
    return tuple(sorted(found))


def is_overage(claims: Mapping[str, Claim], name: str) -> bool:
    """Whether Entra ID left the claim *name* out and names a source instead (OIDC Core 1.0, section 5.6.2)."""
    elsewhere = claims.get("_claim_names")
    if elsewhere is not None and (not isinstance(elsewhere, Mapping) or name in elsewhere):
        return True
    return name == "groups" and claims.get("hasgroups", False) is not False


def with_userinfo(
    claims: Mapping[str, Claim], userinfo: Mapping[str, Claim], reading: GroupReading = PLAIN
) -> Mapping[str, Claim]:
    """The ID token's claims, with those of userinfo where they were missing.

    The ID token wins. Groups are the exception: where they are unknown in the ID token and known in userinfo,
    userinfo's count (PingOne and Entra ID cut them in the ID token). What speaks of the token or of the act of
    signing in is never taken from userinfo.
    """
    merged = {name: value for name, value in userinfo.items() if name not in _OF_THE_TOKEN}
    merged |= {name: value for name, value in claims.items() if value != PING_OVERAGE or name not in merged}
    if not reading.path or groups_from(claims, reading) is not None:
        return merged
    if groups_from(userinfo, reading) is not None:
        return with_groups(merged, reading.path[0], userinfo[reading.path[0]])
    return merged


def with_groups(claims: Mapping[str, Claim], name: str, value: Claim) -> Mapping[str, Claim]:
    """*claims* with the groups that were left out; the word that they were is taken back."""
    left_out = ("_claim_names", "_claim_sources", "hasgroups")
    return {**{key: held for key, held in claims.items() if key not in left_out}, name: value}


def identity_from(claims: Mapping[str, Claim], provider: ProviderPolicy, needed: frozenset[str]) -> Identity:
    """Who signed in, cut to what the policy reads. *claims* have passed all checks of `core.tokens`.

    Raises:
        TokenFault: The claim that names the person is missing, or the issuer is not this provider's.
    """
    issuer = named_issuer(provider.issuer, claims)
    if issuer is None or claims.get("iss") != issuer:
        raise TokenFault(f"iss is not {provider.issuer}")
    return Identity(
        person=Person(issuer=issuer, subject=check_subject(claims, provider.subject_claim)),
        provider=provider.name,
        claims=named_claims(claims, provider.claims, needed),
        groups=groups_from(claims, provider.groups),
        sid=_text_or_none(claims, "sid"),
        auth_time=_seconds_or_none(claims, "auth_time"),
        acr=_text_or_none(claims, "acr"),
        sub=None if provider.subject_claim == "sub" else _text_or_none(claims, "sub"),
    )


def _text_or_none(claims: Mapping[str, Claim], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) and value else None


def _seconds_or_none(claims: Mapping[str, Claim], name: str) -> UnixSeconds | None:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return UnixSeconds(int(value))


def is_stranger(claims: Mapping[str, Claim], provider: ProviderPolicy) -> bool:
    """Whether somebody stands outside the fence: an issuer that serves everybody (another tenant, another hosted
    domain) vouched for a person that is none of ours. A claim that is missing is outside."""
    return not all(_holds(claims.get(name), wanted) for name, wanted in provider.fence.items())


def _holds(value: Claim, wanted: Iterable[Claim]) -> bool:
    values = value if isinstance(value, tuple) else (value,)
    # True == 1 in Python, and a provider's `true` is not the operator's `1`.
    return any(type(item) is type(one) and item == one for item in values for one in wanted)
