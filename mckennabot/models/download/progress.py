"""Shows one bar for all files of a model."""

from __future__ import annotations

from mckennabot.reporter import Bar


class Progress:
    """Counts the bytes of a model that are here, of all its bytes.

    Args:
        bar: shows them.
    """

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._lengths: dict[str, int] = {}
        self._here: dict[str, int] = {}
        self._note = ""

    def expect(self, file: str, length: int) -> None:
        """Expect `length` bytes of a file."""
        self._lengths[file] = length
        self._bar.expect(sum(self._lengths.values()))

    def at(self, file: str, here: int) -> None:
        """Note that `here` bytes of a file are on this disk."""
        known = here if file not in self._here else 0  # from an earlier try: no part of the pace
        self._here[file] = here
        self._bar.expect(sum(self._lengths.values()), known)
        self._bar.at(sum(self._here.values()), self._note)

    def checking(self) -> None:
        """Note that everything is here and is being checked."""
        self._note = "checking"
        self._bar.at(sum(self._here.values()), self._note)
