"""Which files there are to read."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable
from pathlib import Path

from mckennabot.errors import InputError

MAX_BYTES = 2 << 30


def find_sources(paths: Iterable[Path]) -> list[Path]:
    """The files behind files and directories; a directory gives every kind that can be read, sorted.

    Raises:
        InputError: a directory holds none.
    """
    from mckennabot.extract.documents import READERS

    kinds = {".pdf", *READERS}
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(
            p
            for p in path.rglob("*")
            if p.suffix.lower() in kinds and not p.name.startswith(".") and p.is_file()
        )
        if not inside:
            raise InputError(
                "no book in the directory", path=path, hint=f"It may hold {', '.join(sorted(kinds))}."
            )
        files += inside
    return list(dict.fromkeys(files))


def check_file(path: Path) -> None:
    """Make sure that a source is a file that can be read to its end.

    Raises:
        InputError: it is not.
    """
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            with path.open("rb") as file:
                file.read(1)
    except OSError as error:
        what = {
            errno.ENOENT: "no such file",
            errno.ELOOP: "a symbolic link that leads back to itself",
            errno.EACCES: "cannot read the file: permission denied",
        }.get(error.errno or 0, f"cannot read the file ({error.strerror})")
        raise InputError(what, path=path) from error
    if stat.S_ISDIR(found.st_mode):
        raise InputError("a directory, not a file", path=path)
    if not stat.S_ISREG(found.st_mode):
        raise InputError("not a regular file", path=path)
    if not found.st_size:
        raise InputError("the file is empty", path=path)
    if found.st_size > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES >> 30} GB: that is no book", path=path)
