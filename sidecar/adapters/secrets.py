"""Secrets: the configuration names where one is, this module reads it; a literal secret is a fault.

No message of this module holds any part of a secret.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sidecar.adapters.settings import fault

_LARGEST = 65_536
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILLERS = frozenset({
    "secret", "password", "passwort", "passwd", "pass", "token", "key", "test", "testing", "default", "dummy", "todo",
    "fixme", "none", "null", "admin", "lychgate", "foobar", "secretsecret", "clientsecret", "mysecret",
    "supersecret", "topsecret", "letmein", "cookiesecret", "0123456789abcdef", "1234567890",
})  # fmt: skip
_FILLER_PARTS = ("changeme", "changeit", "changethis", "replaceme", "replacethis", "placeholder", "yoursecret",
                 "yourclientsecret", "yourtoken", "yourpassword", "insertyour", "example", "xxxxxx")  # fmt: skip


class SecretError(Exception):
    """A secret cannot be used.

    Attributes:
        wrong: What is the matter, in words; never with any part of the secret.
        cure: What to do.
    """

    def __init__(self, wrong: str, cure: str) -> None:
        super().__init__(f"{wrong}; {cure}")
        self.wrong = wrong
        self.cure = cure


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Beside a settings field: the least number of characters its secrets must have."""

    characters: int


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is: `file:///absolute/path` or `env://NAME`. Holds the place, never the secret."""

    kind: Literal["file", "env"]
    place: str

    def __str__(self) -> str:
        return f"{self.kind}://{self.place}"

    @classmethod
    def parse(cls, value: object) -> Secret:
        """Read a reference.

        Raises:
            PydanticCustomError: for anything else. The message does not repeat it: it may be the secret itself.
        """
        if isinstance(value, Secret):
            return value
        if isinstance(value, str) and value.startswith("env://") and _ENV_NAME.fullmatch(value[6:]):
            return cls("env", value[6:])
        if isinstance(value, str) and value.startswith("file:///") and value.isprintable() and len(value) > 8:
            return cls("file", value[7:])
        raise fault(
            "is no reference to a secret; secrets never stand in this file",
            "put it into a file of its own or the environment, and write file:///absolute/path or env://NAME",
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^(file:///.+|env://[A-Za-z_][A-Za-z0-9_]*)$", "title": "Secret"}


class Read(Protocol):
    """Gives a secret: as `read_secret`, or out of what was read before.

    Raises:
        SecretError: it is unusable.
    """

    def __call__(self, secret: Secret, /, *, at_least: int = 16) -> str:
        """The secret itself."""
        ...


Texts = Callable[[Secret], str]
"""Gives what stands where a secret is, unjudged: `text_of`, or what was read before.

Raises:
    SecretError: it cannot be read.
"""


def text_of(secret: Secret) -> str:
    """What stands there now, unjudged.

    Raises:
        SecretError: it is missing, too long, or no text.
    """
    return _from_environment(secret.place) if secret.kind == "env" else _from_file(secret.place)


def read_secret(secret: Secret, *, at_least: int = 16, texts: Texts = text_of) -> str:
    """The secret itself, without its trailing newlines.

    Args:
        secret: Where it is.
        at_least: Least number of characters.
        texts: Reads what stands there.

    Raises:
        SecretError: if it is missing, empty, too short, too long, or plainly a placeholder.
    """
    return judged(texts(secret), secret, at_least)


def judged(text: str, secret: Secret, at_least: int) -> str:
    """*text* as a secret that stands in *secret*.

    Raises:
        SecretError: as `read_secret`.
    """
    value = text.rstrip("\r\n")
    pem = value.lstrip().startswith("-----BEGIN ")
    if not value.strip():
        raise SecretError(f"the secret in {secret} is empty", "write the secret there")
    if not pem and (value != value.strip() or not value.isprintable()):
        raise SecretError(
            f"the secret in {secret} has blanks around it, several lines or control characters",
            "write it on one line, with nothing before or after it",
        )
    if is_placeholder(value):
        raise SecretError(f"the secret in {secret} is a placeholder", "write the real one; new: lychgate keys new")
    if len(value) < at_least:
        raise SecretError(
            f"the secret in {secret} is too short: {len(value)} characters",
            f"use at least {at_least}; new: lychgate keys new",
        )
    return value


def is_placeholder(value: str) -> bool:
    """Whether *value* is what examples and templates put where a secret belongs (rule 75)."""
    bare = re.sub(r"[^a-z0-9]", "", value.casefold())
    if bare in _FILLERS or (value[:1] in "<$" and value[-1:] in ">})"):
        return True
    return any(part in bare for part in _FILLER_PARTS) or len(set(value)) < 6


def is_exposed(secret: Secret) -> bool:
    """Whether every account of the machine may read the file."""
    if secret.kind == "env":
        return False
    try:
        return bool(Path(secret.place).stat().st_mode & stat.S_IROTH)
    except OSError:
        return False


def _from_environment(name: str) -> str:
    value = os.environ.get(name)
    if value is None:
        raise SecretError(f"the environment has no {name}", "set the variable for the process, or correct the name")
    return value


def _from_file(path: str) -> str:
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(_LARGEST + 1)
    except FileNotFoundError:
        raise SecretError(f"there is no file {path}", "write the secret there, or correct the path") from None
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        raise SecretError(f"{path} cannot be read: {reason}", "let the account of the process read it") from None
    if len(data) > _LARGEST:
        raise SecretError(f"{path} is larger than 64 KiB", "name the file that holds only the secret")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise SecretError(f"{path} is not text", "write the secret as text, e.g. in base64") from None
