"""adapters.landing.id_tokens and rsa_keys: RS256 by keys that come of the cookie keys and never change."""

from __future__ import annotations

import hashlib

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sidecar.adapters.landing.id_tokens import IdTokens, landing_keys
from sidecar.adapters.landing.rsa_keys import derive
from sidecar.core.grants import Client, Grant, id_token_claims
from sidecar.core.holders import Holder
from sidecar.domain.identity import UnixSeconds

NOW = UnixSeconds(1_800_000_000)
OLD, NEW = "a" * 40, "b" * 40
GRANT = Grant(
    client=Client(issuer="https://gate.example/jira", client_id="lychgate", redirect_uri="https://jira.example/cb"),
    nonce="n", challenge=None, username="ada", subject="s", auth_time=None, name="", email="",
    holder=Holder(application="jira", session="k"), ends_at=UnixSeconds(NOW + 60),
)  # fmt: skip


@pytest.fixture(scope="module")
def tokens() -> dict[str, IdTokens]:
    """Before, during and after a change of keys; each key is made once."""
    old, new = landing_keys((OLD,)), landing_keys((NEW,))
    return {"before": IdTokens(old), "during": IdTokens((*new, *old)), "after": IdTokens(new)}


def read(token: str, published: IdTokens) -> dict[str, object]:
    return jwt.decode(token, KeySet.import_key_set(published.keys()), algorithms=["RS256"]).claims  # type: ignore[arg-type]


def test_the_way_from_a_secret_to_its_key_never_changes() -> None:
    number = derive(OLD, "landing/id-token").public_key().public_numbers().n
    digest = hashlib.sha256(number.to_bytes(256, "big")).hexdigest()
    assert ("e0670d8562c2afda1ba4dad4dcf98ebaf0acbc83e61ff66686f7909f0c09256b", 2048) == (digest, number.bit_length())


def test_a_token_is_checked_with_the_published_key(tokens: dict[str, IdTokens]) -> None:
    token = tokens["before"].sign(GRANT, NOW)
    assert id_token_claims(GRANT, NOW) == read(token, tokens["before"])


def test_a_change_of_keys_loses_nobody(tokens: dict[str, IdTokens]) -> None:
    """The first key signs; what the one before signed can still be checked (rule 76)."""
    assert "ada" == read(tokens["before"].sign(GRANT, NOW), tokens["during"])["preferred_username"]
    assert "ada" == read(tokens["during"].sign(GRANT, NOW), tokens["after"])["preferred_username"]
    with pytest.raises((JoseError, ValueError)):
        read(tokens["before"].sign(GRANT, NOW), tokens["after"])


def test_nothing_private_is_published(tokens: dict[str, IdTokens]) -> None:
    published = tokens["during"].keys()["keys"]
    assert isinstance(published, list)
    assert [{"kty", "n", "e", "use", "alg", "kid"}] * 2 == [set(key) for key in published]
    assert 2 == len({key["kid"] for key in published})


def test_another_purpose_gives_another_key() -> None:
    numbers = {derive(OLD, purpose).public_key().public_numbers().n for purpose in ("landing/id-token", "x")}
    assert 2 == len(numbers)
