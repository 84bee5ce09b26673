"""A company whose Jira or Confluence was kept by hand for ten years, what its identity provider says of everybody, and
the configuration that brings both together."""

from __future__ import annotations

import asyncio
import csv
import random
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from sidecar.cli import main
from sidecar.config.load import Loaded, load
from sidecar.demo.people import Directory

ISSUER = "https://id.example.com"
CONFIG = """\
version: 1
state: file://{folder}/state
cookie_keys: [file://{folder}/cookie-key]
audit: {{stdout: "off", file: {{path: "{folder}/audit.jsonl"}}}}
providers:
  staff:
    issuer: {issuer}
    client_id: jira
    client_secret: file://{folder}/client
    usernames: authoritative
applications:
  {application}:
    product: {product}
    url: https://{application}.example.com{context}
    upstream: {upstream}
    landing: {{header: X-Lychgate-User, proof: assertion}}
    username: {names}
    accounts:
      {way}
      adopt: {adopt}
      create: true
      update: [{update}]
      groups:
        map: [{{from: "okta-(.+)", to: "jira-$1"}}]
        always: [jira-everybody]
        admin: [{{from: "okta-admins", to: "{admins}"}}]
portals:
  agents: {{application: {application}, default: true, provider: staff, mode: observe}}
"""

TEAMS = ("users", "developers", "o'higgins", "köln", "support", "finance")
CLUBS = ("hiking-club", "o'neill's-friends", "Büro Köln", "bbq")
FIRST = ("Ada", "Björn", "Chloé", "Dörte", "Émile", "Fritz", "Göran", "Heïdi", "Ian", "Jürgen")
LAST = ("O'Brien", "Müller", "Lovelace", "d'Arc", "Weiß", "Ångström", "Smith", "Núñez")

TOKEN = "token: file://{folder}/token"

Shape = Mapping[str, tuple[bool, str, str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class Colleague:
    """One person as the identity provider sends them."""

    subject: str
    username: str
    email: str
    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Which application the company has, and where its accounts are: lines of the configuration. *names* stands under
    `username`."""

    upstream: str
    application: str = "jira"
    product: str = "jira"
    context: str = ""
    way: str = TOKEN
    admins: str = "jira-administrators"
    update: str = "display_name, email"
    adopt: str = "by_username"
    names: str = "{}"


def shape(state: Directory) -> Shape:
    """Everything about every account that Lychgate could change."""
    return {
        name: (user.active, user.display_name, user.email, frozenset(user.groups)) for name, user in state.users.items()
    }


def fill(state: Directory, people: int, admins: str = "jira-administrators", seed: int = 5) -> list[Colleague]:
    """Fill an application by hand; what the provider says of everybody.

    Names come in mixed case, with umlauts and apostrophes, and so do groups; a third of the accounts lies in a
    directory that cannot be written; some people were given groups by hand that the provider would give too, some
    lack groups that it gives, and all are in groups of which it knows nothing.
    """
    chance = random.Random(seed)  # noqa: S311 - the same company every time
    state.add_user("lychgate", groups=(admins,))
    state.groups.update({f"jira-{team}" for team in TEAMS} | {"jira-everybody"})
    colleagues = []
    for number in range(people):
        first, last = chance.choice(FIRST), chance.choice(LAST)
        username = f"{first}.{last}{number}"
        told = tuple(sorted(chance.sample(TEAMS, chance.randint(0, 2)))) + (() if number % 7 else ("canteen",))
        by_hand = {f"jira-{team}" for team in told if team != "canteen" and chance.random() < 0.9}
        by_hand |= {f"jira-{chance.choice(TEAMS)}"} if chance.random() < 0.05 else set()
        state.add_user(
            username,
            f"{first} {last}" if number % 11 else f"{last}, {first}",
            f"{first}.{last}{number}@example.com",
            groups={"jira-everybody", chance.choice(CLUBS), *by_hand},
            active=number % 50 > 0,
            read_only=number % 3 == 0,
        )
        groups = tuple(f"okta-{team}" for team in told)
        email = f"{first}.{last}{number}@example.com"
        spelled = username.upper() if number % 13 == 0 and "ß" not in username else username
        colleagues.append(Colleague(f"00u{number:05}", spelled, email, f"{first} {last}", groups))
    return colleagues


def write_list(path: Path, colleagues: list[Colleague]) -> Path:
    """The list for `--idp`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["subject", "preferred_username", "email", "name", "groups"])
        rows.writerows([c.subject, c.username, c.email, c.name, ";".join(c.groups)] for c in colleagues)
    return path


class Office:
    """The administrator's desk: the configuration with its secrets, the list, and the command."""

    def __init__(self, folder: Path, place: Place, token: str) -> None:
        """*token* is whatever secret the connector has."""
        self.folder = folder
        self.application = place.application
        self.path = folder / "lychgate.yaml"
        words = {**asdict(place), "way": place.way.format(folder=folder)}
        self.path.write_text(CONFIG.format(folder=folder, issuer=ISSUER, **words), encoding="utf-8")
        for name in ("cookie-key", "client"):
            self.secret(name, secrets.token_urlsafe(48))
        self.secret("token", token)

    def secret(self, name: str, value: str) -> None:
        (self.folder / name).touch(mode=0o600)
        (self.folder / name).write_text(value, encoding="ascii")

    @property
    def loaded(self) -> Loaded:
        return load(self.path)

    async def run(self, *words: str, options: bool = True) -> Result:
        """Run the command beside the loop in which the stand-in serves."""
        more = ("-c", str(self.path)) if options else ()
        return await asyncio.to_thread(CliRunner().invoke, main, [*words, *more])
