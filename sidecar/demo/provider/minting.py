"""Making the tokens that clients read: ID tokens and logout tokens."""

from __future__ import annotations

import secrets
from typing import Any

from sidecar.demo.provider import faults
from sidecar.demo.provider.instance import Instance
from sidecar.demo.provider.keys import at_hash
from sidecar.demo.provider.memory import Grant
from sidecar.demo.provider.model import Person

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_SECONDS = 120


def id_token(instance: Instance, grant: Grant, person: Person, access_token: str, nonce: str | None) -> str:
    """An ID token for the grant (OpenID Connect Core 1.0, section 2)."""
    fault = instance.provider.fault
    now = int(instance.now())
    sign_in = grant.sign_in
    personal = faults.id_token_groups(fault, person.claims_for(grant.request.scope))
    claims: dict[str, Any] = {
        **personal,
        "iss": instance.issuer,
        "sub": person.sub,
        "aud": grant.client_id,
        "azp": grant.client_id,
        "iat": now,
        "exp": now + instance.provider.id_token_seconds,
        "auth_time": int(sign_in.auth_time),
        "acr": sign_in.acr,
        "amr": list(sign_in.amr),
        "sid": sign_in.sid,
        "at_hash": at_hash(access_token),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return instance.keys.sign(faults.id_token_claims(fault, claims), "JWT", fault)


def logout_token(instance: Instance, client_id: str, sub: str, sid: str | None) -> str:
    """A logout token (OpenID Connect Back-Channel Logout 1.0, section 2.4)."""
    fault = instance.provider.fault
    now = int(instance.now())
    claims: dict[str, Any] = {
        "iss": instance.issuer,
        "aud": client_id,
        "sub": sub,
        "iat": now,
        "exp": now + LOGOUT_TOKEN_SECONDS,
        "jti": secrets.token_urlsafe(16),
        "events": {LOGOUT_EVENT: {}},
    }
    if sid is not None:
        claims["sid"] = sid
    return instance.keys.sign(faults.logout_token_claims(fault, claims), "logout+jwt", fault)
