"""Reads files that programs wrote and anyone may have damaged: with bounds, and checked before use.

Whatever is in them, reading ends in a value of the kind that was asked for, or in a `ModelError` that names
the file: never in a hang (a pipe in a file's place), in gigabytes, or in another kind of error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mckennabot.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MOST = 64 << 20
"""Bytes of a file of settings or of a vocabulary; GPT-2's own takes one million."""

SEAL = "sha256"
"""In a JSON object of our own: the digest of the rest."""
Check = Callable[[Any], bool]
"""Returns whether a value is of the expected kind."""


@contextlib.contextmanager
def opened(path: Path, hint: str | None = None) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Raises:
        FileNotFoundError: there is none.
        ModelError: something else is there, or it cannot be read.
    """
    try:
        # A pipe would be waited for, if it was not opened like this.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ModelError(f"{path.name} is no regular file", path=path, hint=hint)
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ModelError(f"cannot read {path.name} ({error.strerror})", path=path, hint=hint) from error


def read_bytes(path: Path, most: int = MOST, hint: str | None = None) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
        FileNotFoundError: there is none.
        ModelError: it cannot be read, or is larger.
    """
    with opened(path, hint) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ModelError(f"{path.name} has more than {most} bytes", path=path, hint=hint)
    return content


def read_text(path: Path, most: int = MOST, hint: str | None = None) -> str:
    """As `read_bytes`, of a file in UTF-8.

    Raises:
        FileNotFoundError, ModelError: as `read_bytes`; or it is not UTF-8.
    """
    try:
        return read_bytes(path, most, hint).decode("utf-8")
    except UnicodeDecodeError as error:
        raise damaged(path, "not UTF-8", hint) from error


def read_json(
    path: Path,
    required: Mapping[str, Check],
    known: Mapping[str, Check] | None = None,
    *,
    most: int = MOST,
    hint: str | None = None,
) -> dict[str, Any]:
    """A JSON object whose values are what they should be.

    Args:
        path: the file.
        required: names that it must have, and what their values must be.
        known: the same for names that it may have; of others it may have any. The digest of a `sealed`
            object is compared, and left out of what is returned.
        most: bytes.
        hint: the way on, for the error.

    Raises:
        FileNotFoundError, ModelError: as `read_bytes`; or it is damaged.
    """
    text = read_text(path, most, hint)
    try:
        read = parse_json(text)
    except ValueError as error:
        raise damaged(path, "no JSON" if text.strip() else "it is empty", hint) from error
    if not isinstance(read, dict):
        raise damaged(path, "no JSON object", hint)
    seal = read.pop(SEAL, None)
    for name, check in {**required, **(known or {})}.items():
        if name not in read:
            if name in required:
                raise damaged(path, f"it has no {name}", hint)
        elif not check(read[name]):
            raise damaged(path, f"{name} is {_short(read[name])}", hint)
    if seal is not None and seal != _seal(read):
        raise damaged(
            path, "not as it was written", f'Who has changed it deletes its "{SEAL}". {hint or ""}'.strip()
        )
    return read


def parse_json(text: str | bytes) -> Any:
    """Parse JSON as the standard has it, whose numbers are finite.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_float=_finite)
    except (ArithmeticError, RecursionError) as error:
        raise ValueError(str(error)) from error


def write_json(value: Any, indent: int | None = None) -> str:
    """Return JSON that is valid UTF-8: of a name that is none, the stray bytes are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with a digest of the rest of it, by which `read_json` knows that no value has changed."""
    content = json.loads(json.dumps(content))
    return {**content, SEAL: _seal(content)}


def _seal(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()[:16]


def read_arrays(
    path: Path,
    expected: Mapping[str, tuple[str, int]],
    most: int,
    hint: str | None = None,
    *,
    optional: Mapping[str, tuple[str, int]] | None = None,
) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays of an .npz file.

    Args:
        path: the file.
        expected: for each name, the kinds that its dtype may have (NumPy's letters), and its dimensions.
        most: bytes of all arrays together.
        hint: the way on, for the error.
        optional: as `expected`, of arrays that it may have.

    Raises:
        FileNotFoundError, ModelError: as `read_bytes`; or it is damaged.
    """
    import zipfile

    import numpy as np

    with opened(path, hint) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = sum(member.file_size for member in archive.infolist())
                broken = archive.testzip() if size <= most else None  # NumPy reads on past a wrong checksum
            if size > most:
                raise ValueError(f"{size} bytes of arrays")
            if broken is not None:
                raise ValueError(f"{broken} is damaged")
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                more = {name: kind for name, kind in (optional or {}).items() if name in stored.files}
                expected = {**expected, **more}
                arrays = {name: stored[name] for name in expected}
        except FileNotFoundError:
            raise
        except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds, of which none is documented
            raise damaged(path, str(error).split("\n")[0][:100] or type(error).__name__, hint) from error
    for name, (kinds, dimensions) in expected.items():
        if arrays[name].dtype.kind not in kinds or arrays[name].ndim != dimensions:
            raise damaged(path, f"{name} is no such array", hint)
    return arrays


def damaged(path: Path, why: str, hint: str | None = None) -> ModelError:
    """The error for a file that is not what was written."""
    return ModelError(f"{path.name} is damaged ({why})", path=path, hint=hint)


def is_file(path: Path) -> bool:
    """Whether a regular file is there.

    Raises:
        ModelError: nobody can tell, for the directory may not be entered, or the name is none.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise ModelError(f"cannot look for it ({error.strerror})", path=path) from error


def digest(path: Path) -> str:
    """The first 16 hexadecimal digits of the content's SHA-256.

    Raises:
        FileNotFoundError, ModelError: as `read_bytes`.
    """
    sha256 = hashlib.sha256()
    with opened(path) as file:
        while block := file.read(1 << 20):
            sha256.update(block)
    return sha256.hexdigest()[:16]


def integer(least: float = -math.inf, most: float = math.inf) -> Check:
    """A whole number in a range; True is none."""
    return lambda value: type(value) is int and least <= value <= most


def number(least: float = -sys.float_info.max, most: float = sys.float_info.max) -> Check:
    """A number in a range; without one, any that a float can hold, and so no infinity."""
    return lambda value: type(value) in (int, float) and least <= value <= most


def text(value: Any) -> bool:
    """A string, of which a name could be made: without a NUL, and without what no name decodes to."""
    try:
        return isinstance(value, str) and b"\0" not in os.fsencode(value)
    except UnicodeError:
        return False


def optional(check: Check) -> Check:
    """Null, or what another check takes."""
    return lambda value: value is None or check(value)


def mapping(**known: Check) -> Check:
    """An object whose values of these names, where it has them, are what they should be."""
    return lambda value: (
        isinstance(value, dict) and all(check(value[name]) for name, check in known.items() if name in value)
    )


def each(check: Check) -> Check:
    """A list, or an object, of which every value is what it should be."""
    return lambda value: (
        isinstance(value, (list, dict))
        and all(map(check, value.values() if isinstance(value, dict) else value))
    )


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number of JSON's")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits} is too large")
    return value


def _short(value: Any) -> str:
    try:
        shown = repr(value)
    except (ValueError, RecursionError):  # of digits there are too many to write, or of brackets
        shown = "too large"
    return shown if len(shown) <= 40 else f"{shown[:40]}…"
