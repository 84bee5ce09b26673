"""core.headers: whatever a client sends, one head with one framing and one identity goes up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.headers import (
    FIXED_STRIP,
    Head,
    Names,
    Part,
    Passage,
    normal_name,
    read_lines,
    request_head,
)

Pairs = list[tuple[bytes, bytes]]
STRIP = frozenset({b"x-lychgate-user", b"x-site-user", b"x-site-secret"})
GUARDED = frozenset({b"jsessionid", b"seraph.rememberme.cookie"})
IDENTITY = ((b"X-Site-User", b"ada"), (b"X-Site-Secret", b"s3cret"))
OURS = ((b"X-Forwarded-For", b"192.0.2.1"), (b"X-Forwarded-Proto", b"https"), (b"X-Request-Id", b"r-1"))
LINES = tuple(name + b": " + value for name, value in (*OURS, *IDENTITY))
PASSAGE = Passage(host=b"jira.example.com", jar=(("JSESSIONID", "kept"),), guarded=GUARDED, ours=LINES)


def names() -> Names:
    return Names(STRIP)


def read(fields: Pairs, known: Names | None = None) -> Head:
    """A head as it comes from a client."""
    return read_lines([name + b": " + value for name, value in fields], known or names())


def head_of(fields: Pairs, passage: Passage = PASSAGE, method: str = "GET", target: str = "/x?y=z") -> list[bytes]:
    """The lines of the request head, which must end once and properly."""
    head = request_head(method, target, read(fields), passage)
    assert head.endswith(b"\r\n\r\n") and 1 == head.count(b"\r\n\r\n")
    return head[:-4].split(b"\r\n")


def values(lines: list[bytes], name: bytes) -> list[bytes]:
    """All values of a field, its name compared as a lax server would."""
    pairs = [line.partition(b": ") for line in lines[1:]]
    return [value for key, _, value in pairs if normal_name(key) == normal_name(name)]


def spelled(name: str) -> list[bytes]:
    """Twelve spellings of a header name that some server folds into one."""
    under, last = name.replace("-", "_"), "_".join(name.rsplit("-", 1))
    mixed = "".join(ch.upper() if at % 2 else ch.lower() for at, ch in enumerate(name))
    return [
        text.encode()
        for text in (
            *(name, name.lower(), name.upper(), name.title(), name.swapcase(), mixed),
            *(under, under.lower(), under.upper(), name.replace("-", "_", 1), last, mixed.replace("-", "_")),
        )
    ]


IDENTITIES = ["Remote-User", "X-Remote-User", "X-Forwarded-User", "X-Forwarded-Preferred-Username", "X-Rp-Usr"]
IDENTITIES += ["X-Lychgate-User", "X-Lychgate-Anything", "X-Site-User", "X-Site-Secret", "X-Auth-Request-Email"]
IDENTITIES += ["X-Seraph-Trusted-App-Cert", "X-Seraph-Trusted-App-Id", "X-Crowd-Token", "SSL-Client-S-DN", "Sm-User"]
IDENTITIES += ["X-SSL-Client-DN", "X-Client-Cert", "OIDC-Claim-email", "X-Amzn-Oidc-Identity", "X-Remote-Groups"]
IDENTITIES += ["X-Goog-Authenticated-User-Email", "Cf-Access-Authenticated-User-Email", "X-MS-CLIENT-PRINCIPAL-NAME"]
IDENTITIES += ["X-Seraph-Trusted-App-Magic", "X-Seraph-Trusted-App-Version", "SSL-Client-Escaped-Cert"]
IDENTITIES += ["Client-Cert", "Client-Cert-Chain", "X-Crowd-User", "X-ARR-ClientCert"]


@pytest.mark.parametrize("name", IDENTITIES)
def test_an_identity_header_is_known_in_twelve_spellings(name: str) -> None:
    spellings = spelled(name)
    assert 12 == len(spellings) and len(set(spellings)) >= 8
    known = names()
    for _ in range(2):  # the second time from memory
        assert {Part.IDENTITY} == {known.part(spelling) for spelling in spellings}
    fields: Pairs = [(spelling, b"evil") for spelling in spellings]
    assert [normal_name(name.encode()).decode()] * 12 == read(fields, known).stripped
    assert b"evil" not in b"\n".join(head_of(fields))


@pytest.mark.parametrize("name", sorted(FIXED_STRIP))
def test_the_fixed_list_holds_without_a_policy(name: bytes) -> None:
    assert Part.IDENTITY is Names(frozenset()).part(name.upper().replace(b"-", b"_"))


def test_exactly_one_value_per_identity_header() -> None:
    fields: Pairs = [(spelling, b"evil") for name, _ in IDENTITY for spelling in spelled(name.decode())]
    lines = head_of([*fields, (b"Accept", b"*/*"), *fields])
    for name, value in (*IDENTITY, *OURS):
        assert [value] == values(lines, name)


def test_without_a_person_the_identity_headers_are_absent() -> None:
    fields: Pairs = [(spelling, b"evil") for name, _ in IDENTITY for spelling in spelled(name.decode())]
    lines = head_of(fields, Passage(host=b"h"))
    assert [b"GET /x?y=z HTTP/1.1", b"Host: h"] == lines


FORWARDED = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "X-Forwarded-Port",
]
FORWARDED += [
    "X-Forwarded-Ssl",
    "X-Forwarded-Scheme",
    "X-Forwarded-Server",
    "X-Forwarded-Uri",
    "X-Forwarded-Client-Cert",
]
FORWARDED += ["X-Forwarded-New-Thing", "X-Original-URL", "X-Original-Host", "X-Rewrite-URL", "X-Real-IP", "X-Client-IP"]
FORWARDED += [
    "True-Client-IP",
    "X-Cluster-Client-Ip",
    "X-Envoy-External-Address",
    "X-ProxyUser-Ip",
    "Via",
    "X-Request-Id",
]
FORWARDED += ["X-Scheme", "X-Url-Scheme", "Front-End-Https", "X-Forwarded", "X-Ssl", "X-SSL-Protocol", "X-Real-Port"]
FORWARDED += ["X-Arr-Ssl", "X-Azure-ClientIP", "CF-Connecting-IP", "X-Host", "X-Https"]
FORWARDED += ["SSL-Cipher", "SSL-Session-Id", "SSL-Cipher-Usekeysize", "SSL-Secure-Protocol", "X-SSL-Cert"]
FORWARDED += ["X-Arr-Log-Id", "WL-Proxy-SSL", "WL-Proxy-Client-IP", "Proxy-Client-IP", "HTTP-Client-IP"]
HOP = [
    "Keep-Alive",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
    "Connection",
    "HTTP2-Settings",
]
HOP += ["Proxy-Authorization", "Proxy-Authenticate", "Content-Length", "Host", "Cookie2"]


@pytest.mark.parametrize("name", [*FORWARDED, *HOP])
def test_forwarded_and_hop_by_hop_headers_of_a_client_do_not_pass(name: str) -> None:
    fields: Pairs = [(spelling, b"evil") for spelling in spelled(name)]
    assert b"evil" not in b"\n".join(head_of(fields))


@pytest.mark.parametrize(
    "name", [b"Host_", b"Content_Length", b"Transfer_Encoding", b"Cookie_", b"Authorization_", b"AUTHORIZATION"]
)
def test_no_lax_spelling_becomes_a_framing_a_cookie_or_a_credential(name: bytes) -> None:
    lines = head_of([(name, b"1"), (name.replace(b"_", b"-"), b"1")], Passage(host=b"h"))
    for word in (b"content-length", b"transfer-encoding", b"authorization", b"cookie"):
        assert [] == values(lines, word)


def test_the_application_gets_the_judged_bytes_in_order() -> None:
    fields: Pairs = [
        (b"host", b"evil"),
        (b"accept", b"*/*"),
        (b"X-Twice", b"1"),
        (b"X-Atlassian-Token", b"no-check"),
        (b"x-twice", b"2"),
        (b"Empty", b""),
        (b"Latin", b"caf\xe9 \xc3\xa9"),
        (b"X-Twice", b"1"),
    ]
    target = "/display/DS/100%25+sure%3F/%c3%A4[x]|?a=%2F..%2f&b=;//"
    lines = head_of(fields, Passage(host=b"jira.example.com"), "PROPFIND", target)
    assert f"PROPFIND {target} HTTP/1.1".encode() == lines[0]
    assert b"Host: jira.example.com" == lines[1]
    assert [name + b": " + value for name, value in fields[1:]] == lines[2:]


@pytest.mark.parametrize(
    "token",
    [
        *["X-Site-User", "x-site-user", "x_site_user", "X-Site-Secret", "X-Forwarded-For", "x-forwarded-proto", "Host"],
        *["Cookie", "Content-Length", "X-Request-Id", "close", "keep-alive", "transfer-encoding", "*", ""],
    ],
)
@pytest.mark.parametrize("form", ["%s", "close, %s", "%s,close", " , %s ,", "Keep-Alive,\t%s\t"])
def test_connection_cannot_name_ours(token: str, form: str) -> None:
    fields: Pairs = [(b"Connection", (form % token).encode()), (b"Cookie", b"a=b"), (b"Content-Length", b"3")]
    passage = Passage(host=b"h", ours=LINES, length=3, guarded=GUARDED, jar=(("JSESSIONID", "kept"),))
    lines = head_of(fields, passage, "POST")
    for name, value in (*IDENTITY, *OURS):
        assert [value] == values(lines, name)
    assert [[b"h"], [b"a=b; JSESSIONID=kept"], [b"3"]] == [
        values(lines, n) for n in (b"host", b"cookie", b"content-length")
    ]
    assert [] == values(lines, b"connection")


@pytest.mark.parametrize("form", [b"X-Private", b"x-private, close", b"a,\tX-PRIVATE ,b", b"close,x-private"])
def test_what_connection_names_of_the_clients_is_dropped(form: bytes) -> None:
    fields: Pairs = [
        (b"X-Private", b"1"),
        (b"connection", b"other"),
        (b"CONNECTION", form),
        (b"x-private", b"2"),
        (b"Other", b"3"),
    ]
    lines = head_of(fields)
    assert [] == values(lines, b"x-private") and [] == values(lines, b"other")


@pytest.mark.parametrize(
    ("length", "chunked", "upgrade", "framing"),
    [
        (None, False, False, []),
        (0, False, False, [b"Content-Length: 0"]),
        (5, False, False, [b"Content-Length: 5"]),
        (None, True, False, [b"Transfer-Encoding: chunked"]),
        (5, True, False, [b"Transfer-Encoding: chunked"]),
        (None, False, True, [b"Connection: Upgrade", b"Upgrade: websocket"]),
        (5, True, True, [b"Connection: Upgrade", b"Upgrade: websocket"]),
    ],
)
def test_there_is_one_framing(length: int | None, chunked: bool, upgrade: bool, framing: list[bytes]) -> None:
    fields: Pairs = [
        (b"Content-Length", b"7"),
        (b"content-length", b"8"),
        (b"Transfer-Encoding", b"gzip, chunked"),
        (b"Upgrade", b"h2c"),
    ]
    passage = Passage(host=b"h", length=length, chunked=chunked, upgrade=upgrade)
    assert framing == head_of(fields, passage)[2:]


def test_cookies_and_credentials_pass_where_they_may() -> None:
    fields: Pairs = [(b"Cookie", b"a=b; JSESSIONID=evil"), (b"Authorization", b"Bearer t"), (b"cookie", b"c=d")]
    passes = Passage(host=b"h", credential=True, cookies=False, guarded=GUARDED)
    assert [b"Authorization: Bearer t"] == head_of(fields, passes)[2:]
    assert [b"Cookie: a=b; c=d"] == head_of(fields, Passage(host=b"h", guarded=GUARDED))[2:]
    assert [b"Cookie: JSESSIONID=kept"] == head_of(
        [], Passage(host=b"h", cookies=False, guarded=GUARDED, jar=(("JSESSIONID", "kept"),))
    )[2:]


tokens = st.sampled_from(
    (
        b"Remote-User remote_user X-Site-User x_site_user X-Forwarded-For Connection Cookie TE Content-Length "
        b"Transfer-Encoding Host Upgrade Authorization Accept X-A x-a"
    ).split()
)
contents = st.sampled_from(
    [b"evil", b"X-A, Accept", b"close", b"JSESSIONID=evil", b"a=b", b"chunked", b"9", b"x-site-user"]
)


@given(st.lists(st.tuples(tokens, contents), max_size=12))
def test_no_mixture_gets_through(fields: Pairs) -> None:
    lines = head_of(fields)
    for name, value in (*IDENTITY, *OURS):
        assert [value] == values(lines, name)
    assert [b"jira.example.com"] == values(lines, b"host")
    for name in (
        b"remote-user",
        b"connection",
        b"te",
        b"content-length",
        b"transfer-encoding",
        b"upgrade",
        b"authorization",
    ):
        assert [] == values(lines, name)
    (cookie,) = values(lines, b"cookie")
    assert b"JSESSIONID=evil" not in cookie and cookie.endswith(b"JSESSIONID=kept")
    kept = [line for line in lines[2:] if line.lower().startswith((b"accept:", b"x-a:"))]
    named = {part.strip().lower() for n, v in fields if n == b"Connection" for part in v.split(b",")}
    assert [n + b": " + v for n, v in fields if n.lower() in {b"accept", b"x-a"} - named] == kept


def test_the_memory_of_names_is_bounded() -> None:
    known = names()
    assert Part.KEEP is known.part(b"x" * 8000)
    for number in range(5000):
        assert Part.KEEP is known.part(b"x-%d" % number)
    assert Part.IDENTITY is known.part(b"REMOTE_user")
    assert 2048 == len(known._seen) and max(map(len, known._seen)) < 100


def test_what_the_products_need_passes() -> None:
    """Names that begin like ones that do not pass."""
    fields: Pairs = [
        (name, b"1")
        for name in (
            *(b"X-Atlassian-Token", b"X-AUSERNAME", b"X-Requested-With", b"X-Sslx", b"Sm", b"Sslx", b"X-Crowdx"),
            # What the mobile apps say of themselves names no person, and the application may answer to it.
            *(b"X-Atlassian-Mobile-App", b"X-Atlassian-Mobile-App-Version"),
        )
    ]
    assert [name + b": 1" for name, _ in fields] == head_of(fields, Passage(host=b"h"))[2:]


def test_lines_are_remembered_but_for_what_is_one_persons() -> None:
    known = names()
    fields: Pairs = [(b"Accept", b"*/*"), (b"Cookie", b"a=b"), (b"Authorization", b"Bearer t"), (b"Remote-User", b"x")]
    assert read(fields, known) == read(fields, known)
    assert [b"Accept: */*"] == list(known.lines)


def test_a_credential_stays_in_its_place() -> None:
    fields: Pairs = [(b"A", b"1"), (b"Authorization", b"Bearer t"), (b"B", b"2"), (b"Connection", b"A, Authorization")]
    passes = Passage(host=b"h", credential=True, cookies=False)
    assert [b"Authorization: Bearer t", b"B: 2"] == head_of(fields, passes)[2:]
    assert [b"A: 1", b"Authorization: Bearer t", b"B: 2"] == head_of(fields[:3], passes)[2:]
    assert [b"A: 1", b"B: 2"] == head_of(fields[:3], Passage(host=b"h", cookies=False))[2:]
