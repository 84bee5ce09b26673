"""core.grant_records and core.holders: what is sealed comes back as it was, and what is something else is nothing."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.grant_records import Given, bound_to, given_from_bytes, given_to_bytes
from sidecar.core.grants import Client, Grant
from sidecar.core.holders import Holder, Lent, holder_from_plain, holder_of, holder_to_plain
from sidecar.core.revocations import names_of
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.session import Session

CLIENT = Client(issuer="https://gate/jira", client_id="lychgate", redirect_uri="https://jira/back")
texts = st.text(max_size=40)
names = st.text(min_size=1, max_size=40)
trees = st.recursive(st.none() | st.integers() | texts, st.lists)
seconds = st.integers(0, 2**40).map(UnixSeconds)
identities = st.builds(
    Identity,
    person=st.builds(Person, names, names),
    provider=texts,
    claims=st.fixed_dictionaries({}, optional={"email": texts}),
    groups=st.none(),
    sid=st.none() | texts,
    auth_time=st.none() | seconds,
    sub=st.none() | texts,
)
lent = st.builds(Lent, identity=identities, issued_at=seconds, ends_at=seconds)
holders = st.builds(Holder, application=texts, session=texts, lent=st.none() | lent)
grants = st.builds(
    Grant,
    client=st.just(CLIENT),
    nonce=texts,
    challenge=st.none() | texts,
    username=texts,
    subject=texts,
    auth_time=st.none() | seconds,
    name=texts,
    email=texts,
    holder=holders,
    ends_at=seconds,
)


@given(st.builds(Given, texts, grants))
def test_what_is_written_comes_back(given_: Given) -> None:
    assert given_ == given_from_bytes(given_to_bytes(given_), CLIENT)


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | texts, st.lists).map(lambda x: json.dumps(x).encode())
)
def test_what_is_something_else_is_nothing(data: bytes) -> None:
    assert None is given_from_bytes(data, CLIENT)


@given(st.builds(Given, texts, grants), st.integers(0, 9), st.none() | st.lists(st.integers(), max_size=2))
def test_a_field_of_another_kind_is_no_fault_of_ours(given_: Given, place: int, other: object) -> None:
    fields = json.loads(given_to_bytes(given_))
    fields[place] = other
    found = given_from_bytes(json.dumps(fields).encode(), CLIENT)
    assert found is None or place in {2, 5}


@given(identities, seconds)
def test_of_a_caller_what_a_revocation_may_name_goes_along(identity: Identity, at: UnixSeconds) -> None:
    session = Session(
        key="k", application="jira", portal="p", identity=replace(identity, acr="x", groups=("g",)), created_at=at,
        ends_at=UnixSeconds(at + 9), checked_at=at, form_token="", stored=False,
    )  # fmt: skip
    holder = holder_from_plain(json.loads(json.dumps(holder_to_plain(holder_of(session)))))
    assert holder.lent is not None
    assert (names_of(identity), identity.auth_time) == (names_of(holder.lent.identity), holder.lent.identity.auth_time)
    assert (at, at + 9) == (holder.lent.issued_at, holder.lent.ends_at)
    assert None is holder_of(replace(session, stored=True)).lent


def test_a_name_that_is_too_long_is_left_out() -> None:
    holder = Holder(application="jira", session="k")
    grant = Grant(
        client=CLIENT, nonce="n", challenge=None, username="ada", subject="s", auth_time=None, name="A" * 256,
        email="ada@example.com", holder=holder, ends_at=UnixSeconds(1),
    )  # fmt: skip
    found = given_from_bytes(given_to_bytes(Given("1", grant)), CLIENT)
    assert found is not None and ("", "ada@example.com") == (found.grant.name, found.grant.email)


def test_another_client_is_another_seal() -> None:
    others = [replace(CLIENT, **{name: "x"}) for name in ("issuer", "client_id", "redirect_uri", "authorize_at")]
    assert 5 == len({bound_to(one) for one in (CLIENT, *others)})
