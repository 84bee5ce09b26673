"""Checks of applications: addresses, accounts, machine paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from urllib.parse import urlsplit

from sidecar.adapters.accounts.settings import CrowdSettings
from sidecar.adapters.urls import host_port, is_plain_outside_loopback, origin
from sidecar.config.effective import portals_of, targets_of, username_at
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.config.model_application import ApplicationSettings
from sidecar.config.shape import did_you_mean
from sidecar.domain.account import Adopt, Reactivation
from sidecar.domain.product import Product

At = tuple[str, str]


def within(config: Config, products: Mapping[str, Product]) -> Iterator[Finding]:
    """Addresses, accounts, machine paths."""
    for name, application in config.applications.items():
        at = ("applications", name)
        yield from _addresses(at, application)
        yield from _accounts(at, application)
        yield from _path_names(at, application, products[application.product])
        yield from _leavers(at, application)


def between(config: Config, _products: Mapping[str, Product]) -> Iterator[Finding]:
    """Adoption, neighbours on one host."""
    for name, application in config.applications.items():
        yield from _adoption(("applications", name), application, config, name)
        yield from _unreachable_accounts(("applications", name), application, config, name)
        yield from _own_directory(("applications", name), application, config, name)
    yield from _neighbours(config)


def _addresses(at: At, application: ApplicationSettings) -> Iterator[Finding]:
    nodes = application.upstream.addresses
    for key, address in (("url", application.url), *(("upstream", node) for node in nodes)):
        if is_plain_outside_loopback(address) and not application.allow_http:
            yield Finding(
                (*at, key),
                "is plain http outside loopback: sessions and identities would cross the network in clear",
                "write https://; for a closed network only: allow_http: true",
            )
    socket = application.upstream.socket is not None
    if not socket and origin(urlsplit(application.url)) in {origin(urlsplit(node)) for node in nodes}:
        yield Finding(
            (*at, "upstream"),
            "is the public address itself: requests would go round in a circle",
            "write where the application listens, such as http://127.0.0.1:8081",
        )


def _accounts(at: At, application: ApplicationSettings) -> Iterator[Finding]:
    accounts = application.accounts
    for number, hook in enumerate(accounts.hooks.webhook):
        if is_plain_outside_loopback(hook.url) and not application.allow_http:
            yield Finding(
                (*at, "accounts", "hooks", "webhook", number, "url"),
                "is plain http outside loopback: it tells who signs in",
                "write https://; for a closed network only: allow_http: true at the application",
            )
    yield from _ways(at, application)
    if accounts.managed:
        return
    asked = {
        "next_token": accounts.next_token is not None,
        "create": accounts.create,
        "reactivate": accounts.reactivate is Reactivation.ANY,
        "update": bool(accounts.update),
        "end_sessions": accounts.end_sessions,
        "on_revoke": accounts.on_revoke != "none",
        "groups": any(targets_of(accounts.groups)),
    }
    for key in (key for key, wanted in asked.items() if wanted):
        yield Finding(
            (*at, "accounts", key),
            "needs a token with which to work at the application",
            "add accounts.token: file:///absolute/path of an administrator's personal access token",
        )


def _ways(at: At, application: ApplicationSettings) -> Iterator[Finding]:
    """The way to the accounts: one, and one that can do what is asked of it."""
    accounts = application.accounts
    if accounts.token is not None and accounts.crowd is not None:
        yield Finding(
            (*at, "accounts", "crowd"),
            "stands beside token: accounts can be managed at one place only",
            "keep crowd where the users live on a user server, token where they live in the application itself",
        )
    if accounts.look_token is not None and accounts.crowd is None:
        yield Finding(
            (*at, "accounts", "look_token"),
            "asks nobody anything new: it is for accounts that are managed at a user server",
            "remove it; with accounts.token the application itself is asked anyway",
        )
    if accounts.crowd is not None and accounts.look_token is None and accounts.token is None:
        yield Finding(
            (*at, "accounts", "crowd"),
            "is a user server, and the application itself is not asked whether it shows an account yet: "
            "who has a new one may meet its log-in page until its directory is synchronised",
            "add look_token: file:///absolute/path of a token of the application, and see docs/accounts.md",
            Severity.WARNING,
        )
    if accounts.directory and (accounts.token is not None or accounts.crowd is not None):
        yield Finding(
            (*at, "accounts", "directory"),
            "stands beside another way to the accounts: they can be managed at one place only",
            "keep directory where the application takes its users from Lychgate, else token or crowd",
        )
    if accounts.switch is not None and (application.product != "jira" or accounts.token is None):
        yield Finding(
            (*at, "accounts", "switch"),
            "helps nobody: it is the second way of a Jira that is asked with accounts.token",
            "remove it",
        )
    for key, server in (("crowd", accounts.crowd), ("switch", accounts.switch)):
        if server is not None:
            yield from _user_server((*at, "accounts", key), server, allow_http=application.allow_http)
    if accounts.end_sessions and accounts.managed and (application.product != "jira" or accounts.token is None):
        yield Finding(
            (*at, "accounts", "end_sessions"),
            "cannot be done: only Jira ends the sessions of an account, and only for accounts.token",
            "remove it",
        )


def _user_server(at: Path, server: CrowdSettings, *, allow_http: bool) -> Iterator[Finding]:
    if is_plain_outside_loopback(server.url) and not allow_http:
        yield Finding(
            (*at, "url"),
            "is plain http outside loopback: the application's password would cross the network in clear",
            "write https://; for a closed network only: allow_http: true at the application",
        )
    if server.ca is not None and not server.url.startswith("https://"):
        yield Finding((*at, "ca"), "is never used without https", "write https:// in url, or remove the line")


def _leavers(at: At, application: ApplicationSettings) -> Iterator[Finding]:
    wanted = application.accounts.on_revoke != "none" or "pat_owner" in application.api.model_fields_set
    if wanted and not application.accounts.gone_by:
        yield Finding(
            (*at, "accounts", "gone_by"),
            "names nothing that says that somebody is gone, so on_revoke and pat_owner never come to anything",
            "write gone_by: [global_revocation], or leave the line out",
        )


def _unreachable_accounts(at: At, application: ApplicationSettings, config: Config, name: str) -> Iterator[Finding]:
    """Without a token nobody can look whose account a name is, so only authoritative names are believed (D4)."""
    if application.accounts.managed:
        return
    for portal_name, portal in portals_of(config, name).items():
        known = [config.providers[provider] for provider in portal.provider if provider in config.providers]
        if any(provider.usernames != "authoritative" for provider in known):
            yield Finding(
                at,
                f"has no accounts.token, and the provider of {portal_name} is not authoritative: "
                "there only people linked by hand get in",
                "write usernames: authoritative at the provider, or add accounts.token",
                Severity.WARNING,
            )


def _own_directory(at: At, application: ApplicationSettings, config: Config, name: str) -> Iterator[Finding]:
    """The product's other directories are not seen from its directory here: an account that is made may meet one of the
    same name there, and the product takes both for one person (D4)."""
    if not application.accounts.directory:
        return
    if not application.accounts.create:
        return
    for portal_name, portal in portals_of(config, name).items():
        for provider in portal.provider:
            known = config.providers.get(provider)
            prefix = username_at(portal, application, provider).prefix
            if known is not None and known.usernames != "authoritative" and not prefix:
                yield Finding(
                    (*at, "accounts", "directory"),
                    f"would make accounts of names that somebody else may have in another directory: the provider "
                    f"{provider} of {portal_name} is not authoritative",
                    "write usernames: authoritative at the provider, or a username.prefix at the portal",
                )


def _adoption(at: At, application: ApplicationSettings, config: Config, name: str) -> Iterator[Finding]:
    if application.accounts.adopt is not Adopt.BY_USERNAME:
        return
    used = {provider for portal in portals_of(config, name).values() for provider in portal.provider}
    known = [config.providers[provider] for provider in used if provider in config.providers]
    if len(known) == len(used) > 0 and not any(provider.usernames == "authoritative" for provider in known):
        yield Finding(
            (*at, "accounts", "adopt"),
            "by_username would give existing accounts to whoever claims their names: "
            "no provider of this application is authoritative",
            "write usernames: authoritative at the provider where people cannot choose their names, or adopt: never",
        )


def _path_names(at: At, application: ApplicationSettings, product: Product) -> Iterator[Finding]:
    for number, entry in enumerate(application.machine):
        if entry.startswith("/") or entry in product.machine_profiles:
            continue
        cure = did_you_mean(entry.removeprefix("@"), list(product.machine_profiles))
        yield Finding((*at, "machine", number), f"{entry} is no machine profile of {product.title}", cure)
    for key in ("semicolons", "encoded_slashes"):
        for number, entry in enumerate(getattr(application, key)):
            if not entry.startswith("/") or entry == "/**":
                yield Finding(
                    (*at, key, number),
                    f"{entry} opens more than the paths that need it",
                    "name the exact paths, such as /browse/*",
                )


def _neighbours(config: Config) -> Iterator[Finding]:
    for (first, one), (second, two) in combinations(config.applications.items(), 2):
        a, b = urlsplit(one.url), urlsplit(two.url)
        if host_port(a) != host_port(b):
            continue
        at = ("applications", second, "url")
        if a.path == b.path:
            yield Finding(
                at, f"is the address of {first} as well", "give each application its own host or context path"
            )
        elif not a.path or not b.path:
            whole, part = (first, b.path) if not a.path else (second, a.path)
            yield Finding(
                at,
                f"shares a host with {first}: paths of {whole} below {part} cannot be reached",
                "give both a context path, or hosts of their own",
                Severity.WARNING,
            )
        elif f"{a.path}/".startswith(f"{b.path}/") or f"{b.path}/".startswith(f"{a.path}/"):
            yield Finding(at, f"has a context path within that of {first}", "choose context paths side by side")
