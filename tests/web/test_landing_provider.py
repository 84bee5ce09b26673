"""web.landing_provider: the endpoints at which a product redeems codes, over a real listener; what is not wholly right
gets nothing."""

from __future__ import annotations

import ssl
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import aiohttp
import pytest
from yarl import URL

from sidecar.core.grants import Client, Grant
from sidecar.core.holders import Holder
from sidecar.domain.identity import UnixSeconds
from sidecar.web.landing_provider import LandingProvider, Party
from sidecar.web.server import Listener
from tests.flows.fake_holders import WhoCounts, codes_on
from tests.flows.fakes import CountingChance, FakeClock, MemoryMarkers, MemorySpent
from tests.upstream.certificates import Authority

SECRET = "a secret+with%everything&="
ISSUER = "https://gate.example/jira"
BACK = "https://jira.example/plugins/servlet/oidc/callback"


class FakeMinter:
    """`web.landing_provider.Minter`, without keys."""

    def sign(self, grant: Grant, now: UnixSeconds) -> str:
        return f"{grant.client.client_id} {grant.username} {grant.nonce} {now}"

    def keys(self) -> dict[str, object]:
        return {"keys": ["public"]}


@dataclass
class Gate:
    """The listener with two products, and what their codes come from."""

    url: str
    parties: dict[str, Party]
    clock: FakeClock
    session: aiohttp.ClientSession
    counts: WhoCounts
    spent: MemorySpent

    def code(self, name: str = "jira", **changes: Any) -> str:
        party = self.parties[name]
        grant = Grant(
            client=party.client, nonce="n-1", challenge=None, username="ada", subject="s-1", auth_time=None, name="",
            email="ada@example.com", holder=Holder(application=name, session="k"),
            ends_at=UnixSeconds(self.clock.now() + 60),
        )  # fmt: skip
        return party.codes.issue(replace(grant, **changes))

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any, Any]:
        async with self.session.request(method, self.url + path, **options) as answer:
            text = await answer.text()
            found = await answer.json() if answer.content_type == "application/json" and text else text
            return answer.status, found, answer.headers

    async def redeem(self, code: str, *, auth: str | None = None, **form: str) -> tuple[int, Any]:
        headers = {"Authorization": auth if auth is not None else basic("lychgate", SECRET)}
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **form}
        status, found, _ = await self.ask("POST", "/jira/token", data=data, headers=headers)
        return status, found


def basic(name: str, secret: str) -> str:
    return "Basic " + b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    clock, chance = FakeClock(), CountingChance()
    jira = Client(issuer=ISSUER, client_id="lychgate", redirect_uri=BACK)
    wiki = Client(issuer="https://gate.example/wiki", client_id="lychgate", redirect_uri="https://wiki.example/cb")
    counts = WhoCounts()
    spent = MemorySpent()
    codes = codes_on(spent, MemoryMarkers(), counts, clock, chance)
    parties = {
        "jira": Party(client=jira, secret=SECRET, codes=codes, minter=FakeMinter()),
        "wiki": Party(client=wiki, secret="of the wiki", codes=codes, minter=FakeMinter()),
    }
    listener = Listener(LandingProvider(parties, clock))
    await listener.open("127.0.0.1", 0)
    async with aiohttp.ClientSession() as session:
        yield Gate(f"http://127.0.0.1:{listener.port}", parties, clock, session, counts, spent)
    await listener.close()


async def test_discovery_names_what_stands_there(gate: Gate) -> None:
    status, found, headers = await gate.ask("GET", "/jira/.well-known/openid-configuration")
    assert (200, "no-store") == (status, headers["Cache-Control"])
    assert ISSUER == found["issuer"]
    for key, path in (
        ("authorization_endpoint", "/authorize"), ("token_endpoint", "/token"), ("userinfo_endpoint", "/userinfo"),
        ("jwks_uri", "/jwks"),
    ):  # fmt: skip
        assert ISSUER + path == found[key]
    assert (["code"], ["RS256"], ["S256"]) == (
        found["response_types_supported"],
        found["id_token_signing_alg_values_supported"],
        found["code_challenge_methods_supported"],
    )
    assert ["client_secret_basic"] == found["token_endpoint_auth_methods_supported"]
    assert {"keys": ["public"]} == (await gate.ask("GET", "/jira/jwks"))[1]


async def test_a_code_is_redeemed_once_and_the_token_is_known_at_userinfo(gate: Gate) -> None:
    code = gate.code()
    status, found = await gate.redeem(code)
    assert (200, "Bearer", 120) == (status, found["token_type"], found["expires_in"])
    assert f"lychgate ada n-1 {gate.clock.now()}" == found["id_token"]
    bearer = {"Authorization": f"Bearer {found['access_token']}"}
    for method in ("GET", "POST"):
        status, person, _ = await gate.ask(method, "/jira/userinfo", headers=bearer)
        assert (200, {"sub": "s-1", "preferred_username": "ada", "email": "ada@example.com"}) == (status, person)
    assert None is await gate.parties["jira"].codes.of_token(gate.parties["wiki"].client, found["access_token"])
    # Another product's endpoint does not know it, and after its time nobody does (rule 44).
    assert 401 == (await gate.ask("GET", "/wiki/userinfo", headers=bearer))[0]
    gate.clock.time += 120
    assert 401 == (await gate.ask("GET", "/jira/userinfo", headers=bearer))[0]


async def test_an_older_secret_is_taken_until_the_product_was_told_the_other(gate: Gate) -> None:
    gate.parties["jira"].secret, gate.parties["jira"].older = "the new one", (SECRET,)
    for secret, status in (("the new one", 200), (SECRET, 200), ("of the wiki", 401)):
        assert status == (await gate.redeem(gate.code(), auth=basic("lychgate", secret)))[0]
    gate.parties["jira"].older = ()
    assert 401 == (await gate.redeem(gate.code(), auth=basic("lychgate", SECRET)))[0]


async def test_a_second_use_is_refused_and_told(gate: Gate) -> None:
    spoilt: list[str] = []
    jira = gate.parties["jira"]

    async def hear(grant: Grant) -> None:
        spoilt.append(grant.holder.session)

    jira.codes.spoilt = hear
    code = gate.code()
    status, found = await gate.redeem(code)
    assert 200 == status
    assert "taken" == await jira.codes.close(jira.client, code) and not spoilt
    bearer = {"Authorization": f"Bearer {found['access_token']}"}
    assert 200 == (await gate.ask("GET", "/jira/userinfo", headers=bearer))[0]
    assert (400, {"error": "invalid_grant"}) == await gate.redeem(code)
    assert "spoilt" == await jira.codes.close(jira.client, code)
    assert ["k"] == spoilt
    # What came of the first use is dead with it.
    assert 401 == (await gate.ask("GET", "/jira/userinfo", headers=bearer))[0]


async def test_a_code_and_a_token_of_an_ended_session_are_refused(gate: Gate) -> None:
    first, second = gate.code(), gate.code()
    _, found = await gate.redeem(first)
    gate.counts.over.add("k")
    assert (400, {"error": "invalid_grant"}) == await gate.redeem(second)
    bearer = {"Authorization": f"Bearer {found['access_token']}"}
    assert 401 == (await gate.ask("GET", "/jira/userinfo", headers=bearer))[0]


async def test_a_state_that_does_not_answer_is_said_and_gives_nothing(gate: Gate) -> None:
    code = gate.code()
    gate.spent.down = True
    assert (503, {"error": "temporarily_unavailable"}) == await gate.redeem(code)
    gate.spent.down = False
    assert 200 == (await gate.redeem(code))[0]


async def test_a_code_is_no_access_token_and_an_access_token_no_code(gate: Gate) -> None:
    code = gate.code()
    assert 401 == (await gate.ask("GET", "/jira/userinfo", headers={"Authorization": f"Bearer {code}"}))[0]
    _, found = await gate.redeem(code)
    assert (400, {"error": "invalid_grant"}) == await gate.redeem(found["access_token"])


@pytest.mark.parametrize(
    "form", [{"redirect_uri": "https://jira.example/"}, {"code_verifier": "v" * 43}, {"redirect_uri": BACK + "/"}]
)
async def test_a_code_with_other_particulars_is_burnt(gate: Gate, form: dict[str, str]) -> None:
    code = gate.code()
    assert (400, {"error": "invalid_grant"}) == await gate.redeem(code, **form)
    assert (400, {"error": "invalid_grant"}) == await gate.redeem(code)


async def test_a_code_ends_after_a_minute_and_one_that_was_withdrawn_at_once(gate: Gate) -> None:
    late, withdrawn = gate.code(), gate.code()
    jira = gate.parties["jira"]
    await jira.codes.withdraw(jira.client, withdrawn)
    assert 400 == (await gate.redeem(withdrawn))[0]
    gate.clock.time += 60
    assert 400 == (await gate.redeem(late))[0]
    assert 400 == (await gate.redeem("never issued"))[0]
    assert 400 == (await gate.redeem(gate.code("wiki")))[0]


@pytest.mark.parametrize(
    "auth",
    [
        "",
        basic("lychgate", SECRET + "x"),
        basic("other", SECRET),
        basic("lychgate", "of the wiki"),
        "Basic " + b64encode(f"lychgate:{SECRET}".encode()).decode(),
        "Bearer x",
    ],
)
async def test_without_the_right_secret_nothing_is_told_and_no_code_is_spent(gate: Gate, auth: str) -> None:
    code = gate.code()
    assert (401, {"error": "invalid_client"}) == await gate.redeem(code, auth=auth)
    assert 200 == (await gate.redeem(code))[0]


async def test_what_is_no_token_request_is_said_so(gate: Gate) -> None:
    right = {"Authorization": basic("lychgate", SECRET)}
    for options, error in (
        ({"data": {"grant_type": "password"}}, "invalid_request"),
        ({"json": {"grant_type": "authorization_code", "code": "c"}}, "invalid_request"),
        ({"data": {"grant_type": "authorization_code", "code": "c" * 9000, "redirect_uri": BACK}}, "invalid_request"),
        ({"data": "grant_type=ü".encode(), "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
         "invalid_request"),
    ):  # fmt: skip
        options["headers"] = {**right, **options.get("headers", {})}  # type: ignore[dict-item]
        status, found, headers = await gate.ask("POST", "/jira/token", **options)
        assert (400, {"error": error}, "no-store") == (status, found, headers["Cache-Control"])
    assert (401, {"error": "invalid_client"}) == await gate.redeem(gate.code(), client_secret=SECRET)
    status, found, _ = await gate.ask("POST", "/jira/token?code=x", data={"grant_type": "x"}, headers=right)
    assert (400, "invalid_request") == (status, found["error"])


async def test_it_speaks_tls_where_it_has_a_certificate(gate: Gate, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    listener = Listener(LandingProvider(gate.parties, gate.clock))
    await listener.open("127.0.0.1", 0, authority.serving("localhost"))
    trusting = ssl.create_default_context(cafile=str(authority.file))
    url = f"https://localhost:{listener.port}/jira/jwks"
    async with gate.session.get(url, ssl=trusting) as answer:
        assert (200, {"keys": ["public"]}) == (answer.status, await answer.json())
    with pytest.raises(aiohttp.ClientError):
        await gate.session.get(url)
    await listener.close()


async def test_paths_are_exact_and_the_authorization_endpoint_lets_nobody_in(gate: Gate) -> None:
    for path in (
        "/",
        "/jira",
        "/jira/token/",
        "/jira/Token",
        "//jira/token",
        "/jira/%74oken",
        "/other/token",
        "/jira/x",
    ):
        async with gate.session.get(URL(gate.url + path, encoded=True)) as answer:
            assert (path, 404) == (path, answer.status)
    assert 405 == (await gate.ask("GET", "/jira/token"))[0]
    assert 405 == (await gate.ask("POST", "/jira/jwks"))[0]
    status, text, headers = await gate.ask("GET", "/jira/authorize?client_id=lychgate&state=x", allow_redirects=False)
    assert (403, None) == (status, headers.get("Location")) and "lychgate" in text.lower()
