"""``mckennabot finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mckennabot.cli.options import base_url, chatter, checkpoints, console
from mckennabot.config import CORPUS_DIR, FinetuneSettings
from mckennabot.corpus import EXTRACT_HINT
from mckennabot.errors import InputError

DEFAULTS = FinetuneSettings()
COUNT = click.IntRange(min=0)
AT_LEAST_ONE = click.IntRange(min=1)

EPILOG = """
\b
Examples:
  mckennabot finetune --steps 1000                       data/*.txt -> checkpoints/run1
  mckennabot finetune --model tiny --run small book.txt  no download, from a random start

CORPUS is text (.txt, a directory of them, or - for stdin), tables of texts (.csv, .tsv, .jsonl), or
gpt-2-simple's .npz. Of anything else, `mckennabot extract` makes a corpus.
The same command again goes on with the run up to --steps.
"""


@click.command(epilog=EPILOG)
@click.argument("corpus", nargs=-1, type=click.Path(path_type=Path, readable=False))
@click.option(
    "--steps", type=AT_LEAST_ONE, default=DEFAULTS.steps, show_default=True, help="Steps of the whole run."
)
@click.option(
    "--model",
    metavar="NAME|PATH",
    help="124M, 355M, 774M, 1558M, a model's directory, or tiny: a random start with a vocabulary of its own."
    "  [default: what the run began with, else 124M, else tiny]",
)
@click.option("--run", default=DEFAULTS.run, show_default=True, help="The run's name.")
@click.option("--fresh", is_flag=True, help="Start the run over.")
@checkpoints
@base_url
@click.option("--devices", type=AT_LEAST_ONE, help="GPUs to use of each machine.  [default: all]")
@click.option(
    "--batch-size",
    type=AT_LEAST_ONE,
    help="Sequences at a time, in each process.  [default: 1, at least one a device; tiny: 4]",
)
@click.option(
    "--accumulate",
    type=AT_LEAST_ONE,
    default=DEFAULTS.accumulate,
    show_default=True,
    help="Batches per optimizer step.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    help="Peak learning rate.  [default: 0.0001; tiny: 0.0015]",
)
@click.option(
    "--warmup",
    type=COUNT,
    default=DEFAULTS.warmup,
    show_default=True,
    help="Steps over which the learning rate rises.",
)
@click.option("--block-size", type=AT_LEAST_ONE, help="Tokens per sequence.  [default: the model's window]")
@click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default=DEFAULTS.precision,
    show_default=True,
    help="Of the matrix products.",
)
@click.option(
    "--val-fraction",
    type=click.FloatRange(0, 0.9),
    default=DEFAULTS.val_fraction,
    show_default=True,
    help="Share of the corpus held out.",
)
@click.option(
    "--eval-every",
    type=COUNT,
    default=DEFAULTS.eval_every,
    show_default=True,
    help="Steps between validations; 0: only at the end.",
)
@click.option(
    "--save-every",
    type=COUNT,
    default=DEFAULTS.save_every,
    show_default=True,
    help="Steps between checkpoints; 0: only at the end.",
)
@click.option(
    "--sample-every",
    type=COUNT,
    default=DEFAULTS.sample_every,
    show_default=True,
    help="Steps between samples; 0: never.",
)
@click.option(
    "--patience",
    type=COUNT,
    default=DEFAULTS.patience,
    show_default=True,
    help="Validations without improvement before stopping; 0: never.",
)
@click.option("--seed", type=COUNT, default=DEFAULTS.seed, show_default=True, help="Of everything random.")
@click.option("--grad-checkpoint", is_flag=True, help="Less memory, more time: for 774M and 1558M.")
@click.option("--tensorboard", is_flag=True, help="Write event files for TensorBoard too.")
@click.option(
    "--column", metavar="NAME", help="Column of a CSV or JSONL corpus that holds the texts.  [default: found]"
)
@click.option("--dry-run", is_flag=True, help="Only say what it would take: tokens, epochs, memory, time.")
@click.option(
    "--engine",
    type=click.Choice(["keras", "gpt-2-simple"]),
    default=DEFAULTS.engine,
    show_default=True,
    help="What trains.",
)
@chatter
def finetune(corpus: tuple[Path, ...], verbose: bool, quiet: bool, **options: Any) -> None:
    """Train a model on a CORPUS (default: data/*.txt), so that it talks like the author."""
    from mckennabot import finetune as stage
    from mckennabot.finetune.jobs import job, supervise
    from mckennabot.system.inputs import is_aside, natural
    from mckennabot.system.spool import spooled

    paths = list(corpus) or [p for p in sorted(CORPUS_DIR.glob("*.txt"), key=natural) if not is_aside(p.name)]
    if not paths and not job.detected():  # of whose processes only the first needs one
        raise InputError("no corpus (*.txt)", path=CORPUS_DIR, hint=EXTRACT_HINT)
    settings = FinetuneSettings(**options)
    if job.detected():
        supervise.work_in_child()
    with spooled(paths) as files:
        if settings.dry_run:
            click.echo(stage.plan(files, settings))
        else:
            stage.finetune(files, settings, reporter=console(verbose, quiet))
