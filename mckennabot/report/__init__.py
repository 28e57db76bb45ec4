"""What a run has learnt, with proof: ``report.html`` for people and ``report.json`` for programs.

account     the report as plain data
gather      what the run's directory and its corpus say
settings    how it was trained, and why so
measure     how much it sounds like the author, and how much it recites
samples     texts that it writes, and where their words come from
charts      the losses and the dial as SVG
page        the whole as one page of HTML
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mckennabot import __version__
from mckennabot.errors import ModelError, ResourceError
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.dial import AS_TRAINED
from mckennabot.models.weights import parameters
from mckennabot.report.account import Command, Course, Numbers, Report, Sample
from mckennabot.report.gather import HeldOut, read_course, read_held_out, read_learnt, read_sources
from mckennabot.report.measure import recited, score
from mckennabot.report.page import render
from mckennabot.report.samples import sample
from mckennabot.report.settings import explain
from mckennabot.reporter import Reporter, Silent
from mckennabot.system.files import write_atomic
from mckennabot.system.stored import write_json
from mckennabot.system.terminal import quoted, shown

HTML, JSON = "report.html", "report.json"


def write_report(run: ModelDir, reporter: Reporter | None = None) -> tuple[Report, Path]:
    """Let a run write samples, and report on it in its directory.

    Args:
        run: trained by `finetune`.
        reporter: takes what there is to say, such as that weights are converted once.

    Returns:
        The report, and the path of the page.

    Raises:
        ModelError: it is no run, or damaged.
        ResourceError, UsageError: memory or disk space ran out, or the run's directory cannot be written to.
    """
    report = make_report(run, reporter or Silent())
    write_atomic(run.path / JSON, write_json(dataclasses.asdict(report), indent=2) + "\n")
    write_atomic(run.path / HTML, render(report))
    return report, run.path / HTML


def refresh_report(run: ModelDir, reporter: Reporter) -> None:
    """Write the report unless it is there already; one that fails is only a warning."""
    if is_current(run):
        return
    try:
        _, path = write_report(run, reporter)
    except (ModelError, ResourceError) as error:
        reporter.warn(f"no report ({error.what}); to try again: mckennabot report {quoted(run.path)}")
    else:
        reporter.say(f"What it has learnt, and what it copies: {shown(path)}")


def is_current(run: ModelDir) -> bool:
    """Return whether the run's report is there, and made after all else in the run."""
    try:
        made = (run.path / HTML).stat().st_mtime_ns
        return all((run.path / name).stat().st_mtime_ns <= made for name in ("run.json", "checkpoint", JSON))
    except OSError:
        return False


def make_report(run: ModelDir, reporter: Reporter) -> Report:
    """Return the report on a run as it is now.

    Raises:
        ModelError: it is no run, or damaged.
        ResourceError: memory or disk space ran out.
    """
    info = run.run_info()
    if not info.get("corpus"):
        raise ModelError(
            "no run to report on: it has no run.json of finetune's", path=run.path, hint="Name another run."
        )
    course, held_out = read_course(run), read_held_out(run)
    samples = sample(run, held_out, reporter)
    learnt = read_learnt(run)
    sources = read_sources(run)
    return Report(
        run=run.name,
        made=datetime.now(timezone.utc).astimezone().isoformat(timespec="minutes"),
        version=__version__,
        model=str(info.get("model")),
        parameters=parameters(run.hparams()),
        words=sum(source.words for source in sources),
        tokens=int(info["corpus"].get("tokens", 0)),
        sources=sources,
        settings=list(explain(info, course)),
        course=course,
        numbers=Numbers(
            **_bits(info, course, held_out),
            **_copied(samples),
            held_out_words=held_out.words if held_out else 0,
            score=score(run, samples, reporter),
            reproduced=recited(run, learnt, reporter),
        ),
        samples=samples,
        notes=list(_notes(info, course, held_out, learnt is not None)),
        commands=list(_commands(run, info, course, held_out)),
    )


def _bits(info: dict[str, object], course: Course, held_out: HeldOut | None) -> dict[str, Any]:
    losses = zip(("bits_before", "bits_after"), _losses(info, course), strict=True)
    return {
        name: held_out.bits_per_byte(loss) if held_out and loss is not None else None for name, loss in losses
    }


def _copied(samples: list[Sample]) -> dict[str, Any]:
    words = sum(sample.words for sample in samples)
    copied = sum(sample.copied_share * sample.words for sample in samples)
    longest = max((copy.words for sample in samples for copy in sample.copies), default=0)
    return {
        "longest_copied": longest if words else None,
        "copied_share": copied / words if words else None,
        "sampled_words": words,
    }


def _losses(info: dict[str, object], course: Course) -> tuple[float | None, float | None]:
    """Nats per token of the held-out text, by the base and by the voice at the dial's best measured place."""
    along = dict(course.dial)
    best = info.get("best_loss")
    after = min([loss for place, loss in along.items() if place > 0], default=None)
    if after is None and isinstance(best, (int, float)):
        after = float(best)
    return along.get(0.0), after


def _notes(
    info: dict[str, object], course: Course, held_out: HeldOut | None, has_corpus: bool
) -> Iterator[str]:
    if held_out is None:
        yield "The run held no text out, so nothing tells how well it predicts what it never saw."
    if not has_corpus:
        yield "The run's corpus is gone or has changed since: what it recites was not measured."
    if len(course.dial) > 1 and course.dial[0][1] <= min(loss for _, loss in course.dial[1:]):
        yield (
            "The base model predicts the held-out text as well as the run does: too little was learnt to be "
            "heard."
        )
    if not info.get("base"):
        yield "The run began from a random start, so there is no base model to compare it with, and no dial."


def _commands(
    run: ModelDir, info: dict[str, object], course: Course, held_out: HeldOut | None
) -> Iterator[Command]:
    """Yield what to try next, what matters most first."""
    name = f"--run {quoted(run.name)}"
    if run.path.parent != Path("checkpoints"):
        name += f" --checkpoints {quoted(run.path.parent)}"
    yield Command(f'mckennabot generate {name} --prefix "It seems to me that"', "writes on from your words")
    yield Command(
        f"mckennabot generate {name} --originality --max-copied 8 --nsamples 3",
        "writes new texts, none of which has more than eight words in a row from the book",
    )
    if course.dial:
        place = AS_TRAINED if course.voice is None else course.voice
        louder = min(2.0, round(place + 0.3, 2))
        yield Command(
            f"mckennabot generate {name} --voice {louder:g}", "more of the author, less of the base"
        )
    yield Command(f"mckennabot serve{name.partition(quoted(run.name))[2]}", "a page to write in, and an API")
    if course.best_step is not None and course.best_step == course.steps and course.steps:
        yield Command(
            f"mckennabot finetune {_corpus(info)} {name} --steps {2 * course.steps}",
            "goes on: the last step was the best one, so more may be better",
        )
    elif held_out and held_out.words < 1000:
        yield Command(
            f"mckennabot voice book.pdf another.epub --run {quoted(run.name)}-2",
            "with more of the author's text: nothing helps a voice as much",
        )
    yield Command(f"mckennabot report {quoted(run.name)}", "makes this report again")


def _corpus(info: dict[str, object]) -> str:
    corpus = info.get("corpus")
    files = corpus.get("files", []) if isinstance(corpus, dict) else []
    return " ".join(quoted(file) for file in files)
