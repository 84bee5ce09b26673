"""core.groupnames: one value, one name; a value that cannot be read has none."""

from __future__ import annotations

import pytest

from sidecar.core.claims import groups_from
from sidecar.core.groupnames import group_name
from sidecar.domain.shape import GroupFormat, GroupReading

AS_IS, LAST, CN = GroupFormat.AS_IS, GroupFormat.LAST_SEGMENT, GroupFormat.COMMON_NAME


@pytest.mark.parametrize(
    ("form", "value", "expected"),
    [
        (AS_IS, "/staff/jira", "/staff/jira"),
        (AS_IS, "CN=jira,OU=staff", "CN=jira,OU=staff"),
        (AS_IS, "", None),
        (LAST, "/staff/jira", "jira"),
        (LAST, "/jira", "jira"),
        (LAST, "jira", "jira"),
        (LAST, "/staff/jira/", None),
        (LAST, "/", None),
        (LAST, "/staff/a~/b", None),
        (CN, "CN=jira-users,OU=Groups,DC=example,DC=com", "jira-users"),
        (CN, "cn = Jira Users, ou=Groups", "Jira Users"),
        (CN, "CN=jira", "jira"),
        (CN, r"CN=Users\, Jira,OU=x", "Users, Jira"),
        (CN, r"CN=a\2Cb,OU=x", "a,b"),
        (CN, r"CN=M\C3\BCnchen,OU=x", "München"),
        (CN, r"CN=M\C3,OU=x", None),
        (CN, r"CN=a\\,OU=x", "a\\"),
        (CN, "OU=Groups,CN=jira", None),
        (CN, "CN=jira+UID=7,OU=x", None),
        (CN, 'CN="jira",OU=x', None),
        (CN, "CN=,OU=x", None),
        (CN, "CN=a,OU=x;CN=b,OU=x", None),
        (CN, r"CN=a,OU=x\;y", "a"),
        (CN, "CN=a,OU=x\\", None),
        (CN, "jira-users", None),
        (CN, "XCN=jira", None),
    ],
)  # fmt: skip
def test_formats(form: GroupFormat, value: str, expected: str | None) -> None:
    assert expected == group_name(value, GroupReading(format=form))


def test_ids_get_names_and_all_others_keep_what_they_are() -> None:
    reading = GroupReading(names={"id-1": "jira-users"})
    assert ("id-2", "jira-users") == groups_from({"groups": ("id-2", "id-1")}, reading)


def test_the_name_counts_for_the_table_not_the_value() -> None:
    assert "x" == group_name("/staff/jira", GroupReading(format=LAST, names={"jira": "x", "/staff/jira": "y"}))


def test_one_value_that_cannot_be_read_makes_all_unknown() -> None:
    reading = GroupReading(format=CN)
    assert ("a", "b") == groups_from({"groups": ("CN=b,OU=x", "CN=a,OU=x")}, reading)
    assert groups_from({"groups": ("CN=b,OU=x", "a")}, reading) is None


def test_groups_that_end_alike_become_one() -> None:
    assert ("jira",) == groups_from({"groups": ("/staff/jira", "/guests/jira")}, GroupReading(format=LAST))


def test_a_list_of_the_length_at_which_it_is_cut_is_unknown() -> None:
    reading = GroupReading(cut_at=3)
    assert ("a", "b") == groups_from({"groups": ("a", "b")}, reading)
    assert groups_from({"groups": ("a", "b", "c")}, reading) is None
    assert ("a", "b", "c", "d") == groups_from({"groups": ("a", "b", "c", "d")}, reading)
    assert () == groups_from({"groups": ()}, GroupReading(cut_at=0))


def test_a_prefix_stands_before_every_name() -> None:
    """After names were put in place of ids, so that no id and no name can spell another provider's group."""
    reading = GroupReading(prefix="partner:", names={"id-1": "jira"})
    assert ("partner:jira", "partner:staff") == groups_from({"groups": ("staff", "id-1")}, reading)
    assert () == groups_from({"groups": ()}, reading)
    assert groups_from({}, reading) is None
