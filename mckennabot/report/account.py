"""What a report on a run says, as plain data: ``report.json`` is this tree, ``report.html`` shows it.

A number that was not measured is None; nothing is ever filled in.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FORMAT = 1


@dataclass(frozen=True)
class LeftOut:
    """Matter of one kind that is not in the corpus.

    Attributes:
        kind: such as ``footnote``.
        words: how many.
        pages: on how many.
        example: a line of it; "" where none is known.
    """

    kind: str
    words: int
    pages: int
    example: str = ""


@dataclass(frozen=True)
class Source:
    """A book or text that the run learnt from.

    Attributes:
        name: the file's.
        corpus: the corpus file's name.
        words: that were learnt.
        pages, chapters: None where the text has none that are known.
        left_out: by kind, the most words first.
        repeated: chapters that another source has too, each with that source's name.
        warnings: what was found when it was read.
        contains: names of sources that are wholly in this one.
    """

    name: str
    corpus: str
    words: int
    pages: int | None = None
    chapters: int | None = None
    left_out: list[LeftOut] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    contains: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """How the run was trained.

    Attributes:
        name, value: such as ``steps`` and ``160``.
        why: in a few words.
    """

    name: str
    value: str
    why: str = ""


@dataclass(frozen=True)
class Course:
    """How training went.

    Attributes:
        steps, seconds, tokens: taken, spent and learnt from.
        best_step: with the lowest loss on held-out text.
        loss: of training batches, as (step, nats per token).
        held_out: of held-out text, likewise.
        dial: of held-out text at places between the base (0) and the run (1), as (place, nats per token).
        voice: the dial's best place.
    """

    steps: int
    seconds: float
    tokens: int
    best_step: int | None
    loss: list[tuple[int, float]]
    held_out: list[tuple[int, float]]
    dial: list[tuple[float, float]]
    voice: float | None


@dataclass(frozen=True)
class Score:
    """Where the samples, taken together, stand between the base model (0) and the author's own pages (100).

    Attributes:
        samples: their score.
        low, high: between these lie nine in ten of the author's own passages.
    """

    samples: float
    low: float
    high: float


@dataclass(frozen=True)
class Numbers:
    """How good the voice is, and what it copies.

    Attributes:
        bits_before, bits_after: bits per byte of held-out text, by the base and by the voice.
        held_out_words: of that text.
        score: see `Score`.
        reproduced: share of the book's passages that the model would go on with word for word.
        longest_copied: words, in the samples of this report.
        copied_share: of the samples' words that stand in runs of the book's.
        sampled_words: in the samples of this report.
    """

    bits_before: float | None
    bits_after: float | None
    held_out_words: int
    score: Score | None
    reproduced: float | None
    longest_copied: int | None
    copied_share: float | None
    sampled_words: int


@dataclass(frozen=True)
class Copy:
    """A run of words that a sample shares with the book, where it stands there.

    Attributes:
        words: how many.
        file: of the corpus.
        segment, paragraph: counted from 1.
        chapter: the segment's first line; "" where the corpus is gone.
        page: as printed; "" where it is not known.
        before, text, after: the passage in its context; "" where the corpus is gone or has changed.
    """

    words: int
    file: str
    segment: int
    paragraph: int
    chapter: str
    page: str
    before: str
    text: str
    after: str


@dataclass(frozen=True)
class Part:
    """Some of a sample's text.

    Attributes:
        text: the characters.
        kind: ``given`` (the prefix), ``own``, ``copied`` or ``new`` (a word that the book does not have).
        copy: the number of the `Copy`, counted from 0 in its sample.
    """

    text: str
    kind: str
    copy: int | None = None


@dataclass(frozen=True)
class Sample:
    """A text that the voice wrote for the report.

    Attributes:
        temperature: that it was sampled at.
        seed: that gives it again.
        parts: the text.
        copies: runs of the book's words in it.
        words: how many it has, without the prefix.
        copied_share: of them, in such runs.
    """

    temperature: float
    seed: int
    parts: list[Part]
    copies: list[Copy]
    words: int
    copied_share: float


@dataclass(frozen=True)
class Command:
    """What to try next.

    Attributes:
        line: for the shell.
        why: what it does.
    """

    line: str
    why: str


@dataclass(frozen=True)
class Report:
    """All of it.

    Attributes:
        run: the run's name.
        made: when, in ISO 8601.
        version: of mckennabot.
        model: that it began with.
        parameters: of that model.
        words, tokens: of the corpus.
        sources: what was read.
        settings: how it was trained, and why so.
        course: how that went.
        numbers: how good it is.
        samples: what it writes.
        notes: what the reader has to know, such as that the corpus is gone.
        commands: what to try next.
        format: of this tree.
    """

    run: str
    made: str
    version: str
    model: str
    parameters: int
    words: int
    tokens: int
    sources: list[Source]
    settings: list[Setting]
    course: Course
    numbers: Numbers
    samples: list[Sample]
    notes: list[str]
    commands: list[Command]
    format: int = FORMAT
