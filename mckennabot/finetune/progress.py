"""What a training run says on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any

import tqdm

SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """The report of one run.

    Attributes:
        quiet: say nothing but warnings.
    """

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self._bar: Any = None
        self._total = 0
        self._last_line = 0.0

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self.quiet:
            self.warn(text)

    def warn(self, text: str) -> None:
        """A line that stays, also when quiet."""
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def start(self, done: int, total: int) -> None:
        """Training goes from step `done` to `total`."""
        self._total = total
        self._last_line = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._bar = tqdm.tqdm(
                total=total,
                initial=done,
                unit="step",
                dynamic_ncols=True,
                bar_format="{n_fmt}/{total_fmt} |{bar}| {desc} {elapsed}<{remaining}",
                file=sys.stderr,
            )

    def step(self, step: int, loss: float, speed: float) -> None:
        """A step is done: its loss, and the speed in tokens per second."""
        if self._bar is not None:
            self._bar.set_description_str(f"loss {loss:.3f}, {speed:,.0f} tokens/s", refresh=False)
            self._bar.update(step - self._bar.n)
        elif not self.quiet:
            now = time.monotonic()
            if now - self._last_line >= SECONDS_BETWEEN_LINES or step == self._total:
                self._last_line = now
                self.say(f"step {step}/{self._total}  loss {loss:.3f}  {speed:,.0f} tokens/s")

    def close(self) -> None:
        """The bar stays as it is; what follows stands below it."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
