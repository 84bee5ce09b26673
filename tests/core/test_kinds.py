"""core.kinds.kind_of: a page may be sent to the provider, a script never."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.kinds import kind_of
from sidecar.domain.decision import Kind

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
NOBODY = {"mode": "", "dest": "", "accept": "", "requested_with": "", "agent": "", "purpose": ""}


@pytest.mark.parametrize(
    ("given_fields", "kind"),
    [
        ({"mode": "navigate", "dest": "document", "accept": HTML}, Kind.NAVIGATION),
        ({"mode": "navigate", "dest": "document"}, Kind.NAVIGATION),
        ({"mode": "navigate"}, Kind.NAVIGATION),
        ({"mode": "navigate", "dest": "iframe", "accept": HTML}, Kind.FRAME),
        ({"mode": "navigate", "dest": "frame"}, Kind.FRAME),
        ({"mode": "navigate", "dest": "embed"}, Kind.FRAME),
        ({"mode": "navigate", "dest": "object"}, Kind.FRAME),
        ({"mode": "navigate", "dest": "fencedframe"}, Kind.FRAME),
        ({"mode": "cors", "dest": "empty", "accept": HTML}, Kind.API),
        ({"mode": "no-cors", "dest": "image", "accept": HTML}, Kind.API),
        ({"mode": "same-origin", "accept": HTML}, Kind.API),
        ({"mode": "websocket"}, Kind.API),
        ({"mode": "NAVIGATE?", "accept": HTML}, Kind.API),
        ({"accept": HTML}, Kind.NAVIGATION),
        ({"accept": "TEXT/HTML"}, Kind.NAVIGATION),
        ({"accept": "*/*"}, Kind.API),
        ({"accept": "application/json"}, Kind.API),
        ({}, Kind.API),
        ({"accept": HTML, "requested_with": "XMLHttpRequest"}, Kind.API),
        ({"mode": "navigate", "requested_with": "xmlhttprequest"}, Kind.API),
        ({"mode": "navigate", "dest": "document", "purpose": "prefetch"}, Kind.API),
        ({"mode": "navigate", "dest": "document", "purpose": "prefetch;prerender"}, Kind.API),
        ({"accept": HTML, "purpose": "Prefetch"}, Kind.API),
        ({"agent": "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"}, Kind.PREVIEW),
        ({"agent": "Microsoft Office Word 2014", "accept": HTML}, Kind.PREVIEW),
        ({"agent": "Microsoft-WebDAV-MiniRedir/10.0"}, Kind.PREVIEW),
        ({"agent": "Microsoft-WebDAV/10.0", "accept": HTML}, Kind.PREVIEW),
        ({"agent": "Microsoft Data Access Internet Publishing Provider DAV 1.1"}, Kind.PREVIEW),
        ({"agent": "Microsoft Data Access Internet Publishing Provider Protocol Discovery"}, Kind.PREVIEW),
        ({"agent": "Word/16.78", "accept": HTML}, Kind.PREVIEW),
        ({"agent": "excel/16.0", "accept": HTML}, Kind.PREVIEW),
        ({"agent": "Microsoft Word/16.78 (Macintosh)", "accept": HTML}, Kind.PREVIEW),
        ({"agent": "Microsoft Excel 2016", "accept": HTML}, Kind.PREVIEW),
        ({"agent": "Microsoft PowerPoint/16.78", "mode": "navigate"}, Kind.PREVIEW),
        ({"agent": "WordPress/6.8; https://example.com", "accept": HTML}, Kind.NAVIGATION),
        ({"agent": "WordPress/6.8; https://example.com", "accept": "*/*"}, Kind.API),
        ({"agent": "Excelsior/1.0", "accept": HTML}, Kind.NAVIGATION),
        ({"agent": "Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Word/16.78", "accept": HTML}, Kind.NAVIGATION),
        ({"agent": "Mozilla/5.0 (X11) Firefox/140", "accept": HTML}, Kind.NAVIGATION),
        ({"agent": "curl/8", "accept": "*/*"}, Kind.API),
    ],
)
def test_what_sort_of_client_asks(given_fields: dict[str, str], kind: Kind) -> None:
    assert kind == kind_of(**{**NOBODY, **given_fields}, websocket=False)


@given(st.lists(st.text(max_size=20), min_size=6, max_size=6))
def test_a_handshake_is_nothing_else_and_nothing_raises(texts: list[str]) -> None:
    fields = dict(zip(NOBODY, texts, strict=True))
    assert Kind.UPGRADE == kind_of(**fields, websocket=True)
    assert Kind.UPGRADE != kind_of(**fields, websocket=False)
