"""Counts what was found in a book, and what was left out of its text."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field

from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.books.word_count import count_words
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.steps.paragraphs import Paragraph
from mckennabot.extract.steps.sections import Section

_SAMPLES = 5


@dataclass
class Removed:
    """What was left out of one kind.

    Attributes:
        lines, words: how many.
        pages: numbers of the pages they stood on.
        samples: a few of them, as (page, text).
        why: how many lines were taken for it by which step, and why.
    """

    lines: int = 0
    words: int = 0
    pages: list[int] = field(default_factory=list)
    samples: list[tuple[int, str]] = field(default_factory=list)
    why: dict[str, int] = field(default_factory=dict)


@dataclass
class Chapter:
    """A chapter as it was found.

    Attributes:
        title: its heading, or the outline's words for it; "" where there are none.
        first_page, last_page: pages it begins and ends on.
        words, paragraphs: how many.
    """

    title: str
    first_page: int
    last_page: int
    words: int = 0
    paragraphs: int = 0


@dataclass
class Report:
    """An account of one extraction; `as_json` gives it to programs, `table_lines` to people.

    Attributes:
        pages: how many were read.
        words, paragraphs: how many are in the text.
        chapters: with their pages.
        removed: by kind.
        note_marks: marks of footnotes taken out of the text.
        repaired: characters taken apart or dropped.
        unknown: glyphs without a known character.
        hyphens_joined, hyphens_kept: words that lines had cut, by what became of the hyphen.
        hyphenated: the words that kept theirs, and how often.
        empty_pages: pages without text.
        picture_pages: pages that are pictures with hardly any text.
        failed_pages: pages that could not be read, or not to their end, with the reason.
        notes: what was chosen: whose voice, which column.
    """

    pages: int = 0
    words: int = 0
    paragraphs: int = 0
    chapters: list[Chapter] = field(default_factory=list)
    removed: dict[Kind, Removed] = field(default_factory=dict)
    note_marks: int = 0
    repaired: int = 0
    unknown: int = 0
    hyphens_joined: int = 0
    hyphens_kept: int = 0
    hyphenated: dict[str, int] = field(default_factory=dict)
    empty_pages: list[int] = field(default_factory=list)
    picture_pages: list[int] = field(default_factory=list)
    failed_pages: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def leave_out(self, kind: Kind, page: int | None, text: str) -> None:
        """Count a paragraph among what is left out; the page that it stands on may be unknown."""
        removed = self.removed.setdefault(kind, Removed())
        removed.lines += text.count("\n") + 1
        removed.words += count_words(text)
        if page is not None and removed.pages[-1:] != [page]:
            removed.pages.append(page)
        if len(removed.samples) < _SAMPLES:
            removed.samples.append((page or 0, " ".join(text[:200].split())))

    def as_json(self) -> str:
        """Return the report as a JSON object, ending in a newline."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"


def make_report(
    pages: list[Page],
    paragraphs: list[Paragraph],
    firsts: dict[Line, Section],
    hyphens: Hyphens,
    note_marks: int,
) -> Report:
    """Count what became of a book's pages."""
    report = Report(
        pages=len(pages),
        paragraphs=len(paragraphs),
        note_marks=note_marks,
        repaired=sum(page.repaired for page in pages),
        unknown=sum(page.unknown for page in pages),
        hyphens_joined=sum(hyphens.joined.values()),
        hyphens_kept=sum(hyphens.kept.values()),
        hyphenated=dict(sorted(hyphens.kept.items())),
        empty_pages=[page.number for page in pages if not page.lines],
    )
    in_text = {line for paragraph in paragraphs for line in paragraph.lines}
    for page in pages:
        for line in page.lines:
            if line not in in_text:
                _count_removed(report.removed.setdefault(line.kind, Removed()), line)
    for paragraph in paragraphs:
        words = len(paragraph.text.split())
        report.words += words
        section = firsts.get(paragraph.lines[0])
        if section is not None and section.level == 1:
            first = paragraph.lines[0].page
            report.chapters.append(Chapter(section.title, first, first))
        if report.chapters:
            chapter = report.chapters[-1]
            chapter.last_page = paragraph.lines[-1].page
            chapter.words += words
            chapter.paragraphs += 1
    return report


def _count_removed(removed: Removed, line: Line) -> None:
    page, text = line.page, line.text
    removed.why[line.why] = removed.why.get(line.why, 0) + 1
    removed.lines += 1
    removed.words += len(text.split())
    if not removed.pages or removed.pages[-1] != page:
        removed.pages.append(page)
    if len(removed.samples) < _SAMPLES and (page, text) not in removed.samples:
        removed.samples.append((page, text))


def table_lines(report: Report) -> list[str]:
    """Return the report as a few lines for a terminal."""
    lines = [
        f"{report.pages:>7,} pages   {report.words:>9,} words   {report.paragraphs:>7,} paragraphs   "
        f"{len(report.chapters):>4,} chapters"
    ]
    for chapter in report.chapters:
        pages = _span(chapter.first_page, chapter.last_page)
        lines.append(f"  {pages:>9}  {chapter.words:>7,} words  {_cut(chapter.title or '(no title)')}")
    if report.removed:
        lines.append("left out:")
    for kind, removed in sorted(report.removed.items()):
        page, sample = removed.samples[0]
        on = (
            f"on {len(removed.pages):,} {'page' if len(removed.pages) == 1 else 'pages'}"
            if removed.pages
            else ""
        )
        where = f"p. {page}: " if page else ""
        lines.append(f"  {kind.value:<14}{removed.words:>7,} words {on:<14} {where}{_cut(sample, 40)}")
    repairs = Counter(
        {
            "hyphens joined": report.hyphens_joined,
            "hyphens kept": report.hyphens_kept,
            "note marks removed": report.note_marks,
            "characters repaired": report.repaired,
            "glyphs without a character": report.unknown,
        }
    )
    if done := [f"{count:,} {what}" for what, count in repairs.items() if count]:
        lines.append(", ".join(done))
    lines += report.notes
    if report.empty_pages:
        lines.append(f"no text on {_pages(report.empty_pages)}")
    for page, reason in report.failed_pages.items():
        lines.append(f"page {page} failed: {reason}")
    return lines


def _span(first: int, last: int) -> str:
    return f"{first}-{last}" if last > first else str(first)


def _pages(numbers: list[int]) -> str:
    spans: list[tuple[int, int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1] = spans[-1][0], number
        else:
            spans.append((number, number))
    shown = ", ".join(_span(*span) for span in spans[:8]) + (", …" if len(spans) > 8 else "")
    return f"{'page' if len(numbers) == 1 else 'pages'} {shown}"


def _cut(text: str, width: int = 60) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
