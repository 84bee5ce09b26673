"""What of a configuration can change while the gate runs: what only decisions read, and where secrets are. All
else needs a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sidecar.config.load import Loaded
from sidecar.config.outside import needed_claims_of

Path = tuple[str, ...]

CHANGEABLE: frozenset[Path] = frozenset(
    {
        ("trusted_proxies",),
        ("sessions",),
        ("portals",),
        ("cookie_keys",),
        ("assertion_key",),
        ("audit", "key"),
        *(
            ("providers", "*", key)
            for key in (
                "client_secret",
                "client_secret_ends",
                "client_key",
                "client_key_id",
                "client_key_thumbprint",
            )
        ),
        *(("applications", "*", "landing", key) for key in ("secret", "client_secret")),
        *(("applications", "*", key) for key in ("username", "api", "semicolons", "encoded_slashes")),
        *(
            ("applications", "*", "accounts", key)
            for key in ("adopt", "create", "reactivate", "update", "groups", "removals_per_hour")
        ),
    }
)
"""Keys of which nothing is built at the start, or what is built is made anew (`building.renewing`); `*` is any name. A
new key is not among them until it is put here."""

BUILT: frozenset[Path] = frozenset({("applications", "*", "api", "pat_owner")})
"""Keys below those of which something is built all the same."""


def needing_restart(before: Loaded, after: Loaded) -> tuple[str, ...]:
    """The keys that differ and count from the next start only, as an operator says them; none: it may be replaced."""
    old, new = before.config.model_dump(mode="json"), after.config.model_dump(mode="json")
    found = sorted({".".join(path) for path in _differences(old, new, ()) if not _may_change(path)})
    for name in before.policy.providers:
        # A claim that nobody asked for until now may need userinfo, which the provider's client decides at the start.
        if name in after.policy.providers and needed_claims_of(name, before.policy) != needed_claims_of(
            name, after.policy
        ):
            found.append(f"providers.{name} (more or fewer claims are asked of it)")
    return tuple(found)


def _differences(old: Any, new: Any, path: Path) -> Iterator[Path]:
    if old == new:
        return
    if not isinstance(old, dict) or not isinstance(new, dict):
        yield path
        return
    for key in {**old, **new}:
        yield from _differences(old.get(key), new.get(key), (*path, str(key)))


def _may_change(path: Path) -> bool:
    return any(_below(path, known) for known in CHANGEABLE) and not any(_below(path, known) for known in BUILT)


def _below(path: Path, known: Path) -> bool:
    return len(path) >= len(known) and all(part in ("*", key) for part, key in zip(known, path, strict=False))
