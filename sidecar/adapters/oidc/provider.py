"""`OidcProvider`: the outside of a sign-in, as `flows.login.Provider` wants it.

`app` makes one for each provider of the configuration. It only puts the neighbours in order: metadata, client, keys,
signature, and the pure checks of `core.tokens`. Rule: claims leave here only after every check.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

from sidecar.adapters.breaker import Breaker
from sidecar.adapters.oidc.access_tokens import AccessTokens
from sidecar.adapters.oidc.budget import PushBudget
from sidecar.adapters.oidc.client import CodeClient, TokenAnswer
from sidecar.adapters.oidc.config import ProviderConfig, Push, UserInfo
from sidecar.adapters.oidc.contexts import with_context
from sidecar.adapters.oidc.discovery import Discovery
from sidecar.adapters.oidc.graph import Graph
from sidecar.adapters.oidc.http import ANSWER_LIMIT, Outbound, Told, failure
from sidecar.adapters.oidc.keys import Keys
from sidecar.adapters.oidc.notices import Notices
from sidecar.adapters.oidc.signatures import Signatures
from sidecar.adapters.oidc.signing_out import sign_out_parameters
from sidecar.adapters.urls import with_query
from sidecar.core.claims import freeze_claims, groups_from, has_claim, with_userinfo
from sidecar.core.issuers import fits, named_issuer, named_issuers
from sidecar.core.tokens import (
    Expected,
    ExpectedAgain,
    StepUpFault,
    TokenFault,
    check_id_token,
    check_refreshed,
    check_same_person,
    check_userinfo_subject,
)
from sidecar.domain.identity import Claim, Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.login import AuthorizationRequest, CodeGrant, LoginError, Tokens
from sidecar.flows.telling import Clock

LONGEST_HINT = 6_000
"""Characters of an ID token that still goes into a URL. Servers refuse longer lines; the client id stands in for it."""


class OidcProvider:
    """One OpenID provider. *session* comes from `http.open_session` and belongs to the caller.

    Attributes:
        notices: Reads what the provider posts to us to end sessions.
        access_tokens: Verifies what programs bring.
    """

    def __init__(
        self,
        config: ProviderConfig,
        session: aiohttp.ClientSession,
        clock: Clock,
        budget: PushBudget | None = None,
        told: Told | None = None,
    ) -> None:
        self._config = config
        self._clock = clock
        self._breaker = Breaker(clock)
        self._outbound = Outbound(session, breaker=self._breaker, told=told)
        self._client = CodeClient(config, self._outbound, clock, budget or PushBudget(clock))
        self._discovery = Discovery(config, self._outbound, clock)
        self._graph = Graph(config, session, told=told) if config.graph is not None and config.wants_groups else None
        self._keys = Keys(config.name, self._outbound, self._jwks_uri, config.algorithms, clock)
        self._signatures = Signatures(self._keys, config.algorithms)
        self.notices = Notices(config, self._signatures, clock)
        self.access_tokens = AccessTokens(config, self._signatures, clock)

    def renew(self, config: ProviderConfig) -> None:
        """From now on prove who we are as *config* says. Nothing else of it counts before the next start."""
        self._client.renew(config)

    def keys(self) -> tuple[int, float | None]:
        """How many keys it has for signatures, and how many seconds ago they came; None before they ever did."""
        return self._keys.known()

    def silent(self) -> tuple[str, ...]:
        """Its hosts that are left alone for a moment, because they did not answer several times in a row."""
        return self._breaker.silent()

    async def close(self) -> None:
        """Stop fetches that are under way. The session stays open."""
        await self._keys.close()
        await self._discovery.close()

    async def authorization_url(self, request: AuthorizationRequest) -> str:
        """Where to send the browser.

        Raises:
            LoginError: The metadata cannot be had, or the request could not be pushed.
        """
        metadata, push = await self._discovery.get(), self._config.push
        demanded = push is Push.ALWAYS or (push is Push.AUTO and metadata.demands_push)
        if not demanded:
            return self._client.authorization_url(metadata.authorization_endpoint, request)
        if metadata.push_endpoint is None:
            detail = f"{self._config.name} has no address for pushed requests on a known host"
            raise failure(Reason.PROVIDER_MISCONFIGURED, detail)
        return await self._client.pushed_url(metadata.authorization_endpoint, metadata.push_endpoint, request)

    async def check_response_issuer(self, issuer: str | None) -> None:
        """Refuse a callback that is another provider's (RFC 9207, section 2.4).

        Raises:
            LoginError: `issuer_mismatch`, or the metadata cannot be had.
        """
        metadata = await self._discovery.get()
        if issuer is None and metadata.promises_issuer:
            raise failure(Reason.ISSUER_MISMATCH, f"{self._config.issuer} promises iss, and the callback has none")
        if issuer is not None and not any(fits(pattern, issuer) for pattern in self._config.allowed_issuers):
            raise failure(Reason.ISSUER_MISMATCH, f"iss of the callback is not {self._config.issuer}")

    async def redeem(self, grant: CodeGrant) -> Tokens:
        """Turn a code into verified tokens.

        Raises:
            LoginError: `issuer_mismatch`, `code_refused`, `provider_refused`, `provider_unreachable`,
                `provider_misconfigured`, `token_invalid`, `userinfo_invalid`.
        """
        await self.check_response_issuer(grant.issuer)
        metadata = await self._discovery.get()
        answer = await self._client.redeem(metadata.token_endpoint, grant)
        if answer.id_token is None:
            raise failure(Reason.TOKEN_INVALID, f"{self._config.name} gave no ID token")
        usual = None if grant.silent else self._config.max_age
        expected = Expected(
            issuers=self._config.allowed_issuers,
            client_id=self._config.client_id,
            algorithms=self._config.algorithms,
            access_token=answer.access_token,
            skew=self._config.skew,
            nonce=grant.nonce,
            max_age=grant.max_age if grant.max_age is not None else usual,
        )
        try:
            header, claims = await self._signatures.verified(answer.id_token, "answer")
            check_id_token(header, claims, expected, self._clock.now())
            frozen = freeze_claims(claims)
        except StepUpFault as fault:
            raise failure(Reason.STEP_UP_FAILED, fault.detail) from None
        except TokenFault as fault:
            raise failure(Reason.TOKEN_INVALID, fault.detail) from None
        if grant.issuer is not None and grant.issuer not in named_issuers(self._config.allowed_issuers, claims):
            raise failure(Reason.ISSUER_MISMATCH, "iss of the callback is not that of the token's tenant")
        if self._config.contexts:
            frozen = with_context(frozen, grant.acr)
        return await self._tokens(frozen, answer.id_token, answer)

    async def refresh(self, refresh_token: str, person: Person, now: UnixSeconds) -> Tokens:
        """Confirm the claims anew. The old refresh token is returned when the provider gives no new one.

        *now* is not used: it was read before the provider answered, and a slow answer would look as if from the future.
        A provider may give no ID token (OIDC Core 1.0, section 12.2). Then userinfo confirms the person, `id_token` is
        empty, and the claims say nothing of the act of signing in (`auth_time`, `acr`, `sid`): the old ones hold on.

        Raises:
            LoginError: `code_refused` when the provider says `invalid_grant`; otherwise as `redeem`. It carries the
                next refresh token if there was one before something else failed.
        """
        metadata = await self._discovery.get()
        answer = await self._client.refresh(metadata.token_endpoint, refresh_token)
        try:
            if answer.id_token is None:
                return await self._confirmed(person, answer, refresh_token)
            header, claims = await self._signatures.verified(answer.id_token, "answer")
            check_refreshed(header, claims, self._expected_again(person, answer), self._clock.now())
            frozen = freeze_claims(claims)
            return await self._tokens(frozen, answer.id_token, answer, refresh_token)
        except TokenFault as fault:
            raise failure(Reason.TOKEN_INVALID, fault.detail) from None
        except LoginError as error:
            # Keys or userinfo could not be had. With rotation the token that was used is spent.
            error.refresh_token = answer.refresh_token
            raise

    async def end_session_url(self, id_token: str | None, back_to: str, state: str) -> str | None:
        """Where to send the browser to sign out there too (OIDC RP-Initiated Logout 1.0), or None.

        Raises:
            LoginError: The metadata cannot be had.
        """
        endpoint = (await self._discovery.get()).end_session_endpoint
        if endpoint is None:
            return None
        hint = id_token if id_token and len(id_token) <= LONGEST_HINT else None
        ours = sign_out_parameters(self._config, hint, back_to, state)
        return with_query(endpoint, ours.items())

    async def _jwks_uri(self) -> str:
        return (await self._discovery.get()).jwks_uri

    def _expected_again(self, person: Person, answer: TokenAnswer) -> ExpectedAgain:
        return ExpectedAgain(
            issuers=self._config.allowed_issuers,
            client_id=self._config.client_id,
            algorithms=self._config.algorithms,
            access_token=answer.access_token,
            skew=self._config.skew,
            person=person,
            subject_claim=self._config.subject_claim,
        )

    async def _tokens(
        self, claims: Mapping[str, Claim], id_token: str, answer: TokenAnswer, old_refresh_token: str | None = None
    ) -> Tokens:
        complete = dict(await self._completed(claims, answer.access_token))
        # One person has one key, whichever spelling of the issuer the token used.
        complete["iss"] = named_issuer(self._config.allowed_issuers[0], claims)
        return Tokens(claims=complete, id_token=id_token, refresh_token=answer.refresh_token or old_refresh_token)

    async def _completed(self, claims: Mapping[str, Claim], access_token: str | None) -> Mapping[str, Claim]:
        complete = await self._with_userinfo(claims, access_token)
        return complete if self._graph is None else await self._graph.completed(complete, access_token)

    async def _with_userinfo(self, claims: Mapping[str, Claim], access_token: str | None) -> Mapping[str, Claim]:
        endpoint = (await self._discovery.get()).userinfo_endpoint
        if endpoint is None or access_token is None or not self._wants_userinfo(claims):
            return claims
        userinfo = await self._userinfo(endpoint, access_token)
        try:
            check_userinfo_subject(claims, userinfo)
        except TokenFault as fault:
            raise failure(Reason.USERINFO_INVALID, fault.detail) from None
        return with_userinfo(claims, userinfo, self._config.groups)

    def _wants_userinfo(self, claims: Mapping[str, Claim]) -> bool:
        if self._config.userinfo is not UserInfo.AUTO:
            return self._config.userinfo is UserInfo.ALWAYS
        if self._config.wants_groups and groups_from(claims, self._config.groups) is None:
            return True
        return not all(has_claim(claims, self._config.claims, name) for name in self._config.needed)

    async def _confirmed(self, person: Person, answer: TokenAnswer, old_refresh_token: str) -> Tokens:
        """The claims of a refresh without an ID token."""
        endpoint = (await self._discovery.get()).userinfo_endpoint
        if endpoint is None or answer.access_token is None or self._config.userinfo is UserInfo.NEVER:
            raise TokenFault("the refresh gave no ID token, and there is no userinfo to ask")
        userinfo = await self._userinfo(endpoint, answer.access_token)
        check_same_person(userinfo, person, self._config.allowed_issuers, self._config.subject_claim)
        claims = with_userinfo({}, userinfo, self._config.groups)
        claims = {**claims, "iss": named_issuer(self._config.allowed_issuers[0], claims)}
        return Tokens(claims=claims, id_token="", refresh_token=answer.refresh_token or old_refresh_token)

    async def _userinfo(self, endpoint: str, access_token: str) -> Mapping[str, Claim]:
        """The claims that the userinfo endpoint has (OIDC Core 1.0, section 5.3)."""
        bearer = {"Authorization": f"Bearer {access_token}"}
        answer = await self._outbound.get(endpoint, ANSWER_LIMIT, bearer, endpoint="userinfo")
        if answer.status != 200:
            raise failure(Reason.USERINFO_INVALID, f"userinfo of {self._config.name} answered {answer.status}")
        try:
            return freeze_claims(answer.json())
        except TokenFault as fault:
            raise failure(Reason.USERINFO_INVALID, fault.detail) from None
