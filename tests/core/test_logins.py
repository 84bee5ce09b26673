"""core.logins: a callback fits its attempt or is refused, whatever stands in the query; attempts stay few and small."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sidecar.core.logins import (
    ATTEMPT_LIFE,
    LOOP_BOUND,
    LOOP_WINDOW,
    MAX_ATTEMPT_BYTES,
    MAX_ATTEMPTS,
    SKEW,
    Attempt,
    Callback,
    attempt_from_bytes,
    attempt_name,
    attempt_to_bytes,
    circles_of,
    finished_from_bytes,
    finished_to_bytes,
    is_attempt_name,
    judge_attempt,
    read_callback,
    too_many,
)
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.reason import Reason

ATTEMPT = Attempt(
    application="jira",
    portal="agents",
    provider="staff",
    state="s" * 22,
    nonce="n" * 22,
    verifier="v" * 43,
    back_to="/browse/ABC-1?x=%20y",
    began=UnixSeconds(1000),
)
CALLBACK = Callback(state="s" * 22, code="c", issuer="https://staff.example", error=None, description="")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
seconds = st.integers(min_value=0, max_value=2**40).map(UnixSeconds)
attempts = st.builds(
    Attempt,
    application=texts,
    portal=texts,
    provider=texts,
    state=texts,
    nonce=texts,
    verifier=texts,
    back_to=texts,
    began=seconds,
    silent=st.booleans(),
    max_age=st.none() | st.integers(min_value=0, max_value=10**6),
    circles=st.integers(min_value=0, max_value=100),
)
names = st.sampled_from(["state", "code", "iss", "error", "response", "session_state", "hd", ""])
queries = st.lists(st.tuples(names, texts), max_size=6).map(urlencode)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code=c&state=s", Callback(state="s", code="c", issuer=None, error=None, description="")),
        ("state=s&code=c&iss=i&hd=x", Callback(state="s", code="c", issuer="i", error=None, description="")),
        (
            "state=s&error=access_denied&error_description=no%20way",
            Callback(state="s", code=None, issuer=None, error="access_denied", description="no way"),
        ),
        ("state=s&code=c&error=", Callback(state="s", code="c", issuer=None, error=None, description="")),
        ("code=a%2Bb+c&state=%C3%A9", Callback(state="é", code="a+b c", issuer=None, error=None, description="")),
        ("", None),
        ("code=c", None),
        ("state=s", None),
        ("state=&code=c", None),
        ("state=s&code=", None),
        ("state=s&code=c&error=e", None),
        ("state=s&code=c&state=s", None),
        ("state=s&code=c&code=d", None),
        ("state=s&code=c&%63ode=d", None),
        ("state=s&code=c&iss=i&iss=i", None),
        ("state=s&error=a&error=b", None),
        ("state=s&code=c&response=a&response=b", None),
        ("state=s&code=c&" + "&".join(f"x{n}=1" for n in range(19)), None),
        ("state=s&code=%FF", None),
        ("state=s\udcff&code=c", None),
        ("state=é&code=c", None),
    ],
)
def test_a_callback_is_read_or_refused(query: str, expected: Callback | None) -> None:
    assert expected == read_callback(query)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200) | queries)
@example("state=\ud800&code=x")
@example("%" * 50)
def test_any_query_gives_a_callback_or_none_and_a_usable_name(query: str) -> None:
    callback = read_callback(query)
    if callback is not None:
        assert callback.state
        assert bool(callback.code) != bool(callback.error)
        assert is_attempt_name(attempt_name(callback.state))
        assert judge_attempt(ATTEMPT, callback, "jira", "staff", UnixSeconds(1000)) is Reason.STATE_MISSING


@settings(max_examples=200, deadline=None)
@given(attempts)
def test_an_attempt_comes_back_from_its_bytes_as_it_was(attempt: Attempt) -> None:
    assert attempt == attempt_from_bytes(attempt_to_bytes(attempt))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='[]{},"0a:ntrue.e-', max_size=60).map(str.encode))
@example(b"[" * 100_000)
@example(b"[1,2]")
@example(b'["jira"]')
@example(b"9" * 5000)
def test_any_bytes_give_an_attempt_or_none(data: bytes) -> None:
    attempt = attempt_from_bytes(data)
    assert attempt is None or attempt == attempt_from_bytes(attempt_to_bytes(attempt))
    finished = finished_from_bytes(data)
    assert finished is None or finished == finished_from_bytes(finished_to_bytes(UnixSeconds(finished[0]), finished[1]))


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, 1), (3, None), (7, "x"), (7, True), (7, 1.5), (8, 1), (8, "no"), (9, "3"), (10, None), (10, False)],
)
def test_an_attempt_with_a_field_of_another_kind_is_none(place: int, value: object) -> None:
    fields = json.loads(attempt_to_bytes(ATTEMPT))
    fields[place] = value
    assert attempt_from_bytes(json.dumps(fields).encode()) is None
    assert attempt_from_bytes(json.dumps([*fields, 1]).encode()) is None


def test_the_last_finished_sign_in_comes_back_as_it_was() -> None:
    assert finished_from_bytes(finished_to_bytes(UnixSeconds(5), 2)) == (5, 2)
    assert finished_from_bytes(b"[true,2]") is None
    assert finished_from_bytes(b"[1]") is None


@pytest.mark.parametrize(
    ("changes", "application", "provider", "age", "expected"),
    [
        ({}, "jira", "staff", 0, Reason.OK),
        ({}, "jira", "staff", ATTEMPT_LIFE, Reason.OK),
        ({}, "jira", "staff", -SKEW, Reason.OK),
        ({}, "jira", "staff", ATTEMPT_LIFE + 1, Reason.STATE_EXPIRED),
        ({}, "jira", "staff", -SKEW - 1, Reason.STATE_EXPIRED),
        ({"state": "t" * 22}, "jira", "staff", 0, Reason.STATE_MISSING),
        ({"state": "é"}, "jira", "staff", 0, Reason.STATE_MISSING),
        ({}, "wiki", "staff", 0, Reason.ISSUER_MISMATCH),
        ({}, "jira", "customers", 0, Reason.ISSUER_MISMATCH),
        ({"state": "t" * 22}, "wiki", "customers", 9999, Reason.STATE_MISSING),
    ],
)
def test_an_attempt_is_judged(
    changes: dict[str, str], application: str, provider: str, age: int, expected: Reason
) -> None:
    callback = replace(CALLBACK, **changes)
    assert expected is judge_attempt(ATTEMPT, callback, application, provider, UnixSeconds(1000 + age))


@pytest.mark.parametrize(
    ("finished", "circles", "now", "expected"),
    [
        (None, 0, 1000, 0),
        (None, 2, 1000, 0),
        (1000, 0, 1000, 1),
        (1000, 2, 1000 + LOOP_WINDOW, 3),
        (1000, 2, 1000 + LOOP_WINDOW + 1, 0),
        (1000, 2, 999, 0),
    ],
)
def test_circles_are_counted(finished: int | None, circles: int, now: int, expected: int) -> None:
    assert expected == circles_of(finished, circles, UnixSeconds(now))


def test_a_circle_is_broken_at_the_fourth_sign_in() -> None:
    now, finished, circles, begun = 1000, None, 0, 0
    for _ in range(10):
        circles = circles_of(finished, circles, UnixSeconds(now))
        if circles >= LOOP_BOUND:
            break
        begun += 1
        now = finished = now + 1
    assert begun == 3


def test_attempt_names_are_told_from_other_cookies() -> None:
    assert is_attempt_name(attempt_name("state"))
    assert not any(map(is_attempt_name, ("loop", "try", "", "0123456789a", "0123456789abc", "0123456789aB", "é" * 12)))


sizes = st.lists(
    st.tuples(seconds, st.text(alphabet="0123456789abcdef", min_size=12, max_size=12), st.integers(50, 4000)),
    unique_by=lambda size: size[1],
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(sizes, st.integers(50, MAX_ATTEMPT_BYTES))
def test_the_newest_attempts_stay_and_fit_together_with_the_coming_one(
    carried: list[tuple[UnixSeconds, str, int]], coming: int
) -> None:
    dropped = set(too_many(carried, coming))
    kept = [size for size in carried if size[1] not in dropped]
    gone = [size for size in carried if size[1] in dropped]
    assert len(kept) < MAX_ATTEMPTS
    assert sum(size for _, _, size in kept) + coming <= MAX_ATTEMPT_BYTES
    assert all(old <= young for old in gone for young in kept)
    if gone:
        # No more than needed: the newest of the dropped would not have fitted.
        newest = max(gone)
        assert len(kept) + 1 >= MAX_ATTEMPTS or sum(s for _, _, s in kept) + newest[2] + coming > MAX_ATTEMPT_BYTES


def test_never_more_than_so_many_however_small() -> None:
    carried = [(UnixSeconds(n), f"{n:012x}", 50) for n in range(30)]
    assert len(carried) - len(too_many(carried, 50)) == MAX_ATTEMPTS - 1


def test_ten_ordinary_attempts_fit() -> None:
    assert too_many([(UnixSeconds(n), f"{n:012x}", 350) for n in range(9)], 350) == ()
