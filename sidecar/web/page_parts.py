"""What pages are made of: buttons, notices, facts about a person, and the answer that comes out. See `web.pages`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from sidecar.domain.reason import Reason
from sidecar.web.page_headers import Headers

_LINK = re.compile(r"(/(?![/\\])|https?://[A-Za-z0-9.\[])[^\x00-\x20\x7f\\]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A button or link on a page.

    Attributes:
        label: What stands on it.
        href: A path, or an http(s) URL, made by us and judged before; "" means this page again.
        post: A form sent by POST; else a link.
        fields: Hidden fields of the form, name and value.
        primary: What most people want; at most one per page.
        new_window: Opens beside this page, and knows nothing of it.

    Raises:
        ValueError: *href* is neither; a script, another scheme or `//host` never becomes a link.
    """

    label: str
    href: str
    post: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    primary: bool = False
    new_window: bool = False

    def __post_init__(self) -> None:
        if self.href and not _LINK.fullmatch(self.href):
            raise ValueError("an action leads to a path or to an http(s) URL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to tell: most often a refusal.

    Attributes:
        status: HTTP status of the answer.
        reason: Chooses the words.
        request_id: For the administrator.
        product: "Jira"; "" where no application is known.
        portal: Name of the portal, or "".
        username: Shown as "You are signed in as …" when given.
        facts: Further lines, label and value. What a provider answered belongs in the log (rule 67).
        actions: What can be done from here.
        retry_after: Seconds after which the page asks again by itself (at least 1), or None.
    """

    status: int
    reason: Reason
    request_id: str
    product: str = ""
    portal: str = ""
    username: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    actions: tuple[Action, ...] = ()
    retry_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoAmI:
    """All that `/.lychgate/whoami` tells (rule 61): never tokens, session keys or ids of the provider.

    Attributes:
        groups: Of the provider, or None while they are unknown.
        signed_in_at: ISO 8601, as are `ends_at` and `auth_time`; "" = unknown.
        portals: Every portal of the application with `ok` or what keeps the person out.
    """

    username: str
    display_name: str
    email: str
    application: str
    portal: str
    provider: str
    groups: tuple[str, ...] | None
    signed_in_at: str
    ends_at: str
    auth_time: str
    portals: tuple[tuple[str, Reason], ...]


class Page(NamedTuple):
    """An answer, ready but for what every response gets (length, date, `WWW-Authenticate` of a 401)."""

    status: int
    headers: Headers
    body: bytes
