"""Creates a run from its plan: its first weights, its held-out text and the index of its corpus."""

from __future__ import annotations

import os

from mckennabot import places
from mckennabot.corpus import SEPARATOR
from mckennabot.errors import ModelError
from mckennabot.finetune.data import Tokens, segments
from mckennabot.finetune.plan import Plan
from mckennabot.finetune.runs.run import Run
from mckennabot.models.checkpoint import HELD_OUT, ModelDir
from mckennabot.models.weights import random_weights, write_weights
from mckennabot.originality import FILE as INDEX
from mckennabot.originality import Index
from mckennabot.reporter import Reporter

HELD_OUT_TOKENS = 16384
"""Held-out tokens that a run keeps as text; more would tell the voice score nothing new."""

INDEXED_TOKENS = 4_000_000
"""Corpora up to this size are indexed for what samples copy; beyond it the index takes minutes to make."""


def create_run(plan: Plan, run: Run) -> Run:
    """Write a complete model at step 0; return the run to continue with, which may not be in its place yet.

    Raises:
        ResourceError, UsageError: it cannot be written.
    """

    def write_tiny(new: ModelDir) -> None:
        new.write_hparams(plan.hparams)
        plan.tokenizer.save(new.path)
        write_weights(new.path / "model-0", random_weights(plan.hparams, plan.settings.seed))

    return run.begin(plan.base, write_tiny, plan.info)


def keep_held_out(plan: Plan, run: Run, held_out: Tokens) -> None:
    """Keep the start of the held-out tokens [n] as text, which the voice score is calibrated with."""
    if not (run.path / HELD_OUT).exists():
        text = plan.tokenizer.decode(held_out[:HELD_OUT_TOKENS].tolist())
        run.keep(HELD_OUT, text.replace(SEPARATOR, "\n").strip())


def index_corpus(plan: Plan, run: Run, reporter: Reporter) -> Index | None:
    """Load or make the index that shows which words of a sample are copied; None if it would be too large."""
    if os.path.lexists(run.path / INDEX):
        try:
            return Index.load(run.path)
        except ModelError as error:
            reporter.warn(f"{error.what}: making it again")
    if len(plan.tokens) > INDEXED_TOKENS:
        reporter.say(
            f"A corpus of more than {INDEXED_TOKENS:,} tokens: what samples copy from it will not be known."
        )
        return None
    corpus = plan.corpus
    texts = [(path, segments(corpus, path, plan.tokenizer)) for path in corpus.files]
    spots = [spot for path, paragraphs in texts for spot in places.load(path, paragraphs)]
    index = Index.build([(path.name, paragraphs) for path, paragraphs in texts], spots)
    index.save(run.path)
    run.write_info(run.run_info(), new=[INDEX])
    return index
