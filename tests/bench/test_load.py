"""What goes out: the request that a case describes, as wrk and as a WebSocket are told."""

from __future__ import annotations

import pytest

from tests.bench.cases import CASES, MAIN, POST, SOCKET, request_headers
from tests.bench.load import quantile, script
from tests.bench.sockets import opening

ORIGIN = "http://localhost:8080"


def test_the_main_shape_has_fourteen_fields() -> None:
    assert 14 == len(request_headers(MAIN, ORIGIN, "a=b"))


def test_cases_have_keys_of_their_own() -> None:
    assert len(CASES) == len({case.key for case in CASES})


def test_a_script_holds_method_fields_and_body() -> None:
    text = script(POST, {"Cookie": 'a="b"'})

    assert 'wrk.method = "POST"' in text
    assert 'wrk.headers["Cookie"] = "a=\\"b\\""' in text
    assert f'wrk.body = string.rep("x", {64 * 1024})' in text


def test_a_websocket_asks_once_for_each_thing() -> None:
    head = opening(SOCKET, request_headers(SOCKET, ORIGIN, "a=b"), ORIGIN).decode()
    names = [line.partition(":")[0].lower() for line in head.split("\r\n")[1:-2]]

    assert len(names) == len(set(names))
    assert f"Origin: {ORIGIN}\r\n" in head
    assert head.endswith("\r\n\r\n")


@pytest.mark.parametrize(("part", "expected"), [(0.0, 1), (0.5, 3), (0.99, 4), (1.0, 4)])
def test_a_quantile_is_a_value_that_was_there(part: float, expected: int) -> None:
    assert expected == quantile([1, 2, 3, 4], part)
