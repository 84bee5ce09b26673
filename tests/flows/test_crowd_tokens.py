"""flows.crowd_tokens and flows.crowd_ends: a token stands for one session, username and application at every gate, as
long as the session is alive; and nothing is kept of one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.ledger import Pin
from sidecar.domain.session import Jar, Session, jars_after, seat_of
from sidecar.flows.crowd_ends import CrowdEnds
from sidecar.flows.crowd_tokens import COOKIE, SKEW, Tokens
from tests.flows.fake_holders import WhoVouches, tokens_on
from tests.flows.fakes import CountingChance, FakeClock, MemoryMarkers, MemorySessionStore
from tests.flows.test_headless import _session

OLD, NEW = b"o" * 32, b"n" * 32


@dataclass
class Gates:
    """Two of them on one state, in the middle of a change of keys."""

    clock: FakeClock = field(default_factory=FakeClock)
    vouches: WhoVouches = field(default_factory=WhoVouches)
    markers: MemoryMarkers = field(default_factory=MemoryMarkers)

    def __post_init__(self) -> None:
        chance = CountingChance()
        self.tokens: list[Tokens] = [
            tokens_on(self.vouches, self.markers, self.clock, chance, *keys) for keys in ((OLD, NEW), (NEW, OLD))
        ]

    def session(self, key: str, application: str = "jira") -> Session:
        """A session is one application's."""
        made = replace(_session(f"{key}-{application}"), application=application)
        return self.vouches.kept.setdefault(made.key, made)

    def caller(self, key: str) -> Session:
        now = UnixSeconds(self.clock.time)
        return replace(_session(key), stored=False, created_at=now, checked_at=now, ends_at=UnixSeconds(now + 3600))

    def land(self, gate: int, key: str, username: str, node: str = "") -> str:
        """As the landing does: made, and put into the jar."""
        session = self.session(key)
        token = self.tokens[gate].issue(session, username)
        jar: Jar = ((COOKIE, token),)
        jars = jars_after(session.jars, seat_of(node, username), jar)
        self.vouches.kept[session.key] = replace(session, jars=jars)
        return token

    async def whose(self, token: str, application: str = "jira") -> list[str | None]:
        """As whom it counts at each gate."""
        found = [await tokens.find(application, token) for tokens in self.tokens]
        return [one.username if one is not None else None for one in found]


async def test_a_token_of_one_gate_is_good_at_both_and_dies_with_its_session_though_nobody_said_so() -> None:
    gates = Gates()
    for gate in (0, 1):
        token = gates.land(gate, f"k{gate}", "ada")
        assert ["ada", "ada"] == await gates.whose(token)
        del gates.vouches.kept[f"k{gate}-jira"]
        assert [None, None] == await gates.whose(token)


async def test_a_token_is_of_one_session_one_username_and_one_application() -> None:
    gates = Gates()
    token, session, other = gates.land(0, "k", "ada"), gates.session("k"), gates.session("l")
    fits = [gates.tokens[1].fits(token, *whose) for whose in ((session, "ada"), (session, "bob"), (other, "ada"))]
    assert [True, False, False] == fits
    assert [None, None] == await gates.whose(token, "wiki")
    elsewhere = gates.tokens[0].issue(gates.session("k", "wiki"), "ada")
    assert [None, None] == await gates.whose(elsewhere) and ["ada", "ada"] == await gates.whose(elsewhere, "wiki")
    for forged in ("", "x", token[:-1], token + "A", "." + token[1:]):
        assert [None, None] == await gates.whose(forged)


async def test_before_its_cookie_is_written_a_token_is_good_at_the_other_gate_already() -> None:
    gates = Gates()
    assert ["ada", "ada"] == await gates.whose(gates.tokens[0].issue(gates.session("k"), "ada"))


async def test_another_username_takes_the_tokens_of_all_nodes_back_and_the_same_one_none_of_another_node() -> None:
    gates = Gates()
    first, second = gates.land(0, "k", "ada", "a:1"), gates.land(1, "k", "ada", "b:1")
    assert [["ada"] * 2] * 2 == [await gates.whose(one) for one in (first, second)]
    third = gates.land(0, "k", "bob", "b:1")
    assert [[None] * 2] * 2 == [await gates.whose(one) for one in (first, second)]
    assert ["bob", "bob"] == await gates.whose(third)
    assert not gates.tokens[1].fits(first, gates.session("k"), "ada")
    # And back, at the other gate, whose clock has not moved.
    fourth = gates.land(1, "k", "ada", "a:1")
    assert [None, None] == await gates.whose(third) and ["ada", "ada"] == await gates.whose(fourth)


async def test_a_callers_token_lives_as_long_as_its_access_token_is_believed_and_is_ended_by_a_mark() -> None:
    gates = Gates()
    caller = gates.caller("c")
    token = gates.tokens[0].issue(caller, "ada")
    assert ["ada", "ada"] == await gates.whose(token)
    gates.vouches.revoked.add("c")
    assert [None, None] == await gates.whose(token)
    gates.vouches.revoked.clear()
    gates.clock.time += 900
    assert [None, None] == await gates.whose(token) and not gates.tokens[0].fits(token, caller, "ada")
    caller = gates.caller("c")
    first, second = (gates.tokens[0].issue(caller, "ada") for _ in range(2))
    found = await gates.tokens[1].find("jira", first)
    assert found is not None
    await gates.tokens[1].end(found.token)
    assert [None, None] == await gates.whose(first) and ["ada", "ada"] == await gates.whose(second)
    seated = replace(caller, jars={seat_of("", "ada"): ((COOKIE, second),)})
    await gates.tokens[0].take_back(seated, "ada")
    assert ["ada", "ada"] == await gates.whose(second)
    await gates.tokens[0].take_back(seated, "bob")
    assert [None, None] == await gates.whose(second)


async def test_a_recheck_that_became_shorter_counts_for_the_tokens_of_before() -> None:
    gates = Gates()
    token = gates.tokens[0].issue(gates.caller("c"), "ada")
    gates.vouches.recheck = 60
    await gates.tokens[1].end_lent("jira", "ada")
    # So long is the end of the user's tokens remembered.
    gates.clock.time += 60 + SKEW + 1
    assert [None, None] == await gates.whose(token)


def _pin(person: Person) -> Pin:
    return Pin(application="jira", username="ada", spelling="ada", person=person, created=True, at=UnixSeconds(0))


async def test_a_decoy_stands_for_nobody_and_whichever_gate_is_asked_about_it_notices() -> None:
    gates = Gates()
    for asked in (0, 1):
        decoy = gates.tokens[0].decoy()
        assert not await gates.tokens[0].was_asked(decoy)
        assert None is await gates.tokens[asked].find("jira", decoy.token)
        assert await gates.tokens[0].was_asked(decoy)


class Ending:
    """`flows.sessions.Sessions`, as far as an end needs it."""

    def __init__(self, store: MemorySessionStore) -> None:
        self.store = store
        self.causes: list[str] = []

    async def end(self, key: str, cause: str) -> Session | None:
        self.causes.append(cause)
        return await self.store.end(key)


async def test_all_of_a_user_end_but_one_wherever_they_were_made_and_never_those_of_another_application() -> None:
    gates, store = Gates(), MemorySessionStore()
    ada = Identity(person=Person("https://id", "ada"), provider="okta", claims={}, groups=())
    for key, application in (("k", "jira"), ("l", "jira"), ("k", "wiki")):
        session = replace(gates.session(key, application), identity=ada)
        await store.add(session)
    bob = replace(gates.session("m"), identity=replace(ada, person=Person("https://id", "bob")))
    await store.add(bob)
    kept, caller = gates.land(0, "k", "ada"), gates.tokens[0].issue(gates.caller("c"), "ada")

    async def pin_on(application: str, username: str) -> Pin | None:
        known = application == "jira" and username == "ada"
        return _pin(ada.person) if known else None

    sessions = Ending(store)
    ends = CrowdEnds(gates.tokens[1], sessions, store, pin_on)  # type: ignore[arg-type]
    await ends.of_user("jira", "nobody", "")
    assert 4 == len(store.kept)
    await ends.of_user("jira", "ADA", kept)
    assert {"k-jira", "k-wiki", "m-jira"} == set(store.kept) and ["product"] == sessions.causes
    assert [None, None] == await gates.whose(caller)
    found = await gates.tokens[1].find("jira", kept)
    assert found is not None
    await ends.of_token(found)
    assert {"k-wiki", "m-jira"} == set(store.kept)
