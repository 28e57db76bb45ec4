"""Corpus to run: fine-tune a GPT-2, or train a tiny one.

prepare     which model, vocabulary and tokens        data        text -> tokens -> windows
launch      loads, begins or picks up                 trainer     the loop
model       GPT-2 in Keras ops                        engine      what trains: step (TensorFlow), jaxstep
attention   in causal blocks                          entropy     the head's loss, rows at a time
run         the run directory, exact resuming         interrupt   signals save first
record      what training leaves there                start       what all processes have to know
devices     slices of the model, shares of a batch    job         several processes that train as one
supervise   a job's process has a child work          plan        --dry-run
metrics     metrics.jsonl                             figure      loss.png
events      for TensorBoard
sample      draws texts as it trains                  copied      how much of them is the corpus's
precision   which, on this device                     memory      what it takes, and what there is
reference   a run by gpt-2-simple itself
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


def plan(paths: Sequence[Path], settings: FinetuneSettings) -> str:
    """A table of what `finetune` would take; nothing is written or fetched.

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
