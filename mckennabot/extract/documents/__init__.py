"""Make books of documents without pages: EPUB, Word, HTML, Markdown, plain text, captions, tables.

    file -> reader -> Source: blocks -> shape -> Book

readers          chooses one of epub, word, html_reader, markdown_reader, plain_text, subtitles, tables
blocks           what each of them returns
decode           bytes -> text                    hard_wraps      lines -> paragraphs and verse
html_elements    what an element is by tag, role and class         superscripts    powers or note marks
toc, headings, chapters   which headings there are, their ranks, and where chapters begin
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, UsageError
from mckennabot.extract.book import Book
from mckennabot.extract.books.characters import SOFT_HYPHEN, repair
from mckennabot.extract.books.legal import GUTENBERG_END, GUTENBERG_START
from mckennabot.extract.documents.blocks import Block, Source
from mckennabot.extract.documents.chapters import Division, divide
from mckennabot.extract.documents.readers import find_reader
from mckennabot.extract.kinds import Kind, kept_kinds
from mckennabot.extract.report import Chapter, Report
from mckennabot.extract.speakers import part_voices
from mckennabot.places import Spot
from mckennabot.system.processes import Call, Died

SECONDS = 40.0
"""CPU seconds allowed for a document; War and Peace takes one."""


def extract_document(path: Path, settings: ExtractSettings) -> Book:
    """Make a book of any source but a PDF, in a process with limits on time and memory.

    Raises:
        InputError: the file cannot be read, is not what its suffix says, or holds no text.
    """
    reading = Call(partial(_read_and_shape, path, settings), SECONDS)
    try:
        book: Book = reading.result()
    except Died as died:
        raise InputError(f"cannot read the file: {died}", path=path) from died
    except (InputError, UsageError) as error:
        raise type(error)(error.what, path=path, hint=error.hint) from error
    return book


def _read_and_shape(path: Path, settings: ExtractSettings) -> Book:
    read = find_reader(path)
    assert read is not None
    return shape(read(path, settings), settings)


def shape(source: Source, settings: ExtractSettings) -> Book:
    """Leave out what does not belong to a book's text, and cut the rest into segments.

    Args:
        source: the blocks; their texts and kinds are changed.
        settings: what to keep, where to cut, whose voice.

    Raises:
        InputError: nothing is left.
    """
    report = Report(pages=source.places, failed_pages=dict(source.failed), notes=list(source.said))
    blocks = [block for block in source.blocks if _repair(block, report)]
    _mark_gutenberg(blocks)
    _mark_notes(blocks, source.notes)
    report.note_marks = source.marks
    _restore_tables(blocks)
    blocks, starts = divide(blocks, source.toc, source.marks)
    _part_voices(blocks, settings.speaker, report)
    kept = kept_kinds(settings.keep) | {Kind.BODY, Kind.HEADING}
    segments: list[list[str]] = []
    spots: list[Spot] = []
    chapter: str | None = None
    place = 0
    for number, block in enumerate(blocks):
        if block.kind not in kept:
            report.leave_out(block.kind, block.place, block.text)
            continue
        division = starts.get(number)
        # What `--segment` cuts at; a row of a table is a text of its own however it is cut.
        begins = {
            "chapter": block.opens or (division is not None and division.chapter),
            "section": block.opens or division is not None,
            "page": block.place != place,
            "none": False,
        }[settings.segment]
        if begins or not segments:
            segments.append([])
        segments[-1].append(block.text)
        place = block.place
        if division is not None and division.chapter:
            chapter = division.title or None
        part = source.names[place - 1] if place <= len(source.names) else None
        spots.append(Spot(chapter=chapter, part=part))
        _count(report, block, division)
    if not segments:
        raise InputError(
            "no text is left of the document",
            hint="Keep more of it, for example with --keep front-matter,contents.",
        )
    return Book(segments, report, [], spots=spots)


# Cleaning

_EARLY, _EARLY_BLOCKS = 4, 40
"""Project Gutenberg's header ends within a fourth of the text and this many blocks."""
_CREDITED = 5
"""Blocks behind the header among which its volunteers are named."""
_ORNAMENT = re.compile(r"[\s*•·~_=#+—–-]+")
_CREDITS = re.compile(
    r"(this )?(e-?(text|book)|html version) (was )?(prepared|produced|transcribed)|produced by|"
    r"transcribed (by|from)|\[?transcriber",
    re.IGNORECASE,
)


def _repair(block: Block, report: Report) -> bool:
    """Repair a block's characters, and return whether anything but an ornament is left of it."""
    lines = []
    for line in block.text.split("\n"):
        mended, count = repair(line)
        report.repaired += count
        lines.append(mended.replace(SOFT_HYPHEN, "").strip())
    block.text = "\n".join(line for line in lines if line)
    return bool(block.text) and not _ORNAMENT.fullmatch(block.text)


def _mark_gutenberg(blocks: list[Block]) -> None:
    """Mark what Project Gutenberg puts before and after its texts, by the lines that it puts between."""
    early, late = len(blocks) // _EARLY + _EARLY_BLOCKS, len(blocks) // 2
    starts = [n for n, block in enumerate(blocks[:early]) if GUTENBERG_START.search(block.text)]
    # A poem may be shorter than the licence behind it: after a start, the end counts wherever it is.
    after = starts[-1] if starts else late
    ends = [n for n, block in enumerate(blocks) if n > after and GUTENBERG_END.match(block.text)]
    first, last = (starts[-1] + 1 if starts else 0), (ends[0] if ends else len(blocks))
    for block in [*blocks[:first], *blocks[last:]]:
        block.kind = Kind.BOILERPLATE
    if starts:
        for block in blocks[first : first + _CREDITED]:
            if block.kind == Kind.BODY and _CREDITS.match(block.text):
                block.kind = Kind.BOILERPLATE


_TABLES = 0.3
"""Share of a book's words in tables above which they are the book, such as a play with speaker and speech in
cells, or a page laid out in them."""


def _restore_tables(blocks: list[Block]) -> None:
    """Take tables for text if too little would be left without them."""
    tables = sum(block.words for block in blocks if block.kind == Kind.TABLE)
    text = sum(block.words for block in blocks if block.kind == Kind.BODY)
    if tables > _TABLES * (tables + text):
        for block in blocks:
            block.kind = Kind.BODY if block.kind == Kind.TABLE else block.kind


def _part_voices(blocks: list[Block], speaker: str | None, report: Report) -> None:
    """Mark what others say if one voice is kept, and take speakers' labels out if they are not wanted."""
    text = [block for block in blocks if block.kind in (Kind.BODY, Kind.HEADING)]
    voices = part_voices(
        [block.text for block in text], [block.kind == Kind.HEADING for block in text], speaker
    )
    for block, said, kind in zip(text, voices.texts, voices.kinds, strict=True):
        block.text = said
        block.kind = block.kind if kind is None else kind
    report.notes += voices.said
    if voices.stamps:
        report.notes.append(f"{voices.stamps:,} time stamps removed")


_MOST_NOTE_WORDS = 1000
"""Words of a note; a longer target is text, even if a note mark links to it."""


def _mark_notes(blocks: list[Block], targets: frozenset[str]) -> None:
    """Mark what the marks of notes lead to as footnotes."""
    found: dict[str, list[Block]] = {target: [] for target in targets}
    for block in blocks:
        for name in block.ids & targets:
            found[name].append(block)
    for led_to in found.values():
        # A link that looks like a note's may lead to a chapter: headings and long texts are never notes.
        if not any(b.level for b in led_to) and sum(b.words for b in led_to) <= _MOST_NOTE_WORDS:
            for block in led_to:
                block.kind = Kind.FOOTNOTE if block.kind == Kind.BODY else block.kind


# Report


def _count(report: Report, block: Block, division: Division | None) -> None:
    """Count a block of the text, for the book and for its chapter."""
    report.words += block.words
    report.paragraphs += 1
    if division is not None and division.chapter:
        report.chapters.append(Chapter(division.title, block.place, block.place))
    if report.chapters:
        chapter = report.chapters[-1]
        chapter.last_page = block.place
        chapter.words += block.words
        chapter.paragraphs += 1
