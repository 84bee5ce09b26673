"""From the text of a token to header and claims that one of the provider's keys signed.

Used by `provider` for what the provider answered, and by `notices` for what strangers brought: each has its own budget
of key fetches.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.adapters.oidc.http import failure
from sidecar.adapters.oidc.keys import Keys
from sidecar.adapters.oidc.remembered import Budget
from sidecar.adapters.oidc.tokens import read_header, verify
from sidecar.core.tokens import TokenFault
from sidecar.domain.reason import Reason

Signed = tuple[Mapping[str, object], Mapping[str, object]]
"""Header and claims."""


class Signatures:
    """The signatures of one provider."""

    def __init__(self, keys: Keys, algorithms: tuple[str, ...]) -> None:
        self._keys = keys
        self._algorithms = algorithms

    async def verified(self, text: str, budget: Budget) -> Signed:
        """Header and claims of a token.

        Raises:
            TokenFault: No key of the provider made the signature, or it is no such token.
            LoginError: The keys cannot be had; or a notice names an unknown one so soon after a fetch.
        """
        token = read_header(text, self._algorithms)
        keys = await self._keys.get()
        candidates = keys.for_token(token.algorithm, token.kid)
        claims = verify(token, candidates)
        if claims is None and not any(key.kid == token.kid for key in candidates if key.kid is not None):
            # The key is one that we do not know yet, or the token does not say which it is: keys may have changed.
            newer = await self._keys.get_newer(keys, budget)
            if newer is not keys:
                claims = verify(token, newer.for_token(token.algorithm, token.kid))
            elif budget == "notice" and token.kid is not None:
                # Nobody could look: a sign-out with a new key is to come again, not to be lost behind a forged one.
                raise failure(Reason.PROVIDER_UNREACHABLE, "the key is unknown, and keys were fetched a moment ago")
        if claims is None:
            raise TokenFault("no key of the provider made the signature")
        return token.header, claims
