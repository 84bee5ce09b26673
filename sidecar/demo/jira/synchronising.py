"""The directory of type Crowd behind a stand-in Jira: all users, groups and memberships are taken over from its server.

Called by tests, as an administrator presses *Synchronise*. Asks as the products' client does for a full
synchronisation; whoever is no longer there is removed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from xml.etree.ElementTree import Element

import aiohttp

from sidecar.demo.jira.crowd import ask_crowd, crowd_client, take_over
from sidecar.demo.jira.settings import CrowdConfig
from sidecar.demo.people import Directory

PAGE = 2
"""Entries of one answer; products ask for a thousand."""

_EVERYTHING = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?><null-search-restriction/>'


async def synchronise(people: Directory, known: set[str], config: CrowdConfig) -> None:
    """Take everything over; *known* are the users that came from there before, and then those that do now.

    Raises:
        LookupError: something was not answered.
    """
    async with crowd_client(config) as client:
        events = await ask_crowd(client, "GET", f"{config.base_url}/event")
        if events is None or events.get("incrementalSynchronisationAvailable") != "false":
            raise LookupError("the server wants its events to be read")
        users = [user async for user in _all(client, config, "user")]
        groups = [group.get("name", "") async for group in _all(client, config, "group")]
        memberships = await ask_crowd(client, "GET", f"{config.base_url}/group/membership")
    if memberships is None:
        raise LookupError("there are no memberships")
    names = {user.get("name", "").lower() for user in users}
    for name in known - names:
        people.users.pop(name, None)
    known.clear()
    known.update(names)
    for user in users:
        take_over(people, user)
    people.groups.update(group.lower() for group in groups)
    wanted: dict[str, set[str]] = {name: set() for name in names}
    for membership in memberships:
        for user in membership.iter("user"):
            wanted[user.get("name", "").lower()].add(membership.get("group", "").lower())
    for name, some in wanted.items():
        people.users[name].groups = some


async def _all(client: aiohttp.ClientSession, config: CrowdConfig, kind: str) -> AsyncIterator[Element]:
    start = 0
    while True:
        query = f"entity-type={kind}&start-index={start}&max-results={PAGE}&expand={kind}"
        found = await ask_crowd(client, "POST", f"{config.base_url}/search?{query}", _EVERYTHING)
        if found is None:
            raise LookupError(f"nobody searches for a {kind}")
        for entry in found:
            yield entry
        if len(found) < PAGE:
            return
        start += PAGE
