"""A provider that misbehaves on purpose, at the whole gate: one row for each module by which relying parties are
certified, and for what they do not ask. None makes a session, none keeps one; what is lawful lets people in.

The modules of logout tokens and of sign-outs have tests of their own.
"""

from __future__ import annotations

import json
import logging
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from sidecar.config.load import load
from sidecar.demo.provider import Fault
from tests.web.conftest import Worlds
from tests.web.rig import Browser, World
from tests.web.test_time_over_http import DUE, HOUR, RECHECK, SESSION, Hands

PAGE = "/browse/KEY-1?focus=2"
PAUSE = 11
"""Seconds after which a provider that failed is asked again, and one more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One module: what the provider does, and what comes of it.

    Attributes:
        fault: The switch; None for what every provider does.
        reason: The word of the refusal; "" where the module is lawful and the person is let in.
        userinfo: Whether userinfo is asked always, for modules that are about it.
        granted: Whether a lawful sign-in is let in at its portal: groups that are unknown open nothing.
    """

    fault: Fault | None = None
    reason: str = ""
    status: int = 502
    userinfo: bool = False
    granted: bool = True


INVALID = "token_invalid"

BASIC = {
    "HappyPath": Row(),
    "ClientSecretBasic": Row(),
    "IdTokenSigAlgNone": Row(fault=Fault.ALG_NONE, reason=INVALID),
    "IdTokenSigRS256": Row(),
    "InvalidAud": Row(fault=Fault.WRONG_AUD, reason=INVALID),
    "InvalidIssuer": Row(fault=Fault.WRONG_ISSUER, reason=INVALID),
    "InvalidSignature": Row(fault=Fault.BAD_SIGNATURE, reason=INVALID),
    "InvalidNonce": Row(fault=Fault.WRONG_NONCE, reason=INVALID),
    "MissingIat": Row(fault=Fault.MISSING_IAT, reason=INVALID),
    "MissingSub": Row(fault=Fault.MISSING_SUB, reason=INVALID),
    "InvalidSubInUserinfoResponse": Row(fault=Fault.USERINFO_OTHER_SUB, reason="userinfo_invalid", userinfo=True),
    # Both answers are lawful; ours is the kinder one: every suitable key is tried.
    "KidAbsentSingleJwks": Row(fault=Fault.NO_KID),
    "KidAbsentMultipleMatchingKeysInJwks": Row(fault=Fault.NO_KID_MANY_KEYS),
    "UserinfoBearerHeader": Row(userinfo=True),
    "ScopeClaims": Row(fault=Fault.GROUPS_ONLY_IN_USERINFO),
}
CONFIG = {
    "DiscoveryOpenIdConfiguration": Row(),
    "DiscoveryJwksUriKeys": Row(),
    "DiscoveryIssuerMismatch": Row(fault=Fault.DISCOVERY_OTHER_ISSUER, reason="provider_misconfigured"),
    "SigningKeyRotationJustBeforeSigning": Row(fault=Fault.KEY_CHANGED_BEFORE_SIGNING),
}
COMPREHENSIVE = {
    "InvalidAtHash": Row(fault=Fault.WRONG_AT_HASH, reason=INVALID),
    # Optional where the token comes from the token endpoint (OpenID Connect Core 1.0, section 3.1.3.6).
    "MissingAtHash": Row(fault=Fault.MISSING_AT_HASH),
    "InvalidSignatureHS256": Row(fault=Fault.HS256_BAD_SIGNATURE, reason=INVALID),
    "InvalidSignatureES256": Row(fault=Fault.ES256_BAD_SIGNATURE, reason=INVALID),
    # Lawful for a client that registered for it. Ours does not, and takes nothing that it did not ask for.
    "SignedUserinfo": Row(fault=Fault.USERINFO_SIGNED, reason="provider_misconfigured", userinfo=True),
    "AggregatedClaims": Row(fault=Fault.GROUPS_AGGREGATED, granted=False),
    "DistributedClaims": Row(fault=Fault.GROUPS_OVERAGE_ENTRA, granted=False),
    "MtlsEndpointAliases": Row(fault=Fault.DISCOVERY_MTLS_ALIASES),
}
BEYOND = {
    "MissingNonce": Row(fault=Fault.MISSING_NONCE, reason=INVALID),
    "MissingAud": Row(fault=Fault.MISSING_AUD, reason=INVALID),
    "EmptyAud": Row(fault=Fault.EMPTY_AUD, reason=INVALID),
    "AudOfOthersWithoutAzp": Row(fault=Fault.MULTIPLE_AUD_NO_AZP, reason=INVALID),
    "OtherAzp": Row(fault=Fault.OTHER_AZP, reason=INVALID),
    "MissingIssuer": Row(fault=Fault.MISSING_ISSUER, reason=INVALID),
    "MissingExp": Row(fault=Fault.MISSING_EXP, reason=INVALID),
    "ExpBeyondTime": Row(fault=Fault.EXP_BEYOND_TIME, reason=INVALID),
    "Expired": Row(fault=Fault.EXPIRED, reason=INVALID),
    "FutureIat": Row(fault=Fault.FUTURE_IAT, reason=INVALID),
    "EmptySub": Row(fault=Fault.EMPTY_SUB, reason=INVALID),
    "DuplicateClaim": Row(fault=Fault.DUPLICATE_CLAIM, reason=INVALID),
    "HS256WithPublicKey": Row(fault=Fault.HS256_WITH_PUBLIC_KEY, reason=INVALID),
    "UnknownKid": Row(fault=Fault.UNKNOWN_KID, reason=INVALID),
    "JwkHeader": Row(fault=Fault.JWK_HEADER, reason=INVALID),
    "JkuHeader": Row(fault=Fault.JKU_HEADER, reason=INVALID),
    "X5uHeader": Row(fault=Fault.X5U_HEADER, reason=INVALID),
    "X5cHeader": Row(fault=Fault.X5C_HEADER, reason=INVALID),
    "CritHeader": Row(fault=Fault.CRIT_HEADER, reason=INVALID),
    "NestedEncrypted": Row(fault=Fault.ENCRYPTED, reason=INVALID),
    "AccessTokenForIdToken": Row(fault=Fault.ACCESS_TOKEN_TYP, reason=INVALID),
    "MissingIdToken": Row(fault=Fault.NO_ID_TOKEN, reason=INVALID),
    "EmptyIdToken": Row(fault=Fault.EMPTY_ID_TOKEN, reason=INVALID),
    "MissingSubInUserinfoResponse": Row(fault=Fault.USERINFO_MISSING_SUB, reason="userinfo_invalid", userinfo=True),
    "UserinfoRefusesItsToken": Row(fault=Fault.USERINFO_401, reason="userinfo_invalid", userinfo=True),
    "ResponseOfOtherIssuer": Row(fault=Fault.RESPONSE_OTHER_ISS, reason="issuer_mismatch", status=400),
    "ResponseWithoutPromisedIssuer": Row(fault=Fault.RESPONSE_WITHOUT_ISS, reason="issuer_mismatch", status=400),
    "DiscoveryForeignEndpoint": Row(fault=Fault.DISCOVERY_FOREIGN_ENDPOINT, reason="provider_misconfigured"),
    "DiscoveryWithoutJwksUri": Row(fault=Fault.DISCOVERY_WITHOUT_JWKS_URI, reason="provider_misconfigured"),
    "JwksEmpty": Row(fault=Fault.JWKS_EMPTY, reason="provider_misconfigured"),
    "JwksBroken": Row(fault=Fault.JWKS_500, reason="provider_unreachable", status=503),
    "JwksOneBadKey": Row(fault=Fault.JWKS_ONE_BAD_KEY),
    "TokenEndpointBroken": Row(fault=Fault.TOKEN_500, reason="provider_unreachable", status=503),
    "TokenAnswerNotJson": Row(fault=Fault.TOKEN_NOT_JSON, reason="provider_misconfigured"),
    "TokenAnswerHuge": Row(fault=Fault.TOKEN_HUGE, reason="provider_misconfigured"),
    "TokenErrorReflectsRequest": Row(fault=Fault.TOKEN_REFLECTS, reason="code_refused", status=400),
    "GroupsMissing": Row(fault=Fault.GROUPS_MISSING, granted=False),
    "GroupsAsText": Row(fault=Fault.GROUPS_STRING, granted=False),
}
"""What no module asks for, and attackers do."""

SIGN_INS = {**BASIC, **CONFIG, **COMPREHENSIVE, **BEYOND}

REFRESHES = {
    "RefreshToken": Row(),
    "RefreshTokenInvalidIssuer": Row(fault=Fault.WRONG_ISSUER, reason=INVALID),
    "RefreshTokenInvalidSub": Row(fault=Fault.OTHER_SUB, reason=INVALID),
    "RefreshTokenChangedAud": Row(fault=Fault.WRONG_AUD, reason=INVALID),
    "RefreshTokenEmptyAud": Row(fault=Fault.EMPTY_AUD, reason=INVALID),
    "RefreshTokenOtherAzp": Row(fault=Fault.OTHER_AZP, reason=INVALID),
    "RefreshTokenInvalidSignature": Row(fault=Fault.BAD_SIGNATURE, reason=INVALID),
    "RefreshTokenAlgNone": Row(fault=Fault.ALG_NONE, reason=INVALID),
    "RefreshTokenHS256WithPublicKey": Row(fault=Fault.HS256_WITH_PUBLIC_KEY, reason=INVALID),
    "RefreshTokenMissingSub": Row(fault=Fault.MISSING_SUB, reason=INVALID),
    "RefreshTokenMissingIat": Row(fault=Fault.MISSING_IAT, reason=INVALID),
    "RefreshTokenExpired": Row(fault=Fault.EXPIRED, reason=INVALID),
    "RefreshTokenExpBeyondTime": Row(fault=Fault.EXP_BEYOND_TIME, reason=INVALID),
    "RefreshTokenInvalidAtHash": Row(fault=Fault.WRONG_AT_HASH, reason=INVALID),
    "RefreshTokenDuplicateClaim": Row(fault=Fault.DUPLICATE_CLAIM, reason=INVALID),
    "RefreshTokenCritHeader": Row(fault=Fault.CRIT_HEADER, reason=INVALID),
    "RefreshTokenUnknownKid": Row(fault=Fault.UNKNOWN_KID, reason=INVALID),
    "RefreshTokenInvalidSubInUserinfo": Row(fault=Fault.USERINFO_OTHER_SUB, reason="userinfo_invalid", userinfo=True),
    "RefreshTokenErrorReflectsRequest": Row(fault=Fault.TOKEN_REFLECTS, reason="code_refused"),
    # An ID token is not owed at a refresh (OpenID Connect Core 1.0, section 12.2): userinfo confirms the person.
    "RefreshTokenWithoutIdToken": Row(fault=Fault.NO_ID_TOKEN),
    "RefreshTokenNotReplaced": Row(fault=Fault.KEEPS_REFRESH_TOKEN),
    "RefreshTokenKeyChanged": Row(fault=Fault.KEY_CHANGED_BEFORE_SIGNING),
    "RefreshTokenGroupsMissing": Row(fault=Fault.GROUPS_MISSING, granted=False),
    "RefreshTokenAggregatedClaims": Row(fault=Fault.GROUPS_AGGREGATED, granted=False),
}

_PLANS = """
    HappyPath ClientSecretBasic IdTokenSigAlgNone IdTokenSigRS256 InvalidAud InvalidIssuer InvalidSignature
    InvalidNonce MissingIat MissingSub InvalidSubInUserinfoResponse KidAbsentSingleJwks
    KidAbsentMultipleMatchingKeysInJwks UserinfoBearerHeader ScopeClaims
    DiscoveryOpenIdConfiguration DiscoveryIssuerMismatch DiscoveryJwksUriKeys SigningKeyRotation
    SigningKeyRotationJustBeforeSigning
    InvalidAtHash MissingAtHash InvalidSignatureHS256 InvalidSignatureES256 SignedUserinfo AggregatedClaims
    DistributedClaims MtlsEndpointAliases
    RefreshToken RefreshTokenInvalidIssuer RefreshTokenInvalidSub
"""
WANTED = frozenset(_PLANS.split())
"""The modules of the basic, config, comprehensive and refresh plans that touch us."""

OWN_TESTS = {"SigningKeyRotation": "test_keys_that_change_cost_no_sign_in"}
LOGOUT = {Fault.LOGOUT_WITH_NONCE, Fault.LOGOUT_WITHOUT_EVENT}


def test_every_module_has_its_row() -> None:
    rows = {*SIGN_INS, *REFRESHES}
    assert set() == WANTED - rows - set(OWN_TESTS)
    assert set(OWN_TESTS.values()) <= set(globals())


def test_every_switch_has_its_row() -> None:
    switches = {row.fault for row in (*SIGN_INS.values(), *REFRESHES.values())}
    # A slow token endpoint is met where the time-outs can be moved.
    assert set(Fault) - LOGOUT - {Fault.TOKEN_SLOW} == switches - {None}


@dataclass(slots=True)
class Scene:
    """A world whose clock the test moves, and a browser."""

    world: World
    clock: Hands
    browser: Browser

    @property
    def denied(self) -> list[str]:
        """The reasons of failed sign-ins so far."""
        return [event["reason"] for event in self.world.told("login.error")]

    async def sign_in(self) -> tuple[int, str]:
        """Ask for a page and be Ada; status and text of the last answer, wherever the way ends."""
        status, place, text = await self.browser.go(self.world.url + PAGE)
        if status == 302:
            status, _, text = await self.browser.choose(place, "ada")
        return status, text


Scenes = Callable[[Row], AbstractAsyncContextManager[Scene]]


@pytest.fixture
def scenes(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> Scenes:
    """Give a function that starts a scene. Whatever happens there, nothing that is secret is told (rule 66)."""
    caplog.set_level(logging.DEBUG)

    @asynccontextmanager
    async def start(row: Row) -> AsyncIterator[Scene]:
        async with _scene(worlds, row) as scene:
            yield scene
            told = caplog.text + scene.world.audit.getvalue()
            assert [] == [secret for secret in _secrets(scene) if secret in told]

    return start


def _secrets(scene: Scene) -> set[str]:
    memory = scene.world.staff._instance.memory
    tickets = [pair for shelf in (memory.codes, memory.access_tokens, memory.refresh_tokens) for pair in shelf.items()]
    asked = [ticket.grant.request for _, ticket in tickets]
    names = ("client-secret", "cookie-key", "jira-token")
    ours = {name: (scene.world.folder / name).read_text("ascii") for name in names}
    basic = b64encode(f"lychgate:{ours['client-secret']}".encode()).decode()
    # Every token of JSON begins so, in base64url.
    return {"eyJ", basic, *ours.values(), *(key for key, _ in tickets), *scene.browser.cookies.values(),
            *(str(one.state) for one in asked), *(str(one.nonce) for one in asked)}  # fmt: skip


@asynccontextmanager
async def _scene(worlds: Worlds, row: Row) -> AsyncIterator[Scene]:
    clock = Hands(int(time.time()))
    world = await worlds(clock=clock, proof="secret")
    if row.userinfo:
        await _change_provider(world, userinfo="always")
    async with world.browser() as browser:
        yield Scene(world, clock, browser)


async def _change_provider(world: World, **settings: Any) -> None:
    path = world.folder / "lychgate.yaml"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["providers"]["staff"].update(settings)
    path.write_text(json.dumps(content), encoding="utf-8")
    world.loaded = load(path, serving=True)
    await world.restart()


@pytest.mark.parametrize("module", [name for name, row in SIGN_INS.items() if row.reason])
async def test_no_session_begins(scenes: Scenes, module: str) -> None:
    row = SIGN_INS[module]
    async with scenes(row) as scene:
        world = scene.world
        world.staff.provider.fault = row.fault
        status, text = await scene.sign_in()
        assert (row.status, True) == (status, row.reason in text)
        assert ([row.reason], []) == (scene.denied, world.told("session.created"))
        assert (False, []) == (SESSION in scene.browser.cookies, world.arrived)
        # There is one way on; it is the person's to take, and it works once the provider is right again.
        assert (1, False) == (text.count('class="button'), 'http-equiv="refresh"' in text)
        assert f'href="{PAGE}"' in text or f'href="/.lychgate/login?to={quote(PAGE)}"' in text
        world.staff.provider.fault = None
        scene.clock.passed += PAUSE
        assert 200 == (await scene.sign_in())[0]
        assert (["ada"], 1) == ([call.username for call in world.arrived], len(world.told("session.created")))


@pytest.mark.parametrize("module", [name for name, row in SIGN_INS.items() if not row.reason])
async def test_what_is_lawful_lets_people_in(scenes: Scenes, module: str) -> None:
    row = SIGN_INS[module]
    async with scenes(row) as scene:
        scene.world.staff.provider.fault = row.fault
        status, text = await scene.sign_in()
        assert ([], 1) == (scene.denied, len(scene.world.told("session.created")))
        if row.granted:
            assert (200, ["ada"]) == (status, [call.username for call in scene.world.arrived])
        else:
            # Who it is, is known; the groups are not, and unknown ones open nothing.
            assert (403, True, []) == (status, "groups_unknown" in text, scene.world.arrived)


async def test_a_renewal_that_goes_wrong_takes_no_session_away(scenes: Scenes) -> None:
    async with scenes(Row()) as scene:
        world, browser = scene.world, scene.browser
        assert 200 == (await scene.sign_in())[0]
        for at in (*range(3 * HOUR, DUE, 3 * HOUR), DUE - 1):
            scene.clock.passed = at
            assert 200 == (await browser.go(world.url + PAGE))[0]
        key = browser.cookies[SESSION]
        world.staff.provider.fault = Fault.WRONG_NONCE
        scene.clock.passed = DUE
        status, place, _ = await browser.go(world.url + PAGE)
        assert (302, True) == (status, "prompt=none" in place)
        status, landed, _ = await browser.follow(place)
        assert (200, world.url + PAGE, key) == (status, landed, browser.cookies[SESSION])
        assert ([INVALID], 1) == (scene.denied, len(world.told("session.created")))


async def test_keys_that_change_cost_no_sign_in(scenes: Scenes) -> None:
    async with scenes(Row()) as scene:
        world = scene.world
        assert 200 == (await scene.sign_in())[0]
        for keep_old in (True, False):
            world.staff.rotate_key(keep_old=keep_old)
            # Ids that nobody knows force one fetch in five minutes.
            scene.clock.passed += 300
            async with world.browser() as other:
                assert 200 == (await other.sign_in("stella"))[0]
        assert ([], 3) == (scene.denied, world.staff.counts["jwks"])


@pytest.mark.parametrize("module", [name for name, row in REFRESHES.items() if row.reason])
async def test_no_session_is_kept(scenes: Scenes, module: str) -> None:
    row = REFRESHES[module]
    async with scenes(row) as scene:
        world, browser = scene.world, scene.browser
        assert 200 == (await scene.sign_in())[0]
        kept = browser.cookie
        world.forget()
        world.staff.provider.fault = row.fault
        scene.clock.passed += RECHECK
        status, place, _ = await browser.go(world.url + PAGE)
        assert (302, True) == (status, place.startswith(world.staff.issuer))
        assert [row.reason] == [event["reason"] for event in world.told("session.refreshed")]
        assert (["recheck"], []) == ([event["facts"]["cause"] for event in world.told("session.ended")], world.arrived)
        # It stays dead when the provider is right again, and so after a restart.
        world.staff.provider.fault = None
        await world.restart()
        assert (401, []) == ((await world.ask("GET", "/rest/api/2/myself", kept)).status, world.arrived)


@pytest.mark.parametrize("module", [name for name, row in REFRESHES.items() if not row.reason])
async def test_a_lawful_refresh_keeps_the_session(scenes: Scenes, module: str) -> None:
    row = REFRESHES[module]
    async with scenes(row) as scene:
        world, browser = scene.world, scene.browser
        assert 200 == (await scene.sign_in())[0]
        key = browser.cookies[SESSION]
        world.forget()
        world.staff.provider.fault = row.fault
        for _ in range(2):
            scene.clock.passed += RECHECK
            status, _, text = await browser.go(world.url + PAGE)
            assert (200 if row.granted else 403, row.granted) == (status, "groups_unknown" not in text)
        assert [None, None] == [event.get("reason") for event in world.told("session.refreshed")]
        assert ([], key) == (world.told("session.ended"), browser.cookies[SESSION])
        assert ["ada", "ada"] * row.granted == [call.username for call in world.arrived]
