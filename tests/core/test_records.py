"""core.records: every session comes back from its bytes as it was, and no bytes whatever raise an exception."""

from __future__ import annotations

import json
import random
import zlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.core.records import MAX_TEXT, session_from_bytes, session_to_bytes
from sidecar.domain.identity import Claim, Identity, Person, UnixSeconds
from sidecar.domain.session import SCHEMA, Session, Walk

TEAMS = ("payments", "billing", "search", "mobile", "platform", "data", "security", "network", "identity", "fraud")
ROLES = ("developers", "reviewers", "admins", "users", "leads", "readers", "oncall", "managers", "testers", "guests")
GROUPS = tuple(sorted(f"okta-{app}-{team}-{role}" for app, team, role in product(("jira", "wiki"), TEAMS, ROLES))[:200])

texts = st.text(max_size=30)
names = st.text(min_size=1, max_size=30)
seconds = st.integers(min_value=0, max_value=2**40).map(UnixSeconds)
claims: st.SearchStrategy[Claim] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
tokens = st.none() | texts | st.lists(texts, min_size=3, max_size=3).map(".".join)
identities = st.builds(
    Identity,
    person=st.builds(Person, names, names),
    provider=texts,
    claims=st.dictionaries(texts, claims, max_size=4),
    groups=st.none() | st.lists(texts, unique=True, max_size=5).map(lambda found: tuple(sorted(found))),
    sid=st.none() | texts,
    auth_time=st.none() | seconds,
    acr=st.none() | texts,
)
jars = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
walks = st.builds(
    Walk,
    tries=st.lists(seconds, min_size=1, max_size=6).map(tuple),
    username=texts,
    node=texts,
    back_to=texts,
    over=st.booleans(),
    started=st.booleans(),
    again=st.booleans(),
    jar=jars,
    question=st.none() | texts,
    code=texts,
    state=texts,
)
sessions = st.builds(
    Session,
    key=texts,
    application=texts,
    portal=texts,
    identity=identities,
    created_at=seconds,
    ends_at=seconds,
    checked_at=seconds,
    form_token=texts,
    refresh_token=tokens,
    id_token=tokens,
    jars=st.dictionaries(texts, jars, max_size=2),
    walk=st.none() | walks,
    version=st.integers(min_value=1),
)


def jwt(payload: object, signature: bytes) -> str:
    parts = (b'{"alg":"RS256","kid":"a-key"}', json.dumps(payload, separators=(",", ":")).encode(), signature)
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def a_large_session() -> Session:
    """200 groups, a random refresh token of 1500 characters, an ID token of 2048 signature bits with all groups."""
    chance = random.Random(7)  # noqa: S311 - sample data
    profile = {"preferred_username": "anna.larsen@example.com", "name": "Anna Larsen", "email": "anna@example.com"}
    id_token = jwt(profile | {"groups": GROUPS, "sub": "00u1a2b3c4D5E6F7"}, chance.randbytes(256))
    return Session(
        key=chance.randbytes(32).hex(),
        application="jira",
        portal="agents",
        identity=Identity(
            person=Person("https://example.okta.com", "00u1a2b3c4D5E6F7"),
            provider="okta",
            claims=profile,
            groups=GROUPS,
            sid="102kMwLc1uYRCSvqGWuB3nXFg",
        ),
        created_at=UnixSeconds(1_700_000_000),
        ends_at=UnixSeconds(1_700_086_400),
        checked_at=UnixSeconds(1_700_000_000),
        form_token=urlsafe_b64encode(chance.randbytes(32)).decode(),
        refresh_token=urlsafe_b64encode(chance.randbytes(1125)).decode(),
        id_token=id_token,
        jars={"": (("JSESSIONID", chance.randbytes(16).hex().upper()), ("atlassian.xsrf.token", "BQ4P-1LK2"))},
    )


@given(sessions)
@settings(max_examples=150, deadline=None)
def test_every_session_comes_back_as_it_was(session: Session) -> None:
    assert session_from_bytes(session_to_bytes(session)) == session


@given(sessions)
@settings(max_examples=50, deadline=None)
def test_what_came_back_can_be_written_again(session: Session) -> None:
    once = session_from_bytes(session_to_bytes(session))
    assert once is not None
    assert session_to_bytes(once) == session_to_bytes(session)


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_no_exception(data: bytes) -> None:
    schema = SCHEMA.to_bytes(2, "big")
    for record in (data, schema + data, schema + zlib.compress(data)):
        assert session_from_bytes(record) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(json_values)
@settings(deadline=None)
def test_any_well_formed_text_is_no_exception(body: object) -> None:
    assert session_from_bytes(record_of(body)) is None


@given(st.sampled_from(sorted(json.loads(zlib.decompress(session_to_bytes(a_large_session())[2:])))), json_values)
@settings(max_examples=300, deadline=None)
def test_any_value_in_any_field_is_a_session_or_none(field: str, value: object) -> None:
    body = json.loads(zlib.decompress(session_to_bytes(a_large_session())[2:]))
    assert isinstance(session_from_bytes(record_of(body | {field: value})), Session | None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", "1"),
        ("ends_at", True),
        ("checked_at", 1.5),
        ("version", None),
        ("key", 5),
        ("issuer", ""),
        ("subject", None),
        ("claims", []),
        ("groups", "jira-admins"),
        ("groups", ["jira-admins", 1]),
        ("groups", {"jira-admins": 1}),
        ("jars", {"": [["JSESSIONID"]]}),
        ("jars", {"": [["JSESSIONID", None]]}),
        ("id_token", ["a", "b"]),
        ("refresh_token", 7),
        ("source", None),
    ],
)
def test_a_value_of_the_wrong_kind_is_no_session(field: str, value: object) -> None:
    body = json.loads(zlib.decompress(session_to_bytes(a_large_session())[2:]))
    assert session_from_bytes(record_of(body)) is not None
    assert session_from_bytes(record_of(body | {field: value})) is None


def test_a_missing_field_is_no_session() -> None:
    body = json.loads(zlib.decompress(session_to_bytes(a_large_session())[2:]))
    # Those came later: records from before have none.
    for field in body.keys() - {"sub", "source", "walk"}:
        assert session_from_bytes(record_of({name: value for name, value in body.items() if name != field})) is None


def test_a_record_from_before_the_other_name_of_a_person_is_read() -> None:
    session = a_large_session()
    body = json.loads(zlib.decompress(session_to_bytes(session)[2:]))
    del body["sub"], body["source"]
    assert session == session_from_bytes(record_of(body))


def record_of(body: object) -> bytes:
    return SCHEMA.to_bytes(2, "big") + zlib.compress(json.dumps(body).encode())


def test_the_schema_number_stands_first() -> None:
    assert session_to_bytes(a_large_session())[:2] == b"\x00\x01"


@pytest.mark.parametrize("schema", [0, SCHEMA + 1, 65535])
def test_another_schema_is_no_session(schema: int) -> None:
    data = session_to_bytes(a_large_session())
    assert session_from_bytes(schema.to_bytes(2, "big") + data[2:]) is None


def test_a_record_that_was_cut_or_lengthened_is_no_session() -> None:
    data = session_to_bytes(a_large_session())
    for end in range(0, len(data), 97):
        assert session_from_bytes(data[:end]) is None
    assert session_from_bytes(data + b"\x00") is None


def test_a_small_record_that_would_unpack_to_a_huge_one_is_no_session() -> None:
    body = json.loads(zlib.decompress(session_to_bytes(a_large_session())[2:]))
    assert session_from_bytes(record_of(body | {"form_token": "x" * (MAX_TEXT // 2)})) is not None
    assert session_from_bytes(record_of(body | {"form_token": "x" * MAX_TEXT})) is None


def test_deep_nesting_is_no_exception() -> None:
    text = b"[" * 100_000 + b"]" * 100_000
    assert session_from_bytes(SCHEMA.to_bytes(2, "big") + zlib.compress(text)) is None


def test_what_could_not_be_read_is_not_written() -> None:
    with pytest.raises(ValueError, match="larger than"):
        session_to_bytes(replace(a_large_session(), form_token="x" * MAX_TEXT))


def test_claims_and_jars_come_back_immutable() -> None:
    session = a_large_session()
    with_lists = replace(session, identity=replace(session.identity, claims={"roles": ("a", ("b",)), "at": {"x": 1}}))
    read = session_from_bytes(session_to_bytes(with_lists))
    assert read is not None
    assert read.identity.claims["roles"] == ("a", ("b",))
    for mapping in (read.identity.claims, read.identity.claims["at"], read.jars):
        assert isinstance(mapping, Mapping)
        assert not hasattr(mapping, "__setitem__")


def test_unknown_groups_stay_unknown_and_empty_ones_empty() -> None:
    for groups in (None, ()):
        session = replace(a_large_session(), identity=replace(a_large_session().identity, groups=groups))
        read = session_from_bytes(session_to_bytes(session))
        assert read is not None
        assert read.identity.groups == groups


def test_two_sessions_share_the_names_of_their_groups_in_memory() -> None:
    one, two = (session_from_bytes(session_to_bytes(a_large_session())) for _ in range(2))
    assert one is not None and one.identity.groups is not None
    assert two is not None and two.identity.groups is not None
    assert all(left is right for left, right in zip(one.identity.groups, two.identity.groups, strict=True))


@pytest.mark.parametrize(
    "token", ["a.b.c", "e30.e30.c2ln", "e30=.e30.c2ln", "e31.e30.c2ln", "e3 0.e30.x", "..", "\xff.é.x"]
)
def test_a_token_comes_back_to_the_letter(token: str) -> None:
    session = replace(a_large_session(), id_token=token, refresh_token=token)
    assert session_from_bytes(session_to_bytes(session)) == session


def test_a_large_session_takes_less_than_four_kibibytes() -> None:
    session = a_large_session()
    assert len(GROUPS) == 200
    assert len(session.refresh_token or "") == 1500
    # 164 bytes remain for the seal, the key and the columns that are searched.
    assert len(session_to_bytes(session)) < 4096 - 37 - 164
