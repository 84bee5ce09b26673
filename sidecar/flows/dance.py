"""One sign-in at the product's own OpenID client, on its upstream connection (design, section 1): the steps, and all of
them in a row.

We are the provider and the only client in front of the product, so nobody else has to take a step: the product is told
to begin, its question is read and answered with a code, and the callback is brought to it. Meanwhile it redeems the
code at our token endpoint. Called by `flows.headless`, which walks, and by `flows.walking`, where the browser does;
nothing is remembered here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from sidecar.core.answers import SET_COOKIE
from sidecar.core.cookies import jar_after
from sidecar.core.grants import CODE_LIFE, Asked, AskingFault, Client, Grant, read_asking, subject_of
from sidecar.core.holders import holder_of
from sidecar.core.served import served
from sidecar.domain.identity import Claim, UnixSeconds
from sidecar.domain.product import Product
from sidecar.domain.reason import Reason
from sidecar.domain.session import Jar, Session
from sidecar.flows.asking import Asking, Reply
from sidecar.flows.landing import LandingError
from sidecar.flows.landing_codes import Codes
from sidecar.flows.streaming import Stage, UpstreamError
from sidecar.flows.telling import Clock

_REDIRECTS = frozenset({302, 303, 307})
_LATER = frozenset({429, 503})
"""What a product says that has too much to do."""
_TWICE = "the code of this landing was used twice"
_ERROR_ID = re.compile(rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class MissedStepError(LandingError):
    """A step went wrong that may go well once more: the product forgot what it had begun, or stumbled."""


class PageError(LandingError):
    """The product began with a page where a redirect was expected: a browser may get on with it."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What the product said when it was told to begin, and the cookies that it set."""

    reply: Reply
    jar: Jar

    @property
    def leads_to(self) -> str | None:
        """Where it leads, if it does."""
        if self.reply.head.status not in _REDIRECTS:
            return None
        return self.reply.head.leads_to.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to the product's question."""

    code: str
    state: str

    @property
    def query(self) -> str:
        """As the callback gets it (RFC 6749, section 4.1.2)."""
        return urlencode({"code": self.code, "state": self.state})


@dataclass(frozen=True, slots=True)
class Floor:
    """The product with whom a dance is walked.

    Attributes:
        asking: The way to it.
        client: It, as our relying party.
        product: What we know of its kind.
        context: Its context path.
        kept: Case-folded names of its session cookies.
    """

    asking: Asking
    client: Client
    product: Product
    context: str
    kept: frozenset[str]


Took = Callable[[str, float], None]
"""Hears of each dance how it ended (`ok`, `failed`, `unreachable`) and how many seconds it took."""


def _unheard(result: str, took: float) -> None:
    """Nobody wants to know."""


class Dance:
    """Walks it, and tries out what came of it."""

    def __init__(self, floor: Floor, codes: Codes, clock: Clock, took: Took = _unheard) -> None:
        self._floor = floor
        self._took = took
        self._codes = codes
        self._clock = clock
        self._start = f"{floor.context}{floor.product.sso_start}?iss={quote(floor.client.issuer, safe='')}"

    async def walk(self, session: Session, username: str) -> Jar:
        """The cookies of a session of *username* at the product; it has said itself whose it is, if it can.

        Raises:
            LandingError: it does not take the person in. UpstreamError: it could not be asked.
        """
        since, result = self._clock.monotonic(), "unreachable"
        try:
            jar = await self._walk(session, username)
            result = "ok"
        except LandingError:
            result = "failed"
            raise
        finally:
            self._took(result, self._clock.monotonic() - since)
        return jar

    async def _walk(self, session: Session, username: str) -> Jar:
        begun = await self.begin()
        if begun.leads_to is None:
            raise PageError(
                "the product began no sign-in but showed a page: its OpenID Connect SSO is switched off, or begins "
                "with a page, and then `landing.mode: browser` helps"
            )
        return await self.bring(self.answer(begun.leads_to, session, username), begun.jar, username)

    async def begin(self) -> Begun:
        """Tell the product to begin.

        Raises:
            LandingError: it does not. UpstreamError: it could not be asked.
        """
        # With an empty jar: in a session that was signed in before it would ask for the person (prompt=login).
        reply = await self._floor.asking.get(self._start, ())
        begun = Begun(reply, _after((), reply))
        if begun.leads_to is None and reply.head.status != 200:
            raise _refused("began no sign-in", reply)
        return begun

    def answer(self, location: str, session: Session, username: str) -> Answered:
        """A code for *username*, if the question behind *location* may be answered.

        Raises:
            LandingError: it may not.
        """
        now = self._clock.now()
        try:
            asked = read_asking(location, self._floor.client, now, session.identity.auth_time)
        except AskingFault as error:
            raise LandingError(error.detail) from None
        except ValueError:
            raise LandingError("the product leads to no address") from None
        try:
            code = self._codes.issue(self._grant(session, username, asked, now))
        except ValueError:
            raise LandingError("the product's question is too long to be answered in an address") from None
        return Answered(code, asked.state)

    async def bring(self, answered: Answered, jar: Jar, username: str) -> Jar:
        """Bring the code to the product's callback; the cookies of the session that comes of it.

        Raises:
            LandingError: it does not take the person in. UpstreamError: it could not be asked.
            StateError: nobody knows whether the code was redeemed, at whichever instance.
        """
        client = self._floor.client
        try:
            back = urlsplit(client.redirect_uri).path
            done = await self._floor.asking.get(f"{back}?{answered.query}", jar)
        except BaseException:
            await self._codes.withdraw(client, answered.code)
            raise
        fate = await self._codes.close(client, answered.code)
        if fate == "spoilt":
            raise LandingError(_TWICE)
        if done.head.status not in _REDIRECTS:
            raise _refused("did not take the code" if fate == "taken" else "did not redeem the code", done)
        if fate != "taken":
            raise LandingError("the product went on without redeeming the code")
        proven = await self._proven(self._ours(_after(jar, done)), username)
        if await self._codes.is_spoilt(client, answered.code):
            raise LandingError(_TWICE)
        return proven

    async def try_out(self, jar: Jar, username: str) -> Reason:
        """Whom the product serves with these cookies. Only a name counts as `ok`: what names nobody proves nothing.

        Raises:
            UpstreamError: it could not be asked, or cannot answer now (429, 5xx): a little later it may.
        """
        return (await self._whose(jar, username))[0]

    async def _whose(self, jar: Jar, username: str) -> tuple[Reason, int]:
        """The same, and the status of the answer."""
        path, member = self._floor.product.whoami
        reply = await self._floor.asking.get(self._floor.context + path, jar)
        status = reply.head.status
        named = reply.head.noted(self._floor.product.user_header.lower().encode())
        if named is None and status == 200:
            named = _member(reply.body, member)
        if named is not None:
            return served(named, username), status
        if status in _LATER or status >= 500:
            # Whose session it is stays open: nothing that was held is dropped, and nothing goes up unproven.
            stage: Stage = "busy" if status in _LATER else "head"
            raise UpstreamError(stage, f"it answered {status} when it was asked whose session it is")
        return Reason.LANDING_FAILED, status

    async def _proven(self, jar: Jar, username: str) -> Jar:
        if not jar:
            raise LandingError("the product took the code and began no session")
        whose, status = await self._whose(jar, username)
        match whose:
            case Reason.OK:
                return jar
            case Reason.LANDING_MISMATCH:
                raise LandingError(
                    "the product took the person for somebody else; its username mapping must be "
                    "${preferred_username}, with the ${}",
                    reason=Reason.LANDING_MISMATCH,
                )
            case _:
                raise LandingError(f"the product took the code and then named nobody as its person (it said {status})")

    def _grant(self, session: Session, username: str, asked: Asked, now: UnixSeconds) -> Grant:
        identity = session.identity
        return Grant(
            client=self._floor.client,
            nonce=asked.nonce,
            challenge=asked.challenge,
            username=username,
            subject=subject_of(session.application, identity.person),
            auth_time=identity.auth_time,
            name=_text(identity.claims.get("name")),
            email=_text(identity.claims.get("email")),
            holder=holder_of(session),
            ends_at=UnixSeconds(now + CODE_LIFE),
        )

    def _ours(self, jar: Iterable[tuple[str, str]]) -> Jar:
        """The sessions among the cookies: states and XSRF tokens of the dance are of no further use."""
        return tuple((name, value) for name, value in jar if value and name.lower() in self._floor.kept)


def _after(jar: Jar, reply: Reply) -> Jar:
    for line in reply.head.lines:
        if line.part == SET_COOKIE:
            # The product's mark of a sign-in that it began has no value.
            jar = jar_after(jar, line.value, empty=True)
    return jar


def _refused(what: str, reply: Reply) -> LandingError:
    """The product's page carries a number under which its own log says why."""
    found = _ERROR_ID.search(reply.body)
    error_id = found[0].decode("ascii").lower() if found is not None else ""
    status = reply.head.status
    if status == 404:
        return LandingError(f"the product {what}: it has no such address (404); switch on its OpenID Connect SSO")
    if status == 429:
        return LandingError(f"the product {what}: it limits our requests (429)")
    return MissedStepError(f"the product {what} and answered {status}", error_id)


def _member(body: bytes, name: str) -> bytes | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    found = content.get(name) if isinstance(content, dict) else None
    # As the header would say it.
    return quote(found).encode() if isinstance(found, str) else b"anonymous"


def _text(claim: Claim) -> str:
    return claim if isinstance(claim, str) else ""
