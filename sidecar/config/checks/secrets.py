"""Checks of secrets: each reference of the configuration, as it was read once, is judged."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from sidecar.adapters.key_lists import read_list
from sidecar.adapters.oidc.assertion import UnusableKeyError, read_client_key
from sidecar.adapters.secrets import Secret, SecretError, is_exposed
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.kept import Kept, secrets_in
from sidecar.config.model import Config

_ED25519: tuple[Path, ...] = (("assertion_key",), ("audit", "key"))


def check(config: Config, kept: Kept) -> Iterator[Finding]:
    """Judge all of them, as they are *kept*."""
    for path, secret, at_least in secrets_in(config):
        try:
            values = _values(path, secret, at_least, kept)
        except SecretError as error:
            yield Finding(path, error.wrong, error.cure)
            continue
        value = values[0]
        if path in _ED25519 and not all(map(_is_ed25519, values)):
            yield Finding(
                path,
                f"a key in {secret} is no private Ed25519 key in PEM",
                "make one: lychgate keys new --kind ed25519",
            )
        if path[:1] == ("providers",) and path[-1] == "client_key":
            try:
                read_client_key(value)
            except UnusableKeyError as error:
                cure = "make one: lychgate keys new --kind rsa"
                yield Finding(path, f"{secret} {error}", cure)
        if is_exposed(secret):
            yield Finding(
                path,
                f"every account of the machine may read {secret.place}",
                "chmod 0400 it; in Kubernetes: defaultMode: 0440 with fsGroup",
                Severity.WARNING,
            )
    yield from _shared(config)


def _values(path: Path, secret: Secret, at_least: int, kept: Kept) -> tuple[str, ...]:
    """What stands there: one secret, or a list of keys."""
    if path[:1] == ("cookie_keys",) or path in _ED25519 or path[2:] == ("landing", "client_secret"):
        return tuple(key.value for key in read_list(secret, at_least=at_least, texts=kept.text_of))
    return (kept.read(secret, at_least=at_least),)


def _shared(config: Config) -> Iterator[Finding]:
    seen: dict[Secret, Path] = {}
    for path, secret, _ in secrets_in(config):
        first = seen.setdefault(secret, path)
        if first != path:
            yield Finding(
                path,
                f"{secret} serves {'.'.join(map(str, first))} as well: who learns it for one purpose has both",
                "give each purpose a secret of its own",
                Severity.WARNING,
            )


def _is_ed25519(pem: str) -> bool:
    try:
        return isinstance(load_pem_private_key(pem.encode(), password=None), Ed25519PrivateKey)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
