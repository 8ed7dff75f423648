"""Op fields as text and as JSON: the one place that knows how facts are written down."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import numpy as np

from qcompiler.ir.types import IntType

Array = np.ndarray[Any, Any]


def digest(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:8]


def field_text(op: Any) -> str:
    """`` name=value …`` for all fields that differ from their default."""
    parts = []
    for field in dataclasses.fields(op):
        value = getattr(op, field.name)
        if not isinstance(value, np.ndarray) and value == field.default:
            continue
        parts.append(f" {field.name}={value_text(value)}")
    return "".join(parts)


def value_text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        dims = "x".join(map(str, value.shape))
        return f"{value.dtype}[{dims}]#{digest(value)}"
    if isinstance(value, tuple):
        return "(" + ",".join(map(value_text, value)) + ")"
    if dataclasses.is_dataclass(value) and not isinstance(value, IntType):
        return f"{type(value).__name__}{{{field_text(value).strip()}}}"
    return str(value) if not isinstance(value, str) else repr(value)


def to_json(value: Any, key: str, arrays: dict[str, Array]) -> Any:
    """JSON for one value; arrays go to ``arrays`` under ``key``."""
    if isinstance(value, np.ndarray):
        arrays[key] = value
        return {"array": key}
    if isinstance(value, IntType):
        return {"int": str(value)}
    if isinstance(value, tuple):
        return [to_json(item, f"{key}.{k}", arrays) for k, item in enumerate(value)]
    if dataclasses.is_dataclass(value):
        return fields_json(value, key, arrays)
    return value.item() if isinstance(value, np.generic) else value


def fields_json(op: Any, key: str, arrays: dict[str, Array]) -> dict[str, Any]:
    fields = {
        f.name: to_json(getattr(op, f.name), f"{key}/{f.name}", arrays)
        for f in dataclasses.fields(op)
    }
    return {"op": type(op).__name__, "fields": fields}


def from_json(value: Any, arrays: dict[str, Array], classes: dict[str, type]) -> Any:
    """The inverse of :func:`to_json`; ``classes`` are the dataclasses by name."""
    if isinstance(value, dict):
        if "array" in value:
            return arrays[value["array"]]
        if "int" in value:
            return IntType.parse(value["int"])
        fields = {k: from_json(v, arrays, classes) for k, v in value["fields"].items()}
        return classes[value["op"]](**fields)
    if isinstance(value, list):
        return tuple(from_json(item, arrays, classes) for item in value)
    return value
