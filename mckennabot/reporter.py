"""What is said while working: to nobody, to a console, or into a notebook.

The library never prints. It takes a `Reporter`, and whoever calls it decides where the words go:

    >>> reporter = Console(stream=sys.stdout)
    >>> reporter.say("Starting TensorFlow …")
    Starting TensorFlow …
    >>> with reporter.bar(2, "page", name="book.pdf") as bar:
    ...     bar.at(1)
    ...     bar.at(2)
    book.pdf: page 2/2
"""

from __future__ import annotations

import importlib
import sys
import time
from types import TracebackType
from typing import Any, Protocol, TextIO

from mckennabot.errors import MckennabotError
from mckennabot.system.terminal import in_words, is_terminal, printable, sparkline, takes_colour

SECONDS_BETWEEN_LINES = 10.0
"""How often a log that is no terminal gets a line about the progress of one thing."""
LABEL = 10
"""Columns that the labels of a summary take."""
WIDEST = 100
"""Columns beyond which lines are tiring to read."""


class Bar(Protocol):
    """The progress of one thing, as a context manager."""

    def at(
        self,
        done: int,
        note: str = "",
        *,
        value: tuple[str, float] | None = None,
        left: float | None = None,
    ) -> None:
        """Show that `done` of the total is done.

        Args:
            done: how many.
            note: says how it goes.
            value: the name and value of a number whose course is worth seeing, such as the loss.
            left: seconds to the end, where the caller knows better than a bar can.
        """
        ...

    def expect(self, total: int, known: int = 0) -> None:
        """Set the total; `known` more of it were there before and do not count for the pace."""
        ...

    def close(self) -> None:
        """Leave the bar as it is; what follows stands below it."""
        ...

    def __enter__(self) -> Bar: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Reporter(Protocol):
    """Takes what is said while working."""

    def say(self, text: str) -> None:
        """Say what was chosen, found or finished; one line or several."""
        ...

    def row(self, label: str, text: str) -> None:
        """Say one row of a summary: a label of a word, and what there is to say about it beside it."""
        ...

    def answer(self, text: str) -> None:
        """Say what was asked for with an option, however quiet the run is."""
        ...

    def warn(self, text: str) -> None:
        """Say what the user has to know, however quiet the run is."""
        ...

    def error(self, error: MckennabotError) -> None:
        """Say what failed and what to do about it, however quiet the run is."""
        ...

    def detail(self, text: str) -> None:
        """Say what only someone who asks for more wants to know: decisions, versions, timings."""
        ...

    def bar(self, total: int | None, unit: str, *, name: str = "", done: int = 0) -> Bar:
        """Show the progress of something.

        Args:
            total: how many `unit`s there are; None where that is not known yet.
            unit: in the singular, such as ``page``; ``B`` is bytes.
            name: what it is about, such as a file's name.
            done: how many are done already.
        """
        ...


class _NoBar:
    """A bar that shows nothing."""

    def at(
        self,
        done: int,
        note: str = "",
        *,
        value: tuple[str, float] | None = None,
        left: float | None = None,
    ) -> None:
        """Show nothing."""

    def expect(self, total: int, known: int = 0) -> None:
        """Show nothing."""

    def close(self) -> None:
        """Nothing is open."""

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Silent:
    """Says nothing, warnings neither."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def row(self, label: str, text: str) -> None:
        """Say nothing."""

    def answer(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def error(self, error: MckennabotError) -> None:
        """Say nothing; whoever works silently hears of it by the exception."""

    def detail(self, text: str) -> None:
        """Say nothing."""

    def bar(self, total: int | None, unit: str, *, name: str = "", done: int = 0) -> Bar:
        """Show nothing."""
        return _NoBar()


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
            return _NoBar()
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


class _TerminalBar(_NoBar):
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
            note = ", ".join(filter(None, (f"{_value(value)} {course}".rstrip(), note)))
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


class _LogBar(_NoBar):
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
            note = _with_value(note, value, None if done == self._total else left)
            self._console.say(_progress_line(self._name, done, self._total, self._unit, note))

    def expect(self, total: int, known: int = 0) -> None:
        self._total = total


def _value(value: tuple[str, float]) -> str:
    return f"{value[0]} {value[1]:.3f}"


def _with_value(note: str, value: tuple[str, float] | None, left: float | None) -> str:
    """A note in a place without a bar: the value, then the note, then the time left."""
    parts = [_value(value) if value else "", note, f"{in_words(left)} left" if left is not None else ""]
    return ", ".join(filter(None, parts))


def _progress_line(name: str, done: int, total: int | None, unit: str, note: str) -> str:
    if unit == "B":
        of = f"/{total / 1e6:,.1f}" if total is not None else ""
        count = f"{done / 1e6:,.1f}{of} MB"
    else:
        of = f"/{total}" if total is not None else ""
        count = f"{unit} {done}{of}"
    return (f"{name}: " if name else "") + count + (f"  {note}" if note else "")


class Notebook:
    """Lines and bars in a Jupyter notebook's output.

    Args:
        verbose: details too.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose

    def say(self, text: str) -> None:
        """See `Reporter`."""
        print(text, flush=True)

    def row(self, label: str, text: str) -> None:
        """See `Reporter`."""
        self.say(f"{label:<{LABEL}}" + ("\n" + " " * LABEL).join(text.split("\n")))

    def answer(self, text: str) -> None:
        """See `Reporter`."""
        self.say(text)

    def warn(self, text: str) -> None:
        """See `Reporter`."""
        print(f"Warning: {text}", flush=True)

    def error(self, error: MckennabotError) -> None:
        """See `Reporter`."""
        print("\n".join(error.lines()), flush=True)

    def detail(self, text: str) -> None:
        """See `Reporter`."""
        if self._verbose:
            self.say(text)

    def bar(self, total: int | None, unit: str, *, name: str = "", done: int = 0) -> Bar:
        """See `Reporter`."""
        return _NotebookBar(total, unit, name, done)


class _NotebookBar(_NoBar):
    """An HTML progress element that changes in its place."""

    def __init__(self, total: int | None, unit: str, name: str, done: int) -> None:
        ipython: Any = importlib.import_module("IPython.display")
        self._make = ipython.HTML
        self._total = total
        self._unit = unit
        self._name = name
        self._last = 0.0
        self._shown: Any = ipython.display(self._html(done, ""), display_id=True)

    def at(
        self,
        done: int,
        note: str = "",
        *,
        value: tuple[str, float] | None = None,
        left: float | None = None,
    ) -> None:
        now = time.monotonic()
        if done == self._total or now - self._last >= 0.2:
            self._last = now
            self._shown.update(self._html(done, _with_value(note, value, left)))

    def expect(self, total: int, known: int = 0) -> None:
        self._total = total

    def _html(self, done: int, note: str) -> Any:
        import html

        line = html.escape(_progress_line(self._name, done, self._total, self._unit, note))
        return self._make(f'<progress value="{done}" max="{self._total or 1}"></progress> {line}')


class Counted:
    """A bar from the moment on that the total is known; as a context manager, called with done and total.

    Args:
        reporter: shows it.
        unit: in the singular, such as ``page``.
        name: what it is about.
    """

    def __init__(self, reporter: Reporter, unit: str, name: str) -> None:
        self._reporter = reporter
        self._unit = unit
        self._name = name
        self._bar: Bar | None = None

    def __enter__(self) -> Counted:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        if self._bar is None:
            self._bar = self._reporter.bar(total, self._unit, name=self._name)
        self._bar.at(done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


def automatic() -> Reporter:
    """What fits the place that the library is used in: a notebook, a terminal, or a program."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if type(shell).__name__ == "ZMQInteractiveShell" or "google.colab" in sys.modules:
        return Notebook()
    return Console() if is_terminal(sys.stderr) else Silent()
