"""The people and groups behind the stand-ins of Jira, Confluence and Crowd.

Tests fill them before the start and read them afterwards.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class User:
    """An account. `key` never changes, `username` may; `read_only` means a directory Jira cannot write."""

    username: str
    key: str
    display_name: str
    email: str
    active: bool = True
    groups: set[str] = field(default_factory=set)
    read_only: bool = False
    password: str | None = None
    failed_logins: int = 0

    def has_password(self, offered: str) -> bool:
        """Whether the offered password is this account's; an account without one has none that fits."""
        known = self.password
        return known is not None and hmac.compare_digest(known.encode(), offered.encode())


class Directory:
    """People and groups in memory. Users are kept by their folded names, groups are lower case; a username keeps its
    spelling where *spelled* is said."""

    def __init__(self, groups: Iterable[str] = (), *, key: Callable[[], str], spelled: bool = False) -> None:
        """*key* makes the key of the next account."""
        self.users: dict[str, User] = {}
        self.groups: set[str] = set(groups)
        self._key = key
        self._spelled = spelled

    def find(self, username: str) -> User | None:
        """The account of that name in any case, active or not."""
        return self.users.get(username.lower())

    def add_user(
        self,
        username: str,
        display_name: str = "",
        email: str = "",
        *,
        groups: Iterable[str] = (),
        active: bool = True,
        password: str | None = None,
        read_only: bool = False,
    ) -> User:
        """Make an account and the groups it names."""
        user = User(
            username=username if self._spelled else username.lower(),
            key=self._key(),
            display_name=display_name or username,
            email=email or f"{username.lower()}@example.com",
            active=active,
            password=password,
            read_only=read_only,
        )
        self.users[username.lower()] = user
        for group in groups:
            self.join(username, group)
        return user

    def join(self, username: str, group: str) -> None:
        """Put a user into a group, which is made when it is new."""
        self.groups.add(group.lower())
        self.users[username.lower()].groups.add(group.lower())

    def members(self, group: str) -> list[User]:
        """Members of a group, sorted by username, inactive ones too."""
        inside = (user for user in self.users.values() if group.lower() in user.groups)
        return sorted(inside, key=lambda user: user.username)


def hex_key() -> str:
    """A key as Confluence makes them."""
    return secrets.token_hex(16)
