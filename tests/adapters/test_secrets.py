"""Secrets: only references are taken, placeholders and short ones refused, and no message holds a part of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from sidecar.adapters.secrets import Secret, SecretError, is_exposed, is_placeholder, read_secret

GOOD = "Q2hhcmxpZSBQYXBhIEVjaG8"


def secret_file(folder: Path, content: bytes) -> Secret:
    path = folder / "secret"
    path.write_bytes(content)
    return Secret("file", str(path))


@pytest.mark.parametrize("text", ["file:///run/secrets/okta", "env://OKTA_SECRET", "env://_x1"])
def test_references(text: str) -> None:
    assert text == str(Secret.parse(text))


@pytest.mark.parametrize(
    "value",
    ["hunter2", "", "file://relative/path", "file:///", "file:/x", "env://", "env://A-B", "env://1A", "env:A",
     "https://vault.example.com/x", "file:///a\nb", 5, None, ["file:///x"]],
)  # fmt: skip
def test_everything_else_is_a_fault_that_does_not_repeat_it(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Secret).validate_python(value)
    (error,) = caught.value.errors(include_input=False)
    assert "no reference to a secret" in error["msg"]
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\n\n"])
def test_line_ends_are_no_part_of_a_secret(ending: str, tmp_path: Path) -> None:
    assert GOOD == read_secret(secret_file(tmp_path, (GOOD + ending).encode()))


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LYCHGATE_TRIED", GOOD)
    assert GOOD == read_secret(Secret("env", "LYCHGATE_TRIED"))
    monkeypatch.delenv("LYCHGATE_TRIED")
    with pytest.raises(SecretError, match="the environment has no LYCHGATE_TRIED"):
        read_secret(Secret("env", "LYCHGATE_TRIED"))


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"kD83hfjw92hdkwl", "too short: 15 characters"),
        (b" kD83hfjw92hdkwlq", "blanks around it"),
        (b"kD83hfjw92\nhdkwlq11", "several lines"),
        (b"kD83hfjw92\x00hdkwlq11", "control characters"),
        (b"kD83hfjw92hdkwlq\xff", "is not text"),
        (b"changeme-changeme-changeme", "placeholder"),
        (b"a" * 65_537, "larger than 64 KiB"),
    ],
    ids=range(9),
)
def test_unusable_files(content: bytes, wrong: str, tmp_path: Path) -> None:
    with pytest.raises(SecretError, match=wrong) as caught:
        read_secret(secret_file(tmp_path, content))
    assert "kD83" not in str(caught.value)
    assert caught.value.cure


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="there is no file"):
        read_secret(Secret("file", str(tmp_path / "none")))
    with pytest.raises(SecretError, match="cannot be read: is a directory"):
        read_secret(Secret("file", str(tmp_path)))


def test_keys_in_pem_may_have_lines(tmp_path: Path) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----"
    assert pem == read_secret(secret_file(tmp_path, f"{pem}\n".encode()))


@pytest.mark.parametrize(
    "value",
    ["changeme", "ChangeMe123!", "change-me-please", "secret", "SECRET", "password", "your-client-secret-here",
     "xxxxxxxxxxxxxxxxxxxxxxxx", "example-secret-value", "<client secret goes here>", "${OKTA_SECRET}",
     "aaaaaaaaaaaaaaaa",
     "0000000000000000000000000000000000", "replace_me_with_a_secret", "super-secret", "12121212121212121212"],
)  # fmt: skip
def test_placeholders(value: str) -> None:
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value", ["IyKxxxxjqW86UnhunnHLURNetUdHt3MBaY5rUyOqIwmn", "X8wTvJW63rBKTCM-JrvUVj5xxxXNVBM7PaeLQ"]
)
def test_chance_may_repeat_a_letter(value: str) -> None:
    """One random key in forty thousand has four of one letter in a row."""
    assert not is_placeholder(value)


@pytest.mark.parametrize(
    "value", [GOOD, "0oa1b2c3d4e5f6", "correct horse battery staple", "9f86d081884c7d659a2feaa0c55ad015"]
)
def test_no_placeholders(value: str) -> None:
    assert not is_placeholder(value)


def test_exposure(tmp_path: Path) -> None:
    secret = secret_file(tmp_path, GOOD.encode())
    Path(secret.place).chmod(0o604)
    assert is_exposed(secret)
    Path(secret.place).chmod(0o640)
    assert not is_exposed(secret)
    assert not is_exposed(Secret("env", "PATH"))
