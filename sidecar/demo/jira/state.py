"""What a stand-in Jira remembers: users, groups, roles, issues, files, tokens and sessions, all in memory.

Tests and the demo fill it before the start and read it afterwards.
It keeps Jira's rule that usernames and group names are lower case.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from itertools import count

from sidecar.demo.people import Directory, User

ADMINISTRATORS = "jira-administrators"
SOFTWARE_USERS = "jira-software-users"
AGENTS = "jira-servicedesk-users"


@dataclass(slots=True)
class ApplicationRole:
    """A licensed application. Whoever is active and in one of `groups` takes a seat; None is unlimited."""

    key: str
    name: str
    groups: tuple[str, ...]
    default_groups: tuple[str, ...]
    seats: int | None


@dataclass(slots=True)
class Attachment:
    """A file at an issue, held whole."""

    id: str
    name: str
    content_type: str
    content: bytes
    author: str


@dataclass(slots=True)
class Comment:
    """What somebody said about an issue."""

    id: str
    author: str
    body: str


@dataclass(slots=True)
class Issue:
    """An issue; its key is `PROJECT-number`."""

    key: str
    summary: str
    description: str = ""
    status: str = "To do"
    assignee: str = ""
    attachments: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)


@dataclass(slots=True)
class Session:
    """An HTTP session. Its first user stays its user until it ends. `sso`: it began at the OpenID provider."""

    id: str
    xsrf_token: str
    username: str | None = None
    sso: bool = False


class JiraState(Directory):
    """Everything that one stand-in Jira knows."""

    def __init__(self) -> None:
        """An empty Jira: the built-in groups and roles, nobody in them."""
        numbers = count(10100)
        super().__init__((ADMINISTRATORS, SOFTWARE_USERS, AGENTS), key=lambda: f"JIRAUSER{next(numbers)}")
        self.roles: dict[str, ApplicationRole] = {
            "jira-software": ApplicationRole(
                "jira-software", "Jira Software", (ADMINISTRATORS, SOFTWARE_USERS), (SOFTWARE_USERS,), 25
            ),
            "jira-servicedesk": ApplicationRole("jira-servicedesk", "Jira Service Management", (AGENTS,), (AGENTS,), 5),
        }
        self.administering: set[str] = {ADMINISTRATORS}
        """Groups with the global permission Administer Jira."""
        self.system_administering: set[str] = {ADMINISTRATORS}
        """Groups with Jira System Administrators; Jira's set-up gives the built-in group both."""
        self.directories: list[tuple[str, str | None]] = [("Jira Internal Directory", None)]
        """User directories in their order, each with what it says of its last synchronisation."""
        self.duplicates: dict[str, tuple[tuple[str, bool], ...]] = {}
        """Names that several directories have: each with its name and whether the account is active there, the first
        directory first. The account that counts is the one in `users`."""
        self.projects: dict[str, str] = {}
        self.issues: dict[str, Issue] = {}
        self.attachments: dict[str, Attachment] = {}
        self.tokens: dict[str, str] = {}
        self.token_ends: dict[str, str] = {}
        """When a token ends, as Jira writes points in time; a token that is not here never does."""
        self.remembered: dict[str, str] = {}
        self.sessions: dict[str, Session] = {}
        self._next_attachment = 10000

    @classmethod
    def sample(cls) -> JiraState:
        """A small company: an administrator, two users, a former one, one project and four issues."""
        state = cls()
        state.add_user("admin", "Jira Administrator", groups=(ADMINISTRATORS,), password="admin")
        state.add_user("alice", "Alice Archer", groups=(SOFTWARE_USERS,), password="wonderland")
        state.add_user("bob", "Bob Baker", groups=(SOFTWARE_USERS, AGENTS))
        state.add_user("carol", "Carol Cooper", active=False)
        state.add_project("KEY", "Keys and locks")
        state.add_issue("KEY-1", "The gate at the churchyard sticks", "In progress", "alice")
        state.add_issue("KEY-2", "Oil the hinges before winter", "To do", "bob")
        state.add_issue("KEY-3", "New roof tiles for the lychgate", "To do", "")
        state.add_issue("KEY-4", "Lantern by the bench", "Done", "alice")
        state.attach("KEY-1", "gate.txt", "text/plain", b"Lift, then push.\n", "alice")
        return state

    def find_key(self, key: str) -> User | None:
        """The account with that key, active or not."""
        return next((user for user in self.users.values() if user.key == key), None)

    def rename(self, user: User, username: str) -> None:
        """Give an account another username; key, groups, tokens and sessions stay with it."""
        old, new = user.username, username.lower()
        self.users[new] = self.users.pop(old)
        user.username = new
        for owners in (self.tokens, self.remembered):
            owners.update({token: new for token, owner in owners.items() if owner == old})
        for session in self.sessions.values():
            session.username = new if session.username == old else session.username

    def remove_user(self, user: User) -> None:
        """Delete an account with its tokens and sessions."""
        del self.users[user.username]
        self.tokens = {t: owner for t, owner in self.tokens.items() if owner != user.username}
        self.end_sessions(user.username)

    def remove_group(self, group: str) -> None:
        """Delete a group and every membership of it."""
        self.groups.discard(group.lower())
        for user in self.users.values():
            user.groups.discard(group.lower())

    def is_admin(self, username: str) -> bool:
        """Whether that user administers this Jira."""
        return self._is_in(username, self.administering | self.system_administering)

    def is_system_admin(self, username: str) -> bool:
        """Whether that user may do everything."""
        return self._is_in(username, self.system_administering)

    def _is_in(self, username: str, groups: set[str]) -> bool:
        user = self.find(username)
        return user is not None and user.active and bool(user.groups & groups)

    def seats_taken(self, role: ApplicationRole) -> int:
        """How many active users have the application through one of its groups."""
        return sum(user.active and not user.groups.isdisjoint(role.groups) for user in self.users.values())

    def add_project(self, key: str, name: str) -> None:
        """Make a project."""
        self.projects[key] = name

    def add_issue(self, key: str, summary: str, status: str = "To do", assignee: str = "") -> Issue:
        """Make an issue."""
        issue = Issue(key, summary, f"{summary}. Found on the morning round.", status, assignee)
        self.issues[key] = issue
        return issue

    def next_key(self, project: str) -> str:
        """The key of a project's next issue."""
        numbers = [int(key.rpartition("-")[2]) for key in self.issues if key.rpartition("-")[0] == project]
        return f"{project}-{max(numbers, default=0) + 1}"

    def attach(self, key: str, name: str, content_type: str, content: bytes, author: str) -> Attachment:
        """Add a file to an issue."""
        attachment = Attachment(str(self._next_attachment), name, content_type, content, author)
        self._next_attachment += 1
        self.attachments[attachment.id] = attachment
        self.issues[key].attachments.append(attachment.id)
        return attachment

    def add_token(self, username: str, token: str | None = None) -> str:
        """Give a user a personal access token and return it."""
        token = token or secrets.token_urlsafe(33)
        self.tokens[token] = username.lower()
        return token

    def remember(self, username: str) -> str:
        """Give a user a remember-me cookie's value and return it."""
        value = secrets.token_hex(20)
        self.remembered[value] = username.lower()
        return value

    def open_session(self, username: str | None = None) -> Session:
        """Begin a session; None is an anonymous visit."""
        mark = "lout" if username is None else "lin"
        session = Session(secrets.token_hex(16).upper(), f"BQ7X-{secrets.token_hex(20)}_{mark}", username)
        self.sessions[session.id] = session
        return session

    def end_sessions(self, username: str) -> int:
        """End every session and remembered log-in of a user; returns how many sessions ended."""
        name = username.lower()
        ended = [key for key, session in self.sessions.items() if session.username == name]
        for key in ended:
            del self.sessions[key]
        self.remembered = {v: owner for v, owner in self.remembered.items() if owner != name}
        return len(ended)
