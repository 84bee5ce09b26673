"""Audit events: one stable code each. The envelope and the codes keep their names (design, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sidecar.domain.identity import Person, SignedIn
from sidecar.domain.reason import Reason


class Code(StrEnum):
    """What happened."""

    LOGIN_STARTED = "login.start"
    LOGIN_SUCCEEDED = "login.success"
    LOGIN_FAILED = "login.error"
    SESSION_CREATED = "session.created"
    SESSION_REFRESHED = "session.refreshed"
    SESSION_ENDED = "session.ended"
    SESSIONS_REVOKED = "sessions.revoked"
    SESSIONS_CLEARED = "sessions.cleared"
    PRODUCT_SESSIONS_ENDED = "product.sessions_ended"
    ACCESS_DENIED = "access.denied"
    ACCESS_OBSERVED = "access.observed"
    REQUEST_FAILED = "request.failed"
    PORTAL_CROSS_USE = "portal.cross_use"
    API_PASSTHROUGH = "api.passthrough"
    API_CALLER = "api.caller"
    HEADER_STRIPPED = "header.spoof_stripped"
    USER_LINKED = "user.linked"
    USER_UNLINKED = "user.unlinked"
    USER_CREATED = "user.created"
    USER_REACTIVATED = "user.reactivated"
    USER_UPDATED = "user.updated"
    USER_DEACTIVATED = "user.deactivated"
    GROUP_CREATED = "group.created"
    GROUP_ADDED = "group.added"
    GROUP_REMOVED = "group.removed"
    JOIN_SKIPPED = "group.join_skipped"
    GROUP_ADOPTED = "group.adopted"
    GROUP_DISOWNED = "group.disowned"
    REMOVAL_SKIPPED = "group.removal_skipped"
    REMOVALS_FROZEN = "removals.frozen"
    REMOVALS_RESUMED = "removals.resumed"
    GROUPS_INCOMPLETE = "sync.incomplete"
    USER_RENAMED = "user.renamed"
    ACCOUNT_OBSERVED = "account.observed"
    ACCOUNT_REFUSED = "account.refused"
    ACCOUNT_FAILED = "account.failed"
    LANDING_CONFIGURED = "landing.configured"
    LANDING_ESTABLISHED = "landing.established"
    CREDENTIAL_EXPIRING = "token.expiring"
    CREDENTIAL_REFUSED = "token.refused"
    LANDING_FAILED = "landing.failed"
    LANDING_MISMATCH = "landing.mismatch"
    CONFIG_LOADED = "config.loaded"
    CONFIG_REFUSED = "config.refused"
    BREAKGLASS_OPENED = "breakglass.opened"
    BREAKGLASS_USED = "breakglass.used"
    BREAKGLASS_CLOSED = "breakglass.closed"
    BREAKGLASS_DRILLED = "breakglass.drilled"
    SECRETS_RENEWED = "secrets.renewed"
    SECRETS_REFUSED = "secrets.refused"
    LEDGER_INITIALISED = "ledger.initialised"
    FINDING_APPEARED = "finding.appeared"
    FINDING_GONE = "finding.gone"
    CHANGE_INTENDED = "change.intended"
    COMMAND_GIVEN = "command.given"
    AUDIT_STARTED = "audit.started"
    AUDIT_CHECKPOINT = "audit.checkpoint"
    AUDIT_COUNTED = "audit.counted"
    AUDIT_GAP = "audit.gap"
    AUDIT_RETIRED = "audit.retired"


HELD = frozenset(
    {
        Code.SESSION_CREATED,
        Code.SESSION_REFRESHED,
        Code.SESSION_ENDED,
        Code.SESSIONS_REVOKED,
        Code.SESSIONS_CLEARED,
        Code.PRODUCT_SESSIONS_ENDED,
        Code.USER_LINKED,
        Code.USER_UNLINKED,
        Code.USER_CREATED,
        Code.USER_REACTIVATED,
        Code.USER_UPDATED,
        Code.USER_DEACTIVATED,
        Code.GROUP_CREATED,
        Code.GROUP_ADDED,
        Code.GROUP_REMOVED,
        Code.REMOVALS_FROZEN,
        Code.REMOVALS_RESUMED,
        Code.USER_RENAMED,
        Code.GROUP_ADOPTED,
        Code.GROUP_DISOWNED,
        Code.ACCOUNT_FAILED,
        Code.CREDENTIAL_EXPIRING,
        Code.CREDENTIAL_REFUSED,
        Code.CONFIG_LOADED,
        Code.CONFIG_REFUSED,
        Code.BREAKGLASS_OPENED,
        Code.BREAKGLASS_USED,
        Code.BREAKGLASS_CLOSED,
        Code.BREAKGLASS_DRILLED,
        Code.SECRETS_RENEWED,
        Code.SECRETS_REFUSED,
        Code.LEDGER_INITIALISED,
        Code.LANDING_CONFIGURED,
        Code.CHANGE_INTENDED,
        Code.COMMAND_GIVEN,
    }
)
"""Account changes, sessions and administration: what a sink that holds work up never lets go lightly."""

STRANGERS = frozenset(
    {
        Code.LOGIN_STARTED,
        Code.LOGIN_FAILED,
        Code.ACCESS_DENIED,
        Code.ACCESS_OBSERVED,
        Code.REQUEST_FAILED,
        Code.API_PASSTHROUGH,
        Code.HEADER_STRIPPED,
        Code.LANDING_FAILED,
    }
)
"""What anybody may cause, as often as they like."""


Fact = str | int | bool | tuple[str, ...]
"""A plain JSON value."""


UNTOLD = SignedIn()
"""Of a sign-in at the provider nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What is told of one happening; the sink adds time, sequence, instance, version and config hash.

    Attributes:
        request: Request id, or "".
        source: Client address as far as it is believed.
        proxies: The trusted proxies between the client and us, the nearest to the client first.
        signed_in: How the person signed in at the provider, where that is known.
        session: The first 16 characters of the session's key, or ""; the sink shows a keyed hash of them.
        attempt: The part of the attempt cookie's name that names a sign-in before there is a session, or ""; shown as
            a keyed hash.
        before, after: Sets of groups or attributes where something changed.
        facts: Further fields of the code, plain JSON values. Never tokens, codes, cookies, secrets or query values.
    """

    code: Code
    outcome: str = "success"
    reason: Reason = Reason.OK
    request: str = ""
    source: str = ""
    proxies: tuple[str, ...] = ()
    person: Person | None = None
    signed_in: SignedIn = UNTOLD
    username: str = ""
    application: str = ""
    portal: str = ""
    provider: str = ""
    rule: str = ""
    session: str = ""
    attempt: str = ""
    before: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
