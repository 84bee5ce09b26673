"""core.passwords: a password's field name is found however it is spelled; ordinary forms pass."""

from __future__ import annotations

from urllib.parse import quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.passwords import FORM_HEAD, form_has, has_odd_charset, query_has
from sidecar.products.jira import JIRA

NAMES = JIRA.password_fields
FORM = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=XX"


@pytest.mark.parametrize(
    "query",
    [
        "os_username=ada",
        "os_password=x",
        "a=b&os_username=ada&c=d",
        "OS_USERNAME=ada",
        "Os_PassWord=x",
        "os%5Fusername=ada",
        "os%5fusername=ada",
        "%6F%73_username=ada",
        "%6fs%5Fpassword=",
        "os_username",
        "os_username&x",
        "&&os_username=",
        "a;os_username=x",
        "a=b;os_username=x",
        "+os_username=x",
        "os_username+=x",
        "%20os_username%20=x",
        "os%255Fusername=x",
        "os_cookie=true",
        "os_username=x=y",
        "%C0%AF=1&os_username=x",
        "%=1&os_username=x",
    ],
)
def test_a_password_field_is_found(query: str) -> None:
    assert query_has(query, NAMES)
    assert form_has(FORM, query.encode(), NAMES)
    assert form_has(f"  {FORM.upper()} ; charset=UTF-8", query.encode(), NAMES)


@pytest.mark.parametrize(
    "query",
    [
        *[
            "",
            "a=b",
            "q=os_username",
            "q=a%26os_username%3Dx",
            "os_usernames=x",
            "xos_username=x",
            "os_destination=%2Fx",
        ],
        *["os_user", "jql=text~%22os_password%22", "os_authType=any", "%", "&", "=", "=os_username", ";;", "%00"],
    ],
)
def test_an_ordinary_query_passes(query: str) -> None:
    assert not query_has(query, NAMES)
    assert not form_has(FORM, query.encode(), NAMES)


@given(st.sampled_from(sorted(NAMES)), st.data())
def test_any_percent_spelling_is_found(name: str, data: st.DataObject) -> None:
    text = "".join(
        f"%{ord(ch):02x}" if data.draw(st.booleans()) else data.draw(st.sampled_from([ch, ch.upper()])) for ch in name
    )
    assert query_has(f"a=b&{text}=x", NAMES)


@given(st.text(max_size=30), st.binary(max_size=60))
def test_nothing_raises(text: str, head: bytes) -> None:
    query_has(text, NAMES)
    for kind in (text, FORM, PARTS):
        form_has(kind, head, NAMES)


@given(st.text(max_size=20), st.text(max_size=20))
def test_values_are_not_looked_at(key: str, value: str) -> None:
    assert not query_has(f"k{quote_plus(key)}={quote_plus(value)}", NAMES)


def part(disposition: str, body: str = "x") -> bytes:
    return f"--XX\r\n{disposition}\r\n\r\n{body}\r\n--XX--\r\n".encode()


@pytest.mark.parametrize(
    "disposition",
    [
        'Content-Disposition: form-data; name="os_username"',
        'content-disposition:form-data;name="os_username"',
        'CONTENT-DISPOSITION : FORM-DATA; NAME="OS_USERNAME"',
        "Content-Disposition: form-data; name=os_username",
        "Content-Disposition: form-data; name='os_username'",
        'Content-Disposition: form-data; name = "os_username"',
        'Content-Disposition: form-data; name="os_username',
        'Content-Disposition: form-data; name="os\\_username"',
        'Content-Disposition: form-data; name="\\o\\s_password"',
        'Content-Disposition: form-data; name="os%5Fusername"',
        'Content-Disposition: form-data;\r\n name="os_username"',
        'Content-Disposition: form-data; name=\r\n\t"os_username"',
        'Content-Disposition:\r\n form-data;\r\n\tname\r\n =\r\n "os_password"',
        'Content-Disposition: form-data;\r name="os_username"',
        'Content-Disposition: form-data;\n name="os_username"',
        "Content-Disposition: form-data; name*=UTF-8''os_username",
        "Content-Disposition: form-data; name*=UTF-8''%6fs_username",
        "Content-Disposition: form-data; name*0=os_; name*1=username",
        "Content-Disposition: form-data; name *= UTF-8''x",
        'Content-Disposition: form-data; name="=?UTF-8?B?b3NfdXNlcm5hbWU=?="',
        "Content-Disposition: form-data; name==?UTF-8?Q?os=5Fusername?=",
        'Content-Disposition: form-data; filename="a.txt"; name="os_username"',
        "Content-Disposition: form-data; filename=a.txt; name=os_username",
        'Content-Disposition: form-data; filename="a\\"; name=os_username; x="',
        'Content-Disposition: form-data; filename="a; name="os_username"',
        'Content-Disposition: form-data; name="x"; name="os_username"',
        'X-Other: y\r\nContent-Disposition: form-data; name="os_username"',
    ],
)
@pytest.mark.parametrize(
    "kind", [PARTS, "Multipart/Form-Data;boundary=XX", "multipart/mixed; boundary=XX", "multipart/x"]
)
def test_a_part_of_that_name_is_found(kind: str, disposition: str) -> None:
    assert form_has(kind, part(disposition), NAMES)
    assert form_has(kind, part('Content-Disposition: form-data; name="a"') + part(disposition), NAMES)


@pytest.mark.parametrize(
    "disposition",
    [
        'Content-Disposition: form-data; name="a"',
        'Content-Disposition: form-data; name="file"; filename="os_username.txt"',
        "Content-Disposition: form-data; name=file; filename=os_password.txt",
        "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''os_username%20%C3%A4.txt",
        'Content-Disposition: form-data; name="file"; filename="=?UTF-8?B?w6Q=?=.eml"',
        "Content-Disposition: attachment; filename*0=a; filename*1=b",
        "Content-Disposition: attachment; filename==?utf-8?q?a=5Fb?=",
        'Content-Disposition: form-data; name="file"; filename="C:\\dir\\x.txt"',
        'Content-Disposition: form-data; name="os_destination"',
        'Content-Type: text/plain; name="os_username"',
        'Content-Disposition: form-data; name="a"\r\nX: os_username',
    ],
)
def test_an_ordinary_part_passes(disposition: str) -> None:
    assert not form_has(PARTS, part(disposition, "os_username=x&os_password=y"), NAMES)


@pytest.mark.parametrize(
    "charset", ["IBM037", "cp500", "UTF-16", "utf-16le", "UTF-7", "utf-32", "x", '"IBM037"', "'cp037'", ""]
)
def test_a_charset_in_which_names_read_otherwise_is_refused(charset: str) -> None:
    head = "os_username".encode("cp037")
    for kind in (FORM, PARTS):
        assert has_odd_charset(f"{kind}; charset={charset}")
        assert form_has(f"{kind}; Charset = {charset}", head, NAMES)
    assert not form_has(f"application/json; charset={charset}", head, NAMES)


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf-8"', "utf8", "ISO-8859-1", "windows-1252", "us-ascii"])
def test_an_everyday_charset_passes(charset: str) -> None:
    assert not has_odd_charset(f"{FORM}; charset={charset}") and not has_odd_charset(FORM)
    assert not form_has(f"{FORM};charset={charset};x=y", b"a=b", NAMES)


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/json", "application/xml", "application/x-www-form-urlencodedx"]
)
def test_what_is_no_form_is_not_read(kind: str) -> None:
    assert not form_has(kind, b"os_username=x", NAMES)


def test_what_stands_behind_the_head_is_not_seen() -> None:
    """D12 looks at the first 16 KiB; the caller cuts. A name across the cut is not a name yet."""
    before = b"a=" + b"x" * (FORM_HEAD - 10) + b"&"
    assert form_has(FORM, (before + b"os_username=x"), NAMES)
    assert not form_has(FORM, (before + b"os_username=x")[:FORM_HEAD], NAMES)


@pytest.mark.parametrize(
    "unit", ["a", "&", "%41", "os_username&"[:-2], "=", "filename=", 'filename="', "\r\n ", "name", "charset="]
)
@pytest.mark.parametrize("size", [FORM_HEAD, 1_000_000])
def test_a_huge_form_is_read_in_one_pass(unit: str, size: int) -> None:
    text = unit * (size // len(unit))
    assert not query_has(text, NAMES)
    for head in (text, "content-disposition:" + text, "content-disposition:\r\n" * 1000 + text):
        assert not form_has(PARTS, head.encode(), NAMES)


def _slowly(query: str) -> bool:
    """Every pair by itself: the oracle for the quick look."""
    for pair in query.replace(";", "&").split("&"):
        name = unquote_plus(pair.partition("=")[0], errors="replace")
        if name.strip().lower() in NAMES or unquote_plus(name).strip().lower() in NAMES:
            return True
    return False


@given(
    st.lists(
        st.sampled_from(
            ["os_", "username", "OS%5Fpassword", "%25", "5F", "%6f", "s", "&", ";", "=", "+", "%", "%C3", "\u0130", "a"]
        ),
        max_size=12,
    ).map("".join)
)
def test_the_quick_look_over_a_query_overlooks_nothing(query: str) -> None:
    assert _slowly(query) == query_has(query, NAMES)
