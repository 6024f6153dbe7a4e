"""Frozen values to JSON and back, checked against their annotations: what does not fit is a ValueError that names the place."""

from __future__ import annotations

import types
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_PLAIN = frozenset({float, int, str, bool, type(None)})
_LARGEST = 1e6
"""Millimetres, millilitres and shares are all far smaller; what is not, and NaN, is damage."""


def encode(value: Any) -> Any:
    """A frozen dataclass as JSON has it: objects, lists, numbers, words, null."""
    kind: Any = type(value)
    if kind in _PLAIN:  # most values of a case with thousands of strokes
        return value
    if isinstance(value, tuple | list):
        return [item if type(item) in _PLAIN else encode(item) for item in value]
    names = _names(kind)
    return {name: encode(getattr(value, name)) for name in names} if names else value


@cache
def _names(kind: Any) -> tuple[str, ...]:
    """The fields of a dataclass; none of another type."""
    return tuple(item.name for item in fields(kind)) if is_dataclass(kind) else ()


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def decode(kind: Any, value: Any, where: str = "case") -> Any:
    """The value of a type from its JSON. A key that is missing takes the field's default; a key that is unknown is refused."""
    origin = get_origin(kind)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(kind):
            return None
        return decode(_option([option for option in get_args(kind) if option is not type(None)], value, where), value, where)
    if origin is Literal:
        if value in get_args(kind):
            return value
        raise ValueError(f"{where} is not one of {', '.join(map(str, get_args(kind)))}")
    if origin is tuple:
        return _tuple(get_args(kind), value, where)
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return float(value)
    if kind in (str, int, bool) and type(value) is kind:
        return value
    raise ValueError(f"{where} is not {'a number' if kind in (int, float) else 'what it should be'}")


def _option(options: list[Any], value: Any, where: str) -> Any:
    """Which of several dataclasses a value is: the one whose field `kind` has this word as its default."""
    if len(options) == 1:
        return options[0]
    said = value.get("kind") if isinstance(value, dict) else None
    found = [option for option in options if said == option.__dataclass_fields__["kind"].default]
    if not found:
        raise ValueError(f"{where} is of no kind that is known")
    return found[0]


def _tuple(inner: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where} is not a list")
    kinds = [inner[0]] * len(value) if len(inner) == 2 and inner[1] is Ellipsis else list(inner)
    if len(kinds) != len(value):
        raise ValueError(f"{where} has {len(value)} entries, not {len(kinds)}")
    return tuple(decode(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(kinds, value)))


def _dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not an object")
    hints = _hints(kind)
    names = _names(kind)
    unknown = sorted(set(value) - set(names))
    if unknown:
        raise ValueError(f"{where} has the unknown key {unknown[0]}")
    try:
        return kind(**{name: decode(hints[name], value[name], f"{where}.{name}") for name in names if name in value})
    except TypeError as error:
        raise ValueError(f"{where} lacks a key") from error
