"""The examination behind `lychgate doctor`: every check at once, each within a bound, none in another's way.

A check that cannot be done is `unknown` with its reason. Nothing here knows what is checked; `building.examining` does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from sidecar.core.doctor.catalogue import unknown
from sidecar.domain.finding import Check, Finding, Severity
from sidecar.flows.accounts import AccountError
from sidecar.flows.login import LoginError
from sidecar.flows.owned import stopped
from sidecar.flows.session_ports import StateError
from sidecar.flows.streaming import UpstreamError

LOG = logging.getLogger(__name__)
LONGEST = 15.0
"""Seconds for one check."""

AT_ONCE = 8
"""Checks that are under way together."""

LONGEST_TEXT = 400
T = TypeVar("T")
Ask = Callable[[], Awaitable[Sequence[Finding]]]


@dataclass(frozen=True, slots=True)
class Examination:
    """One check of one application, one provider, or of the gate itself.

    Attributes:
        ask: Looks and judges. What it finds need not say of whom it speaks.
    """

    check: Check
    ask: Ask
    application: str = ""
    provider: str = ""


Prepare = Callable[[AsyncExitStack], Awaitable[Sequence[Examination]]]
"""Opens what examinations need, until the stack closes."""

_GRAVEST = (Severity.ERROR, Severity.WARNING, Severity.NOTICE, Severity.UNKNOWN, Severity.OK)


class Once(Generic[T]):
    """A look that several checks share: it is taken once, and whoever waits too long leaves it to the others."""

    def __init__(self, look: Callable[[], Coroutine[Any, Any, T]], stack: AsyncExitStack) -> None:
        """It ends with *stack*."""
        self._look = look
        self._task: asyncio.Task[T] | None = None
        stack.push_async_callback(self._stop)

    async def __call__(self) -> T:
        """What was seen, or the exception that came instead."""
        if self._task is None:
            self._task = asyncio.create_task(self._look())
        return await asyncio.shield(self._task)

    async def _stop(self) -> None:
        if self._task is not None:
            await stopped(self._task)


async def examine(prepare: Prepare, *, longest: float = LONGEST) -> tuple[Finding, ...]:
    """Do every check; the gravest findings first. It is over within a bound, whatever is asked stays silent."""
    async with AsyncExitStack() as stack:
        examinations = await prepare(stack)
        turns = asyncio.Semaphore(AT_ONCE)
        results = await asyncio.gather(*(_examined(one, turns, longest) for one in examinations))
    found = [finding for result in results for finding in result]
    return tuple(sorted(found, key=lambda one: _GRAVEST.index(one.kind.severity)))


async def _examined(one: Examination, turns: asyncio.Semaphore, longest: float) -> Sequence[Finding]:
    async with turns:
        found = await _asked(one, longest)
    return [
        replace(finding, application=one.application, provider=one.provider, seen=_plain(finding.seen))
        for finding in found
    ]


def _plain(text: str) -> str:
    """What others said may hold anything; it ends up on terminals, in logs and in the audit trail."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return shown if len(shown) <= LONGEST_TEXT else shown[: LONGEST_TEXT - 1] + "…"


async def _asked(one: Examination, longest: float) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(longest):
            return await one.ask()
    except TimeoutError:
        return [unknown(one.check, f"no answer within {longest:g} seconds")]
    except (LoginError, AccountError) as error:
        return [unknown(one.check, error.detail)]
    except (UpstreamError, StateError, OSError) as error:
        return [unknown(one.check, str(error) or type(error).__name__)]
    except Exception as error:
        # A fault of ours in one check keeps none of the others.
        LOG.exception("the check %s failed", one.check)
        return [unknown(one.check, f"the check itself failed: {type(error).__name__}", "Report it with the log.")]
