"""The provider's metadata (OIDC Discovery 1.0; RFC 8414), trusted only as far as the configuration allows.

`provider` asks for it before every use. Rule: an issuer that differs by one byte is another issuer, and an endpoint
that takes codes, secrets or people lies on a host that the operator knows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sidecar.adapters.oidc.config import ProviderConfig
from sidecar.adapters.oidc.http import DOCUMENT_LIMIT, Outbound, failure
from sidecar.adapters.oidc.remembered import Remembered
from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError
from sidecar.flows.telling import Clock

REQUIRED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
PUSH = "pushed_authorization_request_endpoint"
OPTIONAL = ("userinfo_endpoint", "end_session_endpoint", PUSH)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What we use of a provider's metadata.

    Attributes:
        push_endpoint: For pushed authorization requests (RFC 9126), or None.
        demands_push: Whether the provider takes no others.
        promises_issuer: Whether every callback carries `iss` (RFC 9207, section 3).
    """

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    push_endpoint: str | None
    demands_push: bool
    promises_issuer: bool


class Discovery:
    """Metadata from the configuration where it is complete, else from the provider."""

    def __init__(self, config: ProviderConfig, outbound: Outbound, clock: Clock) -> None:
        self._config = config
        self._outbound = outbound
        self._remembered = Remembered(f"metadata of {config.name}", self._fetch, clock)
        given = config.endpoints
        self._fixed = read_metadata({}, config) if all(given[name] for name in REQUIRED) else None

    async def get(self) -> Metadata:
        """The metadata.

        Raises:
            LoginError: `provider_unreachable`, `provider_misconfigured`.
        """
        return self._fixed or await self._remembered.get()

    async def close(self) -> None:
        """Stop a fetch that is under way."""
        await self._remembered.close()

    async def _fetch(self) -> Metadata:
        url = address_of(self._config)
        answer = await self._outbound.get(url, DOCUMENT_LIMIT, endpoint="discovery")
        if answer.status != 200:
            raise _fault(f"{url} answered {answer.status}")
        document = answer.json()
        # Entra ID's shared documents hold the placeholder itself, byte for byte.
        expected = self._config.allowed_issuers[0]
        if document.get("issuer") != expected:
            raise _fault(f"{url} speaks for another issuer than {expected}")
        return read_metadata(document, self._config)


def address_of(config: ProviderConfig) -> str:
    """Where the metadata are. OIDC Discovery 1.0, section 4.1: a terminating slash of the issuer is removed first."""
    return config.issuer.removesuffix("/") + "/.well-known/openid-configuration"


def read_metadata(document: Mapping[str, object], config: ProviderConfig) -> Metadata:
    """The metadata in a discovery document, with the configuration's overrides.

    Raises:
        LoginError: `provider_misconfigured`, if a required endpoint is missing or lies where it must not.
    """
    required = {name: _required(document, config, name) for name in REQUIRED}
    optional = {name: _optional(document, config, name) for name in OPTIONAL}
    return Metadata(
        authorization_endpoint=required["authorization_endpoint"],
        token_endpoint=required["token_endpoint"],
        jwks_uri=required["jwks_uri"],
        userinfo_endpoint=optional["userinfo_endpoint"],
        end_session_endpoint=optional["end_session_endpoint"],
        push_endpoint=optional[PUSH],
        demands_push=document.get("require_pushed_authorization_requests") is True,
        promises_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _required(document: Mapping[str, object], config: ProviderConfig, name: str) -> str:
    given = config.endpoints[name]
    if given is not None:
        return given
    url = document.get(name)
    if not isinstance(url, str):
        raise _fault(f"the metadata of {config.issuer} have no {name}")
    if not config.allows(url):
        raise _fault(f"{name} of {config.issuer} is not an https URL")
    if not is_known_host(url, config):
        raise _fault(f"{name} of {config.issuer} lies on {urlsplit(url).netloc}, which is not among the endpoint hosts")
    return url


def _optional(document: Mapping[str, object], config: ProviderConfig, name: str) -> str | None:
    given = config.endpoints[name]
    if given is not None:
        return given
    url = document.get(name)
    if url is None:
        return None
    if isinstance(url, str) and config.allows(url) and is_known_host(url, config):
        return url
    # Entra ID's userinfo lies on another host and has nothing that we need: no reason to refuse everybody.
    _log.warning("%s of %s is not used: it is not on a known host", name, config.issuer)
    return None


def is_known_host(url: str, config: ProviderConfig) -> bool:
    """Whether the host of *url* is the issuer's, or one that the configuration names."""
    # Whole hosts only: `evil-example.com` and `example.com.evil` end or begin like the issuer's too.
    host = _host(url)
    return host == _host(config.issuer) or host in {_host("https://" + known) for known in config.endpoint_hosts}


def _host(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def _fault(detail: str) -> LoginError:
    return failure(Reason.PROVIDER_MISCONFIGURED, detail)
