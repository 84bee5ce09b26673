"""A smaller site of each other kind, made by hand, goes from report to observe to enforce and back to the start: a
Confluence, a Jira whose people are in Crowd, and a Confluence whose user server is a Jira."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sidecar.core.candidates import Candidate
from sidecar.demo.confluence import ConfluenceState, serve_confluence
from sidecar.demo.crowd import CrowdConfig, crowd_people, serve_crowd
from sidecar.demo.jira import JiraState
from sidecar.demo.people import Directory
from tests.adapters.accounts.standins import Server
from tests.introduction.company import ISSUER, Colleague, Office, Place, Shape, fill, shape, write_list
from tests.introduction.living import LivingSite, enforced, groups_of, ledger, observed, without

PEOPLE = 110
SECRET = "password-of-the-application"
APOSTROPHES = "{apostrophe: true}"
ADMINS = "confluence-administrators"
ODD = [
    Colleague("90", "new.person", "new@example.com", "New Person", ("okta-users",)),
    Colleague("91", "admin", "admin@example.com", "Admin", ()),
    Colleague("92", "root2", "root2@example.com", "Root", ()),
    Colleague("93", "o;brien", "o@example.com", "O", ()),
    Colleague("94", "twin", "twin@example.com", "Twin", ()),
    Colleague("95", "Twin", "twin2@example.com", "Twin", ()),
    Colleague("96", "b.new", "bob@example.com", "Bob", ()),
]


def add_odd(people: Directory, admins: str) -> None:
    people.add_user("admin", "Admin")
    people.add_user("root2", "Root", groups=(admins,))
    people.add_user("o;brien", "O", groups=("o'neill's-friends",))
    people.add_user("Twin", "Twin")
    people.add_user("bob", "Bob", "Bob@example.com")
    people.add_user("leaver", "Leaver", groups=("jira-users",))
    people.groups |= {"a/b", "a & b", "50%"}


@asynccontextmanager
async def site(folder: Path, server: Server, people: Directory, place: Place, secret: str) -> AsyncIterator[LivingSite]:
    colleagues = fill(people, PEOPLE, place.admins)
    add_odd(people, place.admins)
    made = LivingSite(server, people, Office(folder, place, secret))
    write_list(made.idp, colleagues + ODD)
    yield made


def crowd_way(server: Server) -> str:
    return f'crowd: {{{{url: "{server.url}", application: lychgate, password: "file://{{folder}}/token"}}}}'


@asynccontextmanager
async def confluence(folder: Path) -> AsyncIterator[LivingSite]:
    state = ConfluenceState()
    token = state.add_token("lychgate")
    async with serve_confluence(state) as server:
        place = Place(
            upstream=server.origin,
            application="wiki",
            product="confluence",
            context="/confluence",
            admins=ADMINS,
            update="display_name",
            names=APOSTROPHES,
        )
        async with site(folder, server, state.people, place, token) as made:
            yield made


@asynccontextmanager
async def crowd(folder: Path) -> AsyncIterator[LivingSite]:
    people = crowd_people()
    config = CrowdConfig(applications={"lychgate": SECRET}, nesting={"jira-finance": ("all-staff",)})
    people.groups.add("all-staff")
    async with serve_crowd(people, config) as server:
        place = Place(upstream="http://127.0.0.1:9", way=crowd_way(server), names=APOSTROPHES)
        async with site(folder, server, people, place, SECRET) as made:
            yield made


@asynccontextmanager
async def user_server(folder: Path) -> AsyncIterator[LivingSite]:
    state = JiraState()
    async with serve_crowd(state, CrowdConfig(context_path="/jira", applications={"lychgate": SECRET})) as server:
        place = Place(
            upstream="http://127.0.0.1:9",
            application="wiki",
            product="confluence",
            way=crowd_way(server),
            admins=ADMINS,
            names=APOSTROPHES,
        )
        async with site(folder, server, state, place, SECRET) as made:
            yield made


SITES: dict[str, Callable[[Path], AbstractAsyncContextManager[LivingSite]]] = {
    "confluence": confluence,
    "crowd": crowd,
    "user_server": user_server,
}


@pytest.fixture(params=SITES)
async def living(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[LivingSite]:
    async with SITES[request.param](tmp_path) as made:
        assert 0 == (await made.office.run("ledger", "init")).exit_code
        yield made


async def reported(living: LivingSite) -> dict[str, Any]:
    unwritable = living.office.folder / "read-only.txt"
    unwritable.write_text("".join(f"{n}\n" for n, one in living.people.users.items() if one.read_only), "utf-8")
    words = ("--idp", str(living.idp), "--read-only", str(unwritable), "--json")
    told = await living.office.run("migrate", "report", "--application", living.office.application, *words)
    assert 0 == told.exit_code, told.output
    found: dict[str, Any] = json.loads(told.stdout)
    return found


async def test_a_site_is_introduced_and_taken_back(living: LivingSite) -> None:
    office, people = living.office, living.people
    start = shape(people)
    report = await reported(living)
    check_report(report, living)
    assert {"in": report["let_in"], **report["kept_out"]} == {**await observed(living), "username_invalid": 1}
    assert ({"GET"}, start) == ({call.method for call in living.server.calls}, shape(people))

    # Pins and memberships are taken over; the application does not notice.
    words = ("--application", office.application, "--idp", str(living.idp), "--apply")
    for command in (("link",), ("adopt-groups", "--pattern", "jira-.+")):
        done = await office.run("migrate", *command, *words)
        assert (3, False) == (done.exit_code, "Traceback" in done.output), done.output
    assert start == shape(people)

    # Enforce: everybody comes who was said to. Of two of one name, one does.
    counts = await enforced(living, living.whos(office.loaded))
    expected = Counter({"in": report["let_in"] - 1, "pin_conflict": 1, **report["kept_out"]})
    assert expected == counts
    after = shape(people)
    assert [] == [name for name in start if start[name][3] - after[name][3]]
    assert joins_of(report) == sum(len(after[name][3] - start[name][3]) for name in start)
    assert {"new.person", "b.new"} == after.keys() - start.keys()

    # Three people lose at the provider what was taken over: they leave that, and nothing else.
    movers = [who for who in living.whos(office.loaded) if who.order is not None and "jira-users" in groups_of(who)]
    movers = [who for who in movers if is_writable(people, who)][:3]
    assert {"in": 3} == await enforced(living, [without(who, "jira-users") for who in movers])
    moved = shape(people)
    assert [{"jira-users"}] * 3 == [
        after[name][3] - moved[name][3] for name in sorted(after) if after[name][3] != moved[name][3]
    ]

    # What was done since is taken back, youngest first; who was made is switched off.
    since = ("accounts", "undo", "--application", office.application, "--since", "2020-01-01", "--apply")
    done = await office.run(*since)
    now = shape(people)
    assert (0, start) == (done.exit_code, {name: now[name] for name in start}), done.output
    assert [False, False] == [now[name][0] for name in ("new.person", "b.new")]
    async with ledger(office) as state:
        pins = await state.ledger.pins(office.application)
        assert ({"new.person", "b.new"}, ()) == (
            {pin.username for pin in pins},
            await state.ledger.owned_groups(office.application),
        )


def is_writable(people: Directory, who: Candidate) -> bool:
    user = people.find(who.order.username) if who.order is not None else None
    return user is not None and user.active and not user.read_only and "jira-users" in user.groups


def check_report(report: dict[str, Any], living: LivingSite) -> None:
    """Everything odd is found, and what cannot be told is said."""
    inactive, by_mail = PEOPLE // 50 + (PEOPLE % 50 > 0), not is_confluence(living)
    assert {
        "matched": PEOPLE - inactive,
        "inactive": inactive,
        "ambiguous": 2 + by_mail,
        "unmatched": 2 - by_mail,
        "reserved": 1,
        "protected": 1,
        "nameless": 1,
    } == report["statuses"]
    assert {"account_inactive": inactive, "account_reserved": 1, "account_protected": 1, "username_invalid": 1} == (
        report["kept_out"]
    )
    assert {"bob", "leaver", "o;brien"} <= set(report["unclaimed"])
    assert (None, 2, ["jira-canteen"]) == (report["shadowed"], report["steps"]["create"], report["absent"])
    assert (0, True) == (report["steps"]["leave"], any("director" in line for line in report["untold"]))
    assert len(living.server.calls) < PEOPLE


def is_confluence(living: LivingSite) -> bool:
    return "/confluence" in living.server.url


def joins_of(report: dict[str, Any]) -> int:
    """Joins of people whose account was there, in groups that are there, where the directory can be written."""
    there = [one for one in report["people"] if one["account"] and not one["read_only"]]
    # Two lines of one name are one account.
    steps = {(one["account"], step) for one in there for step in one["steps"]}
    return sum(step.startswith("join ") and step != "join jira-canteen" for _, step in steps)


async def test_one_person_is_looked_at_put_right_and_renamed(living: LivingSite) -> None:
    office, people = living.office, living.people
    with living.idp.open(encoding="utf-8") as file:
        row = next(
            row
            for row in csv.DictReader(file)
            if (found := people.find(row["preferred_username"]))
            and found.active
            and not found.read_only
            and row["groups"]
        )
    name = row["preferred_username"].lower()
    groups = row["groups"].split(";")
    claims = office.folder / "claims.json"
    told = {"sub": row["subject"], **{key: row[key] for key in ("preferred_username", "email", "name")}}
    claims.write_text(json.dumps({**told, "groups": groups}), "utf-8")
    at = ("--application", office.application)
    given = (*at, "--claims", str(claims))
    user = people.find(name)
    assert user is not None
    kept = set(user.groups)

    explained = await office.run("explain", *given, "--live")
    assert (0, True) == (explained.exit_code, "account there:" in explained.stdout), explained.output
    planned = await office.run("accounts", "plan", name, *given)
    assert (0, True) == (planned.exit_code, "link " in planned.stdout), planned.output
    assert {"GET"} == {call.method for call in living.server.calls}
    synced = await office.run("accounts", "sync", name, *given, "--apply")
    assert (0, True) == (synced.exit_code, "is ready" in synced.stdout), synced.output
    assert kept | {group.replace("okta-", "jira-") for group in groups} == user.groups
    shown = await office.run("accounts", "show", f"{ISSUER} {row['subject']}", *at)
    assert (0, True) == (shown.exit_code, "adopted or linked" in shown.stdout), shown.output

    # Renamed there: nobody makes a second one, and the pin follows when it is told.
    del people.users[name]
    user.username = "somebody.new"
    people.users["somebody.new"] = user
    lost = await office.run("accounts", "plan", name, *given)
    assert (1, True) == (lost.exit_code, "account_renamed" in lost.output), lost.output
    renaming = ("accounts", "rename", *at, "--from", name, "--to", "somebody.new", "--apply")
    renamed = await office.run(*renaming)
    assert 0 == renamed.exit_code, renamed.output
    shown = await office.run("accounts", "show", "Somebody.New", *at)
    assert (0, True) == (shown.exit_code, bool(re.search(rf"linked: .*{row['subject']}", shown.stdout))), shown.output
    resumed = await office.run("accounts", "resume", *at)
    assert (1, True) == (resumed.exit_code, "removals are not frozen" in resumed.output)


async def test_the_report_for_people_says_what_it_cannot_know(living: LivingSite) -> None:
    start: Shape = shape(living.people)
    told = await living.office.run("migrate", "report", "--application", living.office.application)
    assert 0 == told.exit_code, told.output
    assert "in several directories not told" in told.stdout
    assert is_confluence(living) == ("shows no e-mail addresses" in told.stdout)
    assert start == shape(living.people)
