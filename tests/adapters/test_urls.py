"""Addresses are read in one strict way."""

from __future__ import annotations

import pytest
from pydantic_core import PydanticCustomError

from sidecar.adapters.urls import http_url, is_loopback, is_plain_outside_loopback, origin


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://Jira.Example.com", "https://jira.example.com"),
        ("https://jira.example.com:443/x", "https://jira.example.com"),
        ("http://jira.example.com:443", "http://jira.example.com:443"),
        ("https://jira.example.com.", "https://jira.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_origin(address: str, expected: str) -> None:
    assert expected == origin(http_url(address))


@pytest.mark.parametrize(
    "address",
    ["", "jira.example.com", "ftp://x", "https://", "https:///x", "https://a b", "https://x:0", "https://x:99999",
     "https://x:", "https://x:y", "https://u@x", "https://u:p@x", "https://x?a", "https://x?", "https://x#f", "https://x\\y",
     "https://bücher.example", "https://[::1", "//x", "https://x\n"],
)  # fmt: skip
def test_no_address(address: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        http_url(address)
    assert not address or address not in caught.value.message()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "a.localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", None, "localhost.example.com", "notlocalhost", "10.0.0.1", "0.0.0.0", "::", "127.1.x"]
)
def test_not_loopback(host: str | None) -> None:
    assert not is_loopback(host)


def test_plain_outside_loopback() -> None:
    assert is_plain_outside_loopback("http://x")
    assert not is_plain_outside_loopback("https://x")
    assert not is_plain_outside_loopback("http://127.0.0.1:1")
