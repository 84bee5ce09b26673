"""Files at issues: uploads need a token of the form, downloads come back as they were."""

from __future__ import annotations

import pytest
from aiohttp import FormData

from tests.demo.jira.conftest import Browser

REST = "/rest/api/2/issue/KEY-1/attachments"
FORM = "/secure/AttachFile.jspa?key=KEY-1"
NO_CHECK = {"X-Atlassian-Token": "no-check"}


def form(content: bytes = b"hello", **fields: str) -> FormData:
    made = FormData(quote_fields=False)
    for name, value in fields.items():
        made.add_field(name, value)
    made.add_field("file", content, filename="ä b.txt", content_type="text/plain")
    return made


async def test_rest_upload_and_download(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    content = bytes(range(256)) * 1000
    answer = await browser.ask("POST", REST, data=form(content), cookies=cookies, headers=NO_CHECK)
    assert answer.status == 200
    bean = (await answer.json())[0]
    assert ("ä b.txt", len(content)) == (bean["filename"], bean["size"])
    path = bean["content"].removeprefix(browser.jira.url)
    got = await browser.ask("GET", path, raw=True, cookies=cookies)
    head = await browser.ask("HEAD", path, raw=True, cookies=cookies)
    assert content == await got.read()
    assert ("256000", b"") == (head.headers["Content-Length"], await head.read())
    assert got.headers["Content-Disposition"] == "attachment; filename*=UTF-8''%C3%A4%20b.txt"
    assert browser.jira.matching("POST", REST)[0].body_length > len(content)


async def test_rest_upload_without_the_header_fails_the_xsrf_check(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    answer = await browser.ask("POST", REST, data=form(), cookies=cookies)
    assert (403, "XSRF check failed") == (answer.status, await answer.text())
    assert len(browser.jira.state.attachments) == 1


@pytest.mark.parametrize(
    ("origin", "status"), [("https://evil.example", 403), ("http://127.0.0.1:1", 403), (None, 200)]
)
async def test_a_foreign_origin_fails_the_xsrf_check(browser: Browser, origin: str | None, status: int) -> None:
    cookies = await browser.landed("alice")
    headers = NO_CHECK | {"Origin": origin or browser.jira.origin}
    answer = await browser.ask("POST", REST, data=form(), cookies=cookies, headers=headers)
    assert answer.status == status


async def test_the_form_needs_its_own_token(browser: Browser) -> None:
    cookies = await browser.landed("alice")
    token = cookies["atlassian.xsrf.token"]
    answers = [
        await browser.ask("POST", FORM, data=form(), cookies=cookies),
        await browser.ask("POST", FORM, data=form(atl_token="guess"), cookies=cookies),
        await browser.ask("POST", FORM, data=form(atl_token=token), cookies=cookies),
        await browser.ask("POST", FORM, data=form(), cookies=cookies, headers=NO_CHECK),
        await browser.ask("POST", FORM, data=form(atl_token=token)),
    ]
    assert [403, 403, 302, 302, 302] == [answer.status for answer in answers]
    assert answers[2].headers["Location"] == "/browse/KEY-1"
    assert answers[4].headers["Location"].startswith("/login.jsp")
    assert len(browser.jira.state.attachments) == 3


async def test_anonymous_neither_uploads_nor_downloads(browser: Browser) -> None:
    upload = await browser.ask("POST", REST, data=form(), headers=NO_CHECK)
    download = await browser.ask("GET", "/secure/attachment/10000/gate.txt")
    assert [401, 302] == [upload.status, download.status]
