"""Keeps metrics.jsonl: one line for each step, cut back to the last save when a run is continued."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from mckennabot.system import stored
from mckennabot.system.files import write_atomic, write_error

MOST = 4 << 30
"""Bytes of a file at most; a million steps take a quarter of a gigabyte."""

_IS_STEP = stored.integer(0, 2**62)
_IS_NUMBER = stored.number()


class Metrics:
    """Writes metrics.jsonl.

    A line holds step, loss (nats per token), learning_rate, tokens (so far), seconds (of training so far)
    and tokens_per_second; where the step was validated, val_loss and val_perplexity too.
    """

    def __init__(self, path: Path, step: int) -> None:
        """Keep the lines up to `step`; what a killed process wrote after its last save happens again."""
        self._path = path
        kept = [line for line in read(path) if line["step"] <= step]
        write_atomic(path, "".join(json.dumps(line) + "\n" for line in kept))
        self._file = path.open("a", encoding="utf-8")
        self._line: dict[str, Any] = {}

    def add(self, line: dict[str, Any]) -> None:
        """Begin the line of a step, which `amend` can still add to."""
        self.flush()
        self._line = line

    def amend(self, **values: float) -> None:
        """Add to the last step's line."""
        # JSON has no infinity.
        self._line |= {key: value for key, value in values.items() if math.isfinite(value)}

    def flush(self) -> None:
        """Write the last step's line.

        Raises:
            ResourceError, UsageError: it cannot be written.
        """
        if not self._line:
            return
        try:
            self._file.write(json.dumps(self._line) + "\n")
            self._file.flush()
        except OSError as error:
            raise write_error(error, self._path) from error
        self._line = {}

    def close(self) -> None:
        """Close the file; a line that was not flushed is dropped."""
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a metrics.jsonl; none if there is no file.

    Lines that do not parse are left out: a killed process leaves half a last one, and a damaged one costs
    only its point in the figure.

    Raises:
        ModelError: it is not a regular file, or cannot be read.
    """
    try:
        content = stored.read_bytes(path, MOST, "Delete it; what was logged so far is lost.")
    except FileNotFoundError:
        return []
    return [line for text in content.decode("utf-8", "replace").splitlines() if (line := _line(text))]


def _line(text: str) -> dict[str, Any] | None:
    try:
        line = stored.parse_json(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not _IS_STEP(line.get("step")):
        return None
    return line if all(map(_IS_NUMBER, line.values())) else None
