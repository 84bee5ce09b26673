"""Settings of accounts: what may be done to them, which groups follow from which, and the hooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import Seconds, Settings, SomeWords, Word, Words, between, fault
from sidecar.adapters.urls import http_url
from sidecar.domain.account import Adopt, Reactivation, Removal


def _address(value: str) -> str:
    http_url(value)
    return value


def _folded_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if len({name.casefold() for name in value}) != len(value):
        raise fault("names the same group twice", "keep one of the two")
    return value


Groups = Annotated[Words, AfterValidator(_folded_once)]


def _prefixes(value: tuple[str, ...]) -> tuple[str, ...]:
    for prefix in value:
        if len(prefix) < 2 or not prefix.isascii():
            raise fault(f"{prefix} bounds nothing", "write at least two plain characters, such as jira-")
    return value


class GroupLine(Settings):
    """One line from the provider's groups to the application's."""

    source: Word | None = Field(
        default=None,
        alias="from",
        description="The provider's group: a regular expression (RE2) that must match the whole name.",
    )
    exact: Word | None = Field(
        default=None,
        description="The provider's group by its exact name, in place of `from`; every character is itself.",
    )
    target: Word = Field(
        alias="to",
        description="The application's group; beside `from`, `$1` to `$9` stand for what the brackets matched.",
    )


class AdminLine(Settings):
    """One line for a protected group: two exact names."""

    source: Word = Field(alias="from", description="The provider's group by its exact name, without any pattern.")
    target: Word = Field(alias="to", description="The application's protected group.")


class GroupSettings(Settings):
    """Which groups of the application a person shall have."""

    map: tuple[GroupLine, ...] = Field(default=(), description="Lines from the provider's groups to the application's.")
    table: dict[Word, SomeWords] = Field(
        default={},
        description="From the provider's group, exactly as it is sent, to the application's group or groups: "
        "for providers that send ids, such as Entra ID.",
    )
    as_is: Annotated[Groups, AfterValidator(_prefixes)] = Field(
        default=(),
        description="The provider's groups that begin with one of these are taken over under their own names.",
    )
    always: Groups = Field(default=(), description="Groups for everybody who signs in at the portal.")
    on_create: Groups = Field(
        default=(),
        description="Groups that come with an account that Lychgate makes. They are given once and never left.",
    )
    if_empty: Groups = Field(
        default=(), description="Groups of an account that would otherwise be in none; left when it gets another."
    )
    needed: Groups = Field(default=(), description="Groups without which nobody is let in when joining them fails.")
    admin: tuple[AdminLine, ...] = Field(
        default=(),
        description="Exact lines for protected groups, such as `jira-administrators`. "
        "Only these lines join or leave a protected group.",
    )
    remove: Removal = Field(
        default=Removal.OWNED,
        description="Which groups may be left: `owned` those that Lychgate added, `mapped` all that a line can name, "
        "`never` none.",
    )
    max_removals: int = Field(default=10, ge=0, le=1000, description="Most groups that one sign-in may leave.")
    create: Words = Field(
        default=(),
        description="Groups that are made when they are missing: names, or regular expressions that must match the "
        "whole name, such as `team-[a-z0-9-]{1,40}`.",
    )


class WebhookSettings(Settings):
    """A signed call on the first request of a person."""

    url: Annotated[str, AfterValidator(_address)] = Field(description="Where the call goes, by POST.")
    secret: Annotated[Secret, AtLeast(32)] = Field(description="Key of the call's signature (HMAC-SHA-256).")
    timeout: Annotated[Seconds, AfterValidator(between(1, 60))] = Field(default=5, description="How long it may take.")
    on_failure: Literal["deny", "serve"] = Field(
        default="deny", description="What happens to the request when the call fails."
    )


class HookSettings(Settings):
    """What else runs on the first request."""

    webhook: tuple[WebhookSettings, ...] = Field(default=(), description="Signed calls, one after the other.")


def _base(value: str) -> str:
    return _address(value).rstrip("/")


def _file(value: str) -> str:
    if not value.startswith("/") or not value.isprintable():
        raise fault("is no absolute path", "write it from the root on, such as /etc/lychgate/ca.pem")
    return value


class CrowdSettings(Settings):
    """The user server where the application's users live: Crowd, or a Jira that serves other applications."""

    url: Annotated[str, AfterValidator(_base)] = Field(
        description="Its address with the context path, such as `https://crowd.example.com/crowd`."
    )
    application: Word = Field(description="Name under which it knows Lychgate: an application there, never a person.")
    password: Annotated[Secret, AtLeast(16)] = Field(description="The application's password there.")
    ca: Annotated[str, AfterValidator(_file)] | None = Field(
        default=None,
        description="File with the certificates (PEM) of those who may vouch for the user server; without it, those "
        "that the machine trusts.",
    )


class AccountSettings(Settings):
    """What may be done to the application's accounts on the first request of a session."""

    token: Annotated[Secret | None, AtLeast(16)] = Field(
        default=None,
        description="Personal access token of an administrator of the application; without it and without `crowd` no "
        "account is touched.",
    )
    crowd: CrowdSettings | None = Field(
        default=None,
        description="The user server where accounts are managed, instead of `token`: for users in Crowd, or in a Jira "
        "that serves others.",
    )
    look_token: Annotated[Secret | None, AtLeast(16)] = Field(
        default=None,
        description="Beside `crowd`: a token with which the application itself is asked whether it shows an account, "
        "before its person is let in. It changes nothing; its account must be able to see all users and their groups.",
    )
    directory: bool = Field(
        default=False,
        description="The application takes its users and groups from Lychgate, instead of `token`: from a directory of "
        "type Crowd, read-only, at `listen.landing`, with `landing.client_id` and `landing.client_secret`. Beta.",
    )
    switch: CrowdSettings | None = Field(
        default=None,
        description="A user server that makes accounts active and inactive where Jira itself, asked with `token`, does "
        "not: Crowd, or the same Jira as user server. It does nothing else.",
    )
    next_token: Annotated[Secret | None, AtLeast(16)] = Field(
        default=None,
        description="The token that takes over as soon as the application refuses `token`: put the new one here before "
        "the old one ends.",
    )
    serve_known: Annotated[Seconds, AfterValidator(between(0, 30 * 86_400))] = Field(
        default=7 * 86_400,
        description="While the application refuses all tokens, people whose account was found ready within this time "
        "are served with it as it was; nothing is changed. `0s`: nobody is.",
    )
    sync_wait: Annotated[Seconds, AfterValidator(between(0, 86_400))] = Field(
        default=300,
        description="How long a page asks to wait for an account that was made ready and is not shown yet, because the "
        "application's directory is synchronised late. Then it is refused.",
    )
    adopt: Adopt = Field(
        default=Adopt.NEVER,
        description="Whether an existing account may be taken over by its name: `never`, or `by_username`, "
        "which needs a provider with `usernames: authoritative`.",
    )
    create: bool = Field(default=False, description="Make the account of somebody whom the application does not know.")
    reactivate: Reactivation = Field(
        default=Reactivation.OURS,
        description="Which inactive accounts come back: `ours` those that Lychgate deactivated, `any`, or `never`.",
    )
    update: tuple[Literal["display_name", "email"], ...] = Field(
        default=(), description="Attributes that follow the provider: `display_name`, `email`."
    )
    groups: GroupSettings = Field(
        default=GroupSettings(),
        description="Groups for people who sign in at the default portal. Other portals bring their own `groups`.",
    )
    removals_per_hour: int = Field(
        default=200,
        ge=0,
        description="Most memberships that may be taken from all people together within an hour; the rest is held back "
        "and told as `group.removal_skipped`, and all removals are frozen, so that a mistake at the provider does not "
        "empty groups.",
    )
    groups_stale_after: Annotated[Seconds, AfterValidator(between(3600, 2_592_000))] = Field(
        default=86_400,
        description="How long somebody is served whose groups the provider does not tell completely, where rules or "
        "group lines need them; after that `groups_stale`.",
    )
    on_revoke: Literal["none", "deactivate"] = Field(
        default="none",
        description="What happens to the account of somebody of whom a provider says that they are gone (`gone_by`): "
        "`deactivate` makes the linked account inactive. Reserved, protected and the connector's own accounts stay.",
    )
    gone_by: tuple[Literal["global_revocation"], ...] = Field(
        default=("global_revocation",),
        description="Which word of a provider says that somebody is gone: `global_revocation` (Okta: Universal "
        "Logout). A logout by the back or the front channel never does.",
    )
    deactivations_per_hour: int = Field(
        default=50,
        ge=0,
        description="Most accounts that are made inactive within an hour; the rest is told as `account.failed`, so "
        "that a mistake at the provider does not switch off a company.",
    )
    end_sessions: bool = Field(
        default=False,
        description="When somebody signs out or is signed out from outside, end the application's own sessions of the "
        "account as well, however they began (Jira: needs `token`).",
    )
    journal: Annotated[Seconds, AfterValidator(between(86_400, 3_153_600_000))] = Field(
        default=7_776_000,
        description="How long the ledger keeps what Lychgate did to each account, for `lychgate accounts undo`. "
        "It holds changed names and e-mail addresses as they were.",
    )
    time_budget: Annotated[Seconds, AfterValidator(between(1, 120))] = Field(
        default=15, description="How long a first request may wait for its account before a page asks to try again."
    )
    hooks: HookSettings = Field(default=HookSettings(), description="What else runs on the first request.")

    @property
    def managed(self) -> bool:
        """Whether there is a way to the accounts."""
        return self.token is not None or self.crowd is not None or self.directory
