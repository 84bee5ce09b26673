"""Races on a store, for every kind of it: what each side does step by step, in every order in which the steps can come.

What instances do at once ends in one of the orders of their steps, because each step is one transaction; that a step
is one is what `test_sessions`, `test_spent` and `test_postgres` try with everything at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import combinations

import pytest

from sidecar.adapters.state.stores import State
from sidecar.domain.identity import Person
from sidecar.domain.ledger import Pin
from sidecar.domain.revocation import By, Name
from sidecar.domain.session import Session
from sidecar.flows.accounts import PinConflictError
from tests.adapters.state.samples import ANNA, a_session, at, next_of

Step = Callable[[], Awaitable[None]]
SID = Name(ANNA.issuer, By.SID, "s")


class Side:
    """What one instance remembers from step to step."""

    def __init__(self, state: State, key: str) -> None:
        self.state = state
        self.key = key
        self.read: Session | None = None
        self.said: list[object] = []

    async def get(self) -> None:
        found = await self.state.sessions.get(self.key)
        self.read = None if found is None else found[0]

    async def refresh(self) -> None:
        """Write what was read, with a new token."""
        if self.read is not None:
            self.said.append(await self.state.sessions.replace(next_of(self.read, refresh_token=f"by {id(self)}")))

    async def touch(self) -> None:
        await self.state.sessions.touch(self.key, at(50))

    async def end(self) -> None:
        self.said.append(await self.state.sessions.end(self.key))

    async def end_named(self) -> None:
        """As a revocation does: what is named is looked for, and ended."""
        for key in await self.state.sessions.named(SID):
            self.said.append(await self.state.sessions.end(key))

    async def mark(self) -> None:
        await self.state.markers.mark(self.key, at(10), at(600))

    async def open(self) -> None:
        await self.state.sessions.add(a_session(self.key, sid="s"))

    async def ask_marker(self) -> None:
        """As whoever opened a session does afterwards: what was revoked is taken back."""
        if await self.state.markers.marked_at(self.key, at(11)) is not None:
            _ = await self.state.sessions.end(self.key)

    async def sweep(self) -> None:
        for session in await self.state.sessions.sweep(at(90_000), 36_000):
            self.said.append(session)

    async def spend(self) -> None:
        self.said.append(await self.state.spent.spend(self.key, at(600)))


def orders(*sides: Sequence[Step]) -> Iterator[tuple[Step, ...]]:
    """All orders of the steps of all sides, each side's own order kept."""
    if len(sides) == 1:
        yield tuple(sides[0])
        return
    first, rest = sides[0], sides[1:]
    for other in orders(*rest):
        total = len(first) + len(other)
        for places in combinations(range(total), len(first)):
            ours, theirs = iter(first), iter(other)
            yield tuple(next(ours) if place in places else next(theirs) for place in range(total))


async def played(state: State, *plays: Sequence[str], begun: bool = True) -> list[tuple[str, list[Side]]]:
    """Each order on a session of its own: its key, and what the sides were said."""
    found = []
    count = len(list(orders(*[[_nothing] * len(play) for play in plays])))
    for number in range(count):
        key = f"k{number}"
        if begun:
            await state.sessions.add(a_session(key, sid="s"))
        sides = [Side(state, key) for _ in plays]
        steps = [[getattr(side, name) for name in play] for side, play in zip(sides, plays, strict=True)]
        for step in list(orders(*steps))[number]:
            await step()
        found.append((key, sides))
    return found


async def _nothing() -> None: ...


REFRESH = ("get", "refresh")


@pytest.mark.parametrize("ending", ["end", "end_named", "sweep"])
async def test_whatever_else_is_written_an_end_is_the_end(state: State, ending: str) -> None:
    for key, sides in await played(state, REFRESH, (ending,), ("touch",)):
        assert await state.sessions.get(key) is None
        assert key not in await state.sessions.named(SID)
        ended = [one for one in sides[1].said if one is not None and one.key == key]  # type: ignore[attr-defined]
        assert 1 == len(ended)


async def test_of_two_refreshes_one_wins_and_the_other_knows(state: State) -> None:
    for key, (one, other) in await played(state, REFRESH, REFRESH):
        found = await state.sessions.get(key)
        assert found is not None
        wins = [side for side in (one, other) if side.said == [True]]
        # One after the other both do; at once, exactly one.
        assert found[0].version == a_session().version + len(wins)
        assert found[0].refresh_token in {f"by {id(side)}" for side in wins}
        assert 1 <= len(wins)


async def test_an_end_is_given_to_one_of_those_who_end(state: State) -> None:
    for _, sides in await played(state, ("end",), ("end",), ("end_named",)):
        assert 1 == len([one for side in sides for one in side.said if one is not None])


async def test_a_sign_in_and_its_revocation_never_leave_a_session(state: State) -> None:
    # Who opens asks for markers afterwards; who revokes marks first and looks for sessions afterwards.
    for key, _ in await played(state, ("open", "ask_marker"), ("mark", "end_named"), begun=False):
        assert await state.sessions.get(key) is None


async def test_a_state_is_spent_by_one(state: State) -> None:
    for _, sides in await played(state, ("spend",), ("spend",), ("spend",), begun=False):
        assert [False, False, True] == sorted(answer for side in sides for answer in side.said)  # type: ignore[type-var]


async def test_an_account_is_pinned_to_one_person_and_given_back_to_none(state: State) -> None:
    _ = await state.ledger.init("jira", at(0))
    people = [Person("https://example.okta.com", name) for name in ("anna", "bert")]

    async def pin(person: Person, won: list[Person]) -> None:
        try:
            await state.ledger.pin(
                Pin(application="jira", username="x", spelling="x", person=person, created=True, at=at(0), key="K")
            )
            won.append(person)
        except PinConflictError:
            pass

    for first, second in (people, people[::-1]):
        won: list[Person] = []
        await pin(first, won)
        await pin(second, won)
        (kept,) = await state.ledger.pins("jira")
        assert ([first], first) == (won, kept.person)
        # Whoever unties ties nobody else's.
        await state.ledger.unpin("jira", "x")
        assert () == await state.ledger.pins("jira")


def test_all_orders_are_played() -> None:
    one, two = [_nothing] * 2, [_nothing] * 1
    assert 3 == len(list(orders(one, two)))
    assert 12 == len(list(orders(one, two, two)))
    assert 6 == len(list(orders(one, one)))
