"""adapters.oidc.keys: a rotation costs no sign-in, a bad key costs no good one, a storm of unknown ids one fetch."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey

from sidecar.adapters.oidc.keys import UnusableKeyError, import_key
from sidecar.adapters.oidc.provider import OidcProvider
from sidecar.core.tokens import DEFAULT_ALGORITHMS
from sidecar.domain.reason import Reason
from sidecar.flows.login import CodeGrant, LoginError
from tests.adapters.oidc.conftest import Build
from tests.adapters.oidc.stand_in import NOW, RSA_ONE, RSA_TWO, HandClock, Reply, StandIn, public, signed

HOUR = 3600
ALL = frozenset(DEFAULT_ALGORITHMS)
EC = ECKey.generate_key("P-256", {"kid": "ec"})


async def sign_in(server: StandIn, provider: OidcProvider, key: Any = RSA_ONE, kid: str | None = "one") -> str:
    server.gives(signed(server.claims(), key, kid=kid))
    grant = CodeGrant(
        code="c", verifier="v" * 43, redirect_uri="https://x/", nonce="n-1", max_age=None, issuer=None, now=NOW
    )
    return str((await provider.redeem(grant)).claims["sub"])


async def is_refused(server: StandIn, provider: OidcProvider, key: Any = RSA_ONE, kid: str | None = "one") -> Reason:
    with pytest.raises(LoginError) as caught:
        await sign_in(server, provider, key, kid)
    return caught.value.reason


async def test_keys_are_fetched_once(server: StandIn, build: Build) -> None:
    provider = build()
    for _ in range(3):
        await sign_in(server, provider)
    assert server.counts["/jwks"] == 1


async def test_a_rotation_costs_no_sign_in(server: StandIn, build: Build) -> None:
    provider = build()
    await sign_in(server, provider)
    server.keys = [public(RSA_TWO)]
    assert await sign_in(server, provider, RSA_TWO, "two") == "s-1"
    assert server.counts["/jwks"] == 2


async def test_many_unknown_ids_force_one_fetch_in_ten_seconds(server: StandIn, build: Build, clock: HandClock) -> None:
    provider = build()
    await sign_in(server, provider)
    for number in range(5):
        assert await is_refused(server, provider, RSA_TWO, f"unknown-{number}") == Reason.TOKEN_INVALID
        clock.seconds += 1.9
    assert server.counts["/jwks"] == 2
    clock.seconds += 0.5
    assert await is_refused(server, provider, RSA_TWO, "unknown") == Reason.TOKEN_INVALID
    assert server.counts["/jwks"] == 3


async def test_what_strangers_bring_forces_one_fetch_a_minute_and_none_of_anybody_else(
    server: StandIn, build: Build, clock: HandClock
) -> None:
    provider = build()
    await sign_in(server, provider)
    forged = signed(server.claims(), RSA_TWO, kid="forged")
    # Looked for and not found is a refusal; not looked for is no verdict.
    for words in ("logout_token_invalid", "provider_unreachable", "provider_unreachable"):
        with pytest.raises(LoginError, match=words):
            await provider.notices.logout(forged)
        clock.seconds += 29
    assert server.counts["/jwks"] == 2
    for _ in range(3):
        with pytest.raises(LoginError, match="token_not_accepted"):
            await provider.access_tokens.check(forged, frozenset({"x"}), "generic")
    assert server.counts["/jwks"] == 3
    server.keys = [public(RSA_TWO)]
    assert await sign_in(server, provider, RSA_TWO, "two") == "s-1"
    assert server.counts["/jwks"] == 4


async def test_a_known_id_with_a_bad_signature_forces_nothing(server: StandIn, build: Build) -> None:
    provider = build()
    await sign_in(server, provider)
    assert await is_refused(server, provider, RSA_TWO, "one") == Reason.TOKEN_INVALID
    assert server.counts["/jwks"] == 1


async def test_those_who_wait_share_one_fetch(server: StandIn, build: Build) -> None:
    provider = build()
    await sign_in(server, provider)
    server.keys = [public(RSA_ONE), public(RSA_TWO)]
    subjects = await asyncio.gather(*(sign_in(server, provider, RSA_TWO, "two") for _ in range(10)))
    assert subjects == ["s-1"] * 10
    assert server.counts["/jwks"] == 2


async def test_keys_are_renewed_each_hour_without_waiting(server: StandIn, build: Build, clock: HandClock) -> None:
    provider = build()
    await sign_in(server, provider)
    clock.seconds = HOUR
    server.keys = [public(RSA_TWO)]
    # The old keys still serve this one: the renewal runs beside it.
    await sign_in(server, provider)
    for _ in range(200):
        if server.counts["/jwks"] == 2:
            break
        await asyncio.sleep(0.01)
    assert server.counts["/jwks"] == 2
    await sign_in(server, provider, RSA_TWO, "two")
    assert server.counts["/jwks"] == 2


async def test_keys_of_yesterday_are_renewed_before_they_serve(server: StandIn, build: Build, clock: HandClock) -> None:
    provider = build()
    await sign_in(server, provider)
    clock.seconds = 24 * HOUR
    server.keys = [public(RSA_TWO)]
    assert await is_refused(server, provider) == Reason.TOKEN_INVALID


@pytest.mark.parametrize("reply", [Reply({}, status=503), Reply(b"<html>"), Reply({"keys": []}), Reply({})])
async def test_the_last_good_keys_serve_on(
    server: StandIn, build: Build, clock: HandClock, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    provider = build()
    await sign_in(server, provider)
    server.replies["/jwks"] = reply
    clock.seconds = 30 * HOUR
    assert await sign_in(server, provider) == "s-1"
    assert "the last good one serves on" in caplog.text


async def test_without_any_keys_nobody_comes_in(server: StandIn, build: Build) -> None:
    server.replies["/jwks"] = Reply({}, status=503)
    assert await is_refused(server, build()) == Reason.PROVIDER_UNREACHABLE
    server.replies["/jwks"] = Reply({"keys": [{"kty": "oct", "k": "AAAA"}]})
    assert await is_refused(server, build()) == Reason.PROVIDER_MISCONFIGURED


BAD_KEYS: list[Any] = [
    None,
    "key",
    {},
    {"kty": "RSA"},
    {"kty": "RSA", "n": 5, "e": "AQAB"},
    {"kty": "RSA", "n": "A" * 400, "e": ""},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    {"kty": "EC", "crv": "P-257", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "OKP", "crv": "Ed25519", "x": "AA"},
    {"kty": "OKP", "crv": "Ed999", "x": "AA"},
    {"kty": "oct", "k": "c2VjcmV0"},
    OctKey.import_key("secret-secret-secret").as_dict(),
    ECKey.generate_key("secp256k1").as_dict(private=False),
    OKPKey.generate_key("X25519").as_dict(private=False),
    public(RSA_ONE, kid="enc", use="enc"),
    public(RSA_ONE, kid="ops", use=None, key_ops=["encrypt"]),
    public(RSA_ONE, kid=7),
    public(RSA_ONE, kid="alg", alg="RSA-OAEP"),
    public(RSA_ONE, kid="alg", alg="HS256"),
]


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_a_bad_key_is_named_and_nothing_else_happens(bad: Any) -> None:
    with pytest.raises(UnusableKeyError):
        import_key(bad, ALL)


async def test_bad_keys_cost_no_good_one(server: StandIn, build: Build, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "sidecar")
    server.keys = [*BAD_KEYS, public(RSA_ONE)]
    assert await sign_in(server, build()) == "s-1"
    assert len([record for record in caplog.records if "is not used" in record.message]) == len(BAD_KEYS)


_members = st.dictionaries(
    st.sampled_from(["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid", "key_ops", "d", "k"]),
    st.sampled_from(["RSA", "EC", "OKP", "oct", "P-256", "P-521", "Ed25519", "AQAB", "sig", "RS256", ""])
    | st.text(max_size=60)
    | st.none()
    | st.integers()
    | st.lists(st.text(max_size=4), max_size=2),
)


@given(_members)
def test_any_member_is_a_key_or_unusable(member: dict[str, Any]) -> None:
    with contextlib.suppress(UnusableKeyError):
        assert import_key(member, ALL).algorithms <= ALL


def test_only_the_public_part_is_read() -> None:
    key = import_key(RSA_ONE.as_dict(private=True), ALL)
    assert key.key.is_private is False


def test_a_key_with_an_algorithm_of_its_own_is_for_that_only() -> None:
    assert import_key(public(RSA_ONE, alg="PS256"), ALL).algorithms == {"PS256"}
    assert import_key(public(RSA_ONE), frozenset({"RS256"})).algorithms == {"RS256"}
    assert import_key(public(EC), ALL).algorithms == {"ES256"}
    for name in ("EdDSA", "Ed25519"):
        okp = OKPKey.generate_key("Ed25519").as_dict(private=False)
        assert import_key({**okp, "alg": name}, ALL).algorithms == {"EdDSA", "Ed25519"}


async def test_a_token_without_kid_tries_every_key(server: StandIn, build: Build) -> None:
    server.keys = [public(EC), public(RSA_ONE), public(RSA_TWO)]
    assert await sign_in(server, build(), RSA_TWO, None) == "s-1"
    assert server.counts["/jwks"] == 1


async def test_a_token_without_kid_and_new_keys(server: StandIn, build: Build) -> None:
    provider = build()
    await sign_in(server, provider)
    server.keys = [public(RSA_TWO)]
    assert await sign_in(server, provider, RSA_TWO, None) == "s-1"


async def test_a_key_without_kid_may_be_any_tokens(server: StandIn, build: Build) -> None:
    server.keys = [public(RSA_TWO), public(RSA_ONE, kid=None)]
    assert await sign_in(server, build(), RSA_ONE, "some-id") == "s-1"


async def test_a_provider_that_is_down_is_not_asked_again_at_once(
    server: StandIn, build: Build, clock: HandClock
) -> None:
    provider = build()
    await sign_in(server, provider)
    server.replies["/jwks"] = Reply({}, status=503)
    clock.seconds = 24 * HOUR
    for _ in range(4):
        await sign_in(server, provider)
    assert server.counts["/jwks"] == 2


async def test_closing_stops_a_fetch(server: StandIn, session: aiohttp.ClientSession, clock: HandClock) -> None:
    provider = OidcProvider(server.config(), session, clock)
    server.gate = asyncio.Event()
    waiting = asyncio.create_task(provider.check_response_issuer(None))
    await asyncio.wait_for(server.came.wait(), 10)
    await provider.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    server.gate.set()
