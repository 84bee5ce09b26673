"""One person in detail, for the commands `lychgate accounts show`, `plan` and `sync`, and for `explain --live`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sidecar.commands.doors import Door, QuestionError
from sidecar.commands.explaining import claims_in
from sidecar.commands.looking import Sight
from sidecar.core.candidates import Candidate, candidate, candidate_of
from sidecar.core.claims import freeze_claims, with_userinfo
from sidecar.core.foresight import Basis, Told, told
from sidecar.core.tokens import TokenFault
from sidecar.core.usernames import fold
from sidecar.domain.account import Account
from sidecar.domain.identity import Person, UnixSeconds
from sidecar.domain.ledger import Deactivation, OwnedGroup, Pin
from sidecar.domain.policy import Portal
from sidecar.domain.reason import Reason
from sidecar.domain.session import Session
from sidecar.flows.account_look import Foreseen
from sidecar.flows.telling import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of somebody.

    Attributes:
        username: Case-folded; "" where it is not known.
        session: The youngest live one.
    """

    username: str
    person: Person | None
    pin: Pin | None
    account: Account | None
    owned: tuple[OwnedGroup, ...]
    note: Deactivation | None
    seen: UnixSeconds | None
    session: Session | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What would be done for somebody, and what it is made of."""

    who: Candidate
    portal: Portal
    foreseen: Foreseen


async def known(at: Sight, text: str) -> Known:
    """Whoever is meant by *text*: a username, or issuer and subject with a blank between.

    Raises:
        AccountError, StateError: the application or the state did not answer.
    """
    ledger, application = at.state.ledger, at.application.name
    issuer, blank, subject = text.partition(" ")
    if blank and subject:
        person: Person | None = Person(issuer, subject)
        pin = await ledger.pin_of(application, Person(issuer, subject))
        name, spelling = (pin.username, pin.spelling) if pin is not None else ("", "")
    else:
        name, spelling = fold(text), text
        pin = await ledger.pin_on(application, name)
        person = pin.person if pin is not None else None
    return Known(
        username=name,
        person=person,
        pin=pin,
        account=await at.connector.read(spelling) if spelling else None,
        owned=await ledger.owned(application, name),
        note=await ledger.deactivation(application, name),
        seen=await ledger.last_seen(application, name),
        session=await _session(at, person) if person is not None else None,
    )


async def ahead_of(at: Sight, one: Known, door: Door, claims: Path | None) -> Ahead:
    """What would be done for somebody: with the claims of a file, or with those of their youngest session.

    Raises:
        QuestionError: there are no claims, or they are somebody else's.
        AccountError: the application did not answer.
    """
    if claims is not None:
        ahead = await ahead_with(at, door, *claims_in(claims))
    elif one.session is not None:
        portal = at.application.portal(one.session.portal)
        if portal is None:
            raise QuestionError(f"their session is at {one.session.portal}, which is no portal any more; give --claims")
        now, policy = at.clock.now(), at.loaded.policy
        ahead = await _ahead(at, candidate_of(one.session.identity, at.application, portal, policy, now), portal)
    else:
        raise QuestionError("their claims are not known: nobody has a session; give --claims FILE")
    identity, order = ahead.who.identity, ahead.who.order
    others = one.person is not None and identity is not None and identity.person != one.person
    if others or (one.username and order is not None and fold(order.username) != one.username):
        raise QuestionError("the claims are somebody else's")
    return ahead


async def ahead_with(at: Sight, door: Door, id_token: Mapping[str, object], userinfo: Mapping[str, object]) -> Ahead:
    """What would be done for somebody with these claims.

    Raises:
        QuestionError: the claims name nobody who has a username.
        AccountError: the application did not answer.
    """
    provider, claims = at.loaded.policy.providers[door.provider], dict(id_token)
    if userinfo:
        try:
            claims = dict(with_userinfo(freeze_claims(id_token), freeze_claims(userinfo), provider.groups))
        except TokenFault as fault:
            raise QuestionError(f"the claims are unusable: {fault.detail}") from None
    who = candidate(claims, at.application, door.portal, door.provider, at.loaded.policy, at.clock.now())
    return await _ahead(at, who, door.portal)


def plan_lines(at: Sight, ahead: Ahead) -> Iterator[Told]:
    """The plan, line by line with its reasons."""
    who, seen = ahead.who, ahead.foreseen.seen
    if who.identity is None or who.order is None:
        return iter(())
    basis = Basis(
        application=at.application,
        portal=ahead.portal,
        identity=who.identity,
        order=who.order,
        account=seen.account if seen is not None else None,
        owned=seen.owned if seen is not None else (),
        note=seen.deactivation if seen is not None else None,
    )
    return told(ahead.foreseen.way, basis)


async def synced(at: Sight, ahead: Ahead) -> str:
    """Make the account ready as a sign-in would; its username.

    Raises:
        QuestionError: they would not get so far.
        AccountError: it is not ready.
    """
    if ahead.who.identity is None or ahead.who.order is None or ahead.who.refused is not Reason.OK:
        raise QuestionError(f"portal {ahead.portal.name} keeps them out ({ahead.who.refused.value}): nothing was done")
    accounts = at.accounts()
    try:
        return await accounts.ensure(ahead.who.order, ahead.who.identity, Trace())
    finally:
        await accounts.close()


def known_lines(one: Known) -> Iterator[str]:
    """What is known, for people."""
    if one.pin is None:
        yield "linked:       to nobody" if one.username else "linked:       to no account"
    else:
        made = "made by Lychgate" if one.pin.created else "adopted or linked"
        key = f", key {one.pin.key}" if one.pin.key else ""
        yield f"linked:       {one.pin.spelling} to subject {one.pin.person.subject} at {one.pin.person.issuer}"
        yield f"              {made} on {time_text(one.pin.at)}{key}"
    if one.account is None:
        yield "account:      the application has none"
    else:
        state = "active" if one.account.active else "inactive"
        yield f"account:      {one.account.username}, {state}, {one.account.display_name}, {one.account.email}"
        mine = {entry.group for entry in one.owned}
        for group in sorted(one.account.groups):
            yield f"  group       {group}{'   added by Lychgate' if fold(group) in mine else ''}"
    for entry in one.owned:
        unsure = ", not confirmed" if entry.pending else ""
        yield f"added:        {entry.group} for {entry.portal} on {time_text(entry.at)}{unsure}"
    if one.note is not None:
        yield f"deactivated:  by Lychgate ({one.note.cause}) on {time_text(one.note.at)}"
    yield f"last seen:    {time_text(one.seen) if one.seen is not None else 'never'}"
    live = f"since {time_text(one.session.created_at)} at {one.session.portal}" if one.session is not None else "none"
    yield f"session:      {live}"


def time_text(at: int) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


async def _ahead(at: Sight, who: Candidate, portal: Portal) -> Ahead:
    if who.identity is None or who.order is None:
        raise QuestionError(f"there is no username: {who.refused.value}")
    return Ahead(who, portal, await at.accounts().foresee(who.order, who.identity))


async def _session(at: Sight, person: Person) -> Session | None:
    now = at.clock.now()
    for key in reversed(await at.state.sessions.of_person(at.application.name, person)):
        found = await at.state.sessions.get(key)
        if found is not None and found[0].ends_at > now:
            return found[0]
    return None
