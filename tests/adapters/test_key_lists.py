"""Lists of keys: what a file says, which key signs when, and how a new one gets in front of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.adapters.key_lists import Key, in_order, keys_in, new_key, read_keys, renewed
from sidecar.adapters.secrets import Secret, SecretError
from sidecar.domain.identity import UnixSeconds

ONE, TWO, THREE = (f"{letter}{'0123456789abcdefghijklmnopqrstu'}" for letter in "123")
PEM = "-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----"
NOON = 1_796_126_400
"""2026-12-01T12:00:00Z."""


def at(moment: int) -> UnixSeconds:
    return UnixSeconds(moment)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (f"{ONE}\n", [Key(ONE)]),
        (f"{ONE}\r\n{TWO}\r\n", [Key(ONE), Key(TWO)]),
        # A single line is a key also where it begins with `#`: files of one key are as they always were.
        ("#a key that begins like a comment#", [Key("#a key that begins like a comment#")]),
        # But a comment that was left behind, or that a template begins with, is none: everybody could guess it.
        ("# signs from 2026-12-01T12:00:00Z\n", []),
        ("# Ansible managed: do not edit by hand, please\n", []),
        (f"# of 2026\n{ONE}\n\n# the old one\n{TWO}", [Key(ONE), Key(TWO)]),
        (f"# signs from 2026-12-01T12:00:00Z\n{ONE}\n{TWO}", [Key(ONE, at(NOON)), Key(TWO)]),
        (f"# Signs from 2026-12-01T13:00:00+01:00\n# by me\n{ONE}\n{TWO}", [Key(ONE, at(NOON)), Key(TWO)]),
        (f"{PEM}\n", [Key(PEM)]),
        (f"# signs from 2026-12-01T12:00:00Z\n{PEM}\n{PEM}\n", [Key(PEM, at(NOON)), Key(PEM)]),
        ("", []),
    ],
)
def test_a_file_holds_keys_in_its_order(text: str, keys: list[Key]) -> None:
    assert keys == list(keys_in(text))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (f"# signs from noon\n{ONE}", "a time that cannot be read"),
        (f"# signs from 2026-12-01T12:00:00\n{ONE}", "without its zone"),
        (f"{ONE}\n-----BEGIN PRIVATE KEY-----\nMC4C", "without an end"),
        ("\n".join([ONE] * 17), "more than 16"),
    ],
)
def test_what_is_no_list_is_said_without_a_key(text: str, wrong: str, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SecretError, match=wrong) as caught:
        read_keys([Secret("file", str(path))], at(0))
    assert ONE not in str(caught.value)


@pytest.mark.parametrize(
    ("sinces", "now", "order"),
    [
        ([None, None], 0, "01"),
        ([NOON, None], NOON - 1, "10"),
        ([NOON, None], NOON, "01"),
        ([NOON + 60, NOON, None], NOON, "102"),
        ([NOON + 60, NOON, None], NOON + 60, "012"),
        # None of them may sign yet: the last is known for longest.
        ([NOON + 60, NOON], 0, "10"),
        ([NOON], 0, "0"),
        ([], 0, ""),
    ],
)
def test_the_first_whose_time_has_come_signs(sinces: list[int | None], now: int, order: str) -> None:
    keys = [Key(str(number), at(since) if since is not None else None) for number, since in enumerate(sinces)]
    assert order == "".join(key.value for key in in_order(keys, at(now)))


def test_several_files_are_one_list_and_each_key_is_in_it_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"# signs from 2026-12-01T12:00:00Z\n{ONE}\n{TWO}\n", encoding="utf-8")
    (tmp_path / "b").write_text(f"{TWO}\n{THREE}\n", encoding="utf-8")
    places = [Secret("file", str(tmp_path / name)) for name in "ab"]
    assert (TWO, ONE, THREE) == read_keys(places, at(0))
    assert (ONE, TWO, THREE) == read_keys(places, at(NOON))


@pytest.mark.parametrize("text", [f"{ONE}\nshort\n", f"{ONE}\n changeme-changeme-changeme-changeme\n", "\n"])
def test_every_key_of_a_list_is_judged(text: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text(text, encoding="utf-8")
    with pytest.raises(SecretError):
        read_keys([Secret("file", str(tmp_path / "a"))], at(0))


def test_a_new_key_comes_first_and_signs_after_its_lead(tmp_path: Path) -> None:
    path = tmp_path / "cookie-key"
    assert (0, 0) == renewed(path, ONE, at(NOON), keep=2, lead=300)
    assert [Key(ONE)] == list(keys_in(path.read_text("utf-8")))
    assert (1, 0) == renewed(path, TWO, at(NOON), keep=2, lead=300)
    assert (TWO, ONE) == tuple(key.value for key in keys_in(path.read_text("utf-8")))
    place = Secret("file", str(path))
    assert (ONE, TWO) == read_keys([place], at(NOON + 299))
    assert (TWO, ONE) == read_keys([place], at(NOON + 300))
    assert 0o600 == path.stat().st_mode & 0o777
    assert ["cookie-key"] == [one.name for one in tmp_path.iterdir()]


def test_only_so_many_stay_but_never_without_the_one_that_signs(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for key in (ONE, TWO, THREE):
        renewed(path, key, at(NOON), keep=2, lead=0)
    assert (2, 1) == renewed(path, PEM.replace("\n", "")[27:] * 2 + ONE, at(NOON), keep=2, lead=0)
    path.write_text(f"# signs from 2026-12-01T12:00:00Z\n{TWO}\n{ONE}\n", encoding="utf-8")
    # TWO has signed nothing yet: ONE stays, with which everybody is signed in.
    assert (2, 0) == renewed(path, THREE, at(NOON - 60), keep=1, lead=0)
    assert (0, 3) == renewed(path, new_key("cookie"), at(NOON), keep=0, lead=300)


def test_a_link_stays_a_link_and_another_kind_of_key_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "real").write_text(ONE + "\n", encoding="utf-8")
    (tmp_path / "link").symlink_to("real")
    renewed(tmp_path / "link", TWO, at(NOON), keep=1, lead=0)
    assert (tmp_path / "link").is_symlink()
    assert f"{TWO}\n{ONE}\n" == (tmp_path / "real").read_text("utf-8")
    with pytest.raises(ValueError, match="another kind"):
        renewed(tmp_path / "link", PEM, at(NOON), keep=1, lead=0)
    assert f"{TWO}\n{ONE}\n" == (tmp_path / "real").read_text("utf-8")


@pytest.mark.parametrize(("kind", "begins"), [("cookie", ""), ("secret", ""), ("ed25519", "-----BEGIN PRIVATE KEY")])
def test_keys_are_fresh_and_taken_by_what_they_are_for(kind: str, begins: str, tmp_path: Path) -> None:
    one, other = new_key(kind), new_key(kind)
    assert one != other
    assert one.startswith(begins)
    (tmp_path / "key").write_text(f"{one}\n{other}\n", encoding="utf-8")
    assert (one, other) == read_keys([Secret("file", str(tmp_path / "key"))], at(0), at_least=32)
