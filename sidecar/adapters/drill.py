"""Asks our own emergency listener for the application's log-in page, as a browser of this machine would.

Used by `building.emergency` for `lychgate break-glass drill`. Blocks; redirects within the listener are followed.
"""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

SECONDS = 20.0
LARGEST = 512 * 1024
"""Bytes of a page that are looked at."""

MOST_STEPS = 4
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Page:
    """What came back.

    Attributes:
        status: Its status; 0: nothing did.
        asks: Whether a password is asked for, as far as the page itself says it; a script may ask later.
        leads: Where it leads away to, scheme and host; "" if it stays.
        failed: What went wrong, if nothing came.
    """

    status: int
    asks: bool = False
    leads: str = ""
    failed: str = ""


def asked(host: str, port: int, path: str, header: tuple[str, str] | None, fields: frozenset[str]) -> Page:
    """The page at *path*, which begins with a slash. *fields* are the names by which the product takes passwords."""
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    headers = {"Host": name, "Accept": "text/html", **(dict([header]) if header is not None else {})}
    cookies: dict[str, str] = {}
    for _ in range(MOST_STEPS):
        if cookies:
            headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in cookies.items())
        connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            body = answer.read(LARGEST)
        except (OSError, http.client.HTTPException) as error:
            return Page(0, failed=str(error) or type(error).__name__)
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie", []):
            key, _, value = line.partition(";")[0].partition("=")
            cookies[key] = value
        if answer.status not in _REDIRECTS:
            text = body.decode("utf-8", "replace")
            return Page(answer.status, asks='type="password"' in text or any(one in text for one in fields))
        target = urlsplit(next((value for key, value in answer.getheaders() if key.lower() == "location"), ""))
        if target.netloc and target.netloc != name:
            return Page(answer.status, leads=f"{target.scheme}://{target.netloc}")
        path = (target.path or "/") + (f"?{target.query}" if target.query else "")
    return Page(0, failed="it leads round in a circle")
