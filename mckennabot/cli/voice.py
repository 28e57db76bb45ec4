"""``mckennabot voice``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mckennabot.cli.options import PATH, from_settings, reporting
from mckennabot.config import ExtractSettings, VoiceSettings
from mckennabot.errors import UsageError
from mckennabot.reporter import Reporter
from mckennabot.system.terminal import shown, write_stdout

READING = ("password", "ocr", "keep", "speaker", "column")

EPILOG = """
\b
  mckennabot voice book.pdf                     in a quarter of an hour
  mckennabot voice book.pdf talks/ --minutes 60
  mckennabot voice book.pdf --dry-run           only say what would be done

Ctrl-C keeps what is done, and the same command goes on.
"""


@click.command(epilog=EPILOG)
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, type=PATH)
@from_settings(VoiceSettings)
@from_settings(ExtractSettings, *READING)
@reporting
def voice(sources: tuple[Path, ...], reporter: Reporter, **options: Any) -> None:
    """Turn one author's books into a voice in one go: extract, finetune, and report on it."""
    from mckennabot.book_to_voice import make_voice
    from mckennabot.finetune.jobs import job
    from mckennabot.system.spool import spooled

    if job.detected():
        raise UsageError("voice works in one process", hint="For a job: mckennabot extract, then finetune.")
    reading = ExtractSettings(**{name: options.pop(name) for name in READING})
    settings = VoiceSettings(**options)
    with spooled(sources) as files:
        page = make_voice(files, settings, reading, reporter)
    if page is not None:
        write_stdout(shown(page) + "\n")
