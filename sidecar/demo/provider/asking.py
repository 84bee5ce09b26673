"""Judging an authorization request before anybody sees a page.

`authorize` calls `read_request`. A client that cannot be trusted with an answer gets none: such
a fault is shown to the person. Every other fault goes back to the client (RFC 6749, 4.1.2.1).
"""

from __future__ import annotations

import re

from sidecar.demo.provider.memory import AuthorizationRequest
from sidecar.demo.provider.model import Client
from sidecar.demo.provider.parameters import Parameters

_S256_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SECONDS = re.compile(r"[0-9]{1,9}")
FORM_POST = "form_post"
PROMPTS = ("none", "login", "consent", "select_account")


class RefusedHereError(Exception):
    """The client or its address is unknown: say so to the person, redirect nowhere."""


class RefusedToClientError(Exception):
    """The request is wrong; `error` goes back to the client."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


def read_client(parameters: Parameters, clients: dict[str, Client]) -> tuple[Client, str]:
    """The client and its exact redirect address. Raises `RefusedHereError`."""
    client = clients.get(parameters.get("client_id", ""))
    if client is None:
        raise RefusedHereError("No such client is known here.")
    redirect_uri = parameters.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise RefusedHereError("The client asked to return to an address it did not register.")
    return client, redirect_uri


def wants_form(parameters: Parameters) -> bool:
    """Whether the answer goes back in a form, be the request as wrong as it may."""
    return parameters.get("response_mode") == FORM_POST


def read_request(parameters: Parameters, client: Client, redirect_uri: str) -> AuthorizationRequest:
    """The checked request. Raises `RefusedToClientError`."""
    _refuse_unsupported(parameters)
    scope = tuple(dict.fromkeys(parameters.get("scope", "").split()))
    if "openid" not in scope:
        raise RefusedToClientError("invalid_scope", "the scope must contain openid")
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        state=parameters.get("state"),
        scope=scope,
        challenge=_challenge(parameters),
        nonce=parameters.get("nonce"),
        prompt=_prompt(parameters),
        max_age=_max_age(parameters),
        login_hint=parameters.get("login_hint"),
        id_token_hint=parameters.get("id_token_hint"),
        form_post=wants_form(parameters),
    )


def _refuse_unsupported(parameters: Parameters) -> None:
    if "response_type" not in parameters:
        raise RefusedToClientError("invalid_request", "response_type is missing")
    if parameters["response_type"] != "code":
        raise RefusedToClientError("unsupported_response_type", "only the code flow is offered")
    if parameters.get("response_mode", "query") not in {"query", FORM_POST}:
        raise RefusedToClientError("invalid_request", "no other response_mode is offered than query and form_post")
    for name in ("request", "request_uri"):
        if name in parameters:
            raise RefusedToClientError(f"{name}_not_supported", f"{name} is not offered")


def _challenge(parameters: Parameters) -> str:
    challenge = parameters.get("code_challenge", "")
    # An absent method means "plain" (RFC 7636, section 4.3), so it has to be said.
    if parameters.get("code_challenge_method") != "S256":
        raise RefusedToClientError("invalid_request", "PKCE with S256 is required")
    if not _S256_CHALLENGE.fullmatch(challenge):
        raise RefusedToClientError("invalid_request", "code_challenge is no SHA-256 in base64url")
    return challenge


def _prompt(parameters: Parameters) -> frozenset[str]:
    prompt = frozenset(parameters.get("prompt", "").split())
    if not prompt <= frozenset(PROMPTS):
        raise RefusedToClientError("invalid_request", "prompt has an unknown value")
    if "none" in prompt and len(prompt) > 1:
        raise RefusedToClientError("invalid_request", "prompt=none stands alone")
    return prompt


def _max_age(parameters: Parameters) -> int | None:
    text = parameters.get("max_age")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise RefusedToClientError("invalid_request", "max_age is no number of seconds")
    return int(text)
