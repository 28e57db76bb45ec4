"""A book's pages of lines as segments of paragraphs, with an account of what was done to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mckennabot.config import ExtractSettings
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.kinds import kept_kinds
from mckennabot.extract.lines.columns import set_columns
from mckennabot.extract.lines.lines import Line, Page
from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.report import Report, make_report
from mckennabot.extract.steps.captions import CAPTION, TABLE, mark_captions
from mckennabot.extract.steps.chapters import find_sections
from mckennabot.extract.steps.footnotes import mark_footnotes
from mckennabot.extract.steps.furniture import mark_furniture
from mckennabot.extract.steps.headings import HEADING, find_headings
from mckennabot.extract.steps.matter import mark_gutenberg, mark_listings, mark_matter
from mckennabot.extract.steps.measure import take_measure
from mckennabot.extract.steps.paragraphs import Paragraph, make_paragraphs
from mckennabot.extract.steps.sections import BACK, CONTENTS, FRONT, INDEX, PART, Section


@dataclass(frozen=True)
class Book:
    """A book as text.

    Attributes:
        segments: paragraphs of each segment; a chapter's heading is the first of its segment.
        report: what was found, removed and repaired.
        pages: the lines of each page, with the kinds that they were taken for.
    """

    segments: list[list[str]]
    report: Report
    pages: list[Page]


def shape(pages: list[Page], outline: list[OutlineEntry], settings: ExtractSettings) -> Book:
    """Clean a book: leave out what does not belong to its text, and join its lines.

    Args:
        pages: in order; the kinds of their lines are set here.
        outline: the document's bookmarks.
        settings: where segments end, and what to keep.
    """
    mark_furniture(pages)
    set_columns(pages)
    take_measure(pages)
    mark_listings(pages)
    measure = take_measure(pages)
    marks = mark_footnotes(pages, measure)
    mark_captions(pages, measure)
    _restore(pages, (CAPTION, TABLE), 0.7)
    mark_gutenberg(_body(pages))
    flow = _body(pages)
    by_number = {page.number: page for page in pages}
    sections = find_sections(flow, find_headings(flow, by_number, measure), outline, by_number, measure)
    mark_matter(flow, sections, measure)
    _restore(pages, (FRONT, CONTENTS, INDEX, BACK, PART), 0.2)
    sections = [section for section in sections if flow[section.place].kind == "body"]
    firsts = {id(flow[section.place]): section for section in sections}
    for section in sections:
        for line in section.heading:
            line.kind = HEADING
    kept = kept_kinds(settings.keep) | {"body", HEADING}
    text = [line for page in pages for line in page.lines if line.kind in kept]
    hyphens = Hyphens(line.text for line in text if not line.initial)
    paragraphs = make_paragraphs(text, set(firsts), measure, hyphens)
    paragraphs = [paragraph for paragraph in paragraphs if paragraph.text.strip()]
    for paragraph in paragraphs:
        paragraph.lines[0].opens = True
    segments = _segments(paragraphs, firsts, settings.segment)
    return Book(segments, make_report(pages, paragraphs, firsts, hyphens, marks), pages)


def _restore(pages: list[Page], kinds: tuple[str, ...], share: float) -> None:
    """Take lines for text after all where too little would be left without them: a table may be the book."""
    words: Counter[str] = Counter()
    for page in pages:
        for line in page.lines:
            words[line.kind] += len(line.text.split())
    aside = sum(words[kind] for kind in kinds)
    if words["body"] < share * (words["body"] + aside):
        for page in pages:
            for line in page.lines:
                line.kind = "body" if line.kind in kinds else line.kind


def _body(pages: list[Page]) -> list[Line]:
    return [line for page in pages for line in page.lines if line.kind == "body"]


def _segments(paragraphs: list[Paragraph], firsts: dict[int, Section], unit: str) -> list[list[str]]:
    segments: list[list[str]] = []
    page = 0
    for paragraph in paragraphs:
        section = firsts.get(id(paragraph.lines[0]))
        starts = {
            "chapter": section is not None and section.level == 1,
            "section": section is not None,
            "page": paragraph.lines[0].page != page,
            "none": False,
        }[unit]
        if starts or not segments:
            segments.append([])
        segments[-1].append(paragraph.text)
        page = paragraph.lines[0].page
    return segments
