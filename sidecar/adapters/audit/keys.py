"""The keys of checkpoints: Ed25519, derived from the cookie keys or the site's own; the public halves are published."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

_PURPOSE = b"lychgate audit checkpoint 1\n"
"""Before everything that is signed: such a signature is worth nothing elsewhere."""
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)

PublicKeys = Mapping[str, Ed25519PublicKey]
"""By their names."""


class CheckpointKey:
    """Signs checkpoints.

    Attributes:
        name: 16 hex digits of the SHA-256 of the public key.
    """

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = private.public_key()
        self.name = name_of(self.public)

    @classmethod
    def derived(cls, secret: str) -> CheckpointKey:
        """The key that belongs to a cookie key (HKDF, RFC 5869): nothing is stored, and a restart changes nothing."""
        seed = HKDF(SHA256(), 32, b"lychgate", b"audit checkpoint").derive(secret.encode())
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def imported(cls, pem: str) -> CheckpointKey:
        """The site's own key; `config.checks` has seen that it is Ed25519.

        Raises:
            ValueError: it is not.
        """
        private = load_pem_private_key(pem.encode(), password=None)
        if not isinstance(private, Ed25519PrivateKey):
            raise ValueError("the key of the audit trail is no private Ed25519 key")
        return cls(private)

    def sign(self, data: bytes) -> str:
        """86 characters of base64url."""
        return urlsafe_b64encode(self._private.sign(_PURPOSE + data)).decode("ascii").rstrip("=")

    def pem(self) -> str:
        """The public half."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")


def name_of(public: Ed25519PublicKey) -> str:
    """What checkpoints call a key."""
    return sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def read_public(pem: bytes) -> PublicKeys:
    """All public keys of a file as `lychgate audit key` prints it.

    Raises:
        ValueError: there is none, or one is no Ed25519 key.
    """
    found: dict[str, Ed25519PublicKey] = {}
    for block in _PEM.findall(pem):
        try:
            key = load_pem_public_key(block)
        except UnsupportedAlgorithm as error:
            raise ValueError("holds a key that is not Ed25519") from error
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("holds a key that is not Ed25519")
        found[name_of(key)] = key
    if not found:
        raise ValueError("holds no public key; `lychgate audit key` prints it")
    return found


def is_signed(keys: PublicKeys, name: str, data: bytes, signature: str) -> bool:
    """Whether the key called *name*, one of *keys*, has signed *data*."""
    key = keys.get(name)
    if key is None:
        return False
    try:
        key.verify(urlsafe_b64decode(signature + "=="), _PURPOSE + data)
    except (InvalidSignature, ValueError):
        return False
    return True
