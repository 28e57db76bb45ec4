"""Measures how much better a run predicts a text than its base does: the author's share of it.

The measure is nats per token that the run saves against the base (authorial language models: arXiv
2401.12005). A text copied from the book would save most, so copied words do not count; nor may a few of the
book's names decide, so no token counts for more than `MOST`. The number only means something compared with
others: `mckennabot.voice.calibration` places it between the base's own samples and the author's pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mckennabot.originality import Index, Report
from mckennabot.voice.judge import Judge, Reading

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

MOST = 2.0
"""Nats that a token may save or cost at most: style is many small differences, not a few names."""


@dataclass(frozen=True)
class Measured:
    """A text, measured.

    Attributes:
        bits_per_byte: under the run.
        base_bits_per_byte: under its base; None where it has none.
        saved: nats [n] that each token saves which is not copied; None without a base.
        report: what is copied; None without an index of the corpus.
    """

    bits_per_byte: float
    base_bits_per_byte: float | None
    saved: Floats | None
    report: Report | None

    @property
    def mean(self) -> float:
        """Nats saved per token; nothing in an empty text."""
        return float(self.saved.mean()) if self.saved is not None and self.saved.size else 0.0


def measure(text: str, judge: Judge, index: Index | None) -> Measured:
    """Measure a text."""
    reading = judge.read(text)
    report = index.report(text) if index else None
    saved = None if reading.base is None else _saved(reading, report)
    return Measured(
        _bits_per_byte(reading.run, reading.bytes),
        None if reading.base is None else _bits_per_byte(reading.base, reading.bytes),
        saved,
        report,
    )


def _saved(reading: Reading, report: Report | None) -> Floats:
    import numpy as np

    assert reading.base is not None
    counts = np.ones(len(reading.run), bool)
    for run in report.copied if report else ():
        counts &= (reading.ends <= run.start) | (reading.ends > run.end)
    return np.clip(reading.base - reading.run, -MOST, MOST)[counts]


def _bits_per_byte(losses: Floats, size: int) -> float:
    import numpy as np

    return float(losses.sum() / np.log(2) / max(1, size))
