"""Which node of an application a session or a client belongs to: rendezvous hashing (highest random weight).

Asked by `upstream.nodes`. Every gate comes to the same answer for the same nodes, without a word between them; a node
that goes moves those only who sat there, and they alone come back to it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b

_OAUTH1 = re.compile(r'\boauth_(?:consumer_key|token)="[^"]*"')
"""What stays the same in the requests of one client; nonce, time and signature do not."""


def choose(key: str, names: Sequence[str]) -> str:
    """The one of *names*, of which there is one at least, to which *key* belongs."""
    return max(names, key=lambda name: (_weight(key, name), name))


def _weight(key: str, name: str) -> bytes:
    return blake2b(f"{name}\n{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()


def client_of(authorization: str) -> str:
    """What of an `Authorization` value says which client it is: all of it, but for OAuth 1.0a."""
    if authorization[:6].lower() == "oauth ":
        return " ".join(sorted(_OAUTH1.findall(authorization))) or authorization
    return authorization
