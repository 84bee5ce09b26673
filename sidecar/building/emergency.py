"""Break-glass: the emergency listeners that the configuration names, and the commands that open and close them.

Used by `app`, which opens them, and by `building.controlling`, which takes the commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sidecar.adapters.drill import Page, asked
from sidecar.adapters.metrics import Metrics
from sidecar.config.load import Loaded
from sidecar.config.model import Config
from sidecar.domain.policy import Application
from sidecar.flows.break_glass import LONGEST, BreakGlass, OpenError
from sidecar.flows.commanding import Answer, Asked, Command, CommandError
from sidecar.flows.telling import Chance, Clock, SureAudit
from sidecar.web.allowance import Allowance
from sidecar.web.emergency import DRILL, EmergencyGateway
from sidecar.web.server import Listener
from sidecar.web.visit import Serving

ALLOWANCE = Allowance(connections=64, drain=0)
DRILL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Emergency:
    """One application's door.

    Attributes:
        page: Path of the page that asks for a password.
        notes: What whoever opens it must know.
    """

    glass: BreakGlass
    application: Application
    host: str
    port: int
    page: str
    notes: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where a browser of this machine opens it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}{self.page}"


async def open_emergencies(
    loaded: Loaded,
    applications: Mapping[str, Serving],
    parts: tuple[Any, ...],
    tell: tuple[SureAudit, Clock, Chance],
    metrics: Metrics,
    stack: AsyncExitStack,
) -> Mapping[str, Emergency]:
    """Listen where the configuration says; closed, until a command opens one. *parts* are those of a `Gateway`.

    Raises:
        OSError: an address cannot be had.
    """
    config, policy, found = loaded.config, loaded.policy, dict[str, Emergency]()
    for name, settings in config.applications.items():
        if settings.break_glass is None:
            continue
        gateway = EmergencyGateway(*parts)
        gateway.glass = glass = BreakGlass(name, *tell)
        gateway.serving = applications[name]
        listener, (host, _, port) = Listener(gateway, ALLOWANCE), settings.break_glass.rpartition(":")
        host = host.strip("[]")
        try:
            await listener.open(host, int(port))
        except OSError as error:
            raise OSError(
                f"applications.{name}.break_glass: {settings.break_glass} cannot be had ({error.strerror}); free it "
                "or choose another"
            ) from None
        stack.push_async_callback(listener.close)
        stack.push_async_callback(glass.stop)
        page, notes = page_and_notes(policy.applications[name], config)
        found[name] = Emergency(glass, policy.applications[name], host, listener.port, page, notes)
    metrics.gauge(
        "lychgate_break_glass_open",
        "Whether the emergency door is open.",
        "application",
        lambda: {name: int(one.glass.window is not None) for name, one in found.items()},
    )
    metrics.gauge(
        "lychgate_break_glass_opened_timestamp_seconds",
        "When the emergency door was last opened since the start; 0: never.",
        "application",
        lambda: {name: float(one.glass.opened_at) for name, one in found.items()},
    )
    return found


def page_and_notes(application: Application, config: Config) -> tuple[str, tuple[str, ...]]:
    """Where the application asks for a password, and what stands in the way there."""
    settings, product = config.applications[application.name], application.product
    page, notes = application.context + product.login_page, []
    if settings.landing.by_sign_on:
        page += "?auth_fallback"
        notes.append(
            f"{product.title} asks for a password only if its authentication fallback was switched on beforehand"
        )
    if settings.landing.by_crowd:
        notes.append(f"{product.title} asks Lychgate for every password, and Lychgate knows none: nobody gets in here")
    elif settings.accounts.directory:
        notes.append("accounts in the directory that comes from Lychgate have no password: only others get in")
    notes.append("administrators are asked for the password once more, where the application has that switched on")
    return page, tuple(notes)


def emergency_commands(emergencies: Mapping[str, Emergency]) -> Mapping[str, Command]:
    """By name."""

    def chosen(given: Asked) -> Emergency:
        name = given.optional("application")
        if not emergencies:
            raise CommandError("no application has an emergency door: write applications.<name>.break_glass")
        if not name and len(emergencies) == 1:
            return next(iter(emergencies.values()))
        found = emergencies.get(name)
        if found is None:
            raise CommandError(f"name the application: {', '.join(sorted(emergencies))}")
        return found

    async def opened(given: Asked) -> Answer:
        one, minutes = chosen(given), given.number("minutes", least=1, most=LONGEST, otherwise=30)
        try:
            window = await one.glass.open(minutes, given.reason, given.uid)
        except OpenError as error:
            raise CommandError(str(error)) from None
        return {
            "application": one.application.name,
            "until": int(window.until),
            "address": one.address,
            "notes": list(one.notes),
        }

    async def closed(given: Asked) -> Answer:
        one = chosen(given)
        return {"application": one.application.name, "browsers": one.glass.close("command", given.uid)}

    async def drilled(given: Asked) -> Answer:
        return await _drill(chosen(given), given)

    return {
        "break-glass open": Command(opened, frozenset({"application", "minutes"}), True, "application"),
        "break-glass close": Command(closed, frozenset({"application"}), True, "application"),
        "break-glass drill": Command(drilled, frozenset({"application"}), True, "application"),
    }


async def _drill(one: Emergency, given: Asked) -> Answer:
    """Open it for ourselves alone, ask for the log-in page, and close it again."""

    async def page(word: str) -> Page:
        fields = one.application.product.password_fields
        return await asyncio.to_thread(asked, one.host, one.port, one.page, (DRILL, word), fields)

    word = one.glass.begin_drill(DRILL_SECONDS)
    found, works, detail = Page(0), False, "it did not come to its end"
    try:
        others, found = await page("nobody's"), await page(word)
        opens = found.status == 200 and not found.leads
        shut = others.status == 403 or one.glass.window is not None
        works = opens and shut
        detail = _said(one, found) if shut else f"it serves without a command (status {others.status})"
    finally:
        one.glass.end_drill(works=works, why=given.reason, uid=given.uid, detail=detail)
    after = await page(word)
    return {
        "application": one.application.name,
        "works": works and (after.status == 403 or one.glass.window is not None),
        "address": one.address,
        "said": detail,
        "notes": list(one.notes),
    }


def _said(one: Emergency, found: Page) -> str:
    title = one.application.product.title
    if found.leads:
        return f"{title} leads away to {found.leads}: its own password page is off"
    if found.status != 200:
        return f"{title} did not show its log-in page: {found.failed or f'status {found.status}'}"
    return f"{title} showed its log-in page" + ("" if found.asks else ", in which no field for a password was seen")
