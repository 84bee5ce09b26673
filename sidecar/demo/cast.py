"""The people of the demonstration, and what the stand-in Jira knows of them before anybody signs in."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.demo.jira import JiraState
from sidecar.demo.provider import Person
from sidecar.domain.identity import Person as PersonKey
from sidecar.domain.identity import UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.flows.accounts import Ledger

USERS = "jira-software-users"
ADMINISTRATORS = "jira-administrators"
MARS = "jira-project-mars"
MOON = "jira-project-moon"
WALKERS = "hiking-club"
"""A group that somebody joined by hand in Jira: Lychgate never touches it."""


@dataclass(frozen=True, slots=True)
class Role:
    """Somebody to try.

    Attributes:
        expect: What happens, in a line.
    """

    key: str
    name: str
    story: str
    groups: tuple[str, ...]
    expect: str


STAFF = (
    Role("nina", "Nina New", "Started today; Jira has never seen her.", ("okta-jira-users", "okta-project-moon"),
         "account created, two groups joined, lands on the page she asked for"),
    Role("dora", "Dora Back", "Was away; Lychgate had deactivated her.", ("okta-jira-users", "okta-project-moon"),
         "stale group left, right group joined, account active again"),
    Role("stella", "Stella Stale", "Changed teams; still in the old group.", ("okta-jira-users", "okta-project-moon"),
         "leaves jira-project-mars, joins jira-project-moon, keeps her hiking club"),
    Role("amir", "Amir Away", "An administrator of Jira deactivated his account by hand.", ("okta-jira-users",),
         "refused: Lychgate did not deactivate him, so it does not bring him back"),
    Role("otto", "Otto Outside", "Works here, but has no business in Jira.", ("okta-canteen",),
         "refused with a page that says why"),
    Role("ada", "Ada Administrator", "Looks after Jira.", ("okta-jira-users", "okta-jira-admins"),
         "signs in; /secure/admin/user/UserBrowser.jspa opens for her and for nobody else"),
)  # fmt: skip

CUSTOMERS = (
    Role("carl", "Carl Customer", "Buys from us; signs in at the customers' provider.", (),
         "account cust-carl created without any group, sees the customer portal only"),
)  # fmt: skip


def people(roles: tuple[Role, ...]) -> list[Person]:
    """The roles as the embedded provider shows them."""
    return [
        Person(
            key=role.key,
            sub=f"00u-{role.key}",
            claims={
                "preferred_username": role.key,
                "name": role.name,
                "email": f"{role.key}@example.com",
                "email_verified": True,
                "groups": list(role.groups),
            },
            label=role.name,
            story=role.story,
        )
        for role in roles
    ]


def furnish(jira: JiraState) -> str:
    """Give the stand-in Jira its people; returns the token with which Lychgate works there."""
    jira.add_user("lychgate", "Lychgate", groups=(ADMINISTRATORS,))
    jira.add_user("dora", "Dora Back", groups=(USERS, MARS), active=False)
    jira.add_user("stella", "Stella Stale", groups=(USERS, MARS, WALKERS))
    jira.add_user("amir", "Amir Away", groups=(USERS,), active=False)
    jira.add_user("ada", "Ada Administrator", groups=(USERS, ADMINISTRATORS))
    jira.groups.update({MOON, "jira-servicedesk-users"})
    return jira.add_token("lychgate")


async def remember(ledger: Ledger, application: str, issuer: str, now: UnixSeconds) -> None:
    """Write the history that the story needs: whom Lychgate knows, what it gave them, whom it deactivated."""
    await ledger.init(application, now)
    for name in ("dora", "stella", "amir", "ada"):
        person = PersonKey(issuer, f"00u-{name}")
        await ledger.pin(
            Pin(application=application, username=name, spelling=name, person=person, created=name != "ada", at=now)
        )
    for name in ("dora", "stella"):
        await ledger.own(OwnedGroup(application=application, username=name, group=MARS, portal="agents", at=now))
    await ledger.note_deactivation(Deactivation(application=application, username="dora", cause="dormant", at=now))
