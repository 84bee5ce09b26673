"""Link previews of Office at the whole gate: a page that loads itself in the browser, never a sign-in of the program's
own, whose cookies no browser has (R4)."""

from __future__ import annotations

import pytest

from tests.web.conftest import Worlds

PROGRAMS = (
    "Microsoft Office Existence Discovery",
    "Microsoft-WebDAV-MiniRedir/10.0.22631",
    "Microsoft Data Access Internet Publishing Provider Protocol Discovery",
    "Word/16.78",
    "Microsoft Excel/16.78 (Macintosh)",
    "Microsoft PowerPoint 2016",
)


@pytest.mark.parametrize("agent", PROGRAMS)
async def test_a_program_of_office_gets_a_page_that_loads_itself_in_the_browser(worlds: Worlds, agent: str) -> None:
    world = await worlds()
    for target in ("/browse/KEY-1?a=b", "/servicedesk/customer/portals"):
        answer = await world.page(target, ("User-Agent", agent))
        assert 200 == answer.status and "text/html" in (answer.header("Content-Type") or "")
        assert "http-equiv" in answer.text.lower() or answer.header("Refresh")
        assert [] == answer.headers("Set-Cookie") + answer.headers("Location")
    # It looks at a link with other methods first; none of them begins a sign-in either.
    for method in ("HEAD", "OPTIONS", "PROPFIND"):
        answer = await world.ask(method, "/browse/KEY-1", ("User-Agent", agent))
        assert (401, []) == (answer.status, answer.headers("Set-Cookie") + answer.headers("Location"))
    assert [] == world.arrived


async def test_a_browser_that_only_speaks_of_them_signs_in(worlds: Worlds) -> None:
    world = await worlds()
    for agent in ("Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 Word/16.78", "WordPress/6.8; https://example.com"):
        assert 302 == (await world.page("/browse/KEY-1", ("User-Agent", agent))).status
