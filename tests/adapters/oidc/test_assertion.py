"""adapters.oidc.assertion: who holds the public half can verify the proof, and nobody learns the private one."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from sidecar.adapters.oidc.assertion import KIND, LIFE, UnusableKeyError, read_client_key
from sidecar.adapters.oidc.budget import PushBudget
from sidecar.adapters.oidc.client import CodeClient
from sidecar.adapters.oidc.config import ClientAuthentication
from sidecar.adapters.oidc.http import Outbound
from tests.adapters.oidc.stand_in import NOW, Reply, StandIn
from tests.adapters.oidc.test_client import GRANT
from tests.adapters.oidc.test_pushing import REQUEST

RSA = rsa.generate_private_key(65537, 2048)
pytestmark = pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")

KEYS: dict[str, Any] = {
    "RS256": RSA,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
THUMBPRINT = (
    base64.urlsafe_b64encode(hashlib.sha1(b"a certificate", usedforsecurity=False).digest()).rstrip(b"=").decode()
)


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None) -> str:
    locked = NoEncryption() if password is None else BestAvailableEncryption(password)
    return str(key.private_bytes(Encoding.PEM, form, locked).decode())


def proven(assertion: str, algorithm: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of what the public half of the key of *algorithm* verifies."""
    public = KEYS[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    kind: Any = {"R": RSAKey, "E": ECKey}[algorithm[0]] if algorithm != "EdDSA" else OKPKey
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    token = jwt.decode(assertion, kind.import_key(public), registry=registry)
    return dict(token.header), dict(token.claims)


@pytest.fixture
def make(server: StandIn, session: aiohttp.ClientSession) -> Any:
    server.gives("t")
    server.replies["/push"] = Reply({"request_uri": "urn:x", "expires_in": 60}, status=201)
    clock = server.clock

    def make(algorithm: str, **changes: Any) -> CodeClient:
        key = read_client_key(pem(KEYS[algorithm]), "k-1", THUMBPRINT)
        own = {"client_secret": None, "client_key": key, "authentication": ClientAuthentication.KEY}
        return CodeClient(server.config(**own, **changes), Outbound(session), clock, PushBudget(clock))

    return make


async def everywhere(server: StandIn, client: CodeClient) -> list[tuple[str, dict[str, str]]]:
    """Redeem, refresh and push; gives for each the address and the form."""
    await client.redeem(server.issuer + "/token", GRANT)
    await client.refresh(server.issuer + "/token", "r")
    await client.pushed_url(server.issuer + "/authorize", server.issuer + "/push", REQUEST)
    assert [1] * 3 == [asked.text.count("client_id=") for asked in server.asked]
    assert not any("Authorization" in asked.headers or "client_secret" in asked.text for asked in server.asked)
    return [(server.issuer + asked.path, asked.form) for asked in server.asked]


@pytest.mark.parametrize("algorithm", KEYS)
async def test_every_call_is_proven_with_an_assertion_of_its_own(server: StandIn, make: Any, algorithm: str) -> None:
    seen = set()
    for address, form in await everywhere(server, make(algorithm)):
        assert ("gate", KIND) == (form["client_id"], form["client_assertion_type"])
        header, claims = proven(form["client_assertion"], algorithm)
        assert {"alg": algorithm, "typ": "JWT", "kid": "k-1", "x5t": THUMBPRINT} == header
        seen.add(claims.pop("jti"))
        expected = {"iss": "gate", "sub": "gate", "aud": address, "iat": NOW, "exp": NOW + LIFE}
        assert (60, expected) == (LIFE, claims)
    assert 3 == len(seen)
    assert all(len(jti) >= 32 for jti in seen)


async def test_the_audience_may_be_the_issuer(server: StandIn, make: Any) -> None:
    for _, form in await everywhere(server, make("ES256", assertion_for_issuer=True)):
        assert server.issuer == proven(form["client_assertion"], "ES256")[1]["aud"]


async def test_what_is_not_known_is_not_said(make: Any) -> None:
    header, _ = proven(read_client_key(pem(KEYS["ES256"])).assertion("gate", "https://x", NOW), "ES256")
    assert {"alg": "ES256", "typ": "JWT"} == header


async def test_the_address_of_a_sign_in_costs_no_signature(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody without a session causes one."""
    client = make("RS256")
    monkeypatch.setattr(jwt, "encode", None)
    assert "client_id=gate" in client.authorization_url("https://x/authorize", REQUEST)


@pytest.mark.parametrize("key", [RSA, KEYS["ES256"]])
def test_the_older_shape_is_read(key: Any) -> None:
    assert read_client_key(pem(key, PrivateFormat.TraditionalOpenSSL)).algorithm in KEYS


def certificate() -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gate")])
    builder = x509.CertificateBuilder(name, name, RSA.public_key(), 1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    built = builder.not_valid_before(start).not_valid_after(start.replace(year=2027)).sign(RSA, hashes.SHA256())
    return built.public_bytes(Encoding.PEM).decode()


SHORT = rsa.generate_private_key(65537, 1024)  # noqa: S505 it is to be refused
PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
REFUSED = {
    "a short RSA key": (pem(SHORT), "RSA key of 1024 bits; 2048 are the least"),
    "secp256k1": (pem(ec.generate_private_key(ec.SECP256K1())), "neither RSA"),
    "P-224": (pem(ec.generate_private_key(ec.SECP224R1())), "neither RSA"),
    "X25519": (pem(x25519.X25519PrivateKey.generate()), "neither RSA"),
    "DSA": (pem(dsa.generate_private_key(2048)), "neither RSA"),
    "a locked key": (pem(RSA, password=b"secret"), "without a password"),
    "a locked key of the older shape": (pem(RSA, PrivateFormat.TraditionalOpenSSL, b"secret"), "without a password"),
    "a certificate": (certificate(), "no private key"),
    "the public half": (PUBLIC, "no private key"),
    "half a key": (pem(RSA)[:800], "no private key"),
    "garbage": ("CANARY" * 20, "no private key"),
    "garbage in a frame": ("-----BEGIN PRIVATE KEY-----\nQ0FOQVJZ\n-----END PRIVATE KEY-----\n", "no private key"),
    "nothing": ("", "no private key"),
}


@pytest.mark.parametrize("text", REFUSED, ids=list(REFUSED))
def test_other_keys_are_refused_without_repeating_them(text: str) -> None:
    content, said = REFUSED[text]
    with pytest.raises(UnusableKeyError) as caught:
        read_client_key(content)
    assert said in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    lines = [line for line in content.splitlines() if len(line) > 20 and "-----" not in line]
    assert not any(line in str(caught.value) for line in lines)


def test_a_key_beside_its_certificate_is_found() -> None:
    for text in (certificate() + pem(RSA), pem(RSA) + certificate()):
        assert "RS256" == read_client_key(text).algorithm


def test_a_key_does_not_show_itself() -> None:
    numbers = RSA.private_numbers()
    shown = repr(read_client_key(pem(RSA), "k-1"))
    assert "k-1" in shown
    assert not any(str(number) in shown for number in (numbers.d, numbers.p, numbers.q))
    assert "RSAKey" not in shown
