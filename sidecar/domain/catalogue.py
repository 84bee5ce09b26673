"""The catalogue: which facts an event of each code may have, and what each holds. Nothing else is ever written.

One table instead of a class for each code (ADR 31): the sinks write by it, a sink that hides persons hides by it, the
tests hold every event that is told against it, and docs/operations.md is compared with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from sidecar.domain.events import Code


class Holds(Enum):
    """What a fact is, for a sink that hides persons."""

    PLAIN = auto()
    ACCOUNT = auto()
    """The name of an account: shown as a pseudonym."""
    WORDS = auto()
    """Words or an address in which a name may stand anywhere: left out."""


_KINDS = dict.fromkeys(("account", "before"), Holds.ACCOUNT) | dict.fromkeys(
    ("detail", "path", "faults", "aside", "why", "about"), Holds.WORDS
)


def _facts(*names: str) -> Mapping[str, Holds]:
    return MappingProxyType({name: _KINDS.get(name, Holds.PLAIN) for name in names})


_STEP = ("cause", "account", "group", "fields")
"""A step on an account: `cause` where a command or an undoing did it."""

FACTS: Mapping[Code, Mapping[str, Holds]] = MappingProxyType(
    {
        Code.LOGIN_STARTED: _facts("silent"),
        Code.LOGIN_SUCCEEDED: _facts("silent", "seconds"),
        Code.LOGIN_FAILED: _facts("silent", "detail"),
        Code.SESSION_CREATED: _facts(),
        Code.SESSION_REFRESHED: _facts("detail"),
        Code.SESSION_ENDED: _facts("cause"),
        Code.SESSIONS_REVOKED: _facts("door", "by", "ended", "issued", "detail"),
        Code.SESSIONS_CLEARED: _facts("cause", "ended"),
        Code.PRODUCT_SESSIONS_ENDED: _facts(),
        Code.ACCESS_DENIED: _facts("path", "detail"),
        Code.ACCESS_OBSERVED: _facts("path", "detail"),
        Code.REQUEST_FAILED: _facts("path", "status", "detail"),
        Code.PORTAL_CROSS_USE: _facts("home"),
        Code.API_PASSTHROUGH: _facts("credential"),
        Code.API_CALLER: _facts(),
        Code.HEADER_STRIPPED: _facts("headers"),
        Code.USER_LINKED: _facts("account", "created", "cause"),
        Code.USER_UNLINKED: _facts("account", "cause"),
        Code.USER_CREATED: _facts("account", "cause"),
        Code.USER_REACTIVATED: _facts("account", "cause"),
        Code.USER_UPDATED: _facts("account", "fields", "cause"),
        Code.USER_DEACTIVATED: _facts("account", "cause"),
        Code.GROUP_CREATED: _facts("account", "group", "cause"),
        Code.GROUP_ADDED: _facts("account", "group", "cause"),
        Code.GROUP_REMOVED: _facts("account", "group", "cause"),
        Code.JOIN_SKIPPED: _facts("groups"),
        Code.GROUP_ADOPTED: _facts("account", "group", "cause"),
        Code.GROUP_DISOWNED: _facts("account", "group", "cause"),
        Code.REMOVAL_SKIPPED: _facts(),
        Code.REMOVALS_FROZEN: _facts("taken", "limit"),
        Code.REMOVALS_RESUMED: _facts("cause"),
        Code.GROUPS_INCOMPLETE: _facts(),
        Code.USER_RENAMED: _facts("account", "before", "cause"),
        Code.ACCOUNT_OBSERVED: _facts("account", "steps", "detail"),
        Code.ACCOUNT_REFUSED: _facts("detail"),
        Code.ACCOUNT_FAILED: _facts("step", "hook", "detail", "keeps_out", "given_up", "waiting", *_STEP),
        Code.LANDING_CONFIGURED: _facts("cause", "fields"),
        Code.LANDING_ESTABLISHED: _facts("cause"),
        Code.CREDENTIAL_EXPIRING: _facts("days"),
        Code.CREDENTIAL_REFUSED: _facts("which", "none_left"),
        Code.LANDING_FAILED: _facts("path", "detail", "error", "cause"),
        Code.LANDING_MISMATCH: _facts("detail", "error"),
        Code.CONFIG_LOADED: _facts("hash", "warnings", "cause"),
        Code.CONFIG_REFUSED: _facts("cause", "result", "faults"),
        Code.BREAKGLASS_OPENED: _facts("uid", "why", "minutes", "until"),
        Code.BREAKGLASS_USED: _facts("what", "method", "path"),
        Code.BREAKGLASS_CLOSED: _facts("cause", "browsers", "uid"),
        Code.BREAKGLASS_DRILLED: _facts("uid", "why", "detail"),
        Code.SECRETS_RENEWED: _facts("settings", "cause"),
        Code.SECRETS_REFUSED: _facts("faults"),
        Code.LEDGER_INITIALISED: _facts("cause"),
        Code.FINDING_APPEARED: _facts("finding", "check", "severity", "detail"),
        Code.FINDING_GONE: _facts("finding", "check", "severity", "detail"),
        Code.CHANGE_INTENDED: _facts("step", "hook", *_STEP),
        Code.COMMAND_GIVEN: _facts("command", "uid", "why", "about", "detail"),
        Code.AUDIT_STARTED: _facts("chain", "signed", "aside"),
        Code.AUDIT_CHECKPOINT: _facts("key", "records"),
        Code.AUDIT_COUNTED: _facts("counted", "count", "minute"),
        Code.AUDIT_GAP: _facts("cause", "lost", "first", "last", "bytes", "sha256"),
        Code.AUDIT_RETIRED: _facts("segments", "last"),
    }
)


def undeclared(code: Code, facts: Mapping[str, object]) -> frozenset[str]:
    """Names among *facts* that the catalogue does not have."""
    return frozenset(facts) - frozenset(FACTS[code])
