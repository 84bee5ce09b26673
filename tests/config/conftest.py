"""A whole, small configuration that tests break in one place, and the secrets it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from sidecar.config.faults import ConfigError, Fault, Severity
from sidecar.config.load import Loaded, load

_KEY = Ed25519PrivateKey.generate()


def _pem(locked: KeySerializationEncryption) -> str:
    return _KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked).decode()


SECRETS = {
    "CLIENT_KEY": _pem(NoEncryption()),
    "CLIENT_KEY_LOCKED": _pem(BestAvailableEncryption(b"a password")),
    "COOKIE_KEY": "Q2hhcmxpZSBQYXBhIEVjaG8gQWxwaGE5",
    "OKTA_SECRET": "aV3ry-L0ng-c1ient",
    "AUTH0_SECRET": "an0ther-c1ient-kq",
    "JIRA_PAT": "NDc4MzY4MTEwNzY2On",
    "HOOK_SECRET": "d2ViaG9vay1zaWduaW5nLWtleS0xMjM0",
    "SHORT": "abcdefgh12",
    "PLACEHOLDER": "changeme-changeme-changeme",
}

WHOLE = """\
version: 1
state: file:///var/lib/lychgate
cookie_keys: [env://COOKIE_KEY]
providers:
  okta:
    preset: okta
    issuer: https://id.example.com
    client_id: lychgate
    client_secret: env://OKTA_SECRET
    usernames: authoritative
applications:
  jira:
    product: jira
    url: https://jira.example.com
    upstream: http://127.0.0.1:8081
    landing: {header: X-Lychgate-User, proof: assertion}
    accounts: {token: env://JIRA_PAT}
portals:
  agents:
    application: jira
    default: true
    provider: okta
"""

Edit = tuple[str, str]


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def loading(tmp_path: Path) -> Callable[..., Loaded]:
    """Load `WHOLE` with every edit made, each of which must have something to change."""

    def loading(*edits: Edit, serving: bool = False, secrets: bool = True) -> Loaded:
        text = WHOLE
        for old, new in edits:
            assert old in text
            text = text.replace(old, new, 1)
        path = tmp_path / "lychgate.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, serving=serving, secrets=secrets)

    return loading


@pytest.fixture
def errors(loading: Callable[..., Loaded]) -> Callable[..., list[Fault]]:
    """The errors that the edits cause; empty if the file loads."""

    def errors(*edits: Edit, serving: bool = False) -> list[Fault]:
        try:
            loading(*edits, serving=serving)
        except ConfigError as error:
            return [fault for fault in error.faults if fault.severity is Severity.ERROR]
        return []

    return errors
