"""Corpus to run: fine-tune a GPT-2, or train a tiny one.

In the order in which a run passes through them:

texts       the corpus's files as texts               plan        which model, vocabulary and tokens
train       loads weights, creates or picks up        create      a run's first files
data        texts -> tokens -> windows                trainer     the loop: steps, validations, saves

And besides:

dry_run     what a run would take                     memory      bytes needed, and free
sampling    samples a text as it trains               precision   bfloat16 or float32, on this device
interrupt   signals save first                        pace        time used, and time left
engines/    GPT-2 in Keras ops, and what trains it: TensorFlow, JAX, gpt-2-simple
runs/       the run directory, exact resuming, metrics, figures
jobs/       several devices, and several processes that train as one
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mckennabot.config import FinetuneSettings
from mckennabot.reporter import Reporter, Silent


def finetune(paths: Sequence[Path], settings: FinetuneSettings, *, reporter: Reporter | None = None) -> Path:
    """Train a run, a new one or one that is there, to ``settings.steps``.

    Args:
        paths: the corpus: text files, directories of them, ``.npz`` or ``.csv`` (see `data.encode_corpus`).
        settings: the model, and how to train it.
        reporter: takes what there is to say while it works.

    Returns:
        The run's directory.

    Raises:
        MckennabotError: a corpus, model or place that cannot be used; `Interrupted` after saving.
    """
    from mckennabot.finetune.engines import reference
    from mckennabot.finetune.interrupt import Interruption
    from mckennabot.finetune.jobs import job
    from mckennabot.finetune.plan import make_plan
    from mckennabot.finetune.runs.run import open_run
    from mckennabot.finetune.train import follow, train

    reporter = reporter or Silent()
    with Interruption() as interruption, job.join(settings.engine) as mine:
        if not mine.leads:
            follow(interruption, mine)
            return settings.checkpoints / settings.run
        with open_run(settings.checkpoints, settings.run) as run:
            plan = make_plan(paths, settings, run, reporter, mine.processes)
            if settings.engine == "gpt-2-simple":
                return reference.train(plan, run, reporter).path
            return train(plan, run, reporter, interruption, mine).path


def plan_run(paths: Sequence[Path], settings: FinetuneSettings) -> str:
    """Return a table of what `finetune` would take; nothing is written or fetched.

    Raises:
        MckennabotError: as `finetune`.
    """
    from mckennabot.finetune.dry_run import dry_run
    from mckennabot.finetune.interrupt import Interruption
    from mckennabot.finetune.plan import make_plan
    from mckennabot.finetune.runs.run import Run

    with Interruption():
        run = Run(settings.checkpoints / settings.run)
        return dry_run(make_plan(paths, settings, run, Silent()))
