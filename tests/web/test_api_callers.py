"""Programs with an access token of the staff's provider, over HTTP: whom they are served as, and what is refused."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from sidecar.core.logout_tokens import EVENT
from tests.web.conftest import Worlds
from tests.web.rig import MACHINES, World
from tests.web.test_global_revocation import call, proof
from tests.web.wire import Answer

MYSELF = "/rest/api/2/myself"
AUDIENCE = "https://jira.example.com/api"
JWT: dict[str, Any] = {"providers": "staff", "audience": AUDIENCE}
GONE = object()
STRANGE = "eyJhbGciOiJSUzI1NiIsImtpZCI6InVua25vd24iLCJ0eXAiOiJhdCtqd3QifQ"
"""A header that names a key that nobody has."""


def site(**jwt: Any) -> dict[str, Any]:
    """The keys of a world that takes tokens."""
    return {"staff": {"preset": "generic"}, "jira": {"api": {"jwt": {**JWT, **jwt}}}}


def token(world: World, who: str = "ada", typ: str = "at+jwt", **changes: Any) -> tuple[str, str]:
    now = int(time.time())
    groups = ["okta-jira-users", "okta-jira-admins"] if who == "ada" else ["okta-jira-users"]
    claims = {
        "iss": world.staff.issuer,
        "aud": AUDIENCE,
        "sub": f"00u-{who}",
        "client_id": "script",
        "iat": now,
        "exp": now + 300,
        "jti": uuid.uuid4().hex,
        "preferred_username": who,
        "groups": groups,
        **changes,
    }
    kept = {name: value for name, value in claims.items() if value is not GONE}
    return "Authorization", "Bearer " + world.staff.sign(kept, typ)


def refused(answer: Answer, status: int, reason: str) -> None:
    assert (status, reason) == (answer.status, answer.error)
    assert [] == answer.headers("Set-Cookie") + answer.headers("Location")


async def test_a_token_is_served_as_its_person_and_goes_no_further(worlds: Worlds) -> None:
    world = await worlds(**site())
    cookie = await world.sign_in("stella")
    world.forget()
    answer = await world.ask("GET", MYSELF, token(world), cookie, ("X-Lychgate-User", "amir"))
    assert (200, "ada") == (answer.status, answer.json["name"])
    (asked,) = world.arrived
    assert [[], []] == [asked.header_values(name) for name in ("Authorization", "Cookie")]
    assert ["ada"] == asked.header_values("X-Lychgate-User")
    assert [] == answer.headers("Set-Cookie")
    assert 200 == (await world.ask("HEAD", MYSELF, token(world))).status
    (told, *_) = world.told("api.caller")
    assert ("ada", "staff", "success") == (told["username"], told["provider"], told["outcome"])


@pytest.mark.parametrize(
    ("typ", "changes"),
    [
        ("JWT", {"aud": "lychgate", "nonce": "n", "client_id": GONE}),
        ("JWT", {}),
        ("at+jwt", {"nonce": "n"}),
        ("at+jwt", {"exp": 2, "iat": 1}),
        ("at+jwt", {"exp": GONE}),
        ("at+jwt", {"aud": "api://default"}),
        ("at+jwt", {"aud": GONE}),
        ("at+jwt", {"sub": "script"}),
        ("at+jwt", {"sub": GONE}),
        ("at+jwt", {"events": {EVENT: {}}}),
        ("logout+jwt", {"events": {EVENT: {}}, "aud": "lychgate"}),
        ("lychgate-landing+jwt", {}),
    ],
    ids=range(12),
)
async def test_what_is_no_persons_token_for_us_is_refused(worlds: Worlds, typ: str, changes: dict[str, Any]) -> None:
    world = await worlds(**site())
    answer = await world.ask("GET", MYSELF, token(world, typ=typ, **changes))
    refused(answer, 401, "token_not_accepted")
    assert ['Bearer realm="jira", error="invalid_token"'] == answer.headers("WWW-Authenticate")
    assert [] == world.arrived
    (told,) = world.told("access.denied")
    assert "detail" in told["facts"]


async def test_a_token_that_somebody_else_signed_or_changed_is_refused(worlds: Worlds) -> None:
    world = await worlds(**site())
    field, value = token(world)
    for spoilt in (value[:-8] + "AAAAAAAA", value.rpartition(".")[0] + "."):
        assert 401 == (await world.ask("GET", MYSELF, (field, spoilt))).status
    foreign = world.customers.sign({"iss": world.staff.issuer, "aud": AUDIENCE, "sub": "00u-ada"}, "at+jwt")
    refused(await world.ask("GET", MYSELF, (field, f"Bearer {foreign}")), 401, "token_not_accepted")
    customers = token(world, iss=world.customers.issuer)
    refused(await world.ask("GET", MYSELF, customers), 401, "token_not_accepted")
    assert [] == world.arrived


async def test_the_rules_hold_as_for_the_person(worlds: Worlds) -> None:
    rules = [
        {"paths": ["/rest/api/2/user/**"], "require": {"any_group": ["okta-jira-admins"]}},
        {"paths": ["/rest/api/2/search"], "answer": "deny", "require": {"any_group": ["okta-jira-admins"]}},
        {"paths": ["/rest/api/2/project"], "fresh": "5m"},
    ]
    world = await worlds(**site(), agents={"rules": rules})
    ada, stella = token(world), token(world, "stella")
    refused(await world.ask("GET", "/rest/api/2/user/search", stella), 403, "not_in_group")
    refused(await world.ask("GET", "/rest/api/2/search", ada), 403, "rule_denied")
    refused(await world.ask("GET", "/rest/api/2/project", ada), 401, "step_up_needed")
    refused(await world.ask("GET", MYSELF, token(world, groups=GONE)), 403, "groups_unknown")
    refused(await world.ask("GET", MYSELF, token(world, groups=["okta-canteen"])), 403, "not_in_group")
    assert [] == world.arrived
    assert 200 == (await world.ask("GET", MYSELF, stella)).status


async def test_only_where_machines_call(worlds: Worlds) -> None:
    world = await worlds(**site())
    refused(await world.ask("GET", "/browse/KEY-1", token(world)), 401, "credential_not_here")
    handshake = (("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"))
    key = (("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Origin", world.origin))
    refused(await world.ask("GET", MYSELF, token(world), *handshake, *key), 401, "credential_not_here")
    assert [] == world.arrived


async def test_without_provision_nothing_is_made_or_changed(worlds: Worlds) -> None:
    world = await worlds(**site())
    before = {name: frozenset(user.groups) for name, user in world.jira.state.users.items()}
    for who in ("nina", "dora", "amir"):
        answer = await world.ask("GET", MYSELF, token(world, who))
        assert (403, True) == (answer.status, answer.error in {"account_not_adopted", "account_inactive"})
    assert 200 == (await world.ask("GET", MYSELF, token(world, "stella"))).status
    assert before == {name: frozenset(user.groups) for name, user in world.jira.state.users.items()}


async def test_with_provision_the_account_is_made_ready(worlds: Worlds) -> None:
    world = await worlds(**site(provision=True))
    answer = await world.ask("GET", MYSELF, token(world, "nina", name="Nina", email="nina@example.com",
                                                  email_verified=True))  # fmt: skip
    assert (200, "nina") == (answer.status, answer.json["name"])


async def test_a_revocation_bars_tokens_that_were_issued_before(worlds: Worlds) -> None:

    world = await worlds(**site())
    old = token(world)
    assert 200 == (await world.ask("GET", MYSELF, old)).status
    pair = {"sub_id": {"format": "iss_sub", "iss": world.staff.issuer, "sub": "00u-ada"}}
    assert 204 == (await call(world, pair, proof(world))).status
    refused(await world.ask("GET", MYSELF, old), 401, "token_not_accepted")


@pytest.mark.parametrize(("addresses", "status"), [(["192.0.2.0/24"], 401), (["192.0.2.0/24", "127.0.0.0/8"], 200)])
async def test_addresses_are_an_allow_list(worlds: Worlds, addresses: list[str], status: int) -> None:
    world = await worlds(**site(addresses=addresses))
    assert status == (await world.ask("GET", MYSELF, token(world))).status


async def test_off_by_default(worlds: Worlds) -> None:
    world = await worlds(staff={"preset": "generic"})
    refused(await world.ask("GET", MYSELF, token(world)), 401, "token_not_accepted")


async def test_tokens_of_the_application_go_on_as_before(worlds: Worlds) -> None:
    world = await worlds(**site())
    assert 200 == (await world.ask("GET", MYSELF, ("Authorization", f"Bearer {MACHINES}"))).status


async def test_a_flood_of_garbage_costs_few_key_fetches(worlds: Worlds) -> None:
    world = await worlds(**site())
    assert 200 == (await world.ask("GET", MYSELF, token(world))).status
    before = world.staff.counts["jwks"]
    field, value = token(world)
    for number in range(30):
        forged = f"Bearer {STRANGE}.{value.split('.')[1]}.AAA{number:03d}A"
        refused(await world.ask("GET", MYSELF, (field, forged)), 401, "token_not_accepted")
    assert world.staff.counts["jwks"] - before <= 2
    assert 200 == (await world.ask("GET", MYSELF, token(world))).status


async def test_on_a_public_path_whoever_is_not_let_in_is_nobody_and_brings_no_cookie(worlds: Worlds) -> None:
    public = {"paths": ["/rest/api/2/serverInfo"], "answer": "public"}
    require = {"any_group": ["okta-jira-users"]}
    world = await worlds(**site(), agents={"require": require, "rules": [public]})
    answer = await world.ask(
        "GET", "/rest/api/2/serverInfo", token(world, groups=["okta-canteen"]), ("Cookie", "theme=dark")
    )
    (asked,) = world.arrived
    names = ("Cookie", "Authorization", "X-Lychgate-User")
    assert [[], [], []] == [asked.header_values(name) for name in names]
    assert [] == answer.headers("Set-Cookie")
