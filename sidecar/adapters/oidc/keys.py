"""The provider's signing keys (RFC 7517): which of them count, and when they are fetched again.

`provider` asks for the keys of a token. Rule: one bad key never costs the good ones, and an unknown key id never makes
us a tool against the provider (one forced fetch a minute).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from sidecar.adapters.oidc.http import DOCUMENT_LIMIT, Outbound, failure
from sidecar.adapters.oidc.remembered import Budget, Remembered
from sidecar.domain.reason import Reason
from sidecar.flows.telling import Clock

SMALLEST_RSA = 2048
"""Bits."""

Key = RSAKey | ECKey | OKPKey

_EC_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_RSA_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_ED25519_ALGORITHMS = frozenset({"EdDSA", "Ed25519"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One public key.

    Attributes:
        kid: Its id, or None.
        algorithms: What it may be used for.
        issuer: Whose tokens alone it signs (a member that Entra ID adds; `core.issuers`), or None: any of the set's.
    """

    kid: str | None
    algorithms: frozenset[str]
    key: Key
    issuer: str | None = None


class UnusableKeyError(ValueError):
    """A member of a key set is not for us, or broken. The text says why and has no key material."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one fetch."""

    keys: tuple[SigningKey, ...]

    def for_token(self, algorithm: str, kid: str | None) -> tuple[SigningKey, ...]:
        """The keys that may have made the signature. A token without an id may be from any; a key without an id may
        be any token's."""
        suited = [key for key in self.keys if algorithm in key.algorithms]
        named = tuple(key for key in suited if kid is None or key.kid == kid)
        return named or tuple(key for key in suited if key.kid is None)


class Keys:
    """The key set of one provider. *location* says where it is now (discovery may move it)."""

    def __init__(
        self,
        name: str,
        outbound: Outbound,
        location: Callable[[], Awaitable[str]],
        algorithms: tuple[str, ...],
        clock: Clock,
    ) -> None:
        self._name = name
        self._outbound = outbound
        self._location = location
        self._algorithms = frozenset(algorithms)
        self._remembered = Remembered(f"key set of {name}", self._fetch, clock)

    async def get(self) -> KeySet:
        """The keys.

        Raises:
            LoginError: There were never any and they cannot be fetched.
        """
        return await self._remembered.get()

    async def get_newer(self, than: KeySet, budget: Budget) -> KeySet:
        """For a token that no key of *than* fits: newer keys, or the same again."""
        return await self._remembered.get_newer(than, budget)

    def known(self) -> tuple[int, float | None]:
        """How many keys there are, and how many seconds ago they came; None before they ever did."""
        value, age = self._remembered.at_hand()
        return (len(value.keys), age) if value is not None else (0, None)

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        await self._remembered.close()

    async def _fetch(self) -> KeySet:
        url = await self._location()
        answer = await self._outbound.get(url, DOCUMENT_LIMIT, endpoint="keys")
        if answer.status != 200:
            raise failure(Reason.PROVIDER_MISCONFIGURED, f"{url} answered {answer.status}")
        members = answer.json().get("keys")
        usable = self._import_all(members if isinstance(members, list) else [])
        if not usable:
            raise failure(Reason.PROVIDER_MISCONFIGURED, f"{url} has no key that we can use")
        return KeySet(usable)

    def _import_all(self, members: list[object]) -> tuple[SigningKey, ...]:
        usable: list[SigningKey] = []
        for position, member in enumerate(members):
            try:
                usable.append(import_key(member, self._algorithms))
            except UnusableKeyError as error:
                _log.info("key %d of %s is not used: %s", position, self._name, error)
        return tuple(usable)


def import_key(member: object, allowed: frozenset[str]) -> SigningKey:
    """One member of a key set, for the *allowed* algorithms. Only its public part is ever read.

    Raises:
        UnusableKeyError: It is not for us, or broken.
    """
    if not isinstance(member, dict):
        raise UnusableKeyError("it is not an object")
    if member.get("use", "sig") != "sig":
        raise UnusableKeyError("it is not for signatures")
    operations = member.get("key_ops", ["verify"])
    if not (isinstance(operations, list) and "verify" in operations):
        raise UnusableKeyError("it is not for verifying")
    kid = member.get("kid")
    if not (kid is None or isinstance(kid, str)):
        raise UnusableKeyError("its id is not text")
    issuer = member.get("issuer")
    if not (issuer is None or isinstance(issuer, str)):
        raise UnusableKeyError("its issuer is not text")
    algorithms = _algorithms_of(member) & allowed
    if not algorithms:
        raise UnusableKeyError("its kind or algorithm is not among ours")
    return SigningKey(kid=kid, algorithms=algorithms, key=_import_public(member), issuer=issuer)


def _algorithms_of(member: Mapping[str, object]) -> frozenset[str]:
    kind, curve = member.get("kty"), member.get("crv")
    suited: frozenset[str] = frozenset()
    if kind == "RSA":
        suited = _RSA_ALGORITHMS
    elif kind == "EC" and isinstance(curve, str) and curve in _EC_ALGORITHMS:
        suited = frozenset({_EC_ALGORITHMS[curve]})
    elif kind == "OKP" and curve == "Ed25519":
        suited = _ED25519_ALGORITHMS
    own = member.get("alg")
    if own is None or (isinstance(own, str) and own in _ED25519_ALGORITHMS):
        return suited
    return frozenset(name for name in suited if name == own)


def _import_public(member: Mapping[str, object]) -> Key:
    public: dict[str, str | list[str]] = {
        name: str(member[name]) for name in ("kty", "n", "e", "crv", "x", "y") if name in member
    }
    try:
        match public["kty"]:
            case "RSA":
                # Counted before the import: joserfc warns of small keys, and a warning is no refusal.
                if len(public.get("n", "")) * 6 < SMALLEST_RSA:
                    raise UnusableKeyError(f"it has less than {SMALLEST_RSA} bits")
                return RSAKey.import_key(public)
            case "EC":
                return ECKey.import_key(public)
            case _:
                return OKPKey.import_key(public)
    except UnusableKeyError:
        raise
    except (JoseError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise UnusableKeyError(f"it is broken ({type(error).__name__})") from None
