"""Writes samples as plain text or as JSON lines, with what is known of their originality."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from mckennabot.generate.destination import Destination, Stream
from mckennabot.generate.sampler import Piece, Sample
from mckennabot.originality import Report, Run
from mckennabot.reporter import Reporter
from mckennabot.system.stored import write_json
from mckennabot.system.terminal import printable

Judge = Callable[[Sample], Report]
"""Reports how original a sample is."""

Scores = Callable[[Sample], dict[str, Any]]
"""Scores a sample: "voice_score", and "voice_score_reason" where that is None."""

DIVIDER = "\n" + "=" * 20 + "\n"
NAMED_WORDS = 12
"""New words that a summary names."""


def write_text(events: Iterable[Piece | Sample], shown: Sequence[str], to: Destination) -> None:
    """Write each text as it is sampled, with a line of = between two.

    Args:
        events: from `Sampler.sample`.
        shown: what to print before each text: its prefix, or nothing.
        to: the place to write to.
    """
    begun = -1
    try:
        for event in _in_order(events):
            if event.index != begun:
                begun = event.index
                to.write((DIVIDER if begun else "") + shown[begun])
            if isinstance(event, Sample):
                to.write("\n")
                to.end()
            elif event.text:
                to.write(event.text)
    except KeyboardInterrupt:
        to.write("\n")
        raise


def write_whole_text(
    events: Iterable[Piece | Sample],
    shown: Sequence[str],
    to: Destination,
    judge: Judge | None,
    reporter: Reporter,
    scores: Scores | None = None,
) -> None:
    """Write each text when it is complete.

    With a judge, what is copied is summed up for the reporter, and shown on a terminal: copied runs dim,
    new words bright. With scores, the reporter hears the voice score too.
    """
    for sample in _complete(events):
        whole = sample.prefix + sample.text
        begin = len(sample.prefix) - len(shown[sample.index])
        report = judge(sample) if judge else None
        to.write(DIVIDER if sample.index else "")
        if report and to.colour and isinstance(to, Stream):
            to.write_coloured(_highlighted(whole, begin, report))
        else:
            to.write(whole[begin:])
        to.write("\n")
        to.end()
        if report:
            reporter.answer(summary(whole, report))
        if scores:
            found = scores(sample)
            number = found["voice_score"]
            said = found["voice_score_reason"] if number is None else f"{number:.0f}"
            reporter.answer(f"voice score: {said}")


def write_jsonl(
    events: Iterable[Piece | Sample],
    shown: Sequence[str],
    to: Destination,
    common: dict[str, Any],
    judge: Judge | None = None,
    scores: Scores | None = None,
) -> None:
    """Write each complete text as a JSON object on a line of its own.

    Args:
        events: from `Sampler.sample`.
        shown: what "text" starts with: the prefix, or nothing.
        to: the place to write to.
        common: entries that every line has.
        judge: makes an entry "originality", whose spans are of characters of "text".
        scores: gives more entries, such as "voice_score".
    """
    for sample in _complete(events):
        known = math.isfinite(sample.log_probability)
        line = {
            "prefix": sample.prefix,
            "text": shown[sample.index] + sample.text,
            **common,
            "index": sample.index,
            "stop": sample.stop,
            "tokens": sample.tokens,
            "log_probability": round(sample.log_probability, 4) if known else None,
        }
        if judge:
            hidden = len(sample.prefix) - len(shown[sample.index])
            line["originality"] = _as_json(judge(sample), hidden)
        if scores:
            line |= scores(sample)
        to.write(write_json(line) + "\n")
        to.end()


def summary(text: str, report: Report) -> str:
    """Write on one line what is copied and what is new."""
    if report.longest is None:
        copied = "no word is the corpus's"
    else:
        place = report.longest.place
        copied = f"longest copied run {report.longest.words} words ({place})"
    new = list(dict.fromkeys(text[start:end] for start, end in report.new))
    more = f" and {len(new) - NAMED_WORDS} more" if len(new) > NAMED_WORDS else ""
    return (
        f"originality: {copied}; {report.share:.0%} of {report.words} words in copied runs; "
        f"new words: {', '.join(new[:NAMED_WORDS]) or 'none'}{more}"
    )


def _in_order(events: Iterable[Piece | Sample]) -> Iterator[Piece | Sample]:
    """Yield the events text by text; pieces of later texts wait for their turn."""
    current = 0
    waiting: dict[int, deque[Piece | Sample]] = {}
    for event in events:
        waiting.setdefault(event.index, deque()).append(event)
        while queue := waiting.get(current):
            yield (ready := queue.popleft())
            if isinstance(ready, Sample):
                del waiting[current]
                current += 1


def _complete(events: Iterable[Piece | Sample]) -> Iterator[Sample]:
    return (event for event in _in_order(events) if isinstance(event, Sample))


def _highlighted(text: str, begin: int, report: Report) -> str:
    """Return `text` from `begin` on, with copied runs dim and new words bold green."""
    dim = {at for run in report.copied for at in range(run.start, run.end)}
    bold = {at for start, end in report.new for at in range(start, end)}
    pieces: list[str] = []
    now = ""
    for at, character in enumerate(text[begin:], begin):
        style = "\x1b[2m" if at in dim else "\x1b[1;32m" if at in bold else ""
        if style != now:
            pieces.append(("\x1b[0m" if now else "") + style)
            now = style
        pieces.append(printable(character))
    return "".join(pieces) + ("\x1b[0m" if now else "")


def _as_json(report: Report, hidden: int) -> dict[str, Any]:
    """Return a report as JSON, its spans counted from character `hidden`."""

    def run(found: Run) -> dict[str, Any]:
        entry = asdict(found)
        place = entry.pop("place")
        return {**entry, "start": max(0, found.start - hidden), "end": found.end - hidden, **place}

    return {
        "words": report.words,
        "longest": run(report.longest) if report.longest else None,
        "copied": [run(found) for found in report.copied],
        "share": round(report.share, 4),
        "new": [[max(0, start - hidden), end - hidden] for start, end in report.new],
    }
