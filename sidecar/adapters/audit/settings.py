"""Settings of the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic_core import CoreSchema

from sidecar.adapters.secrets import AtLeast, Secret
from sidecar.adapters.settings import Seconds, Settings, Size, between, fault

_SMALLEST = 64 << 10
_FORMATS = ("json", "text", "off")
_POLICY = (
    "When it is slow or fails: `drop_with_gap_record` writes later how many events are missing; `block` lets account "
    "changes, new sessions and commands wait for a place in the queue, and refuses them after `patience`"
)


def _path(value: str) -> str:
    if not value.startswith("/") or value.endswith("/") or not value.isprintable():
        raise fault("is no absolute path of a file", "write it as /var/log/lychgate/audit.jsonl")
    return value


def _large(value: int) -> int:
    if value < _SMALLEST:
        raise fault("is too small: there would be a file for every few events", "choose 64KiB or more; 64MiB is usual")
    return value


_File = Annotated[str, AfterValidator(_path)]


class SinkSettings(Settings):
    """What every sink has."""

    queue: int = Field(default=10_000, ge=100, le=1_000_000, description="Most events that wait to be written.")
    patience: Annotated[Seconds, AfterValidator(between(1, 60))] = Field(
        default=5, description="Longest time that work waits for this sink; then it is refused (`audit_unavailable`)."
    )
    pseudonyms: bool = Field(
        default=False,
        description="Whether persons are shown by keyed hashes: `sub`, `sid`, `username` and the fact `account`. "
        "The facts `detail` and `path` are left out.",
    )


class StdoutSettings(SinkSettings):
    """Audit events on standard output. A format alone stands for `format`."""

    format: Literal["json", "text", "off"] = Field(
        default="json", description="One chained JSON object a line, readable text, or none."
    )
    policy: Literal["drop_with_gap_record", "block"] = Field(default="drop_with_gap_record", description=f"{_POLICY}.")

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        keys = handler.resolve_ref_schema(handler(schema))
        return {"anyOf": [{"type": "string", "enum": list(_FORMATS)}, keys]}


class FileSettings(SinkSettings):
    """Audit events in a file. A path alone stands for `path`."""

    path: _File = Field(
        description="Absolute path of the file that grows, such as /var/log/lychgate/audit.jsonl; sealed segments "
        "stand beside it."
    )
    policy: Literal["drop_with_gap_record", "block", "required"] = Field(
        default="drop_with_gap_record",
        description=f"{_POLICY}; `required` lets them wait until they are on the disk, account changes before they "
        "are made.",
    )
    segment_size: Annotated[Size, AfterValidator(_large)] = Field(
        default=64 << 20, description="A segment of this size is sealed, such as `64MiB`."
    )
    segment_age: Annotated[Seconds, AfterValidator(between(60, 31_536_000))] = Field(
        default=86_400, description="A segment of this age is sealed."
    )
    keep: int = Field(default=400, ge=1, le=100_000, description="Most sealed segments that are kept.")
    keep_for: Annotated[Seconds, AfterValidator(between(3600, 315_360_000))] = Field(
        default=34_560_000, description="Sealed segments are kept for so long."
    )
    checkpoints: _File | None = Field(
        default=None,
        description="Absolute path of a file on another volume to which checkpoints are written as well: it shows a "
        "trail that was cut or replaced.",
    )

    @model_validator(mode="after")
    def _two_places(self) -> Self:
        if self.checkpoints == self.path:
            raise fault("checkpoints is the file of the trail itself", "name a file on another volume, or remove it")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler.resolve_ref_schema(handler(schema))]}


def _stdout(value: object) -> object:
    if isinstance(value, str):
        if value not in _FORMATS:
            raise fault(f"{value[:40]} is no format", "choose json, text or off, or write keys")
        return StdoutSettings.model_validate({"format": value})
    if not isinstance(value, Mapping | StdoutSettings):
        raise fault("is no format", "choose json, text or off, or write keys")
    return value


def _file(value: object) -> object:
    if isinstance(value, str):
        return FileSettings(path=_path(value))
    if value is not None and not isinstance(value, Mapping | FileSettings):
        raise fault("is no absolute path of a file", "write it as /var/log/lychgate/audit.jsonl, or write keys")
    return value


class AuditSettings(Settings):
    """Where audit events go."""

    stdout: Annotated[StdoutSettings, BeforeValidator(_stdout)] = Field(
        default=StdoutSettings(), description="Audit events on standard output."
    )
    file: Annotated[FileSettings | None, BeforeValidator(_file)] = Field(
        default=None, description="Audit events in a file, with sealed segments; chained over restarts."
    )
    key: Annotated[Secret | None, AtLeast(64)] = Field(
        default=None,
        description="Private Ed25519 key in PEM (PKCS #8) that signs checkpoints. Without it the key is derived from "
        "`cookie_keys` and changes with them. The file may hold several: the first signs. `lychgate audit key` prints "
        "the public keys.",
    )
    checkpoint_records: int = Field(
        default=1000, ge=1, le=1_000_000, description="After so many records a checkpoint is signed."
    )
    checkpoint_time: Annotated[Seconds, AfterValidator(between(1, 86_400))] = Field(
        default=60, description="After so long with unsigned records a checkpoint is signed."
    )
    strangers: int = Field(
        default=100,
        ge=0,
        le=100_000,
        description="Most events of strangers (refusals and sign-ins without person and session) in a minute that are "
        "told one by one, and at most ten of a kind; the rest of the minute is counted.",
    )
