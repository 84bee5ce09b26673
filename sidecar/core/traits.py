"""What product knowledge and rules say of a path: found once for each path, not for each request.

Made by `core.routing` with the place; read by `core.decide`. Every reading of the path counts (D1).
"""

from __future__ import annotations

from sidecar.domain.decision import Traits
from sidecar.domain.policy import Answer, Application, Portal, Rule


def traits_of(application: Application, portal: Portal, readings: tuple[str, ...]) -> Traits:
    """The traits of a path at *portal*; *readings* are all that the application may find in it."""
    product, api = application.product, application.api
    password = product.path_sets["password_login"]
    polling = product.path_sets["polling"]
    return Traits(
        closed=any(application.closed.holds_folded(path) for path in readings),
        logout=any(path in product.logout_paths for path in readings),
        login=any(path in product.login_paths for path in readings),
        password=any(password.holds_folded(path) for path in readings),
        polling=any(path in polling for path in readings),
        machine=all(path in api.paths for path in readings),
        public=bool(api.public) and portal.default and all(path in api.public for path in readings),
        matching=tuple(
            tuple(number for number, rule in enumerate(portal.rules) if _holds(rule, path)) for path in readings
        ),
    )


def demands(rule: Rule) -> bool:
    """Whether an `allow` asks more than the portal does."""
    return rule.answer is Answer.ALLOW and (rule.steps_up or not is_unconditional(rule))


def is_unconditional(rule: Rule) -> bool:
    """Whether a rule asks nothing of the person."""
    return not rule.condition.asks_groups and not rule.condition.claims


def takes(rule: Rule, method: str) -> bool:
    """Whether the rule speaks of the method. `GET` in a rule means `HEAD` as well: it is the same request without the
    content (RFC 9110, section 9.3.2)."""
    methods = rule.methods
    return methods is None or method in methods or (method == "HEAD" and "GET" in methods)


def _holds(rule: Rule, path: str) -> bool:
    """A rule that denies or demands holds in any letter case (rule 17)."""
    if rule.answer is Answer.DENY or demands(rule):
        return rule.paths.holds_folded(path)
    return path in rule.paths
