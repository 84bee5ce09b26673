"""The shape of one entry: what a reason word says to a person and to an administrator."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """What one reason says. `{product}` stands for the application ("Jira"); there is no other placeholder.

    Attributes:
        status: The usual HTTP status; the decision may choose another.
        heading: The page's heading, without a full stop.
        sentence: What happened.
        cure: What the person can do now.
        for_admin: What the administrator looks at; shown in the docs, never on a page. Markdown, no placeholder.
    """

    status: int
    heading: str
    sentence: str
    cure: str
    for_admin: str
