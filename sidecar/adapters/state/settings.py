"""Where the state lives: sessions, spent states, the ledger; and how a database is reached."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sidecar.adapters.secrets import Secret
from sidecar.adapters.settings import Seconds, Settings, absolute, between, fault

_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_DATABASE = re.compile(rf"postgres(?:ql)?://[A-Za-z0-9._~%-]+@({_HOST}(?:,{_HOST})*)/[A-Za-z0-9._~%-]+")


@dataclass(frozen=True, slots=True)
class StateSettings:
    """One address: `file:///directory` (SQLite, one instance), `postgresql://user@host/database` (several), or `memory`
    (forgotten at the end of the process).

    Attributes:
        directory: Where the database files lie, or None.
        database: Address of a PostgreSQL database, without a password, or None.
    """

    directory: Path | None
    database: str | None = None

    def __str__(self) -> str:
        return self.database or ("memory" if self.directory is None else f"file://{self.directory}")

    @property
    def lasts(self) -> bool:
        """Whether it outlives the process."""
        return self.directory is not None or self.database is not None

    @property
    def hosts(self) -> tuple[str, ...]:
        """Where the database is, as `host` or `host:port`."""
        found = _DATABASE.fullmatch(self.database or "")
        return tuple(found[1].split(",")) if found is not None else ()

    @classmethod
    def parse(cls, value: object) -> StateSettings:
        """Read the address.

        Raises:
            PydanticCustomError: for anything else; the address is not repeated since it may hold a password.
        """
        if isinstance(value, StateSettings):
            return value
        if value in ("memory", "memory:"):
            return cls(None)
        if isinstance(value, str) and value.startswith("file:///") and value.isprintable() and len(value) > 8:
            return cls(Path(value[7:]))
        if isinstance(value, str) and _DATABASE.fullmatch(value):
            return cls(None, value)
        if isinstance(value, str) and value.startswith(("postgresql:", "postgres:")):
            raise fault(
                "is no address of a database, or holds a password or options",
                "write postgresql://user@host:5432/database; password, tls and the like stand under postgresql",
            )
        raise fault(
            "is no address of a state",
            "write file:///var/lib/lychgate, postgresql://user@host/database, or memory to try things out",
        )

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^(file:///.+|postgres(ql)?://.+|memory:?)$", "title": "State"}


class PostgresSettings(Settings):
    """How a PostgreSQL database is reached, where `state` names one."""

    password: Secret | None = Field(
        default=None, description="Password of the database's user. Without one the database must trust the way."
    )
    tls: Literal["verify", "off"] = Field(
        default="verify", description="Whether the database's certificate is checked, or nothing is encrypted at all."
    )
    ca: Annotated[str, AfterValidator(absolute)] | None = Field(
        default=None,
        description="File with the authority that vouches for the database's certificate, in PEM; without it the "
        "machine's own.",
    )
    connections: Annotated[int, Field(ge=2, le=100)] = Field(
        default=10, description="Most connections of one instance; one more listens to the other instances."
    )
    timeout: Annotated[Seconds, AfterValidator(between(1, 60))] = Field(
        default=5, description="After so long without an answer the database is taken to be gone."
    )
    grace: Annotated[Seconds, AfterValidator(between(0, 3600))] = Field(
        default=60,
        description="So long signed-in people are served while the database is gone, but where a rule asks for a fresh "
        "sign-in. After it everybody sees `state_unavailable`.",
    )
