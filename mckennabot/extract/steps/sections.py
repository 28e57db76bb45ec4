"""Sections of a book, and what their headings say that they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mckennabot.extract.lines.lines import Line

FRONT, CONTENTS, INDEX, BACK, BOILERPLATE, PART = (
    "front-matter",
    "contents",
    "index",
    "back-matter",
    "boilerplate",
    "part-title",
)

# Patterns of whole titles, by kind; the first kind that fits counts.
_TITLES = {
    CONTENTS: (
        r"((table|list) of )?(contents|illustrations|plates|figures|maps|tables|photographs)",
        r"(a |the )?list of (the )?(illustrations|plates|figures|maps|tables|photographs)",
        r"inhalt(sverzeichnis|sübersicht)?|verzeichnis der abbildungen|abbildungsverzeichnis",
        r"sommaire|table des (mati[èe]res|illustrations)",
        r"[íi]ndice( general)?|sum[áa]rio|sommario|inhoud(sopgave)?|spis treści|obsah",
    ),
    INDEX: (
        r"(\w+ )?index(es)?|index (of|des|der) [\w ]{3,30}|a [\w ]{3,20} index",
        r"(personen|sach|namen|stich)?(wort)?register",
    ),
    BOILERPLATE: (
        r"(the )?(full )?(project gutenberg|pg)(-?tm|™)?.{0,40}|.{0,20}full (project gutenberg )?licen[cs]e",
        r"licen[cs]e|copyright( notice)?|legal notice|imprint|credits",
        r"transcriber'?s'? notes?|publisher'?s? note",
        r"impressum|mentions légales|cr[ée]ditos",
    ),
    BACK: (
        r"((end|foot|descriptive|editorial|textual|author'?s?|explanatory) ?)?notes( (to|on) .{2,30})?",
        r"(select(ed)? )?bibliography|references|works cited|sources",
        r"(a )?(further |suggested )?reading( list)?",
        r"glossary|errata|colophon|back ?matter|advertisements?|permissions|acknowledge?ments",
        r"about the (author|editor|translator|publisher)s?|(other (books|works)|also) (by|from) .{2,40}",
        r"list of (subscribers|works)|(picture |photo |illustration |text )credits",
        r"anmerkungen|fußnoten|literatur(verzeichnis)?|bibliograph?ie|glossar|danksagung",
        r"notes (de|du|des) .{2,30}|remerciements|bibliograf[íi]a|notas|note|glosario|agradecimientos",
    ),
}
_TITLE_KINDS = {kind: re.compile("|".join(patterns), re.IGNORECASE) for kind, patterns in _TITLES.items()}


@dataclass(slots=True)
class Section:
    """A stretch of the flow that begins with a heading, or where the outline or the page says so.

    Attributes:
        place: number of its first line in the flow.
        title: words of the heading, or the outline's where the page has none as text.
        heading: lines of the heading; none where it is a picture.
        kind: of matter, "" for the book's own text.
        level: 1 for a chapter, 2 and more for what it is divided into.
        words: up to the next section of its level.
        part: whether the outline has chapters under it.
    """

    place: int
    title: str
    heading: list[Line]
    kind: str = ""
    level: int = 1
    words: int = 0
    part: bool = False


def title_kind(text: str) -> str:
    """The kind of matter that a heading announces, or nothing: ``contents``, ``index``, ….

    >>> title_kind("List of Illustrations"), title_kind("Chapter One")
    ('contents', '')
    """
    bare = text.replace("\u2019", "'").strip(" .:*\u2014-")
    return next((kind for kind, pattern in _TITLE_KINDS.items() if pattern.fullmatch(bare)), "")
