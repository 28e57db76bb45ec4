"""Choose where a run of extract writes, and make sure that nothing it reads is written over."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mckennabot.config import CORPUS_DIR, LEDGER
from mckennabot.errors import UsageError
from mckennabot.places import save as save_places
from mckennabot.places import sidecar
from mckennabot.system.files import clear_leftovers, make_directories, write_atomic, write_error
from mckennabot.system.inputs import Found
from mckennabot.system.terminal import shown

STDOUT = "-"

_Key = tuple[int, int] | str
"""A file whatever it is called: device and inode if it exists, else its real path."""


class Outputs:
    """The output files of a run, checked against its sources before anything is read.

    Attributes:
        sources: files to read: those given, without texts that an earlier run made of the others.
        texts: the file for each source's text; empty if all go to stdout.
        refused: sources whose text would go where another one's goes, with the error to report.
        directory: directory of texts that are named after their sources; None for a named file or stdout.
        report: the file for the report; None for none, ``-`` for stdout.

    Args:
        sources: files.
        found: what searching directories came upon; what is left out here is added to it.
        output: a file, a directory ending in ``/``, ``-`` for stdout; None for the default directory.
        suffix: of the texts in a directory.
        report: a file, or ``-`` for stdout.
        force: replace a text that exists and differs.
        ledger: whether the directory has a ledger of its books.

    Raises:
        UsageError: two outputs, or an output and a source, would be the same file.
    """

    def __init__(
        self,
        sources: Sequence[Path],
        found: Found | None = None,
        *,
        output: str | None = None,
        suffix: str = ".txt",
        report: Path | None = None,
        force: bool = False,
        ledger: bool = False,
    ) -> None:
        self.sources = list(sources)
        self.report = report
        self.texts: dict[Path, Path] = {}
        self.refused: dict[Path, UsageError] = {}
        self.directory = None
        self._force = force
        self._guarded: set[Path] = set()  # texts that --force does not cover
        # A trailing slash means a directory, whether it exists yet or not.
        if output is None or output.endswith("/"):
            self.directory = Path(output or CORPUS_DIR)
            self._name_texts(self.directory, suffix, set(found.files if found else ()))
            self._leave_out_own_texts(found or Found())
        elif output != STDOUT:
            self._check_single(output)
            self.texts = {source: Path(output) for source in self.sources}
        self._compare(ledger)
        clear_leftovers(*(Path(os.path.realpath(place)) for _, place in self._files(ledger)))

    def write(self, source: Path, text: str, places: str | None = None, *, ours: bool = False) -> str:
        """Write a source's text, and return the name of its file for the user, or ``NAME (unchanged)``.

        Args:
            source: the source.
            text: the content of its corpus file.
            places: the content of the file of places next to it (`mckennabot.places`); None leaves that as it
                is. Next to a file that the user named nothing else is written.
            ours: whether the existing text was written by an earlier run and not changed since.

        Raises:
            UsageError: another text is there, or nothing can be written there.
            ResourceError: the disk is full.
        """
        target = self.texts[source]
        if self.directory is None:
            places = None
        try:
            there = target.read_bytes() if self.directory and target.exists() else None
            make_directories(target.parent)
        except OSError as error:
            raise write_error(error, target) from error
        if there == text.encode("utf-8"):
            if places is not None:
                save_places(target, places)
            return f"{shown(target)} (unchanged)"
        may = ours or (self._force and target not in self._guarded)
        if there is not None and not may:
            hint = (
                "It was found as a source too, and --force does not cover that: choose -o."
                if target in self._guarded
                else "Replace it with --force, or choose -o."
            )
            raise UsageError("there is another text already", path=target, hint=hint)
        write_atomic(Path(os.path.realpath(target)), text)  # through a link, not over it
        if places is not None:
            save_places(target, places)
        return shown(target)

    def _name_texts(self, directory: Path, suffix: str, unnamed: set[Path]) -> None:
        """Name each text after its source, and after its directory if it was found and the name is taken."""
        taken: dict[Path, Path] = {}
        for source in self.sources:
            stem = source.stem or source.name
            target = directory / f"{stem}{suffix}"
            first = taken.get(target)
            # In one library, a/talk.txt and b/talk.txt are two talks; talk.epub and talk.pdf are one.
            if first is not None and source in unnamed and first.parent != source.parent:
                target = directory / f"{source.absolute().parent.name}-{stem}{suffix}"
            if target in taken:
                self.refused[source] = UsageError(
                    f"its text would go where that of {shown(taken[target])} goes",
                    path=source,
                    hint="Leave one of them out, or extract it with an -o of its own.",
                )
                continue
            taken[target] = source
            self.texts[source] = target

    def _leave_out_own_texts(self, found: Found) -> None:
        """Remove sources that were found where another source's text goes: an earlier run wrote them."""
        by_key = {_key(target): source for source, target in self.texts.items()}
        for path in found.files:
            maker = by_key.get(_key(path))
            if maker is None or _key(maker) == _key(path) or path not in self.sources:
                continue
            found.leave_out(f"the text of {shown(maker)}", path)
            self.sources.remove(path)
            self.texts.pop(path, None)
            self.refused.pop(path, None)
            self._guarded.add(self.texts[maker])

    def _check_single(self, output: str) -> None:
        if len(self.sources) > 1:
            raise UsageError(
                f"{len(self.sources)} sources do not go into one file", path=output, hint="End -o with a /."
            )
        if Path(output).is_dir():
            raise UsageError(
                "the output is a directory", path=output, hint="End -o with a / to write into it."
            )

    def _files(self, ledger: bool) -> Iterator[tuple[str, Path]]:
        """Yield every file that is written, with what it is called in errors."""
        for target in self.texts.values():
            yield "text", target
            if self.directory is not None:
                yield "file of places", sidecar(target)
        if self.report is not None and str(self.report) != STDOUT:
            yield "report", self.report
        if ledger and self.directory is not None:
            yield "ledger", self.directory / LEDGER

    def _compare(self, ledger: bool) -> None:
        """Refuse an output that is a source, or two outputs that are one file."""
        sources = {_key(source): source for source in self.sources}
        places: dict[_Key, str] = {}
        for what, place in self._files(ledger):
            key = _key(place)
            if key in sources:
                raise UsageError(
                    f"the {what} would replace its own source"
                    if what == "text"
                    else f"the {what} would replace a source",
                    path=place,
                    hint="Nothing that is read is written over, --force or not: choose another place.",
                )
            if key in places:
                raise UsageError(f"the {places[key]} and the {what} would go into one file", path=place)
            places[key] = what
            if what != "file of places":  # `places.save` leaves alone whatever else has its name
                _check_place(place)
        if not self.texts and self.report is not None and str(self.report) == STDOUT:
            raise UsageError("the text and the report cannot both go to stdout")
        if not self.texts and (key := _stdout_key()) in sources:
            raise UsageError("the output is the source", path=sources[key], hint="Send stdout elsewhere.")


def _key(path: Path) -> _Key:
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def _stdout_key() -> _Key:
    try:
        status = os.fstat(1)
    except OSError:
        return ""
    return status.st_dev, status.st_ino


def _check_place(place: Path) -> None:
    """Make sure that a file can be written, before hours are spent on its content."""
    try:
        if place.exists() and not place.is_file():
            what = "a directory" if place.is_dir() else "no regular file"
            raise UsageError(
                f"the output is {what}", path=place, hint="Choose a file; -o - writes to stdout."
            )
        # Directories that do not exist yet are made inside the nearest one that does.
        above = next(folder for folder in place.absolute().parents if folder.exists())
        if not above.is_dir():
            raise UsageError("cannot write (Not a directory)", path=place)
        if not os.access(above, os.W_OK | os.X_OK):
            raise UsageError("cannot write (Permission denied)", path=place)
    except OSError as error:
        raise write_error(error, place) from error
