"""What takes the model itself to know: how much its samples sound like the author, how much it recites."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mckennabot.errors import ModelError
from mckennabot.finetune.data import Tokens
from mckennabot.generate.source import Source
from mckennabot.models.checkpoint import ModelDir
from mckennabot.report.account import Sample, Score
from mckennabot.reporter import Reporter
from mckennabot.voice.judge import Judge, open_judge
from mckennabot.voice.scoring import open_scorer

PASSAGES = 100
"""Passages of the book that are tried, spread evenly over it."""
GIVEN, RECITED = 50, 50
"""Tokens of a passage that the model is given, and that it is to go on with."""
ONCE_IN = 1000
"""A passage counts that comes word for word at least once in so many tries (arXiv 2505.12546)."""


def score(run: ModelDir, samples: Sequence[Sample], reporter: Reporter) -> Score | None:
    """Return the voice score of what the run wrote, all of it together; None where it has none.

    Raises:
        ModelError: the run is damaged.
        ResourceError: memory or disk space ran out.
    """
    text = "\n\n".join("".join(p.text for p in s.parts if p.kind != "given") for s in samples)
    if "voice_score" not in run.run_info() or not text.strip():
        return None
    try:
        with open_scorer(Source(run, run.weights("best")), reporter) as scorer:
            found, span = scorer.score(text).voice_score, scorer.range
    except ModelError as error:  # such as a base that is gone
        reporter.detail(f"No voice score: {error}")
        return None
    return Score(found, *span) if found is not None and span is not None else None


def recited(run: ModelDir, learnt: Tokens | None, reporter: Reporter) -> float | None:
    """Share of the book's passages that the run as trained would go on with word for word.

    Nothing is sampled: the probability of each passage is read off the model in one pass.

    Args:
        run: whose best weights are read.
        learnt: the tokens that it learnt from.
        reporter: takes what there is to say.

    Raises:
        ModelError: the run is damaged.
        ResourceError: memory or disk space ran out.
    """
    size = GIVEN + RECITED
    if learnt is None or len(learnt) < 2 * size or run.hparams().n_ctx < size:
        return None
    try:
        with open_judge(Source(run, run.weights("best")), reporter) as judge:
            return _recited(judge, learnt)
    except ModelError as error:
        reporter.detail(f"What it recites was not measured: {error}")
        return None


def _recited(judge: Judge, learnt: Tokens) -> float:
    size = GIVEN + RECITED
    count = min(PASSAGES, len(learnt) // size)
    starts = [i * (len(learnt) - size) // max(1, count - 1) for i in range(count)]
    windows = [learnt[start : start + size].tolist() for start in starts]
    nats = [float(sum(losses[-RECITED:])) for losses in judge.run.losses(windows)]
    return sum(loss <= math.log(ONCE_IN) for loss in nats) / count
