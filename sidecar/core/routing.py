"""Where a request belongs: application, portal, canonical path. Found once; later code uses the result (rule 1).

Portals follow design section 5: the longest prefix at segment boundaries wins (R1), static and customer paths are
shared (R2), everything else belongs to the default portal.
"""

from __future__ import annotations

import re
from itertools import chain

from sidecar.core.kept import Kept, kept
from sidecar.core.paths import (
    Target,
    collapsed,
    is_plain_query,
    product_readings,
    read_target,
    single_slashes,
    without_parameters,
)
from sidecar.core.traits import traits_of
from sidecar.domain.decision import Deny, Own, Place, Relocate, RequestFacts
from sidecar.domain.policy import Application, Policy, Portal
from sidecar.domain.reason import Reason

OWN_PREFIX = "/.lychgate"
"""All our own public paths lie below `<context><OWN_PREFIX>/` (D9)."""

METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
    | {"PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH"}
)
"""What Jira and Confluence understand, WebDAV's included (RFC 4918). `TRACE` and `CONNECT` are not among them."""

LONGEST_PATH = 4096
"""Characters of a path: a longer one is no page's, and judging its readings would cost more than serving one."""

REMEMBERED_PATHS = 8192
REMEMBERED_LENGTH = 512
"""Bounds of what a locator remembers; longer paths are judged each time."""

_PLAIN_QUERY = re.compile(rb"[!\"$-~]*")
"""As `core.paths.is_plain_query`, in bytes."""

_HOST = re.compile(
    r"(?P<name>[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?P<dot>\.?)(?::(?P<port>[0-9]{1,5}))?"
)


def canonical_host(host: str) -> str | None:
    """Lower case, without trailing dot and default port; None if it is no host (RFC 9110, section 7.2).

    Browsers send names in other scripts as `xn--…`; anything outside ASCII is no host.
    """
    found = _HOST.fullmatch(host.lower())
    if found is None or not host.isascii():
        return None
    port = found["port"]
    return found["name"] if port in (None, "80", "443") else f"{found['name']}:{int(port)}"


class Locator:
    """Finds places under one policy, and remembers those of the paths that were asked for: a page asks for the same
    hundred again and again. Refusals are not remembered."""

    __slots__ = ("_places", "_policy")

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._places: dict[tuple[bool, str, str], Place] = kept("places", Kept(), REMEMBERED_PATHS)

    def known_at(self, host: str, target: bytes) -> Place | None:
        """The place of a GET or HEAD, if it is remembered and nothing speaks against the target."""
        path, mark, query = target.partition(b"?")
        if mark and _PLAIN_QUERY.fullmatch(query) is None:
            return None
        return self._places.get((True, host, path.decode("latin-1")))

    def locate(self, facts: RequestFacts) -> Place | Own | Relocate | Deny:
        """As `locate`; the query, which is not judged, is looked at anew for what may stand in no target."""
        path, _, query = facts.target.partition("?")
        key = (facts.method in {"GET", "HEAD"}, facts.host, path)
        known = self._places.get(key)
        if known is not None and facts.method in METHODS and is_plain_query(query):
            return known
        found = locate(facts, self._policy)
        if isinstance(found, Place) and len(path) <= REMEMBERED_LENGTH:
            if len(self._places) >= REMEMBERED_PATHS:
                self._places.clear()
            self._places[key] = found
        return found


def locate(facts: RequestFacts, policy: Policy) -> Place | Own | Relocate | Deny:
    """Find the place of a request, or refuse what has none."""
    if facts.method not in METHODS:
        return Deny(status=405, reason=Reason.BAD_METHOD)
    if len(facts.target.partition("?")[0]) > LONGEST_PATH:
        return Deny(status=414, reason=Reason.TARGET_TOO_LONG)
    host = canonical_host(facts.host)
    if host is None:
        return Deny(status=400, reason=Reason.BAD_TARGET)
    site = policy.sites.get(host)
    if site is None:
        return Deny(status=421, reason=Reason.UNKNOWN_HOST)
    target = read_target(facts.target)
    if target is None:
        return Deny(status=400, reason=Reason.BAD_PATH)
    path = single_slashes(target.path) if target.doubled else target.path
    application = next((app for app in site if _is_below(path, app.context)), None)
    if application is None:
        return Deny(status=404, reason=Reason.NO_PORTAL)
    if target.doubled:
        if facts.method in {"GET", "HEAD"}:
            return Relocate(location=application.origin + collapsed(target))
        return Deny(status=400, reason=Reason.BAD_PATH)
    return _place(target, application, facts.method)


def _place(target: Target, application: Application, method: str) -> Place | Own | Deny:
    below = target.path[len(application.context) :] or "/"
    if below == OWN_PREFIX or below.startswith(OWN_PREFIX + "/"):
        return _own(target, below, application)
    refusal = _odd_characters(target, below, application)
    if refusal is not None:
        return refusal
    readings = _readings(below, target, application)
    owners = {_owner(reading, application, method) for reading in readings}
    if len(owners) != 1:
        # Two readings that belong to two doors: nobody can say who must be asked. None: there were too many to judge.
        return Deny(status=400, reason=Reason.BAD_PATH)
    portal, shared = _portal_named(owners.pop(), application)
    return Place(
        application=application,
        portal=portal,
        shared=shared,
        path=application.context + readings[0],
        below=readings[0],
        readings=readings[1:],
        traits=traits_of(application, portal, readings),
    )


def _own(target: Target, below: str, application: Application) -> Own | Deny:
    # Exact bytes only: `/%2Elychgate/logout` is not ours and is not the application's either.
    exact = target.raw == application.context + below and not target.semicolon
    if not exact or not below.startswith(OWN_PREFIX + "/"):
        return Deny(status=404, reason=Reason.UNKNOWN_ENDPOINT)
    return Own(application=application, endpoint=below[len(OWN_PREFIX) + 1 :], query=target.query or "")


def _odd_characters(target: Target, below: str, application: Application) -> Deny | None:
    bare = without_parameters(below).replace("%2F", "/")
    if target.semicolon and (";jsessionid=" in below.lower() or bare not in application.semicolons):
        return Deny(status=400, reason=Reason.BAD_PATH)
    if target.encoded_slash and bare not in application.encoded_slashes:
        return Deny(status=400, reason=Reason.BAD_PATH)
    return None


def _readings(below: str, target: Target, application: Application) -> tuple[str, ...]:
    spellings = [below]
    if target.semicolon:
        spellings.insert(0, without_parameters(below))
    if target.encoded_slash:
        spellings.extend([spelling.replace("%2F", "/") for spelling in spellings])
    found = [product_readings(spelling, application.product) for spelling in spellings]
    return tuple(dict.fromkeys(chain.from_iterable(found))) if all(found) else ()


def _owner(below: str, application: Application, method: str) -> tuple[str, str]:
    if method in {"GET", "HEAD"} and below in application.static:
        return application.default_portal.name, "static"
    best, length = application.default_portal, -1
    for portal in application.portals:
        for prefix in portal.prefixes:
            if len(prefix) > length and _is_below(below, prefix):
                best, length = portal, len(prefix)
    shared = "customer" if best.default and below in application.customer else ""
    return best.name, shared


def _portal_named(owner: tuple[str, str], application: Application) -> tuple[Portal, str]:
    portal = application.portal(owner[0])
    return portal if portal is not None else application.default_portal, owner[1]


def _is_below(path: str, prefix: str) -> bool:
    """At a segment boundary: `/jira` holds `/jira` and `/jira/x`, not `/jirafa`."""
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] == "/")
