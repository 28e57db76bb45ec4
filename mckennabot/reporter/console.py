"""Lines on a terminal or in a log, with bars where there is somebody to watch them."""

from __future__ import annotations

import sys
import time
from typing import Any, TextIO

from mckennabot.errors import MckennabotError
from mckennabot.reporter.base import LABEL, Bar, NoBar, progress_line, value_in_words, with_value
from mckennabot.system.terminal import is_terminal, printable, sparkline, takes_colour

SECONDS_BETWEEN_LINES = 10.0
"""How often a log that is no terminal gets a line about the progress of one thing."""
WIDEST = 100
"""Columns beyond which lines are tiring to read."""


class Console:
    """Lines on a stream; bars where it is a terminal, and a line now and then where it is not.

    Args:
        quiet: only warnings.
        verbose: details too.
        stream: None is stderr as it is at the time of speaking.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False, stream: TextIO | None = None) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._stream = stream
        self._bars = 0

    def say(self, text: str) -> None:
        """See `Reporter`."""
        if not self._quiet:
            self.write(text)

    def row(self, label: str, text: str) -> None:
        """See `Reporter`."""
        if not self._quiet:
            width = _columns(self.stream) - LABEL
            lines = [part for line in text.split("\n") for part in _wrapped(line, width)]
            self.write(("\n" + " " * LABEL).join(lines), f"{label:<{LABEL}}", "1")

    def answer(self, text: str) -> None:
        """See `Reporter`."""
        self.write(text)

    def warn(self, text: str) -> None:
        """See `Reporter`."""
        self.write(text, "Warning: ", "33")

    def error(self, error: MckennabotError) -> None:
        """See `Reporter`."""
        first, *rest = error.lines()
        self.write("\n".join([first.removeprefix("Error: "), *rest]), "Error: ", "31")

    def detail(self, text: str) -> None:
        """See `Reporter`."""
        if self._verbose:
            self.write(text)

    def bar(self, total: int | None, unit: str, *, name: str = "", done: int = 0) -> Bar:
        """See `Reporter`."""
        if self._quiet:
            return NoBar()
        if is_terminal(self.stream):
            return _TerminalBar(self, total, unit, name, done)
        return _LogBar(self, total, unit, name)

    @property
    def stream(self) -> TextIO:
        """Where the lines go."""
        return self._stream or sys.stderr

    def write(self, text: str, label: str = "", colour: str = "") -> None:
        """Write lines above any bar, led by a label in a colour."""
        if is_terminal(self.stream):
            text = printable(text)
        if label and takes_colour(self.stream):
            label = f"\x1b[{colour}m{label}\x1b[0m"
        if self._bars:
            from tqdm import tqdm

            tqdm.write(label + text, file=self.stream)
        else:
            print(label + text, file=self.stream, flush=True)

    def opened(self, count: int) -> None:
        """Count the bars that lines have to be written above."""
        self._bars += count


def _columns(stream: TextIO) -> int:
    """How wide a line may be: as the terminal is, up to `WIDEST`; in a file anything goes."""
    if not is_terminal(stream):
        return sys.maxsize
    import shutil

    return min(shutil.get_terminal_size().columns, WIDEST)


def _wrapped(line: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(line, max(width, 30), break_long_words=False, break_on_hyphens=False) or [""]


class _TerminalBar(NoBar):
    """A bar that tqdm draws."""

    def __init__(self, console: Console, total: int | None, unit: str, name: str, done: int) -> None:
        from tqdm import tqdm

        class Drawn(tqdm):  # type: ignore[type-arg]
            """The bar, without tqdm's thread: the processes that read pages are forked while it shows."""

            monitor_interval = 0
            left: float | None = None

            @property
            def format_dict(self) -> Any:
                """What the bar's line is made of; the time left is the caller's where it gave one."""
                known: dict[str, Any] = dict(super().format_dict)
                return known | {"left": None if self.left is None else self.format_interval(self.left)}

        pace = "{rate_fmt}, " if unit == "B" else ""
        self._console = console
        self._values: list[float] = []
        self._bar: Any = Drawn(
            total=total,
            initial=done,
            unit=unit,
            unit_scale=unit == "B",
            desc=printable(name) or None,
            dynamic_ncols=True,
            leave=unit == "step",  # a run is worth remembering, a book's pages are not
            bar_format="{desc}{n_fmt}/{total_fmt} |{bar}| " + pace + "{elapsed}<{remaining}{postfix}",
            file=console.stream,
        )
        console.opened(1)

    def at(
        self,
        done: int,
        note: str = "",
        *,
        value: tuple[str, float] | None = None,
        left: float | None = None,
    ) -> None:
        if left is not None:
            self._bar.left = left
            self._bar.bar_format = self._bar.bar_format.replace("{remaining}", "{left}")
        if value is not None:
            self._values.append(value[1])
            course = sparkline(self._values, self._console.stream)
            note = ", ".join(filter(None, (f"{value_in_words(value)} {course}".rstrip(), note)))
        if note:
            self._bar.set_postfix_str(printable(note), refresh=False)
        self._bar.update(done - self._bar.n)

    def expect(self, total: int, known: int = 0) -> None:
        self._bar.total = total
        self._bar.initial += known

    def close(self) -> None:
        if not self._bar.disable:
            self._console.opened(-1)
        self._bar.close()


class _LogBar(NoBar):
    """A line now and then, and one at the end."""

    def __init__(self, console: Console, total: int | None, unit: str, name: str) -> None:
        self._console = console
        self._total = total
        self._unit = unit
        self._name = name
        self._last = time.monotonic()

    def at(
        self,
        done: int,
        note: str = "",
        *,
        value: tuple[str, float] | None = None,
        left: float | None = None,
    ) -> None:
        now = time.monotonic()
        if done == self._total or now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            note = with_value(note, value, None if done == self._total else left)
            self._console.say(progress_line(self._name, done, self._total, self._unit, note))

    def expect(self, total: int, known: int = 0) -> None:
        self._total = total
