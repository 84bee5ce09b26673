"""The people and groups behind the stand-ins of Confluence and Crowd; a stand-in Jira's state serves as well.

Tests fill them before the start and read them afterwards.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from typing import Protocol

from sidecar.demo.jira.state import User


class People(Protocol):
    """What a user server needs of a state. Users are kept by their folded names, groups are lower case."""

    users: dict[str, User]
    groups: set[str]

    def find(self, username: str) -> User | None:
        """The account of that name in any case, active or not."""
        ...

    def add_user(self, username: str, display_name: str = "", email: str = "", *, active: bool = True) -> User:
        """Make an account."""
        ...


class Directory:
    """People and groups in memory. A username keeps its spelling where *spelled* is said."""

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
        read_only: bool = False,
    ) -> User:
        """Make an account and the groups it names."""
        user = User(
            username=username if self._spelled else username.lower(),
            key=self._key(),
            display_name=display_name or username,
            email=email or f"{username.lower()}@example.com",
            active=active,
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


def members(people: People, group: str) -> list[User]:
    """Members of a group, sorted by username, inactive ones too."""
    inside = (user for user in people.users.values() if group.lower() in user.groups)
    return sorted(inside, key=lambda user: user.username)


def hex_key() -> str:
    """A key as Confluence makes them."""
    return secrets.token_hex(16)
