"""Every kind of finding: its stable word, its check, its severity and its cure. docs/doctor.md is compared with it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sidecar.domain.finding import Check, Finding, Kind, Severity

_KINDS: dict[str, Kind] = {}

OK, UNKNOWN = "ok", "unknown"
"""The two words that every check has."""


def _kind(code: str, check: Check, severity: Severity, cure: str) -> Kind:
    if code in _KINDS:
        raise ValueError(f"two kinds of findings are called {code}")
    _KINDS[code] = Kind(code, check, severity, cure)
    return _KINDS[code]


def well(check: Check, seen: str) -> Finding:
    """Nothing is wrong, as far as the check goes."""
    return Finding(kind=Kind(OK, check, Severity.OK, "Nothing is to be done."), seen=seen)


def unknown(check: Check, why: str, cure: str = "Mend what stands in the way, and ask again.") -> Finding:
    """The check could not be done, and why."""
    return Finding(kind=Kind(UNKNOWN, check, Severity.UNKNOWN, cure), seen=why)


def or_well(found: list[Finding], check: Check, seen: str) -> tuple[Finding, ...]:
    """What was found, or that all is well."""
    return tuple(found) or (well(check, seen),)


# The provider.

PROVIDER_UNREACHABLE = _kind(
    "provider_unreachable", Check.PROVIDER, Severity.ERROR,
    "Look at name service, network policy and proxy on the way to the provider; its certificate must be trusted.",
)  # fmt: skip
METADATA_BROKEN = _kind(
    "metadata_broken", Check.PROVIDER, Severity.ERROR,
    "Open the address of the metadata yourself: `issuer` of the provider is wrong, or something answers in its place.",
)  # fmt: skip
ISSUER_DIFFERS = _kind(
    "issuer_differs", Check.PROVIDER, Severity.ERROR,
    "Write `issuer` exactly as the metadata spell it, slash at the end included.",
)  # fmt: skip
ENDPOINT_MISSING = _kind(
    "endpoint_missing", Check.PROVIDER, Severity.ERROR,
    "Name it under `endpoints` of the provider, or mend the provider's metadata.",
)  # fmt: skip
ENDPOINT_INSECURE = _kind(
    "endpoint_insecure", Check.PROVIDER, Severity.ERROR,
    "Let the provider offer the endpoint by https; codes and secrets go there.",
)  # fmt: skip
ENDPOINT_ELSEWHERE = _kind(
    "endpoint_elsewhere", Check.PROVIDER, Severity.ERROR,
    "If the host is the provider's, add it to `endpoint_hosts`; if not, somebody changed the metadata.",
)  # fmt: skip
ALGORITHMS_DIFFER = _kind(
    "algorithms_differ", Check.PROVIDER, Severity.ERROR,
    "Let the provider sign ID tokens with one of `algorithms`, or add the provider's to that list.",
)  # fmt: skip
ALGORITHM_NONE = _kind(
    "algorithm_none", Check.PROVIDER, Severity.NOTICE,
    "Lychgate takes no unsigned token; switch `none` off at the provider for those who would.",
)  # fmt: skip
PKCE_NOT_OFFERED = _kind(
    "pkce_not_offered", Check.PROVIDER, Severity.WARNING,
    "Switch PKCE with S256 on at the provider; Lychgate sends it in any case.",
)  # fmt: skip
CLIENT_AUTHENTICATION_NOT_OFFERED = _kind(
    "client_authentication_not_offered", Check.PROVIDER, Severity.WARNING,
    "Set `client_authentication` to one that the provider offers, and the client there alike.",
)  # fmt: skip
SIGN_OUT_NOT_OFFERED = _kind(
    "sign_out_not_offered", Check.PROVIDER, Severity.WARNING,
    "Name `endpoints.end_session`, or set `sign_out: local`: a sign-out does not reach the provider as it is.",
)  # fmt: skip
KEYS_UNREACHABLE = _kind(
    "keys_unreachable", Check.KEYS, Severity.ERROR,
    "The address `jwks_uri` must answer to Lychgate; without keys nobody can sign in.",
)  # fmt: skip
KEYS_UNUSABLE = _kind(
    "keys_unusable", Check.KEYS, Severity.ERROR,
    "Let the provider publish a key for signatures of one of `algorithms`, RSA with 2048 bits or more.",
)  # fmt: skip
CLIENT_SECRET_ENDED = _kind(
    "client_secret_ended", Check.CLIENT_SECRET, Severity.ERROR,
    "Make a new secret at the provider, put it into the file, restart, and mend `client_secret_ends`.",
)  # fmt: skip
CLIENT_SECRET_ENDS = _kind(
    "client_secret_ends", Check.CLIENT_SECRET, Severity.WARNING,
    "Make a new secret at the provider before that day, and mend `client_secret_ends`.",
)  # fmt: skip
SIGN_OUTS_NOT_TOLD = _kind(
    "sign_outs_not_told", Check.SIGN_OUTS, Severity.NOTICE,
    "Nothing can be registered: sessions end by `recheck`, `idle` and `absolute`; keep `recheck` short.",
)  # fmt: skip

# Clocks.

CLOCK_DIFFERS = _kind(
    "clock_differs", Check.CLOCK, Severity.WARNING,
    "Let both machines follow the same time servers (chrony, NTP).",
)  # fmt: skip
CLOCK_WRONG = _kind(
    "clock_wrong", Check.CLOCK, Severity.ERROR,
    "Set the clock that is wrong: tokens count as not yet valid or as expired, and nobody gets in.",
)  # fmt: skip

# The way to the application.

UPSTREAM_UNREACHABLE = _kind(
    "upstream_unreachable", Check.UPSTREAM, Severity.ERROR,
    "Start the application; look at `upstream`, name service, network policy and its certificate.",
)  # fmt: skip
NODE_UNREACHABLE = _kind(
    "node_unreachable", Check.UPSTREAM, Severity.WARNING,
    "Start the node or take its address out of `upstream`; its people were moved to the others.",
)  # fmt: skip
UPSTREAM_STARTING = _kind(
    "upstream_starting", Check.UPSTREAM, Severity.WARNING,
    "Wait until its start is over; if it never is, its own log says why.",
)  # fmt: skip
UPSTREAM_NOT_RUNNING = _kind(
    "upstream_not_running", Check.UPSTREAM, Severity.WARNING,
    "Open the application's own status page; set-up, maintenance or an error of its own keeps it from serving.",
)  # fmt: skip
STATUS_UNREADABLE = _kind(
    "status_unreadable", Check.UPSTREAM, Severity.WARNING,
    "What answers at `upstream` has no status page of the product: is the address, with its context path, right?",
)  # fmt: skip
ADDRESS_DIFFERS = _kind(
    "address_differs", Check.ADDRESS, Severity.ERROR,
    "Make the application's base URL and `url` the same: links, sign-on and its own checks of origin go by it.",
)  # fmt: skip
ADDRESS_INSECURE = _kind(
    "address_insecure", Check.ADDRESS, Severity.WARNING,
    "Give the application an https base URL: its own sign-on refuses http outside of trials.",
)  # fmt: skip

# The connector.

TOKEN_REFUSED = _kind(
    "token_refused", Check.TOKEN, Severity.ERROR,
    "Make a new token of the connector's account and put it into the file; it counts at once.",
)  # fmt: skip
TOKEN_UNDERPRIVILEGED = _kind(
    "token_underprivileged", Check.TOKEN, Severity.ERROR,
    "Make the token's account an administrator (Administer Jira; Confluence administrator): accounts need it.",
)  # fmt: skip
TOKEN_OVERPRIVILEGED = _kind(
    "token_overprivileged", Check.TOKEN, Severity.WARNING,
    "Give the connector an account that is an administrator and no system administrator; the set-up of the sign-on "
    "takes another token for that one time (`--token`).",
)  # fmt: skip
TOKEN_ENDS = _kind(
    "token_ends", Check.TOKEN, Severity.WARNING,
    "Make a new token now and name it in `next_token`: it takes over by itself.",
)  # fmt: skip
NEXT_TOKEN_REFUSED = _kind(
    "next_token_refused", Check.NEXT_TOKEN, Severity.ERROR,
    "The token that is to take over is not taken itself: put one that is into its file.",
)  # fmt: skip
LOOK_TOKEN_REFUSED = _kind(
    "look_token_refused", Check.LOOK_TOKEN, Severity.ERROR,
    "Make a new token for `look_token`: without it nobody knows what the application shows.",
)  # fmt: skip
USER_SERVER_REFUSED = _kind(
    "user_server_refused", Check.USER_SERVER, Severity.ERROR,
    "Compare name, password and allowed addresses of the application at the user server with `accounts.crowd`.",
)  # fmt: skip
USER_SERVER_UNREACHABLE = _kind(
    "user_server_unreachable", Check.USER_SERVER, Severity.ERROR,
    "Start the user server; look at its address, network policy and certificate.",
)  # fmt: skip
FIRST_DIRECTORY_FOREIGN = _kind(
    "first_directory_foreign", Check.DIRECTORIES, Severity.NOTICE,
    "Its accounts win over others of the same name, and stay unchanged where it is read-only; new ones go to the first "
    "directory that can be written. Move the internal directory up if that is not what you want.",
)  # fmt: skip
NO_DIRECTORY_TO_WRITE = _kind(
    "no_directory_to_write", Check.DIRECTORIES, Severity.WARNING,
    "Switch the internal directory on, or set `accounts.create: false`: new accounts have nowhere to go unless a "
    "synchronised directory is writable.",
)  # fmt: skip
SYNCHRONISATION_FAILED = _kind(
    "synchronisation_failed", Check.DIRECTORIES, Severity.WARNING,
    "The application's user directories page says why; until then accounts there are as they were.",
)  # fmt: skip
ACCOUNTS_SHADOWED = _kind(
    "accounts_shadowed", Check.DIRECTORIES, Severity.WARNING,
    "Of each of these names only the account in the first directory counts: delete or rename the others.",
)  # fmt: skip

# Who is believed.

HEADER_BELIEVED = _kind(
    "header_believed", Check.HEADERS, Severity.ERROR,
    "Whoever reaches the application is whoever they say: take that receiver out, or make it demand a proof, and let "
    "nobody but Lychgate reach the application.",
)  # fmt: skip
LANDING_WITHOUT_PROOF = _kind(
    "landing_without_proof", Check.LANDING, Severity.ERROR,
    "The receiver believes the header without its proof: make it check the secret or the assertion, or land by `oidc`.",
)  # fmt: skip
LANDING_FORGED_PROOF = _kind(
    "landing_forged_proof", Check.LANDING, Severity.ERROR,
    "The receiver takes any proof for good: compare its secret or its key set (`/.lychgate/jwks`), and that it checks.",
)  # fmt: skip
LANDING_PROOF_REFUSED = _kind(
    "landing_proof_refused", Check.LANDING, Severity.ERROR,
    "The receiver does not take our proof: is it there at all, with the same header, secret, audience and key set?",
)  # fmt: skip
LANDING_NOT_ASKED = _kind(
    "landing_not_asked", Check.LANDING, Severity.ERROR,
    "The application did not ask its Crowd server about a token: set its authenticator and `crowd.properties` as "
    "`lychgate landing show` says, restart it, and let it reach `listen.landing`.",
)  # fmt: skip
SIGN_ON_ABSENT = _kind(
    "sign_on_absent", Check.LANDING, Severity.ERROR,
    "Run `lychgate landing configure --apply`, or fill in what `lychgate landing show` prints.",
)  # fmt: skip
SIGN_ON_DISABLED = _kind(
    "sign_on_disabled", Check.LANDING, Severity.ERROR,
    "Switch the configuration on at the application's authentication methods.",
)  # fmt: skip
SIGN_ON_CREATES_USERS = _kind(
    "sign_on_creates_users", Check.LANDING, Severity.ERROR,
    "Switch the creation of users on login off: it takes every group away that it was not told of.",
)  # fmt: skip
SIGN_ON_REMEMBERS = _kind(
    "sign_on_remembers", Check.LANDING, Severity.WARNING,
    "Switch `Remember user logins` off: sessions of the application outlive those of Lychgate.",
)  # fmt: skip
SIGN_ON_DIFFERS = _kind(
    "sign_on_differs", Check.LANDING, Severity.ERROR,
    "Run `lychgate landing configure --apply`: until it is as it must be, people do not land.",
)  # fmt: skip
OTHER_SIGN_ON = _kind(
    "other_sign_on", Check.SIGN_ON, Severity.NOTICE,
    "Switch it off unless somebody needs it beside Lychgate: it signs people in without Lychgate's rules wherever the "
    "application can be reached around it.",
)  # fmt: skip
AUTH_FALLBACK = _kind(
    "auth_fallback", Check.SIGN_ON, Severity.WARNING,
    "Switch it off (`enable-authentication-fallback`: false at `/rest/authconfig/1.0/sso`): it brings the password "
    "form back for whoever reaches the application.",
)  # fmt: skip
BASIC_ALLOWED = _kind(
    "basic_allowed", Check.BASIC, Severity.NOTICE,
    "Lychgate refuses it; switch `Allow basic authentication on API calls` off at the application too.",
)  # fmt: skip
BASIC_PASSES = _kind(
    "basic_passes", Check.BASIC, Severity.WARNING,
    "A password opens the REST interface past the provider: set `api.basic: deny`, give scripts access tokens.",
)  # fmt: skip
WEBSUDO_ON = _kind(
    "websudo_on", Check.WEBSUDO, Severity.WARNING,
    "Administrators without a password cannot answer: switch secure administrator sessions off, and let a rule for "
    "`@admin` ask for a fresh sign-in instead (`fresh`).",
)  # fmt: skip
PASSWORD_FORMS = _kind(
    "password_forms", Check.PASSWORD_FORMS, Severity.WARNING,
    "Put `login.submit.url` with `/dologin.action` into `seraph-config.xml`: without it every action takes a password. "
    "Lychgate stops such forms; whoever gets around it is not stopped.",
)  # fmt: skip

# Leavers, and what is ours.

LEAVERS_STAY = _kind(
    "leavers_stay", Check.LEAVERS, Severity.NOTICE,
    "Set `accounts.on_revoke: deactivate` if the provider says who is gone (Okta: Universal Logout); else deactivate "
    "leavers by hand: their accounts keep a seat.",
)  # fmt: skip
LEAVERS_TOKENS_PASS = _kind(
    "leavers_tokens_pass", Check.LEAVERS, Severity.NOTICE,
    "Set `api.pat_owner: resolve`: a personal access token of somebody who is gone is then refused.",
)  # fmt: skip
STATE_FORGOTTEN = _kind(
    "state_forgotten", Check.STATE, Severity.NOTICE,
    "Let `state` name a directory or a database: in memory sessions and pins are lost with a restart.",
)  # fmt: skip
STATE_UNWRITABLE = _kind(
    "state_unwritable", Check.STATE, Severity.ERROR,
    "Give the directory and its files to the user under whom Lychgate runs, on a disk that is not read-only.",
)  # fmt: skip
STATE_DAMAGED = _kind(
    "state_damaged", Check.STATE, Severity.ERROR,
    "Stop Lychgate, and restore the file from its backup as docs/operations.md says.",
)  # fmt: skip
STATE_NEWER = _kind(
    "state_newer", Check.STATE, Severity.ERROR,
    "Start the newer Lychgate that wrote it, or put back the backup from before its upgrade.",
)  # fmt: skip
STATE_OLDER = _kind(
    "state_older", Check.STATE, Severity.NOTICE,
    "Nothing now: the next start brings it to this version. Keep a backup; the version before will refuse it.",
)  # fmt: skip
DISK_FULL = _kind(
    "disk_full", Check.STATE, Severity.WARNING,
    "Make room on the disk of `state`: when it is full nobody can sign in.",
)  # fmt: skip
DATABASE_UNREACHABLE = _kind(
    "database_unreachable", Check.STATE, Severity.ERROR,
    "Start the database; look at its address, password, certificate and network policy.",
)  # fmt: skip
DATABASE_TOO_OLD = _kind(
    "database_too_old", Check.STATE, Severity.ERROR,
    "Upgrade PostgreSQL to 14 or newer.",
)  # fmt: skip
DATABASE_SLOW = _kind(
    "database_slow", Check.STATE, Severity.WARNING,
    "Bring the database nearer, or look what keeps it busy: each sign-in asks it several times.",
)  # fmt: skip
DATABASE_LAGS = _kind(
    "database_lags", Check.STATE, Severity.WARNING,
    "A standby is behind: after a failover what it has not heard is lost, pins and sign-outs among it.",
)  # fmt: skip
DATABASE_READ_ONLY = _kind(
    "database_read_only", Check.STATE, Severity.ERROR,
    "Let `state` name the primary too (several hosts with commas between): a standby takes no writes.",
)  # fmt: skip
LEDGER_UNUSABLE = _kind(
    "ledger_unusable", Check.LEDGER, Severity.ERROR,
    "Run `lychgate ledger init` once if this is the first start; if not, restore the ledger from its backup.",
)  # fmt: skip

CATALOGUE: Mapping[str, Kind] = MappingProxyType(_KINDS)
"""By code."""
