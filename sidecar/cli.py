"""The command `lychgate`: serve, check, explain, schema, demo, ledger, accounts, landing, audit, version."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Coroutine, Iterable, Mapping
from pathlib import Path

import click

from sidecar import __version__
from sidecar.adapters.secrets import SecretError
from sidecar.app import running
from sidecar.cli_audit import audit
from sidecar.cli_landing import landing
from sidecar.commands import initialise_ledger, link_account, relink_accounts, unlink_account
from sidecar.config.faults import ConfigError, Fault
from sidecar.config.load import Loaded, load
from sidecar.config.schema import json_schema
from sidecar.core.issuers import issuers_of
from sidecar.domain.identity import Person
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.explaining import Asked, QuestionError, explained
from sidecar.flows.accounts import PinConflictError
from sidecar.flows.sessions import StateError
from sidecar.flows.telling import AuditError
from sidecar.relinking import ListError, persons_in
from sidecar.web.texts import TEXTS

_FILE = click.Path(exists=False, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Lychgate: the access gateway for Jira and Confluence Data Center."""


@main.command()
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration file.")
def serve(config: Path) -> None:
    """Run the gate until it is told to stop (SIGTERM or SIGINT)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    loaded = _loaded(config, serving=True)
    _run(_serve(loaded))


@main.command()
@click.argument("file", type=_FILE)
@click.option("--no-secrets", is_flag=True, help="Do not read the secrets: for a machine that has none of them.")
def check(file: Path, *, no_secrets: bool) -> None:
    """Check a configuration file: every fault with its line, its place and its cure. Exit 1 if there is an error."""
    loaded = _loaded(file, secrets=not no_secrets)
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
    _run(run_demo(port))


@main.command()
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--portal", help="The portal at which the person signs in; without it the application's default portal.")
@click.option("--provider", help="The provider at which; without it the portal's first.")
@click.option("--claims", type=_FILE, required=True, help="JSON: the ID token's claims, or id_token and userinfo.")
@click.option("--url", help="A page to ask for, as in the browser.")
@click.option("--method", default="GET", show_default=True, help="How it is asked for.")
def explain(
    config: Path, application: str, portal: str | None, provider: str | None, claims: Path, url: str | None, method: str
) -> None:
    """Say what would become of somebody with these claims, and why: person, username, groups, rules, decision.

    Nothing is asked of anybody, and nothing is changed. Exit 1 if something keeps the person out.
    """
    loaded = _loaded(config, secrets=False)
    known = _application(loaded, application)
    wanted = Asked(portal=portal, provider=provider, url=url or "", method=method)
    try:
        lines = tuple(explained(loaded.policy, known, claims, wanted))
    except QuestionError as error:
        raise click.ClickException(str(error)) from None
    for line in lines:
        reason = "" if line.reason is Reason.OK else f"   {line.reason.value}: {TEXTS[line.reason].for_admin}"
        click.echo(f"{line.what + ':':<28} {line.found}{reason}")
    if any(line.reason is not Reason.OK and not line.what.startswith("portal ") for line in lines):
        raise SystemExit(1)


main.add_command(audit)
main.add_command(landing)


@main.group()
def ledger() -> None:
    """What Lychgate did to accounts and may undo."""


@ledger.command("init")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration file.")
def ledger_init(config: Path) -> None:
    """Declare the empty ledger to be the right one: once, before the first start. The gate must not run."""
    loaded = _loaded(config)
    _run(_init(loaded))


@main.group()
def accounts() -> None:
    """What only an administrator may do to accounts."""


@accounts.command("link")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--username", required=True, help="The account, as the application writes it.")
@click.option("--issuer", required=True, help="`iss` of the person, as the provider writes it.")
@click.option("--subject", required=True, help="`sub` of the person (Entra ID: `oid`).")
def accounts_link(config: Path, application: str, username: str, issuer: str, subject: str) -> None:
    """Tie an account to a person: the only way to reserved and protected accounts. The gate must not run."""
    loaded = _loaded(config)
    _check_issuer(loaded, application, issuer)
    _run(_link(loaded, application, username, Person(issuer, subject)))


@accounts.command("unlink")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--username", required=True, help="The account.")
def accounts_unlink(config: Path, application: str, username: str) -> None:
    """Untie an account from its person: after a mistake, or when a name passes to somebody else. The gate must not
    run."""
    loaded = _loaded(config)
    _application(loaded, application)
    _run(_unlink(loaded, application, username))


@accounts.command("relink")
@click.option("-c", "--config", type=_FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--from", "before", required=True, help="`iss` of the old provider.")
@click.option("--to", "after", required=True, help="`iss` of the new provider, as it writes it.")
@click.option("--subjects", type=_FILE, required=True, help="CSV without a heading: old subject,new subject.")
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown.")
def accounts_relink(config: Path, application: str, before: str, after: str, subjects: Path, *, apply: bool) -> None:
    """Tie the accounts of many people to the same people at another provider: all of them, or none. The gate must not
    run."""
    loaded = _loaded(config)
    _check_issuer(loaded, application, after)
    try:
        persons = persons_in(subjects, before, after)
    except ListError as error:
        raise click.ClickException(str(error)) from None
    _run(_relink(loaded, application, persons, apply=apply))


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(f"lychgate {__version__}")


def _check_issuer(loaded: Loaded, application: str, issuer: str) -> None:
    known = _application(loaded, application)
    names = {name for portal in known.portals for name in portal.providers}
    issuers = {issuer for name in names for issuer in issuers_of(loaded.policy.providers[name])}
    if issuer not in issuers:
        raise click.ClickException(f"no provider of {application} is {issuer}; there is {', '.join(sorted(issuers))}")


def _application(loaded: Loaded, name: str) -> Application:
    known = loaded.policy.applications.get(name)
    if known is None:
        raise click.ClickException(f"the configuration has no application {name}")
    return known


def _loaded(path: Path, *, secrets: bool = True, serving: bool = False) -> Loaded:
    try:
        loaded = load(path, secrets=secrets, serving=serving)
    except ConfigError as error:
        _show(error.faults)
        raise SystemExit(1) from None
    _show(loaded.warnings)
    return loaded


def _show(faults: Iterable[Fault]) -> None:
    for fault in faults:
        click.echo(fault.render(), err=True)


def _run(work: Coroutine[None, None, None]) -> None:
    try:
        asyncio.run(work)
    except (StateError, AuditError, SecretError, OSError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        return


async def _serve(loaded: Loaded) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(loaded) as gate:
        logging.getLogger("lychgate").info("serving on port %s, operations on port %s", gate.public, gate.operations)
        await stop.wait()
        logging.getLogger("lychgate").info("told to stop")


async def _link(loaded: Loaded, application: str, username: str, person: Person) -> None:
    try:
        await link_account(loaded, application, username, person)
    except PinConflictError as error:
        raise _tied(error) from None
    click.echo(f"{application}: {username} is tied to subject {person.subject} at {person.issuer}")


def _tied(error: PinConflictError) -> click.ClickException:
    holder = error.holder
    return click.ClickException(
        f"{holder.username} is tied to subject {holder.person.subject} at {holder.person.issuer} already"
    )


async def _relink(loaded: Loaded, application: str, persons: Mapping[Person, Person], *, apply: bool) -> None:
    try:
        moved = await relink_accounts(loaded, application, persons, apply=apply)
    except PinConflictError as error:
        raise _tied(error) from None
    for pin in moved:
        click.echo(f"{application}: {pin.spelling}: subject {pin.person.subject} -> {persons[pin.person].subject}")
    done = "were tied anew" if apply else "would be tied anew; write --apply to do it"
    click.echo(f"{application}: {len(moved)} of {len(persons)} {done}; the others have no account here")


async def _unlink(loaded: Loaded, application: str, username: str) -> None:
    person = await unlink_account(loaded, application, username)
    if person is None:
        raise click.ClickException(f"{application}: {username} is tied to nobody")
    click.echo(f"{application}: {username} is no longer tied to subject {person.subject} at {person.issuer}")


async def _init(loaded: Loaded) -> None:
    for name, fresh in (await initialise_ledger(loaded)).items():
        click.echo(f"{name}: {'initialised' if fresh else 'was initialised before; nothing changed'}")
