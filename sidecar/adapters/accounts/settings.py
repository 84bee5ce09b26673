"""Settings of accounts: what may be done to them, which groups follow from which, and the hooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import Seconds, Settings, Word, Words, between, fault
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


class GroupLine(Settings):
    """One line from the provider's groups to the application's."""

    source: Word = Field(
        alias="from",
        description="The provider's group: a regular expression that must match the whole name. "
        "Under `admin` the exact name, without any pattern.",
    )
    target: Word = Field(
        alias="to", description="The application's group; `$1` to `$9` stand for what the brackets matched."
    )


class GroupSettings(Settings):
    """Which groups of the application a person shall have."""

    map: tuple[GroupLine, ...] = Field(default=(), description="Lines from the provider's groups to the application's.")
    default: Groups = Field(default=(), description="Groups for everybody who signs in at the portal.")
    needed: Groups = Field(default=(), description="Groups without which nobody is let in when joining them fails.")
    admin: tuple[GroupLine, ...] = Field(
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


class AccountSettings(Settings):
    """What may be done to the application's accounts on the first request of a session."""

    token: Annotated[Secret | None, AtLeast(16)] = Field(
        default=None, description="Personal access token of an administrator; without it no account is touched."
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
        "and told as `group.removal_skipped`, so that a mistake at the provider does not empty groups.",
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
