"""Strict OpenID clients in three languages take the landing's provider for one: unmodified, their checks on."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from authlib.common.errors import AuthlibBaseError
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import JsonWebToken  # noqa: TID251  # it is the client that is tried here
from authlib.oidc.core import CodeIDToken

from tests.e2e.conftest import require
from tests.e2e.landing_sides import BACK, NAME, SECRET, Ours, ours
from tests.e2e.rigs import NODE_FOLDER, NODE_NEEDED, npm_ready

PLAIN = secrets.token_hex(32)
"""For a client that puts its secret into Basic as it stands; nothing in it is changed by form-encoding."""

JARS = os.environ.get("LYCHGATE_NIMBUS_JARS", "")
LONGEST = 60
Found = dict[str, Any]


async def _talk(arguments: list[str], side: Ours, first: str, question: Callable[[str], str], answer: str) -> Found:
    """Start a client, give it *first*, read its question, answer it, read what it found."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe)
    assert process.stdin is not None and process.stdout is not None
    async with asyncio.timeout(LONGEST):
        process.stdin.write(first.encode())
        line = (await process.stdout.readline()).decode().strip()
        if '"error"' not in line:
            location = await side.answer(question(line))
            process.stdin.write((answer % location).encode() + b"\n")
            line = (await process.stdout.readline()).decode()
        process.stdin.close()
        await process.wait()
    found: Found = json.loads(line)
    return found


async def openid_client(side: Ours, secret: str, *, pkce: bool) -> Found:
    """npm `openid-client`, with the signature checked too."""
    require(npm_ready(), NODE_NEEDED)
    told = {"issuer": side.issuer, "name": NAME, "secret": secret, "back": BACK, "pkce": pkce}
    arguments = ["node", str(NODE_FOLDER / "client.mjs")]
    return await _talk(
        arguments, side, json.dumps(told) + "\n", lambda line: str(json.loads(line)["question"]), '{"location": "%s"}'
    )


async def nimbus(side: Ours, secret: str, *, pkce: bool) -> Found:
    """The library that the products use."""
    arguments = ["java", "-cp", f"{JARS}/*", str(Path(__file__).parent / "NimbusClient.java")]
    arguments += [side.issuer, NAME, secret, BACK, str(pkce).lower()]
    return await _talk(arguments, side, "", lambda line: line, "%s")


async def authlib(side: Ours, secret: str, *, pkce: bool) -> Found:
    """PyPI `Authlib`, over requests."""

    def ask() -> tuple[OAuth2Session, str, str, str | None, Found]:
        metadata: Found = requests.get(f"{side.issuer}/.well-known/openid-configuration", timeout=10).json()
        client = OAuth2Session(
            NAME, secret, scope="openid", redirect_uri=BACK, token_endpoint_auth_method="client_secret_basic",
            code_challenge_method="S256",
        )  # fmt: skip
        nonce, verifier = secrets.token_urlsafe(16), generate_token(48) if pkce else None
        url, _ = client.create_authorization_url(
            metadata["authorization_endpoint"], nonce=nonce, code_verifier=verifier
        )
        return client, str(url), nonce, verifier, metadata

    def take(client: OAuth2Session, location: str, nonce: str, verifier: str | None, metadata: Found) -> Found:
        token = client.fetch_token(metadata["token_endpoint"], authorization_response=location, code_verifier=verifier)
        keys = requests.get(metadata["jwks_uri"], timeout=10).json()
        options = {
            "iss": {"essential": True, "value": side.issuer}, "aud": {"essential": True, "value": NAME},
        }  # fmt: skip
        claims = JsonWebToken(["RS256"]).decode(
            token["id_token"], keys, claims_cls=CodeIDToken, claims_options=options,
            claims_params={"nonce": nonce, "client_id": NAME},
        )  # fmt: skip
        claims.validate(leeway=60)
        return {"claims": dict(claims), "userinfo": client.get(metadata["userinfo_endpoint"]).json()}

    client, url, nonce, verifier, metadata = await asyncio.to_thread(ask)
    location = await side.answer(url)
    try:
        return await asyncio.to_thread(take, client, location, nonce, verifier, metadata)
    except (AuthlibBaseError, ValueError) as error:
        return {"error": str(error)}


AsClient = Callable[..., Awaitable[Found]]
needs_jars = pytest.mark.skipif(
    not JARS or shutil.which("java") is None,
    reason="needs a JDK and LYCHGATE_NIMBUS_JARS, the folder of oauth2-oidc-sdk and what it needs",
)
CLIENTS = [
    pytest.param(openid_client, SECRET, "challenge", id="openid-client", marks=pytest.mark.node),
    pytest.param(authlib, PLAIN, "invalid_client", id="authlib"),
    pytest.param(nimbus, SECRET, "invalid_client", id="nimbus", marks=[pytest.mark.outside, needs_jars]),
]


@pytest.mark.parametrize(("client", "secret", "refusal"), CLIENTS)
async def test_a_strict_client_takes_the_person_and_with_another_secret_nobody(
    client: AsClient, secret: str, refusal: str
) -> None:
    async with ours(secret) as side:
        for pkce in (True, False):
            found = await client(side, secret, pkce=pkce)
            assert "error" not in found, found
            person = {"sub": "sub-ada", "preferred_username": "ada", "name": "Ada", "email": "ada@example.com"}
            assert person == found["userinfo"]
            assert person == {name: found["claims"][name] for name in person}
            assert (side.issuer, True) == (found["claims"]["iss"], found["claims"]["aud"] in (NAME, [NAME]))
        found = await client(side, secret[:-1] + "+", pkce=True)
        assert refusal in found["error"].lower(), found
