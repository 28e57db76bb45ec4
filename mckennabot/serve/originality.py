"""What of a text is copied from the run's book, as JSON."""

from __future__ import annotations

from typing import Any

from mckennabot.originality import Index, Run
from mckennabot.serve.catalogue import Catalogue

Json = dict[str, Any]


def originality(catalogue: Catalogue, index: Index, model: str, text: str, start: int, shift: int) -> Json:
    """Compare a text with the book.

    Args:
        catalogue: has the book's passages.
        index: of the book.
        model: the run's name.
        text: with what came before it.
        start: the character from which on it is new; the words before it do not count.
        shift: the character that places in the reply count from.
    """
    report = index.report(text, start)

    def found(run: Run) -> Json:
        copied = text[run.start : run.end]
        passage = catalogue.passage(model, copied, run.place)
        return {
            "start": max(0, run.start - shift),
            "end": run.end - shift,
            "text": copied,
            "words": run.words,
            "place": {
                "file": run.place.file,
                "segment": run.place.segment,
                "paragraph": run.place.paragraph,
                "page": run.place.page,
                "label": run.place.label,
                "chapter": run.place.chapter,
            },
            "passage": passage and {"before": passage.before, "text": passage.text, "after": passage.after},
        }

    return {
        "words": report.words,
        "share": round(report.share, 4),
        "longest": report.longest.words if report.longest else 0,
        "copied": [found(run) for run in report.copied],
        "new": [
            {"start": a - shift, "end": b - shift, "text": text[a:b]} for a, b in report.new if a >= shift
        ],
    }
