"""adapters.oidc.provider: what single products do in ways of their own."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from sidecar.adapters.oidc.config import SignOutWay
from tests.adapters.oidc.conftest import Build
from tests.adapters.oidc.stand_in import Reply, StandIn, signed
from tests.adapters.oidc.test_provider import grant


async def test_signing_out_in_cognitos_own_way(server: StandIn, build: Build) -> None:
    url = await build(sign_out_way=SignOutWay.COGNITO).end_session_url("the-token", "https://x/bye", "st")
    assert url is not None
    assert parse_qs(urlsplit(url).query) == {"client_id": ["gate"], "logout_uri": ["https://x/bye"]}


async def test_userinfo_is_asked_where_a_claim_that_stands_elsewhere_is_missing(server: StandIn, build: Build) -> None:
    server.replies["/userinfo"] = Reply({"sub": "s-1", "upn": "ann"})
    changes = {"needed": frozenset({"preferred_username"}), "claims": {"preferred_username": (("upn",),)}}
    server.gives(signed(server.claims(upn="ann")))
    await build(**changes).redeem(grant())
    assert server.counts["/userinfo"] == 0
    server.gives(signed(server.claims(preferred_username="chosen")))
    assert (await build(**changes).redeem(grant())).claims["upn"] == "ann"
