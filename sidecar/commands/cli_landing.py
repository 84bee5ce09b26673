"""The commands `lychgate landing`: show, configure, verify. For applications that are landed by their own sign-on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from pydantic_core import PydanticCustomError

from sidecar.adapters.secrets import Secret, SecretError
from sidecar.commands.landing import compare, configure, shown, verify
from sidecar.commands.terminal import FILE, application_of, loaded_from
from sidecar.config.load import Loaded
from sidecar.core.landing_setup import Difference
from sidecar.domain.policy import Application
from sidecar.flows.accounts import AccountError
from sidecar.flows.landing import LandingError
from sidecar.flows.sessions import StateError
from sidecar.flows.streaming import UpstreamError
from sidecar.flows.telling import AuditError

_CONFIG = click.option("-c", "--config", type=FILE, required=True, help="The configuration file.")
_APPLICATION = click.option("--application", help="Name of the application; needed where several are landed so.")
T = TypeVar("T")
_DARK_FEATURE = "atlassian.authentication.sso.skip.https.requirement"


@click.group()
def landing() -> None:
    """The OpenID sign-on that is built into the product, with Lychgate as its provider."""


@landing.command("show")
@_CONFIG
@_APPLICATION
def landing_show(config: Path, application: str | None) -> None:
    """Print every field to fill in at the product's authentication methods."""
    loaded, known = _chosen(config, application, secrets=False, asked=True)
    settings = loaded.config.applications[known.name]
    where = "Administration, Authentication methods, Add configuration"
    if not settings.landing.by_sign_on:
        where = "Lychgate is its Crowd server (beta)"
    click.echo(f"{known.name}: {known.product.title}, {where}")
    for line in shown(loaded, known):
        click.echo(f"  {line.field:<28} {line.value}{'   (' + line.why + ')' if line.why else ''}")
    for hint in _hints(loaded, known):
        click.echo(hint)


@landing.command("configure")
@_CONFIG
@_APPLICATION
@click.option("--token", help="file:///path or env://NAME of a system administrator's token; else accounts.token.")
@click.option("--apply", is_flag=True, help="Write it; without this it is only compared. The gate must not run.")
def landing_configure(config: Path, application: str | None, token: str | None, *, apply: bool) -> None:
    """Compare the product's sign-on with what it must be, by its REST interface; with --apply, write it and read it
    back. Exit 1 if something is other than it must be."""
    loaded, known = _chosen(config, application)
    secret = _secret(token) if token is not None else loaded.config.applications[known.name].accounts.token
    if secret is None:
        raise click.ClickException("there is no accounts.token; name one of a system administrator with --token")
    if apply:
        left = _run(configure(loaded, known, secret))
        click.echo(f"{known.name}: written, and read back")
    else:
        found = _run(compare(loaded, known, secret))
        if found is None:
            click.echo(f"{known.name}: the product does not know Lychgate; write --apply to tell it")
            raise SystemExit(1)
        left = found
    _tell(known, left)


@landing.command("verify")
@_CONFIG
@_APPLICATION
@click.option("--username", required=True, help="An account for tests, as the application writes it.")
def landing_verify(config: Path, application: str | None, username: str) -> None:
    """Walk a sign-in of a test account at the product, and tell every step. The gate must not run."""
    loaded, known = _chosen(config, application)
    try:
        _run(verify(loaded, known, username, click.echo))
    except LandingError as error:
        number = f"; the product's log says more under {error.error_id}" if error.error_id else ""
        raise click.ClickException(f"{error.detail}{number}") from None
    click.echo(f"{known.name}: well. The product serves {username}; the session is left to end by itself.")


def _secret(text: str) -> Secret:
    try:
        return Secret.parse(text)
    except PydanticCustomError:
        # Not repeated: it may be the token itself.
        raise click.ClickException("--token wants file:///absolute/path or env://NAME") from None


def _tell(application: Application, left: Iterable[Difference]) -> None:
    differences = tuple(left)
    for one in differences:
        click.echo(f"{application.name}: {one.field} is {one.found}, and must be {one.wanted}")
    if differences:
        raise SystemExit(1)
    click.echo(f"{application.name}: all is as it must be")


def _hints(loaded: Loaded, application: Application) -> Iterable[str]:
    settings = loaded.config.applications[application.name].landing
    if not settings.by_sign_on:
        yield "Restart the product after its files have changed."
        return
    if settings.address is None and loaded.config.listen.landing_certificate is None:
        yield f"The addresses are http: set the product's dark feature {_DARK_FEATURE}."
    elif loaded.config.listen.landing_certificate is not None:
        yield "The product's Java must trust the certificate of listen.landing: put its authority into the truststore."
    if application.origin.startswith("http:"):
        yield "The product wants an https base URL for its sign-on; yours is http."


def _chosen(path: Path, name: str | None, *, secrets: bool = True, asked: bool = False) -> tuple[Loaded, Application]:
    """The application that is meant; *asked*: one that asks us anything will do."""
    loaded = loaded_from(path, secrets=secrets, warn=False)
    unseen = [
        one
        for one, settings in loaded.config.applications.items()
        if settings.landing.by_sign_on or (asked and (settings.landing.by_crowd or settings.accounts.directory))
    ]
    if name is not None and application_of(loaded, name).name not in unseen:
        raise click.ClickException(f"{name} is not landed by its sign-on: there is nothing to set up at it")
    if name is None and len(unseen) != 1:
        what = ", ".join(unseen) if unseen else "none has landing.type oidc"
        raise click.ClickException(f"name one with --application: {what}")
    return loaded, loaded.policy.applications[name or unseen[0]]


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except AccountError as error:
        raise click.ClickException(f"the product said: {error.detail}") from None
    except (StateError, AuditError, SecretError, UpstreamError, OSError) as error:
        raise click.ClickException(str(error)) from None
