"""Accounts made ready on the first request: one worker per application and username, however many requests wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from sidecar.core.breaker import Breaker
from sidecar.domain.account import Account, AccountOrder, Step, StepResult
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin, Readiness
from sidecar.domain.licence import Licence
from sidecar.domain.reason import Reason
from sidecar.flows.journal import Journal


class AccountError(Exception):
    """The account is not ready; nothing was forwarded.

    Attributes:
        reason: Stable word.
        detail: A sentence for the administrator, without secrets.
        retry: Whether trying again soon can help.
    """

    def __init__(self, reason: Reason, detail: str, *, retry: bool = True) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.retry = retry


class CredentialRefusedError(AccountError):
    """The application does not take the connector's credential: nothing can be known about any account."""

    def __init__(self, detail: str) -> None:
        super().__init__(Reason.CONNECTOR_REFUSED, detail, retry=False)


class Connector(Protocol):
    """Reads and changes the accounts of one application. Plans nothing."""

    async def read(self, username: str) -> Account | None:
        """The account found by exact case-folded match, or None.

        Raises:
            AccountError: `connector_unreachable` or `connector_refused`.
        """
        ...

    async def apply(self, step: Step) -> StepResult:
        """Do one step. Doing it again does no harm.

        Raises:
            AccountError: also `group_absent`, `directory_read_only`, `account_step_failed`.
        """
        ...


@runtime_checkable
class Registry(Protocol):
    """What some applications tell beyond an account of a name. Both may raise as `Connector.read` does."""

    async def licences(self) -> tuple[Licence, ...]:
        """Which groups take seats, and how many are left."""
        ...

    async def by_key(self, key: str) -> Account | None:
        """The account of an immutable key, under whatever name; None if there is none."""
        ...


class SwitchesActive(Protocol):
    """Another way to make an account active or inactive, for where the first one does nothing."""

    async def set_active(self, username: str, *, active: bool) -> None:
        """Do it. Doing it again does no harm.

        Raises:
            AccountError: it was not done.
        """
        ...


@runtime_checkable
class Renames(Protocol):
    """What some applications can do beyond steps: give an account another name. No plan asks for it."""

    async def rename(self, username: str, to: str) -> None:
        """Do it; the account keeps its key, its groups and its history.

        Raises:
            AccountError: it was not done.
        """
        ...


class Hook(Protocol):
    """Anything else that must run before a person is let in."""

    name: str

    async def run(self, order: AccountOrder, identity: Identity, steps: Sequence[Step]) -> None:
        """Make ready. *steps*: the plan that was carried out at the application just now; empty: all was as ordered.

        Raises:
            AccountError: `hook_failed`.
        """
        ...


class PinConflictError(Exception):
    """The username or the account belongs to another person, or the person has another username.

    Attributes:
        holder: The pin that stands in the way.
    """

    def __init__(self, holder: Pin) -> None:
        super().__init__(f"{holder.application}: the pin of {holder.username} stands in the way")
        self.holder = holder


class Ledger(Journal, Protocol):
    """What Lychgate did and may undo. Every method may raise `flows.sessions.StateError`."""

    async def usable(self, application: str) -> bool:
        """Whether `init` was run for the application: an empty or foreign ledger refuses new pins and removals."""
        ...

    async def init(self, application: str, at: UnixSeconds) -> bool:
        """Declare the (new, empty) ledger to be the right one; False if it was before."""
        ...

    async def pin_of(self, application: str, person: Person) -> Pin | None:
        """The pin of a person."""
        ...

    async def pin_on(self, application: str, username: str) -> Pin | None:
        """The pin on a (case-folded) username."""
        ...

    async def pin_with(self, application: str, key: str) -> Pin | None:
        """The pin of the account with that immutable key, whatever the account is called now."""
        ...

    async def pin(self, pin: Pin) -> None:
        """Add a pin; the same pin again does no harm.

        Raises:
            PinConflictError: username, person and key are each unique within the application.
        """
        ...

    async def learn_key(self, application: str, username: str, key: str) -> None:
        """Note on the pin of a (case-folded) username which account it means.

        Raises:
            PinConflictError: the account of that key is pinned under another name.
        """
        ...

    async def unpin(self, application: str, username: str) -> None:
        """Remove a pin, and how its person's account was found ready."""
        ...

    async def owned(self, application: str, username: str) -> tuple[OwnedGroup, ...]:
        """The memberships that Lychgate added, for whatever portal."""
        ...

    async def own(self, entry: OwnedGroup) -> None:
        """Note a membership, or overwrite the note of the same (application, username, group, portal)."""
        ...

    async def disown(self, application: str, username: str, group: str) -> None:
        """Forget a membership, for all portals."""
        ...

    async def deactivation(self, application: str, username: str) -> Deactivation | None:
        """The note that Lychgate deactivated the account, or None."""
        ...

    async def note_deactivation(self, entry: Deactivation) -> None:
        """Note that Lychgate deactivates the account."""
        ...

    async def clear_deactivation(self, application: str, username: str) -> None:
        """Forget it: the account was made active again."""
        ...

    async def seen(self, application: str, username: str, at: UnixSeconds) -> None:
        """Note when the account was last used; at most once an hour per account is asked for."""
        ...

    async def groups_read(self, application: str, person: Person, at: UnixSeconds) -> None:
        """Note that the provider told the person's groups completely."""
        ...

    async def groups_unread(self, application: str, person: Person, at: UnixSeconds) -> UnixSeconds:
        """When the person's groups were last told completely; if they never were, when that was first noticed."""
        ...

    async def breaker(self, application: str) -> Breaker:
        """What is remembered of the application's removals."""
        ...

    async def keep_breaker(self, application: str, breaker: Breaker) -> None:
        """Remember it."""
        ...

    async def note_ready(self, entry: Readiness) -> None:
        """Note how the account was found ready for a portal, in place of the last time."""
        ...

    async def readiness(self, application: str, username: str, portal: str) -> Readiness | None:
        """How the account was when it was last found ready for the portal, or None."""
        ...
