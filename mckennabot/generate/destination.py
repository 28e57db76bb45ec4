"""Writes texts to a terminal, a pipe, or a file that keeps its complete texts when it is cut short."""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TextIO

from mckennabot.reporter import Reporter
from mckennabot.system.files import leftovers, sync, temporary_name, write_error
from mckennabot.system.locks import claim
from mckennabot.system.terminal import is_terminal, printable, shown, takes_colour

STDOUT = Path("-")
_ENDING = "texts.part"


class Destination:
    """Takes texts piece by piece.

    Attributes:
        whole: how many texts were written to their end.
    """

    whole = 0

    def write(self, text: str) -> None:
        """Write more characters, at once.

        Raises:
            ResourceError, UsageError: they cannot be written.
        """
        raise NotImplementedError

    def end(self) -> None:
        """Note that the text written last is complete."""
        self.whole += 1

    @property
    def colour(self) -> bool:
        """Whether colours may be written."""
        return False


class Stream(Destination):
    """Stdout, or a device or pipe by its name; on a terminal, controls are shown and not sent."""

    def __init__(self, stream: TextIO, name: Path) -> None:
        self._stream = stream
        self._name = name
        self._terminal = is_terminal(stream)

    def write(self, text: str) -> None:
        """See `Destination`."""
        try:
            self._stream.write(printable(text) if self._terminal else text)
            self._stream.flush()
        except BrokenPipeError:
            raise  # whoever reads has what they want
        except OSError as error:
            raise write_error(error, self._name) from error

    def write_coloured(self, text: str) -> None:
        """Write a text whose controls are our own colours."""
        self._stream.write(text)
        self._stream.flush()

    @property
    def colour(self) -> bool:
        """See `Destination`."""
        return takes_colour(self._stream)


class File(Destination):
    """A file under a temporary name, which knows at any time how much of it is complete texts."""

    def __init__(self, file: IO[bytes], target: Path) -> None:
        self._file = file
        self._target = target
        self._end = 0

    def write(self, text: str) -> None:
        """See `Destination`."""
        rest = memoryview(text.encode("utf-8"))
        try:
            while rest:  # without a buffer, a disk that is nearly full takes a part and says nothing
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise write_error(error, self._target) from error

    def end(self) -> None:
        """See `Destination`."""
        super().end()
        self._end = self._file.tell()

    def cut(self) -> None:
        """Cut off a text that is not complete."""
        self._file.truncate(self._end)


@contextlib.contextmanager
def destination(output: Path | None, reporter: Reporter) -> Iterator[Destination]:
    """Open the place that texts go to.

    A file gets its name when all texts are in it. If the work is cut short by Ctrl-C, a full disk or
    anything else, the complete texts are kept, and the reporter is warned where: under the file's name, or
    next to a file that it would have replaced.

    Args:
        output: a file, device or pipe; None or ``-`` is stdout.
        reporter: hears what is kept.

    Raises:
        ResourceError, UsageError: it cannot be written to.
    """
    if output is None or output == STDOUT:
        yield Stream(sys.stdout, Path("stdout"))
        return
    if output.exists() and not output.is_file():
        try:
            stream = output.open("w", encoding="utf-8")
        except OSError as error:
            raise write_error(error, output) from error
        try:
            yield Stream(stream, output)
        finally:
            with contextlib.suppress(OSError):  # a full device says so again when it is closed
                stream.close()
        return
    target = output.resolve()  # a link stays a link
    _recover(target, reporter)
    temporary = temporary_name(target, _ENDING)
    try:
        # Without a buffer: what is written is there, and a full disk is known at the text that meets it.
        with temporary.open("wb", buffering=0) as file:
            claim(file.fileno())
            texts = File(file, output)
            try:
                yield texts
            except BaseException:
                if texts.whole:
                    texts.cut()
                    _keep(temporary, target, texts.whole, reporter)
                raise
        _publish(temporary, target)
    except OSError as error:
        if error.filename is not None and Path(os.fsdecode(error.filename)).name != temporary.name:
            raise  # the caller's block has failed at another file
        raise write_error(error, output) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _recover(target: Path, reporter: Reporter) -> None:
    """Keep what a killed command has left for the same file."""
    for _, draft in leftovers([target], _ENDING):
        try:
            with draft.open("r+b") as file:
                content = file.read()
                file.truncate(end := content.rfind(b"\n") + 1)
            if end:
                place = _unfinished(target)
                _publish(draft, place)
                reporter.warn(f"the texts of a command that was killed are kept: {shown(place)}")
            else:
                draft.unlink()
        except OSError as error:
            reporter.warn(f"{shown(draft)} of a command that was killed cannot be kept ({error.strerror})")


def _keep(temporary: Path, target: Path, whole: int, reporter: Reporter) -> None:
    """Give the complete texts of an unfinished file a free name."""
    place = _unfinished(target) if target.exists() else target
    _publish(temporary, place)
    reporter.warn(f"{whole} {'text is' if whole == 1 else 'texts are'} whole and kept: {shown(place)}")


def _unfinished(target: Path) -> Path:
    """Return a free name next to `target`."""
    names = (target.with_name(f"{target.stem}.unfinished-{n}{target.suffix}") for n in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def _publish(temporary: Path, target: Path) -> None:
    sync(temporary)
    temporary.replace(target)
    sync(target.parent)
