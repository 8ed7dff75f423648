"""A method's settings from text: ``--set search=0.7``."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from qcompiler.errors import QCompilerError

T = TypeVar("T")
BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def parse_options(texts: list[str]) -> dict[str, str]:
    """``["search=0.7"]`` as a dict; raises QCompilerError for a text without ``=``."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise QCompilerError(
                f"{text!r} is no setting", where="--set", hint="write --set NAME=VALUE"
            )
        if (name := name.strip()) in found:
            raise QCompilerError(f"{name} is given twice", where="--set")
        found[name] = value.strip()
    return found


def settings(kind: type[T], method: str, options: Mapping[str, str], **given: Any) -> T:
    """A method's config dataclass from fields that are given and options that are text.

    Args:
        method: Its name, for messages.
        given: Fields that have an option of their own; None leaves the default.

    Raises:
        QCompilerError: An option that there is not, that has its own flag, or that does not parse.
    """
    hints = typing.get_type_hints(kind)
    names = [f.name for f in dataclasses.fields(typing.cast(Any, kind)) if f.init]
    free = [name for name in names if name not in given]
    values = {name: value for name, value in given.items() if value is not None}
    for name, text in options.items():
        if name not in free:
            own = f"; it has an option of its own: --{name}" if name in given else ""
            raise QCompilerError(
                f"{method} has no setting {name!r}{own}",
                where="--set",
                hint=f"its settings are {', '.join(free)}" if free else "it has none",
            )
        try:
            values[name] = _parse(text, hints[name])
        except ValueError:
            raise QCompilerError(
                f"{name}={text!r} is no {_title(hints[name])}", where="--set"
            ) from None
    return kind(**values)


def _parse(text: str, hint: Any) -> Any:
    """``text`` as the type that a field declares: a number, text, a tuple or one of several."""
    arguments = typing.get_args(hint)
    if (only := _unwrapped(hint)) is not hint:
        return None if text.lower() == "none" else _parse(text, only)
    if typing.get_origin(hint) is tuple:
        parts = text.split(",")
        kinds = arguments[:1] * len(parts) if Ellipsis in arguments else arguments
        return tuple(_parse(part, kind) for part, kind in zip(parts, kinds, strict=True))
    if hint is bool:
        if text.lower() not in BOOLEANS:
            raise ValueError(text)
        return BOOLEANS[text.lower()]
    return hint(text)


def _unwrapped(hint: Any) -> Any:
    """X of ``X | None``."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        (only,) = [a for a in typing.get_args(hint) if a is not type(None)]
        return only
    return hint


def _title(hint: Any) -> str:
    hint = _unwrapped(hint)
    names = {int: "whole number", float: "number", bool: "true or false"}
    if typing.get_origin(hint) is tuple:
        example = "8,5,4" if Ellipsis in typing.get_args(hint) else "1,200"
        return f"list of numbers such as {example}"
    return names.get(hint, str(hint))
