"""core.credentials.credential_kind: what an `Authorization` field looks like; whose it is cannot be hidden."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.credentials import credential_kind

OURS = "https://example.okta.com"
ISSUERS = {OURS, "https://example.eu.auth0.com/"}
KINDS = {"basic", "pat", "oauth1", "oauth2", "jwt_of_provider", "unknown"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jwt(claims: object, signature: str = "c2ln") -> str:
    return f"{b64(b'{}')}.{b64(json.dumps(claims).encode())}.{signature}"


MINE = jwt({"iss": OURS, "sub": "ada"})
FOREIGN = jwt({"iss": "https://elsewhere.example"})
PAT = base64.b64encode(b"123456789012:\x00\x01\xfe\xff random bytes").decode()


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("Basic YTpi", "basic"),
        ("bAsIc YTpi", "basic"),
        ("Basic", "unknown"),
        ("Basic ", "unknown"),
        ("Basic\tYTpi", "unknown"),
        (f"Bearer {PAT}", "pat"),
        (f"bearer   {PAT}", "pat"),
        (f"Bearer {PAT.rstrip('=')}", "pat"),
        (f"BEARER {PAT}  ", "pat"),
        # Decoders there are that overlook these.
        (f"Bearer .{PAT}", "pat"),
        (f"Bearer {PAT[:9]}~{PAT[9:]}", "pat"),
        (f"Bearer {PAT.rstrip('=')}======", "pat"),
        (f"Bearer {PAT.replace('/', '_').replace('+', '-')}", "pat"),
        (f"Bearer {PAT[:29]}", "pat"),
        ("Bearer " + base64.b64encode(b"123:short").decode(), "oauth2"),
        ("Bearer " + base64.b64encode(b"ada:password").decode(), "oauth2"),
        ("Bearer 7c9f0a7be", "oauth2"),
        ("Bearer", "unknown"),
        ("Bearer a b", "unknown"),
        (f"Bearer {PAT}, Basic YTpi", "unknown"),
        ("Bearer \u00e4", "unknown"),
        ("Bearer a,b", "unknown"),
        ('OAuth oauth_consumer_key="k", oauth_token="t"', "oauth1"),
        ("oauth x", "oauth1"),
        ("Negotiate YII", "unknown"),
        ("Digest username=a", "unknown"),
        ("NTLM TlR", "unknown"),
        ("AWS4-HMAC-SHA256 x", "unknown"),
        ("", "unknown"),
        (" Bearer x", "unknown"),
        ("Bearer\u00a0x", "unknown"),
        ("Bearer x\n", "unknown"),
        (f"Bearer {MINE}", "jwt_of_provider"),
        (f"BEARER    {MINE} ", "jwt_of_provider"),
        (f"Bearer {jwt({'iss': OURS}, signature='')}x", "jwt_of_provider"),
        (f"Bearer {jwt({'iss': OURS}, signature='')}", "jwt_of_provider"),
        (f"Bearer {MINE} x", "unknown"),
        (f"Bearer x {MINE}", "unknown"),
        (f"Bearer {FOREIGN}", "oauth2"),
        (f"Bearer {jwt({'sub': 'ada'})}", "oauth2"),
        (f"Bearer {jwt({'iss': 7})}", "unknown"),
        (f"Bearer {jwt({'iss': [OURS]})}", "unknown"),
        (f"Bearer {jwt([OURS])}", "unknown"),
        (f"Bearer {jwt({'iss': OURS, 'pad': 'x' * 20_000})}", "unknown"),
        (f"Bearer x.{b64(b'{' * 50)}.x", "unknown"),
        (f"Bearer x.{b64(b'[' * 12_000)}.x", "unknown"),
        (f"Bearer x.{b64(b'9' * 12_000)}.x", "unknown"),
        (f"Bearer x.{b64(bytes([0xFF, 0xFE, 0x80]))}.x", "unknown"),
        ("Bearer x.A.x", "unknown"),
        ("Bearer ...", "oauth2"),
        ("Bearer ..", "unknown"),
        ("Bearer a.b.c.d.e", "oauth2"),
    ],
)
def test_a_credential_is_told_by_its_form(field: str, kind: str) -> None:
    assert kind == credential_kind(field, ISSUERS)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_token_of_ours_is_seen_in_any_encoding_that_json_has(encoding: str) -> None:
    token = f"x.{b64(json.dumps({'iss': OURS}).encode(encoding))}.x"
    assert "jwt_of_provider" == credential_kind(f"Bearer {token}", ISSUERS)


@given(st.text(max_size=60), st.sampled_from(["", "Basic ", "Bearer ", "OAuth ", "Bearer x.", "Bearer x.e30."]))
def test_no_text_raises(text: str, before: str) -> None:
    assert credential_kind(before + text, ISSUERS) in KINDS


@given(st.binary(max_size=60))
def test_no_payload_raises(payload: bytes) -> None:
    assert credential_kind(f"Bearer x.{b64(payload)}.x", ISSUERS) in KINDS
    assert credential_kind(f"Bearer {b64(payload) or 'x'}", ISSUERS) in KINDS


@pytest.mark.parametrize("size", [10_000, 1_000_000, 10_000_000])
@pytest.mark.parametrize("field", ["%s", "Bearer %s", "Basic %s", "Bearer x.%s.y", "Bearer %s.x", "Bearer .%s"])
@pytest.mark.parametrize("unit", ["a", ".", " ", "=", "a ", "\u00e4"])
def test_a_huge_field_is_read_in_one_pass(size: int, field: str, unit: str) -> None:
    """Anything worse than linear would not come back from ten million characters."""
    assert credential_kind(field % (unit * (size // len(unit))), ISSUERS) in KINDS
