"""One command from books to a voice with proof: read, look, plan, train, report.

library     the sources: read, freed of what they share, kept as corpus files
repeats     the same text in two sources
authors     who wrote them, by what their files say
look        what the text is, and what to know before spending time on it
plan        which model, how many steps, how long
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from mckennabot.book_to_voice import library as shelf
from mckennabot.book_to_voice.library import Library
from mckennabot.book_to_voice.look import Look, look_at
from mckennabot.book_to_voice.plan import Pace, Plan, make_plan
from mckennabot.config import CORPUS_DIR, ExtractSettings, FinetuneSettings, VoiceSettings
from mckennabot.errors import Interrupted
from mckennabot.extract.sources import find_sources
from mckennabot.finetune import finetune
from mckennabot.models import small
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.download import KNOWN
from mckennabot.report import HTML, is_current, write_report
from mckennabot.report.account import Report
from mckennabot.report.page import verdict
from mckennabot.reporter import Reporter
from mckennabot.system.files import write_atomic
from mckennabot.system.terminal import in_words, quoted, shown
from mckennabot.voice.scoring import calibrate

PLAN = ".plan.json"
"""In the directory of the texts: the settings that the run was begun with."""
AGAIN = "The same command goes on from here."


def make_voice(
    sources: Sequence[Path], settings: VoiceSettings, reading: ExtractSettings, reporter: Reporter
) -> Path | None:
    """Make a voice of books by one author.

    Args:
        sources: files, and directories of them.
        settings: how much time there is, and what to start from.
        reading: how to read the sources.
        reporter: takes what there is to say.

    Returns:
        The page of the report; None after a dry run.

    Raises:
        InputError: the sources cannot be read, or are too short.
        ModelError: the model is not to be had, or the run is damaged.
        UsageError: the time is too short, or something else stands in the run's place.
        ResourceError: memory or disk space ran out.
        Interrupted: by Ctrl-C; what is done is kept, and the same call goes on.
    """
    began = time.monotonic()
    files, found = find_sources(sources)
    for note in found.notes():
        reporter.say(note)
    name = settings.run or run_name(sources)
    run = ModelDir(settings.checkpoints / name)
    try:
        books = _read(files, CORPUS_DIR / name, reading, settings, reporter)
        look = look_at(books)
        _say_look(look, reporter)
        goal = _goal(run, books, look, settings, name, began, reporter)
        if settings.dry_run:
            return None
        if not settings.fresh and _is_done(run, goal):
            reporter.row("Done", f"already; its report is {shown(run.path / HTML)}")
            reporter.row("", "--fresh starts over, and --minutes with more of them goes on.")
            return run.path / HTML
        finetune(books.files, goal, reporter=reporter)
        trained = time.monotonic()
        calibrate(run, reporter)
        report, page = write_report(run, reporter)
    except KeyboardInterrupt as error:
        raise Interrupted("interrupted; what is done is kept", hint=AGAIN) from error
    _remember(run, settings.checkpoints, str(goal.model), time.monotonic() - trained, report)
    _say_result(report, page, time.monotonic() - began, reporter)
    return page


def run_name(sources: Sequence[Path]) -> str:
    """Return a name for the run: the first source's, in characters that a shell leaves alone.

    >>> run_name([Path("books/The New Age.pdf")])
    'The-New-Age'
    """
    source = sources[0].resolve()
    name = re.sub(r"[^\w.-]+", "-", source.stem if source.suffix else source.name).strip("-._") or "voice"
    return f"{name}-voice" if name in (*KNOWN, small.NAME, "tiny") else name


def _read(
    files: Sequence[Path],
    directory: Path,
    reading: ExtractSettings,
    settings: VoiceSettings,
    reporter: Reporter,
) -> Library:
    """Return the texts: those that an earlier call wrote for the same sources, else new ones."""
    key = shelf.describe(files, reading, settings.per_book)
    books = shelf.find_written(directory, key)
    if books is None:
        books = shelf.read(files, reading, reporter)
        for text in books.texts:
            for warning in text.account["warnings"]:
                reporter.warn(f"{shown(text.source.name)}: {warning}")
        look_at(books)  # before anything is written
        books = shelf.write(books, directory, key, per_book=settings.per_book)
    for number, text in enumerate(books.texts):
        reporter.row("" if number else "Read", "\n".join(_about(text)))
    return books


def _about(text: shelf.Text) -> list[str]:
    told = text.account
    counts = [f"{text.words:,} words"]
    if pages := told.get("pages"):
        counts.insert(0, f"{pages:,} pages")
    if chapters := told.get("chapters"):
        counts.append(f"{len(chapters):,} chapters")
    lines = [f"{shown(text.source.name)}: {', '.join(counts)}"]
    removed = sorted((told.get("removed") or {}).items(), key=lambda item: -item[1]["words"])
    if removed:
        kinds = ", ".join(f"{kind} {what['words']:,}" for kind, what in removed[:5])
        lines.append(f"left out, in words: {kinds}")
    if text.repeated:
        others = ", ".join(sorted({shown(name) for _, name in text.repeated}))
        count = len(text.repeated)
        lines.append(f"{count} chapter{'s' if count > 1 else ''} that {others} has too: used once")
    for name in text.contains:
        lines.append(f"{shown(name)} is the same text: used once")
    return lines


def _say_look(look: Look, reporter: Reporter) -> None:
    language = look.language or "a language unknown to mckennabot"
    reporter.row("Look", f"{look.words:,} words of {language} in all")
    for warning in look.warnings:
        reporter.warn(warning)


def _goal(
    run: ModelDir,
    books: Library,
    look: Look,
    settings: VoiceSettings,
    name: str,
    began: float,
    reporter: Reporter,
) -> FinetuneSettings:
    """Return the settings of training: those that the run was begun with, else a new plan."""
    path = CORPUS_DIR / name / PLAN
    options: dict[str, Any] = {
        "run": name,
        "checkpoints": settings.checkpoints,
        "base_url": settings.base_url,
    }
    begun = None if settings.fresh or not run.steps() else _planned(path, settings)
    if begun is not None:
        goal = FinetuneSettings(**{**begun, **options})
        if not _is_done(run, goal):
            reporter.row("Plan", f"goes on with {shown(name)} at step {max(run.steps()):,} of {goal.steps:,}")
        return goal
    reporter.row("Plan", "measuring what a step takes on this machine …")
    with_name = VoiceSettings(**{**vars(settings), "run": name, "model": _model(run, settings)})
    plan = make_plan(books, look, with_name, began + 60 * settings.minutes, reporter)
    _say_plan(plan, settings, began, reporter)
    kept = ("steps", "minutes", "model", "val_fraction", "sample_every")
    if not settings.dry_run:
        content = {"minutes": settings.minutes, "settings": {k: getattr(plan.settings, k) for k in kept}}
        write_atomic(path, json.dumps(content, indent=2) + "\n")
    return plan.settings


def _model(run: ModelDir, settings: VoiceSettings) -> str | None:
    """Return the model to start from: a run that is there goes on with its own."""
    if settings.model or settings.fresh or not run.steps():
        return settings.model
    began = run.run_info().get("model")
    return str(began) if began else None


def _planned(path: Path, settings: VoiceSettings) -> dict[str, Any] | None:
    """Return what an earlier call with the same time and model planned."""
    try:
        known = json.loads(path.read_bytes())
        options = dict(known["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    same = known.get("minutes") == settings.minutes and settings.model in (None, options.get("model"))
    return options | {"sample_every": 0} if same else None


def _say_plan(plan: Plan, settings: VoiceSettings, began: float, reporter: Reporter) -> None:
    left = 60 * settings.minutes - (time.monotonic() - began)
    end = datetime.now() + timedelta(seconds=left)
    for line in plan.lines():
        reporter.row("", line)
    reporter.row("", f"done by {end:%H:%M}, {in_words(60 * settings.minutes)} after the start")


def _is_done(run: ModelDir, goal: FinetuneSettings) -> bool:
    """Return whether the run has been trained as planned, and reported on since."""
    before = run.run_info().get("settings") or {}
    return is_current(run) and (before.get("steps"), before.get("minutes")) == (goal.steps, goal.minutes)


def _remember(run: ModelDir, checkpoints: Path, model: str, tail: float, report: Report) -> None:
    """Note what steps and report took, for the next plan."""
    pace = Pace(checkpoints)
    if report.course.steps > 1 and report.course.seconds:
        pace.note(f"step of {model}", report.course.seconds / report.course.steps)
    pace.note("tail", 1.3 * tail + 10)


def _say_result(report: Report, page: Path, seconds: float, reporter: Reporter) -> None:
    course = report.course
    if course.best_step is not None:
        place = f", dial at {course.voice:g}" if course.voice is not None else ""
        reporter.row("Voice", f"step {course.best_step:,} of {course.steps:,} is the best{place}")
    reporter.row("Proof", verdict(report))
    if report.samples:
        middle = report.samples[len(report.samples) // 2]
        words = "".join(part.text for part in middle.parts).split()
        reporter.row("Sample", " ".join(words[:60]) + (" …" if len(words) > 60 else ""))
    reporter.row("Time", in_words(seconds))
    reporter.row("Report", shown(page))
    reporter.row("Next", f'mckennabot generate --run {quoted(report.run)} --prefix "…"')
