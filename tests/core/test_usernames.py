"""core.usernames: one name has one form, and no name can be dressed up as another one."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.usernames import fold, is_reserved, may_be_created, normalise, resolve_username
from sidecar.domain.identity import Claim, Identity, Person
from sidecar.domain.policy import UsernameMapping
from sidecar.domain.reason import Reason

PLAIN = UsernameMapping(claims=("preferred_username",))


def somebody(**claims: Claim) -> Identity:
    return Identity(person=Person("https://idp.example", "1"), provider="idp", claims=claims, groups=())


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        ("jdoe", "jdoe"),
        ("J.Doe", "j.doe"),
        ("J.Doe@Example.COM", "j.doe@example.com"),
        ("jürgen", "jürgen"),
        ("ju\u0308rgen", "jürgen"),
        ("großmann", "großmann"),
        ("иван", "иван"),
        ("иван@example.com", "иван@example.com"),
        ("田中さくら", "田中さくら"),
        ("o+tag@example.com", "o+tag@example.com"),
        ("two words", "two words"),
    ],
)
def test_one_form(claim: str, name: str) -> None:
    assert name == resolve_username(somebody(preferred_username=claim), PLAIN)


@pytest.mark.parametrize(
    "claim",
    [
        None,
        True,
        7,
        ("jdoe",),
        "",
        " jdoe",
        "jdoe ",
        "jdoe\u00a0",
        "jdoe\n",
        "jd\x00oe",
        "jd\u200boe",
        "jd\u202eoe",
        "jd\u2066oe",
        "jd\u00adoe",
        "jd\ufe0foe",
        "jd\u115foe",
        "ａdmin",
        "ad\ufb01n",
        "\u212aevin",
        "İsmail",
        "аdmin",
        "admіn",
        "αdmin",
        "а@b@c",
        "a@b@c",
        "@example.com",
        "jdoe@",
        "a/b",
        "a\\b",
        "a<b",
        "a>b",
        "a&b",
        "a'b",
        'a"b',
        "a;b",
        "o’brien",
        "smile☺",
        "a\u0336b",
        "..",
        "\ud800",
        "x" * 256,
    ],
)
def test_a_name_that_would_become_another_is_refused(claim: Claim) -> None:
    assert Reason.USERNAME_INVALID is resolve_username(somebody(preferred_username=claim), PLAIN)


def test_the_next_claim_is_asked_only_if_the_one_before_is_absent() -> None:
    mapping = UsernameMapping(claims=("upn", "preferred_username"))
    assert "second" == resolve_username(somebody(preferred_username="second"), mapping)
    assert Reason.USERNAME_INVALID is resolve_username(somebody(upn="", preferred_username="second"), mapping)
    assert Reason.USERNAME_INVALID is resolve_username(somebody(upn=None, preferred_username="second"), mapping)
    assert Reason.USERNAME_MISSING is resolve_username(somebody(other="x"), mapping)


@pytest.mark.parametrize("verified", [True, False, "true", 1, None, "absent"])
@pytest.mark.parametrize("trusted", [True, False])
def test_an_email_counts_only_if_it_is_verified(verified: Claim, trusted: bool) -> None:
    """Rule 45: JSON `true`. A provider that is believed need not say so, and is heard when it denies it."""
    claims: dict[str, Claim] = {"email": "a@example.com"}
    if verified != "absent":
        claims["email_verified"] = verified
    counts = verified is True or (trusted and verified == "absent")
    found = resolve_username(somebody(**claims), UsernameMapping(claims=("email",)), trusted=trusted)
    assert ("a@example.com" if counts else Reason.USERNAME_INVALID) == found


@pytest.mark.parametrize(
    ("claim", "result"),
    [
        ("jdoe@example.com", "jdoe"),
        ("JDoe@EXAMPLE.com", "jdoe"),
        ("jdoe@example.org", "jdoe"),
        ("jdoe@evil.com", Reason.USERNAME_FOREIGN),
        ("jdoe@sub.example.com", Reason.USERNAME_FOREIGN),
        ("jdoe@notexample.com", Reason.USERNAME_FOREIGN),
        ("jdoe", Reason.USERNAME_FOREIGN),
        ("jdoe@evil.com@example.com", Reason.USERNAME_INVALID),
        ("jdoe @example.com", Reason.USERNAME_INVALID),
        ("@example.com", Reason.USERNAME_INVALID),
    ],
)
def test_only_listed_domains_are_cut_off(claim: str, result: str | Reason) -> None:
    mapping = UsernameMapping(claims=("preferred_username",), strip_domain=("example.com", "Example.ORG"))
    assert result == resolve_username(somebody(preferred_username=claim), mapping)


def test_the_prefix_stands_in_front_and_counts() -> None:
    mapping = UsernameMapping(claims=("preferred_username",), prefix="cust-")
    assert "cust-admin" == resolve_username(somebody(preferred_username="Admin"), mapping)
    assert Reason.USERNAME_INVALID is resolve_username(somebody(preferred_username="x" * 251), mapping)
    assert Reason.USERNAME_INVALID is resolve_username(somebody(preferred_username="иван"), mapping)


@pytest.mark.parametrize(
    "name",
    [
        "admin",
        "ADMIN",
        "ａｄｍｉｎ",
        "аdmіn",
        "αdmin",
        "ádmin",
        "admın",
        "ad\u200bmin",
        "admin ",
        "ѕуѕтем",
        "rооt",
        "adm" + "in",
    ],
)
def test_reserved_names_are_known_in_any_dress(name: str) -> None:
    assert is_reserved(name)
    assert not may_be_created(name, UsernameMapping(pattern=".*"))


def test_reserved_names_of_the_site_are_added() -> None:
    assert is_reserved("Svc-Jira", {"svc-jira"})
    assert [False, False] == [is_reserved(name, {"svc-jira"}) for name in ("cust-admin", "administrators")]


def test_the_pattern_is_for_the_whole_name() -> None:
    names = ["jdoe", "j.doe@example.com", "two words", "jürgen", "jdoe\n", "x" * 65]
    assert [True, True, False, False, False, False] == [may_be_created(name, PLAIN) for name in names]
    assert may_be_created("jürgen", UsernameMapping(pattern=r"\pL+"))


@given(st.text(max_size=40))
def test_a_name_that_passed_is_its_own_form(text: str) -> None:
    name = normalise(text)
    if name is None:
        return
    assert name == normalise(name)
    assert unicodedata.normalize("NFKC", name) == name
    assert fold(name) == fold(unicodedata.normalize("NFC", text))


@given(st.text(max_size=40))
def test_ascii_in_a_name_was_ascii_in_the_claim(text: str) -> None:
    """Nothing outside ASCII ever turns into a letter that an administrator's name is written with."""
    name = normalise(text)
    if name is not None:
        assert sum(map(str.isascii, name)) <= sum(map(str.isascii, text))


@pytest.mark.parametrize(
    ("claim", "allowed", "name"),
    [
        ("O'Brien", True, "o'brien"),
        ("O'Brien", False, None),
        ("o\u2019brien", True, None),
        ("o\uff07brien", True, None),
        ("o'brien\"", True, None),
        ("o'<b>", True, None),
        ("'", True, None),
    ],
)
def test_an_apostrophe_passes_where_the_site_says_so_and_nothing_else_does(
    claim: str, allowed: bool, name: str | None
) -> None:
    assert name == normalise(claim, apostrophe=allowed)


@pytest.mark.parametrize("name", ["o'brien", "a;b", "<a>"])
def test_no_pattern_of_a_site_makes_an_account_of_an_unsafe_name(name: str) -> None:
    assert not may_be_created(name, UsernameMapping(pattern=".+", apostrophe=True))
