"""Corpus to run: fine-tune a GPT-2, or train a tiny one.

prepare     which model, vocabulary and tokens        texts       the corpus's files as texts
launch      loads, begins or picks up                 data        texts -> tokens -> windows
trainer     the loop                                  pace        how long it has had, and still takes
plan        --dry-run                                 memory      what it takes, and what there is
sample      samples a text as it trains               precision   which, on this device
interrupt   signals save first
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
    """Begin a run, or go on with it to ``settings.steps``.

    Args:
        paths: the corpus: text files, directories of them, ``.npz`` or ``.csv`` (see `data.encode_corpus`).
        settings: how.
        reporter: takes what there is to say while it works.

    Returns:
        The run's directory.

    Raises:
        MckennabotError: a corpus, model or place that cannot be used; `Interrupted` after saving.
    """
    from mckennabot.finetune.engines import reference
    from mckennabot.finetune.interrupt import Interruption
    from mckennabot.finetune.jobs import job
    from mckennabot.finetune.launch import follow, launch
    from mckennabot.finetune.prepare import prepare
    from mckennabot.finetune.runs.run import open_run

    reporter = reporter or Silent()
    with Interruption() as interruption, job.join(settings.engine) as mine:
        if not mine.leads:
            follow(interruption, mine)
            return settings.checkpoints / settings.run
        with open_run(settings.checkpoints, settings.run) as run:
            plan = prepare(paths, settings, run, reporter, mine.processes)
            if settings.engine == "gpt-2-simple":
                return reference.launch(plan, run, reporter).path
            return launch(plan, run, reporter, interruption, mine).path


def plan_run(paths: Sequence[Path], settings: FinetuneSettings) -> str:
    """Say in a table what `finetune` would take; nothing is written or fetched.

    Raises:
        MckennabotError: as `finetune`.
    """
    from mckennabot.finetune.interrupt import Interruption
    from mckennabot.finetune.plan import dry_run
    from mckennabot.finetune.prepare import prepare
    from mckennabot.finetune.runs.run import Run

    with Interruption():
        run = Run(settings.checkpoints / settings.run)
        return dry_run(prepare(paths, settings, run, Silent()))
