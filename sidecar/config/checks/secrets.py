"""Checks of secrets: each reference of the configuration is read once and judged; the values are not kept."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel

from sidecar.adapters.oidc.assertion import UnusableKeyError, read_client_key
from sidecar.adapters.secrets import AtLeast, Secret, SecretError, is_exposed, read_secret
from sidecar.config.faults import Finding, Path, Severity
from sidecar.config.model import Config
from sidecar.config.shape import key_of

_PLENTY = 16
_ED25519: tuple[Path, ...] = (("assertion_key",), ("audit", "key"))


def check(config: Config) -> Iterator[Finding]:
    """Read and judge all of them."""
    for path, secret, at_least in secrets_in(config):
        try:
            value = read_secret(secret, at_least=at_least)
        except SecretError as error:
            yield Finding(path, error.wrong, error.cure)
            continue
        if path in _ED25519 and not _is_ed25519(value):
            yield Finding(
                path,
                f"the key in {secret} is no private Ed25519 key in PEM",
                "make one: openssl genpkey -algorithm ed25519 -out key.pem",
            )
        if path[:1] == ("providers",) and path[-1] == "client_key":
            try:
                read_client_key(value)
            except UnusableKeyError as error:
                cure = "make one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out client-key.pem"
                yield Finding(path, f"{secret} {error}", cure)
        if is_exposed(secret):
            yield Finding(
                path,
                f"every account of the machine may read {secret.place}",
                "chmod 0400 it; in Kubernetes: defaultMode: 0440 with fsGroup",
                Severity.WARNING,
            )
    yield from _shared(config)


def secrets_in(model: BaseModel, path: Path = ()) -> Iterator[tuple[Path, Secret, int]]:
    """All references below *model*, with their key path and their least length."""
    for name, field in type(model).model_fields.items():
        at_least = next((mark.characters for mark in field.metadata if isinstance(mark, AtLeast)), _PLENTY)
        yield from _walk(getattr(model, name), (*path, key_of(name, field)), at_least)


def _walk(value: object, path: Path, at_least: int) -> Iterator[tuple[Path, Secret, int]]:
    if isinstance(value, Secret):
        yield path, value, at_least
    elif isinstance(value, BaseModel):
        yield from secrets_in(value, path)
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _walk(item, (*path, number), at_least)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(item, (*path, str(key)), at_least)


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
