"""Words for sign-ins that failed, and for people who have no usable account name."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.domain.reason import Reason
from sidecar.web.wording.text import Text

SIGN_IN: Mapping[Reason, Text] = {
    Reason.STATE_MISSING: Text(
        400,
        "This sign-in was not started here",
        "Your browser did not bring the note that we gave it when the sign-in began.",
        "Open {product} again and sign in; cookies must be allowed for this site.",
        "The cookie of the attempt did not come back with the callback: cookies are blocked, the sign-in ended in "
        "another browser or on another host name, or somebody kept the provider's log-in page as a bookmark.",
    ),
    Reason.STATE_EXPIRED: Text(
        400,
        "This sign-in took too long",
        "The sign-in was started too long ago to be finished now.",
        "Open {product} again and sign in.",
        "The attempt is older than its life, or the portal or provider changed in between. Many of them: compare "
        "the machine's clock with the provider's.",
    ),
    Reason.STATE_SPENT: Text(
        400,
        "This sign-in was already finished",
        "The page that finishes a sign-in was opened a second time.",
        "Open {product} again; you are most likely signed in already.",
        "A callback came twice, by the Back button, a reload or a link scanner. The code was not redeemed again.",
    ),
    Reason.CALLBACK_INVALID: Text(
        400,
        "The answer of the sign-in service was incomplete",
        "Something that belongs to the answer is missing or stands there twice.",
        "Open {product} again and sign in.",
        "The callback lacks `code` or `state`, or has one of them twice. Check that nothing between the browser and "
        "Lychgate rewrites the query.",
    ),
    Reason.ISSUER_MISMATCH: Text(
        400,
        "The answer came from the wrong sign-in service",
        "The answer names another sign-in service than the one you were sent to.",
        "Open {product} again and sign in; if it happens again, tell your administrator.",
        "`iss` of the callback is not the provider's `issuer` (RFC 9207), or is missing although the provider "
        "promises it. It may be a mix-up attack. Compare `issuer` with the provider's discovery document, character "
        "by character.",
    ),
    Reason.PROVIDER_REFUSED: Text(
        403,
        "The sign-in service did not let you through",
        "The sign-in was cancelled or refused before you came back to us.",
        "Try again; if it happens again, ask your administrator whether your account may use {product}.",
        "The provider answered with an OAuth error, such as `access_denied`; the audit event has it. Check that the "
        "person or their group is assigned to the client at the provider.",
    ),
    Reason.PROVIDER_UNREACHABLE: Text(
        503,
        "The sign-in service does not answer",
        "We could not reach the service at which you sign in.",
        "Wait a moment and try again.",
        "The provider's discovery, key, token or userinfo address did not answer in time or answered with a server "
        "error. Check DNS, egress rules, the outgoing proxy and certificates from the host of Lychgate.",
    ),
    Reason.PROVIDER_MISCONFIGURED: Text(
        502,
        "The sign-in service is not set up correctly",
        "The sign-in service answered in a way that we cannot use.",
        "Tell your administrator; trying again will not help.",
        "The discovery document, key set or token answer does not fit: another issuer, endpoints on other hosts, no "
        "usable key, a redirect, no JSON. The log names which; `endpoint_hosts` allows further hosts.",
    ),
    Reason.CODE_REFUSED: Text(
        400,
        "This sign-in could not be finished",
        "The sign-in service did not accept the one-time code that it had given you.",
        "Open {product} again and sign in.",
        "The token endpoint answered `invalid_grant`: the code was used before or too late, or the redirect address "
        "is not the registered one.",
    ),
    Reason.TOKEN_INVALID: Text(
        502,
        "The answer of the sign-in service could not be verified",
        "The proof of who you are did not pass our checks.",
        "Try again; if it happens again, tell your administrator.",
        "The ID token failed a check: signature, algorithm, issuer, audience, nonce, times, or its subject. The "
        "audit event names the check. When it says “not yet valid” or “expired”, compare the clocks.",
    ),
    Reason.USERINFO_INVALID: Text(
        502,
        "The sign-in service did not tell enough about you",
        "What the sign-in service says about you is incomplete or does not fit together.",
        "Try again; if it happens again, tell your administrator.",
        "Userinfo answered with an error, without JSON, or for another subject than the ID token.",
    ),
    Reason.STRANGER: Text(
        403,
        "Your organisation has no access here",
        "You signed in with an account of an organisation that is not let in.",
        "Sign out at the sign-in service and choose your work account for {product}.",
        "The person is outside the provider's fence (`tenants`, `hd`, `only`).",
    ),
    Reason.STEP_UP_FAILED: Text(
        403,
        "This sign-in is not enough",
        "The page asks for a stronger or more recent sign-in than the sign-in service gave.",
        "You are signed in as before. If you cannot sign in the way that is asked for, ask your administrator.",
        "A rule asks for `acr` or `fresh`, and the token that came back has another `acr`, or an old or no "
        "`auth_time`. Some providers ignore `acr_values` or `max_age` that they do not know: compare the rule with "
        "what the provider offers.",
    ),
    Reason.SESSION_REVOKED: Text(
        403,
        "Your sign-in was ended",
        "The sign-in service ended your sign-in before you could be let in.",
        "Sign in again; you will be asked who you are.",
        "A logout token, a front-channel logout or a global token revocation named this person or sign-in, and the "
        "authentication came before it. The next sign-in asks the provider for a new one (`prompt=login`).",
    ),
    Reason.LOGOUT_TOKEN_INVALID: Text(
        400,
        "This is no sign-out that we can act on",
        "What was sent to end a sign-in was not proven to be the sign-in service's.",
        "Nothing was changed.",
        "Something was posted to a logout address that is not the provider's, is too old, was used before or names "
        "nobody. `sessions.revoked` says which check failed. If the provider itself is refused, compare the clocks, "
        "the client id and the address that is registered there.",
    ),
    Reason.TOO_MANY_FAILURES: Text(
        429,
        "Too much of this is wrong",
        "Too many wrong requests came to this address within a minute.",
        "Wait a minute.",
        "More than 120 forged or broken requests reached the logout addresses within a minute. Those of the provider "
        "are acted on all the same; the rest is no longer told one by one.",
    ),
    Reason.LOGIN_LOOP: Text(
        403,
        "Signing in does not hold",
        "You were signed in several times in a row, and each time the sign-in was lost at once.",
        "Allow cookies for this site, close the other tabs of {product} and open it again.",
        "The loop breaker stopped a circle. Common causes: the browser drops our cookie (plain http, blocked "
        "cookies), a second process with a state or `cookie_keys` of its own, or a clock that jumps.",
    ),
    Reason.TOO_MANY_SIGN_INS: Text(
        503,
        "Too many people sign in at once",
        "More sign-ins begin at this moment than can be announced to the sign-in service.",
        "Wait a moment; this page tries again by itself.",
        "Pushed authorization requests have a budget over all providers: 64 under way, 20 a second after a burst of "
        "100. A few at nine in the morning are harmless; many are somebody's flood, or a provider that is slow.",
    ),
}

USERNAMES: Mapping[Reason, Text] = {
    Reason.USERNAME_MISSING: Text(
        403,
        "We do not know your user name",
        "The sign-in service did not say under which name {product} knows you.",
        "Ask your administrator; signing in again will not change it by itself.",
        "None of the claims listed under `username.from` is there. Check the scopes and the provider's claim mapping.",
    ),
    Reason.USERNAME_INVALID: Text(
        403,
        "Your user name cannot be used here",
        "The name that the sign-in service gave for you does not fit the form of user names in {product}.",
        "Ask your administrator to look at your user name.",
        "The name is empty, too long or outside `username.pattern`. The next claim in the list is not tried, "
        "because a present but unfit name is no absent one. Accounts that exist under a name with an apostrophe, such "
        "as o'brien, are let in with `username.apostrophe: true`; characters that are refused always are named in "
        "docs/accounts.md.",
    ),
    Reason.USERNAME_FOREIGN: Text(
        403,
        "Your user name belongs to another domain",
        "You signed in with a name of a domain that has no access to {product}.",
        "If you have an account of the right domain, sign out and use that one; if not, ask your administrator.",
        "The name ends in a domain that is not listed under `username.strip_domain`.",
    ),
    Reason.PIN_CONFLICT: Text(
        403,
        "This user name belongs to somebody else",
        "Your user name in {product} is linked to another sign-in than yours.",
        "Ask your administrator to look at the link between your sign-in and your account.",
        "The username is pinned to another person, or the person to another username: somebody was renamed, a name "
        "was given out a second time, or the person was made anew at the provider. Or the account is not the one that "
        "was pinned: its key is another one, because an account was renamed and its name given to a new one. "
        "`account.refused` says which. Make sure who it is. Whoever was renamed keeps the account: rename it in the "
        "application, then run `lychgate accounts rename`. Otherwise untie the account with `lychgate accounts "
        "unlink`, and tie the right one with `lychgate accounts link`.",
    ),
}
