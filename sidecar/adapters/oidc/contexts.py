"""Entra ID's authentication contexts: a kind of sign-in that is asked for by the `claims` parameter and told in `acrs`.

Everywhere else it is `acr_values` and `acr` (OIDC Core 1.0, section 3.1.2.1). `client` asks, `provider` reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from sidecar.domain.identity import Claim


def asked(kinds: tuple[str, ...]) -> str:
    """The `claims` parameter that demands one of *kinds* (OIDC Core 1.0, section 5.5)."""
    wanted = {"essential": True, **({"value": kinds[0]} if len(kinds) == 1 else {"values": list(kinds)})}
    return json.dumps({"id_token": {"acrs": wanted}}, separators=(",", ":"))


def with_context(claims: Mapping[str, Claim], kinds: tuple[str, ...]) -> Mapping[str, Claim]:
    """*claims* with `acr` as the rules read it: the one of *kinds* that was met; without any asked, none."""
    met = claims.get("acrs")
    told = met if isinstance(met, tuple) else (met,)
    found = next((kind for kind in kinds if kind in told), None)
    return {**{name: value for name, value in claims.items() if name != "acr"}, **({"acr": found} if found else {})}
