"""Settings of a portal: a door to an application, with its provider and its rules."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from sidecar.adapters.accounts.settings import GroupSettings
from sidecar.adapters.settings import ClaimFence, Seconds, Settings, Size, SomeWords, Word, Words, between, fault
from sidecar.config.model_application import UsernameSettings
from sidecar.config.model_upstream import check_patterns
from sidecar.domain.policy import Answer, Mode

_METHOD = re.compile(r"[A-Z]{2,20}")
_PORTAL_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")
_ACR = re.compile(r"[\x21-\x7e]{1,120}")
_RULE_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


def _methods(value: tuple[str, ...]) -> tuple[str, ...]:
    for method in value:
        if not _METHOD.fullmatch(method):
            raise fault(f"{method} is no method", "write methods in capitals, such as GET")
    return value


def _portal_paths(value: tuple[str, ...]) -> tuple[str, ...]:
    for path in value:
        if not path.startswith("@") and not _PORTAL_PATH.fullmatch(path):
            raise fault(
                f"{path} is no prefix of a portal",
                "write plain segments without * and without a slash at the end, such as /servicedesk/customer",
            )
    return value


def _acr(value: tuple[str, ...]) -> tuple[str, ...]:
    for kind in value:
        if not _ACR.fullmatch(kind):
            raise fault(f"{kind} is no kind of sign-in", "write one value per entry, as the provider does: no blanks")
    if len(value) > 8:
        raise fault("names more than 8 kinds of sign-in", "name those that are enough, the best first")
    return value


def _rule_name(value: str) -> str:
    if not _RULE_NAME.fullmatch(value):
        raise fault("is no name of a rule", "begin with a letter, then lower-case letters, digits and hyphens")
    return value


def _not_nothing(value: Any) -> Any:
    if isinstance(value, dict) and not value:
        raise fault("asks for nothing, and so lets everyone in", "name groups or claims, or remove the line")
    return value


class ConditionSettings(Settings):
    """A demand on the claims. Everything that is given must hold."""

    any_group: SomeWords | None = Field(default=None, description="At least one of these groups of the provider.")
    all_groups: SomeWords | None = Field(default=None, description="Every one of these groups.")
    no_group: SomeWords | None = Field(default=None, description="None of these groups.")
    claims: ClaimFence | None = Field(
        default=None, description="Claims, each with the values of which one must be there."
    )


Demand = Annotated[ConditionSettings | None, BeforeValidator(_not_nothing)]


class RuleSettings(Settings):
    """A rule. The first one whose paths and methods match decides."""

    name: Annotated[str, AfterValidator(_rule_name)] | None = Field(
        default=None, description="Name in metrics, audit events and messages; without it the rule's number."
    )
    paths: Annotated[SomeWords, AfterValidator(check_patterns)] = Field(
        default=("/**",),
        description="Path patterns below the context path, or named sets such as `@admin`.",
    )
    methods: Annotated[SomeWords, AfterValidator(_methods)] | None = Field(
        default=None, description="Methods, in capitals; all when left out."
    )
    answer: Answer = Field(
        default=Answer.ALLOW,
        description="`public`: everybody, without signing in; `login`: everybody who signed in; `allow`: those whom "
        "`require` admits; `deny`: nobody, or with `require` not those whom it describes.",
    )
    require: Demand = Field(default=None, description="Demand on the claims.")
    fresh: Annotated[Seconds, AfterValidator(between(60, 86_400))] | None = Field(
        default=None, description="The sign-in may be at most so old; otherwise the person signs in again."
    )

    acr: Annotated[SomeWords, AfterValidator(_acr)] | None = Field(
        default=None,
        description="The sign-in must have been of one of these kinds (`acr`, as the provider writes them); otherwise "
        "the person signs in again, and the provider is asked for them (`acr_values`).",
    )


class PreviewSettings(Settings):
    """Who may look through their own sign-in at `/.lychgate/test`."""

    require: Annotated[ConditionSettings, BeforeValidator(_not_nothing)] = Field(
        description="Demand on the claims of whoever may use the page."
    )
    fresh: Annotated[Seconds, AfterValidator(between(60, 3600))] = Field(
        default=300, description="The sign-in may be at most so old; otherwise the person signs in again."
    )


class PortalSettings(Settings):
    """A door to an application."""

    application: Word = Field(description="The application to which it leads.")
    default: bool = Field(
        default=False, description="Whether it owns all paths that no other portal owns; one portal per application."
    )
    paths: Annotated[SomeWords, AfterValidator(_portal_paths)] | None = Field(
        default=None, description="Path prefixes below the context path, or a preset of the product such as `@jsm`."
    )
    provider: SomeWords = Field(
        description="The provider at which people sign in; of several, in this order, people choose one."
    )
    mode: Mode = Field(
        default=Mode.ENFORCE,
        description="`enforce`; `observe` judges every request, changes nothing and reports; `off` is transparent.",
    )
    accepts: Words = Field(
        default=(),
        description="Other portals of the application whose people are let in as well. It stands for `require`, if "
        "they come from another provider; they meet no condition of a rule, and every ban holds for them.",
    )
    require: Demand = Field(default=None, description="Demand on everybody who comes in.")
    max_body: Size | None = Field(
        default=None,
        description="Largest body of a request, such as `100MiB`; a larger one is 413 (`body_too_large`), even if its "
        "size was not announced. Without it the application alone decides.",
    )
    test_page: PreviewSettings | None = Field(
        default=None,
        description="The sign-in test page `/.lychgate/test`: people see their own claims, username, groups and what "
        "a sign-in would do to their account. Off without it.",
    )
    rules: tuple[RuleSettings, ...] = Field(default=(), description="Rules, in order.")
    username: UsernameSettings | None = Field(
        default=None, description="Changes to the application's `username` for this portal, key by key."
    )
    usernames: dict[Word, UsernameSettings] = Field(
        default={},
        description="Changes to `username` for the people of one of several providers: provider to keys.",
    )
    groups: GroupSettings | None = Field(
        default=None,
        description="Groups for people who sign in here. The default portal uses the application's "
        "`accounts.groups`; any other portal gives none unless they stand here.",
    )
