"""Reads a text with two models: a run, and the base model that it began with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from mckennabot.generate.cache import converted
from mckennabot.generate.convert import Conversion
from mckennabot.generate.ctranslate2_engine import CTranslate2Engine, choose_threads
from mckennabot.generate.source import Source
from mckennabot.models.weights import parameters
from mckennabot.reporter import Reporter
from mckennabot.tokenizer import Tokenizer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

PRECISION = "float32"
"""int8's error is about as large as the difference between the two models."""


@dataclass(frozen=True)
class Reading:
    """What each token of a text costs both models.

    Attributes:
        ends: characters [n] of the text before the end of each token.
        run: nats [n] that each token costs the run.
        base: nats [n] that it costs the base; None where the run has none.
        bytes: the length of the text in UTF-8.
    """

    ends: npt.NDArray[np.int64]
    run: Floats
    base: Floats | None
    bytes: int


class Reader(Protocol):
    """A model that reads: `CTranslate2Engine`, or a wrapper around one."""

    def losses(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the cross-entropy, in nats, of each row's tokens but the first."""


class Judge:
    """A run and its base, loaded.

    Args:
        run: the run.
        base: what it began with; None where it has none.
        tokenizer: their vocabulary.
        n_ctx: their window.
    """

    def __init__(self, run: Reader, base: Reader | None, tokenizer: Tokenizer, n_ctx: int) -> None:
        self.run = run
        self.base = base
        self.tokenizer = tokenizer
        self._n_ctx = n_ctx

    def read(self, text: str) -> Reading:
        """Read a text from its start; each token after the first half window sees at least that much."""
        import numpy as np

        ids = self.tokenizer.encode(text)
        lengths = [len(self.tokenizer.token_bytes(i)) for i in ids]
        # A token may end inside a character: its end is then that of its last whole character.
        whole = np.cumsum([int(byte & 0xC0 != 0x80) for byte in text.encode("utf-8")])
        ends = whole[np.maximum(np.cumsum(lengths) - 1, 0)] if ids else np.zeros(0, np.int64)
        return Reading(
            ends,
            self._losses(self.run, ids),
            self._losses(self.base, ids) if self.base else None,
            len(text.encode("utf-8")),
        )

    def _losses(self, engine: Reader, ids: list[int]) -> Floats:
        import numpy as np

        rows = [self.tokenizer.eot, *ids]
        half = max(1, self._n_ctx // 2)
        starts = range(0, max(1, len(ids) - half + 1), half)
        windows = [rows[start : start + 2 * half + 1][: self._n_ctx] for start in starts]
        losses = np.zeros(len(ids))
        for start, window, found in zip(starts, windows, engine.losses(windows), strict=True):
            seen = 0 if start == 0 else half - 1  # the window before has read these with more in sight
            losses[start + seen : start + len(window) - 1] = found[seen:]
        return losses


@contextlib.contextmanager
def open_judge(source: Source, reporter: Reporter) -> Iterator[Judge]:
    """Load a run as it was trained, and its base.

    Raises:
        ModelError: the run is damaged, or its base is gone or has changed.
        ResourceError: memory or disk space ran out.
    """
    hparams, tokenizer = source.model.hparams(), Tokenizer.load(source.model.path)
    tokens = [tokenizer.token(i) for i in range(tokenizer.size)]
    threads = choose_threads(parameters(hparams))
    with contextlib.ExitStack() as stack:

        def load(at: Source) -> CTranslate2Engine:
            what = Conversion(at.model, at.weights, PRECISION, at.dial)
            directory = stack.enter_context(converted(what, reporter))
            return stack.enter_context(CTranslate2Engine(directory, PRECISION, tokens, 1, threads))

        as_trained = replace(source, dial=None)
        base = load(as_trained.at(0.0)) if source.model.run_info().get("base") else None
        yield Judge(load(as_trained), base, tokenizer, hparams.n_ctx)
