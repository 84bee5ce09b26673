"""Where the state lives: sessions, spent states, the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sidecar.adapters.settings import fault


@dataclass(frozen=True, slots=True)
class StateSettings:
    """One address: `file:///directory` (SQLite, one instance) or `memory` (forgotten at the end of the process).

    Attributes:
        directory: Where the database file lies, or None: in memory.
    """

    directory: Path | None

    def __str__(self) -> str:
        return "memory" if self.directory is None else f"file://{self.directory}"

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
        if isinstance(value, str) and value.startswith(("postgresql:", "postgres:")):
            raise fault(
                "PostgreSQL comes with a later release",
                "use file:///var/lib/lychgate and one instance until then",
            )
        raise fault("is no address of a state", "write file:///var/lib/lychgate, or memory to try things out")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "pattern": r"^(file:///.+|memory:?)$", "title": "State"}
