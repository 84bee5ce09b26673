"""What a product's own OpenID client asks of us as its provider, and what it is given (OIDC Core 1.0, section 3.1).

`flows.dance` reads the question and the token endpoint judges the answer; both keep the rules of here.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as BinasciiError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from sidecar.core.holders import Holder
from sidecar.domain.identity import Person, UnixSeconds

CODE_LIFE = 60
"""Seconds for which a code is good (RFC 6749, section 4.1.2)."""

TOKEN_LIFE = 120
"""Seconds for which an ID token and its access token are good; the product reads the first at once."""

_PARAMETERS = 32
_ASKED = frozenset({
    "response_type", "response_mode", "client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "max_age",
    "code_challenge", "code_challenge_method", "request", "request_uri",
})  # fmt: skip
_REDEEMED = frozenset({"grant_type", "code", "redirect_uri", "client_id", "code_verifier", "client_secret"})


class AskingFault(Exception):  # noqa: N818 - a fault of what was asked, not of ours
    """The product asks for something that it does not get. *detail* is for the administrator."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A product as our relying party.

    Attributes:
        issuer: Ours for this product, without a slash at the end.
        redirect_uri: Where the product takes codes; compared to the letter.
        authorize_at: Where browsers bring the product's question, or "": the driver alone answers it.
    """

    issuer: str
    client_id: str
    redirect_uri: str
    authorize_at: str = ""

    @property
    def authorization_endpoint(self) -> str:
        """Where the product sends browsers."""
        return self.authorize_at or f"{self.issuer}/authorize"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An authorization request that may be answered."""

    state: str
    nonce: str
    challenge: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What one code stands for.

    Attributes:
        client: Who may redeem it.
        nonce, challenge: As the product asked.
        username: The account's name, as the product writes it.
        subject: Stable and opaque (`subject_of`).
        auth_time: When the person signed in, or None.
        name, email: For display, or "".
        holder: The session, or the caller, for whom it was made.
        ends_at: The first second at which it is dead.
    """

    client: Client
    nonce: str
    challenge: str | None
    username: str
    subject: str
    auth_time: UnixSeconds | None
    name: str
    email: str
    holder: Holder
    ends_at: UnixSeconds


@dataclass(frozen=True, slots=True)
class Redemption:
    """A token request that is well-formed."""

    code: str
    redirect_uri: str
    verifier: str | None


Refused = Literal["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"]
"""`error` of RFC 6749, section 5.2."""


def read_asking(location: str, client: Client, now: UnixSeconds, signed_in_at: UnixSeconds | None) -> Asked:
    """The authorization request behind a redirect of the product.

    Raises:
        AskingFault: it leads elsewhere, asks for what we do not give, or wants the person asked again (D14).
    """
    parts = urlsplit(location)
    if f"{parts.scheme}://{parts.netloc}{parts.path}" != client.authorization_endpoint or parts.fragment:
        raise AskingFault("the product leads to another provider; compare its endpoints with `lychgate landing show`")
    given = _once(parts.query, _ASKED)
    if "login" in given.get("prompt", "").split():
        raise AskingFault("the product wants the person asked again (prompt=login): it does not let this account in")
    wrong = _wrong(given, client)
    if wrong:
        raise AskingFault(wrong)
    _check_age(given.get("max_age"), now, signed_in_at)
    return Asked(state=given["state"], nonce=given["nonce"], challenge=_challenge(given))


def _wrong(given: Mapping[str, str], client: Client) -> str:
    if given.get("client_id") != client.client_id:
        return "the product names another client; compare its client ID with `lychgate landing show`"
    if given.get("redirect_uri") != client.redirect_uri:
        return f"the product takes codes elsewhere than at {client.redirect_uri}; its base URL must be our `url`"
    if given.get("response_type") != "code" or given.get("response_mode", "query") != "query":
        return "the product asks for something else than a code in the query"
    if "request" in given or "request_uri" in given:
        return "the product sends a request object"
    if "openid" not in given.get("scope", "").split():
        return "the product does not ask for the scope openid"
    if not given.get("state") or not given.get("nonce"):
        return "the product sends no state or no nonce"
    return ""


def _check_age(max_age: str | None, now: UnixSeconds, signed_in_at: UnixSeconds | None) -> None:
    """OIDC Core 1.0, section 3.1.2.1: an older sign-in would have to be repeated."""
    if max_age is None:
        return
    if not (max_age.isascii() and max_age.isdecimal()) or len(max_age) > 9:
        raise AskingFault("max_age is no number")
    if signed_in_at is None or now - signed_in_at > int(max_age):
        raise AskingFault("the product wants a younger sign-in (max_age) than the person's")


def _challenge(given: Mapping[str, str]) -> str | None:
    challenge = given.get("code_challenge")
    if challenge is None and "code_challenge_method" not in given:
        return None
    # A plain challenge is the verifier itself (RFC 7636, section 7.2).
    if not challenge or len(challenge) != 43 or given.get("code_challenge_method") != "S256":
        raise AskingFault("the product sends a code challenge that is not S256")
    return challenge


def read_basic(authorization: Sequence[str]) -> tuple[str, str] | None:
    """Client and secret of the one `Authorization: Basic`; both are form-encoded inside (RFC 6749, section 2.3.1).

    None if they cannot be read. Never raises.
    """
    pair = read_plain_basic(authorization)
    try:
        return (_form_decoded(pair[0]), _form_decoded(pair[1])) if pair is not None else None
    except ValueError:
        return None


def read_plain_basic(authorization: Sequence[str]) -> tuple[str, str] | None:
    """The same where name and secret stand as they are (RFC 7617)."""
    if len(authorization) != 1:
        return None
    scheme, _, encoded = authorization[0].partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = b64decode(encoded.strip().encode("ascii"), validate=True).decode().partition(":")
    except (BinasciiError, ValueError):
        return None
    return (name, secret) if colon else None


def is_client(given: tuple[str, str] | None, client_id: str, *secrets: str) -> bool:
    """Whether the credentials are the client's, in constant time; an unknown name takes the same way (rule 74). One of
    *secrets* is enough."""
    name, word = given or ("", "")
    right_name = hmac.compare_digest(_digest(name), _digest(client_id))
    right_word = sum(hmac.compare_digest(_digest(word), _digest(secret)) for secret in secrets)
    return right_name and bool(right_word)


def read_redemption(body: str, client_id: str) -> Redemption | Refused:
    """A token request's form, or what is wrong with it."""
    try:
        given = _once(body, _REDEEMED)
    except AskingFault:
        return "invalid_request"
    if "client_secret" in given or given.get("client_id", client_id) != client_id:
        # One way to authenticate per request (RFC 6749, section 2.3), and only Basic was announced.
        return "invalid_client"
    if "grant_type" not in given or not given.get("code") or "redirect_uri" not in given:
        return "invalid_request"
    if given["grant_type"] != "authorization_code":
        return "unsupported_grant_type"
    return Redemption(given["code"], given["redirect_uri"], given.get("code_verifier"))


def fits(grant: Grant, client: Client, redemption: Redemption, now: UnixSeconds) -> bool:
    """Whether the code is good for this request: client, address, time and PKCE (RFC 7636, section 4.6)."""
    if now >= grant.ends_at or grant.client != client or redemption.redirect_uri != client.redirect_uri:
        return False
    if grant.challenge is None or redemption.verifier is None:
        # A verifier without a challenge is a sign of a request that was not ours (RFC 9700, section 4.8.2).
        return grant.challenge is None and redemption.verifier is None
    if not 43 <= len(redemption.verifier) <= 128 or not redemption.verifier.isascii():
        return False
    hashed = urlsafe_b64encode(hashlib.sha256(redemption.verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(hashed, grant.challenge.encode("utf-8", "surrogatepass"))


def id_token_claims(grant: Grant, now: UnixSeconds) -> dict[str, object]:
    """All that the product reads stands in the ID token, so it need not ask userinfo."""
    claims: dict[str, object] = {
        "iss": grant.client.issuer,
        "aud": grant.client.client_id,
        "iat": now,
        "exp": now + TOKEN_LIFE,
        "nonce": grant.nonce,
        **person_claims(grant),
    }
    if grant.auth_time is not None:
        claims["auth_time"] = grant.auth_time
    return claims


def person_claims(grant: Grant) -> dict[str, object]:
    """Who it is; the same at userinfo."""
    claims: dict[str, object] = {"sub": grant.subject, "preferred_username": grant.username}
    if grant.name:
        claims["name"] = grant.name
    if grant.email:
        claims["email"] = grant.email
    return claims


def subject_of(application: str, person: Person) -> str:
    """`sub` of a person at an application: the same for ever, and it tells nothing.

    The product may store it as the person's name at us, so it does not hang on any key of ours.
    """
    parts = (application, person.issuer, person.subject)
    content = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hashlib.sha256(b"lychgate landing subject" + content).hexdigest()[:40]


def _once(text: str, known: frozenset[str]) -> dict[str, str]:
    """The parameters that are known, each at most once (RFC 6749, section 3.1)."""
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_PARAMETERS, errors="strict")
    except ValueError:
        raise AskingFault("the parameters cannot be read") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise AskingFault(f"the parameter {name} stands there twice")
        if name in known:
            found[name] = value
    return found


def _form_decoded(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
