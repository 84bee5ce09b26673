"""Commands to the running process: each is told to the audit trail with who gave it and why, then done (D9).

`web.control` brings them from the socket; what each does stands where `building.controlling` takes it from. A command
that changes something needs a reason, is told before it is done, and comes to its end though the one who gave it may
be gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass

from sidecar.domain.events import Code, Event, Fact
from sidecar.flows.accounts import AccountError
from sidecar.flows.owned import OwnedTasks
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import AuditError, SureAudit

LONGEST = 500
"""Characters of a reason, and of any other word that a command brings."""

MOST_AT_ONCE = 8
"""Commands under way."""

Answer = Mapping[str, object]
"""What a command answers: plain JSON values."""


class CommandError(Exception):
    """It cannot be done like this. The text is for the one who gave the command."""


class UnknownCommandError(CommandError):
    """There is no such command."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command was given.

    Attributes:
        uid: The user of the process that gave it, by the kernel.
        reason: Why, in the administrator's words; "" for a command that only looks.
        arguments: Everything else; read with the methods, which name what is wrong.
    """

    uid: int
    reason: str
    arguments: Mapping[str, object]

    def text(self, name: str) -> str:
        """A word that must be there.

        Raises:
            CommandError: it is not.
        """
        found = self.optional(name)
        if not found:
            raise CommandError(f"{name} is missing")
        return found

    def optional(self, name: str) -> str:
        """A word that may be there, else "".

        Raises:
            CommandError: it is no text, or none that prints.
        """
        found = self.arguments.get(name, "")
        if found is None:
            return ""
        if not isinstance(found, str) or not (found.isprintable() and len(found) <= LONGEST):
            raise CommandError(f"{name} must be text of at most {LONGEST} characters that print")
        return found.strip()

    def application(self, known: Container[str]) -> str:
        """The application that is meant, which is one of *known*; "" for all of them.

        Raises:
            CommandError: there is none of that name.
        """
        name = self.optional("application")
        if name and name not in known:
            raise CommandError(f"the configuration has no application {name}")
        return name

    def number(self, name: str, *, least: int, most: int, otherwise: int) -> int:
        """A whole number between *least* and *most*.

        Raises:
            CommandError: it is none.
        """
        found = self.arguments.get(name, otherwise)
        if not isinstance(found, int) or isinstance(found, bool) or not least <= found <= most:
            raise CommandError(f"{name} must be a whole number from {least} to {most}")
        return found

    def flag(self, name: str) -> bool:
        """Whether something is wanted.

        Raises:
            CommandError: it is neither true nor false.
        """
        found = self.arguments.get(name, False)
        if not isinstance(found, bool):
            raise CommandError(f"{name} must be true or false")
        return found


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Attributes:
        do: Does it. Raises `CommandError`, `StateError`, `AuditError` or `AccountError`.
        takes: Names of its arguments; others are refused.
        changes: Whether it changes anything: then it needs a reason.
        about: The argument that says to whom or what it is done, for the audit trail.
    """

    do: Callable[[Asked], Awaitable[Answer]]
    takes: frozenset[str] = frozenset()
    changes: bool = False
    about: str = ""


class Commands:
    """All of them, by name, such as `sessions end`."""

    def __init__(self, commands: Mapping[str, Command], audit: SureAudit) -> None:
        self._commands = commands
        self._audit = audit
        self._tasks = OwnedTasks()

    async def run(self, name: str, given: Mapping[str, object], uid: int) -> Answer:
        """Do one.

        Raises:
            CommandError: it is unknown, brings what it should not, lacks a reason, or cannot be done.
            StateError: the state did not answer.
            AuditError: the audit trail does not take it; nothing was done.
            AccountError: the application did not do it.
        """
        command = self._commands.get(name)
        if command is None:
            known = ", ".join(sorted(self._commands))
            raise UnknownCommandError(f"this gate has no command {name!r}; there are {known}")
        arguments = {key: value for key, value in given.items() if key != "reason"}
        if strange := sorted(arguments.keys() - command.takes):
            raise CommandError(f"{name} takes no {', '.join(strange)}")
        asked = Asked(uid, Asked(uid, "", given).optional("reason"), arguments)
        if command.changes and not asked.reason:
            raise CommandError(f"{name} needs a reason: it changes something, and the audit trail tells why")
        if len(self._tasks) >= MOST_AT_ONCE:
            raise CommandError("too many commands are under way; try again in a moment")
        return await self._tasks.finish(self._done(name, command, asked))

    async def close(self) -> None:
        """Let what was begun come to its end."""
        await self._tasks.close()

    async def _done(self, name: str, command: Command, asked: Asked) -> Answer:
        facts: dict[str, Fact] = {"command": name, "uid": asked.uid}
        if asked.reason:
            facts["why"] = asked.reason
        about = asked.optional(command.about) if command.about else ""
        if about:
            facts["about"] = about
        application = asked.optional("application") if "application" in command.takes else ""
        if command.changes:
            intended = Event(code=Code.COMMAND_GIVEN, outcome="intended", application=application, facts=facts)
            await self._audit.sure(intended)
        try:
            answer = await command.do(asked)
        except (CommandError, StateError, AuditError, AccountError) as error:
            self._tell("failure", application, {**facts, "detail": str(error)})
            raise
        except (Exception, asyncio.CancelledError):
            self._tell("failure", application, {**facts, "detail": "a fault of Lychgate; the log has more"})
            raise
        self._tell("success", application, facts)
        return answer

    def _tell(self, outcome: str, application: str, facts: Mapping[str, Fact]) -> None:
        self._audit.tell(Event(code=Code.COMMAND_GIVEN, outcome=outcome, application=application, facts=facts))
