"""The gate's own pages, and the same answers as JSON and as one plain line. Rendering only.

`web` turns a `Page` into a response; the words stand in `web.texts`, the looks in `templates/`, the fields of the head
in `web.page_headers`. Nothing of a request stands in a page unescaped, and none tells too much (rules 60, 61, 67).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sidecar.core.preview import Chapter
from sidecar.domain.reason import Reason
from sidecar.web.page_headers import page_headers, plain_headers
from sidecar.web.page_parts import Action, Notice, Page, WhoAmI
from sidecar.web.texts import TEXTS, filled

__all__ = ["Action", "Notice", "Page", "Pages", "WhoAmI", "shown"]

# Controls, line and paragraph separators, marks that turn the direction of writing, halves of surrogate pairs.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def shown(value: str) -> str:
    """*value* with U+FFFD for whatever a reader cannot see: controls, separators, turns of direction."""
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", value)


def _new_nonce() -> str:
    return secrets.token_urlsafe(16)


class Pages:
    """Renders. Templates are loaded once, here.

    Args:
        nonce: Gives the nonce of a page's style sheet, unguessable and another one each time (CSP 3, section 7.1).
    """

    def __init__(self, *, nonce: Callable[[], str] = _new_nonce) -> None:
        environment = Environment(
            loader=PackageLoader("sidecar.web", "templates"),
            autoescape=True,
            auto_reload=False,
            undefined=StrictUndefined,
            finalize=_finalize,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates = {name: environment.get_template(name) for name in environment.list_templates()}
        self._nonce = nonce

    def notice(self, notice: Notice, *, form_targets: tuple[str, ...] = ()) -> Page:
        """A refusal as a page.

        Args:
            form_targets: Origins to which a POST of the page may lead through redirects, such as the provider's.
        """
        text = TEXTS[notice.reason]
        retry_after = _whole_second(notice.retry_after)
        return self._message(
            notice.status,
            text.heading,
            text.sentence,
            text.cure,
            product=notice.product,
            request_id=notice.request_id,
            code=notice.reason.value,
            portal=notice.portal,
            username=notice.username,
            facts=notice.facts,
            actions=notice.actions,
            refresh=retry_after,
            retry_after=retry_after,
            form_targets=form_targets,
        )

    def notice_json(self, notice: Notice) -> Page:
        """A refusal for programs."""
        text = TEXTS[notice.reason]
        onward = next((action.href for action in notice.actions if action.new_window and action.href), None)
        return _json(
            notice.status,
            {
                "error": notice.reason.value,
                "message": filled(text.sentence, notice.product),
                "cure": filled(text.cure, notice.product),
                "request_id": notice.request_id,
                **({} if onward is None else {"next": onward}),
            },
            _whole_second(notice.retry_after),
        )

    def notice_text(self, notice: Notice) -> Page:
        """A refusal in one line, for clients that accept neither HTML nor JSON."""
        text = TEXTS[notice.reason]
        words = filled(f"{text.sentence} {text.cure}", notice.product)
        line = shown(f"{words} (code {notice.reason.value}, request {notice.request_id})") + "\n"
        headers = plain_headers("text/plain; charset=utf-8", _whole_second(notice.retry_after))
        return Page(notice.status, headers, line.encode())

    def confirm_sign_out(
        self,
        *,
        product: str,
        username: str,
        action: Action,
        form_targets: tuple[str, ...],
        request_id: str,
        cancel: str,
    ) -> Page:
        """Asks before signing out, since a mere link must not do it.

        Args:
            action: The form that signs out.
            form_targets: Origins to which it may lead: that of the provider's end-session address.
            cancel: Where the way back leads.
        """
        also = ("Afterwards you are taken to the sign-in service to sign out there too.",) if form_targets else ()
        return self._message(
            200,
            "Sign out of {product}?",
            "This ends your sign-in to {product} in this browser.",
            *also,
            product=product,
            request_id=request_id,
            username=username,
            actions=(action, Action(label="Stay signed in", href=cancel)),
            form_targets=form_targets,
        )

    def signed_out(self, *, product: str, start: str, request_id: str, elsewhere: Action | None = None) -> Page:
        """Says that it is done, and stays: a redirect would sign the person in again at once.

        Args:
            start: Where somebody signs in again.
            elsewhere: Where another sign-in service is chosen.
        """
        return self._message(
            200,
            "You are signed out",
            "Your sign-in to {product} in this browser has ended.",
            "If others use this computer, close all windows of the browser now.",
            product=product,
            request_id=request_id,
            actions=(Action(label="Sign in again", href=start), *((elsewhere,) if elsewhere is not None else ())),
        )

    def choose(
        self,
        *,
        product: str,
        services: tuple[Action, ...],
        action: str,
        onward: Mapping[str, str],
        address: str,
        request_id: str,
    ) -> Page:
        """The sign-in services of a portal, to choose one.

        Args:
            services: One link each; the one that was used last is primary.
            action: Where an e-mail address is sent that finds the service; "" if none can.
            onward: Goes there with it.
            address: What was sent there before, and found none.
        """
        missed = ("No sign-in service is set for that address. Choose one here, or look at the address again.",)
        last = any(service.primary for service in services)
        return self._message(
            200,
            "Sign in to {product}",
            *(missed if address else ("Where do you have your account?",)),
            *(("The one that you used last stands out.",) if last else ()),
            product=product,
            request_id=request_id,
            actions=services,
            template="choose.html",
            action=action,
            onward=onward,
            address=address,
        )

    def onward(self, *, service: str, href: str, request_id: str) -> Page:
        """Leads on by itself to a sign-in service: behind a form no redirect may leave this site."""
        return self._message(
            200,
            "Sign in with {product}",
            "You are taken to the page where you sign in.",
            product=service,
            request_id=request_id,
            actions=(Action(label="Continue", href=href, primary=True),),
            refresh=0,
            onward_to=href,
        )

    def confirmed(self, *, product: str, request_id: str) -> Page:
        """Says that a step-up is done, in the window that was opened for it beside a form."""
        return self._message(
            200,
            "Confirmed",
            "You have confirmed that it is you.",
            "Close this window, go back to the other one and send the form again.",
            product=product,
            request_id=request_id,
        )

    def whoami(self, *, facts: WhoAmI, request_id: str) -> Page:
        """Who is signed in, as a page."""
        rows = (
            ("User name", facts.username),
            ("Name", facts.display_name),
            ("E-mail", facts.email),
            ("Application", facts.application),
            ("Portal", facts.portal),
            ("Sign-in service", facts.provider),
            ("Identity checked", facts.auth_time),
            ("Signed in since", facts.signed_in_at),
            ("Ends at the latest", facts.ends_at),
        )
        portals = [(label, *_admitted(reason, facts.application)) for label, reason in facts.portals]
        return self._page(
            "whoami.html",
            200,
            heading="Who you are here",
            request_id=request_id,
            facts=rows,
            groups=facts.groups,
            portals=portals,
        )

    def preview(self, *, product: str, portal: str, chapters: Sequence[Chapter], request_id: str) -> Page:
        """Somebody's own sign-in, looked through."""
        heading = filled("Your sign-in to {product}, tested", product)
        return self._page("preview.html", 200, heading=heading, request_id=request_id, portal=portal, chapters=chapters)

    def whoami_json(self, *, facts: WhoAmI, request_id: str) -> Page:
        """Who is signed in, for programs. Unknown is null, never an empty list or text."""
        return _json(
            200,
            {
                "username": facts.username or None,
                "display_name": facts.display_name or None,
                "email": facts.email or None,
                "application": facts.application,
                "portal": facts.portal,
                "provider": facts.provider,
                "groups": None if facts.groups is None else list(facts.groups),
                "signed_in_at": facts.signed_in_at or None,
                "ends_at": facts.ends_at or None,
                "auth_time": facts.auth_time or None,
                "portals": {shown(label): reason.value for label, reason in facts.portals},
                "request_id": request_id,
            },
        )

    def open_window(self, *, product: str, href: str, request_id: str) -> Page:
        """Inside a frame nobody can sign in: a link that does it beside. The only page that others may frame."""
        return self._message(
            401,
            "Sign in to {product}",
            "This page of {product} is shown inside another page, where you cannot sign in.",
            "Open it in a window of its own, sign in there, then reload this page.",
            product=product,
            request_id=request_id,
            actions=(Action(label="Open and sign in", href=href, primary=True, new_window=True),),
            framed=True,
        )

    def reload(self, *, product: str, request_id: str) -> Page:
        """For Office, which follows redirects itself and would open the provider's page: the same address again.

        One second, not none: a program that takes the refresh for itself must not spin.
        """
        return self._message(
            200,
            "Opening {product}",
            "The page you asked for opens by itself in a moment.",
            product=product,
            request_id=request_id,
            actions=(Action(label="Open it now", href="", primary=True),),
            refresh=1,
        )

    def _message(
        self,
        status: int,
        heading: str,
        *paragraphs: str,
        product: str,
        request_id: str,
        code: str = "",
        portal: str = "",
        username: str = "",
        facts: tuple[tuple[str, str], ...] = (),
        actions: tuple[Action, ...] = (),
        refresh: int | None = None,
        retry_after: int | None = None,
        form_targets: tuple[str, ...] = (),
        framed: bool = False,
        template: str = "message.html",
        onward_to: str = "",
        **words: Any,
    ) -> Page:
        return self._page(
            template,
            status,
            heading=filled(heading, product),
            paragraphs=[filled(paragraph, product) for paragraph in paragraphs],
            request_id=request_id,
            code=code,
            portal=portal,
            username=username,
            facts=facts,
            actions=actions,
            refresh=refresh,
            retry_after=retry_after,
            form_targets=form_targets,
            framed=framed,
            onward_to=onward_to,
            **words,
        )

    def _page(
        self,
        template: str,
        status: int,
        *,
        code: str = "",
        portal: str = "",
        actions: tuple[Action, ...] = (),
        refresh: int | None = None,
        retry_after: int | None = None,
        form_targets: tuple[str, ...] = (),
        framed: bool = False,
        onward_to: str = "",
        **words: object,
    ) -> Page:
        nonce = self._nonce()
        html = self._templates[template].render(
            words,
            nonce=nonce,
            code=code,
            portal=portal,
            actions=actions,
            refresh=refresh,
            retry_after=retry_after,
            onward_to=onward_to,
        )
        headers = page_headers(
            nonce,
            form_targets=form_targets,
            has_form=any(action.post for action in actions),
            framed=framed,
            retry_after=retry_after,
        )
        return Page(status, headers, html.encode())


def _finalize(value: object) -> object:
    """Whatever an expression of a template gives, made showable; escaping comes after it."""
    return value if isinstance(value, Markup) else shown(str(value))


def _json(status: int, content: Mapping[str, object], retry_after: int | None = None) -> Page:
    showable = {name: _showable(value) for name, value in content.items()}
    return Page(status, plain_headers("application/json", retry_after), json.dumps(showable).encode() + b"\n")


def _showable(value: object) -> object:
    if isinstance(value, str):
        return shown(value)
    return [_showable(entry) for entry in value] if isinstance(value, list) else value


def _whole_second(retry_after: int | None) -> int | None:
    return None if retry_after is None else max(1, retry_after)


def _admitted(reason: Reason, application: str) -> tuple[str, str]:
    return ("open", "") if reason is Reason.OK else (filled(TEXTS[reason].heading, application), reason.value)
