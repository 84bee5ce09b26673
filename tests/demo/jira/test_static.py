"""Static files: found below their own paths and the `/s/` forward, without a session."""

from __future__ import annotations

import pytest

from tests.demo.jira.conftest import Browser


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/s/abc/_/images/logo.svg", "image/svg+xml"),
        ("/images/icons/logo.svg", "image/svg+xml"),
        ("/download/resources/demo/live.js", "text/javascript"),
        ("/s/en_GB/1/2/_/download/contextbatch/css/_super/batch.css", "text/css"),
        ("/s/en_GB/1/2/_/download/batch/demo/live.js", "text/javascript"),
    ],
)
async def test_static_files_need_and_make_no_session(browser: Browser, path: str, kind: str) -> None:
    answer = await browser.ask("GET", path)
    again = await browser.ask("GET", path, headers={"If-None-Match": answer.headers["ETag"]})
    assert (200, kind, 304) == (answer.status, answer.content_type, again.status)
    assert not answer.cookies
    assert answer.headers["Cache-Control"] == "public,max-age=31536000"
