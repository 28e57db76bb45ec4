"""What a reporter is, and the one that says nothing."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from mckennabot.errors import MckennabotError
from mckennabot.system.terminal import in_words

LABEL = 10
"""Columns that the labels of a summary take."""


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


class NoBar:
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
        return NoBar()


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


def value_in_words(value: tuple[str, float]) -> str:
    """A number with its name: "loss 3.214"."""
    return f"{value[0]} {value[1]:.3f}"


def with_value(note: str, value: tuple[str, float] | None, left: float | None) -> str:
    """What stands beside a bar that is no terminal's: the value, then the note, then the time left."""
    parts = [
        value_in_words(value) if value else "",
        note,
        f"{in_words(left)} left" if left is not None else "",
    ]
    return ", ".join(filter(None, parts))


def progress_line(name: str, done: int, total: int | None, unit: str, note: str) -> str:
    """Progress in a line of text: "book.pdf: page 3/20"."""
    if unit == "B":
        of = f"/{total / 1e6:,.1f}" if total is not None else ""
        count = f"{done / 1e6:,.1f}{of} MB"
    else:
        of = f"/{total}" if total is not None else ""
        count = f"{unit} {done}{of}"
    return (f"{name}: " if name else "") + count + (f"  {note}" if note else "")
