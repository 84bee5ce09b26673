"""Owners of personal access tokens: asked once, remembered under a hash, refused once they are gone, and no longer."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field

import pytest

from sidecar.core.leavers import back_mark, gone_mark
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Deactivation, Pin
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.accounts import AccountError
from sidecar.flows.owners import FAILED, FRESH, MOST, NOBODYS, VERDICT, Owner, Owners
from sidecar.flows.sessions import StateError
from tests.flows.fake_accounts import AGENTS, Hands, MemoryLedger, agent
from tests.flows.fakes import MemoryMarkers, MemorySessionStore

ALICE = Person(AGENTS, "alice")
TOKEN = "Bearer MTIzNDU2Nzg5MDEyOndoYXRldmVy"


class Product:
    """Knows whose tokens are; keeps a diary; fails while `down`."""

    def __init__(self) -> None:
        self.owners: dict[str, Owner] = {TOKEN: Owner("Alice", "k-1")}
        self.diary: list[str] = []
        self.down = False

    async def owner_of(self, authorization: str) -> Owner | None:
        self.diary.append(authorization)
        for _ in range(5):
            await asyncio.sleep(0)
        if self.down:
            raise AccountError(Reason.CONNECTOR_UNREACHABLE, "down")
        return self.owners.get(authorization)


@dataclass
class Desk:
    """An `Owners` with everything around it."""

    product: Product = field(default_factory=Product)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    store: MemorySessionStore = field(default_factory=MemorySessionStore)
    markers: MemoryMarkers = field(default_factory=MemoryMarkers)
    clock: Hands = field(default_factory=Hands)
    counted: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger.pins.append(
            Pin(
                application="jira", username="alice", spelling="Alice", person=ALICE, created=True,
                at=UnixSeconds(1), key="k-1",
            )
        )  # fmt: skip
        self.owners = Owners(
            {"jira": self.product},
            self.ledger,
            self.store,
            self.markers,
            self.clock,
            lambda application, kind, result: self.counted.append((kind, result)),
        )

    async def judge(self, authorization: str = TOKEN, application: str = "jira") -> Reason:
        return (await self.owners.judge(application, authorization)).reason

    def gone(self, *, at: int = 0) -> None:
        now = self.clock.now()
        self.markers.kept[gone_mark("jira", ALICE)] = UnixSeconds(now + at), UnixSeconds(now + 10**6)
        self.owners.forget()

    def session(self, at: int) -> None:
        created = UnixSeconds(self.clock.now() + at)
        session = Session(
            key="k", application="jira", portal="agents", identity=agent(), created_at=created,
            ends_at=UnixSeconds(created + 100), checked_at=created, form_token="",
        )  # fmt: skip
        self.store.kept["k"] = session, created


async def test_a_token_is_asked_about_once_for_all_who_wait() -> None:
    desk = Desk()
    assert [Reason.OK] * 20 == await asyncio.gather(*(desk.judge() for _ in range(20)))
    assert Reason.OK is await desk.judge()
    assert ([TOKEN], [("pat_owner", "done")]) == (desk.product.diary, desk.counted)


async def test_one_who_goes_away_stops_nobody_else() -> None:
    desk = Desk()
    first = asyncio.create_task(desk.judge())
    second = asyncio.create_task(desk.judge())
    await asyncio.sleep(0)
    first.cancel()
    assert Reason.OK is await second


async def test_the_token_of_somebody_gone_is_refused_at_once() -> None:
    desk = Desk()
    assert Reason.OK is await desk.judge()
    desk.gone()
    verdict = await desk.owners.judge("jira", TOKEN)
    assert (Reason.OWNER_GONE, "Alice", ALICE) == (verdict.reason, verdict.username, verdict.person)
    assert [TOKEN] == desk.product.diary


async def test_who_is_said_to_be_gone_while_the_answer_is_on_its_way_does_not_pass() -> None:
    desk = Desk()
    held = desk.markers.hold("marked_at")
    waiting = asyncio.create_task(desk.judge())
    for _ in range(30):
        await asyncio.sleep(0)
    desk.gone()
    held.set()
    assert Reason.OWNER_GONE is await waiting


async def test_the_token_of_an_account_that_we_deactivated_is_refused() -> None:
    desk = Desk()
    note = Deactivation(application="jira", username="alice", cause="revoked", at=UnixSeconds(1))
    await desk.ledger.note_deactivation(note)
    assert Reason.OWNER_GONE is await desk.judge()
    await desk.ledger.clear_deactivation("jira", "alice")
    assert Reason.OWNER_GONE is await desk.judge()
    desk.clock.time += VERDICT
    assert Reason.OK is await desk.judge()


async def test_the_token_of_a_renamed_account_is_still_its_person_s() -> None:
    desk = Desk()
    desk.product.owners[TOKEN] = Owner("alice.archer", "k-1")
    assert Reason.OK is await desk.judge()
    desk.gone()
    verdict = await desk.owners.judge("jira", TOKEN)
    assert (Reason.OWNER_GONE, "alice.archer", ALICE) == (verdict.reason, verdict.username, verdict.person)


async def test_a_renamed_account_that_we_deactivated_is_known_by_its_old_name() -> None:
    desk = Desk()
    desk.product.owners[TOKEN] = Owner("alice.archer", "k-1")
    await desk.ledger.note_deactivation(
        Deactivation(application="jira", username="alice", cause="revoked", at=UnixSeconds(1))
    )
    assert Reason.OWNER_GONE is await desk.judge()


async def test_accounts_of_nobody_s_pass() -> None:
    desk = Desk()
    desk.product.owners = {"Bearer a": Owner("robot"), "Bearer b": Owner("alice", "k-2")}
    desk.gone()
    assert [Reason.OK] * 2 == [await desk.judge("Bearer a"), await desk.judge("Bearer b")]


async def test_who_signed_in_again_has_working_tokens_and_keeps_them() -> None:
    desk = Desk()
    desk.gone(at=-10)
    desk.session(-20)
    assert Reason.OWNER_GONE is await desk.judge()
    desk.clock.time += VERDICT
    desk.session(0)
    assert Reason.OK is await desk.judge()
    assert back_mark("jira", ALICE) in desk.markers.kept
    desk.store.kept.clear()
    desk.clock.time += VERDICT
    assert Reason.OK is await desk.judge()
    desk.clock.time += 1
    desk.gone()
    assert Reason.OWNER_GONE is await desk.judge()


async def test_a_token_that_the_application_does_not_know_is_left_to_it_and_soon_asked_about_again() -> None:
    desk = Desk()
    assert [Reason.OK] * 2 == [await desk.judge("Bearer x"), await desk.judge("Bearer x")]
    assert ["Bearer x"] == desk.product.diary
    desk.product.owners["Bearer x"] = Owner("alice", "k-1")
    desk.gone()
    desk.clock.time += NOBODYS
    assert Reason.OWNER_GONE is await desk.judge("Bearer x")


async def test_an_application_that_does_not_answer_keeps_only_unknown_tokens_waiting() -> None:
    desk = Desk()
    assert Reason.OK is await desk.judge()
    desk.product.down = True
    desk.clock.time += FRESH + VERDICT
    assert Reason.OK is await desk.judge()
    desk.gone()
    assert Reason.OWNER_GONE is await desk.judge()
    for _ in range(3):
        with pytest.raises(AccountError) as caught:
            await desk.judge("Bearer new")
        assert (Reason.CONNECTOR_UNREACHABLE, True) == (caught.value.reason, caught.value.retry)
    assert 1 == desk.product.diary.count("Bearer new")
    desk.product.down = False
    desk.clock.time += FAILED
    assert Reason.OK is await desk.judge("Bearer new")


async def test_a_renamed_account_is_found_again_after_a_while() -> None:
    desk = Desk()
    desk.product.owners[TOKEN] = Owner("old.name", "k-9")
    assert Reason.OK is await desk.judge()
    desk.product.owners[TOKEN] = Owner("alice", "k-1")
    desk.gone()
    assert Reason.OK is await desk.judge()
    desk.clock.time += FRESH
    assert Reason.OWNER_GONE is await desk.judge()


async def test_state_that_does_not_answer_refuses() -> None:
    desk = Desk()
    desk.ledger.broken = True
    with pytest.raises(StateError):
        await desk.judge()


async def test_only_hashes_are_remembered_and_not_too_many() -> None:
    desk = Desk()
    for number in range(MOST + 10):
        desk.product.owners[f"Bearer {number}"] = Owner("robot")
        await desk.judge(f"Bearer {number}")
    assert MOST == len(desk.owners)
    kept = set(desk.owners._owners)
    assert ("jira", hashlib.sha256(f"Bearer {MOST}".encode()).digest()) in kept


async def test_no_more_than_the_bound_are_asked_about_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sidecar.flows.owners.WAITING", 2)
    desk = Desk()
    for number in range(5):
        desk.product.owners[f"Bearer {number}"] = Owner("robot")
    answers = await asyncio.gather(*(desk.judge(f"Bearer {number}") for number in range(5)), return_exceptions=True)
    refused = [answer.reason for answer in answers if isinstance(answer, AccountError)]
    assert [Reason.CONNECTOR_UNREACHABLE] * 3 == refused


async def test_an_application_that_does_not_want_it_is_not_asked() -> None:
    desk = Desk()
    desk.gone()
    assert (Reason.OK, []) == (await desk.judge(application="wiki"), desk.product.diary)
