"""Copies input from a pipe into a file, which can be read twice and from any position."""

from __future__ import annotations

import contextlib
import re
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from mckennabot.errors import InputError, MckennabotError, UsageError

STDIN = Path("-")
MAX_BYTES = 2 << 30
_PIECE = 1 << 20
_DESCRIPTOR = re.compile(r"/dev/stdin|/dev/fd/\d+|/proc/self/fd/\d+")


@contextlib.contextmanager
def spooled(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Yield the same paths, with a temporary file for ``-`` and for each pipe that the shell opened.

    A named pipe in the file system stays as it is: nobody knows whether anyone ever writes to it.

    Raises:
        UsageError: nothing is piped into stdin.
        InputError: a pipe holds more than `MAX_BYTES`, or cannot be read.
    """
    with contextlib.ExitStack() as stack:
        ready: list[Path] = []
        named: dict[Path, Path] = {}
        for path in paths:
            if not _is_pipe(path):
                ready.append(path)
                continue
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mckennabot-")))
            ready.append(folder / ("stdin" if path == STDIN else path.name))
            named[ready[-1]] = path
            with ready[-1].open("wb") as file, _opened(path) as pipe:
                _copy(pipe, file, path)
        try:
            yield ready
        except MckennabotError as error:
            error.path = named.get(Path(error.path), error.path) if error.path is not None else None
            raise


def _is_pipe(path: Path) -> bool:
    if path == STDIN:
        return True
    try:
        return bool(_DESCRIPTOR.fullmatch(str(path))) and not stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path == STDIN or str(path) == "/dev/stdin":
        if sys.stdin is None or sys.stdin.isatty():
            raise UsageError("nothing is piped into stdin", hint="Such as: cat book.txt | mckennabot … -")
        yield sys.stdin.buffer
        return
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise InputError(f"cannot read it ({error.strerror})", path=path) from error


def _copy(pipe: BinaryIO, file: BinaryIO, path: Path) -> None:
    size = 0
    try:
        while piece := pipe.read(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise InputError(f"more than {MAX_BYTES >> 30} GB are piped in", path=path)
            file.write(piece)
    except OSError as error:
        raise InputError(f"cannot keep what is piped in ({error.strerror})", path=path) from error
