"""RSA keys derived from the cookie keys: they rotate with them and survive a restart without being stored anywhere.

Products know no Ed25519, so the keys of `adapters.landing.header` do not serve here. The way from a secret to a key is
fixed for ever; a test holds it.
"""

from __future__ import annotations

import math

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HALF = 1024
"""Bits of each prime."""

EXPONENT = 65_537
ROUNDS = 8
"""Of the test for primes: FIPS 186-5 asks for fewer at this size, and the library tests again."""
_SMALL = (3, *(at for at in range(5, 2000, 2) if all(at % other for other in range(3, 45, 2) if other < at)))


def derive(secret: str, purpose: str) -> RSAPrivateKey:
    """The key that *secret* gives for *purpose*. It takes some tenths of a second.

    The library checks the numbers when it takes them, their primality included.
    """
    stream = _Stream(HKDF(SHA256(), 48, b"lychgate", purpose.encode()).derive(secret.encode()))
    first = _prime(stream)
    second = _prime(stream)
    while abs(first - second).bit_length() <= HALF - 100:
        # FIPS 186-5, appendix A.1.3: never too near to each other.
        second = _prime(stream)
    private = pow(EXPONENT, -1, math.lcm(first - 1, second - 1))
    return RSAPrivateNumbers(
        p=first,
        q=second,
        d=private,
        dmp1=private % (first - 1),
        dmq1=private % (second - 1),
        iqmp=pow(second, -1, first),
        public_numbers=RSAPublicNumbers(EXPONENT, first * second),
    ).private_key()


class _Stream:
    """Bytes that look like chance and are always the same (ChaCha20, RFC 8439)."""

    def __init__(self, seed: bytes) -> None:
        self._cipher = Cipher(ChaCha20(seed[:32], seed[32:]), mode=None).encryptor()

    def number(self, bits: int) -> int:
        return int.from_bytes(self._cipher.update(bytes(bits // 8)), "big")


def _prime(stream: _Stream) -> int:
    """The first prime behind a number out of the stream whose two highest bits are set."""
    while True:
        number = stream.number(HALF) | (3 << (HALF - 2)) | 1
        while number.bit_length() == HALF:
            if _may_be_prime(number) and math.gcd(number - 1, EXPONENT) == 1 and _is_prime(number, stream):
                return number
            number += 2


def _may_be_prime(number: int) -> bool:
    return all(number % small for small in _SMALL)


def _is_prime(number: int, stream: _Stream) -> bool:
    """Miller and Rabin's test, with a base of two first: it sorts nearly all others out."""
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    odd = (number - 1) >> twos
    if not _passes(number, 2, odd, twos):
        return False
    return all(_passes(number, 2 + stream.number(HALF) % (number - 3), odd, twos) for _ in range(ROUNDS))


def _passes(number: int, base: int, odd: int, twos: int) -> bool:
    power = pow(base, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False
