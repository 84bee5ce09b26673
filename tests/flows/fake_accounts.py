"""Plain stand-ins for the account flow's outside: a directory, a ledger in memory, and who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sidecar.core.orders import order_for
from sidecar.core.usernames import resolve_username
from sidecar.domain.account import (
    Account,
    AccountOrder,
    Adopt,
    Create,
    Deactivate,
    Join,
    Leave,
    MakeGroup,
    Reactivate,
    Step,
    StepResult,
    Update,
)
from sidecar.domain.events import Event
from sidecar.domain.identity import Claim, Groups, Identity, Person, UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin, Readiness
from sidecar.domain.policy import (
    AccountPolicy,
    ApiPolicy,
    Application,
    Condition,
    GroupMapping,
    GroupPolicy,
    Mode,
    Policy,
    Portal,
    ProviderPolicy,
    UsernameMapping,
)
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError, PinConflictError
from sidecar.flows.provisioning import Accounts, Memory
from sidecar.flows.reach import BoundHook, Reach
from sidecar.flows.telling import AuditError, Trace
from sidecar.products.jira import JIRA
from tests.flows.fake_journal import MemoryJournal
from tests.flows.fake_watch import WatchMemory

TRACE = Trace(request="r-1", source="192.0.2.7", session="s-1")
AGENTS = "https://staff.example"
CUSTOMERS = "https://customers.example"


class Directory:
    """A directory of accounts that keeps a diary. `refuse` maps a step to the error it meets;
    `hidden` is there although the first look does not show it."""

    def __init__(self, *accounts: Account) -> None:
        self.accounts = {account.username.casefold(): account for account in accounts}
        self.diary: list[str] = []
        self.refuse: dict[Step, AccountError] = {}
        self.already: set[Step] = set()
        self.hidden: Account | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.deaf = False
        self.made = 0
        self.busy = 0
        self.busiest = 0
        self.rounds: list[set[str]] = []

    async def read(self, username: str) -> Account | None:
        await self._answer(f"read {username}")
        return self.accounts.get(username.casefold())

    async def apply(self, step: Step) -> StepResult:
        group = f" {step.group}" if isinstance(step, Join | Leave) else ""
        await self._answer(f"{type(step).__name__.lower()} {step.username}{group}")
        if step in self.refuse:
            raise self.refuse[step]
        if step in self.already:
            if self.hidden is not None:
                self.accounts[self.hidden.username] = self.hidden
            return StepResult.ALREADY
        name = step.username.casefold()
        match step:
            case Create():
                self.made += 1
                self.accounts[name] = Account(
                    username=step.username,
                    display_name=step.display_name,
                    email=step.email,
                    active=True,
                    groups=frozenset(),
                    key=f"made-{self.made}",
                )
            case Reactivate():
                if not self.deaf:
                    self.accounts[name] = replace(self.accounts[name], active=True)
            case Deactivate():
                self.accounts[name] = replace(self.accounts[name], active=False)
            case MakeGroup():
                pass
            case Update():
                old = self.accounts[name]
                self.accounts[name] = replace(
                    old, display_name=step.display_name or old.display_name, email=step.email or old.email
                )
            case Join():
                self.accounts[name] = replace(self.accounts[name], groups=self.groups(name) | {step.group})
            case Leave():
                self.accounts[name] = replace(self.accounts[name], groups=self.groups(name) - {step.group})
        return StepResult.DONE

    def groups(self, username: str) -> frozenset[str]:
        return self.accounts[username].groups

    async def _answer(self, line: str) -> None:
        """Every call takes one turn of the loop, as a call over a wire takes one round trip."""
        self.diary.append(line)
        self.busy += 1
        self.busiest = max(self.busiest, self.busy)
        if self.busy == 1:
            self.rounds.append(set())
        self.rounds[-1].add(line)
        try:
            await self.gate.wait()
            for _ in range(20):
                await asyncio.sleep(0)
        finally:
            self.busy -= 1


class MemoryLedger(WatchMemory, MemoryJournal):
    """A ledger without a disk. `broken` makes every method fail."""

    def __init__(self, *, ready: bool = True) -> None:
        WatchMemory.__init__(self)
        MemoryJournal.__init__(self)
        self.ready = ready
        self.pins: list[Pin] = []
        self.entries: dict[tuple[str, str, str, str], OwnedGroup] = {}
        self.deactivations: dict[tuple[str, str], Deactivation] = {}
        self.sightings: list[tuple[str, str, UnixSeconds]] = []
        self.diary: list[str] = []
        self.ready_ones: dict[tuple[str, str, str], Readiness] = {}

    async def usable(self, application: str) -> bool:
        self._check()
        return self.ready

    async def init(self, application: str, at: UnixSeconds) -> bool:
        was, self.ready = self.ready, True
        return not was

    async def pin_of(self, application: str, person: Person) -> Pin | None:
        self._check()
        return next((pin for pin in self.pins if (pin.application, pin.person) == (application, person)), None)

    async def pin_on(self, application: str, username: str) -> Pin | None:
        self._check()
        return next((pin for pin in self.pins if (pin.application, pin.username) == (application, username)), None)

    async def pin_with(self, application: str, key: str) -> Pin | None:
        self._check()
        return next((pin for pin in self.pins if (pin.application, pin.key) == (application, key)), None)

    async def pin(self, pin: Pin) -> None:
        for held in self.pins:
            same_account = held.username == pin.username or (pin.key is not None and held.key == pin.key)
            if held.application == pin.application and same_account != (held.person == pin.person):
                raise PinConflictError(held)
        self.pins.append(pin)

    async def learn_key(self, application: str, username: str, key: str) -> None:
        for held in self.pins:
            if (held.application, held.key) == (application, key) and held.username != username:
                raise PinConflictError(held)
        self.pins = [
            replace(pin, key=key) if (pin.application, pin.username) == (application, username) else pin
            for pin in self.pins
        ]

    async def unpin(self, application: str, username: str) -> None:
        self.pins = [pin for pin in self.pins if (pin.application, pin.username) != (application, username)]
        self.ready_ones = {key: one for key, one in self.ready_ones.items() if key[:2] != (application, username)}

    async def owned(self, application: str, username: str) -> tuple[OwnedGroup, ...]:
        self._check()
        return tuple(entry for key, entry in self.entries.items() if key[:2] == (application, username))

    async def own(self, entry: OwnedGroup) -> None:
        self.diary.append(f"own {entry.group}{' pending' if entry.pending else ''}")
        self.entries[entry.application, entry.username, entry.group, entry.portal] = entry

    async def disown(self, application: str, username: str, group: str) -> None:
        self.diary.append(f"disown {group}")
        self.entries = {key: e for key, e in self.entries.items() if key[:3] != (application, username, group)}

    async def deactivation(self, application: str, username: str) -> Deactivation | None:
        return self.deactivations.get((application, username))

    async def note_deactivation(self, entry: Deactivation) -> None:
        self.deactivations[entry.application, entry.username] = entry

    async def clear_deactivation(self, application: str, username: str) -> None:
        self.deactivations.pop((application, username), None)

    async def seen(self, application: str, username: str, at: UnixSeconds) -> None:
        self.sightings.append((application, username, at))

    async def note_ready(self, entry: Readiness) -> None:
        self.ready_ones[entry.application, entry.username, entry.portal] = entry

    async def readiness(self, application: str, username: str, portal: str) -> Readiness | None:
        return self.ready_ones.get((application, username, portal))

    def owned_groups(self) -> list[str]:
        return sorted(entry.group for entry in self.entries.values() if not entry.pending)


class Listener:
    """Hears every audit event."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.intended: list[Event] = []
        self.refusing = False
        self.refused = ""

    def tell(self, event: Event) -> None:
        self.events.append(event)

    async def sure(self, event: Event) -> None:
        """Notes intentions apart; while `refusing` it takes none, and never one of the step `refused`."""
        self.intended.append(event)
        if self.refusing or event.facts["step"] == self.refused:
            raise AuditError("full")

    def codes(self) -> list[str]:
        return [event.code.value for event in self.events]


@dataclass
class Counter:
    """Hears every count."""

    steps: list[tuple[str, str]] = field(default_factory=list)

    def hook(self, *_: object) -> None: ...

    def step(self, application: str, kind: str, result: str) -> None:
        self.steps.append((kind, result))


class Hands:
    """A clock that moves when told."""

    time = 1_000_000.0

    def now(self) -> UnixSeconds:
        return UnixSeconds(int(self.time))

    def monotonic(self) -> float:
        return self.time


def make_policy(accounts: AccountPolicy, groups: GroupPolicy, digest: str = "h1") -> Policy:
    """A Jira with an agents' portal (authoritative provider) and a customers' portal (untrusted, no prefix)."""
    portals = tuple(
        Portal(
            name=name,
            application="jira",
            default=name == "agents",
            prefixes=(),
            providers=(provider,),
            accepts=frozenset(),
            mode=Mode.ENFORCE,
            require=Condition(),
            rules=(),
            username=UsernameMapping(),
            groups=held,
        )
        for name, provider, held in (("agents", "staff", groups), ("support", "customers", GroupPolicy()))
    )
    application = Application(
        name="jira",
        product=JIRA,
        origin="https://jira.example.com",
        host="jira.example.com",
        context="",
        portals=portals,
        cookie="__Host-lychgate-jira",
        accounts=accounts,
        api=ApiPolicy(),
    )
    providers = {
        "staff": ProviderPolicy(name="staff", label="Staff", issuer=AGENTS, authoritative=True),
        "customers": ProviderPolicy(name="customers", label="Customers", issuer=CUSTOMERS),
    }
    return Policy(hash=digest, applications={"jira": application}, sites={}, providers=providers, strip=frozenset())


ACCOUNTS = AccountPolicy(
    enabled=True, adopt=Adopt.BY_USERNAME, create=True, update=frozenset({"display_name", "email"})
)
GROUPS = GroupPolicy(mapping=(GroupMapping(source="okta-(.+)", target="jira-$1"),), needed=frozenset({"jira-users"}))


def agent(name: str = "alice", groups: Groups = ("okta-users",), **claims: Claim) -> Identity:
    told = {"preferred_username": name, "name": name.title(), "email": f"{name}@example.com", **claims}
    return Identity(person=Person(AGENTS, name), provider="staff", claims=told, groups=groups)


def customer(name: str) -> Identity:
    told = {"preferred_username": name, "name": name, "email": "me@customer.example"}
    return Identity(person=Person(CUSTOMERS, "c-1"), provider="customers", claims=told, groups=())


def account(name: str = "alice", *groups: str, active: bool = True, key: str | None = None) -> Account:
    return Account(
        username=name,
        display_name=name.title(),
        email=f"{name}@example.com",
        active=active,
        groups=frozenset(groups),
        key=key,
    )


@dataclass
class World:
    """Everything around one `Accounts`, with short words for the tests."""

    directory: Directory = field(default_factory=Directory)
    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    policy: Policy = field(default_factory=lambda: make_policy(ACCOUNTS, GROUPS))
    hooks: Sequence[BoundHook] = ()
    budget: float = 5.0
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.audit, self.meter, self.clock = Listener(), Counter(), Hands()
        reach = {"jira": Reach(self.directory, self.hooks, self.budget)}
        self.flow = Accounts(lambda: self.policy, reach, self.ledger, self.audit, self.clock, self.meter, self.memory)

    def order(self, identity: Identity, portal: str = "agents") -> AccountOrder:
        """What the standing of a session at *portal* holds."""
        application = self.policy.applications["jira"]
        home = application.portal(portal)
        assert home is not None
        username = resolve_username(identity, home.username)
        assert not isinstance(username, Reason)
        return order_for(identity, home, application, username, trusted=True)

    async def visit(self, identity: Identity, portal: str = "agents") -> str:
        return await self.flow.ensure(self.order(identity, portal), identity, TRACE)

    async def refusal(self, identity: Identity, portal: str = "agents") -> Reason:
        """The reason for which a visit is refused."""
        try:
            username = await self.visit(identity, portal)
        except AccountError as error:
            return error.reason
        raise AssertionError(f"let in as {username}")

    def pin(self, identity: Identity, name: str, *, created: bool = True, key: str | None = None) -> None:
        self.ledger.pins.append(
            Pin(
                application="jira",
                username=name.casefold(),
                spelling=name,
                person=identity.person,
                created=created,
                at=UnixSeconds(1),
                key=key,
            )
        )

    def own(self, name: str, *groups: str, portal: str = "agents", pending: bool = False) -> None:
        for group in groups:
            entry = OwnedGroup(
                application="jira", username=name, group=group, portal=portal, at=UnixSeconds(1), pending=pending
            )
            self.ledger.entries["jira", name, group, portal] = entry
