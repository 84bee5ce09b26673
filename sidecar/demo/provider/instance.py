"""One running provider as its endpoints see it: the five things that every one of them needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from sidecar.demo.provider.keys import SigningKeys
from sidecar.demo.provider.memory import Memory, SignIn
from sidecar.demo.provider.model import Person, Provider


@dataclass(frozen=True, slots=True)
class Instance:
    """A provider, where it listens, its keys, its memory and how often it was called."""

    provider: Provider
    issuer: str
    keys: SigningKeys
    memory: Memory = field(default_factory=Memory)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def sign_in_cookie(self) -> str:
        """Named by the port as well: cookies know hosts only, and two providers may stand on one."""
        return f"lychgate-demo-sign-in-{urlsplit(self.issuer).port}"

    def now(self) -> float:
        """Seconds since 1970 by the provider's clock."""
        return self.provider.clock()

    def signed_in(self, request: web.BaseRequest) -> SignIn | None:
        """The sign-in of this browser, if its person still exists."""
        sign_in = self.memory.sign_ins.peek(request.cookies.get(self.sign_in_cookie))
        return None if sign_in is None or self.person_of(sign_in) is None else sign_in

    def person_of(self, sign_in: SignIn) -> Person | None:
        """The person as they are now; `None` once they are gone or are somebody else."""
        person = self.provider.people.get(sign_in.person_key)
        return person if person is not None and person.sub == sign_in.sub else None


Handler = Callable[[Instance, web.BaseRequest], Awaitable[web.StreamResponse]]
