"""The set-up of the product's own OpenID client over its REST interface, with a system administrator's token.

The interface is the product's private one (`/rest/authconfig/1.0`): what is written is read back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import aiohttp

from sidecar.adapters.accounts.calls import call, masked
from sidecar.core.landing_setup import SECRET_FIELD
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError

_IDPS = "/rest/authconfig/1.0/idps"
_SSO = "/rest/authconfig/1.0/sso"
_MOST = 20
"""Providers that are looked at when all are."""


class AuthConfig:
    """One product's list of providers."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: Callable[[], str]) -> None:
        """*base* is the product's address with the context path."""
        self._session = session
        self._base = base
        self._token = token

    async def find(self, issuer: str) -> Mapping[str, object] | None:
        """The provider with that issuer, whole; None if there is none.

        Raises:
            AccountError: the product cannot be asked, or does not let us.
        """
        listed = await self._ask("GET", _IDPS)
        results = listed.get("results")
        for entry in results if isinstance(results, list) else []:
            if isinstance(entry, dict) and isinstance(entry.get("id"), int):
                found = await self._ask("GET", f"{_IDPS}/{entry['id']}")
                if found.get("issuer-url") == issuer:
                    return found
        return None

    async def listed(self) -> list[Mapping[str, object]]:
        """All providers, each whole.

        Raises:
            AccountError: as for `find`.
        """
        results = (await self._ask("GET", _IDPS)).get("results")
        entries = [entry for entry in results if isinstance(entry, dict)] if isinstance(results, list) else []
        numbers = [entry["id"] for entry in entries if isinstance(entry.get("id"), int)]
        return [await self._ask("GET", f"{_IDPS}/{number}") for number in numbers[:_MOST]]

    async def fallback(self) -> bool | None:
        """Whether `?auth_fallback` brings the password form back; None: the product does not say.

        Raises:
            AccountError: as for `find`.
        """
        said = (await self._ask("GET", _SSO)).get("enable-authentication-fallback")
        return said if isinstance(said, bool) else None

    async def write(self, known: Mapping[str, object] | None, body: Mapping[str, object], secret: str) -> None:
        """Add the provider, or change the one that is known.

        Raises:
            AccountError: as for `find`; the product's own words for each field stand in it.
        """
        whole = {**body, SECRET_FIELD: secret}
        if known is None:
            _ = await self._ask("POST", _IDPS, whole)
        else:
            _ = await self._ask("PATCH", f"{_IDPS}/{known['id']}", whole)

    async def _ask(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        headers = {"Authorization": f"Bearer {self._token()}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        failed = Reason.CONNECTOR_UNREACHABLE
        answer = await call(self._session, method, self._base + path, headers, data, failed=failed)
        if answer.status in {401, 403}:
            raise AccountError(Reason.CONNECTOR_REFUSED, f"{answer.status}: the token is no system administrator's")
        if answer.status == 404:
            raise AccountError(Reason.CONNECTOR_REFUSED, "404: the product has no such interface; fill in its form")
        if answer.status not in {200, 201}:
            written = (body or {}).get(SECRET_FIELD)
            secrets = (*answer.showed, written) if isinstance(written, str) else answer.showed
            said = masked(_said(answer.body), secrets)[:500]
            raise AccountError(Reason.CONNECTOR_REFUSED, f"{answer.status}{': ' + said if said else ''}")
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise AccountError(Reason.CONNECTOR_REFUSED, "its answer is no JSON object")
        return found


def _said(body: bytes) -> str:
    """The product's words for fields, without what else its answer holds."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    errors = content.get("errors") if isinstance(content, dict) else None
    pairs = errors.items() if isinstance(errors, dict) else ()
    text = "; ".join(f"{name}: {words}" for name, words in pairs if name != SECRET_FIELD)
    return "".join(letter for letter in text if letter.isprintable())
