"""``mckennabot models``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mckennabot.cli.options import from_settings, reporting
from mckennabot.config import GenerateSettings
from mckennabot.errors import ModelError
from mckennabot.reporter import Reporter
from mckennabot.system.terminal import aligned, shown, write_stdout

if TYPE_CHECKING:
    from mckennabot.models.inventory import Entry

EPILOG = """
\b
  mckennabot models
  mckennabot models --check
"""

HEAD = ("NAME", "KIND", "SIZE", "PARAMETERS", "STEP", "BEST LOSS", "STATE")
GET_ONE = "Get one with: mckennabot finetune --model tiny (nothing to fetch), or --model 124M"


@click.command(epilog=EPILOG)
@from_settings(GenerateSettings, "checkpoints")
@click.option("--check", is_flag=True, help="Read everything in full; exit with 4 if anything is damaged.")
@reporting
def models(checkpoints: Path, check: bool, reporter: Reporter) -> None:
    """List base models and runs: size, step, validation loss and damage."""
    from mckennabot.models.inventory import inventory

    entries = list(inventory(checkpoints, thorough=check))
    if not entries:
        reporter.say(f"No models in {shown(checkpoints)}.\n  {GET_ONE}")
        return
    for line in aligned([HEAD, *map(_row, entries)], right=("SIZE", "PARAMETERS", "STEP")):
        write_stdout(line + "\n")
    damaged = [entry.name for entry in entries if entry.damage and entry.kind != "part"]
    if check and damaged:
        raise ModelError(f"damaged: {', '.join(damaged)}", path=checkpoints, hint=_REPAIR)


_REPAIR = "A base model: remove its directory and have it fetched again. A run: use another --checkpoint."


def _row(entry: Entry) -> tuple[str, ...]:
    step, loss = str(entry.step) if entry.step is not None else "-", "-"
    if entry.best_loss is not None:
        loss = f"{entry.best_loss:.4f}" + (f" at {entry.best_step}" if entry.best_step is not None else "")
    return (
        shown(entry.name),
        entry.kind,
        _short(entry.size, "B"),
        _short(entry.parameters, "") if entry.parameters is not None else "-",
        step,
        loss,
        entry.damage or "ok",
    )


def _short(count: int, unit: str) -> str:
    """Return a count in three or four digits: 497.8 MB, 124.4 M."""
    value, prefix = float(count), ""
    for larger in ("k", "M", "G", "T"):
        if value < 1000:
            break
        value, prefix = value / 1000, larger
    return f"{value:.{1 if prefix else 0}f} {prefix}{unit}".strip()
