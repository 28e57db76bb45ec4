"""``mckennabot report``."""

from __future__ import annotations

from pathlib import Path

import click

from mckennabot.cli.options import from_settings, reporting
from mckennabot.config import GenerateSettings
from mckennabot.reporter import Reporter
from mckennabot.system.terminal import shown, write_stdout

EPILOG = """
\b
  mckennabot report               of the latest run -> checkpoints/<run>/report.html
  mckennabot report run1
"""


@click.command(epilog=EPILOG)
@click.argument("run", required=False)
@from_settings(GenerateSettings, "checkpoints")
@reporting
def report(run: str | None, checkpoints: Path, reporter: Reporter) -> None:
    """Report on a RUN (default: the latest) in report.html and report.json, with new samples."""
    from mckennabot.models.find import find_model, latest_run
    from mckennabot.report import write_report
    from mckennabot.report.page import verdict
    from mckennabot.voice.scoring import calibrate

    model = find_model(checkpoints, run) if run is not None else latest_run(checkpoints)
    calibrate(model, reporter)
    made, path = write_report(model, reporter)
    reporter.say(verdict(made))
    write_stdout(shown(path) + "\n")
