"""The landing's provider against npm's `oidc-provider`: the same requests to both. Where the answers differ, the table
says why; where nothing is said, they are the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.conftest import require
from tests.e2e.landing_sides import BACK, NAME, SECRET, VERIFIER, Side, basic, given, ours, question, theirs, word
from tests.e2e.rigs import NODE_NEEDED, npm_ready

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True)
class Ask:
    """How a token request differs from a good one: *form* changes parameters, None leaves one out; *more* is added."""

    form: Mapping[str, str | None] = field(default_factory=dict)
    auth: str | None = basic()
    more: str = ""
    json: bool = False
    method: str = "POST"


BASIC_ONLY = "ours takes `client_secret_basic` alone, as it announces, and calls all else an unknown client"
TOKEN: dict[str, tuple[Ask, str, str, str]] = {
    "good": (Ask(), "200", "200", ""),
    "wrong secret": (Ask(auth=basic(secret="wrong")), "401 invalid_client", "401 invalid_client", ""),
    "unknown client": (Ask(auth=basic(name="other")), "401 invalid_client", "401 invalid_client", ""),
    "nobody": (Ask(auth=None), "401 invalid_client", "400 invalid_request", BASIC_ONLY),
    "not form-encoded": (
        Ask(auth=basic(encoded=False)), "401 invalid_client", "400 invalid_request",
        "`%&` is no form-encoding: theirs says that it cannot read it, ours says no more than of a wrong secret",
    ),
    "a bearer token": (Ask(auth="Bearer x"), "401 invalid_client", "400 invalid_request", BASIC_ONLY),
    "no base64": (Ask(auth="Basic !!"), "401 invalid_client", "400 invalid_request", BASIC_ONLY),
    "secret in the form": (
        Ask({"client_id": NAME, "client_secret": SECRET}, auth=None), "401 invalid_client", "200", BASIC_ONLY,
    ),
    "secret in both": (
        Ask({"client_id": NAME, "client_secret": SECRET}), "401 invalid_client", "400 invalid_request", BASIC_ONLY,
    ),
    "its own name beside": (Ask({"client_id": NAME}), "200", "200", ""),
    "another name beside": (Ask({"client_id": "other"}), "401 invalid_client", "400 invalid_request", BASIC_ONLY),
    "wrong code": (Ask({"code": "wrong"}), "400 invalid_grant", "400 invalid_grant", ""),
    "no code": (Ask({"code": None}), "400 invalid_request", "400 invalid_request", ""),
    "empty code": (Ask({"code": ""}), "400 invalid_request", "400 invalid_request", ""),
    "another address": (Ask({"redirect_uri": BACK + "/"}), "400 invalid_grant", "400 invalid_grant", ""),
    "no address": (
        Ask({"redirect_uri": None}), "400 invalid_request", "200",
        "RFC 6749, section 4.1.3, demands it where the question had one; theirs leaves it out for a client with one",
    ),
    "wrong verifier": (Ask({"code_verifier": "w" * 50}), "400 invalid_grant", "400 invalid_grant", ""),
    "no verifier": (Ask({"code_verifier": None}), "400 invalid_grant", "400 invalid_grant", ""),
    "short verifier": (
        Ask({"code_verifier": "v"}), "400 invalid_grant", "400 invalid_request",
        "theirs judges the form of a verifier before the code; ours: it does not fit, and burns the code",
    ),
    "no grant type": (Ask({"grant_type": None}), "400 invalid_request", "400 invalid_request", ""),
    "a password": (
        Ask({"grant_type": "password", "username": "ada", "password": "x"}),
        "400 unsupported_grant_type", "400 unsupported_grant_type", "",
    ),
    "a refresh token": (
        Ask({"grant_type": "refresh_token", "refresh_token": "x"}), "400 unsupported_grant_type", "400 invalid_request",
        "theirs knows refresh tokens and refuses them to this client; ours knows none",
    ),
    "for itself": (
        Ask({"grant_type": "client_credentials"}), "400 unsupported_grant_type", "400 invalid_request",
        "theirs knows clients without a person and refuses it to this one; ours knows none",
    ),
    "an odd grant type": (
        Ask({"grant_type": "x"}), "400 unsupported_grant_type", "400 unsupported_grant_type", "",
    ),
    "a code twice": (Ask(more="code=x"), "400 invalid_request", "400 invalid_request", ""),
    "an unknown parameter": (Ask(more="x=1"), "200", "200", ""),
    "JSON": (Ask(json=True), "400 invalid_request", "400 invalid_request", ""),
    "another method": (
        Ask(method="GET"), "405 invalid_request", "404", "ours says that the address exists; both do nothing",
    ),
}  # fmt: skip

BEARER = {"Authorization": "Bearer TOKEN"}
IN_THE_HEADER = "ours reads the token in the header alone and says of all else that there is no good one"
USERINFO: dict[str, tuple[str, dict[str, dict[str, str]], str, str, str]] = {
    "good": ("GET", {"headers": BEARER}, "200", "200", ""),
    "by POST": (
        "POST", {"headers": BEARER}, "200", "400 invalid_request",
        "OIDC Core 1.0, section 5.3.1, allows it; theirs wants the token of a POST in its body",
    ),
    "no token": ("GET", {}, "401 invalid_token", "401 invalid_token", ""),
    "wrong token": ("GET", {"headers": {"Authorization": "Bearer x"}}, "401 invalid_token", "401 invalid_token", ""),
    "the secret": (
        "GET", {"headers": {"Authorization": basic()}}, "401 invalid_token", "400 invalid_request", IN_THE_HEADER,
    ),
    "in the query": (
        "GET", {"params": {"access_token": "TOKEN"}}, "401 invalid_token", "400 invalid_request", IN_THE_HEADER,
    ),
    "in a form": ("POST", {"data": {"access_token": "TOKEN"}}, "401 invalid_token", "200", IN_THE_HEADER),
    "another method": ("PUT", {"headers": BEARER}, "405 invalid_request", "404", "as at the token endpoint"),
}  # fmt: skip

SAME_IN_DISCOVERY = ("subject_types_supported", "code_challenge_methods_supported", "request_uri_parameter_supported")
NEEDED_IN_DISCOVERY = (
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "response_types_supported",
    "subject_types_supported", "id_token_signing_alg_values_supported", "token_endpoint_auth_methods_supported",
)  # fmt: skip
"""OIDC Discovery 1.0, section 3, and what the products read."""


@dataclass
class Both:
    """The two providers."""

    sides: tuple[Side, Side]
    session: aiohttp.ClientSession
    endpoints: tuple[dict[str, Any], dict[str, Any]]

    async def code(self, number: int) -> str:
        asked = question(self.endpoints[number]["authorization_endpoint"])
        return given(await self.sides[number].answer(asked))["code"]

    async def token(self, number: int, ask: Ask, code: str) -> tuple[str, Any]:
        form: dict[str, str | None] = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER,
            **ask.form,
        }  # fmt: skip
        sent = {name: value for name, value in form.items() if value is not None}
        headers = {"Authorization": ask.auth} if ask.auth is not None else {}
        where = self.endpoints[number]["token_endpoint"]
        body: dict[str, Any] = {"json": sent} if ask.json else {"data": [*sent.items(), *_pairs(ask.more)]}
        async with self.session.request(ask.method, where, headers=headers, **body) as answer:
            found = await answer.json() if answer.content_type == "application/json" else None
            return word(answer.status, answer.headers, found), found

    async def userinfo(self, number: int, method: str, options: Mapping[str, dict[str, str]], token: str) -> str:
        filled: dict[str, Any] = {
            part: {name: value.replace("TOKEN", token) for name, value in fields.items()}
            for part, fields in options.items()
        }
        where = self.endpoints[number]["userinfo_endpoint"]
        async with self.session.request(method, where, **filled) as answer:
            found = await answer.json() if answer.content_type == "application/json" else None
            return word(answer.status, answer.headers, found)


def _pairs(more: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (piece.partition("=") for piece in more.split("&") if piece)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both() -> AsyncIterator[Both]:
    require(npm_ready(), NODE_NEEDED)
    async with AsyncExitStack() as stack:
        sides = await stack.enter_async_context(ours()), await stack.enter_async_context(theirs())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        found = []
        for side in sides:
            async with session.get(f"{side.issuer}/.well-known/openid-configuration") as answer:
                assert 200 == answer.status
                found.append(await answer.json())
        yield Both(sides, session, (found[0], found[1]))


async def test_both_announce_what_a_client_needs_and_ours_no_more_than_it_does(both: Both) -> None:
    mine, other = both.endpoints
    for key in NEEDED_IN_DISCOVERY:
        assert type(mine[key]) is type(other[key]), key
    for key in SAME_IN_DISCOVERY:
        assert mine[key] == other[key], key
    for key, value in mine.items():
        if isinstance(value, list) and key != "claims_supported":
            assert set(value) <= set(other[key]), key
    assert set(mine) - set(other) == {"request_parameter_supported"}


async def test_token_requests_are_answered_alike_but_for_what_the_table_explains(both: Both) -> None:
    for name, (ask, mine, other, why) in TOKEN.items():
        found = tuple([(await both.token(number, ask, await both.code(number)))[0] for number in (0, 1)])
        assert (name, mine, other) == (name, *found)
        assert bool(why) == (mine != other), name


async def test_a_second_use_takes_back_what_came_of_the_first_at_both(both: Both) -> None:
    for number in (0, 1):
        code = await both.code(number)
        first, token = await both.token(number, Ask(), code)
        again, _ = await both.token(number, Ask(), code)
        options = {"headers": BEARER}
        after = await both.userinfo(number, "GET", options, token["access_token"])
        assert ("200", "400 invalid_grant", "401 invalid_token") == (first, again, after)
    # A wrong verifier burns the code at ours: who has it and not the verifier stole it. Theirs waits for a better one.
    wrong, found = Ask({"code_verifier": "w" * 50}), []
    for number in (0, 1):
        code = await both.code(number)
        _ = await both.token(number, wrong, code)
        found.append((await both.token(number, Ask(), code))[0])
    assert ["400 invalid_grant", "200"] == found


async def test_userinfo_is_answered_alike_but_for_what_the_table_explains(both: Both) -> None:
    tokens = [(await both.token(number, Ask(), await both.code(number)))[1] for number in (0, 1)]
    assert tokens[0].keys() == tokens[1].keys() and "Bearer" == tokens[0]["token_type"] == tokens[1]["token_type"]
    for name, (method, options, mine, other, why) in USERINFO.items():
        found = [await both.userinfo(number, method, options, tokens[number]["access_token"]) for number in (0, 1)]
        assert (name, mine, other) == (name, *found)
        assert bool(why) == (mine != other), name
