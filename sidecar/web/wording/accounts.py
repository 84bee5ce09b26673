"""Words for accounts that could not be made ready, for the application's own refusals, and for our own failures."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.domain.reason import Reason
from sidecar.web.wording.text import Text

ACCOUNTS: Mapping[Reason, Text] = {
    Reason.ACCOUNT_NOT_ADOPTED: Text(
        403,
        "Your account is not linked to your sign-in yet",
        "{product} has an account of your name, and nobody has confirmed that it is yours.",
        "Ask your administrator to link the account to your sign-in.",
        "The account exists and has no pin. `adopt: never` is the default, and `adopt: by_username` counts only for "
        "a provider with `usernames: authoritative`. Link one account with `lychgate accounts link`.",
    ),
    Reason.ACCOUNT_RESERVED: Text(
        403,
        "This user name is reserved",
        "Your user name is one that {product} keeps for administration, so it is not given out by itself.",
        "Ask your administrator.",
        "Names such as `admin`, `root` or `system` and the connector's own account are never made, adopted or "
        "changed by themselves. `lychgate accounts link` does it for a known person.",
    ),
    Reason.ACCOUNT_PROTECTED: Text(
        403,
        "This account is protected",
        "Your account in {product} has administrator rights, so it is not linked or changed by itself.",
        "Ask your administrator to link the account to your sign-in.",
        "The account is in a protected group, such as the administrators' groups of the product. Link it with "
        "`lychgate accounts link`.",
    ),
    Reason.ACCOUNT_ABSENT: Text(
        403,
        "You are signed in, but you have no account in {product}",
        "There is no account for you in {product}, and none was made.",
        "Ask your administrator for an account.",
        "There is no such account and `accounts.create` is off; or the linked account was deleted or renamed in the "
        "application; or the application does not show an account that was just made.",
    ),
    Reason.EMAIL_MISSING: Text(
        403,
        "Your e-mail address is not confirmed",
        "An account in {product} needs an e-mail address, and none of yours has been confirmed where you signed in.",
        "Confirm your e-mail address where you sign in, then sign in again.",
        "The account would be made now, and neither product makes one without an address. The provider sends no "
        "`email`, or not with `email_verified: true`. If it verifies every address and does not say so, mark it "
        "`usernames: authoritative`; otherwise add the claim there.",
    ),
    Reason.ACCOUNT_INACTIVE: Text(
        403,
        "Your account in {product} is switched off",
        "You are signed in, but your account in {product} is not active.",
        "Ask your administrator to switch it on again.",
        "`reactivate: ours` (the default) only wakes accounts that Lychgate itself deactivated. Without an entry in "
        "the ledger an administrator did it, and it stays so. It also stays so while stale groups cannot be left "
        "first.",
    ),
    Reason.ACCOUNT_STEP_FAILED: Text(
        503,
        "Your account could not be made ready",
        "{product} did not carry out a change that your account needs before you can come in.",
        "Wait a moment and try again.",
        "Creating, reactivating, leaving a group, or joining a group marked `needed` failed. The audit events show "
        "which step and what the application answered. A read-only directory that stands first is a common cause.",
    ),
    Reason.GROUP_ABSENT: Text(
        503,
        "A group that you need does not exist",
        "Your account should join a group that {product} does not have.",
        "Tell your administrator; this works as soon as the group exists.",
        "Lychgate makes only groups that `accounts.groups.create` allows. Create the group in the application, allow "
        "it there, or correct `accounts.groups`.",
    ),
    Reason.GROUP_LICENSED: Text(
        403,
        "Your account cannot be made ready",
        "Visitors of this portal would have to be in a group of {product} that is kept for its own people.",
        "Tell your administrator; trying again will not help.",
        "A portal for customers never gives a group that takes a paid seat, and one of its `needed` groups is in an "
        "application role of Jira (Administration, Applications, Application access). Take the group out of "
        "`groups.needed`, or out of the application role.",
    ),
    Reason.NO_SEAT_LEFT: Text(
        403,
        "{product} has no free place for you",
        "You are signed in, but all places that were bought for {product} are taken.",
        "Ask your administrator for a place; signing in again will not help until there is one.",
        "The licence has no seat left for the application role that `account.refused` names. Buy seats, or take away "
        "access from people who do not need it; the next visit is looked at anew. Beyond its licence Jira would "
        "refuse changes to everybody, so Lychgate does not go there.",
    ),
    Reason.DIRECTORY_READ_ONLY: Text(
        403,
        "Your account cannot be changed from here",
        "Your account in {product} is kept in a directory that only your administrator can change.",
        "Ask your administrator; trying again will not help.",
        "The first directory of the person is read-only (LDAP, or Crowd without permissions), and reactivating the "
        "account or joining a `needed` group failed for that. Make the change in that directory. It is not tried "
        "again for this person before a day has passed.",
    ),
    Reason.DIRECTORY_SYNC_PENDING: Text(
        503,
        "Your account is nearly ready",
        "Your account was prepared, and {product} does not show it yet because it copies its directory from time to "
        "time.",
        "This page opens by itself as soon as your account is there.",
        "The application accepted the change and does not show it: its directory is synchronised late. After "
        "`accounts.sync_wait` this becomes a refusal. Shorten the directory's interval or start its synchronisation "
        "by hand (User directories, Synchronise).",
    ),
    Reason.ACCOUNT_RENAMED: Text(
        403,
        "Your account has another name now",
        "Your account in {product} was renamed, and your sign-in still leads to its old name.",
        "Ask your administrator to bring the two names together.",
        "The account's key is the pinned one and its username is another. `account.refused` has both names. Rename "
        "it back in the application, or let the pin follow with `lychgate accounts rename`.",
    ),
    Reason.CONNECTOR_UNREACHABLE: Text(
        503,
        "{product} does not answer",
        "We could not ask {product} about your account in time.",
        "Wait a moment and try again.",
        "The account connector got no answer, or not within `accounts.time_budget`. Nothing was forwarded.",
    ),
    Reason.CONNECTOR_REFUSED: Text(
        503,
        "Your account could not be looked up",
        "{product} did not let us ask about your account.",
        "Tell your administrator; this works again as soon as it is repaired.",
        "The application refused the connector: its token ran out or was revoked, its account is no administrator, "
        "or something between answers with a log-in page or a redirect.",
    ),
    Reason.HOOK_FAILED: Text(
        503,
        "A check of your account failed",
        "A service that has to agree before you come in did not agree or did not answer.",
        "Wait a moment and try again; if it happens again, tell your administrator.",
        "A webhook under `accounts.hooks` answered with something else than a status from 200 to 299, or not in "
        "time. With `on_failure: serve` the person is let in nevertheless.",
    ),
    Reason.LEDGER_UNUSABLE: Text(
        503,
        "Accounts cannot be made ready at present",
        "Our record of accounts is missing or cannot be read, so nothing new is linked.",
        "Tell your administrator; this works again as soon as it is repaired.",
        "The ledger is empty or unreadable. On a new site run `lychgate ledger init` once; on an old one restore "
        "the state from the backup instead.",
    ),
    Reason.GROUPS_STALE: Text(
        403,
        "We could not learn your groups for too long",
        "The sign-in service has not said completely which groups you belong to, and what we knew of them is too old.",
        "Sign out and sign in again; if it happens again, tell your administrator.",
        "The groups claim has been missing, cut short or malformed for longer than `accounts.groups_stale_after`, and "
        "rules or group lines of the portal need it. Unknown groups take nothing away, so whoever lost a group would "
        "keep it for ever. Mend the claim as under `groups_unknown`: the next sign-in with complete groups is let in.",
    ),
    Reason.REMOVALS_CAPPED: Text(
        503,
        "Too many changes at once",
        "Your account would lose more groups at one time than is allowed by itself.",
        "Ask your administrator to look at your groups.",
        "One sign-in wanted to leave more groups than `accounts.groups.max_removals`, so none was left. See that "
        "the provider's groups are right before you raise the number.",
    ),
    Reason.LAST_ADMINISTRATOR: Text(
        503,
        "You are the last administrator",
        "Nobody else could administer {product} if your account left its group.",
        "Make somebody else an administrator first.",
        "The provider no longer gives the person a group under `accounts.groups.admin`, and nobody else who is active "
        "is in it, Lychgate's own account not counted. The group is kept, the person is let in, and "
        "`group.removal_skipped` tells it; rules of the portal hold as ever. It is left at the first look after "
        "somebody else is in the group.",
    ),
    Reason.DEACTIVATIONS_CAPPED: Text(
        503,
        "Too many accounts at once",
        "More accounts of {product} would be switched off than is allowed by itself.",
        "Ask your administrator.",
        "A provider said of more people than `accounts.deactivations_per_hour` that they are gone. Their sessions are "
        "over and their tokens are refused, but these accounts stay active. See whether the provider is right, then "
        "switch them off by hand or let the provider say it again.",
    ),
}

APPLICATION: Mapping[Reason, Text] = {
    Reason.LANDING_NEEDED: Text(
        401,
        "{product} has not let you in yet",
        "You are signed in, but {product} lets people in with a page of its own, and this was no page.",
        "Open a page of {product} in a window, then do this again. Nothing was sent to {product}.",
        "The application is landed by the browser (`landing.mode: browser`, or `auto` where the product began with a "
        "page), and only a page can lead a browser through its sign-on. A script, a form, an upload or a WebSocket "
        "without a session there is not sent on, least of all as nobody.",
    ),
    Reason.LANDING_FAILED: Text(
        502,
        "You are signed in, but {product} did not recognise you",
        "We told {product} who you are, and it asked for a sign-in again.",
        "Tell your administrator; signing in again will not help.",
        "The application did not accept the landing; the log and the event `landing.failed` say at which step. With "
        "`type: oidc`: the number on the page leads to the reason in the application's own log; compare its form with "
        "`lychgate landing show`, or let `lychgate landing verify` walk it. With `type: header`: check that the "
        "receiver is installed and switched on, that it trusts the configured header and proof (secret, or keys and "
        "audience of the assertion), and that the clocks agree.",
    ),
    Reason.LANDING_MISMATCH: Text(
        502,
        "{product} took you for somebody else",
        "The name that {product} answered with is not yours, so the answer was held back.",
        "Sign out and sign in again, and tell your administrator.",
        "`X-AUSERNAME` of the answer is not the person's username. Check whether something else signs people in, "
        "such as another authenticator, a remember-me cookie or a cache in between; with `type: oidc`, whether the "
        "username mapping is to the letter what `lychgate landing show` says.",
    ),
    Reason.PRODUCT_REFUSED: Text(
        403,
        "You are signed in, but {product} has no place for you yet",
        "Your account is there, but {product} does not let it in.",
        "Ask your administrator to give your account access to {product}.",
        "The application says that the account may not log in: it is in no group with application access, the "
        "licence has no seat left, or the application itself locked the account.",
    ),
    Reason.UPSTREAM_UNREACHABLE: Text(
        503,
        "{product} does not answer",
        "We could not reach {product}; it may be starting up or under maintenance.",
        "Wait a moment and try again.",
        "No connection to `upstream` within `upstream.connect`; the log says why. Check that the node runs, the "
        "address and port, the network in between, and with https the certificate, its name and who signed it.",
    ),
    Reason.UPSTREAM_BROKEN: Text(
        502,
        "{product} gave an answer that cannot be used",
        "The answer of {product} broke off or was malformed.",
        "Try again; if it happens again, tell your administrator.",
        "The application closed the connection early or sent an answer that breaks HTTP. The log says which rule.",
    ),
    Reason.UPSTREAM_TIMEOUT: Text(
        504,
        "{product} takes too long",
        "{product} did not answer in time.",
        "Wait a moment and try again.",
        "The connection stood and no answer came within `upstream.first_byte`. Look at the load and the garbage "
        "collection of the node. Paths that may take longer have `upstream.by_path`.",
    ),
    Reason.UPSTREAM_STARTING: Text(
        503,
        "{product} is starting",
        "{product} was started a short while ago and is not ready yet; this takes a few minutes.",
        "This page opens by itself as soon as {product} is ready.",
        "The application answers 503 and says `STARTING` on its status page (`/status`). If it stays so, look at its "
        "own log: the database, the index and plug-ins are what it waits for.",
    ),
    Reason.UPSTREAM_BUSY: Text(
        503,
        "{product} is very busy",
        "So many people use {product} at this moment that your request found no place.",
        "Wait a moment and try again.",
        "`upstream.limits.in_flight` requests were at the application, and the queue was full or took longer than "
        "`queue_wait`. A few after a restart are harmless. Many: the application is too slow; raise the number only "
        "if its own threads (Tomcat's `maxThreads`) and its database allow more.",
    ),
    Reason.TUNNELS_FULL: Text(
        503,
        "There are too many live connections",
        "{product} keeps pages up to date by live connections, and no more of them can be opened now.",
        "Go on working; reload the page to see changes of others.",
        "`upstream.limits.tunnels` WebSockets are open. Raise it if the process may have that many open files.",
    ),
}

OURS: Mapping[Reason, Text] = {
    Reason.STATE_UNAVAILABLE: Text(
        503,
        "Signing in is not possible at present",
        "Our record of sign-ins does not answer.",
        "Wait a moment and try again.",
        "The SQLite files in `state` cannot be read or written: disk full, read-only, locked, or damaged. Or the audit "
        "trail does not take new sessions and its `policy` demands them: see `audit_unavailable`.",
    ),
    Reason.AUDIT_UNAVAILABLE: Text(
        503,
        "Your account cannot be made ready at present",
        "What is done to accounts has to be recorded, and the record cannot be written.",
        "Wait a moment and try again.",
        "A sink of the audit trail with `policy: block` or `required` is full, slow or cannot be written: disk full, "
        "read-only, or nobody reads standard output. `lychgate_audit_failing` and the log name it.",
    ),
    Reason.INTERNAL: Text(
        500,
        "Something went wrong on our side",
        "The request met a fault of ours and was not carried out.",
        "Try again; if it happens again, tell your administrator.",
        "A fault in Lychgate, or a policy that changed in the middle of a request. The log has the details under "
        "the request id.",
    ),
}
