"""Words for requests that cannot be judged, and for those that a rule refuses."""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.domain.reason import Reason
from sidecar.web.wording.text import Text

UNJUDGED: Mapping[Reason, Text] = {
    Reason.OK: Text(
        200,
        "All is well",
        "Nothing was refused.",
        "There is nothing to do.",
        "The word for “not refused” in audit events and metrics.",
    ),
    Reason.BAD_TARGET: Text(
        400,
        "This address cannot be read",
        "The request names its target in a form that is not accepted here.",
        "Check the address, or start again from the front page of {product}.",
        "The request target is neither a path nor an address of the application. Browsers do not send this; look at "
        "the proxy in front of Lychgate or at the program that called.",
    ),
    Reason.BAD_PATH: Text(
        400,
        "This address is not clear",
        "The address holds characters that could be read in two ways, so it was not opened.",
        "Check the address for stray characters such as ; or %2F, or find the page by searching in {product}.",
        "The path has an encoded slash, backslash or dot, `..`, a `;`, a control byte or broken UTF-8. If a real "
        "address of your site needs `;` or `%2F`, allow it by exact pattern under `semicolons` or "
        "`encoded_slashes`.",
    ),
    Reason.BAD_METHOD: Text(
        405,
        "This kind of request is not accepted",
        "The request uses a method that is not accepted here.",
        "Open the page in the ordinary way, or start again from the front page of {product}.",
        "The HTTP method is not one that the application needs (`TRACE` and `CONNECT` are never forwarded), or one "
        "of Lychgate's own addresses was called with the wrong method.",
    ),
    Reason.BAD_HEADERS: Text(
        400,
        "This request cannot be read",
        "The request came with header fields that contradict each other or are malformed.",
        "Try again; if it happens again, clear the cookies of this site or try another browser.",
        "A field is malformed or stands there twice, such as two `Host` fields or a length together with a transfer "
        "coding. Look at the proxy in front of Lychgate.",
    ),
    Reason.HEADERS_TOO_LARGE: Text(
        431,
        "Your browser sent too much at once",
        "The header fields of the request are larger than is accepted, most often because of too many cookies.",
        "Clear the cookies of this site and open the page again.",
        "The fields together are over the limit. Other applications on the same parent domain may set large cookies.",
    ),
    Reason.TARGET_TOO_LONG: Text(
        414,
        "This address is too long",
        "The path of the address is longer than any page of {product} has.",
        "Check the address, or find the page by searching in {product}.",
        "The path (without the query) has more than 4096 characters. Browsers do not send this by themselves.",
    ),
    Reason.BODY_TOO_LARGE: Text(
        413,
        "This is too large to send",
        "What your browser sent is larger than is accepted here.",
        "Send a smaller file, or ask your administrator how to hand over a large one.",
        "The body is over the portal's `max_body`. What came before that was noticed may have reached the application, "
        "which sees the request break off.",
    ),
    Reason.REQUEST_TIMEOUT: Text(
        408,
        "The request took too long to arrive",
        "Your browser began to send something and did not go on.",
        "Check your connection to the network and send it again.",
        "The head was not whole within `listen.head_time`, or a stretch of `listen.body_time` brought less than 4 KiB "
        "of the body. A single one is a poor network; many at once are somebody who holds connections open.",
    ),
    Reason.TOO_MANY_CONNECTIONS: Text(
        503,
        "Too many connections are open",
        "More browsers and programs are connected at this moment than can be served.",
        "Wait a moment and open the page again.",
        "`listen.connections` are open. Look for a client that opens them without end, raise the number together with "
        "the limit of open files, or run the gate on a larger machine.",
    ),
    Reason.UNKNOWN_HOST: Text(
        421,
        "There is nothing at this address",
        "This server does not serve the host name in the address.",
        "Check the address, or use the link that your administrator gave you.",
        "The `Host` field matches the `url` of no application. The proxy in front must keep the `Host` field as it "
        "came.",
    ),
    Reason.NO_PORTAL: Text(
        404,
        "There is nothing at this address",
        "The address belongs to no application here.",
        "Check the address, or start again from the front page of {product}.",
        "No application's `url` (with its context path) contains the path, or no portal of the application owns it.",
    ),
    Reason.UNKNOWN_ENDPOINT: Text(
        404,
        "There is nothing at this address",
        "The address is reserved for signing in and out, and this page does not exist.",
        "Check the address, or start again from the front page of {product}.",
        "Something below `/.lychgate/` was asked for that does not exist. These paths match exactly, never by prefix.",
    ),
}

RULES: Mapping[Reason, Text] = {
    Reason.NO_SESSION: Text(
        401,
        "You are not signed in",
        "This page of {product} is only for people who have signed in, so what you sent was not carried out.",
        "Open {product} in your browser and sign in, then try again.",
        "There is no session, and the call is none that a browser makes to show a page, so it got no redirect. A "
        "program needs a personal access token, and its path must be one of the machine paths.",
    ),
    Reason.CLOSED_PATH: Text(
        403,
        "This page is closed",
        "This page of {product} is not open to anybody through this address.",
        "If you need it for your work, ask your administrator.",
        "Set-up, RPC and authentication-configuration endpoints are closed for everybody. Reach them inside your "
        "network, at the node itself.",
    ),
    Reason.BREAK_GLASS_CLOSED: Text(
        403,
        "The emergency door is closed",
        "This address leads to {product} only while an administrator has opened it.",
        "Go to the usual address of {product}.",
        "The window is not open, or it has ended, and with it what was begun through it. "
        "`lychgate break-glass open` opens one for at most an hour.",
    ),
    Reason.BREAK_GLASS_FOREIGN: Text(
        403,
        "This address is not for you",
        "This address leads to {product} from its own machine only.",
        "Go to the usual address of {product}.",
        "The request did not come from this machine, came through a proxy, named another host than `localhost` or a "
        "loopback address, or was wanted by a page from elsewhere, such as by a link. "
        "Type the address that `lychgate break-glass open` shows.",
    ),
    Reason.PASSWORD_LOGIN: Text(
        403,
        "Passwords are not used here",
        "{product} does not take a user name and password at this address.",
        "Open the front page of {product} and sign in with your organisation's account.",
        "A password log-in of the product, or a request with `os_username` or `os_password`, was refused. Scripts "
        "need a personal access token instead.",
    ),
    Reason.RULE_DENIED: Text(
        403,
        "This page is not open to you",
        "A rule of {product} keeps this page closed.",
        "If you need it for your work, ask your administrator for access.",
        "A rule with `answer: deny` matched. The audit event names the rule.",
    ),
    Reason.NOT_IN_GROUP: Text(
        403,
        "You are not in a group that may open this",
        "You are signed in, but only members of certain groups may come in here.",
        "Ask your administrator to add you to the right group, then sign out and sign in again.",
        "A `require` of the portal or of a rule is not met: the provider's groups of the person do not hold the one "
        "that is asked for, or hold one that is excluded. Rules speak of the provider's group names, not of the "
        "application's.",
    ),
    Reason.GROUPS_UNKNOWN: Text(
        403,
        "We could not learn which groups you are in",
        "The sign-in service did not say which groups you belong to, and this page is for certain groups only.",
        "Sign out and sign in again; if it happens again, ask your administrator.",
        "The groups claim is missing, cut short or malformed. Unknown is never taken for empty. Check "
        "`groups_claim`, `group_format`, `single_group` and the scopes; the log says why Microsoft Graph did not give "
        "groups that Entra ID left out, and the provider's page under docs/providers/ what is usual there.",
    ),
    Reason.CLAIM_MISSING: Text(
        403,
        "Your sign-in lacks something that is needed here",
        "The sign-in service did not say something about you that this page asks for.",
        "Ask your administrator; signing in again will not change it by itself.",
        "A `require` names a claim that is neither in the ID token nor in userinfo. Check the scopes and the "
        "provider's claim mapping.",
    ),
    Reason.CLAIM_MISMATCH: Text(
        403,
        "This page is not open to your account",
        "You are signed in, but the account you used is not one for which this page is open.",
        "If you have another account, sign out and use that one; if not, ask your administrator for access.",
        "A `require` on a claim is not met: the value is none of those that the rule or portal lists.",
    ),
    Reason.STEP_UP_NEEDED: Text(
        401,
        "Please confirm that it is you",
        "This part of {product} asks you to sign in once more, and what you sent was not carried out.",
        "Confirm that it is you in a new window, then come back here and send it again.",
        "A rule with `fresh` or `acr` matched, and the authentication is older, of another kind, or waits to be "
        "confirmed. Pages send the person to the provider; forms and API calls get this answer, with the address at "
        "which a browser confirms (`next`).",
    ),
    Reason.CLAIMS_STALE: Text(
        401,
        "Your sign-in must be confirmed",
        "We have not heard of you from the sign-in service for a while, so what you sent was not carried out.",
        "Open {product} in a new window; then come back here and send it again.",
        "The claims are older than `sessions.recheck` and ten minutes. Without a refresh token the browser confirms "
        "them at the next page, silently where the provider allows it; what is no page cannot be sent there.",
    ),
    Reason.OTHER_PORTAL: Text(
        403,
        "You came in by another entrance",
        "You are signed in at another part of {product}, and that sign-in does not count here.",
        "Sign out and switch, or go back to the part you came from.",
        "The session's home portal is not listed under `accepts` of the portal that owns the path. Customers' "
        "portals may accept agents, never the reverse.",
    ),
    Reason.UPGRADE_REFUSED: Text(
        400,
        "This live connection was not opened",
        "The browser asked for a live connection in a way that is not accepted.",
        "Reload the page.",
        "Only a complete WebSocket handshake passes: GET, HTTP/1.1, version 13, a valid key, no body. Look for a "
        "proxy in front that drops the `Upgrade` or `Connection` field.",
    ),
    Reason.ORIGIN_MISMATCH: Text(
        403,
        "This request came from another site",
        "Another site started this request, and only {product} itself may do that.",
        "Open the page in {product} and do it there.",
        "The `Origin` (or `Sec-Fetch-Site`) of a WebSocket or of a form is not the application's own. The `url` of "
        "the application must be the address that people see in the browser.",
    ),
    Reason.CREDENTIAL_DENIED: Text(
        401,
        "This kind of credential is not accepted",
        "The program signed in by a means that is switched off for {product}.",
        "Use a personal access token, or ask your administrator which means are open to programs.",
        "The kind of the `Authorization` value (`pat`, `oauth1`, `oauth2`, `basic`) is `deny` under `api`.",
    ),
    Reason.CREDENTIAL_UNKNOWN: Text(
        401,
        "This credential is not understood",
        "The program sent a credential of a kind that is not known here.",
        "Use a personal access token of {product}.",
        "The scheme of the `Authorization` field is none that Lychgate knows. Unknown schemes are refused, not "
        "forwarded.",
    ),
    Reason.CREDENTIAL_NOT_HERE: Text(
        401,
        "Credentials of programs are not taken on this page",
        "The program used a credential on an address that is meant for people in a browser.",
        "Call the REST API of {product} instead, or open the page in a browser without the credential.",
        "`Authorization` passes only on the product's machine paths and on those listed under `machine`, and never "
        "for a WebSocket.",
    ),
    Reason.TOKEN_NOT_ACCEPTED: Text(
        401,
        "This token is not accepted",
        "The program sent a token of the sign-in service, and that is not a key to {product}.",
        "Ask for a new access token, or use a personal access token of {product}.",
        "The Bearer value is a JWT of one of the configured providers, or Lychgate's own assertion, and is not valid "
        "for this use: `api.jwt` is off, or the token is expired, for another audience, no access token of a person, "
        "revoked, or from an address that is not allowed. It is not forwarded; the audit event says which.",
    ),
    Reason.FORM_TOKEN_INVALID: Text(
        403,
        "This form has run out",
        "The form was open for too long, or it was not made for your present sign-in.",
        "Go back, reload the page and press the button again.",
        "The token of a form of Lychgate's own does not belong to the session. Harmless after a sign-in in another "
        "tab; many of them may be an attempt to make people sign out.",
    ),
    Reason.OWNER_GONE: Text(
        401,
        "The owner of this token is gone",
        "The program sent a personal access token of somebody whose access has been taken back.",
        "Use a token of somebody else. If it is yours and you are back, sign in to {product} with a browser once.",
        "`api.pat_owner: resolve` found that the token belongs to a linked person of whom the provider said that they "
        "are gone (`accounts.gone_by`), or whose account Lychgate made inactive. It is not forwarded; `access.denied` "
        "names the account. A sign-in of the person brings account and tokens back.",
    ),
    Reason.BLOCKED: Text(
        403,
        "Your access is blocked",
        "An administrator has blocked your access to {product}.",
        "Ask your administrator. Signing in again does not help.",
        "`lychgate block` named this person or this account; `lychgate bans` says who did it, when and why, and "
        "`lychgate unblock` ends it. It holds at every gate on the same state and over restarts.",
    ),
    Reason.PROVIDER_REVOKED: Text(
        403,
        "This sign-in service is not accepted now",
        "An administrator has taken back all sign-ins of this sign-in service.",
        "Use another sign-in service if you are offered one, or ask your administrator.",
        "`lychgate revoke provider` ended every session of the provider and lets nobody in with it; `lychgate revoke "
        "provider NAME --undo` ends that.",
    ),
    Reason.TOO_MANY_TESTS: Text(
        429,
        "Too many looks at this page",
        "The test page asks {product} each time, so it opens only some times a minute.",
        "Wait a minute.",
        "One session opened `/.lychgate/test` more than 10 times within a minute.",
    ),
}
