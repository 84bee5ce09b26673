"""Plain requests to a stand-in, as a program makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import aiohttp
from yarl import URL


async def ask(
    url: str, method: str, target: str, headers: Mapping[str, str], body: object = None
) -> tuple[int, object, Mapping[str, str]]:
    """One request: status, decoded body (None for what is no JSON), headers. *target* goes out as it stands."""
    data = None if body is None else json.dumps(body)
    sent = {"Accept": "application/json", **({"Content-Type": "application/json"} if data else {}), **headers}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url + target, encoded=True), headers=sent, data=data) as answer,
    ):
        text = await answer.text()
        decoded = json.loads(text) if answer.content_type == "application/json" else None
        return answer.status, decoded, answer.headers
