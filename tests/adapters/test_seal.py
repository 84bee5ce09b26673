"""adapters.seal: what was signed or sealed for one purpose, name and key is nothing elsewhere, and never an error."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.adapters.seal import MAX_COOKIE, CookieSigner, Purpose, Sealer

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
SIGNER, SEALER = CookieSigner([NEW]), Sealer([NEW])
COOKIE_OCTETS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '",;\\')
PURPOSES: list[tuple[Purpose, Purpose]] = [
    ("session", "state"),
    (("session", "jira"), ("session", "wiki")),
    (("session", "jira"), "sessionjira"),
    (("session", "jira"), ("sessionj", "ira")),
    (("session", "jira"), ("session", "jira", "")),
    (("session",), ("session", "")),
]


@given(st.text(COOKIE_OCTETS, min_size=1, max_size=200))
def test_a_signed_value_comes_back(value: str) -> None:
    assert SIGNER.unsign("session", SIGNER.sign("session", value)) == value


@given(st.text(max_size=200) | st.text(COOKIE_OCTETS, max_size=200))
def test_any_text_is_no_exception(text: str) -> None:
    assert SIGNER.unsign("session", text) is None
    assert SEALER.open_text("session", b"", text) is None


@given(st.text(max_size=40))
def test_the_signer_takes_exactly_what_it_would_give_back(value: str) -> None:
    allowed = bool(value) and all(letter in COOKIE_OCTETS for letter in value)
    if allowed:
        assert SIGNER.unsign("p", SIGNER.sign("p", value)) == value
    else:
        with pytest.raises(ValueError, match="RFC 6265"):
            SIGNER.sign("p", value)


@pytest.mark.parametrize(("one", "other"), PURPOSES)
def test_a_purpose_is_never_another(one: Purpose, other: Purpose) -> None:
    assert SIGNER.unsign(other, SIGNER.sign(one, "value")) is None
    assert SEALER.open(other, b"name", SEALER.seal(one, b"name", b"plain")) is None
    assert SIGNER.unsign(one, SIGNER.sign(one, "value")) == "value"
    assert SEALER.open(one, b"name", SEALER.seal(one, b"name", b"plain")) == b"plain"


def test_a_purpose_and_a_name_do_not_run_into_each_other() -> None:
    assert SEALER.open("ab", b"c", SEALER.seal("a", b"bc", b"plain")) is None


@pytest.mark.parametrize("at", range(5 + 1 + 43))
def test_every_changed_letter_of_a_signed_cookie_counts(at: int) -> None:
    text = SIGNER.sign("session", "value")
    assert len(text) == 49
    for letter in "AQgw-_.B":
        if letter != text[at]:
            assert SIGNER.unsign("session", text[:at] + letter + text[at + 1 :]) is None


def test_a_value_has_one_signature_text() -> None:
    text = SIGNER.sign("session", "value")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twins = [text[:-1] + letter for letter in alphabet]
    assert [twin for twin in twins if SIGNER.unsign("session", twin)] == [text]
    assert SIGNER.unsign("session", text + "=") is None
    assert SIGNER.unsign("session", text + "\n") is None


def test_a_signed_cookie_is_bounded_both_ways() -> None:
    longest = "v" * (MAX_COOKIE - 44)
    assert SIGNER.unsign("session", SIGNER.sign("session", longest)) == longest
    with pytest.raises(ValueError, match="at most 4096"):
        SIGNER.sign("session", longest + "v")
    too_long = SIGNER._signer("session").sign(longest + "v").decode()
    assert SIGNER.unsign("session", too_long) is None


def test_the_first_key_signs_and_all_verify() -> None:
    rotated = CookieSigner([NEW, OLD])
    assert rotated.unsign("session", CookieSigner([OLD]).sign("session", "value")) == "value"
    assert rotated.sign("session", "value") == CookieSigner([NEW]).sign("session", "value")
    assert CookieSigner([OLD]).unsign("session", rotated.sign("session", "value")) is None


def test_a_removed_key_ends_only_what_it_made() -> None:
    assert CookieSigner([NEW]).unsign("session", CookieSigner([OLD]).sign("session", "value")) is None
    assert Sealer([NEW]).open("record", b"", Sealer([OLD]).seal("record", b"", b"plain")) is None
    assert Sealer([NEW]).open("record", b"", Sealer([NEW, OLD]).seal("record", b"", b"plain")) == b"plain"


def test_the_first_key_seals_and_all_open() -> None:
    rotated = Sealer([NEW, OLD])
    assert rotated.open("record", b"k", Sealer([OLD]).seal("record", b"k", b"plain")) == b"plain"
    assert Sealer([NEW]).open("record", b"k", rotated.seal("record", b"k", b"plain")) == b"plain"
    assert Sealer([OLD]).open("record", b"k", rotated.seal("record", b"k", b"plain")) is None


@given(st.binary(max_size=500), st.binary(max_size=40))
def test_what_was_sealed_comes_back(plain: bytes, name: bytes) -> None:
    assert SEALER.open("record", name, SEALER.seal("record", name, plain)) == plain
    assert SEALER.open_text("record", name, SEALER.seal_text("record", name, plain)) == plain


@given(st.binary(max_size=120), st.binary(max_size=16))
def test_any_bytes_open_to_nothing(sealed: bytes, name: bytes) -> None:
    assert SEALER.open("record", name, sealed) is None
    assert SEALER.open("record", name, SEALER.seal("record", name, b"")[:9] + sealed) is None


def test_every_flipped_bit_of_a_sealed_record_counts() -> None:
    sealed = SEALER.seal("record", b"name", b"plain")
    for at in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[at // 8] ^= 1 << at % 8
        assert SEALER.open("record", b"name", bytes(changed)) is None


def test_a_record_under_another_name_is_nothing() -> None:
    assert SEALER.open("record", b"two", SEALER.seal("record", b"one", b"plain")) is None


def test_the_same_record_is_never_sealed_alike() -> None:
    assert len({SEALER.seal("record", b"name", b"plain") for _ in range(200)}) == 200


def test_nothing_of_the_record_can_be_read_from_outside() -> None:
    sealed = SEALER.seal("record", b"the-name", b"the-plain-text")
    assert b"plain" not in sealed
    assert b"the-name" not in sealed


def test_sealed_texts_are_fit_for_a_cookie_and_bounded_both_ways() -> None:
    text = SEALER.seal_text("attempt", b"name", b"p" * 3000)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    with pytest.raises(ValueError, match="at most 4096"):
        SEALER.seal_text("attempt", b"name", b"p" * 3100)
    assert SEALER.open_text("attempt", b"name", "A" * 1_000_000) is None


def test_a_record_too_large_to_open_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="at most"):
        SEALER.seal("record", b"", bytes(2 << 20))


@pytest.mark.parametrize("keys", [[], [b""], [b"k" * 31], [NEW, b"short"]])
def test_missing_and_short_keys_are_refused(keys: list[bytes]) -> None:
    for build in (CookieSigner, Sealer):
        with pytest.raises(ValueError, match="cookie_keys"):
            build(keys)


def test_the_text_about_a_short_key_says_what_to_do_and_not_the_key() -> None:
    with pytest.raises(ValueError, match="lychgate keys new") as raised:
        Sealer([b"an-old-secret"])
    assert "an-old-secret" not in str(raised.value)


@given(st.text(max_size=50))
@settings(max_examples=30)
def test_a_keyed_hash_is_short_stable_and_needs_the_key(value: str) -> None:
    shown = SEALER.keyed_hash(value)
    assert re.fullmatch(r"[0-9a-f]{16}", shown)
    assert Sealer([NEW, OLD]).keyed_hash(value) == shown
    assert Sealer([OTHER]).keyed_hash(value) != shown


def test_many_purposes_do_not_fill_the_memory() -> None:
    signer, sealer = CookieSigner([NEW]), Sealer([NEW])
    first = signer.sign("0", "value")
    for number in range(600):
        signer.sign(str(number), "value")
        sealer.seal(str(number), b"", b"")
    assert len(signer._signers) <= 256
    assert len(sealer._ring._ciphers) <= 256
    assert signer.unsign("0", first) == "value"
