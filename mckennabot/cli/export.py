"""``mckennabot export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mckennabot.cli.options import Output, from_settings, reporting
from mckennabot.config import ExportSettings
from mckennabot.reporter import Reporter
from mckennabot.system.terminal import shown

EPILOG = """
\b
  mckennabot export                                     the latest run -> run1.voice, one file
  mckennabot generate --model run1.voice                anywhere else; serve and finetune take it too
  mckennabot export run1 --format hf -o holmes          for transformers
  mckennabot export run1 --format gguf --precision q8_0 for llama.cpp -> run1.gguf
  mckennabot export run1 --format ollama -o holmes && cd holmes && ollama create holmes -f Modelfile
"""


@click.command(epilog=EPILOG)
@click.argument("run", required=False)
@from_settings(ExportSettings, without=("run",))
@click.option(
    "-o",
    "--output",
    type=Output(),
    metavar="PATH",
    help="Write to this file, or for hf and ollama to this directory.  [default: the run's name, here]",
)
@click.option("--force", is_flag=True, help="Overwrite the output.")
@reporting
def export(output: str | None, force: bool, reporter: Reporter, **options: Any) -> None:
    """Write a RUN (default: the latest) for other programs, or into one portable file."""
    from mckennabot import export as stage

    done = stage.export(ExportSettings(**options), output, force=force, reporter=reporter)
    step = f", step {done.step}" if done.step is not None else ""
    voice = f", voice {done.voice:g}" if done.voice != 1 else ""
    reporter.say(f"{done.name}{step}{voice} -> {shown(done.path)} ({_megabytes(done.path):,.1f} MB)")


def _megabytes(path: Path) -> float:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
