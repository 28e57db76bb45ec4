"""Typeset the sample book: scripts/sample/book.md -> data/sample.pdf.

    python scripts/make_sample.py                    # needs the dev extra: typst
    python scripts/make_sample.py pages-{p}.png      # pictures of the pages, to look at

The same source and the same release of typst give the same bytes. The source is a small part of
Markdown, read by `read_book` here and nowhere else, so that tests know the book's exact text:

    ---  title, subtitle, author  ---
    # A heading              begins a chapter
    > a quotation            its paragraphs are parted by a lone >
    | a line of verse        | begins each line of a stanza
    *italics*  [^1]          and a paragraph of its own, [^1]: the note, anywhere
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "scripts" / "sample" / "book.md"
TEMPLATE = ROOT / "scripts" / "sample" / "book.typ"
PDF = ROOT / "data" / "sample.pdf"

MARKS = re.compile(r"\*(?P<italic>[^*]+)\*|\[\^(?P<note>\d+)\]")


@dataclass(frozen=True)
class Block:
    """One paragraph, or one stanza.

    Attributes:
        kind: prose, quote, attribution (of a quote) or verse.
        text: its text with marks, without hard wraps; the lines of a stanza end in line feeds.
    """

    kind: str
    text: str

    @property
    def plain(self) -> str:
        """Its words without italics' marks and notes: what a corpus should hold."""
        return MARKS.sub(lambda mark: mark["italic"] or "", self.text)


@dataclass(frozen=True)
class Chapter:
    """A heading and what stands below it."""

    heading: str
    blocks: list[Block]


@dataclass(frozen=True)
class Book:
    """The whole source.

    Attributes:
        front: title, subtitle and author.
        chapters: the preface first.
        notes: the notes' texts by their marks.
    """

    front: dict[str, str]
    chapters: list[Chapter]
    notes: dict[str, str]

    def segments(self) -> list[list[str]]:
        """The truth: each chapter's heading and paragraphs, as `extract` should give them."""
        return [[chapter.heading, *(block.plain for block in chapter.blocks)] for chapter in self.chapters]


def read_book(path: Path = SOURCE) -> Book:
    """Parse the source."""
    front, *parts = re.split(r"^# ", path.read_text(encoding="utf-8"), flags=re.M)
    chapters, notes = [], {}
    for part in parts:
        heading, _, body = part.partition("\n")
        blocks = []
        for chunk in re.split(r"\n\s*\n", body.strip()):
            if note := re.match(r"\[\^(\d+)\]: ", chunk):
                notes[note[1]] = unwrap(chunk[note.end() :])
            else:
                blocks += read_chunk(chunk)
        chapters.append(Chapter(heading.strip(), blocks))
    return Book(dict(line.split(": ", 1) for line in front.strip("-\n").splitlines()), chapters, notes)


def read_chunk(chunk: str) -> list[Block]:
    """The blocks between two blank lines: one, or as many as a quotation has paragraphs."""
    if chunk.startswith("|"):
        return [Block("verse", re.sub(r"^\|\s*", "", chunk, flags=re.M))]
    if not chunk.startswith(">"):
        return [Block("prose", unwrap(chunk))]
    paragraphs = re.sub(r"^> ?", "", chunk, flags=re.M).split("\n\n")
    return [Block("attribution" if p.startswith("— ") else "quote", unwrap(p)) for p in paragraphs]


def unwrap(text: str) -> str:
    return " ".join(text.split())


def runs(text: str, notes: dict[str, str]) -> list[dict[str, object]]:
    """Text as the template takes it: runs of one style, and notes where their marks stand."""
    found: list[dict[str, object]] = []
    end = 0
    for mark in MARKS.finditer(text):
        found.append({"kind": "roman", "text": text[end : mark.start()]})
        if mark["note"]:
            found.append({"kind": "note", "runs": runs(notes[mark["note"]], notes)})
        else:
            found.append({"kind": "italic", "text": mark["italic"]})
        end = mark.end()
    return [*found, {"kind": "roman", "text": text[end:]}]


def template_data(book: Book) -> dict[str, object]:
    return {
        **book.front,
        "chapters": [
            {
                "heading": chapter.heading,
                "blocks": [
                    {"kind": block.kind, "lines": [runs(line, book.notes) for line in block.text.split("\n")]}
                    for block in chapter.blocks
                ],
            }
            for chapter in book.chapters
        ],
    }


def typeset(output: Path) -> None:
    """Write a PDF, or one PNG a page where `output` is named .png and holds {p}."""
    import typst

    typst.compile(
        TEMPLATE,
        output=output,
        ignore_system_fonts=True,
        sys_inputs={"book": json.dumps(template_data(read_book()))},
        timestamp=0,
        ppi=80,
        pdf_tags=False,
        format=output.suffix[1:],
    )


if __name__ == "__main__":
    typeset(Path(sys.argv[1]) if len(sys.argv) > 1 else PDF)
