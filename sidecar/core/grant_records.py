"""How a grant becomes the bytes that are sealed into a code or an access token, and comes back.

Called by `flows.landing_codes`. What cannot be read was made by another version of the program, and stands for nothing.
The client is not among it: it is what the seal is bound to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from sidecar.core.grants import Client, Grant
from sidecar.core.holders import holder_from_plain, holder_to_plain
from sidecar.domain.identity import UnixSeconds

_LONGEST = 255
"""Characters of a name or an address for display. What is longer is left out: the product can go without."""


@dataclass(frozen=True, slots=True)
class Given:
    """A grant with the number of its code: random, and what is spent."""

    number: str
    grant: Grant


def bound_to(client: Client) -> bytes:
    """What a code of *client* is sealed for: for another client, address or issuer it is nothing."""
    parts = (client.issuer, client.client_id, client.redirect_uri, client.authorize_at)
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def given_to_bytes(given: Given) -> bytes:
    """Compact JSON: it stands in an address."""
    grant = given.grant
    fields = [
        given.number,
        grant.nonce,
        grant.challenge,
        grant.username,
        grant.subject,
        grant.auth_time,
        *(text if len(text) <= _LONGEST else "" for text in (grant.name, grant.email)),
        holder_to_plain(grant.holder),
        grant.ends_at,
    ]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def given_from_bytes(data: bytes, client: Client) -> Given | None:
    """The grant to *client*, or None. Never raises."""
    try:
        found = json.loads(data.decode("utf-8", "surrogatepass"))
        number, nonce, challenge, username, subject, auth_time, name, email, holder, ends_at = found
        texts = (number, nonce, username, subject, name, email)
        if not all(isinstance(text, str) for text in texts) or not isinstance(ends_at, int):
            return None
        grant = Grant(
            client=client,
            nonce=nonce,
            challenge=challenge if isinstance(challenge, str) else None,
            username=username,
            subject=subject,
            auth_time=UnixSeconds(auth_time) if isinstance(auth_time, int) else None,
            name=name,
            email=email,
            holder=holder_from_plain(holder),
            ends_at=UnixSeconds(ends_at),
        )
        return Given(number, grant)
    except (ValueError, TypeError, RecursionError):
        return None
