"""One bar over all files of a model."""

from __future__ import annotations

import sys
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Bytes here of bytes in all, rate and time left, on stderr.

    Args:
        name: the model's.
        show: False shows nothing.
    """

    def __init__(self, name: str, show: bool) -> None:
        self._lengths: dict[str, int] = {}
        self._here: dict[str, int] = {}
        self._bar = tqdm(
            desc=f"Fetching {name}",
            unit="B",
            unit_scale=True,
            disable=not show,
            file=sys.stderr,
            # A log gets a line now and then.
            mininterval=0.1 if sys.stderr.isatty() else 10,
        )
        self._show = show

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def expect(self, file: str, length: int) -> None:
        """A file has `length` bytes."""
        self._lengths[file] = length
        self._bar.total = sum(self._lengths.values())

    def at(self, file: str, here: int) -> None:
        """`here` bytes of a file are on this disk."""
        if not self._show:
            return
        before = self._here.get(file)
        self._here[file] = here
        if before is None:
            self._bar.initial += here  # from an earlier try: no part of the rate
            before = 0
        self._bar.update(here - before)

    def checking(self) -> None:
        """Everything is here, and is being read."""
        self._bar.set_postfix_str("checking")

    def notice(self, text: str) -> None:
        """Say something above the bar."""
        if self._show:
            tqdm.write(f"  {text}", file=sys.stderr)
