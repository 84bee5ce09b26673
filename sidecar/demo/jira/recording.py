"""What a stand-in Jira writes down about each request, for tests to read. Filled in by `handler.py`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Call:
    """One request as it arrived and as whom it was served.

    `username` is None for anonymous; `how` says which credential counted:
    session, remember-me, header, basic, pat, parameters or none.
    `status` and `body_length` (bytes received) are final once the request has ended.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    username: str | None = None
    how: str = "none"
    status: int = 0
    body_length: int = 0

    def header(self, name: str) -> str | None:
        """The first value of a header, its name in any case."""
        return next(iter(self.header_values(name)), None)

    def header_values(self, name: str) -> list[str]:
        """All values of a header in their order, its name in any case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(slots=True)
class Calls:
    """All calls in the order of their arrival."""

    seen: list[Call] = field(default_factory=list)

    def matching(self, method: str | None = None, target_prefix: str = "/") -> list[Call]:
        """Calls with that method (any by default) whose raw target starts with the prefix."""
        return [call for call in self.seen if method in (None, call.method) and call.target.startswith(target_prefix)]
