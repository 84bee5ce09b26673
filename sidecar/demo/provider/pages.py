"""The pages of the demo provider: plain HTML and one style sheet, no script.

Every page may only load its own style sheet, and only post to the provider or be sent on to
the one address that the client registered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sidecar.demo.provider.instance import Instance
from sidecar.demo.provider.model import Client, Person

_TEMPLATES = Path(__file__).parent / "templates"
_PAGES = Environment(
    loader=FileSystemLoader(_TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_STYLE = (_TEMPLATES / "style.css").read_text("utf-8")
_NAMED_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]+)?")


def sign_in(
    people: Sequence[Person],
    client: Client,
    return_to: str,
    interaction: str,
    hint: str | None,
    signed_in: str | None,
) -> web.Response:
    """One button per person; the hinted one comes first."""
    ordered = sorted(people, key=lambda one: not (hint is not None and one.known_as(hint)))
    buttons = [
        {
            "key": one.key,
            "label": one.label,
            "story": one.story,
            "initials": "".join(word[0] for word in one.label.split()[:2]).upper(),
            "tint": list(one.key.encode())[-1] % 6 if one.key else 0,
            "groups": _listed(one.claims.get("groups")),
            "hinted": hint is not None and one.known_as(hint),
            "here": one.key == signed_in,
        }
        for one in ordered
    ]
    return _page(
        "sign_in.html",
        return_to=return_to,
        people=buttons,
        client=client.client_id,
        host=urlsplit(return_to).netloc,
        interaction=interaction,
    )


def sign_out(interaction: str, return_to: str | None) -> web.Response:
    """The question whether to sign out."""
    return _page("sign_out.html", return_to=return_to, interaction=interaction)


def post_back(return_to: str, fields: Mapping[str, str]) -> web.Response:
    """The answer as a form (OAuth 2.0 Form Post Response Mode). Other providers submit it by a script."""
    return _page("post_back.html", return_to=return_to, address=return_to, fields=fields)


def message(title: str, text: str, status: int = 200) -> web.Response:
    """A heading and a sentence."""
    return _page("message.html", status=status, title=title, text=text)


def used_up() -> web.Response:
    """The page was answered before, is too old, or belongs to another browser."""
    text = "It was used already, or it is too old. Please start again from the application."
    return message("This page cannot be used", text, status=400)


async def style(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """The style sheet."""
    headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=_STYLE, content_type="text/css", headers=headers)


def _page(template: str, *, status: int = 200, return_to: str | None = None, **values: object) -> web.Response:
    policy = "; ".join(
        [
            "default-src 'none'",
            "style-src 'self'",
            # Chromium holds a form's redirects to this as well, so the way back is named.
            f"form-action 'self' {_source(return_to)}".rstrip(),
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]
    )
    return web.Response(
        status=status,
        text=_PAGES.get_template(template).render(values),
        content_type="text/html",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
        },
    )


def _source(return_to: str | None) -> str:
    """The address as a source of the policy. It has no word for IPv6: there the scheme stands."""
    if return_to is None:
        return ""
    parts = urlsplit(return_to)
    origin = f"{parts.scheme}://{parts.netloc}"
    if _NAMED_ORIGIN.fullmatch(origin):
        return origin
    return f"{parts.scheme}:" if parts.scheme in ("http", "https") else ""


def _listed(groups: object) -> list[str]:
    return [str(group) for group in groups] if isinstance(groups, list | tuple) else []
