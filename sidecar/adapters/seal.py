"""Signed cookies, sealed records and the short hashes that stand for a session in the audit trail.

Built from `cookie_keys` of the configuration; used by `web` for cookies and by `adapters.state` for records.
The first key signs and seals, all keys verify and open: a key is taken out of use by moving it to the end of the list,
and out of the world by removing it. What cannot be verified or opened is None, never an exception (rules 33, 34, 76).
Other keys may take their place at any moment, also while another thread seals: every call goes by one set of them.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from itsdangerous import BadSignature, Signer

from sidecar.core.kept import Kept, kept

Purpose = str | tuple[str, ...]
"""What something is signed or sealed for, as `"session"` or `("session", "jira")`. Part of the key derivation:
what was made for one purpose or application is nothing at another. The parts are length-prefixed, so two purposes are
never spelled alike. They come from the code and the configuration, never from a request."""

MIN_KEY_BYTES = 32
MAX_COOKIE = 4096
"""Characters of a signed or sealed cookie value: what browsers keep (RFC 6265, section 6.1)."""
MAX_SEALED = 2 << 20
"""Bytes of a sealed record."""

_KEPT_PURPOSES = 256
_FORMAT = b"\x01"
_ID_BYTES = 8
_NONCE_BYTES = 12
_TAG_BYTES = 16
_PREFIX_BYTES = len(_FORMAT) + _ID_BYTES + _NONCE_BYTES

# The values of RFC 6265's cookie-octet, then 256 bits of base64url whose two spare bits are zero:
# one value has one text per key.
_SIGNED = re.compile(r"[!#-+\--:<-\[\]-~]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)
_VALUE = re.compile(r"[!#-+\--:<-\[\]-~]+", re.ASCII)
_SEALED_TEXT = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class CookieSigner:
    """Signs cookie values with HMAC-SHA-256. Hides nothing: a value that must not be read is sealed instead."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        """
        Raises:
            ValueError: no key, or one of fewer than `MIN_KEY_BYTES` bytes.
        """
        self.rekey(keys)

    def rekey(self, keys: Sequence[bytes]) -> None:
        """From now on *keys*.

        Raises:
            ValueError: as at the start; the old ones stay.
        """
        # itsdangerous signs with the last key of its list.
        self._keys = [_derived(key, b"cookie signature") for key in reversed(_checked(keys))]
        self._signers: dict[Purpose, Signer] = kept("cookie_signers", Kept(), _KEPT_PURPOSES)

    def sign(self, purpose: Purpose, value: str) -> str:
        """*value* with its signature.

        Raises:
            ValueError: `unsign` would refuse it: empty, too long, or not made of RFC 6265's cookie-octets.
        """
        if not _VALUE.fullmatch(value):
            raise ValueError("a signed cookie value is one or more of the characters that RFC 6265 allows there")
        text = self._signer(purpose).sign(value).decode("ascii")
        if len(text) > MAX_COOKIE:
            raise ValueError(f"a signed cookie has at most {MAX_COOKIE} characters")
        return text

    def unsign(self, purpose: Purpose, text: str) -> str | None:
        """The value that was signed for *purpose* with one of the keys, or None. Never raises."""
        if len(text) > MAX_COOKIE or not _SIGNED.fullmatch(text):
            return None
        try:
            return self._signer(purpose).unsign(text).decode("ascii")
        except BadSignature:
            return None

    def _signer(self, purpose: Purpose) -> Signer:
        signer = self._signers.get(purpose)
        if signer is None:
            _make_room(self._signers)
            signer = self._signers[purpose] = Signer(
                self._keys, salt=_spelled(purpose), sep=".", key_derivation="hmac", digest_method=hashlib.sha256
            )
        return signer


class Sealer:
    """Authenticated encryption of records and cookies (AES-256-GCM-SIV, RFC 8452), with a random nonce per write.

    GCM-SIV and not GCM, because anybody may have attempt cookies sealed, as many as they like:
    a repeated nonce must not cost more than the knowledge that two messages were equal.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        """
        Raises:
            ValueError: no key, or one of fewer than `MIN_KEY_BYTES` bytes.
        """
        self._ring = _Ring(_checked(keys))

    def rekey(self, keys: Sequence[bytes]) -> None:
        """From now on *keys*.

        Raises:
            ValueError: as at the start; the old ones stay.
        """
        self._ring = _Ring(_checked(keys))

    def seal(self, purpose: Purpose, aad: bytes, plaintext: bytes) -> bytes:
        """*plaintext* so that only `open` with the same *purpose* and *aad* (the record's name) gives it back.

        Raises:
            ValueError: *plaintext* is longer than `open` would take.
        """
        if len(plaintext) > MAX_SEALED - _PREFIX_BYTES - _TAG_BYTES:
            raise ValueError(f"a sealed record has at most {MAX_SEALED} bytes")
        ring, nonce = self._ring, os.urandom(_NONCE_BYTES)
        sealed = ring.cipher(ring.first, purpose).encrypt(nonce, plaintext, _spelled(purpose) + aad)
        return _FORMAT + ring.first + nonce + sealed

    def open(self, purpose: Purpose, aad: bytes, sealed: bytes) -> bytes | None:
        """What was sealed, or None: another purpose, name or key, changed, or not sealed at all. Never raises."""
        if not _PREFIX_BYTES + _TAG_BYTES <= len(sealed) <= MAX_SEALED or not sealed.startswith(_FORMAT):
            return None
        ring, key_id = self._ring, sealed[len(_FORMAT) : len(_FORMAT) + _ID_BYTES]
        if key_id not in ring.secrets:
            return None
        nonce = sealed[_PREFIX_BYTES - _NONCE_BYTES : _PREFIX_BYTES]
        try:
            return ring.cipher(key_id, purpose).decrypt(nonce, sealed[_PREFIX_BYTES:], _spelled(purpose) + aad)
        except InvalidTag:
            return None

    def seal_text(self, purpose: Purpose, aad: bytes, plaintext: bytes) -> str:
        """As `seal`, in base64url without padding, for a cookie.

        Raises:
            ValueError: the text would be longer than `MAX_COOKIE`.
        """
        text = urlsafe_b64encode(self.seal(purpose, aad, plaintext)).decode("ascii").rstrip("=")
        if len(text) > MAX_COOKIE:
            raise ValueError(f"a sealed cookie has at most {MAX_COOKIE} characters")
        return text

    def open_text(self, purpose: Purpose, aad: bytes, text: str) -> bytes | None:
        """As `open`, for what `seal_text` made. Never raises."""
        if len(text) > MAX_COOKIE or len(text) % 4 == 1 or not _SEALED_TEXT.fullmatch(text):
            return None
        return self.open(purpose, aad, urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    def keyed_hash(self, value: str) -> str:
        """16 hex digits that stand for a secret *value* in the audit trail. They change with the first key."""
        return hmac.digest(self._ring.hash_key, value.encode("utf-8", "surrogatepass"), "sha256").hex()[:16]


class _Ring:
    """The keys of a sealer, and what is derived of them."""

    __slots__ = ("_ciphers", "first", "hash_key", "secrets")

    def __init__(self, keys: list[bytes]) -> None:
        self.secrets = {bytes.fromhex(id_of(key)): key for key in keys}
        self.first = next(iter(self.secrets))
        self.hash_key = _derived(keys[0], b"keyed hash")
        self._ciphers: dict[tuple[bytes, Purpose], AESGCMSIV] = kept("record_ciphers", Kept(), _KEPT_PURPOSES)

    def cipher(self, key_id: bytes, purpose: Purpose) -> AESGCMSIV:
        cipher = self._ciphers.get((key_id, purpose))
        if cipher is None:
            _make_room(self._ciphers)
            derived = _derived(self.secrets[key_id], b"seal" + _spelled(purpose))
            cipher = self._ciphers[key_id, purpose] = AESGCMSIV(derived)
        return cipher


def id_of(key: bytes) -> str:
    """What a key is called: 16 hex digits that tell nothing of it."""
    return _derived(key, b"key id")[:_ID_BYTES].hex()


def _checked(keys: Sequence[bytes]) -> list[bytes]:
    if not keys:
        raise ValueError("cookie_keys needs at least one key")
    for place, key in enumerate(keys):
        if len(key) < MIN_KEY_BYTES:
            raise ValueError(
                f"cookie_keys[{place}] has {len(key)} bytes, at least {MIN_KEY_BYTES} are needed: "
                "write a new one with `lychgate keys new`"
            )
    return list(keys)


def _derived(key: bytes, use: bytes) -> bytes:
    """A key of its own for each use (HKDF, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"lychgate 1 " + use).derive(key)


def _spelled(purpose: Purpose) -> bytes:
    parts = (purpose,) if isinstance(purpose, str) else purpose
    texts = [part.encode("utf-8", "surrogatepass") for part in parts]
    return len(texts).to_bytes(4, "big") + b"".join(len(text).to_bytes(4, "big") + text for text in texts)


def _make_room(kept: dict[tuple[bytes, Purpose], AESGCMSIV] | dict[Purpose, Signer]) -> None:
    if len(kept) >= _KEPT_PURPOSES:
        kept.clear()
