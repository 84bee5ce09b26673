"""core.groups: every form of a line gives just what it says, and what a line can name is what it can give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.groups import Fate, gifts, nameable, needs_groups, plain, reads_groups
from sidecar.core.groups import given as given_by
from sidecar.domain.policy import Answer, Condition, GroupMapping, GroupPolicy
from tests.core.worlds import ADMINS, STAFF, Jira, rule

ADMIN = frozenset({"jira-administrators"})


def line(source: str, target: str) -> GroupPolicy:
    """One line by pattern."""
    return GroupPolicy(mapping=(GroupMapping(source=source, target=target, line="map[0]"),))


def exact(source: str, target: str, *, admin: bool = False) -> GroupPolicy:
    """One line by name."""
    mapping = (GroupMapping(source=source, target=target, exact=True, admin=admin, line="map[0]"),)
    return GroupPolicy(mapping=mapping, admin=frozenset({target} if admin else ()))


GUID = "6f1c2e3d-0000-0000-0000-00000000000a"

TABLE: dict[str, tuple[GroupPolicy, tuple[str, ...], tuple[str, ...]]] = {
    "a pattern matches the whole name": (line("okta-(.+)", "jira-$1"), ("okta-a", "xokta-b"), ("jira-a",)),
    "two brackets": (line("(.+)-(.+)", "$2.$1"), ("a-b",), ("b.a",)),
    "a bracket that took no part": (line("a(b)?", "x$1"), ("a", "ab"), ("x", "xb")),
    "a place without a bracket is empty": (line("a", "x$1"), ("a",), ("x",)),
    "letters of all scripts": (line("okta-(.+)", "$1"), ("okta-größe", "okta-チーム"), ("größe", "チーム")),
    "signs that are harmless": (line("x(.+)", "$1"), ("xr.d_x@y+z (eu)/a:b#c',d-e",), ("r.d_x@y+z (eu)/a:b#c',d-e",)),
    "signs that are not": (line("okta-(.+)", "$1"), ("okta-<b>", "okta-a&b", 'okta-"', "okta-a;b", "okta-a\\b"), ()),
    "control characters": (line("okta-(.+)", "$1"), ("okta-a\tb", "okta-\x00", "okta-a\u200bb", "okta-a\u202eb"), ()),
    "blanks at the ends": (line("okta-(.+)", "$1"), ("okta- a", "okta-a "), ()),
    "nothing is no name": (line("okta-(.*)", "$1"), ("okta-",), ()),
    "what is written down may have any sign": (line("okta-x", "r&d"), ("okta-x",), ("r&d",)),
    "the rest of a name is not looked at": (line("<(.+)>", "$1"), ("<a>",), ("a",)),
    "an exact name is no pattern": (exact("a.b (eu)", "x"), ("a.b (eu)", "axb (eu)", "a.b eu"), ("x",)),
    "an exact name has its case": (exact("Staff", "x"), ("staff", "STAFF"), ()),
    "the table": (GroupPolicy(table={GUID: ("One", "two")}), (GUID, GUID.upper(), "one"), ("one", "two")),
    "taken over": (GroupPolicy(as_is=("jira-",)), ("jira-a", "Jira-B", "okta-jira-c", "jir"), ("jira-a", "jira-b")),
    "taken over, but for odd signs": (GroupPolicy(as_is=("jira-",)), ("jira-a&b", "jira-\u200b", "jira-a;b"), ()),
    "taken over by the second prefix": (GroupPolicy(as_is=("jira-", "conf-")), ("conf-a",), ("conf-a",)),
    "always": (GroupPolicy(always=("All", "more")), (), ("all", "more")),
    "not at once": (GroupPolicy(on_create=("new",), if_empty=("guests",)), ("new", "guests"), ()),
    "protected by a pattern": (line("(.+)", "$1"), ("jira-administrators", "JIRA-Administrators"), ()),
    "protected by a plain pattern": (line("root", "jira-administrators"), ("root",), ()),
    "protected by an exact line": (exact("root", "jira-administrators"), ("root",), ()),
    "protected by the table": (GroupPolicy(table={"root": ("jira-administrators",)}), ("root",), ()),
    "protected, taken over": (GroupPolicy(as_is=("jira-",)), ("jira-administrators", "jira-a"), ("jira-a",)),
    "protected for everybody": (GroupPolicy(always=("Jira-Administrators",)), (), ()),
    "an administrators' line that is a pattern": (
        GroupPolicy(mapping=(GroupMapping(source="r.*", target="jira-administrators", admin=True),)), ("root",), (),
    ),
    "an administrators' line": (exact("root", "jira-administrators", admin=True), ("root",), ("jira-administrators",)),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_what_is_given(name: str) -> None:
    policy, known, expected = TABLE[name]
    assert expected == given_by(known, policy, ADMIN)


def test_an_administrators_line_opens_its_own_group_only() -> None:
    """Another line that spells the same group gives nothing, although the group is one of `admin`."""
    opened = exact("root", "jira-administrators", admin=True)
    both = GroupPolicy(mapping=(*line("(.+)", "$1").mapping, *opened.mapping), admin=opened.admin)
    assert () == given_by(("jira-administrators",), both, ADMIN)
    assert [Fate.PROTECTED] == [gift.fate for gift in gifts(ADMIN, both, ADMIN)]
    assert ("jira-administrators", "root") == given_by(("root",), both, ADMIN)


def test_the_sites_own_protected_groups_count_like_the_products() -> None:
    policy = GroupPolicy(always=("vault",), as_is=("va",), protected=frozenset({"Vault"}))
    assert () == given_by(("vault",), policy, ADMIN)
    assert {} == plain(("VAULT",), policy)


def test_what_lines_can_name() -> None:
    policy = GroupPolicy(
        mapping=(*line("(.+)", "jira-$1-x").mapping, *line("a", "r.d").mapping, *exact("b", "c$1").mapping),
        table={"6f": ("Six",)},
        as_is=("conf-",),
        always=("all",),
        on_create=("new",),
        if_empty=("guests",),
    )
    have = (
        "jira-a-x",
        "jira-&-x",
        "jira-a",
        "r.d",
        "rxd",
        "c$1",
        "c",
        "six",
        "conf-a",
        "conf-&",
        "all",
        "new",
        "guests",
    )
    assert {"jira-a-x", "r.d", "c$1", "six", "conf-a"} == nameable(have, policy)


PIECES = st.lists(st.sampled_from(["a", "-", ".", "$1", "$2", "X", "&"]), min_size=1, max_size=5).map("".join)


@given(PIECES, st.sampled_from(["(.*)-(.*)", "(.)(.*)", "(a+)"]), st.text("abX.-& ", max_size=8))
def test_what_a_line_gives_it_can_name(target: str, source: str, known: str) -> None:
    policy = line(source, target)
    groups = given_by((known,), policy, ADMIN)
    assert set(groups) == nameable({group.casefold() for group in groups}, policy)


@given(st.text(min_size=2, max_size=5), st.text(max_size=8))
def test_what_is_taken_over_begins_with_the_prefix(prefix: str, known: str) -> None:
    for group in given_by((known, prefix + known), GroupPolicy(as_is=(prefix,)), ADMIN):
        assert group.casefold().startswith(prefix.casefold())
        assert group == (prefix + known).lower() or group == known.lower()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (GroupPolicy(always=("a",), on_create=("b",), if_empty=("c",)), False),
        (line("a", "b"), True),
        (GroupPolicy(table={"a": ("b",)}), True),
        (GroupPolicy(as_is=("a-",)), True),
    ],
)
def test_what_reads_the_providers_groups(policy: GroupPolicy, expected: bool) -> None:
    assert expected == reads_groups(policy)


def test_which_portals_need_groups() -> None:
    doors = [
        Jira().policy,
        Jira(require=STAFF).policy,
        Jira(rules=(rule("agents/x", Answer.ALLOW, "/x", condition=ADMINS),)).policy,
        Jira(rules=(rule("agents/x", Answer.ALLOW, "/x", condition=Condition(claims={"a": frozenset({"b"})})),)).policy,
    ]
    portals = [policy.applications["jira"].default_portal for policy in doors]
    assert [False, True, True, False] == [needs_groups(portal) for portal in portals]
