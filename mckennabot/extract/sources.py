"""Find the files to read behind the paths that the user named."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from mckennabot.errors import InputError
from mckennabot.system.inputs import Found, is_directory, walk


def find_sources(paths: Iterable[Path]) -> tuple[list[Path], Found]:
    """Return the files to read, and what was found in directories.

    Returns:
        The files, both those named and those found in directories, each once; and what searching the
        directories came upon, whose `files` are those that nobody named.

    Raises:
        InputError: a directory has no book in it, or cannot be read.
    """
    from mckennabot.extract.documents.readers import READERS

    kinds = {".pdf", *READERS}
    files: list[Path] = []
    found = Found()
    for path in paths:
        if not is_directory(path):
            files.append(path)
            continue
        inside = walk(path, kinds)
        found.add(inside)
        if not inside.files:
            raise InputError(
                "no book in the directory",
                path=path,
                hint=next(
                    chain(inside.warnings(), inside.notes()), f"It may hold {', '.join(sorted(kinds))}."
                ),
            )
        files += inside.files
    return list(dict.fromkeys(files)), found
