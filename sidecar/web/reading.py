"""The policy of now with what is remembered under it: names, lines, places. Replaced whole with the policy."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.core.headers import Names
from sidecar.core.routing import Locator
from sidecar.domain.policy import Policy
from sidecar.web.blocks import blocks_for


class Reading:
    """How requests are read under one policy; read once per request.

    Attributes:
        policy: The snapshot.
        names: Classifies header fields.
        locator: Finds places.
        blocks: What blocks of header lines say.
    """

    __slots__ = ("blocks", "locator", "names", "policy")

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.names = Names(policy.strip)
        self.locator = Locator(policy)
        self.blocks = blocks_for(self.names)


class Readings:
    """Hands out the reading of now."""

    __slots__ = ("_known", "_policy")

    def __init__(self, policy: Callable[[], Policy]) -> None:
        self._policy = policy
        self._known = Reading(policy())

    def now(self) -> Reading:
        """Under the policy of now."""
        policy = self._policy()
        if self._known.policy is not policy:
            self._known = Reading(policy)
        return self._known
