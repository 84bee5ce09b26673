"""Whom the application says that it served: its own header is an alarm, not the guard (D8). Asked by the landings."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote_plus

from sidecar.domain.reason import Reason


@lru_cache(maxsize=4096)
def served(named: bytes, username: str) -> Reason:
    """What the product's header says of *username*; the same for every answer to a person."""
    who = unquote_plus(named.decode("latin-1")).strip().casefold()
    if who == username.casefold():
        return Reason.OK
    return Reason.LANDING_FAILED if who in {"anonymous", ""} else Reason.LANDING_MISMATCH
