"""Drawn texts on their way to a terminal, a pipe or a file."""

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
    from mckennabot.generate.draw import Drawn, Piece
    from mckennabot.originality import Report, Run

    Reporter = Callable[[Drawn], Report]

DIVIDER = "\n" + "=" * 20 + "\n"
NAMED_WORDS = 12
"""New words that a summary names."""


def write_text(events: Iterable[Piece | Drawn], shown: Sequence[str], file: TextIO) -> None:
    """Write each text as it is drawn, with a line of = between two.

    Args:
        events: from `Drawer.draw`.
        shown: what to print before each text: its prefix, or nothing.
        file: where to.
    """
    from mckennabot.generate.draw import Drawn

    begun = -1
    try:
        for event in _in_order(events):
            if event.index != begun:
                begun = event.index
                file.write((DIVIDER if begun else "") + shown[begun])
            file.write("\n" if isinstance(event, Drawn) else event.text)
            file.flush()
    except KeyboardInterrupt:
        file.write("\n")
        raise


def write_whole_text(
    events: Iterable[Piece | Drawn], shown: Sequence[str], file: TextIO, reporter: Reporter | None
) -> None:
    """Write each text when it is complete.

    With a reporter, what is copied is summed up on stderr, and shown on a terminal: copied runs dim,
    new words bright.
    """
    colour = file.isatty() and not os.environ.get("NO_COLOR")
    for drawn in _complete(events):
        whole = drawn.prefix + drawn.text
        begin = len(drawn.prefix) - len(shown[drawn.index])
        report = reporter(drawn) if reporter else None
        text = _highlighted(whole, begin, report) if report and colour else whole[begin:]
        file.write((DIVIDER if drawn.index else "") + text + "\n")
        file.flush()
        if report:
            click.echo(summary(whole, report), err=True)


def write_jsonl(
    events: Iterable[Piece | Drawn],
    shown: Sequence[str],
    file: TextIO,
    common: dict[str, Any],
    reporter: Reporter | None = None,
) -> None:
    """Write each complete text as a JSON object on a line of its own.

    Args:
        events: from `Drawer.draw`.
        shown: what "text" starts with: the prefix, or nothing.
        file: where to.
        common: entries that every line has.
        reporter: makes an entry "originality", whose spans are of characters of "text".
    """
    for drawn in _complete(events):
        known = math.isfinite(drawn.log_probability)
        line = {
            "prefix": drawn.prefix,
            "text": shown[drawn.index] + drawn.text,
            **common,
            "index": drawn.index,
            "stop": drawn.stop,
            "tokens": drawn.tokens,
            "log_probability": round(drawn.log_probability, 4) if known else None,
        }
        if reporter:
            hidden = len(drawn.prefix) - len(shown[drawn.index])
            line["originality"] = _as_json(reporter(drawn), hidden)
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


def _in_order(events: Iterable[Piece | Drawn]) -> Iterator[Piece | Drawn]:
    """The events text by text; what is drawn of later texts waits for its turn."""
    from mckennabot.generate.draw import Drawn

    current = 0
    waiting: dict[int, deque[Piece | Drawn]] = {}
    for event in events:
        waiting.setdefault(event.index, deque()).append(event)
        while queue := waiting.get(current):
            yield (ready := queue.popleft())
            if isinstance(ready, Drawn):
                del waiting[current]
                current += 1


def _complete(events: Iterable[Piece | Drawn]) -> Iterator[Drawn]:
    from mckennabot.generate.draw import Drawn

    return (event for event in _in_order(events) if isinstance(event, Drawn))


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
