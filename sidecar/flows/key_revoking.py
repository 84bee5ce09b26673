"""One of our own keys taken back at once: what it signed and sealed is nothing from then on (rule 34).

Carries out `lychgate revoke key`. A key is named by its id, which `lychgate status` tells. It stays taken back over
restarts, for as long as it is in the configuration and afterwards, until that is undone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sidecar.domain.ban import Ban, Kind, Mark
from sidecar.flows.bans import Bans
from sidecar.flows.commanding import Answer, Asked, CommandError
from sidecar.flows.telling import Clock


class Keys:
    """Takes them back."""

    def __init__(self, ids: Callable[[], Sequence[str]], bans: Bans, clock: Clock) -> None:
        """*ids* tells those of `cookie_keys`, in order."""
        self._ids = ids
        self._bans = bans
        self._clock = clock

    async def revoke(self, asked: Asked) -> Answer:
        """Take one back, or undo that."""
        key = asked.text("key")
        mark = Mark(Kind.KEY, "", "", key)
        if asked.flag("undo"):
            if not await self._bans.lift(mark):
                raise CommandError(f"the key {key} is not revoked")
            return {"undone": True}
        ids = self._ids()
        if key not in ids:
            raise CommandError(f"cookie_keys has no key {key}; there is {', '.join(ids)}")
        left = [one for one in ids if one != key and one not in self._bans.revoked_keys()]
        if not left:
            raise CommandError("it is the only key in use: put a new one in front of cookie_keys, then try again")
        ban = Ban(mark=mark, at=self._clock.now(), reason=asked.reason, uid=asked.uid)
        return {"revoked": await self._bans.add(ban), "signs": left[0]}
