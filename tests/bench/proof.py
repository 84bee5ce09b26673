"""Before anything is measured: each peer gives the right answer to each case, or its row says what it gave."""

from __future__ import annotations

import socket

import aiohttp
from yarl import URL

from tests.bench.cases import Case, Kind, Who
from tests.bench.peers import Peer
from tests.bench.upstream import ANSWER_FIELDS


async def fault(peer: Peer, case: Case, issuer: str) -> str:
    """What is wrong with a peer's answer to a case; "" if nothing is. WebSockets prove themselves under load."""
    if case.kind is Kind.SOCKET:
        return ""
    connector = aiohttp.TCPConnector(family=socket.AF_INET)
    url = URL(f"http://127.0.0.1:{peer.port}{case.path}", encoded=True)
    body = b"x" * case.body if case.body else None
    async with (
        aiohttp.ClientSession(connector=connector, auto_decompress=False) as http,
        http.request(case.method, url, headers=peer.headers(case), data=body, allow_redirects=False) as answer,
    ):
        content = await answer.read()
        if answer.status != case.status:
            return f"answers {answer.status}, not {case.status}"
        if case.size is not None and len(content) != case.size:
            return f"answers {len(content)} bytes, not {case.size}"
        if case.who is Who.NOBODY and not answer.headers.get("Location", "").startswith(issuer):
            return "sends nobody to the provider"
        if peer.service is None and case.size and not case.body and len(answer.headers) != ANSWER_FIELDS:
            return f"answers with {len(answer.headers)} fields, not {ANSWER_FIELDS}"
    return ""
