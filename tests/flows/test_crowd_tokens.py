"""flows.crowd_tokens: a token stands for one session, username and application; ending looks at no token of others, and
whatever happens in whatever order nothing is listed that is not there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.domain.session import Session
from sidecar.flows import crowd_tokens
from sidecar.flows.crowd_tokens import Tokens
from tests.flows.fakes import CountingChance, FakeClock
from tests.flows.test_headless import _fields, _session

SESSIONS, WHO, WHERE = ("k", "l", "m"), ("ada", "Ada", "bob"), ("jira", "wiki")


async def _always(_session: Session) -> bool:
    return True


def _tokens() -> Tokens:
    return Tokens(_always, FakeClock(), CountingChance())


def _at(key: str, application: str) -> Session:
    """A session is one application's."""
    return Session(**{**_fields(_session(f"{key}-{application}")), "application": application})


@dataclass
class Watched:
    """A session that counts who looks at its key."""

    name: str
    looks: Counter[str]
    application: str = "jira"

    @property
    def key(self) -> str:
        self.looks[self.name] += 1
        return self.name


def test_ending_looks_at_nobody_elses_tokens() -> None:
    tokens, looks = _tokens(), Counter[str]()
    sessions = [Watched(f"s{number}", looks) for number in range(200)]
    for number, session in enumerate(sessions):
        tokens.issue(session, f"person{number}")  # type: ignore[arg-type]
    looks.clear()
    tokens.end(sessions[7])  # type: ignore[arg-type]
    assert {"s7"} == set(looks)
    looks.clear()
    assert [sessions[8]] == [given.session for given in tokens.of_user("jira", "PERSON8")]
    assert set() == set(looks) - {"s8"}


NODES = st.sampled_from(["", "a:1", "b:1"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("issue"), st.sampled_from(SESSIONS), st.sampled_from(WHO), st.sampled_from(WHERE), NODES),
        st.tuples(st.just("find"), st.integers(0, 30)),
        st.tuples(st.just("end"), st.sampled_from(SESSIONS), st.sampled_from(WHERE)),
    ),
    max_size=40,
)


@given(steps=STEPS, most=st.sampled_from([1, 2, 5, 1000]))
async def test_what_is_listed_is_what_is_there(steps: list[tuple[Any, ...]], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crowd_tokens, "REMEMBERED", most)
        tokens = _tokens()
    issued: list[tuple[str, Session, str, str]] = []
    there: set[str] = set()
    for what, *more in steps:
        if what == "issue":
            session = _at(more[0], more[2])
            there -= {
                token
                for token, its, who, node in issued
                if its.key == session.key and (who != more[1] or node == more[3])
            }
            issued.append((tokens.issue(session, more[1], more[3]), session, more[1], more[3]))
            there.add(issued[-1][0])
        elif what == "end":
            session = _at(*more)
            tokens.end(session)
            there -= {token for token, its, *_ in issued if its.key == session.key}
        elif issued:
            token, session, *_ = issued[more[0] % len(issued)]
            found = await tokens.find(session.application, token)
            assert found is None or token in there
        # The cache forgets what was used least; what it forgot is nowhere.
        there = {token for token, its, who, _ in issued if token in there and tokens.fits(token, its, who)}
        for application in WHERE:
            for name in WHO:
                named = tokens.of_user(application, name)
                wanted = [
                    (its.key, who)
                    for token, its, who, _ in issued
                    if token in there and its.application == application and who.lower() == name.lower()
                ]
                assert sorted(wanted) == sorted((given.session.key, given.username) for given in named)
    assert len(there) == len(tokens._given) <= most
    for session in {its.key: its for _, its, *_ in issued}.values():
        tokens.end(session)
    assert (0, {}, {}) == (len(tokens._given), tokens._given.by_session.known, tokens._given.by_user.known)


async def test_all_of_a_user_but_one_and_never_those_of_another_application() -> None:
    tokens = _tokens()
    kept, other = (tokens.issue(_at(key, "jira"), "ada") for key in ("k", "l"))
    elsewhere = tokens.issue(_at("k", "wiki"), "ada")
    (found,) = tokens.of_user("jira", "ADA", exclude=kept)
    assert "l-jira" == found.session.key
    tokens.end(found.session)
    assert None is await tokens.find("jira", other)
    assert None is not await tokens.find("wiki", elsewhere)
    # A token is the application's own: no other one learns whose it is.
    assert None is await tokens.find("jira", elsewhere)


async def test_a_token_is_of_one_session_and_one_username_and_dies_with_its_session_though_nobody_said_so() -> None:
    living = {"k-jira", "l-jira"}

    async def alive(session: Session) -> bool:
        return session.key in living

    tokens = Tokens(alive, FakeClock(), CountingChance())
    session, other = _at("k", "jira"), _at("l", "jira")
    token = tokens.issue(session, "ada")
    fits = [tokens.fits(token, *whose) for whose in ((session, "ada"), (session, "bob"), (other, "ada"))]
    assert [True, False, False] == fits
    assert None is not await tokens.find("jira", token)
    living.clear()
    assert None is await tokens.find("jira", token)
    # And nothing is left of it.
    living.add("k-jira")
    assert (None, ()) == (await tokens.find("jira", token), tokens.of_user("jira", "ada"))


async def test_a_token_that_is_replaced_while_its_session_is_asked_for_stands_for_nobody() -> None:
    async def alive(session: Session) -> bool:
        tokens.issue(session, "bob")
        return True

    tokens = Tokens(alive, FakeClock(), CountingChance())
    assert None is await tokens.find("jira", tokens.issue(_at("k", "jira"), "ada"))


async def test_another_username_takes_the_tokens_of_all_nodes_back_and_the_same_one_none_of_another_node() -> None:
    tokens, session = _tokens(), _at("k", "jira")
    first, second = tokens.issue(session, "ada", "a:1"), tokens.issue(session, "ada", "b:1")
    assert [True, True] == [tokens.fits(one, session, "ada") for one in (first, second)]
    third = tokens.issue(session, "bob", "b:1")
    assert [None, None] == [await tokens.find("jira", one) for one in (first, second)]
    assert tokens.fits(third, session, "bob")
