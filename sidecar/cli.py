"""The command `lychgate`: what it can do, and `serve`, `check`, `explain` and the like themselves."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from pathlib import Path

import click

from sidecar import __version__
from sidecar.app import running
from sidecar.building.reloading import follow
from sidecar.commands.cli_accounts import accounts
from sidecar.commands.cli_asking import report as report_of_gate
from sidecar.commands.cli_asking import why
from sidecar.commands.cli_audit import audit
from sidecar.commands.cli_break_glass import break_glass
from sidecar.commands.cli_control import status
from sidecar.commands.cli_doctor import doctor
from sidecar.commands.cli_evidence import pseudonym, report
from sidecar.commands.cli_helm import helm_values
from sidecar.commands.cli_keys import keys
from sidecar.commands.cli_landing import landing
from sidecar.commands.cli_mending import accounts_rename, accounts_resume
from sidecar.commands.cli_migrate import migrate
from sidecar.commands.cli_people import accounts_plan, accounts_show, accounts_sync, accounts_undo, show_account
from sidecar.commands.cli_sessions import bans, block, revoke, sessions, unblock
from sidecar.commands.doors import QuestionError
from sidecar.commands.explaining import Asked, explained
from sidecar.commands.ledger import initialise_ledger
from sidecar.commands.terminal import FILE, application_of, loaded_from, run
from sidecar.config.load import Loaded
from sidecar.config.schema import json_schema
from sidecar.domain.reason import Reason
from sidecar.web.texts import TEXTS


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Lychgate: the access gateway for Jira and Confluence Data Center."""


@main.command()
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
def serve(config: Path) -> None:
    """Run the gate until it is told to stop (SIGTERM or SIGINT)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    loaded = loaded_from(config, serving=True)
    run(_serve(loaded, config))


@main.command()
@click.argument("file", type=FILE)
@click.option("--no-secrets", is_flag=True, help="Do not read the secrets: for a machine that has none of them.")
def check(file: Path, *, no_secrets: bool) -> None:
    """Check a configuration file: every fault with its line, its place and its cure. Exit 1 if there is an error."""
    loaded = loaded_from(file, secrets=not no_secrets)
    portals = ", ".join(sorted(portal.name for app in loaded.policy.applications.values() for portal in app.portals))
    click.echo(f"{file}: well. Portals: {portals}. Policy {loaded.policy.hash[:16]}.")


@main.command()
def schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    click.echo(json.dumps(json_schema(), indent=2))


@main.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Port of the gate on localhost; 0 takes any free one.",
)
def demo(port: int) -> None:
    """Run everything on this machine: the gate, an OpenID provider and a stand-in Jira, with a link to click."""
    # Only this command may need the folder: the production image leaves it out.
    try:
        from sidecar.demo.run import run_demo
    except ModuleNotFoundError as error:
        raise click.ClickException("this installation has no demo; install lychgate[demo]") from error
    run(run_demo(port))


@main.command()
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--portal", help="The portal at which the person signs in; without it the application's default portal.")
@click.option("--provider", help="The provider at which; without it the portal's first.")
@click.option("--claims", type=FILE, required=True, help="JSON: the ID token's claims, or id_token and userinfo.")
@click.option("--url", help="A page to ask for, as in the browser.")
@click.option("--method", default="GET", show_default=True, help="How it is asked for.")
@click.option("--live", is_flag=True, help="Also look at the application: what would be done to the account, and why.")
def explain(
    config: Path,
    application: str,
    portal: str | None,
    provider: str | None,
    claims: Path,
    url: str | None,
    method: str,
    *,
    live: bool,
) -> None:
    """Say what would become of somebody with these claims, and why: person, username, groups, rules, decision.

    Nothing is changed, and without --live nothing is asked of anybody. Exit 1 if something keeps the person out.
    """
    loaded = loaded_from(config, secrets=live)
    known = application_of(loaded, application)
    wanted = Asked(portal=portal, provider=provider, url=url or "", method=method)
    try:
        lines = tuple(explained(loaded.policy, known, claims, wanted))
    except QuestionError as error:
        raise click.ClickException(str(error)) from None
    for line in lines:
        reason = "" if line.reason is Reason.OK else f"   {line.reason.value}: {TEXTS[line.reason].for_admin}"
        click.echo(f"{line.what + ':':<28} {line.found}{reason}")
    out = any(line.reason is not Reason.OK and not line.what.startswith("portal ") for line in lines)
    if live:
        # Whoever is refused a page has an account all the same, and whoever asks wants to see the whole of it.
        run(show_account(loaded, known, claims, portal, provider))
    if out:
        raise SystemExit(1)


for command in (accounts_show, accounts_plan, accounts_sync, accounts_undo, accounts_rename, accounts_resume):
    accounts.add_command(command)
for command in (report, pseudonym):
    audit.add_command(command)
for group in (accounts, audit, break_glass, doctor, helm_values, keys, landing, migrate, status):
    main.add_command(group)
for command in (sessions, block, unblock, bans, revoke, why, report_of_gate):
    main.add_command(command)


@main.group()
def ledger() -> None:
    """What Lychgate did to accounts and may undo."""


@ledger.command("init")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
def ledger_init(config: Path) -> None:
    """Declare the empty ledger to be the right one: once, before the first start. The gate must not run."""
    loaded = loaded_from(config)
    run(_init(loaded))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"lychgate {__version__}")


async def _serve(loaded: Loaded, path: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    told = asyncio.Event()
    loop.add_signal_handler(signal.SIGHUP, told.set)
    async with running(loaded) as gate, asyncio.TaskGroup() as group:
        logging.getLogger("lychgate").info("serving on port %s, operations on port %s", gate.public, gate.operations)
        beside = (
            group.create_task(follow(path, told, gate.reloading)),
            group.create_task(gate.rounds.go_on()),
        )
        await stop.wait()
        for task in beside:
            task.cancel()
        logging.getLogger("lychgate").info("told to stop")


async def _init(loaded: Loaded) -> None:
    for name, fresh in (await initialise_ledger(loaded)).items():
        click.echo(f"{name}: {'initialised' if fresh else 'was initialised before; nothing changed'}")
