"""Who can sign in and to what: the part of the demo provider that its owner writes.

The demo command and the tests make these. Everything on a `Provider` may be changed while it
runs, and the next request sees the change.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from sidecar.demo.provider.faults import Fault

SCOPE_OF_CLAIM = {
    "name": "profile",
    "preferred_username": "profile",
    "given_name": "profile",
    "family_name": "profile",
    "email": "email",
    "email_verified": "email",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a button on the sign-in page.

    `key` names the person here, `sub` names them to clients.
    `label` stands on the button and `story`, one sentence, below it.
    """

    key: str
    sub: str
    claims: Mapping[str, object]
    label: str
    story: str

    def claims_for(self, scope: Iterable[str]) -> dict[str, object]:
        """The claims that this scope lets out (OpenID Connect Core 1.0, section 5.4).

        Claims without a standard scope, `groups` above all, are always given, as a mapper would.
        """
        asked = frozenset(scope)
        return {
            name: value
            for name, value in self.claims.items()
            if SCOPE_OF_CLAIM.get(name) is None or SCOPE_OF_CLAIM[name] in asked
        }

    def known_as(self, hint: str) -> bool:
        """Whether a `login_hint` means this person; letter case does not matter."""
        names = (self.key, self.sub, self.claims.get("preferred_username"), self.claims.get("email"))
        return hint.casefold() in {name.casefold() for name in names if isinstance(name, str)}


@dataclass(frozen=True, slots=True)
class Client:
    """A relying party. Its addresses are compared exactly, character by character."""

    client_id: str
    secret: str = field(repr=False)
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None


class Provider:
    """The people, the clients and the habits of one demo provider.

    `fault` makes it misbehave on purpose. `acr` and `amr` are what the next sign-in is worth.
    Lifetimes are in seconds; `clock` gives seconds since 1970.
    `metadata` is what its discovery document says otherwise; `None` takes a member away.
    `slow_seconds` is how long `Fault.TOKEN_SLOW` holds an answer back.
    """

    def __init__(
        self,
        people: Iterable[Person],
        clients: Iterable[Client],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.people: dict[str, Person] = {}
        self.clients: dict[str, Client] = {}
        for person in people:
            self._add_person(person)
        for client in clients:
            if client.client_id in self.clients:
                raise ValueError(f"two clients are called {client.client_id!r}")
            self.clients[client.client_id] = client
        self.clock = clock
        self.fault: Fault | None = None
        self.metadata: dict[str, object] = {}
        self.acr = "urn:lychgate:demo:button"
        self.amr: tuple[str, ...] = ("user",)
        self.code_seconds = 60
        self.id_token_seconds = 300
        self.access_token_seconds = 300
        self.slow_seconds = 30.0

    def _add_person(self, person: Person) -> None:
        subs = {known.sub for known in self.people.values()}
        if person.key in self.people or person.sub in subs:
            raise ValueError(f"two people share the key or the sub of {person.key!r}")
        self.people[person.key] = person

    def change_claims(self, key: str, **claims: object) -> Person:
        """Give a person other claims; `None` takes a claim away. Raises `KeyError`."""
        person = self.people[key]
        merged = {**person.claims, **claims}
        kept = {name: value for name, value in merged.items() if value is not None}
        self.people[key] = replace(person, claims=kept)
        return self.people[key]
