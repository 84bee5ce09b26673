"""Reason words: why a request, a sign-in or an account step was refused.

The same word stands in the response, the audit event, the metric label and docs/reasons.md (a test compares them).
A word is never renamed and never re-used for something else; new ones are added.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused, or (for `ok`) that nothing was."""

    OK = "ok"

    # The request itself cannot be judged.
    BAD_TARGET = "bad_target"
    BAD_PATH = "bad_path"
    BAD_METHOD = "bad_method"
    BAD_HEADERS = "bad_headers"
    HEADERS_TOO_LARGE = "headers_too_large"
    TARGET_TOO_LONG = "target_too_long"
    BODY_TOO_LARGE = "body_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    UNKNOWN_HOST = "unknown_host"
    NO_PORTAL = "no_portal"
    UNKNOWN_ENDPOINT = "unknown_endpoint"

    # The request is understood and refused by a rule.
    NO_SESSION = "no_session"
    CLOSED_PATH = "closed_path"
    BREAK_GLASS_CLOSED = "break_glass_closed"
    BREAK_GLASS_FOREIGN = "break_glass_foreign"
    PASSWORD_LOGIN = "password_login"
    RULE_DENIED = "rule_denied"
    NOT_IN_GROUP = "not_in_group"
    GROUPS_UNKNOWN = "groups_unknown"
    CLAIM_MISSING = "claim_missing"
    CLAIM_MISMATCH = "claim_mismatch"
    STEP_UP_NEEDED = "step_up_needed"
    CLAIMS_STALE = "claims_stale"
    OTHER_PORTAL = "other_portal"
    UPGRADE_REFUSED = "upgrade_refused"
    ORIGIN_MISMATCH = "origin_mismatch"
    CREDENTIAL_DENIED = "credential_denied"
    CREDENTIAL_UNKNOWN = "credential_unknown"
    CREDENTIAL_NOT_HERE = "credential_not_here"
    TOKEN_NOT_ACCEPTED = "token_not_accepted"
    FORM_TOKEN_INVALID = "form_token_invalid"
    OWNER_GONE = "owner_gone"
    BLOCKED = "blocked"
    PROVIDER_REVOKED = "provider_revoked"
    TOO_MANY_TESTS = "too_many_tests"

    # The sign-in failed.
    STATE_MISSING = "state_missing"
    STATE_EXPIRED = "state_expired"
    STATE_SPENT = "state_spent"
    CALLBACK_INVALID = "callback_invalid"
    ISSUER_MISMATCH = "issuer_mismatch"
    PROVIDER_REFUSED = "provider_refused"
    PROVIDER_UNREACHABLE = "provider_unreachable"
    PROVIDER_MISCONFIGURED = "provider_misconfigured"
    CODE_REFUSED = "code_refused"
    TOKEN_INVALID = "token_invalid"
    USERINFO_INVALID = "userinfo_invalid"
    STRANGER = "stranger"
    STEP_UP_FAILED = "step_up_failed"
    SESSION_REVOKED = "session_revoked"
    LOGOUT_TOKEN_INVALID = "logout_token_invalid"
    TOO_MANY_FAILURES = "too_many_failures"
    LOGIN_LOOP = "login_loop"
    TOO_MANY_SIGN_INS = "too_many_sign_ins"

    # The person has no usable account name.
    USERNAME_MISSING = "username_missing"
    USERNAME_INVALID = "username_invalid"
    USERNAME_FOREIGN = "username_foreign"
    PIN_CONFLICT = "pin_conflict"

    # The account could not be made ready.
    ACCOUNT_NOT_ADOPTED = "account_not_adopted"
    ACCOUNT_RESERVED = "account_reserved"
    ACCOUNT_PROTECTED = "account_protected"
    ACCOUNT_ABSENT = "account_absent"
    EMAIL_MISSING = "email_missing"
    ACCOUNT_INACTIVE = "account_inactive"
    ACCOUNT_STEP_FAILED = "account_step_failed"
    GROUP_ABSENT = "group_absent"
    GROUP_LICENSED = "group_licensed"
    NO_SEAT_LEFT = "no_seat_left"
    DIRECTORY_READ_ONLY = "directory_read_only"
    DIRECTORY_SYNC_PENDING = "directory_sync_pending"
    ACCOUNT_RENAMED = "account_renamed"
    CONNECTOR_UNREACHABLE = "connector_unreachable"
    CONNECTOR_REFUSED = "connector_refused"
    HOOK_FAILED = "hook_failed"
    LEDGER_UNUSABLE = "ledger_unusable"
    GROUPS_STALE = "groups_stale"
    REMOVALS_CAPPED = "removals_capped"
    LAST_ADMINISTRATOR = "last_administrator"
    DEACTIVATIONS_CAPPED = "deactivations_capped"

    # The application did not take the person in, or did not answer.
    LANDING_NEEDED = "landing_needed"
    LANDING_FAILED = "landing_failed"
    LANDING_MISMATCH = "landing_mismatch"
    PRODUCT_REFUSED = "product_refused"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_BROKEN = "upstream_broken"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_STARTING = "upstream_starting"
    UPSTREAM_BUSY = "upstream_busy"
    TUNNELS_FULL = "tunnels_full"

    # We failed.
    STATE_UNAVAILABLE = "state_unavailable"
    AUDIT_UNAVAILABLE = "audit_unavailable"
    INTERNAL = "internal"
