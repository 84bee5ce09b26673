"""Where the control socket is: for the gate, and for a command that looks for it in a file which may be at fault.

`lychgate status` must work above all when a new file was refused, so a command reads the two keys that it needs alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sidecar.adapters.state.settings import StateSettings
from sidecar.config.source import read_source

OFF = "off"
BESIDE = Path("control") / "gate.sock"
"""Below the folder of the state."""


def control_path(control: str | None, state: StateSettings) -> Path | None:
    """Where `listen.control` and `state` say that it is; None: there is none."""
    if control is not None:
        return None if control == OFF else Path(control)
    return state.directory / BESIDE if state.directory is not None else None


def control_path_in(path: Path) -> Path | None:
    """The same, of a file of which nothing else is looked at.

    Raises:
        ConfigError: the file cannot be read, or is no YAML.
    """
    data = read_source(path).data
    listen, state = _part(data, "listen"), _part(data, "state")
    control = _part(listen, "control")
    try:
        settings = StateSettings.parse(state)
    except ValueError:
        settings = StateSettings(None)
    return control_path(control if isinstance(control, str) else None, settings)


def _part(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None
