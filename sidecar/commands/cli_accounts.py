"""The commands `lychgate accounts`: what only an administrator may do to accounts. The gate must not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from sidecar.commands.ledger import link_account, relink_accounts
from sidecar.commands.linking import accounts_in, link_accounts, names_in, unlink_accounts
from sidecar.commands.relinking import ListError, persons_in
from sidecar.commands.terminal import FILE, application_of, loaded_from, run
from sidecar.config.load import Loaded
from sidecar.core.issuers import issuers_of
from sidecar.domain.identity import Person
from sidecar.flows.accounts import PinConflictError


@click.group()
def accounts() -> None:
    """What only an administrator may do to accounts."""


@accounts.command("link")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--username", help="The account, as the application writes it.")
@click.option("--issuer", required=True, help="`iss` of the person, as the provider writes it.")
@click.option("--subject", help="`sub` of the person (Entra ID: `oid`).")
@click.option("--list", "many", type=FILE, help="Many, as CSV without a heading: account,subject. All or none.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
def accounts_link(
    config: Path,
    application: str,
    username: str | None,
    issuer: str,
    subject: str | None,
    many: Path | None,
    *,
    dry_run: bool,
) -> None:
    """Tie an account to a person, or many: the only way to reserved and protected accounts. The gate must not run."""
    if (many is None) == (username is None or subject is None) or (many is not None and (username or subject)):
        raise click.UsageError("name either an account and a subject, or a list")
    loaded = loaded_from(config)
    _check_issuer(loaded, application, issuer)
    if username is not None and subject is not None and not dry_run:
        run(_link(loaded, application, username, Person(issuer, subject)))
        return
    try:
        one = {Person(issuer, subject or ""): username or ""} if many is None else accounts_in(many, issuer)
    except ListError as error:
        raise click.ClickException(str(error)) from None
    run(_link_many(loaded, application, one, apply=not dry_run))


@accounts.command("unlink")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--username", help="The account.")
@click.option("--list", "many", type=FILE, help="Many, one account per line without a heading. All or none.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
def accounts_unlink(config: Path, application: str, username: str | None, many: Path | None, *, dry_run: bool) -> None:
    """Untie an account from its person, or many: after a mistake, or when a name passes to somebody else. The gate must
    not run."""
    if (many is None) == (username is None):
        raise click.UsageError("name either an account or a list")
    loaded = loaded_from(config)
    application_of(loaded, application)
    try:
        names = (username or "",) if many is None else names_in(many)
    except ListError as error:
        raise click.ClickException(str(error)) from None
    run(_unlink(loaded, application, names, apply=not dry_run))


@accounts.command("relink")
@click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
@click.option("--application", required=True, help="Name of the application in the configuration.")
@click.option("--from", "before", required=True, help="`iss` of the old provider.")
@click.option("--to", "after", required=True, help="`iss` of the new provider, as it writes it.")
@click.option("--subjects", type=FILE, required=True, help="CSV without a heading: old subject,new subject.")
@click.option("--apply", is_flag=True, help="Do it; without this it is only shown.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done, as without --apply.")
def accounts_relink(
    config: Path, application: str, before: str, after: str, subjects: Path, *, apply: bool, dry_run: bool
) -> None:
    """Tie the accounts of many people to the same people at another provider: all of them, or none. The gate must not
    run."""
    if apply and dry_run:
        raise click.UsageError("write either --apply or --dry-run")
    loaded = loaded_from(config)
    _check_issuer(loaded, application, after)
    try:
        persons = persons_in(subjects, before, after)
    except ListError as error:
        raise click.ClickException(str(error)) from None
    run(_relink(loaded, application, persons, apply=apply))


def _check_issuer(loaded: Loaded, application: str, issuer: str) -> None:
    known = application_of(loaded, application)
    names = {name for portal in known.portals for name in portal.providers}
    issuers = {issuer for name in names for issuer in issuers_of(loaded.policy.providers[name])}
    if issuer not in issuers:
        raise click.ClickException(f"no provider of {application} is {issuer}; there is {', '.join(sorted(issuers))}")


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


async def _link_many(loaded: Loaded, application: str, people: Mapping[Person, str], *, apply: bool) -> None:
    try:
        links = await link_accounts(loaded, application, people, apply=apply)
    except PinConflictError as error:
        raise _tied(error) from None
    for pin in links.new:
        click.echo(
            f"{application}: {pin.spelling} {'is' if apply else 'would be'} tied to subject {pin.person.subject}"
        )
    done = "were tied" if apply else "would be tied"
    click.echo(f"{application}: {len(links.new)} {done}; {links.already} were tied so before")


async def _unlink(loaded: Loaded, application: str, usernames: Sequence[str], *, apply: bool) -> None:
    pins, untied = await unlink_accounts(loaded, application, usernames, apply=apply)
    if untied:
        raise click.ClickException(f"{application}: {', '.join(untied)} is tied to nobody")
    said = "is no longer" if apply else "would no longer be"
    for pin in pins:
        person = pin.person
        click.echo(f"{application}: {pin.spelling} {said} tied to subject {person.subject} at {person.issuer}")
