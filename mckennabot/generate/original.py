"""Samples texts again that copy too much of the corpus."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from mckennabot.generate.sampler import Sample, Sampler
from mckennabot.originality import Index, Report
from mckennabot.reporter import Reporter

TRIES = 10
"""How often a text is sampled before the least copied of its drafts is taken."""


def report_on(sample: Sample, index: Index) -> Report:
    """Report how original the new words are; spans count from the start of the prefix."""
    return index.report(sample.prefix + sample.text, len(sample.prefix))


def sample_original(
    sampler: Sampler, prefixes: Sequence[str], index: Index, most: int, reporter: Reporter
) -> Generator[Sample, None, None]:
    """Sample a text for each prefix that copies at most `most` words in a row from the corpus.

    Yields:
        Each text when it is good enough; after `TRIES` rounds the least copied drafts, with a warning.
    """
    drafts: dict[int, tuple[int, Sample]] = {}
    todo = list(range(len(prefixes)))
    for _ in range(TRIES):
        for event in sampler.sample([prefixes[i] for i in todo], reporter):
            if not isinstance(event, Sample):
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
        reporter.warn(f"text {i + 1} copies {copied} words in a row, the fewest in {TRIES} tries")
        yield draft
