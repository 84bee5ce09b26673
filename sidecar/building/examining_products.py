"""What `lychgate doctor` examines of one application: the way to it, the connector's rights, whom it believes.

Called by `building.examining`. Looks are in `adapters.accounts.looks`, judgement is in `core.doctor`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import aiohttp

from sidecar.adapters.accounts import looks
from sidecar.adapters.accounts.questions import Questions, Token
from sidecar.adapters.landing.authconfig import AuthConfig
from sidecar.adapters.oidc.examine import moment_of
from sidecar.adapters.secrets import Read, Secret, SecretError
from sidecar.building.reaching import user_server
from sidecar.config.compile import ALWAYS_STRIPPED
from sidecar.config.model_application import ApplicationSettings
from sidecar.core.doctor import catalogue as kinds
from sidecar.core.doctor import products as judge
from sidecar.core.doctor.catalogue import unknown
from sidecar.core.doctor.landings import NOBODY_TO_BE, Config, judge_headers, judge_others
from sidecar.core.doctor.site import judge_leavers
from sidecar.core.doctor.ways import judge_address, judge_clock, judge_nodes
from sidecar.domain.finding import Check, Finding, Kind
from sidecar.domain.policy import Application
from sidecar.domain.reason import Reason
from sidecar.flows.accounts import AccountError
from sidecar.flows.doctor import Ask, Examination, Once
from sidecar.flows.examined import Examined
from sidecar.flows.landing import Landing
from sidecar.flows.streaming import Fields
from sidecar.flows.telling import Clock
from sidecar.upstream.nodes import Nodes

NO_TOKEN = "Give the application an `accounts.token`, or name one for this time with `--token`."  # noqa: S105 - a cure in words
NOBODY = "lychgate-doctor-nobody"
"""A username that no account has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One application under examination, and with what.

    Attributes:
        session, base: For calls to its REST interface.
        heard: Whether what it asks of us reaches this process.
        issuer: Who we are to its own sign-on; "" where it does not land people by that.
        read: Gives the secrets of the configuration.
        token: Of a system administrator, if somebody named one.
        username: Whom to pretend to be; "": the connector's own account.
        skew: Seconds by which its clock may differ.
    """

    application: Application
    settings: ApplicationSettings
    session: aiohttp.ClientSession
    base: str
    nodes: Nodes
    landing: Landing
    clock: Clock
    heard: bool
    issuer: str
    read: Read
    token: Secret | None
    username: str
    skew: int

    @property
    def own(self) -> Token | None:
        """The connector's own token."""
        token = self.settings.accounts.token or self.settings.accounts.look_token
        return None if token is None else partial(self.read, token)

    @property
    def highest(self) -> Token | None:
        """The token that may see most."""
        return self.own if self.token is None else partial(self.read, self.token)


@dataclass(frozen=True, slots=True)
class _Asks:
    """See `flows.examined.Asks`."""

    questions: Questions
    listed: Callable[[], Awaitable[Sequence[Config]]]

    async def served(self, fields: Fields) -> str | None:
        return await self.questions.served(fields)

    async def sign_ons(self) -> Sequence[Config]:
        return await self.listed()


async def examinations_of(subject: Subject, stack: AsyncExitStack) -> Sequence[Examination]:
    """Everything that is to be examined of it; what it needs is open until *stack* closes."""
    application = subject.application
    questions = Questions(subject.session, subject.base, application.product, application.host)
    account = Once(partial(_account, subject, questions), stack)
    address = Once(partial(looks.base_url, questions), stack)
    sign_ons = Once(partial(_sign_ons, subject), stack)
    asks = _Asks(questions, sign_ons)
    found: list[tuple[Check, Ask]] = [
        (Check.UPSTREAM, partial(_nodes, subject)),
        (Check.CLOCK, partial(_clock, subject, address)),
        (Check.ADDRESS, partial(_address, subject, address)),
        (Check.HEADERS, partial(_headers, subject, questions, account)),
        (Check.LANDING, partial(_landing, subject, asks, account)),
        (Check.SIGN_ON, partial(_others, subject, sign_ons)),
        (Check.BASIC, partial(_basic, subject, questions)),
        (Check.WEBSUDO, partial(_websudo, subject, questions)),
        (Check.LEAVERS, partial(_leavers, subject)),
        *_accounts(subject, questions, account),
    ]
    if application.product.forms[0]:
        found.append((Check.PASSWORD_FORMS, partial(_forms, questions)))
    if (crowd := subject.settings.accounts.crowd) is not None:
        connector = await user_server(application.name, crowd, subject.read, None, stack)
        found.append((Check.USER_SERVER, partial(_user_server, connector.read)))
    return [Examination(check, ask, application=application.name) for check, ask in found]


async def _nodes(subject: Subject) -> Sequence[Finding]:
    return judge_nodes(await subject.nodes.told())


async def _clock(subject: Subject, address: Once[tuple[str | None, str]]) -> Sequence[Finding]:
    _, date = await address()
    return judge_clock(moment_of(date), subject.clock.now(), subject.skew)


async def _address(subject: Subject, address: Once[tuple[str | None, str]]) -> Sequence[Finding]:
    theirs, _ = await address()
    ours = subject.application.origin + subject.application.context
    return judge_address(theirs, ours, by_sign_on=subject.settings.landing.by_sign_on)


# The connector.


def _accounts(subject: Subject, questions: Questions, account: Once[str]) -> Iterator[tuple[Check, Ask]]:
    accounts = subject.settings.accounts
    if accounts.token is not None:
        yield Check.TOKEN, partial(_token, subject, questions, partial(subject.read, accounts.token))
    others = (
        (Check.NEXT_TOKEN, accounts.next_token, kinds.NEXT_TOKEN_REFUSED),
        (Check.LOOK_TOKEN, accounts.look_token, kinds.LOOK_TOKEN_REFUSED),
    )
    for check, secret, kind in others:
        if secret is not None:
            yield check, partial(_other_token, questions, partial(subject.read, secret), check, kind)
    if accounts.token is not None or subject.token is not None:
        yield Check.DIRECTORIES, partial(_directories, subject, questions)


async def _account(subject: Subject, questions: Questions) -> str:
    """Whom to pretend to be; "" if nobody is known."""
    if subject.username or subject.own is None:
        return subject.username
    return await questions.account(subject.own) or ""


async def _token(subject: Subject, questions: Questions, token: Token) -> Sequence[Finding]:
    account = await questions.account(token)
    if account is None:
        return [Finding(kind=kinds.TOKEN_REFUSED, seen="the application does not take accounts.token")]
    now = subject.clock.now()
    ends = judge.judge_token_end(await looks.token_end(questions, token, now), now)
    rights = judge.judge_rights(account, await looks.rights(questions, token, account))
    # What is well about its rights is not the whole.
    return [*ends, *(one for one in rights if not ends or one.kind.code != "ok")]


async def _other_token(questions: Questions, token: Token, check: Check, kind: Kind) -> Sequence[Finding]:
    account = await questions.account(token)
    if account is None:
        return [Finding(kind=kind, seen=f"the application does not take accounts.{check}")]
    return [kinds.well(check, f"it is a token of {account}")]


async def _directories(subject: Subject, questions: Questions) -> Sequence[Finding]:
    token = subject.highest
    if token is None:
        return [unknown(Check.DIRECTORIES, "there is no token to ask with", NO_TOKEN)]
    places, why = await looks.directories(questions, token)
    found = judge.judge_directories(places, why, creates=subject.settings.accounts.create)
    return [*found, *judge.judge_shadowed(await looks.shadowed(questions, token))]


async def _user_server(read: Callable[[str], Awaitable[object]]) -> Sequence[Finding]:
    try:
        _ = await read(NOBODY)
    except AccountError as error:
        gone = error.reason is Reason.CONNECTOR_UNREACHABLE
        return [Finding(kind=kinds.USER_SERVER_UNREACHABLE if gone else kinds.USER_SERVER_REFUSED, seen=error.detail)]
    return [kinds.well(Check.USER_SERVER, "it answers, and takes our name and password")]


# Whom it believes.


async def _headers(subject: Subject, questions: Questions, account: Once[str]) -> Sequence[Finding]:
    name = await account()
    if not name:
        return [unknown(Check.HEADERS, "there is nobody to pretend to be", NOBODY_TO_BE)]
    ours = (subject.settings.landing.header or "").lower().replace("_", "-")
    names = [one for one in ALWAYS_STRIPPED if "*" not in one and one.lower() != ours]
    served = await questions.served(tuple((one.encode(), name.encode()) for one in names))
    return judge_headers(names, name, served)


async def _landing(subject: Subject, asks: _Asks, account: Once[str]) -> Sequence[Finding]:
    examined = Examined(
        asks=asks,
        account=await account(),
        customers=bool(subject.application.product.presets),
        heard=subject.heard,
        now=subject.clock.now(),
    )
    return await subject.landing.findings(examined)


async def _sign_ons(subject: Subject) -> Sequence[Config]:
    return await _authconfig(subject).listed()


async def _others(subject: Subject, sign_ons: Once[Sequence[Config]]) -> Sequence[Finding]:
    listed, fallback = await sign_ons(), await _authconfig(subject).fallback()
    return judge_others(listed, subject.issuer, fallback)


def _authconfig(subject: Subject) -> AuthConfig:
    token = subject.highest
    if token is None:
        raise AccountError(Reason.CONNECTOR_REFUSED, f"there is no token to ask with; {NO_TOKEN}")

    def read() -> str:
        try:
            return token().strip()
        except SecretError as error:
            raise AccountError(Reason.CONNECTOR_REFUSED, f"the token cannot be read: {error.wrong}") from None

    return AuthConfig(subject.session, subject.base, read)


async def _basic(subject: Subject, questions: Questions) -> Sequence[Finding]:
    return judge.judge_basic(await looks.takes_basic(questions), passes=subject.settings.api.basic == "pass")


async def _websudo(subject: Subject, questions: Questions) -> Sequence[Finding]:
    token = subject.highest
    if token is None:
        return [unknown(Check.WEBSUDO, "there is no administrator's token to ask with", NO_TOKEN)]
    return judge.judge_websudo(await looks.asks_for_password(questions, token))


async def _forms(questions: Questions) -> Sequence[Finding]:
    return judge.judge_forms(await looks.takes_forms(questions))


async def _leavers(subject: Subject) -> Sequence[Finding]:
    accounts, api = subject.settings.accounts, subject.settings.api
    return judge_leavers(
        managed=accounts.managed,
        deactivates=accounts.on_revoke == "deactivate",
        passes_tokens=api.pat == "pass",
        asks_owners=api.pat_owner == "resolve",
    )
