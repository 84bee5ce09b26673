"""adapters.landing.header: one username and a proof that only the gate can make; the answer's header is an alarm."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from sidecar.adapters.landing.header import AssertionProof, HeaderLanding, SecretProof, imported_key, signing_keys
from sidecar.core.answers import lines_of, specials
from sidecar.domain.identity import Identity, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session
from sidecar.flows.streaming import AnswerHead

NOW = UnixSeconds(1_800_000_000)
KEYS = ("a" * 40, "b" * 40)


def session(key: str = "k1") -> Session:
    return Session(
        key=key,
        application="jira",
        portal="agents",
        identity=Identity(person=Person("https://id.example", "7"), provider="okta", claims={}, groups=()),
        created_at=NOW,
        ends_at=UnixSeconds(NOW + 60),
        checked_at=NOW,
        form_token="f",
    )


def keep(seat: str, jar: Jar) -> None:
    raise AssertionError("a header keeps no cookie")


def proof(*keys: str) -> AssertionProof:
    return AssertionProof(
        header="X-A", issuer="https://jira.example/.lychgate", audience="https://jira.example",
        private=signing_keys(keys or KEYS, "jira"),
    )  # fmt: skip


async def test_the_username_comes_with_the_secret() -> None:
    landing = HeaderLanding("X-User", SecretProof(header="X-Secret", secret="s" * 32), "X-AUSERNAME")

    assert ((b"X-User", b"ada"), (b"X-Secret", b"s" * 32)) == await landing.establish(
        session(), "ada", "", NOW, keep, surely=False
    )
    assert {"keys": []} == landing.keys()


async def test_the_assertion_names_issuer_audience_and_person_and_ends_soon() -> None:
    landing = HeaderLanding("X-User", proof(), "X-AUSERNAME")
    fields = dict(await landing.establish(session(), "ada", "", NOW, keep, surely=False))
    public = KeySet.import_key_set(landing.keys())  # type: ignore[arg-type]
    token = jwt.decode(fields[b"X-A"].decode(), public, algorithms=["Ed25519"])

    assert {
        "iss": "https://jira.example/.lychgate", "aud": "https://jira.example", "sub": "ada",
        "iat": NOW, "exp": NOW + 60,
    } == token.claims  # fmt: skip
    assert "Ed25519" == token.header["alg"]


def test_nothing_private_is_published() -> None:
    keys = proof().keys()["keys"]

    assert isinstance(keys, list)
    assert [False, False] == ["d" in key for key in keys]


async def test_an_assertion_serves_its_session_and_no_other_person() -> None:
    made = proof()

    assert made.fields("ada", session(), NOW) == made.fields("ada", session(), UnixSeconds(NOW + 1))
    assert made.fields("ada", session(), NOW) != made.fields("bob", session(), NOW)
    assert made.fields("ada", session("k1"), NOW)[0][1] != made.fields("bob", session("k2"), NOW)[0][1]


def test_keys_last_over_a_restart_differ_by_application_and_rotate() -> None:
    """The first key signs; what the one before signed can still be checked (rule 76)."""
    old, new = proof("b" * 40), proof("a" * 40, "b" * 40)
    token = old.fields("ada", session(), NOW)[0][1].decode()

    assert proof().keys() == proof().keys()
    assert signing_keys(KEYS, "jira")[0].kid != signing_keys(KEYS, "wiki")[0].kid
    assert "ada" == jwt.decode(token, KeySet.import_key_set(new.keys()), algorithms=["Ed25519"]).claims["sub"]  # type: ignore[arg-type]
    with pytest.raises((JoseError, ValueError)):
        jwt.decode(token, KeySet.import_key_set(proof("c" * 40).keys()), algorithms=["Ed25519"])  # type: ignore[arg-type]


def test_a_site_may_bring_its_own_key_if_it_is_ed25519() -> None:
    def pem(key: Ed25519PrivateKey) -> str:
        return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    key = Ed25519PrivateKey.generate()

    assert imported_key(pem(key)).kid == imported_key(pem(key)).kid
    with pytest.raises(ValueError, match="Ed25519"):
        imported_key(pem(generate_private_key(SECP256R1())))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (None, Reason.OK),
        (b"ada", Reason.OK),
        (b"ADA", Reason.OK),
        (b"anonymous", Reason.LANDING_FAILED),
        (b"", Reason.LANDING_FAILED),
        (b"bob", Reason.LANDING_MISMATCH),
        (b"%62ob", Reason.LANDING_MISMATCH),
        (b"%61da", Reason.OK),
    ],
)
def test_whom_the_answer_was_served_to(named: bytes | None, expected: Reason) -> None:
    fields = () if named is None else ((b"x-ausername", named),)
    landing = HeaderLanding("X-User", proof(), "X-AUSERNAME")

    lines = lines_of(fields)
    head = AnswerHead(200, b"OK", lines, specials(lines), 0, chunked=False, bodiless=False)
    assert expected is landing.check(session(), "ada", "", head)
    assert not landing.lost(session(), "ada", "", ())


async def test_forgeries_are_what_a_receiver_that_checks_must_refuse() -> None:
    ours, public = proof(), KeySet.import_key_set(proof().keys())  # type: ignore[arg-type]
    ((_, good),) = ours.proves("ada", NOW)
    assert "ada" == jwt.decode(good.decode(), public, algorithms=["Ed25519"]).claims["sub"]

    forged = dict(ours.forgeries("ada", NOW))
    ((_, foreign),) = forged["an assertion by another key"]
    with pytest.raises(JoseError):
        jwt.decode(foreign.decode(), public, algorithms=["Ed25519"])
    for what in ("an assertion for another application", "an assertion of yesterday"):
        ((_, signed),) = forged[what]
        claims = jwt.decode(signed.decode(), ours.private[0], algorithms=["Ed25519"]).claims
        assert "ada" == claims["sub"]
        assert (claims["aud"] != ours.audience) != (claims["exp"] < NOW - 3600), what
    ((_, other),) = forged["an assertion for somebody else"]
    assert "ada" != jwt.decode(other.decode(), public, algorithms=["Ed25519"]).claims["sub"]

    secret = SecretProof(header="X-Secret", secret="s" * 32)
    assert ((b"X-Secret", b"s" * 32),) == secret.proves("ada", NOW)
    ((_, ((name, made_up),)),) = secret.forgeries("ada", NOW)
    assert (b"X-Secret", False) == (name, made_up == b"s" * 32)
