"""adapters.clock: chance is long enough and fit for a `state`; a source that fails stops everything (rule 78)."""

from __future__ import annotations

import re
import secrets

import pytest

from sidecar.adapters.clock import SystemChance, SystemClock


def test_tokens_are_url_safe_long_and_never_the_same() -> None:
    tokens = {SystemChance().token(16) for _ in range(200)}

    assert 200 == len(tokens)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", token) for token in tokens)


def test_a_source_of_chance_that_fails_gives_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(size: int | None = None) -> str:
        raise OSError("no randomness")

    monkeypatch.setattr(secrets, "token_urlsafe", broken)

    with pytest.raises(OSError, match="no randomness"):
        SystemChance().token()


def test_time_is_whole_seconds() -> None:
    clock = SystemClock()

    assert clock.now() == int(clock.now())
    assert clock.monotonic() <= clock.monotonic()
