"""The lines of the test page: each says what was found and why, and unknown is never none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sidecar.core.accounts import NewPin, Plan, Refusal, Skipped
from sidecar.core.orders import order_for
from sidecar.core.preview import LONGEST, Chapter, Look, Told, chapters
from sidecar.domain.account import Create, Join, Leave, MakeGroup, Reactivate, Step, Update
from sidecar.domain.identity import Identity, UnixSeconds
from sidecar.domain.ledger import Deactivation
from sidecar.domain.policy import UsernameMapping
from sidecar.domain.reason import Reason
from sidecar.domain.standing import Standing
from tests.flows.fake_accounts import ACCOUNTS, GROUPS, account, agent, make_policy

APPLICATION = make_policy(ACCOUNTS, replace(GROUPS, always=("everybody",))).applications["jira"]
PORTAL = APPLICATION.default_portal
OURS = Deactivation(application="jira", username="alice", cause="revoked", at=UnixSeconds(1))


def standing(identity: Identity, refused: Reason = Reason.OK) -> Standing:
    ordered = order_for(identity, PORTAL, APPLICATION, "alice", trusted=True)
    order = ordered if refused is Reason.OK else None
    name = "alice" if refused is Reason.OK else None
    return Standing(policy="h1", username=name, refused=refused, order=order, portals={})


def read(identity: Identity, look: Look | None = None) -> dict[str, Chapter]:
    return {chapter.title: chapter for chapter in chapters(identity, standing(identity), APPLICATION, PORTAL, look)}


def planned(*steps: Step, look: Look | None = None, **changes: object) -> list[Told]:
    way = Plan(username="alice", stages=(steps,), **changes)  # type: ignore[arg-type]
    told = read(agent(), replace(look or Look(), way=way))
    return list(told["What a sign-in would do now"].lines)


@pytest.mark.parametrize(
    ("step", "line"),
    [
        (Create("alice", "Alice", "a@example.com"), Told("create", "alice", "there is no account of this name")),
        (Reactivate("alice"), Told("reactivate", "alice", "the site wakes every account")),
        (Update("alice", "Alice", None), Told("update", "name: Alice", "the provider says otherwise")),
        (MakeGroup("alice", "new"), Told("make group", "new", "it is missing")),
        (Join("alice", "jira-users"), Told("join", "jira-users", "given by okta-users")),
        (Join("alice", "everybody"), Told("join", "everybody", "given by the configuration")),
        (Leave("alice", "old"), Told("leave", "old", "nothing gives it any more, and it may be taken away")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_step_has_its_reason(step: Step, line: Told) -> None:
    assert [line] == planned(step)


def test_what_lychgate_made_inactive_is_told_apart() -> None:
    assert ["Lychgate made it inactive"] == [
        line.why for line in planned(Reactivate("alice"), look=Look(deactivation=OURS))
    ]
    for note, why in ((OURS, "Lychgate made it inactive"), (None, "somebody else made it inactive")):
        look = Look(way=Plan(username="alice"), account=account(active=False), deactivation=note)
        lines = read(agent(), look)["The account as it is"].lines
        assert Told("active", "no", why) in lines


def test_a_new_link_and_what_is_left_alone_are_told() -> None:
    pin = NewPin("alice", "Alice", created=False)
    skipped = (Skipped(Reason.REMOVALS_CAPPED, ("a", "b")),)
    assert [
        Told("link", "Alice", "it is there already, and the provider's names are believed"),
        Told("groups", "left alone: a, b", "they are not taken away now", Reason.REMOVALS_CAPPED),
    ] == planned(pin=pin, adopted=True, skipped=skipped)


def test_a_refusal_and_a_failed_look_say_why() -> None:
    refused = read(agent(), Look(way=Refusal(Reason.PIN_CONFLICT, "it is another's")))
    (line,) = refused["What a sign-in would do now"].lines
    assert Told("refused", "you would not be let in", "it is another's", Reason.PIN_CONFLICT) == line
    failed = read(agent(), Look(fault=Reason.CONNECTOR_UNREACHABLE, detail="no answer"))
    for title, what, found in (
        ("What a sign-in would do now", "plan", "none"),
        ("The account as it is", "account", "unknown"),
    ):
        assert (Told(what, found, "no answer", Reason.CONNECTOR_UNREACHABLE),) == failed[title].lines


def test_unknown_groups_are_not_none() -> None:
    told = read(agent(groups=None), Look(way=Plan(username="alice")))
    (line,) = told["Your groups there, and what they give here"].lines
    assert ("unknown", Reason.GROUPS_UNKNOWN) == (line.found, line.reason)
    assert "left as they are" in [line.found for line in told["The account as it should be"].lines]
    assert () == read(agent(groups=()))["Your groups there, and what they give here"].lines


def test_needed_groups_and_unmanaged_accounts_are_said() -> None:
    told = read(agent(), Look(way=Plan(username="alice")))["The account as it should be"].lines
    assert Told("group", "jira-users", "given by okta-users; without it nobody is let in") in told
    done = {managed: read(agent(), Look(way=Plan(username="alice"), managed=managed)) for managed in (True, False)}
    assert ["nothing: all is as it should be", "nothing: accounts are not managed here"] == [
        done[managed]["What a sign-in would do now"].none for managed in (True, False)
    ]


def test_a_username_says_how_it_was_made() -> None:
    mapping = UsernameMapping(claims=("upn", "preferred_username"), strip_domain=("example.com",), prefix="x-")
    portal = replace(PORTAL, username=mapping)
    identity = agent()
    told = chapters(identity, standing(identity, Reason.USERNAME_FOREIGN), APPLICATION, portal, None)
    (line,) = told[1].lines
    why = (
        "preferred_username is the first of upn, preferred_username that is there; "
        "the domain is cut off (example.com); x- is put in front"
    )
    assert Told("user name", "none", why, Reason.USERNAME_FOREIGN) == line
    assert 3 == len(told)


def test_a_long_or_nested_claim_is_shown_as_json_and_cut() -> None:
    told = read(agent(long="x" * (LONGEST + 1), nested={"a": ("ä", 1, None)}, acr="y"))["What the sign-in service says"]
    values = {line.what: line.found for line in told.lines}
    assert ("x" * LONGEST + " …", '{"a": ["ä", 1, null]}') == (values["long"], values["nested"])
