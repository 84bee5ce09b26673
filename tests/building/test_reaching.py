"""building.reaching: of several nodes the first that serves is asked, and those that do not serve come last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from sidecar.building.reaching import _places
from sidecar.config.model_upstream import UpstreamSettings


class Said:
    """Nodes that are known to serve or not to."""

    def __init__(self, serving: Mapping[str, int]) -> None:
        self._serving = serving

    def serving(self) -> Mapping[str, int]:
        return self._serving


A, B, C = (("http://a:1", None, True), ("http://b", None, True), ("http://c:1", None, True))
LIST = UpstreamSettings(url="http://c:1", also=("http://a:1", "http://b"))
NAME = UpstreamSettings(url="https://jira:8443", every_address=True)
NAMED = UpstreamSettings(url="https://jira:8443", every_address=True, server_name="inner")
TABLE: list[tuple[UpstreamSettings, Mapping[str, int] | None, list[tuple[str, str | None, bool]]]] = [
    (LIST, None, [C, A, B]),
    (LIST, {"a:1": 1, "b": 1, "c:1": 0}, [A, B, C]),
    (LIST, {"a:1": 0, "b": 0, "c:1": 0}, [C, A, B]),
    (NAME, None, [("https://jira:8443", None, True)]),
    (NAME, {}, [("https://jira:8443", None, True)]),
    (NAME, {"10.0.0.1:8443": 0, "[fd00::2]:8443": 1},
     [("https://[fd00::2]:8443", "jira", False), ("https://10.0.0.1:8443", "jira", False)]),
    (NAMED, {"10.0.0.1:8443": 1}, [("https://10.0.0.1:8443", "inner", False)]),
]  # fmt: skip


@pytest.mark.parametrize(("way", "serving", "wanted"), TABLE)
def test_where_a_call_goes(way: UpstreamSettings, serving: Mapping[str, int] | None, wanted: list[Any]) -> None:
    nodes: Any = None if serving is None else Said(serving)
    found = [(str(place.origin), place.server_name, place.is_named) for place in _places(way, nodes)]
    assert wanted == found
