"""core.grants: what a product may ask of us, and when its code is good; anything else is refused."""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from dataclasses import replace
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.grants import (
    Asked,
    AskingFault,
    Client,
    Grant,
    Redemption,
    fits,
    id_token_claims,
    is_client,
    person_claims,
    read_asking,
    read_basic,
    read_redemption,
    subject_of,
)
from sidecar.core.holders import Holder
from sidecar.domain.identity import Person, UnixSeconds

NOW = UnixSeconds(1_800_000_000)
CLIENT = Client(
    issuer="https://gate.example:9091/jira",
    client_id="lychgate",
    redirect_uri="https://jira.example/plugins/servlet/oidc/callback",
)
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
GRANT = Grant(
    client=CLIENT, nonce="n", challenge=None, username="ada", subject="s", auth_time=UnixSeconds(NOW - 9),
    name="Ada", email="", holder=Holder(application="jira", session="k"), ends_at=UnixSeconds(NOW + 60),
)  # fmt: skip
REDEMPTION = Redemption("c", CLIENT.redirect_uri, None)


def location(place: str = CLIENT.authorization_endpoint, **changes: str | None) -> str:
    asked: dict[str, str | None] = {
        "response_type": "code", "scope": "openid", "client_id": "lychgate", "redirect_uri": CLIENT.redirect_uri,
        "state": "s", "nonce": "n", **changes,
    }  # fmt: skip
    return f"{place}?{urlencode({name: value for name, value in asked.items() if value is not None})}"


def read(where: str) -> Asked:
    return read_asking(where, CLIENT, NOW, UnixSeconds(NOW - 100))


@pytest.mark.parametrize(
    ("where", "challenge"),
    [
        (location(), None),
        (location(scope="openid profile", login_hint="x", ui_locales="de"), None),
        (location(response_mode="query", prompt="none", max_age="100"), None),
        (location(code_challenge=CHALLENGE, code_challenge_method="S256"), CHALLENGE),
    ],
)
def test_what_a_product_asks_is_read(where: str, challenge: str | None) -> None:
    assert Asked(state="s", nonce="n", challenge=challenge) == read(where)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (location("https://gate.example:9091/wiki/authorize"), "another provider"),
        (location("https://gate.example/jira/authorize"), "another provider"),
        (location("http://gate.example:9091/jira/authorize"), "another provider"),
        (location("https://gate.example:9091/jira/authorize/"), "another provider"),
        (location("https://evil@gate.example:9091/jira/authorize"), "another provider"),
        (location() + "#x", "another provider"),
        ("/login.jsp", "another provider"),
        ("", "another provider"),
        (location(client_id="other"), "another client"),
        (location(client_id=None), "another client"),
        (location(redirect_uri=CLIENT.redirect_uri + "/"), "base URL"),
        (location(redirect_uri="https://evil.example/plugins/servlet/oidc/callback"), "base URL"),
        (location(response_type="code id_token"), "something else"),
        (location(response_type="token"), "something else"),
        (location(response_mode="form_post"), "something else"),
        (location(request="x"), "request object"),
        (location(request_uri="https://x"), "request object"),
        (location(scope="profile"), "scope openid"),
        (location(scope=None), "scope openid"),
        (location(state=""), "no state"),
        (location(nonce=None), "no state or no nonce"),
        (location(prompt="login"), "asked again"),
        (location(prompt="consent login"), "asked again"),
        (location(max_age="99"), "younger"),
        (location(max_age="-1"), "no number"),
        (location(max_age="9" * 30), "no number"),
        (location(max_age="²"), "no number"),
        (location(code_challenge=VERIFIER, code_challenge_method="plain"), "not S256"),
        (location(code_challenge=CHALLENGE), "not S256"),
        (location(code_challenge_method="S256"), "not S256"),
        (location(code_challenge="short", code_challenge_method="S256"), "not S256"),
        (location() + "&state=s", "twice"),
        (location() + "&nonce=n", "twice"),
        (location() + "&prompt=none&prompt=none", "twice"),
        (location() + "&a=%ff", "cannot be read"),
        (location() + "&a=b" * 40, "cannot be read"),
    ],
)
def test_anything_else_is_not_answered(where: str, words: str) -> None:
    with pytest.raises(AskingFault, match=words):
        read(where)


def test_an_age_cannot_be_proven_where_the_provider_does_not_say_it() -> None:
    with pytest.raises(AskingFault, match="younger"):
        read_asking(location(max_age="100000"), CLIENT, NOW, None)


def basic(name: str, secret: str) -> str:
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


@given(st.text(), st.text())
def test_credentials_come_out_as_the_product_put_them_in(name: str, secret: str) -> None:
    try:
        field = basic(name, secret)
    except UnicodeEncodeError:
        return
    assert (name, secret) == read_basic([field])
    assert is_client((name, secret), name, secret)


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Bearer x"],
        ["Basic"],
        ["Basic !!"],
        ["Basic " + b64encode(b"no colon").decode()],
        ["Basic " + b64encode(b"\xff:\xff").decode()],
        ["Basic " + b64encode(b"a:%ff").decode()],
        [basic("a", "b"), basic("a", "b")],
        ["Basic ä"],
    ],
)
def test_credentials_that_cannot_be_read_are_none(fields: list[str]) -> None:
    assert read_basic(fields) is None
    assert not is_client(read_basic(fields), "a", "b")
    assert not is_client(None, "", "x")


@pytest.mark.parametrize(("name", "secret"), [("a", "c"), ("b", "b"), ("", "b"), ("a", ""), ("A", "b")])
def test_other_credentials_are_nobodys(name: str, secret: str) -> None:
    assert not is_client((name, secret), "a", "b")


def form(**changes: str | None) -> str:
    given = {"grant_type": "authorization_code", "code": "c", "redirect_uri": CLIENT.redirect_uri, **changes}
    return urlencode({name: value for name, value in given.items() if value is not None})


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (form(), REDEMPTION),
        (form(client_id="lychgate", more="x"), REDEMPTION),
        (form(code_verifier=VERIFIER), replace(REDEMPTION, verifier=VERIFIER)),
        (form(client_id="other"), "invalid_client"),
        (form(client_secret="s"), "invalid_client"),
        (form(code=None), "invalid_request"),
        (form(code=""), "invalid_request"),
        (form(redirect_uri=None), "invalid_request"),
        (form(grant_type=None), "invalid_request"),
        (form(grant_type="password"), "unsupported_grant_type"),
        (form(grant_type="refresh_token"), "unsupported_grant_type"),
        (form() + "&code=c", "invalid_request"),
        (form() + "&x=%ff", "invalid_request"),
        ("", "invalid_request"),
    ],
)
def test_a_token_request_is_read_or_named_for_its_fault(body: str, found: object) -> None:
    assert found == read_redemption(body, "lychgate")


@pytest.mark.parametrize(
    ("grant", "client", "redemption", "now", "good"),
    [
        (GRANT, CLIENT, REDEMPTION, NOW, True),
        (GRANT, CLIENT, REDEMPTION, NOW + 59, True),
        (GRANT, CLIENT, REDEMPTION, NOW + 60, False),
        (GRANT, replace(CLIENT, client_id="wiki"), REDEMPTION, NOW, False),
        (GRANT, replace(CLIENT, issuer="https://gate.example:9091/wiki"), REDEMPTION, NOW, False),
        (GRANT, CLIENT, replace(REDEMPTION, redirect_uri="https://jira.example/"), NOW, False),
        (GRANT, CLIENT, replace(REDEMPTION, verifier=VERIFIER), NOW, False),
        (replace(GRANT, challenge=CHALLENGE), CLIENT, replace(REDEMPTION, verifier=VERIFIER), NOW, True),
        (replace(GRANT, challenge=CHALLENGE), CLIENT, REDEMPTION, NOW, False),
        (replace(GRANT, challenge=CHALLENGE), CLIENT, replace(REDEMPTION, verifier="w" * 43), NOW, False),
        (replace(GRANT, challenge=CHALLENGE), CLIENT, replace(REDEMPTION, verifier="v" * 42), NOW, False),
        (replace(GRANT, challenge=CHALLENGE), CLIENT, replace(REDEMPTION, verifier="ü" * 43), NOW, False),
        (replace(GRANT, challenge=VERIFIER), CLIENT, replace(REDEMPTION, verifier=VERIFIER), NOW, False),
    ],
)
def test_a_code_is_bound_to_client_address_time_and_challenge(
    grant: Grant, client: Client, redemption: Redemption, now: int, good: bool
) -> None:
    assert good == fits(grant, client, redemption, UnixSeconds(now))


def test_an_id_token_says_all_that_the_product_reads_and_ends_soon() -> None:
    assert {
        "iss": CLIENT.issuer, "aud": "lychgate", "sub": "s", "nonce": "n", "iat": NOW, "exp": NOW + 120,
        "auth_time": NOW - 9, "preferred_username": "ada", "name": "Ada",
    } == id_token_claims(GRANT, NOW)  # fmt: skip
    assert {"sub": "s", "preferred_username": "ada", "name": "Ada"} == person_claims(GRANT)


def test_a_subject_is_one_persons_at_one_application_and_the_same_for_ever() -> None:
    person = Person("https://id.example", "7")
    assert "c97175697a83f12b428415747ef55f02c7eb2192" == subject_of("jira", person)
    others = (
        ("wiki", person),
        ("jira", Person("https://id.example", "8")),
        ("jira", Person("https://id.exampl", "e7")),
    )
    assert 4 == len({subject_of("jira", person), *(subject_of(*other) for other in others)})


@given(st.text(max_size=200))
def test_no_text_makes_the_readers_fall(text: str) -> None:
    read_redemption(text, "x")
    assert read_basic([text]) is None or text.lower().startswith("basic ")
    with pytest.raises(AskingFault):
        read(CLIENT.authorization_endpoint + "?" + text)
