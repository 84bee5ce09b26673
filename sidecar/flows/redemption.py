"""From a judged callback to whom the provider named: the code is redeemed, and the claims are judged.

Used by `flows.signin`, behind every check that needs no code. Nothing here opens a session.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sidecar.core.claims import identity_from, is_stranger
from sidecar.core.logins import KNOWN_ERRORS, Attempt, Callback
from sidecar.core.standing import needed_claims
from sidecar.core.tokens import TokenFault
from sidecar.domain.policy import Application, Policy
from sidecar.domain.reason import Reason
from sidecar.flows.login import CodeGrant, LoginError, Provider, Tokens
from sidecar.flows.sessions import Opening
from sidecar.flows.telling import Clock


class Redemption:
    """Redeems codes at any provider."""

    def __init__(self, providers: Mapping[str, Provider], policy: Callable[[], Policy], clock: Clock) -> None:
        self._providers = providers
        self._policy = policy
        self._clock = clock

    async def opening_of(self, application: Application, attempt: Attempt, callback: Callback) -> Opening:
        """What a session may be opened with.

        Raises:
            LoginError: the provider refused or cannot be had, or its answer is not acceptable here.
        """
        return self._judged(attempt, await self._tokens(application, attempt, callback))

    async def _tokens(self, application: Application, attempt: Attempt, callback: Callback) -> Tokens:
        provider = self._providers.get(attempt.provider)
        if provider is None:
            raise LoginError(Reason.STATE_EXPIRED, "the provider is no longer configured")
        await provider.check_response_issuer(callback.issuer)
        if callback.code is None:
            word = callback.error if callback.error in KNOWN_ERRORS else "an error of its own"
            raise LoginError(Reason.PROVIDER_REFUSED, f"the provider answered {word}")
        return await provider.redeem(
            CodeGrant(
                code=callback.code,
                verifier=attempt.verifier,
                redirect_uri=redirect_uri(application, attempt.provider),
                nonce=attempt.nonce,
                max_age=attempt.max_age,
                issuer=callback.issuer,
                now=self._clock.now(),
                silent=attempt.silent,
                acr=attempt.acr,
            )
        )

    def _judged(self, attempt: Attempt, tokens: Tokens) -> Opening:
        """By the policy of now: it may have changed while the person was away."""
        policy = self._policy()
        known = policy.providers.get(attempt.provider)
        application = policy.applications.get(attempt.application)
        portal = application.portal(attempt.portal) if application is not None else None
        if known is None or application is None or portal is None or attempt.provider not in portal.providers:
            raise LoginError(Reason.STATE_EXPIRED, "the portal changed while somebody signed in")
        if is_stranger(tokens.claims, known):
            raise LoginError(Reason.STRANGER, "the person belongs to none of the organisations let in")
        try:
            identity = identity_from(tokens.claims, known, needed_claims(application))
        except TokenFault as fault:
            raise LoginError(Reason.TOKEN_INVALID, str(fault)) from fault
        if attempt.acr and identity.acr not in attempt.acr:
            # Providers may ignore what they do not know (Okta does): what came back counts.
            error = LoginError(
                Reason.STEP_UP_FAILED, "the provider used none of the ways of signing in that were asked"
            )
            error.identity = identity
            raise error
        return Opening(
            application=application.name,
            portal=portal.name,
            identity=identity,
            began=attempt.began,
            refresh_token=tokens.refresh_token,
            id_token=tokens.id_token if known.sign_out else None,
        )


def redirect_uri(application: Application, provider: str) -> str:
    """Where the provider sends the browser back; to be registered there exactly so."""
    return f"{application.origin}{application.context}/.lychgate/callback/{provider}"
