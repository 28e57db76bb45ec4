"""Settings that check themselves, whoever makes them: the command line, a file or Python.

A dataclass made of `Settings` says of each field, with `setting`, what its type and default do not.
"""

from __future__ import annotations

import math
import operator
import os
import re
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from mckennabot.errors import UsageError


@dataclass(frozen=True)
class Option:
    """What is known of a setting besides its type and default.

    Attributes:
        help: one sentence for ``--help``.
        low, high: the least and the greatest value.
        above: a value that it must be greater than.
        metavar: stands for the value in ``--help``.
        unset: what None means, as ``--help`` says it.
    """

    help: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    metavar: str | None = None
    unset: str | None = None


def setting(default: Any, help: str, **details: Any) -> Any:
    """Return a dataclass field with an `Option`."""
    return field(default=default, metadata={"option": Option(help, **details)})


class Settings:
    """Checks and converts its fields when it is made.

    Whole numbers and texts are taken as they are; paths may be strings, ``~`` is the home directory; a set
    or tuple of texts may be one text. Numbers that are not finite are refused.

    Raises:
        UsageError: a value that its field does not take; the message names the option and the limits.
    """

    def __post_init__(self) -> None:
        """Check every field."""
        kinds = types_of(type(self))
        for each in fields(self):  # type: ignore[arg-type]
            value = _checked(each, kinds[each.name], getattr(self, each.name))
            object.__setattr__(self, each.name, value)


def types_of(settings: type) -> dict[str, Any]:
    """Return the types of a settings class's fields, resolved."""
    return typing.get_type_hints(settings)


S = TypeVar("S", bound=Settings)


def with_options(settings: S, options: Mapping[str, Any]) -> S:
    """Return the settings with some of them changed.

    Raises:
        TypeError: there is no such setting; the nearest one is named.
        UsageError: a setting does not take its value.
    """
    known = [each.name for each in fields(settings)]  # type: ignore[arg-type]
    for name in options:
        if name not in known:
            import difflib

            near = difflib.get_close_matches(name, known, 1)
            raise TypeError(f"no option {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return replace(settings, **options)  # type: ignore[type-var]


def from_text(settings: type[Settings], name: str, text: str) -> Any:
    """Return what a setting makes of a value that was typed; a set of texts takes one, or none.

    Raises:
        UsageError: it is not such a value.
    """
    kind = without_none(types_of(settings)[name])
    try:
        if kind is bool:
            return {"": True, "on": True, "true": True, "off": False, "false": False}[text.lower()]
        if kind in (int, float):
            return kind(text)
    except (ValueError, KeyError):
        raise UsageError(f"{text!r} is not {'on or off' if kind is bool else _NAMES[kind]}") from None
    if kind == tuple[str, ...]:
        return (text,) if text else ()
    return text


def option_of(each: Field[Any]) -> Option:
    """Return what a settings class's field says of itself."""
    found = each.metadata["option"]
    assert isinstance(found, Option)
    return found


def flag(name: str) -> str:
    """Return a setting's name on the command line."""
    return "--" + name.replace("_", "-")


def without_none(kind: Any) -> Any:
    """Return the type of a setting's value where there is one: ``int`` of ``int | None``."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(inner for inner in typing.get_args(kind) if inner is not type(None))
    return kind


def _checked(each: Field[Any], kind: Any, value: Any) -> Any:
    if value is None and without_none(kind) is not kind:
        return None
    kind, option = without_none(kind), option_of(each)
    try:
        value = _converted(kind, value)
    except (TypeError, ValueError) as error:
        reason = (
            str(error) if isinstance(error, _RefusedError) else f"it must be {_NAMES.get(kind, 'a text')}"
        )
        raise UsageError(f"{flag(each.name)} {value!r}: {reason}") from None
    if typing.get_origin(kind) is Literal and value not in typing.get_args(kind):
        raise UsageError(f"{flag(each.name)} {value!r}: it must be one of {', '.join(typing.get_args(kind))}")
    for limit, wrong, words in (
        (option.low, operator.lt, "at least"),
        (option.above, operator.le, "more than"),
        (option.high, operator.gt, "at most"),
    ):
        if limit is not None and wrong(value, limit):
            raise UsageError(f"{flag(each.name)} {value}: it must be {words} {limit:g}")
    return value


class _RefusedError(ValueError):
    """A value that is refused for a reason of its own."""


_NAMES: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Path: "a path",
    tuple[str, ...]: "a text or several",
    frozenset[str]: "names, separated by commas",
}


def _converted(kind: Any, value: Any) -> Any:
    """Return the value as what its field holds.

    Raises:
        TypeError, ValueError: it cannot be that.
    """
    if kind is bool:
        if not isinstance(value, bool):
            raise TypeError
    elif kind in (int, float):
        if isinstance(value, (bool, str)):
            raise TypeError
        value = operator.index(value) if kind is int else float(value)
        if not math.isfinite(value):
            raise _RefusedError("it must be a finite number")
    elif kind is Path:
        if not os.fspath(value):
            raise _RefusedError("it must not be empty")
        value = Path(value).expanduser()
    elif kind == tuple[int, int]:
        value = page_span(value) if isinstance(value, str) else _pair(value)
    elif kind in (tuple[str, ...], frozenset[str]):
        value = _texts(value, split=kind == frozenset[str])
    elif not isinstance(value, str):
        raise TypeError
    elif not value:  # such as a script's variable that is not set
        raise _RefusedError("it must not be empty")
    return value


def _texts(value: Any, split: bool) -> Any:
    given: Iterable[Any] = [value] if isinstance(value, str) else value
    texts = list(given)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError
    if not split:
        return tuple(texts)
    return frozenset(part.strip() for text in texts for part in text.split(",") if part.strip())


def page_span(text: str) -> tuple[int, int]:
    """Return the first and the last page of ``10-240``, ``10-``, ``-240`` or ``10``, from 1.

    Raises:
        ValueError: it is no such span.
    """
    found = re.fullmatch(r"(\d{0,6})(-?)(\d{0,6})", text.replace(" ", ""))
    if not found or not (found[1] or found[3]):
        raise _RefusedError("it must be pages such as 10-240")
    first = int(found[1] or 1)
    return _pair((first, int(found[3] or (sys.maxsize if found[2] else first))))


def _pair(value: Any) -> tuple[int, int]:
    first, last = map(operator.index, value)
    if not 1 <= first <= last:
        raise _RefusedError("pages count from 1, and the first comes first")
    return first, last
