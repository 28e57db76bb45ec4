"""``mckennabot finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mckennabot.cli.options import PATH, from_settings, reporting
from mckennabot.config import CHECKPOINTS, CORPUS_DIR, FinetuneSettings
from mckennabot.errors import InputError
from mckennabot.reporter import Reporter
from mckennabot.system.terminal import quoted, shown, write_stdout

EPILOG = """
\b
Examples:
  mckennabot finetune --steps 1000                       data/*.txt -> checkpoints/run1
  mckennabot finetune --model tiny --run mine book.txt   no download, from a random start

CORPUS is text (.txt, a directory of them, or - for stdin), tables of texts (.csv, .tsv, .jsonl), or
gpt-2-simple's .npz. Of anything else, `mckennabot extract` makes a corpus.
The same command again goes on with the run up to --steps.
"""


@click.command(epilog=EPILOG)
@click.argument("corpus", nargs=-1, type=PATH)
@from_settings(FinetuneSettings)
@click.option("--no-report", is_flag=True, help="Leave out report.html and report.json at the end.")
@reporting
def finetune(corpus: tuple[Path, ...], no_report: bool, reporter: Reporter, **options: Any) -> None:
    """Train a model on a CORPUS (default: data/*.txt), so that it talks like the author."""
    from mckennabot import finetune as stage
    from mckennabot.corpus import EXTRACT_HINT
    from mckennabot.finetune.jobs import job, supervise
    from mckennabot.models.checkpoint import ModelDir
    from mckennabot.system.inputs import is_aside, natural
    from mckennabot.system.spool import spooled
    from mckennabot.voice.scoring import calibrate

    settings = FinetuneSettings(**options)
    paths = list(corpus) or [p for p in sorted(CORPUS_DIR.glob("*.txt"), key=natural) if not is_aside(p.name)]
    if not paths and not job.detected():  # of whose processes only the first needs one
        raise InputError("no corpus (*.txt)", path=CORPUS_DIR, hint=EXTRACT_HINT)
    if job.detected():
        supervise.work_in_child()
    with spooled(paths) as files:
        if settings.dry_run:
            write_stdout(stage.plan_run(files, settings) + "\n")
            return
        path = stage.finetune(files, settings, reporter=reporter)
        reporter.say(f"The run is in {shown(path)}")
        if not job.detected():
            calibrate(ModelDir(path), reporter)
            if not no_report:
                from mckennabot.report import refresh_report

                refresh_report(ModelDir(path), reporter)
        elsewhere = settings.checkpoints != CHECKPOINTS
        where = f" --checkpoints {quoted(settings.checkpoints)}" if elsewhere else ""
        reporter.say(f"Next: mckennabot generate --run {quoted(settings.run)}{where}")
