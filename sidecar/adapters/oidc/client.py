"""The OAuth client: Authlib's `OAuth2Client`, which has no transport, driven over `Outbound`.

`provider` calls it. Authlib knows the protocol; we keep it from three habits: it stores the tokens on the client object
(so each exchange has an object of its own), it writes the `Authorization` header into a dictionary shared by the whole
module (so we hand in ours), and it does not form-encode Basic credentials.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from authlib.oauth2.client import OAuth2Client

from sidecar.adapters.oidc import contexts
from sidecar.adapters.oidc.assertion import KIND, ClientKey
from sidecar.adapters.oidc.budget import PushBudget
from sidecar.adapters.oidc.config import ClientAuthentication, ProviderConfig
from sidecar.adapters.oidc.http import ANSWER_LIMIT, Answer, Outbound, failure
from sidecar.adapters.urls import with_query
from sidecar.domain.reason import Reason
from sidecar.flows.login import AuthorizationRequest, CodeGrant, LoginError
from sidecar.flows.telling import Clock

_METHODS = {
    ClientAuthentication.BASIC: "client_secret_basic",
    ClientAuthentication.POST: "client_secret_post",
    ClientAuthentication.KEY: "private_key_jwt",
    ClientAuthentication.NONE: "none",
}
_ERROR_CODE = re.compile(r"[a-z0-9_.-]{1,64}")
_REFERENCE = re.compile(r"[\x21-\x7e]{1,512}")
_LOOKS_SECRET = re.compile(r"[^\s'\"(){}<>,;]{20,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAnswer:
    """The token endpoint's answer (RFC 6749, section 5.1). Nothing in it is verified."""

    access_token: str | None = field(repr=False)
    id_token: str | None = field(repr=False)
    refresh_token: str | None = field(repr=False)


class _Exchange(OAuth2Client):  # type: ignore[misc] # Authlib has no types
    """One exchange. The two overridden methods are Authlib's seam for a transport."""

    async def _fetch_token(self, url: str, body: str = "", **kwargs: Any) -> Answer:
        return await self._send(url, body, kwargs["headers"], kwargs["auth"])

    async def _refresh_token(self, url: str, body: str = "", **kwargs: Any) -> Answer:
        return await self._send(url, body, kwargs["headers"], kwargs["auth"])

    async def _send(self, url: str, body: str, headers: dict[str, str], auth: Any) -> Answer:
        url, headers, body = auth.prepare("POST", url, headers, body)
        outbound: Outbound = self.session
        return await outbound.post(url, ANSWER_LIMIT, headers, body, endpoint="token")


class CodeClient:
    """Authorization requests and token requests of one provider."""

    def __init__(self, config: ProviderConfig, outbound: Outbound, clock: Clock, budget: PushBudget) -> None:
        self._config = config
        self._outbound = outbound
        self._clock = clock
        self._budget = budget

    def renew(self, config: ProviderConfig) -> None:
        """From now on *config*. What is under way ends as it began."""
        self._config = config

    def authorization_url(self, endpoint: str, request: AuthorizationRequest) -> str:
        """Where the browser goes (RFC 6749, section 4.1.1; RFC 7636). A query of *endpoint* is kept."""
        config = self._config
        # A session that is only confirmed is no sign-in: with a `max_age` it would end as soon as that has passed.
        usual = config.max_age if request.prompt != "none" else None
        asked = {
            "prompt": request.prompt or config.prompt,
            "max_age": request.max_age if request.max_age is not None else usual,
            "login_hint": request.login_hint,
            "acr_values": "" if config.contexts else " ".join(request.acr),
            "claims": contexts.asked(request.acr) if config.contexts and request.acr else None,
            "response_mode": "form_post" if config.form_post else None,
        }
        extra = dict(config.authorize_params)
        extra |= {name: str(value) for name, value in asked.items() if value not in (None, "")}
        url, _ = self._exchange(endpoint).create_authorization_url(
            endpoint,
            state=request.state,
            code_verifier=request.verifier,
            redirect_uri=request.redirect_uri,
            nonce=request.nonce,
        )
        # Not handed to Authlib as keywords: a site's own parameter may be named as one of its arguments.
        return with_query(str(url), extra.items())

    async def pushed_url(self, endpoint: str, push_endpoint: str, request: AuthorizationRequest) -> str:
        """The same, with all of the request sent ahead from here (RFC 9126): the browser carries a reference only.

        Raises:
            LoginError: `too_many_sign_ins`; otherwise as `redeem`.
        """
        query = urlsplit(self.authorization_url("https://push.invalid/", request)).query
        if self._config.authentication is not ClientAuthentication.BASIC:
            # The other ways bring the id along, and a parameter may stand there only once.
            query = urlencode([pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "client_id"])
        exchange = self._exchange(push_endpoint)
        auth = exchange.client_auth(exchange.token_endpoint_auth_method)
        with self._budget.one():
            url, headers, body = auth.prepare("POST", push_endpoint, _headers(), query)
            answer = await self._outbound.post(url, ANSWER_LIMIT, headers, body, endpoint="push")
        if answer.status not in (200, 201):
            told = (request.state, request.nonce, request.verifier, request.login_hint)
            raise _refusal(answer, [text for text in (*told, self._config.client_secret) if text])
        reference = answer.json().get("request_uri")
        if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
            raise failure(Reason.PROVIDER_MISCONFIGURED, f"{answer.host} gave no request_uri that we could send on")
        return with_query(endpoint, [("client_id", self._config.client_id), ("request_uri", reference)])

    async def redeem(self, endpoint: str, grant: CodeGrant) -> TokenAnswer:
        """Redeem a code (RFC 6749, section 4.1.3).

        Raises:
            LoginError: `code_refused`, `provider_refused`, `provider_unreachable`, `provider_misconfigured`.
        """
        try:
            sent = self._exchange(endpoint).fetch_token(
                endpoint,
                headers=_headers(),
                grant_type="authorization_code",
                code=grant.code,
                redirect_uri=grant.redirect_uri,
                code_verifier=grant.verifier,
            )
        except UnicodeError:
            # The code comes from the address bar and may hold anything.
            raise failure(Reason.CODE_REFUSED, "the code is not text") from None
        answer = await sent
        return self._read(answer, (grant.code, grant.verifier))

    async def refresh(self, endpoint: str, refresh_token: str) -> TokenAnswer:
        """Use a refresh token (RFC 6749, section 6). No scope is sent: the granted one stays, and asking for more
        than was granted would be an error."""
        exchange = self._exchange(endpoint)
        exchange.scope = None
        answer = await exchange.refresh_token(endpoint, refresh_token=refresh_token, headers=_headers())
        return self._read(answer, (refresh_token,))

    def _exchange(self, endpoint: str) -> _Exchange:
        exchange = _Exchange(
            self._outbound,
            client_id=self._config.client_id,
            client_secret=self._config.client_secret,
            token_endpoint_auth_method=_METHODS[self._config.authentication],
            scope=" ".join(self._config.scopes),
            code_challenge_method="S256",
        )
        if self._config.authentication is ClientAuthentication.BASIC and self._config.encode_credentials:
            exchange.register_client_auth_method((_METHODS[ClientAuthentication.BASIC], _encoded_basic))
        if self._config.client_key is not None:
            audience = self._config.issuer if self._config.assertion_for_issuer else endpoint
            asserting = _asserting(self._config.client_key, audience, self._clock)
            exchange.register_client_auth_method((_METHODS[ClientAuthentication.KEY], asserting))
        return exchange

    def _read(self, answer: Answer, secrets: Iterable[str]) -> TokenAnswer:
        known = [*secrets, self._config.client_secret or ""]
        if answer.status not in (200, 201):
            raise _refusal(answer, known, self._config.hint)
        document = answer.json()
        # GitHub-like servers answer 200 with an error inside.
        if "error" in document:
            raise _refusal(answer, known)
        kind = document.get("token_type", "Bearer")
        if not (isinstance(kind, str) and kind.lower() == "bearer"):
            raise failure(Reason.PROVIDER_MISCONFIGURED, f"{answer.host} gave tokens of a kind that we cannot use")
        return TokenAnswer(
            access_token=_text(document, "access_token"),
            id_token=_text(document, "id_token"),
            refresh_token=_text(document, "refresh_token"),
        )


def _headers() -> dict[str, str]:
    return {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}


def _encoded_basic(client: Any, _method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, Any, str]:
    # RFC 6749, section 2.3.1: both halves are form-encoded before they are joined.
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return uri, headers, body


def _asserting(key: ClientKey, audience: str, clock: Clock) -> Callable[..., tuple[str, Any, str]]:
    """RFC 7523, section 2.2: the assertion goes with the form. It is signed only when something is sent."""

    def prepare(client: Any, _method: str, uri: str, headers: dict[str, str], body: str) -> tuple[str, Any, str]:
        assertion = key.assertion(client.client_id, audience, clock.now())
        proof = {"client_id": client.client_id, "client_assertion_type": KIND, "client_assertion": assertion}
        kept = [(name, value) for name, value in parse_qsl(body, keep_blank_values=True) if name != "client_id"]
        return uri, headers, urlencode([*kept, *proof.items()])

    return prepare


def _text(document: Mapping[str, object], name: str) -> str | None:
    value = document.get(name)
    return value if isinstance(value, str) and value else None


_OUR_FAULT = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_request"})
"""Errors of the token endpoint that no person can cause: the secret expired, or the client is set up otherwise."""


def _refusal(answer: Answer, secrets: list[str], hint: str = "") -> LoginError:
    """The error that the answer tells (RFC 6749, section 5.2). *hint* is what else a 400 of this product may mean."""
    try:
        document = answer.json()
    except LoginError:
        document = {}
    code = document.get("error")
    # Only a word that looks like an error code is repeated; anything else may be a reflected secret.
    word = code if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else f"status {answer.status}"
    said = document.get("error_description")
    description = masked(said, secrets) if isinstance(said, str) else ""
    meaning = f" ({hint})" if hint and answer.status == 400 and word != "invalid_client" else ""
    detail = f"{answer.host} answered {masked(word, secrets)}{meaning}" + (f": {description}" if description else "")
    if word in _OUR_FAULT:
        return failure(Reason.PROVIDER_MISCONFIGURED, detail)
    return failure(Reason.CODE_REFUSED if word == "invalid_grant" else Reason.PROVIDER_REFUSED, detail)


def masked(text: str, secrets: Iterable[str]) -> str:
    """*text* without *secrets*, however a server may have spelled them, and without anything that looks like one."""
    for secret in secrets:
        for spelling in {secret, quote_plus(secret)} - {""}:
            text = text.replace(spelling, "…")
    return _LOOKS_SECRET.sub("…", text)
