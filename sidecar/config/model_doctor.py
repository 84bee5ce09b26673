"""Settings of the examination that a running gate makes of its surroundings."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from sidecar.adapters.settings import Seconds, Settings, fault

_LEAST, _MOST = 60, 604_800


def _pause(value: int) -> int:
    if value and not _LEAST <= value <= _MOST:
        raise fault("is too often or too rare", "write 1m to 7d, or 0s for never")
    return value


class DoctorSettings(Settings):
    """What `lychgate doctor` looks at, looked at by the running gate."""

    every: Annotated[Seconds, AfterValidator(_pause)] = Field(
        default=3600,
        description="How often a running gate examines what it stands on, from its start on: providers, applications, "
        "state. `0s`: never.",
    )
