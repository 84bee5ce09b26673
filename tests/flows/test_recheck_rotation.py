"""flows.recheck with a provider that replaces refresh tokens and then fails: the next try has the right token."""

from __future__ import annotations

from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.reason import Reason
from sidecar.flows.login import LoginError, Tokens
from sidecar.flows.recheck import PAUSE
from tests.flows.fakes import TRACE
from tests.flows.test_recheck import Refreshing, World


class FailingAfterwards(Refreshing):
    """Spends the token, gives the next one, and fails at what comes behind it."""

    spoiled = True

    async def refresh(self, refresh_token: str, person: Person, now: UnixSeconds) -> Tokens:
        tokens = await super().refresh(refresh_token, person, now)
        if self.spoiled:
            error = LoginError(Reason.PROVIDER_UNREACHABLE, "userinfo does not answer")
            error.refresh_token = tokens.refresh_token
            raise error
        return tokens


async def test_a_token_that_was_replaced_before_the_provider_failed_is_kept() -> None:
    provider = FailingAfterwards()
    world = World(provider=provider)
    entry = await world.person()

    for _ in range(2):
        assert await world.recheck.confirm(entry, TRACE)
        world.gate.clock.time += PAUSE
    checked = entry.session.checked_at
    provider.spoiled = False
    assert await world.recheck.confirm(entry, TRACE)

    assert (3, False) == (provider.calls, entry.ended)
    assert checked < entry.session.checked_at


async def test_a_session_that_ended_meanwhile_is_not_brought_back_by_it() -> None:
    provider = FailingAfterwards()
    world = World(provider=provider)
    entry = await world.person()
    await world.gate.sessions.end(entry.session.key, "user", TRACE)

    assert not await world.recheck.confirm(entry, TRACE)
    assert entry.ended
