"""What a provider posts to us to end sessions: logout tokens, and the tokens of a global token revocation.

Implements `flows.logout.Notices`. Anybody can post such a thing; what is not proven to be the provider's is refused.
"""

from __future__ import annotations

from sidecar.adapters.oidc.config import ProviderConfig
from sidecar.adapters.oidc.http import failure, parse_object
from sidecar.adapters.oidc.signatures import Signatures
from sidecar.core.logout_tokens import Notice, NoticeTerms, check_logout_token, check_revocation_token, subject_of
from sidecar.core.tokens import TokenFault
from sidecar.domain.reason import Reason
from sidecar.domain.revocation import By
from sidecar.flows.telling import Clock


class Notices:
    """The notices of one provider."""

    def __init__(self, config: ProviderConfig, signatures: Signatures, clock: Clock) -> None:
        self._signatures = signatures
        self._clock = clock
        self._terms = NoticeTerms(
            issuers=config.allowed_issuers,
            client_id=config.client_id,
            algorithms=config.algorithms,
            skew=config.skew,
        )

    async def logout(self, token: str) -> Notice:
        """A logout token (OIDC Back-Channel Logout 1.0).

        Raises:
            LoginError: `logout_token_invalid`; or the keys cannot be had.
        """
        try:
            header, claims = await self._signatures.verified(token, "notice")
            return check_logout_token(header, claims, self._terms, self._clock.now())
        except TokenFault as fault:
            raise failure(Reason.LOGOUT_TOKEN_INVALID, fault.detail) from None

    async def revocation(self, token: str, audience: str) -> Notice:
        """The token that vouches for a global token revocation posted to *audience*; errors as with `logout`."""
        try:
            header, claims = await self._signatures.verified(token, "notice")
            return check_revocation_token(header, claims, self._terms, audience, self._clock.now())
        except TokenFault as fault:
            raise failure(Reason.LOGOUT_TOKEN_INVALID, fault.detail) from None

    def subject(self, body: bytes, issuer: str) -> tuple[By, str]:
        """Whose sessions the body of a global token revocation names, for which a token of *issuer* vouched.

        Raises:
            LoginError: `logout_token_invalid`.
        """
        try:
            return subject_of(parse_object(body), self._terms.issuers, issuer)
        except TokenFault as fault:
            raise failure(Reason.LOGOUT_TOKEN_INVALID, fault.detail) from None
        except ValueError:
            raise failure(Reason.LOGOUT_TOKEN_INVALID, "the body is no JSON object") from None
