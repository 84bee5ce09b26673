"""What is measured: the shapes of requests and answers, and how many connections ask at once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

KIB = 1024
LOGIN = "nina"
OUTSIDER = "otto"
NEEDED = "okta-jira-users"
GROUPS = (NEEDED, *(f"okta-project-{number:02}" for number in range(49)))
"""Of the person who is signed in."""

START = "/secure/Dashboard.jspa"
"""The first page of everybody; the application begins its own session there."""

APPLICATION_COOKIES = (
    "atlassian.xsrf.token=B2SK-1QZ7-8XHJ-VN3L_5c1b9d1f0f5d4b0e9f0b1b4d52b8f2d4e1c07a1b_lin; "
    "jira.editor.user.mode=wysiwyg; AJS.conglomerate.cookie=|hipchat.inapp.links.first.clicked=false"
)
"""What a browser keeps for Jira besides sessions."""

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Connection": "keep-alive",
    "sec-ch-ua": '"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"',
    "sec-ch-ua-mobile": "?0",
    "sec-ch-ua-platform": '"Linux"',
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Dest": "document",
}
"""With `Host`, `Referer` and `Cookie` a navigation has 14 header fields."""


class Kind(StrEnum):
    """What a case asks with."""

    HTTP = "http"
    SOCKET = "socket"


class Who(StrEnum):
    """Who asks."""

    MEMBER = "member"
    OUTSIDER = "outsider"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Case:
    """One row of measurements.

    Attributes:
        size: Bytes of the answer's body that are asserted before it is measured; None for answers of the peer's own.
        body: Bytes that are posted.
        status: What every answer must be.
    """

    key: str
    title: str
    path: str
    size: int | None
    connections: int = 32
    body: int = 0
    status: int = 200
    who: Who = Who.MEMBER
    kind: Kind = Kind.HTTP

    @property
    def method(self) -> str:
        """Of the request."""
        return "POST" if self.body else "GET"


MAIN = Case("main", "4 KiB page, 32 connections (the main shape)", "/browse/KEY-1", 4 * KIB)
ONE = Case("one", "4 KiB page, one connection", "/browse/KEY-1", 4 * KIB, connections=1)
MANY = Case("many", "4 KiB page, 512 connections", "/browse/KEY-1", 4 * KIB, connections=512)
SMALL = Case("small", "200 B answer", "/browse/KEY-200", 200)
MIDDLE = Case("64k", "64 KiB answer", "/browse/KEY-64", 64 * KIB)
LARGE = Case("10m", "10 MiB answer, 8 connections", "/secure/attachment/10000/plan.pdf", 10 * KIB * KIB, connections=8)
POST = Case("post", "POST of 64 KiB", "/rest/bench/1/notes", 200, body=64 * KIB)
SOCKET = Case("socket", "WebSocket echo of 100 B, 32 sockets", "/plugins/servlet/echo", 100, kind=Kind.SOCKET)
REDIRECT = Case(
    "redirect", "Nobody signed in: redirect to the provider", "/browse/KEY-1", None, status=302, who=Who.NOBODY
)
REFUSED = Case(
    "refused", "Signed in, but not in the group: refused", "/browse/KEY-1", None, status=403, who=Who.OUTSIDER
)
CASES = (MAIN, ONE, MANY, SMALL, MIDDLE, LARGE, POST, SOCKET, REDIRECT, REFUSED)


def request_headers(case: Case, origin: str, cookie: str) -> dict[str, str]:
    """The header fields of a request of this case, without those that frame a body."""
    named = {"Host": origin.partition("://")[2], **BROWSER, "Referer": f"{origin}{START}"}
    cookies = "; ".join(part for part in (cookie, APPLICATION_COOKIES) if part)
    if case.body:
        named |= {"Content-Type": "application/json", "Origin": origin, "Accept": "application/json"}
        named |= {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    return {**named, "Cookie": cookies}
