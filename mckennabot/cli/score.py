"""``mckennabot score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mckennabot.cli.options import PATH, from_settings, reporting
from mckennabot.config import GenerateSettings
from mckennabot.errors import InputError
from mckennabot.reporter import Reporter
from mckennabot.system.stored import write_json
from mckennabot.system.terminal import aligned, shown

if TYPE_CHECKING:
    from mckennabot.voice.scoring import Score

EPILOG = """
\b
  mckennabot score draft.txt chapter.txt
  mckennabot generate --length 600 | mckennabot score -
"""

STDIN = Path("-")
HEAD = ("TEXT", "VOICE", "BITS/BYTE", "BASE", "DELTA", "COPIED", "LONGEST", "NEW WORDS")


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, type=PATH, metavar="[FILE|-]...")
@from_settings(GenerateSettings, "run", "model", "checkpoints", "checkpoint")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="Write a table, or one JSON object per text.",
)
@reporting
def score(
    files: tuple[Path, ...],
    run: str | None,
    model: str | None,
    checkpoints: Path,
    checkpoint: str | None,
    form: str,
    reporter: Reporter,
) -> None:
    """Measure how much texts (default: stdin) talk like the author of a run."""
    from mckennabot.generate.source import find_source, while_it_trains
    from mckennabot.voice.scoring import OPTIMISTIC, open_scorer

    settings = GenerateSettings(
        run=run, model=model, checkpoints=checkpoints, checkpoint=checkpoint, voice=1.0
    )
    texts = [(str(path), _text(path)) for path in files or (STDIN,)]

    def score_all() -> tuple[list[tuple[str, Score]], tuple[float, float] | None]:
        source = find_source(settings, reporter)
        reporter.say(f"Scoring by {shown(source.weights)}")
        with open_scorer(source, reporter) as scorer:
            return [(name, scorer.score(text)) for name, text in texts], scorer.range

    scores, between = while_it_trains(score_all)
    if form == "jsonl":
        for name, found in scores:
            click.echo(write_json({"file": name, **found.as_json()}))
        return
    scores.sort(
        key=lambda pair: (pair[1].voice_score is not None, pair[1].voice_score or pair[1].saved), reverse=True
    )
    for line in aligned([HEAD, *(_row(name, found) for name, found in scores)], right=HEAD[1:]):
        click.echo(line)
    for name, found in scores:
        for field, why in found.reasons.items():
            if field in ("voice_score", "delta"):
                reporter.say(f"{shown(name)}: no {field.replace('_', ' ')}: {why}")
    if between:
        low, high = between
        reporter.say(
            f"Voice: the author's unseen pages are 100, 90 % of them between {low:.0f} and {high:.0f}."
        )
        reporter.say(OPTIMISTIC)


def _text(path: Path) -> str:
    """Return a file's text.

    Raises:
        InputError: it cannot be read, or holds none.
    """
    from mckennabot.corpus import read_text

    text = read_text(path)
    if not text.strip():
        raise InputError("no text to score", path=path)
    return text.strip()


def _row(name: str, found: Score) -> tuple[str, ...]:
    def number(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    longest, new = found.longest_copied, found.new_words
    return (
        shown(name),
        number(found.voice_score, ".0f"),
        number(found.bits_per_byte, ".3f"),
        number(found.base_bits_per_byte, ".3f"),
        number(found.delta, ".2f"),
        number(found.copied_share, ".0%"),
        "-" if longest is None else f"{longest['words']} words",
        "-" if new is None else str(len(new)),
    )
