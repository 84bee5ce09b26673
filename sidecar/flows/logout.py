"""Sessions ended from outside: by the person, by an administrator, or by a provider's logout token.

A revocation must also stop the sessions that are being made at this very moment. So it leaves a marker
that outlives them, and whoever opens or refreshes a session asks for the marker first.
"""

from __future__ import annotations

from typing import Protocol

from sidecar.domain.identity import UnixSeconds


class Markers(Protocol):
    """Revocation markers. Every method may raise `flows.sessions.StateError`; the caller then refuses."""

    async def mark(self, subject: str, at: UnixSeconds, until: UnixSeconds) -> None:
        """Note that everything of *subject* that began at *at* or before is revoked; forgotten at *until*.

        *subject* names a person, a provider's session or a logout token, unambiguously and as the caller likes.
        A second mark only ever widens the first: the later `at` and the later `until` count.
        """
        ...

    async def marked_at(self, subject: str, now: UnixSeconds) -> UnixSeconds | None:
        """The latest `at` of a marker that is still kept at *now*, or None."""
        ...
