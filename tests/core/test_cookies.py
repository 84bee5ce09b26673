"""core.cookies: no reader of cookies finds a guarded name in what passes, and everything else passes unchanged."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sidecar.core.cookies import Carried, browser_cookies, cookies_up, find_cookie, jar_after, set_cookie_name
from sidecar.domain.session import Jar
from sidecar.products.jira import JIRA

GUARDED = frozenset(name.encode() for name in JIRA.session_cookies | JIRA.remember_cookies)
OURS = b"__Host-lychgate-jira"
JAR: Jar = (("JSESSIONID", "kept"),)


def up(fields: Iterable[bytes], guarded: frozenset[bytes], jar: Jar) -> bytes | None:
    """What goes up of a client's fields and our jar."""
    return cookies_up(browser_cookies(fields, guarded), jar)


def test_a_field_is_read_once_for_an_application() -> None:
    carried = Carried(b"a=b; JSESSIONID=evil; __Host-lychgate-jira=x", "__Host-lychgate-jira", GUARDED)
    assert ("x", [b"a=b"]) == (carried.session, carried.up)


EVIL = [
    b"JSESSIONID=evil",
    b"jsessionid=evil",
    b"JSessionId=evil",
    b" JSESSIONID =evil",
    b"\tJSESSIONID\t=evil",
    b"JSESSIONID",
    b"JSESSIONID=",
    b"=JSESSIONID=evil",
    b'"JSESSIONID"=evil',
    b"'JSESSIONID'=evil",
    b'JSESSIONID="evil"',
    b"JSESSIONID=evil,x=y",
    b"x=y,JSESSIONID=evil",
    b"x=y, JSESSIONID=evil",
    b'x="y", "JSESSIONID"=evil',
    b"x=y JSESSIONID=evil",
    b"x=y\tJSESSIONID=evil",
    b"x=y\x0bJSESSIONID=evil",
    b"x=y\xa0JSESSIONID=evil",
    b'x="y"JSESSIONID=evil',
    b'x="y;JSESSIONID=evil;z"',
    b'x="y\\";JSESSIONID=evil;z="',
    b"$Version=1;JSESSIONID=evil;$Path=/",
    b"$Version=1,JSESSIONID=evil,$Path=/",
    b'$Version="1"; JSESSIONID="evil"; $Path="/"',
    b"$Version=1 JSESSIONID=evil",
    b"JSESSIONID=a;JSESSIONID=evil",
    b"crowd.token_key=evil",
    b"Crowd.Token_Key=evil",
    b"seraph.rememberme.cookie=evil",
    b"SERAPH.REMEMBERME.COOKIE=evil",
    b"seraph.confluence=evil",
    b"x=y, seraph.confluence=evil",
    OURS + b"=evil",
    b"__HOST-LYCHGATE-jira=evil",
    b"__Host-lychgate-other=evil",
    b"__Secure-lychgate-x=evil",
    b"lychgate-jira=evil",
    b"x=y, lychgate-jira=evil",
]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("around", [b"%s", b"a=b; %s", b"%s; c=d", b"a=b;%s;c=d", b"a=b ;\t%s ; c=d", b";;%s;;"])
def test_no_spelling_of_a_guarded_cookie_passes(evil: bytes, around: bytes) -> None:
    found = up([around % evil], GUARDED, ()) or b""
    assert not [name for name in (*GUARDED, b"lychgate") if name in found.lower()]


def test_the_jar_takes_the_place_of_what_the_browser_sent() -> None:
    fields = [b"a=b; JSESSIONID=evil", b"JSESSIONID=evil2;c=d"]
    assert b"a=b; c=d; JSESSIONID=kept" == up(fields, GUARDED, JAR)
    assert b"JSESSIONID=kept" == up([], GUARDED, JAR)
    assert up([b"JSESSIONID=evil"], GUARDED, ()) is None


def test_a_transparent_portal_takes_all_but_ours() -> None:
    field = b"a=b; JSESSIONID=x; " + OURS + b"=k; seraph.confluence=y"
    assert b"a=b; JSESSIONID=x; seraph.confluence=y" == up([field], frozenset(), ())


@pytest.mark.parametrize(
    "cookie",
    [
        b"a=b",
        b"a=",
        b"a",
        b"a=b=c==",
        b'a="b c"',
        b"a=b c",
        b"a=b,c",
        b"a=caf\xc3\xa9",
        b"atlassian.xsrf.token=B1-2|3_lin",
        b"JSESSIONIDX=1",
        b"XJSESSIONID=1",
        b"JSESSIONID.x=1",
        b"_ga=GA1.2.3; OptanonConsent=a%20b&c=d",
        b"x-lychgate-y=1",
        b"a={%22k%22:[1,2]}",
        b"a=b; a=c",
    ],
)
def test_other_cookies_pass_unchanged(cookie: bytes) -> None:
    assert cookie == up([cookie], GUARDED, ())


alphabet = st.sampled_from(
    [b"JSESSIONID", b"jsessionid", OURS, b"a", b"=", b";", b",", b" ", b'"', b"\t", b"$Version", b"\\"]
)
fields_of = st.lists(alphabet, max_size=12).map(b"".join)


@given(fields_of)
def test_neither_reader_finds_a_guarded_name(field: bytes) -> None:
    found = up([field], GUARDED, ()) or b""
    for separators in (b";", b";,", b";, \t", b';, \t"'):
        text = found
        for separator in separators:
            text = text.replace(bytes([separator]), b";")
        names = {part.partition(b"=")[0].strip().lower() for part in text.split(b";")}
        assert not names & GUARDED and not [name for name in names if name.startswith(b"__host-lychgate-")]


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_no_bytes_raise(fields: list[bytes]) -> None:
    found = up(fields, GUARDED, JAR)
    assert found is not None and found.endswith(b"JSESSIONID=kept")
    for field in fields:
        assert set_cookie_name(field) == set_cookie_name(field).lower()
        jar_after(JAR, field)
        find_cookie(field, OURS)


def slow_find(field: bytes, name: bytes) -> str | None:
    """All cookies, parsed; the value of the only one of that name."""
    found = []
    for piece in field.split(b";"):
        left, mark, value = piece.lstrip(b" \t").partition(b"=")
        if mark and left == name:
            found.append(value.strip(b" \t").decode("latin-1"))
    return found[0] if len(found) == 1 else None


@given(
    st.lists(
        st.sampled_from([b"n", b"nn", b"n=", b"=", b";", b" ", b"\t", b"x", b"xn=", b"n=v", b";n=v", b"\xe9"]),
        max_size=14,
    )
)
@example([b"n=a", b";", b" ", b"n=b"])
def test_the_fast_search_finds_what_parsing_finds(parts: list[bytes]) -> None:
    field = b"".join(parts)
    assert slow_find(field, b"n") == find_cookie(field, b"n")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (OURS + b"=v", "v"),
        (b"a=b; " + OURS + b"=v; c=d", "v"),
        (b"a=b;" + OURS + b"= v ", "v"),
        (OURS + b"=a=b==", "a=b=="),
        (OURS + b"=", ""),
        (b"x" + OURS + b"=v", None),
        (b"x=" + OURS + b"=v", None),
        (b"x, " + OURS + b"=v", None),
        (OURS.lower() + b"=v", None),
        (OURS + b"x=v", None),
        (OURS + b"=v; " + OURS + b"=w", None),
        (b"", None),
    ],
)
def test_our_cookie_is_found_once_or_not_at_all(field: bytes, value: str | None) -> None:
    assert value == find_cookie(field, OURS)


@pytest.mark.parametrize("unit", [b"n=", b"n= ", b" n=", b"x n=", b" "])
def test_a_long_field_is_searched_in_one_pass(unit: bytes) -> None:
    """What stands before each find was once copied whole: the test would not come back."""
    assert find_cookie(b"y=" + unit * 400_000, b"n") is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"JSESSIONID=x; Path=/", b"jsessionid"),
        (b" JSessionID = x", b"jsessionid"),
        (b"JSESSIONID", b"jsessionid"),
        (b"=JSESSIONID=x", b"jsessionid"),
        (b"= JSESSIONID=x", b"jsessionid"),
        (b"a=JSESSIONID=x", b"a"),
        (b"a=b; JSESSIONID=x", b"a"),
        (b"__Host-Lychgate-jira=x", b"__host-lychgate-jira"),
        (b"", b""),
        (b";", b""),
    ],
)
def test_the_name_that_is_set(value: bytes, name: bytes) -> None:
    assert name == set_cookie_name(value)


TWO: Jar = (("JSESSIONID", "a"), ("crowd.token_key", "t"))


@pytest.mark.parametrize(
    ("jar", "field", "after"),
    [
        ((), b"JSESSIONID=a; Path=/; HttpOnly", (("JSESSIONID", "a"),)),
        (TWO, b"JSESSIONID=b", (("JSESSIONID", "b"), ("crowd.token_key", "t"))),
        (TWO, b"JSESSIONID=b; Max-Age=3600; Expires=Thu, 01 Jan 1970 00:00:10 GMT", (("JSESSIONID", "b"), TWO[1])),
        (TWO, b"JSESSIONID=b; Max-Age=junk", (("JSESSIONID", "b"), TWO[1])),
        (TWO, b"JSESSIONID=b; Max-Age=", (("JSESSIONID", "b"), TWO[1])),
        (TWO, b"JSESSIONID=b; Expires=never", (("JSESSIONID", "b"), TWO[1])),
        (TWO, b"JSESSIONID=b; Expires=Fri, 01 Jan 2100 00:00:00 GMT", (("JSESSIONID", "b"), TWO[1])),
        (TWO, b"JSESSIONID=b; Expires=Thu, 01 Jan 1970 00:00:00 +99999999999999999999", (("JSESSIONID", "b"), TWO[1])),
        (TWO, b"JSESSIONID=; Path=/", (TWO[1],)),
        (TWO, b"JSESSIONID", (TWO[1],)),
        (TWO, b"JSESSIONID=b; Max-Age=0", (TWO[1],)),
        (TWO, b"JSESSIONID=b; max-age=000", (TWO[1],)),
        (TWO, b"JSESSIONID=b; Max-Age=-1", (TWO[1],)),
        (TWO, b"JSESSIONID=b; Max-Age=junk; Expires=Thu, 01-Jan-1970 00:00:10 GMT", (TWO[1],)),
        (TWO, b"JSESSIONID=b; Expires=Thu, 01-Jan-70 00:00:10 GMT", (TWO[1],)),
        (TWO, b"JSESSIONID=b; expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/", (TWO[1],)),
        (TWO, b"JSESSIONID=b; Max-Age=" + b"9" * 5000, (("JSESSIONID", "b"), TWO[1])),
        (TWO, b"=JSESSIONID=b", TWO),
        (TWO, b"", TWO),
        (TWO, b'a="x y"', (*TWO[:1], ("a", '"x y"'), *TWO[1:])),
    ],
)
def test_custody_adds_replaces_and_ends(jar: Jar, field: bytes, after: Jar) -> None:
    assert after == jar_after(jar, field)
