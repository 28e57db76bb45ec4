"""Lines and bars in a Jupyter notebook's output."""

from __future__ import annotations

import importlib
import time
from typing import Any

from mckennabot.errors import MckennabotError
from mckennabot.reporter.base import LABEL, Bar, NoBar, progress_line, with_value


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


class _NotebookBar(NoBar):
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
            self._shown.update(self._html(done, with_value(note, value, left)))

    def expect(self, total: int, known: int = 0) -> None:
        self._total = total

    def _html(self, done: int, note: str) -> Any:
        import html

        line = html.escape(progress_line(self._name, done, self._total, self._unit, note))
        return self._make(f'<progress value="{done}" max="{self._total or 1}"></progress> {line}')
