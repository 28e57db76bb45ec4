"""The fields of a JSON request, each of its kind and within its bounds, or a refusal that names it."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from mckennabot.serve.refusal import Refusal


def read_object(body: bytes) -> dict[str, Any]:
    """Return a request's JSON object.

    Raises:
        Refusal: it is not JSON in UTF-8, or no object.
    """
    try:
        read = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except RecursionError:
        raise Refusal(400, "The body is nested too deeply.") from None
    except ValueError as error:
        raise Refusal(400, f"The body is not JSON in UTF-8: {error}.") from None
    if not isinstance(read, dict):
        raise Refusal(400, "The body must be a JSON object.")
    return read


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


class Fields:
    """A JSON object, read field by field; null is as good as absent, and nobody looks at unknown fields."""

    def __init__(self, values: dict[str, Any], prefix: str = "") -> None:
        self._values = values
        self._prefix = prefix

    def get(self, name: str) -> Any:
        """Return the value as it is, None where there is none."""
        return self._values.get(name)

    def refuse(self, name: str, message: str, code: str | None = None) -> NoReturn:
        """Refuse the request for this field.

        Raises:
            Refusal: always.
        """
        raise Refusal(400, f"'{self._prefix}{name}' {message}.", param=self._prefix + name, code=code)

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number from `low` to `high`, inclusive."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(name, "must be a number")
        if not low <= value <= high:
            self.refuse(name, f"must be from {low:g} to {high:g}")
        return float(value)

    def integer(self, name: str, default: int, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`, inclusive."""
        value = self.get(name)
        if value is None:
            return default
        if isinstance(value, float) and math.isfinite(value) and value == int(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            self.refuse(name, "must be a whole number")
        if not low <= value <= high:
            self.refuse(name, f"must be from {low} to {high}")
        return value

    def maybe(self, name: str, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`, or None."""
        return None if self.get(name) is None else self.integer(name, low, low, high)

    def truth(self, name: str) -> bool:
        """True or false; false where there is none."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            self.refuse(name, "must be true or false")
        return bool(value)

    def text(self, name: str, value: Any) -> str:
        """`value` as a text of whole characters."""
        if not isinstance(value, str):
            self.refuse(name, "must be a string")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            self.refuse(name, "holds half of a surrogate pair, which is no character")
        return value

    def inner(self, name: str) -> Fields:
        """Return an object inside this one; an empty one where there is none."""
        value = self.get(name)
        if value is not None and not isinstance(value, dict):
            self.refuse(name, "must be an object")
        return Fields(value or {}, f"{self._prefix}{name}.")
