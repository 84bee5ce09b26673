"""A signed call before a person is let in: anything that a site wants done on a first request.

The call is `POST` with a JSON body and these headers:

- `X-Lychgate-Timestamp`: Unix seconds. A receiver refuses a call that is older than a few minutes.
- `X-Lychgate-Signature`: `v1=` and the hex HMAC-SHA-256, under the shared secret, of the timestamp, a full stop and
  the body's bytes.
- `Idempotency-Key`: hex SHA-256 of the order; the same order brings the same key, so that a repetition is known.

The body has `version` (1), `application`, `portal`, `username`, `display_name`, `email`, `groups` (null where they are
unknown), `provider`, `issuer`, `subject`, and `plan`: the steps that were just carried out at the application, each
with its kind as `step` and what it changed. Any status from 200 to 299 means that the person may go on.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

import aiohttp

from sidecar.adapters.accounts.calls import call
from sidecar.adapters.breaker import Breaker
from sidecar.domain.account import AccountOrder, Create, Join, Leave, MakeGroup, Step, Update
from sidecar.domain.identity import Identity
from sidecar.domain.reason import Reason
from sidecar.flows.account_events import kind_of
from sidecar.flows.accounts import AccountError
from sidecar.flows.telling import Clock

_LARGEST_ANSWER = 65_536


class Webhook:
    """One receiver. Implements `flows.accounts.Hook`."""

    def __init__(
        self, name: str, session: aiohttp.ClientSession, url: str, secret: Callable[[], bytes], clock: Clock
    ) -> None:
        """*session* comes from `calls.open_session` with the hook's time-out; *secret* gives the key of the moment."""
        self.name = name
        self._session = session
        self._url = url
        self._secret = secret
        self._clock = clock
        self._breaker = Breaker(clock)

    async def run(self, order: AccountOrder, identity: Identity, steps: Sequence[Step]) -> None:
        """Make the call.

        Raises:
            AccountError: `hook_failed` for anything but a status from 200 to 299, and while a receiver that was silent
                several times is left alone.
        """
        async with self._breaker.turn(self._url) as may_call:
            if not may_call:
                detail = f"the hook {self.name} did not answer several times; it is left alone for a moment"
                raise AccountError(Reason.HOOK_FAILED, detail)
            await self._call(order, identity, steps)

    async def _call(self, order: AccountOrder, identity: Identity, steps: Sequence[Step]) -> None:
        body = _body(order, identity, steps)
        timestamp = str(self._clock.now())
        headers = {
            "Content-Type": "application/json",
            "X-Lychgate-Timestamp": timestamp,
            "X-Lychgate-Signature": sign(self._secret(), timestamp, body),
            "Idempotency-Key": idempotency_key(order),
        }
        failed = Reason.HOOK_FAILED
        try:
            answer = await call(self._session, "POST", self._url, headers, body, failed=failed, largest=_LARGEST_ANSWER)
        except AccountError as error:
            if error.retry:
                self._breaker.was_silent(self._url)
            raise
        self._breaker.answered(self._url)
        if not 200 <= answer.status < 300:
            detail = f"the hook {self.name} answered {answer.status}"
            raise AccountError(Reason.HOOK_FAILED, detail, retry=answer.status >= 500)


def sign(secret: bytes, timestamp: str, body: bytes) -> str:
    """The value of `X-Lychgate-Signature`."""
    return "v1=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def idempotency_key(order: AccountOrder) -> str:
    """Hex SHA-256 of the whole order."""
    return hashlib.sha256(_json(asdict(order))).hexdigest()


def _body(order: AccountOrder, identity: Identity, steps: Sequence[Step]) -> bytes:
    return _json(
        {
            "version": 1,
            "application": order.application,
            "portal": order.portal,
            "username": order.username,
            "display_name": order.display_name,
            "email": order.email,
            "groups": order.groups,
            "provider": identity.provider,
            "issuer": identity.person.issuer,
            "subject": identity.person.subject,
            "plan": [_told(step) for step in steps],
        }
    )


def _told(step: Step) -> dict[str, str]:
    changed = {"group": step.group} if isinstance(step, Join | Leave | MakeGroup) else {}
    if isinstance(step, Create | Update):
        attributes = {"display_name": step.display_name, "email": step.email}
        changed = {name: value for name, value in attributes.items() if value is not None}
    return {"step": kind_of(step), **changed}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
