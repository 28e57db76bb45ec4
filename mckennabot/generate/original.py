"""Texts that copy too much of the corpus are drawn again."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from mckennabot.generate.draw import Drawer, Drawn
from mckennabot.generate.tell import Tell
from mckennabot.originality import Index, Report

TRIES = 10
"""How often a text is drawn before the least copied of its drafts is taken."""


def report_on(drawn: Drawn, index: Index) -> Report:
    """How original the drawn words are; spans count from the start of the prefix."""
    return index.report(drawn.prefix + drawn.text, len(drawn.prefix))


def draw_original(
    drawer: Drawer, prefixes: Sequence[str], index: Index, most: int, tell: Tell
) -> Generator[Drawn, None, None]:
    """Draw a text for each prefix that has at most `most` words in a row from the corpus.

    Yields:
        Each text when it is good enough; after `TRIES` rounds the least copied drafts, with a warning.
    """
    drafts: dict[int, tuple[int, Drawn]] = {}
    todo = list(range(len(prefixes)))
    for _ in range(TRIES):
        for event in drawer.draw([prefixes[i] for i in todo], tell):
            if not isinstance(event, Drawn):
                continue
            draft = replace(event, index=todo[event.index])
            longest = report_on(draft, index).longest
            copied = longest.words if longest else 0
            if copied <= most:
                drafts.pop(draft.index, None)
                yield draft
            elif draft.index not in drafts or copied < drafts[draft.index][0]:
                drafts[draft.index] = (copied, draft)
        todo = sorted(drafts)
        if not todo:
            return
    for i in todo:
        copied, draft = drafts[i]
        tell.warning(f"text {i + 1} copies {copied} words in a row, the fewest in {TRIES} tries")
        yield draft
