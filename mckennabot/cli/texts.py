"""Sample texts on their way to a terminal, a pipe or a file."""

from __future__ import annotations

import json
import math
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from mckennabot.generate.sampler import Piece, Sample
    from mckennabot.originality import Report, Run

    Reporter = Callable[[Sample], Report]

DIVIDER = "\n" + "=" * 20 + "\n"
NAMED_WORDS = 12
"""New words that a summary names."""


def write_text(events: Iterable[Piece | Sample], shown: Sequence[str], file: TextIO) -> None:
    """Write each text as it is sampled, with a line of = between two.

    Args:
        events: from `Sampler.sample`.
        shown: what to print before each text: its prefix, or nothing.
        file: where to.
    """
    from mckennabot.generate.sampler import Sample

    begun = -1
    try:
        for event in _in_order(events):
            if event.index != begun:
                begun = event.index
                file.write((DIVIDER if begun else "") + shown[begun])
            file.write("\n" if isinstance(event, Sample) else event.text)
            file.flush()
    except KeyboardInterrupt:
        file.write("\n")
        raise


def write_whole_text(
    events: Iterable[Piece | Sample], shown: Sequence[str], file: TextIO, reporter: Reporter | None
) -> None:
    """Write each text when it is complete.

    With a reporter, what is copied is summed up on stderr, and shown on a terminal: copied runs dim,
    new words bright.
    """
    colour = file.isatty() and not os.environ.get("NO_COLOR")
    for sample in _complete(events):
        whole = sample.prefix + sample.text
        begin = len(sample.prefix) - len(shown[sample.index])
        report = reporter(sample) if reporter else None
        text = _highlighted(whole, begin, report) if report and colour else whole[begin:]
        file.write((DIVIDER if sample.index else "") + text + "\n")
        file.flush()
        if report:
            click.echo(summary(whole, report), err=True)


def write_jsonl(
    events: Iterable[Piece | Sample],
    shown: Sequence[str],
    file: TextIO,
    common: dict[str, Any],
    reporter: Reporter | None = None,
) -> None:
    """Write each complete text as a JSON object on a line of its own.

    Args:
        events: from `Sampler.sample`.
        shown: what "text" starts with: the prefix, or nothing.
        file: where to.
        common: entries that every line has.
        reporter: makes an entry "originality", whose spans are of characters of "text".
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
        if reporter:
            hidden = len(sample.prefix) - len(shown[sample.index])
            line["originality"] = _as_json(reporter(sample), hidden)
        file.write(json.dumps(line, ensure_ascii=False) + "\n")
        file.flush()


def summary(text: str, report: Report) -> str:
    """What is copied and what is new, on one line."""
    if report.longest is None:
        copied = "no word is the corpus's"
    else:
        place = report.longest.place
        copied = (
            f"longest copied run {report.longest.words} words "
            f"({place.file}, segment {place.segment}, paragraph {place.paragraph})"
        )
    new = list(dict.fromkeys(text[start:end] for start, end in report.new))
    more = f" and {len(new) - NAMED_WORDS} more" if len(new) > NAMED_WORDS else ""
    return (
        f"originality: {copied}; {report.share:.0%} of {report.words} words in copied runs; "
        f"new words: {', '.join(new[:NAMED_WORDS]) or 'none'}{more}"
    )


def _in_order(events: Iterable[Piece | Sample]) -> Iterator[Piece | Sample]:
    """The events text by text; what is sampled of later texts waits for its turn."""
    from mckennabot.generate.sampler import Sample

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
    from mckennabot.generate.sampler import Sample

    return (event for event in _in_order(events) if isinstance(event, Sample))


def _highlighted(text: str, begin: int, report: Report) -> str:
    """`text` from `begin` on, copied runs dim and new words bold."""
    dim = {at for run in report.copied for at in range(run.start, run.end)}
    bold = {at for start, end in report.new for at in range(start, end)}
    pieces: list[str] = []
    now = ""
    for at, character in enumerate(text[begin:], begin):
        style = "\x1b[2m" if at in dim else "\x1b[1;32m" if at in bold else ""
        if style != now:
            pieces.append(("\x1b[0m" if now else "") + style)
            now = style
        pieces.append(character)
    return "".join(pieces) + ("\x1b[0m" if now else "")


def _as_json(report: Report, hidden: int) -> dict[str, Any]:
    """A report whose spans begin after `hidden` characters."""

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
