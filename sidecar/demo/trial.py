"""One sign-in from end to end, walked by a program: gate, provider and stand-in Jira in this process, all on loopback.

`python -m sidecar.demo.trial` tells each step and ends with 0 if it went well. `helm test` runs it in an image of its
own: whether a gate can work in such a pod is seen without anybody's configuration.
"""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import AsyncIterator
from urllib.parse import urljoin

import aiohttp
from yarl import URL

from sidecar.demo.cast import STAFF
from sidecar.demo.run import running_demo

WHOLE = 120.0
"""Seconds for all of it, on a slow machine."""

_PAGE = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
_FORGED = {"X-Lychgate-User": "ada", "Remote-User": "ada"}
_API = "/rest/api/2/myself"
_ASKED = "/browse/KEY-1"
_HOPS = 10


class TrialError(Exception):
    """Something was otherwise than it should be."""


async def steps(url: str) -> AsyncIterator[str]:
    """Walk it at a gate in front of the demonstration's Jira; each step as it was seen.

    Raises:
        TrialError: one was otherwise.
    """
    person = STAFF[0]
    jar = aiohttp.CookieJar(unsafe=True, treat_as_secure_origin=[URL(url)])
    async with aiohttp.ClientSession(cookie_jar=jar) as http:
        async with http.get(url + _API, headers=_FORGED) as answer:
            yield _seen("a program with forged headers gets 401", answer.status == 401, answer.status)
        place, text = await _signed_in(http, url, person.key)
        yield _seen("the sign-in ends at the page that was asked for", place == url + _ASKED, place)
        yield _seen("the page is for the person", person.name in text, text[:200])
        async with http.get(url + _API, headers=_FORGED) as answer:
            found = (await answer.json()).get("name")
            yield _seen("Jira knows the person, and not the forged headers", found == person.key, found)


async def _signed_in(http: aiohttp.ClientSession, url: str, key: str) -> tuple[str, str]:
    """Where *key* arrives who asked for a page, and what it shows."""
    address, method, form = url + _ASKED, "GET", None
    for _ in range(_HOPS):
        target = URL(address, encoded=True)
        async with http.request(method, target, data=form, headers=_PAGE, allow_redirects=False) as answer:
            status, text, place = answer.status, await answer.text(), answer.headers.get("Location", "")
        method, form = "GET", None
        button = re.search(r'name="interaction" value="([^"]+)"', text)
        if status in {302, 303}:
            address = urljoin(address, place)
        elif status == 200 and button and not address.startswith(url):
            address, method, form = urljoin(address, "/choose"), "POST", {"interaction": button[1], "person": key}
        elif status == 200:
            return address, text
        else:
            raise TrialError(f"the way through the sign-in ends at {address} with {status}")
    raise TrialError(f"the way through the sign-in goes in circles; it is at {address}")


def _seen(step: str, good: bool, found: object) -> str:
    if not good:
        raise TrialError(f"not so: {step}; it was {found}")
    return step


async def trial() -> None:
    """All of it, told line by line.

    Raises:
        TrialError: a step was otherwise.
    """
    async with asyncio.timeout(WHOLE), running_demo(0, io.StringIO()) as demo:
        async for step in steps(demo.url):
            print("seen:", step, flush=True)


def main() -> int:
    """The command."""
    try:
        asyncio.run(trial())
    except (TrialError, TimeoutError) as error:
        print("FAILED:", str(error) or f"it took longer than {WHOLE:.0f} s")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
