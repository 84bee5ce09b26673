"""What the demo provider tells about itself and about a person: discovery, keys, userinfo."""

from __future__ import annotations

from email.utils import formatdate

from aiohttp import web

from sidecar.demo.provider import faults
from sidecar.demo.provider.answers import error_answer, json_answer
from sidecar.demo.provider.asking import PROMPTS
from sidecar.demo.provider.faults import Fault
from sidecar.demo.provider.forging import ALGORITHM
from sidecar.demo.provider.instance import Instance
from sidecar.demo.provider.memory import Ticket


async def discovery(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """The metadata (OpenID Connect Discovery 1.0, section 3)."""
    issuer = instance.issuer
    people = instance.provider.people.values()
    document: dict[str, object] = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/end_session",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", "profile", "email", "groups", "offline_access"],
        "claims_supported": sorted({"sub", *(name for one in people for name in one.claims)}),
        "acr_values_supported": [instance.provider.acr],
        "prompt_values_supported": list(PROMPTS),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
    told = {**faults.discovery(instance.provider.fault, document), **instance.provider.metadata}
    shown = {name: value for name, value in told.items() if value is not None}
    return json_answer(shown, headers={"Date": formatdate(instance.now(), usegmt=True)})


async def jwks(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """The public keys (RFC 7517, section 5)."""
    fault = instance.provider.fault
    if fault is Fault.JWKS_500:
        return web.Response(status=500, text="broken on purpose")
    return json_answer({"keys": faults.jwks(fault, instance.keys.public(fault))})


async def userinfo(instance: Instance, request: web.BaseRequest) -> web.StreamResponse:
    """The person's claims for a bearer token (OpenID Connect Core 1.0, section 5.3)."""
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
    ticket = instance.memory.access_tokens.peek(shown.strip())
    person = None if ticket is None else instance.person_of(ticket.grant.sign_in)
    fault = instance.provider.fault
    if ticket is None or person is None or not _alive(instance, ticket) or fault is Fault.USERINFO_401:
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
        return error_answer("invalid_token", "unknown, revoked or expired", 401, challenge)
    claims = {**person.claims_for(ticket.scope), "sub": person.sub}
    if fault is Fault.USERINFO_SIGNED:
        # Section 5.3.2: for clients that registered for it, which ours did not.
        text = instance.keys.sign({**claims, "iss": instance.issuer, "aud": ticket.grant.client_id}, "JWT")
        return web.Response(body=text.encode(), content_type="application/jwt")
    return json_answer(faults.userinfo_claims(fault, claims))


def _alive(instance: Instance, ticket: Ticket) -> bool:
    return not ticket.grant.revoked and instance.now() < ticket.expires
