"""What is banned, loaded, and acted on where it is one of our own keys: nothing is signed with it or derived of it.

Used by `app`. Bans of people are acted on where sessions and owners of tokens are known.
"""

from __future__ import annotations

from collections.abc import Sequence

from sidecar.adapters.seal import CookieSigner, Sealer
from sidecar.adapters.secrets import SecretError
from sidecar.adapters.state.stores import State
from sidecar.building.reloading import InForce
from sidecar.building.renewing import Commit, Renewals
from sidecar.config.outside import cookie_keys
from sidecar.flows.bans import Bans
from sidecar.flows.sessions import StateError


async def load_bans(
    state: State, in_force: InForce, renewals: Renewals, sealing: tuple[CookieSigner, Sealer]
) -> tuple[Bans, tuple[str, ...]]:
    """All that is banned, and the cookie keys that are not: no other signs, opens or is derived of, now and later.

    Raises:
        StateError: the store did not answer.
        SecretError: no key is left. Says what to do.
    """
    bans, loaded = Bans(state.bans), in_force.loaded
    await bans.refresh()
    renewals.revoked = bans.revoked_keys
    loaded.kept.revoked = bans.revoked_keys()
    keys = cookie_keys(loaded.config, loaded.kept)
    for one in sealing:
        one.rekey([key.encode() for key in keys])

    in_effect = bans.revoked_keys()

    async def _commits() -> Sequence[Commit]:
        while True:
            now = in_force.loaded
            commits = await renewals.made(now)
            # What was put in force meanwhile must not be undone: a secret may have gone.
            if now is in_force.loaded:
                return commits

    async def follow_keys() -> None:
        nonlocal in_effect
        if in_effect != bans.revoked_keys():
            try:
                commits = await _commits()
            except (SecretError, ValueError, OSError) as error:
                raise StateError(f"keys could not be changed: {error}") from error
            for commit in commits:
                commit()
            in_effect = in_force.loaded.kept.revoked

    bans.hearing.append(follow_keys)
    return bans, keys
