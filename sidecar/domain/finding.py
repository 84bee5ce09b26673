"""Findings of `lychgate doctor`: what a check saw, how grave it is, and its cure.

The judges in `core.doctor` make them; `core.doctor.catalogue` has all kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How grave a finding is."""

    OK = "ok"
    UNKNOWN = "unknown"
    """The check could not be done. It never counts as well."""
    NOTICE = "notice"
    """Worth knowing; a site may want it so."""
    WARNING = "warning"
    """Somebody will run into it, or a lock less than there could be."""
    ERROR = "error"
    """It does not work, or lets somebody in."""


class Check(StrEnum):
    """What is examined. Names are stable: they are labels of a metric."""

    PROVIDER = "provider"
    KEYS = "keys"
    CLIENT_SECRET = "client_secret"  # noqa: S105 - the name of a check
    SIGN_OUTS = "sign_outs"
    CLOCK = "clock"
    UPSTREAM = "upstream"
    ADDRESS = "address"
    TOKEN = "token"  # noqa: S105 - the name of a check
    NEXT_TOKEN = "next_token"  # noqa: S105 - the name of a check
    LOOK_TOKEN = "look_token"  # noqa: S105 - the name of a check
    USER_SERVER = "user_server"
    DIRECTORIES = "directories"
    HEADERS = "headers"
    LANDING = "landing"
    SIGN_ON = "sign_on"
    BASIC = "basic"
    WEBSUDO = "websudo"
    PASSWORD_FORMS = "password_forms"  # noqa: S105 - the name of a check
    LEAVERS = "leavers"
    STATE = "state"
    LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding.

    Attributes:
        code: Its stable word.
        cure: What to do, for an administrator. A sentence.
    """

    code: str
    check: Check
    severity: Severity
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check saw.

    Attributes:
        seen: In words, without secrets.
        application, provider: Their names in the configuration, or "".
    """

    kind: Kind
    seen: str
    application: str = ""
    provider: str = ""

    @property
    def where(self) -> str:
        """Of what it speaks, for people."""
        return self.application or self.provider or "lychgate"
