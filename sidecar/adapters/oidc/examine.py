"""What `lychgate doctor` looks at in a provider: its metadata as they are, its published keys, its clock.

Apart from `provider`, which trusts only what it may and remembers it: here everything is fetched anew and judged by
`core.doctor.providers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp

from sidecar.adapters.oidc.config import ClientAuthentication, ProviderConfig, SignOutWay
from sidecar.adapters.oidc.discovery import REQUIRED, address_of, is_known_host
from sidecar.adapters.oidc.http import DOCUMENT_LIMIT, Outbound, failure
from sidecar.adapters.oidc.keys import UnusableKeyError, import_key
from sidecar.core.doctor.providers import Wanted
from sidecar.domain.reason import Reason

_SPELT = {
    ClientAuthentication.BASIC: "client_secret_basic",
    ClientAuthentication.POST: "client_secret_post",
    ClientAuthentication.KEY: "private_key_jwt",
    ClientAuthentication.NONE: "none",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """A document, and the clock of who gave it: Unix seconds, or None."""

    document: Mapping[str, object]
    date: float | None


class ProviderLook:
    """One provider, looked at."""

    def __init__(self, config: ProviderConfig, session: aiohttp.ClientSession) -> None:
        """*session* is one of `http.open_session`; the caller closes it."""
        self._config = config
        self._outbound = Outbound(session)

    @property
    def configured(self) -> bool:
        """Whether the configuration names all that is needed, so that the gate never asks for metadata."""
        return all(self._config.endpoints[name] for name in REQUIRED)

    async def metadata(self) -> Looked:
        """The discovery document.

        Raises:
            LoginError: `provider_unreachable`, `provider_misconfigured`.
        """
        url = address_of(self._config)
        answer = await self._outbound.get(url, DOCUMENT_LIMIT, endpoint="discovery")
        if answer.status != 200:
            raise failure(Reason.PROVIDER_MISCONFIGURED, f"{url} answered {answer.status}")
        return Looked(answer.json(), moment_of(answer.date))

    async def keys(self, document: Mapping[str, object]) -> tuple[int, int]:
        """How many keys are published, and how many of them we can use.

        Raises:
            LoginError: as `metadata`; also if nobody says where they are.
        """
        url = self._config.jwks_uri or document.get("jwks_uri")
        if not isinstance(url, str) or not self._config.allows(url):
            raise failure(Reason.PROVIDER_MISCONFIGURED, "there is no usable jwks_uri")
        answer = await self._outbound.get(url, DOCUMENT_LIMIT, endpoint="keys")
        if answer.status != 200:
            raise failure(Reason.PROVIDER_MISCONFIGURED, f"{url} answered {answer.status}")
        members = answer.json().get("keys")
        listed = members if isinstance(members, list) else []
        return len(listed), sum(map(self._is_usable, listed))

    def wanted(self, *, signs_out: bool) -> Wanted:
        """What the metadata must have. *signs_out*: a sign-out is to go on to the provider."""
        config = self._config
        return Wanted(
            issuer=config.allowed_issuers[0],
            required=tuple(name for name in REQUIRED if config.endpoints[name] is None),
            algorithms=config.algorithms,
            authentication=_SPELT[config.authentication],
            # Cognito's own way out stands in no metadata.
            signs_out=signs_out
            and config.end_session_endpoint is None
            and config.sign_out_way is not SignOutWay.COGNITO,
            is_secure=config.allows,
            is_known=lambda url: is_known_host(url, config),
        )

    def _is_usable(self, member: object) -> bool:
        try:
            _ = import_key(member, frozenset(self._config.algorithms))
        except UnusableKeyError:
            return False
        return True


def moment_of(date: str) -> float | None:
    """A `Date` field (RFC 9110, section 6.6.1) in Unix seconds; None for anything else."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
