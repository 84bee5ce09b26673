"""What a stand-in Confluence remembers and is told: people, spaces, pages, files and tokens, all in memory."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from sidecar.demo.jira.settings import CrowdConfig, SsoConfig
from sidecar.demo.people import Directory, hex_key

ADMINISTRATORS = "confluence-administrators"
USERS = "confluence-users"


@dataclass(frozen=True, slots=True)
class ConfluenceConfig:
    """One stand-in Confluence.

    Attributes:
        version: Decides which paths there are: listing and making users came with 8.4, changing them with 9.4, global
            permissions with 9.2.5.
        seats: Of the licence; None is unlimited.
        words: How the state of an active and of a disabled account is called; the documents leave it open.
        base_url: The public address with the context path; empty means the one on which it listens.
        sso: Its OpenID provider, if it has one.
        crowd: The Crowd server that says whose a token is, if sessions come of those alone.
        websudo: Whether administrators' pages ask for the password again.
        login_submit_url: Whether only the log-in action takes a password.
        user_header, secret_header, secret: The trusted header, and the proof that makes it good.
    """

    context_path: str = "/confluence"
    version: str = "10.0.3"
    seats: int | None = None
    words: tuple[str, str] = ("active", "deactivated")
    websudo: bool = False
    login_submit_url: bool = True
    user_header: str = "X-Wiki-Person"
    secret_header: str = "X-Wiki-Key"
    secret: str = ""
    base_url: str = ""
    sso: SsoConfig | None = None
    crowd: CrowdConfig | None = None

    def at_least(self, *version: int) -> bool:
        """Whether it is of that version or a later one."""
        return tuple(int(part) for part in self.version.split(".")) >= version


@dataclass(slots=True)
class Page:
    """A page, a comment or a file. `parent` is the id of the page to which a comment or a file belongs."""

    id: str
    kind: str
    title: str
    space: str
    body: str = ""
    parent: str = ""
    version: int = 1
    content: bytes = b""
    content_type: str = ""


@dataclass(slots=True)
class Session:
    """An HTTP session. `sso`: it began at the OpenID provider."""

    id: str
    username: str | None = None
    sso: bool = False


@dataclass(slots=True)
class ConfluenceState:
    """Everything that one stand-in Confluence knows."""

    people: Directory = field(default_factory=lambda: Directory((ADMINISTRATORS, USERS), key=hex_key))
    tokens: dict[str, str] = field(default_factory=dict)
    administering: set[str] = field(default_factory=lambda: {ADMINISTRATORS})
    directories: list[tuple[str, str | None]] = field(default_factory=lambda: [("Confluence Internal Directory", None)])
    spaces: dict[str, str] = field(default_factory=dict)
    pages: dict[str, Page] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)
    remembered: dict[str, str] = field(default_factory=dict)
    checked: dict[str, tuple[str, float]] = field(default_factory=dict)
    """For which token a session was confirmed by its Crowd server, and when."""

    @classmethod
    def sample(cls) -> ConfluenceState:
        """An administrator, two users, a former one, and a space with a page."""
        state = cls()
        state.people.add_user("admin", "Wiki Administrator", groups=(ADMINISTRATORS,))
        state.people.add_user("alice", "Alice Archer", groups=(USERS,))
        state.people.add_user("bob", "Bob Baker", groups=(USERS,))
        state.people.add_user("carol", "Carol Cooper", active=False)
        state.spaces["DEV"] = "Development"
        state.add("page", "How the gate is oiled", "DEV", body="<p>Twice a year.</p>")
        return state

    def add_token(self, username: str, token: str | None = None) -> str:
        """Give a user a personal access token and return it."""
        token = token or secrets.token_urlsafe(33)
        self.tokens[token] = username.lower()
        return token

    def open_session(self, username: str | None) -> Session:
        """Begin a session; None is an anonymous visit."""
        session = Session(secrets.token_hex(16).upper(), username)
        self.sessions[session.id] = session
        return session

    def remember(self, username: str) -> str:
        """Give a user a remember-me cookie's value and return it."""
        value = secrets.token_hex(20)
        self.remembered[value] = username
        return value

    def add(self, kind: str, title: str, space: str, *, body: str = "", parent: str = "") -> Page:
        """Make a page, a comment or a file."""
        made = Page(str(65_537 + len(self.pages)), kind, title, space, body, parent)
        self.pages[made.id] = made
        return made

    def is_admin(self, username: str) -> bool:
        """Whether that user administers this Confluence."""
        return self._is_in(username, self.administering | {ADMINISTRATORS})

    def is_system_admin(self, username: str) -> bool:
        """Whether that user may do everything: the members of the built-in group may."""
        return self._is_in(username, {ADMINISTRATORS})

    def _is_in(self, username: str, groups: set[str]) -> bool:
        user = self.people.find(username)
        return user is not None and user.active and bool(user.groups & groups)

    def seats_taken(self) -> int:
        """How many active users may use it."""
        licensed = {ADMINISTRATORS, USERS}
        return sum(user.active and bool(user.groups & licensed) for user in self.people.users.values())
