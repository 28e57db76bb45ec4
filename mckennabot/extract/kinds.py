"""Lists what a line or a block of a book can be taken for."""

from __future__ import annotations

from enum import Enum


class Kind(str, Enum):
    """One kind of matter; as text it is its name in reports.

    Attributes:
        meaning: what belongs to it.
        colour: of its boxes on a page of ``--inspect``.
        keep: the name by which ``--keep`` brings it back; "" for what is never left out.
    """

    meaning: str
    colour: str
    keep: str

    def __new__(cls, name: str, meaning: str, colour: str, keep: str = "") -> Kind:
        """Make a member from its row in the table below."""
        kind = str.__new__(cls, name)
        kind._value_ = name
        kind.meaning, kind.colour, kind.keep = meaning, colour, keep
        return kind

    def __str__(self) -> str:
        return str(self.value)

    BODY = "body", "the book's own text", "#4c9f70"
    HEADING = "heading", "titles of chapters and sections; part of the text", "#d1495b"
    HEAD = "running-head", "titles repeated at the edge of pages, stamps", "#8d99ae", "furniture"
    FOLIO = "page-number", "page numbers, and numbers of lines in the margin", "#8d99ae", "furniture"
    FOOTNOTE = "footnote", "notes at the foot of pages or at the end of chapters", "#edae49", "footnotes"
    CAPTION = "caption", "words under a picture, lettering inside a drawing", "#9d4edd", "captions"
    TABLE = "table", "rows of cells", "#7b5ea7", "tables"
    FRONT = "front-matter", "title page, imprint, dedication", "#00798c", "front-matter"
    CONTENTS = "contents", "tables of contents, lists of figures", "#30638e", "contents"
    PART = "part-title", "a title page that announces a part", "#b56576", "part-titles"
    INDEX = "index", "the index of names and subjects", "#577590", "index"
    BACK = "back-matter", "endnotes, bibliography, thanks, advertisements", "#6c757d", "back-matter"
    OTHERS = (
        "other-voice",
        "what others than --speaker say, and their names",
        "#8f6b4a",
        "other-voices",
    )
    SOUND = "sound", "[Applause], (laughter) and the like in captions and talks", "#b0a8b9", "sounds"
    BOILERPLATE = "boilerplate", "licences and what a publisher adds to every book", "#adb5bd", "boilerplate"


TEXT = frozenset((Kind.BODY, Kind.HEADING))
"""The kinds that are always part of the text."""

KEEP = {
    name: tuple(kind for kind in Kind if kind.keep == name)
    for name in dict.fromkeys(k.keep for k in Kind)
    if name
}
"""Kinds by the names of what is left out by default."""


def kept_kinds(keep: frozenset[str]) -> frozenset[Kind]:
    """Return the kinds of matter that belong to the text when these names are given to ``--keep``."""
    return TEXT | {kind for kind in Kind if kind.keep in keep}
