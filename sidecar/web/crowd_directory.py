"""What a product asks of the users and groups of its directory (Crowd's REST interface). Nothing can be written.

Called by `web.crowd_server` for every path that is not of single sign-on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from sidecar.core.crowd_asking import CrowdFault, Question, entry_of, group_entry_of, read_restriction
from sidecar.core.crowd_entities import (
    CrowdUser,
    Entity,
    events_entity,
    group_entity,
    list_entity,
    memberships_entity,
    name_entity,
    user_entity,
)
from sidecar.core.usernames import fold
from sidecar.flows.directory import Directory
from sidecar.web.crowd_server import Asked, CrowdRefusal

Answer = Callable[[Asked], Awaitable[Entity]]
_ABSENT = {"user": "USER_NOT_FOUND", "group": "GROUP_NOT_FOUND"}


class CrowdPeople:
    """Answers for all directories."""

    def __init__(self, directory: Directory, begun: str) -> None:
        """*begun* is another text for every start: event tokens are of one run, so that nothing told is forgotten."""
        self._directory = directory
        self._begun = begun
        self._answers: dict[str, Answer] = {
            "/user": self._one_user,
            "/group": self._one_group,
            "/user/group/direct": self._groups_of,
            "/user/group/nested": self._groups_of,
            "/group/user/direct": self._members_of,
            "/group/user/nested": self._members_of,
            "/group/child-group/direct": partial(self._no_groups, "groupname"),
            "/group/child-group/nested": partial(self._no_groups, "groupname"),
            "/group/parent-group/direct": partial(self._no_groups, "groupname"),
            "/group/parent-group/nested": partial(self._no_groups, "groupname"),
            "/group/membership": self._memberships,
            "/search": self._search,
            "/event": self._event,
        }

    async def __call__(self, asked: Asked) -> Entity:
        """The answer.

        Raises:
            CrowdRefusal, CrowdFault: there is none.
            StateError: the directory cannot be read.
        """
        path, reads = asked.question.path, asked.method in ("GET", "HEAD")
        if path.startswith("/event/") and reads:
            return await self._events(asked, path[len("/event/") :])
        answer = self._answers.get(path)
        if answer is not None and (reads or (path == "/search" and asked.method == "POST")):
            return await answer(asked)
        if path.startswith(("/user", "/group")) and not reads:
            raise CrowdRefusal(403, "APPLICATION_PERMISSION_DENIED", "the directory is read-only")
        raise CrowdRefusal(404, "UNSUPPORTED_OPERATION", "there is no such resource")

    async def _one_user(self, asked: Asked) -> Entity:
        name, query = asked.guest.name, asked.question.query
        if "username" not in query and "key" in query:
            users = await self._directory.users(name)
            found = next((user for user in users if user.key and user.key == query["key"]), None)
        else:
            found = await self._directory.user(name, query.get("username", ""))
        if found is None:
            raise _absent("user")
        await self._directory.shown(name, (found.name,))
        return user_entity(found)

    async def _one_group(self, asked: Asked) -> Entity:
        return group_entity(await self._group(asked))

    async def _group(self, asked: Asked) -> str:
        wanted = fold(asked.question.query.get("groupname", ""))
        found = next((name for name in await self._directory.groups(asked.guest.name) if fold(name) == wanted), None)
        if found is None:
            raise _absent("group")
        return found

    async def _groups_of(self, asked: Asked) -> Entity:
        query = asked.question.query
        user = await self._directory.user(asked.guest.name, query.get("username", ""))
        if user is None:
            raise _absent("user")
        names = sorted(user.groups)
        if "groupname" in query:
            # Whether the user is in one group.
            names = [name for name in names if fold(name) == fold(query["groupname"])]
            if not names:
                raise CrowdRefusal(404, "MEMBERSHIP_NOT_FOUND", "the user is not in that group")
            return group_entity(names[0])
        return _groups(names, asked.question)

    async def _members_of(self, asked: Asked) -> Entity:
        users = await self._directory.members(asked.guest.name, asked.question.query.get("groupname", ""))
        if users is None:
            raise _absent("group")
        wanted = asked.question.query.get("username")
        if wanted is None:
            return _users(users, asked.question)
        found = next((user for user in users if fold(user.name) == fold(wanted)), None)
        if found is None:
            raise CrowdRefusal(404, "MEMBERSHIP_NOT_FOUND", "the user is not in that group")
        return user_entity(found)

    async def _no_groups(self, _by: str, asked: Asked) -> Entity:
        """There is no nesting: no group is in another one. A group that is not there is told all the same."""
        _ = await self._group(asked)
        if asked.question.query.keys() & {"child-groupname", "parent-groupname"}:
            raise CrowdRefusal(404, "MEMBERSHIP_NOT_FOUND", "the group is not in that group")
        return list_entity("group", ())

    async def _memberships(self, asked: Asked) -> Entity:
        name = asked.guest.name
        members: dict[str, list[str]] = {group: [] for group in await self._directory.groups(name)}
        spelt = {fold(group): group for group in members}
        for user in await self._directory.users(name):
            for group in user.groups:
                members[spelt[fold(group)]].append(user.name)
        return memberships_entity(members)

    async def _search(self, asked: Asked) -> Entity:
        question, name = asked.question, asked.guest.name
        if question.query.get("restriction"):
            raise CrowdFault("searches in Crowd's query language are not known here; send a restriction as body")
        restriction = read_restriction(asked.body, is_json=asked.is_json)
        if question.query.get("entity-type", "user").lower() == "group":
            names = await self._directory.groups(name)
            return _groups([group for group in names if restriction(group_entry_of(group))], question)
        users = [user for user in await self._directory.users(name) if restriction(entry_of(user))]
        if question.expands("user"):
            await self._directory.shown(name, [user.name for user in users[question.page()]])
        return _users(users, question)

    async def _event(self, asked: Asked) -> Entity:
        return events_entity(f"{self._begun}:{await self._directory.number(asked.guest.name)}")

    async def _events(self, asked: Asked, token: str) -> Entity:
        begun, _, number = token.replace("%3A", ":").replace("%3a", ":").partition(":")
        known = begun == self._begun and number.isascii() and number.isdigit() and len(number) < 16
        changes = await self._directory.since(asked.guest.name, int(number)) if known else None
        if changes is None:
            raise CrowdRefusal(400, "EVENT_TOKEN_EXPIRED", "the token is of another time; synchronise the whole")
        await self._directory.shown(asked.guest.name, [user.name for user in (*changes.made, *changes.changed)])
        return events_entity(f"{begun}:{await self._directory.number(asked.guest.name)}", changes)


def _absent(kind: str) -> CrowdRefusal:
    return CrowdRefusal(404, _ABSENT[kind], f"there is no such {kind} here")


def _users(users: list[CrowdUser], question: Question) -> Entity:
    whole = question.expands("user")
    page = users[question.page()]
    return list_entity("user", (user_entity(user) if whole else name_entity("user", user.name) for user in page))


def _groups(names: list[str], question: Question) -> Entity:
    whole = question.expands("group")
    page = names[question.page()]
    return list_entity("group", (group_entity(name) if whole else name_entity("group", name) for name in page))
