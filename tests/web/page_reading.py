"""What the tests of pages share: every page with a word of choice in all its places, and a reader of HTML."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser

from sidecar.domain.reason import Reason
from sidecar.web.pages import Action, Notice, Page, Pages, WhoAmI

PROVIDER = "https://example.okta.com"


class Reading(HTMLParser):
    """What a browser would make of a page: its tags with the names of their attributes, its values, its text."""

    def __init__(self, page: Page) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.found: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.source = page.body.decode("utf-8")
        self.feed(self.source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return "".join(self.words)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]

    def inside(self, tag: str) -> str:
        match = re.search(f"<{tag}[^>]*>(.*?)</{tag}>", self.source, re.DOTALL)
        assert match is not None
        return match[1]


PAGES = Pages(nonce=lambda: "nonce1")


def notice(reason: Reason = Reason.NOT_IN_GROUP, **more: object) -> Notice:
    given: dict[str, object] = {"status": 403, "reason": reason, "request_id": "req-1", "product": "Jira", **more}
    return Notice(**given)  # type: ignore[arg-type]


def whoami_facts(**more: object) -> WhoAmI:
    given: dict[str, object] = {
        "username": "ada",
        "display_name": "Ada Lovelace",
        "email": "ada@example.com",
        "application": "jira",
        "portal": "agents",
        "provider": "okta",
        "groups": ("users",),
        "signed_in_at": "2026-01-02T03:04:05Z",
        "ends_at": "2026-01-03T03:04:05Z",
        "auth_time": "2026-01-02T03:04:00Z",
        "portals": (("agents", Reason.OK), ("support", Reason.NOT_IN_GROUP)),
        **more,
    }
    return WhoAmI(**given)  # type: ignore[arg-type]


POST = Action(label="Go", href="/.lychgate/logout", post=True, fields=(("token", "t-1"),), primary=True)

EVERY: dict[str, Callable[[str], Page]] = {
    "notice": lambda word: PAGES.notice(
        notice(
            product=word,
            portal=word,
            username=word,
            request_id=word,
            facts=((word, word),),
            actions=(
                Action(label=word, href="/", post=True, fields=((word, word),)),
                Action(label=word, href="/start", new_window=True),
            ),
            retry_after=5,
        )
    ),
    "confirm_sign_out": lambda word: PAGES.confirm_sign_out(
        product=word,
        username=word,
        action=Action(label=word, href="/out", post=True, fields=(("token", word),)),
        form_targets=(PROVIDER,),
        request_id=word,
        cancel="/",
    ),
    "signed_out": lambda word: PAGES.signed_out(product=word, start="/", request_id=word),
    "whoami": lambda word: PAGES.whoami(
        facts=whoami_facts(
            username=word,
            display_name=word,
            email=word,
            application=word,
            portal=word,
            provider=word,
            groups=(word,),
            signed_in_at=word,
            ends_at=word,
            auth_time=word,
            portals=((word, Reason.OK), (word, Reason.LANDING_FAILED)),
        ),
        request_id=word,
    ),
    "open_window": lambda word: PAGES.open_window(product=word, href="/browse/A-1", request_id=word),
    "reload": lambda word: PAGES.reload(product=word, request_id=word),
}
