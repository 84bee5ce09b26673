"""Small questions of `lychgate doctor` to an application, directly and without any session: with a token, with none,
or with what a stranger would send.

What comes of them is judged by `core.doctor`. Nothing is remembered, and nothing is changed at the application.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

import aiohttp

from sidecar.adapters.accounts.calls import Answer, call
from sidecar.adapters.accounts.rest import is_served_as_nobody
from sidecar.adapters.secrets import SecretError
from sidecar.domain.product import Product
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.streaming import Fields

Token = Callable[[], str]


class Questions:
    """One application, asked directly."""

    def __init__(self, session: aiohttp.ClientSession, base: str, product: Product, host: str) -> None:
        """
        Args:
            session: From `calls.open_session`; the caller closes it.
            base: Address of the application with its context path.
            product: What it is.
            host: What it expects as `Host`.
        """
        self._session = session
        self._base = base
        self._host = host
        self.product = product

    async def get(self, path: str, token: Token | None = None, fields: Mapping[str, str] | None = None) -> Answer:
        """A GET of *path* below the context.

        Raises:
            AccountError: no whole answer, or the token cannot be read.
        """
        shown = {"Authorization": f"Bearer {_read(token)}"} if token is not None else {}
        return await self._call("GET", path, {**shown, **(fields or {})}, None)

    async def post(self, path: str, form: Mapping[str, str]) -> Answer:
        """A form, as a browser sends it.

        Raises:
            AccountError: no whole answer.
        """
        fields = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self._call("POST", path, fields, urlencode(form).encode())

    async def account(self, token: Token) -> str | None:
        """The account of a token; None: the application does not take it.

        Raises:
            AccountError: no answer, or one that does not say.
        """
        return self._account_in(await self.get(self.product.whoami[0], token))

    async def served(self, fields: Fields) -> str | None:
        """See `flows.examined.Asks`. `connector_refused`: it answered, and does not say."""
        told = {name.decode("latin-1"): value.decode("latin-1") for name, value in fields}
        return self._account_in(await self.get(self.product.whoami[0], fields=told))

    def _account_in(self, answer: Answer) -> str | None:
        if answer.status in {301, 302, 303, 307, 401, 403} or is_served_as_nobody(answer):
            return None
        found = object_in(answer)
        if answer.status != 200 or found is None:
            detail = f"asked who is there, it answered {answer.status} and no data"
            raise AccountError(Reason.CONNECTOR_REFUSED, detail)
        name = found.get(self.product.whoami[1])
        return name if isinstance(name, str) and name else None

    async def _call(self, method: str, path: str, fields: Mapping[str, str], body: bytes | None) -> Answer:
        headers = {"Host": self._host, "X-Atlassian-Token": "no-check", **fields}
        failed = Reason.CONNECTOR_UNREACHABLE
        return await call(self._session, method, self._base + path, headers, body, failed=failed)


def object_in(answer: Answer) -> Mapping[str, object] | None:
    """The JSON object of an answer; None if there is none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def reasons_in(answer: Answer) -> frozenset[str]:
    """What Seraph says of the credentials of a request (`X-Seraph-LoginReason`)."""
    return frozenset(
        word.strip() for value in answer.headers.getall("X-Seraph-LoginReason", []) for word in value.split(",")
    )


def objects_in(answer: Answer, *names: str) -> Sequence[Mapping[str, object]] | None:
    """The list of JSON objects under the first of *names* that is there; None if none is."""
    found = object_in(answer) or {}
    for name in names:
        value = found.get(name)
        if isinstance(value, list):
            return [entry for entry in value if isinstance(entry, dict)]
    return None


def _read(token: Token) -> str:
    try:
        return token().strip()
    except SecretError as error:
        raise AccountError(Reason.CONNECTOR_REFUSED, f"the token cannot be read: {error.wrong}", retry=False) from None
