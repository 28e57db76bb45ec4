"""Texts that the voice writes for a report, and where their words come from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mckennabot.config import GenerateSettings
from mckennabot.errors import ModelError
from mckennabot.generate.sampler import Sample as Sampled
from mckennabot.generate.voice import Voice
from mckennabot.models.checkpoint import ModelDir
from mckennabot.originality import Index, Run
from mckennabot.originality import Report as Originality
from mckennabot.passages import find_passage, segment_of
from mckennabot.report.account import Copy, Part, Sample
from mckennabot.report.gather import HeldOut
from mckennabot.reporter import Reporter

TEMPERATURES = (0.8, 0.9, 1.0)
LENGTH = 120
"""Tokens of a sample."""
OPENING = 9
"""Words of the author's that a sample goes on from."""
SEED = 1
LONGEST_TITLE = 80
"""Characters from which a segment's first line is no heading."""


def sample(run: ModelDir, held_out: HeldOut | None, reporter: Reporter) -> list[Sample]:
    """Let a run write at each temperature, going on from the first words of paragraphs that it never saw.

    Raises:
        ModelError: the model is damaged.
        ResourceError: memory or disk space ran out.
    """
    settings = GenerateSettings(run=run.path.name, checkpoints=run.path.parent, length=LENGTH)
    index = _index(run)
    openings = list(_openings(held_out)) or [""]
    samples: list[Sample] = []
    with Voice(settings, reporter) as voice:
        for temperature in TEMPERATURES:
            written = voice.samples(openings, temperature=temperature, seed=SEED, finish_sentence=True)
            samples += [_marked(run, text, temperature, index) for text in written]
    return samples


def _index(run: ModelDir) -> Index | None:
    try:
        return Index.load(run.path)
    except ModelError:
        return None


def _openings(held_out: HeldOut | None) -> Iterator[str]:
    """Yield the first words of two paragraphs of the held-out text that are long enough to go on."""
    paragraphs = re.split(r"\n\s*\n|<\|endoftext\|>", held_out.text) if held_out else []
    whole = [text.split() for text in paragraphs[1:] if len(text.split()) > 3 * OPENING]
    for at in sorted({len(whole) // 3, 2 * len(whole) // 3} if whole else ()):
        yield " ".join(whole[at][:OPENING])


def _marked(run: ModelDir, text: Sampled, temperature: float, index: Index | None) -> Sample:
    whole = text.prefix + text.text
    if index is None:
        parts = [Part(text.prefix, "given")] * bool(text.prefix) + [Part(text.text, "own")]
        return Sample(temperature, SEED, parts, [], len(text.text.split()), 0.0)
    report = index.report(whole, len(text.prefix))
    return Sample(
        temperature=temperature,
        seed=SEED,
        parts=list(_parts(whole, len(text.prefix), report)),
        copies=[_copy(run, whole, copied) for copied in report.copied],
        words=report.words,
        copied_share=report.share,
    )


def _parts(whole: str, given: int, report: Originality) -> Iterator[Part]:
    """The text cut where what its words are changes; where copied runs overlap, the first has the words."""
    spans: list[tuple[int, int, str, int | None]] = [
        *((run.start, run.end, "copied", number) for number, run in enumerate(report.copied)),
        *((start, end, "new", None) for start, end in report.new),
    ]
    if given:
        yield Part(whole[:given], "given")
    at = given
    for start, end, kind, number in sorted(spans, key=lambda span: span[:2]):
        start = max(start, at)
        if end <= start:
            continue
        if start > at:
            yield Part(whole[at:start], "own")
        yield Part(whole[start:end], kind, number)
        at = end
    if at < len(whole):
        yield Part(whole[at:], "own")


def _copy(run: ModelDir, whole: str, copied: Run) -> Copy:
    place = copied.place
    passage = find_passage(run, whole[copied.start : copied.end], place)
    page = place.label or place.page
    return Copy(
        words=copied.words,
        file=place.file,
        segment=place.segment,
        paragraph=place.paragraph,
        chapter=place.chapter or _title(run, copied),
        page="" if page is None else str(page),
        before=passage.before if passage else "",
        text=passage.text if passage else "",
        after=passage.after if passage else "",
    )


def _title(run: ModelDir, copied: Run) -> str:
    """Return the first line of the segment that a passage stands in: a chapter's heading, as a rule."""
    paragraphs = segment_of(run, copied.place)
    first = " ".join(paragraphs[0].split()) if paragraphs else ""
    return first if len(first) <= LONGEST_TITLE else ""
