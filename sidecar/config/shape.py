"""The models' shape, walked by key path: for did-you-mean, the reference and nothing else."""

from __future__ import annotations

import difflib
import types
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sidecar.config.faults import Path


def key_of(name: str, field: FieldInfo) -> str:
    """The key under which the file knows a field."""
    return field.alias or name


def keys_of(model: type[BaseModel]) -> list[str]:
    """All keys that a model knows, in its order."""
    return [key_of(name, field) for name, field in model.model_fields.items()]


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The settings models that an annotation speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return models_in(get_args(annotation)[0])
    return [model for part in get_args(annotation) for model in models_in(part)]


def model_at(root: type[BaseModel], path: Path) -> type[BaseModel] | None:
    """The model of the mapping that stands at *path*, or None."""
    annotation: Any = root
    for key in path:
        annotation = _step(_bare(annotation), key)
    bare = _bare(annotation)
    return bare if isinstance(bare, type) and issubclass(bare, BaseModel) else None


def nearest(word: str, known: list[str]) -> str | None:
    """The known word that was most likely meant."""
    by_fold = {name.lower().replace("-", "_"): name for name in known}
    close = difflib.get_close_matches(word.lower().replace("-", "_"), list(by_fold), n=1, cutoff=0.6)
    return by_fold[close[0]] if close else None


def did_you_mean(word: str, known: list[str]) -> str:
    """A cure for a word that nobody knows."""
    close = nearest(word, known)
    if close is not None:
        return f"did you mean {close}?"
    return f"known are: {', '.join(known)}" if known else "nothing is known here"


def _bare(annotation: Any) -> Any:
    """Without Annotated and without `| None`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _bare(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        return _bare(parts[0]) if len(parts) == 1 else None
    return annotation


def _step(annotation: Any, key: str | int) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return next((f.annotation for n, f in annotation.model_fields.items() if key_of(n, f) == key), None)
    arguments = get_args(annotation)
    if get_origin(annotation) is dict:
        return arguments[1]
    return arguments[0] if get_origin(annotation) is tuple else None
