"""Access tokens that programs bring: verified with the provider's keys, out of the budget of strangers.

Implements `flows.callers.AccessTokens`. What is not proven to be the provider's token for us is refused.
"""

from __future__ import annotations

from sidecar.adapters.oidc.config import ProviderConfig
from sidecar.adapters.oidc.http import failure
from sidecar.adapters.oidc.signatures import Signatures
from sidecar.core.access_tokens import Access, AccessTerms, Shape, check_access_token
from sidecar.core.claims import freeze_claims
from sidecar.core.issuers import named_issuer
from sidecar.core.tokens import TokenFault
from sidecar.domain.reason import Reason
from sidecar.flows.telling import Clock


class AccessTokens:
    """The access tokens of one provider."""

    def __init__(self, config: ProviderConfig, signatures: Signatures, clock: Clock) -> None:
        self._config = config
        self._signatures = signatures
        self._clock = clock

    async def check(self, token: str, audiences: frozenset[str], shape: str) -> Access:
        """The claims of a person's token for one of *audiences*, frozen, with the issuer as the configuration has it.

        Raises:
            LoginError: `token_not_accepted`; or the keys cannot be had.
        """
        terms = AccessTerms(
            issuers=self._config.allowed_issuers,
            client_id=self._config.client_id,
            audiences=audiences,
            algorithms=self._config.algorithms,
            shape=Shape(shape),
            skew=self._config.skew,
        )
        try:
            header, claims = await self._signatures.verified(token, "posted")
            access = check_access_token(header, claims, terms, self._clock.now())
            # One person has one key, whichever spelling of the issuer the token used.
            issuer = named_issuer(self._config.allowed_issuers[0], access.claims)
            frozen = freeze_claims({**access.claims, "iss": issuer})
        except TokenFault as fault:
            raise failure(Reason.TOKEN_NOT_ACCEPTED, fault.detail) from None
        return Access(claims=frozen, issued_at=access.issued_at, expires_at=access.expires_at)
