"""Damage to a file, chosen by a seed: what disks, editors, half-done copies and clumsy hands do.

`damage` does not know what the file is for; it knows JSON and .npz well enough to leave them readable and
wrong, which is worse than unreadable.
"""

from __future__ import annotations

import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRONG: list[Any] = [None, True, -1, 0, 0.5, 7, 10**7, 2**63, 1e300, "", "x", "7", [], [1], {}, {"a": 1}]
"""Values that some program might have written in place of a right one."""


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file or directory, and say how."""
    ways: list[Callable[[Path, random.Random], str]] = [
        *(
            _emptied,
            _cut,
            _flipped,
            _flipped,
            _zeroed,
            _extended,
            _removed,
            _directory,
            _pipe,
            _closed,
            _other,
        ),
    ]
    if path.suffix in (".json", ".jsonl"):
        ways += [_wrong_value, _wrong_value, _wrong_value, _lost_value, _not_finite, _nested, _long_number]
    if path.suffix == ".npz":
        ways += [_wrong_array, _wrong_array, _bomb]
    return rng.choice(ways)(path, rng)


def _emptied(path: Path, rng: random.Random) -> str:
    path.write_bytes(b"")
    return "emptied"


def _cut(path: Path, rng: random.Random) -> str:
    content = path.read_bytes()
    end = rng.randrange(max(1, len(content)))
    path.write_bytes(content[:end])
    return f"cut to {end} of {len(content)} bytes"


def _flipped(path: Path, rng: random.Random) -> str:
    content = bytearray(path.read_bytes())
    if not content:
        return "as it was"
    place, bit = rng.randrange(len(content)), rng.randrange(8)
    content[place] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {place} flipped"


def _zeroed(path: Path, rng: random.Random) -> str:
    content = bytearray(path.read_bytes())
    start = rng.randrange(max(1, len(content)))
    end = min(len(content), start + rng.choice([1, 16, 512, 4096]))
    content[start:end] = bytes(end - start)
    path.write_bytes(content)
    return f"bytes {start} to {end} zeroed"


def _extended(path: Path, rng: random.Random) -> str:
    with path.open("ab") as file:
        file.write(rng.choice([b"\0", b"garbage\n", b"{}", rng.randbytes(300)]))
    return "something appended"


def _removed(path: Path, rng: random.Random) -> str:
    path.unlink()
    return "removed"


def _directory(path: Path, rng: random.Random) -> str:
    path.unlink()
    path.mkdir()
    return "a directory in its place"


def _pipe(path: Path, rng: random.Random) -> str:
    path.unlink()
    os.mkfifo(path)
    return "a pipe in its place"


def _closed(path: Path, rng: random.Random) -> str:
    path.chmod(0)
    return "closed"


def _other(path: Path, rng: random.Random) -> str:
    others = sorted(other for other in path.parent.iterdir() if other.is_file() and other != path)
    if not others:
        return _emptied(path, rng)
    other = rng.choice(others)
    path.write_bytes(other.read_bytes())
    return f"{other.name} in its place"


def _wrong_value(path: Path, rng: random.Random) -> str:
    def change(holder: Any, key: Any) -> str:
        old = holder[key]
        wrong = [w for w in [*WRONG, _bent(old, rng)] if w != old or type(w) is not type(old)]
        holder[key] = rng.choice(wrong)
        return f"{key}: {str(old)[:40]!r} -> {holder[key]!r}"

    return _edit(path, rng, change)


def _lost_value(path: Path, rng: random.Random) -> str:
    def drop(holder: Any, key: Any) -> str:
        del holder[key]
        return f"{key} taken out"

    return _edit(path, rng, drop)


def _bent(value: Any, rng: random.Random) -> Any:
    """Another value of the same kind."""
    if type(value) is int:
        return value + rng.choice([-1, 1, 2, -value, value, 1000])
    if isinstance(value, float):
        return -value
    return value[::-1] if isinstance(value, (str, list)) else None


def _edit(path: Path, rng: random.Random, change: Callable[[Any, Any], str]) -> str:
    """Change one value of a JSON document, or of one line of several."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    number = rng.randrange(len(lines)) if lines else 0
    try:
        document = json.loads(lines[number])
    except (ValueError, IndexError):
        return "as it was"
    places = [(holder, key) for holder, key in _places(document)]
    if not places:
        return "as it was"
    said = change(*rng.choice(places))
    lines[number] = json.dumps(document)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return said


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]]
    if isinstance(value, dict):
        found = [(value, key) for key in list(value)[:2000]]
    elif isinstance(value, list):
        found = [(value, i) for i in range(min(2000, len(value)))]
    else:
        return []
    # Of a vocabulary's thousand entries few are as interesting as the rest of a document.
    inner = [place for holder, key in found for place in _places(holder[key])]
    return found + inner


def _not_finite(path: Path, rng: random.Random) -> str:
    constant = rng.choice(["Infinity", "-Infinity", "NaN", "1e400"])

    def change(holder: Any, key: Any) -> str:
        holder[key] = "@constant@"
        return f"{key} -> {constant}"

    said = _edit(path, rng, change)
    path.write_text(path.read_text(encoding="utf-8").replace('"@constant@"', constant), encoding="utf-8")
    return said


def _nested(path: Path, rng: random.Random) -> str:
    path.write_text(rng.choice(["[", '{"a":']) * 200_000, encoding="utf-8")
    return "200,000 brackets"


def _long_number(path: Path, rng: random.Random) -> str:
    def change(holder: Any, key: Any) -> str:
        holder[key] = "@number@"
        return f"{key} -> a number of 5,000 digits"

    said = _edit(path, rng, change)
    path.write_text(path.read_text(encoding="utf-8").replace('"@number@"', "9" * 5000), encoding="utf-8")
    return said


def _wrong_array(path: Path, rng: random.Random) -> str:
    import numpy as np

    try:
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile):
        return "as it was"
    name = rng.choice(sorted(arrays))
    array = arrays[name]
    ways: dict[str, Callable[[], Any]] = {
        "lost": lambda: None,
        "empty": lambda: array[:0],
        "half": lambda: array[: len(array) // 2],
        "floats": lambda: array.astype(np.float32),
        "out of range": lambda: array.astype(np.int64) + 10**6,
        "negative": lambda: -array.astype(np.int64),
        "one dimension more": lambda: array[None],
        "one number": lambda: np.int32(3),
    }
    way = rng.choice(sorted(ways))
    made = ways[way]()
    if made is None:
        del arrays[name]
    else:
        arrays[name] = made
    np.savez(path, **arrays)
    return f"{name}: {way}"


def _bomb(path: Path, rng: random.Random) -> str:
    """An array of which the header asks for a terabyte."""
    import numpy as np

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i4", "fortran_order": False, "shape": (1 << 38,)}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("ids", "order", "paragraphs", "vocabulary", "files"):
            archive.writestr(f"{name}.npy", header.getvalue() + bytes(1000))
    return "arrays of a terabyte"
