"""Find where the paragraphs of a PDF stand: the page, as the file and the print count it, and the chapter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mckennabot.extract.books.numerals import page_number
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page
from mckennabot.extract.steps.paragraphs import Paragraph
from mckennabot.extract.steps.sections import Section
from mckennabot.places import Spot


def printed_labels(pages: list[Page]) -> dict[int, str]:
    """Return the pages' printed numbers by their numbers in the document.

    A page's own printed number counts before the label that the file gives it, which often is its place in
    the file. A page without either, as the first of a chapter often is, has the number between its
    neighbours' if just that one is missing there.
    """
    printed = [_printed(page) for page in pages]
    offsets = [int(label) - i if label and label.isdecimal() else None for i, label in enumerate(printed)]
    before, after = _nearest(offsets), _nearest(offsets[::-1])[::-1]
    found = {}
    for i, page in enumerate(pages):
        offset = before[i] if before[i] == after[i] else None
        between = None if offset is None else str(i + offset)
        if label := printed[i] or page.label or between:
            found[page.number] = label
    return found


def _printed(page: Page) -> str | None:
    """Return the number printed on a page, None if there is not exactly one line with a number."""
    folios = [line.text for line in page.lines if line.kind == Kind.FOLIO]
    number = page_number(folios[0]) if len(folios) == 1 else None
    if number is None:
        return None
    value, is_roman = number
    roman = re.search(r"[ivxlcdm]+", folios[0], re.IGNORECASE) if is_roman else None
    return roman[0] if roman else str(value)


def _nearest(values: list[int | None]) -> list[int | None]:
    """Return at each place the value there, else the last one before."""
    last: int | None = None
    found = []
    for value in values:
        last = last if value is None else value
        found.append(last)
    return found


def find_spots(
    paragraphs: Iterable[Paragraph], firsts: Mapping[Line, Section], labels: Mapping[int, str]
) -> list[Spot]:
    """Return where each paragraph begins.

    Args:
        paragraphs: those of the whole text, in order.
        firsts: sections by the line that begins them.
        labels: printed numbers of the pages by their numbers, as the lines have them.
    """
    spots = []
    chapter: str | None = None
    for paragraph in paragraphs:
        line = paragraph.lines[0]
        section = firsts.get(line)
        if section is not None and section.level == 1:
            chapter = section.title or None
        spots.append(Spot(line.page, labels.get(line.page), chapter))
    return spots
