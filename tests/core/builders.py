"""A small policy for the tests of paths, routing and return targets.

One host carries a Jira with two doors (`agents`, the default; `support`, the JSM customers') and a Confluence beside
it. `requested` makes the facts of a request.
"""

from __future__ import annotations

from pathlib import Path

from sidecar.core.routing import locate
from sidecar.domain.decision import Deny, Kind, Own, Place, Relocate, RequestFacts
from sidecar.domain.paths import NO_PATHS, PathSet
from sidecar.domain.policy import (
    AccountPolicy,
    ApiPolicy,
    Application,
    Condition,
    GroupPolicy,
    Mode,
    Policy,
    Portal,
    UsernameMapping,
)
from sidecar.domain.product import Product
from sidecar.products.confluence import CONFLUENCE
from sidecar.products.jira import JIRA

HOST = "jira.example.com"
ORIGIN = f"https://{HOST}"


def portal(name: str, application: str, *prefixes: str) -> Portal:
    """A door; the one without prefixes is the default."""
    return Portal(
        name=name,
        application=application,
        default=not prefixes,
        prefixes=prefixes,
        providers=("okta",),
        accepts=frozenset(),
        mode=Mode.ENFORCE,
        require=Condition(),
        rules=(),
        username=UsernameMapping(),
        groups=GroupPolicy(),
    )


def application(
    product: Product,
    context: str = "",
    *portals: Portal,
    semicolons: PathSet = NO_PATHS,
    encoded_slashes: PathSet = NO_PATHS,
) -> Application:
    """An application of *product*; one portal `all` if none is given."""
    sets = product.path_sets
    return Application(
        name=product.name,
        product=product,
        origin=ORIGIN,
        host=HOST,
        context=context,
        portals=portals or (portal("all", product.name),),
        cookie=f"__Host-lychgate-{product.name}",
        accounts=AccountPolicy(),
        api=ApiPolicy(paths=sets["machine"]),
        semicolons=semicolons,
        encoded_slashes=encoded_slashes,
        static=sets["static"],
        customer=sets["customer"],
        closed=sets["closed"],
    )


def jira(context: str = "", *, semicolons: PathSet = NO_PATHS, encoded_slashes: PathSet = NO_PATHS) -> Application:
    """The Jira with its two doors."""
    doors = (portal("agents", "jira"), portal("support", "jira", *JIRA.presets["jsm"]))
    return application(JIRA, context, *doors, semicolons=semicolons, encoded_slashes=encoded_slashes)


def policy(*applications: Application) -> Policy:
    """A policy of applications on one host, the longest context path first."""
    them = tuple(sorted(applications, key=lambda one: len(one.context), reverse=True))
    return Policy(
        hash="0",
        applications={one.name: one for one in them},
        sites={HOST: them},
        providers={},
        strip=frozenset(),
    )


ROOT = policy(jira())
"""Jira alone, without context path."""

BESIDE = policy(jira("/jira"), application(CONFLUENCE, "/wiki"))
"""Both products on one host, each below its context path."""

ABOVE = policy(jira("/jira"), application(CONFLUENCE))
"""Jira below its context path, Confluence at the root of the same host."""


def requested(target: str, method: str = "GET", host: str = HOST) -> RequestFacts:
    """Facts of a navigation."""
    return RequestFacts(method=method, host=host, target=target, kind=Kind.NAVIGATION)


def placed(target: str, among: Policy = ROOT, method: str = "GET", host: str = HOST) -> Place | Own | Relocate | Deny:
    """Where the request belongs."""
    return locate(requested(target, method, host), among)


def place(target: str, among: Policy = ROOT, method: str = "GET") -> Place:
    """Where the request belongs; fails if it is refused."""
    found = placed(target, among, method)
    assert isinstance(found, Place), (target, found)
    return found


def refused(target: str, among: Policy = ROOT, method: str = "GET", host: str = HOST) -> int | None:
    """The status of the refusal; None if the request was not refused."""
    found = placed(target, among, method, host)
    return found.status if isinstance(found, Deny) else None


def payloads(name: str) -> list[str]:
    """Lines of a payload file; lines that begin with `# ` are remarks."""
    text = (Path(__file__).parent / "payloads" / name).read_text(encoding="utf-8")
    return [line for line in text.split("\n") if line and not line.startswith("# ")]
