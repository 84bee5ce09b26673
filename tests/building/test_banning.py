"""building.banning: a key that is taken back goes at once, and brings back nothing that was replaced meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from sidecar.adapters.seal import CookieSigner, Sealer
from sidecar.adapters.state.stores import State
from sidecar.building.banning import load_bans
from sidecar.building.reloading import InForce
from sidecar.building.renewing import Commit, Renewals
from sidecar.config.load import Loaded
from sidecar.domain.ban import Ban, Kind, Mark
from sidecar.domain.identity import UnixSeconds
from tests.flows.fakes import MemoryBans

KEYS = ("o" * 32, "n" * 32)


def loaded() -> Loaded:
    kept = SimpleNamespace(revoked=frozenset[str](), keys=lambda *_: KEYS)
    return cast("Loaded", SimpleNamespace(config=SimpleNamespace(cookie_keys=()), kept=kept))


async def test_what_is_put_in_force_while_a_key_is_taken_back_stays_in_force() -> None:
    before, after = loaded(), loaded()
    in_force = SimpleNamespace(loaded=before)
    put: list[Loaded] = []

    class Made:
        """The file changes while the first ones are made."""

        async def made(self, now: Loaded) -> list[Commit]:
            in_force.loaded = after
            return [lambda: put.append(now)]

    sealing = [key.encode() for key in KEYS]
    bans, _ = await load_bans(
        cast("State", SimpleNamespace(bans=MemoryBans())),
        cast("InForce", in_force),
        cast("Renewals", Made()),
        (CookieSigner(sealing), Sealer(sealing)),
    )
    await bans.add(Ban(mark=Mark(Kind.KEY, "", "", "f" * 16), at=UnixSeconds(0), reason="", uid=0))
    assert [after] == put
