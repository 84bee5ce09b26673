"""Entra ID's shared addresses over HTTP: every token is its own tenant's, and no other provider's."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.core.claims import freeze_claims, identity_from
from sidecar.domain.identity import Person
from sidecar.domain.policy import ProviderPolicy
from sidecar.domain.reason import Reason
from tests.adapters.oidc.conftest import Build
from tests.adapters.oidc.stand_in import NOW, RSA_ONE, RSA_TWO, Reply, StandIn, public, signed
from tests.adapters.oidc.test_provider import grant, refused

ONE = "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
TWO = "9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d"
DISCOVERY = "/organizations/v2.0/.well-known/openid-configuration"


class Tenants:
    """The stand-in as Entra ID's shared address, and us as its client."""

    def __init__(self, server: StandIn, build: Build) -> None:
        self.server = server
        self.build = build
        self.pattern = f"{server.issuer}/{{tenantid}}/v2.0"
        self.published(issuer=self.pattern)
        server.keys = [public(RSA_ONE, issuer=self.pattern)]

    def issuer(self, tenant: str) -> str:
        return self.pattern.replace("{tenantid}", tenant)

    def published(self, **changes: Any) -> None:
        self.server.metadata.update(changes)
        self.server.replies[DISCOVERY] = Reply(self.server._discovery())

    def us(self, **changes: Any) -> OidcProvider:
        issuer = f"{self.server.issuer}/organizations/v2.0"
        return self.build(issuer=issuer, pattern=self.pattern, subject_claim="oid", **changes)

    def token(self, *, key: Any = RSA_ONE, kid: str = "one", **claims: Any) -> str:
        basis = {"iss": self.issuer(ONE), "tid": ONE, "oid": "o-1", "sub": "pairwise"}
        return signed(self.server.claims(**(basis | claims)), key, kid=kid)


@pytest.fixture
def tenants(server: StandIn, build: Build) -> Tenants:
    return Tenants(server, build)


@pytest.mark.parametrize("tenant", [ONE, TWO])
async def test_a_token_of_any_tenant_names_its_own_issuer(tenants: Tenants, tenant: str) -> None:
    tenants.server.gives(tenants.token(iss=tenants.issuer(tenant), tid=tenant))
    tokens = await tenants.us().redeem(grant())
    assert (tenants.issuer(tenant), tenant) == (tokens.claims["iss"], tokens.claims["tid"])


@pytest.mark.parametrize(
    "tid", [None, TWO, "organizations", ONE.upper(), "{tenantid}", f"{ONE}/v2.0", "", 7, [ONE]], ids=str
)
async def test_a_token_whose_tenant_is_not_its_issuers_is_refused(tenants: Tenants, tid: object) -> None:
    tenants.server.gives(tenants.token(tid=tid))
    await refused(tenants.us().redeem(grant()), Reason.TOKEN_INVALID)


@pytest.mark.parametrize("tid", ["{tenantid}", "organizations", "common"])
async def test_an_issuer_without_a_tenant_is_refused(tenants: Tenants, tid: str) -> None:
    tenants.server.gives(tenants.token(iss=tenants.issuer(tid), tid=tid))
    await refused(tenants.us().redeem(grant()), Reason.TOKEN_INVALID)


async def test_the_placeholder_means_nothing_where_it_was_not_configured(server: StandIn, build: Build) -> None:
    server.gives(signed(server.claims(iss=f"{server.issuer}/{ONE}/v2.0", tid=ONE)))
    await refused(build().redeem(grant()), Reason.TOKEN_INVALID)
    with pytest.raises(ValueError, match="pattern"):
        build(issuer=f"{server.issuer}/{{tenantid}}/v2.0")


@pytest.mark.parametrize("issuer", ["{server}/organizations/v2.0", f"{{server}}/{ONE}/v2.0", "{server}"])
async def test_metadata_of_another_issuer_are_refused(tenants: Tenants, issuer: str) -> None:
    tenants.published(issuer=issuer.format(server=tenants.server.issuer))
    await refused(tenants.us().redeem(grant()), Reason.PROVIDER_MISCONFIGURED)


async def test_a_key_signs_for_its_own_issuer_only(tenants: Tenants) -> None:
    """Entra ID's set holds the keys of personal accounts too, and each says whose tokens it signs."""
    tenants.server.keys.append(public(RSA_TWO, issuer=tenants.issuer(TWO)))
    us = tenants.us()
    tenants.server.gives(tenants.token(key=RSA_TWO, kid="two", iss=tenants.issuer(TWO), tid=TWO))
    assert tenants.issuer(TWO) == (await us.redeem(grant())).claims["iss"]
    tenants.server.gives(tenants.token(key=RSA_TWO, kid="two"))
    error = await refused(us.redeem(grant()), Reason.TOKEN_INVALID)
    assert "another issuer's" in error.detail


async def test_the_callback_names_the_tokens_own_tenant(tenants: Tenants) -> None:
    us = tenants.us()
    for strange in (tenants.pattern, tenants.issuer("common"), tenants.server.issuer):
        await refused(us.check_response_issuer(strange), Reason.ISSUER_MISMATCH)
    tenants.server.gives(tenants.token())
    await us.redeem(grant(issuer=tenants.issuer(ONE)))
    await refused(us.redeem(grant(issuer=tenants.issuer(TWO))), Reason.ISSUER_MISMATCH)


async def test_a_refresh_confirms_the_same_person_of_the_same_tenant(tenants: Tenants) -> None:
    us, person = tenants.us(), Person(tenants.issuer(ONE), "o-1")
    tenants.server.gives(tenants.token(nonce=None))
    assert tenants.issuer(ONE) == (await us.refresh("r-1", person, NOW)).claims["iss"]
    tenants.server.gives(tenants.token(nonce=None, oid="o-2"))
    await refused(us.refresh("r-1", person, NOW), Reason.TOKEN_INVALID)
    tenants.server.gives(tenants.token(nonce=None, iss=tenants.issuer(TWO), tid=TWO))
    await refused(us.refresh("r-1", person, NOW), Reason.TOKEN_INVALID)


async def test_a_key_without_an_issuer_signs_for_all(tenants: Tenants) -> None:
    tenants.server.keys = [public(RSA_ONE)]
    tenants.server.gives(tenants.token())
    assert (await tenants.us().redeem(grant())).claims["oid"] == "o-1"


async def test_a_key_whose_issuer_is_not_text_is_not_used(tenants: Tenants) -> None:
    tenants.server.keys = [public(RSA_ONE, issuer=[tenants.pattern])]
    tenants.server.gives(tenants.token())
    await refused(tenants.us().redeem(grant()), Reason.PROVIDER_MISCONFIGURED)


async def test_a_program_s_token_names_the_person_that_a_sign_in_names(tenants: Tenants) -> None:
    """The same tenant's issuer and the same `oid`: one pin, one account, one revocation."""
    us, application = tenants.us(), "00000000-0000-4000-8000-00000000000a"
    tenants.server.gives(tenants.token(tid=TWO, iss=tenants.issuer(TWO)))
    signed_in = await us.redeem(grant())
    claims = {"aud": application, "ver": "2.0", "scp": "access", "azp": "script", "exp": NOW + 600, "nonce": None}
    basis = tenants.server.claims(iss=tenants.issuer(TWO), tid=TWO, oid="o-1", sub="another pairwise", **claims)
    kept = {name: value for name, value in basis.items() if value is not None}
    access = await us.access_tokens.check(signed(kept, RSA_ONE, kid="one"), frozenset({application}), "entra")
    known = ProviderPolicy(name="entra", label="", issuer=tenants.pattern, subject_claim="oid")
    told = (freeze_claims(signed_in.claims), freeze_claims(access.claims))
    persons = {identity_from(claims, known, frozenset()).person for claims in told}
    assert {Person(tenants.issuer(TWO), "o-1")} == persons
