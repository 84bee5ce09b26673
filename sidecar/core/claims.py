"""From a provider's JSON to what the policy reads: frozen claims, groups, the identity.

`adapters.oidc.provider` freezes and merges; `flows.login` makes the identity. Pure.
The rule it keeps: groups that are missing, cut short or malformed are *unknown*, never *empty* (D5).
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from sidecar.core.tokens import TokenFault, check_subject
from sidecar.domain.identity import Claim, Groups, Identity, Person, UnixSeconds
from sidecar.domain.policy import ProviderPolicy

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


def groups_from(claims: Mapping[str, Claim], path: tuple[str, ...], *, single_string_ok: bool = False) -> Groups:
    """The groups claim as sorted names, or None where it is unknown.

    Arguments:
        single_string_ok: Whether a plain string means one group (PingFederate and ADFS send a single value so).
    """
    if not path or _is_overage(claims, path[0]):
        return None
    value = read_claim(claims, path)
    names = (value,) if single_string_ok and isinstance(value, str) else value
    if not isinstance(names, tuple):
        return None
    found: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not name or name == PING_OVERAGE:
            return None
        # One person's groups are another's too: five thousand sessions share the strings.
        found.add(sys.intern(name))
    return tuple(sorted(found))


def _is_overage(claims: Mapping[str, Claim], name: str) -> bool:
    # Entra ID leaves the groups out and names a source instead (OIDC Core 1.0, section 5.6.2).
    elsewhere = claims.get("_claim_names")
    if elsewhere is not None and (not isinstance(elsewhere, Mapping) or name in elsewhere):
        return True
    return name == "groups" and claims.get("hasgroups", False) is not False


def with_userinfo(
    claims: Mapping[str, Claim],
    userinfo: Mapping[str, Claim],
    path: tuple[str, ...],
    *,
    single_string_ok: bool = False,
) -> Mapping[str, Claim]:
    """The ID token's claims, with those of userinfo where they were missing.

    The ID token wins. Groups are the exception: where they are unknown in the ID token and known in userinfo,
    userinfo's count (PingOne and Entra ID cut them in the ID token). What speaks of the token or of the act of
    signing in is never taken from userinfo.
    """
    merged = {name: value for name, value in userinfo.items() if name not in _OF_THE_TOKEN}
    merged |= {name: value for name, value in claims.items() if value != PING_OVERAGE or name not in merged}
    if not path or groups_from(claims, path, single_string_ok=single_string_ok) is not None:
        return merged
    if groups_from(userinfo, path, single_string_ok=single_string_ok) is not None:
        merged[path[0]] = userinfo[path[0]]
        merged.pop("_claim_names", None)
        merged.pop("hasgroups", None)
    return merged


def identity_from(
    claims: Mapping[str, Claim],
    provider: ProviderPolicy,
    needed: frozenset[str],
    *,
    single_string_ok: bool = False,
) -> Identity:
    """Who signed in, cut to what the policy reads. *claims* have passed all checks of `core.tokens`.

    Raises:
        TokenFault: The claim that names the person is missing, or the issuer is not this provider's.
    """
    if claims.get("iss") != provider.issuer:
        raise TokenFault(f"iss is not {provider.issuer}")
    return Identity(
        person=Person(issuer=provider.issuer, subject=check_subject(claims, provider.subject_claim)),
        provider=provider.name,
        claims=MappingProxyType({name: claims[name] for name in sorted(needed) if name in claims}),
        groups=groups_from(claims, provider.groups_claim, single_string_ok=single_string_ok),
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
