"""Finds the files that a user means by files and directories: the same for extract and finetune."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from mckennabot.config import LEDGER, PLACES
from mckennabot.errors import InputError
from mckennabot.system.terminal import shown

MAX_BYTES = 2 << 30
_ABOUT = re.compile(
    r"(readme|licen[cs]e|copying|notice|changelog|changes|contributing|authors|code_of_conduct)\b",
    re.IGNORECASE,
)
_NAMED = 3
"""Files that a note names before it only counts."""


@dataclass
class Found:
    """The result of a walk through a directory.

    Attributes:
        files: the ones to read, as a reader would number them: 2 before 10.
        left_out: the others, by the reason.
        closed: directories that may not be read.
    """

    files: list[Path] = field(default_factory=list)
    left_out: dict[str, list[Path]] = field(default_factory=dict)
    closed: list[Path] = field(default_factory=list)

    def leave_out(self, reason: str, path: Path) -> None:
        """Count a file among those that are not read."""
        self.left_out.setdefault(reason, []).append(path)

    def add(self, other: Found) -> None:
        """Take in what another walk found."""
        self.files += other.files
        self.closed += other.closed
        for reason, paths in other.left_out.items():
            self.left_out.setdefault(reason, []).extend(paths)

    def notes(self) -> Iterator[str]:
        """What was left out, a line for each reason."""
        for reason, paths in self.left_out.items():
            named = ", ".join(shown(path) for path in islice(paths, _NAMED))
            more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
            yield f"Left out ({reason}): {named}{more}"

    def warnings(self) -> Iterator[str]:
        """What could not even be looked into, a line each."""
        for path in self.closed:
            yield f"cannot read the directory, permission denied: {shown(path)}"


def natural(path: Path) -> list[object]:
    """A key that sorts names as people do: chapter 2 before chapter 10.

    >>> sorted([Path("10.txt"), Path("2.txt"), Path("1.txt")], key=natural)
    [PosixPath('1.txt'), PosixPath('2.txt'), PosixPath('10.txt')]
    """
    return [
        [
            (0, int(piece), piece) if piece.isdecimal() else (1, 0, piece)
            for piece in re.split(r"(\d+)", part)
            if piece
        ]
        for part in path.parts
    ]


def walk(directory: Path, suffixes: Collection[str]) -> Found:
    """Find the files below a directory that have one of these suffixes.

    Hidden names, what speaks of a project rather than belongs to it (README, LICENSE), links to
    directories, empty files and everything but regular files are left out, and counted.

    Args:
        directory: where to look.
        suffixes: in lower case, with the dot.

    Raises:
        InputError: the directory itself cannot be read.
    """
    found = Found()

    def note(error: OSError) -> None:
        where = Path(os.fsdecode(error.filename))
        if where == directory:
            raise InputError(f"cannot read the directory ({error.strerror})", path=directory) from error
        found.closed.append(where)

    files: list[Path] = []
    for folder, folders, names in os.walk(directory, onerror=note):
        for name in sorted(folders):
            path = Path(folder, name)
            if name.startswith("."):
                found.leave_out("hidden", path)
            elif path.is_symlink():
                found.leave_out("a link to a directory", path)
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += (Path(folder, name) for name in names if name != LEDGER and not name.endswith(PLACES))
    for path in sorted(files, key=natural):
        if reason := _reason(path, suffixes):
            found.leave_out(reason, path)
        else:
            found.files.append(path)
    return found


def is_aside(name: str) -> bool:
    """Whether a file is hidden, or speaks of a project and belongs to no text."""
    return name.startswith(".") or bool(_ABOUT.match(Path(name).stem))


def _reason(path: Path, suffixes: Collection[str]) -> str:
    """Why a file is not read; "" if it is."""
    if path.name.startswith("."):
        return "hidden"
    if path.suffix.lower() not in suffixes:
        return "of no kind that is read" if len(suffixes) > _NAMED else f"not {', '.join(sorted(suffixes))}"
    if _ABOUT.match(path.stem):
        return "about a project, no text of its own"
    try:
        status = path.stat()
    except OSError:
        return ""  # reading it says what is wrong
    if not stat.S_ISREG(status.st_mode):
        return "" if stat.S_ISDIR(status.st_mode) else "no regular file"
    return "" if status.st_size else "empty"


def is_directory(path: Path) -> bool:
    """Whether a path is a directory.

    Raises:
        InputError: what it stands in may not be entered.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise InputError(f"cannot read it ({error.strerror})", path=path) from error


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
        raise InputError(f"larger than {MAX_BYTES >> 30} GB: too large for a book", path=path)
