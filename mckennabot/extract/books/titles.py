"""Words of titles: what a heading says that it heads, in the languages that books come in."""

from __future__ import annotations

import re

from mckennabot.extract.books.chapter_words import bare_cjk_number, heading_words
from mckennabot.extract.books.numerals import number
from mckennabot.extract.kinds import Kind


def describe(text: str) -> tuple[str, int | None]:
    """What a heading's words say that it heads, and its number.

    >>> describe("CHAPTER IV. A Flight"), describe("Part Two"), describe("Preface"), describe("12")
    (('chapter', 4), ('part', 2), ('named', None), ('chapter', 12))
    """
    if found := heading_words(text):
        return found
    bare = text.strip(" .:[]()-\u2013\u2014*")
    value = number(bare)
    if value is None:
        value = bare_cjk_number(bare)
    if value is not None and value < 200:
        return "chapter", value
    if match := re.match(r"(\d{1,3}|[IVXLC]{1,7})[.:]?\s+(?=[^\W\d_])", text):
        return "", number(match[1])
    return "", None


def is_numbered_chapter(text: str) -> bool:
    """Whether a text begins with the word for a chapter and its number."""
    found = heading_words(text)
    return found is not None and found[0] == "chapter" and found[1] is not None


# Patterns of whole titles, by kind; the first kind that fits counts.
_TITLES = {
    Kind.CONTENTS: (
        r"((table|list) of )?(contents|illustrations|plates|figures|maps|tables|photographs)",
        r"(a |the )?list of (the )?(illustrations|plates|figures|maps|tables|photographs)",
        r"inhalt(sverzeichnis|sübersicht)?|verzeichnis der abbildungen|abbildungsverzeichnis",
        r"sommaire|table des (mati[èe]res|illustrations)",
        r"[íi]ndice( general)?|sum[áa]rio|sommario|inhoud(sopgave)?|spis treści|obsah",
    ),
    Kind.INDEX: (
        r"(\w+ )?index(es)?|index (of|des|der) [\w ]{3,30}|a [\w ]{3,20} index",
        r"(personen|sach|namen|stich)?(wort)?register",
    ),
    Kind.BOILERPLATE: (
        r"(the )?(full )?(project gutenberg|pg)(-?tm|™)?.{0,40}|.{0,20}full (project gutenberg )?licen[cs]e",
        r"licen[cs]e|copyright( notice)?|legal notice|imprint|credits",
        r"transcriber'?s'? notes?|publisher'?s? note",
        r"impressum|mentions légales|cr[ée]ditos",
    ),
    Kind.BACK: (
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


def title_kind(text: str) -> Kind | None:
    """The kind of matter that a heading announces, or None.

    >>> str(title_kind("List of Illustrations")), title_kind("Chapter One")
    ('contents', None)
    """
    bare = text.replace("\u2019", "'").strip(" .:*\u2014-")
    return next((kind for kind, pattern in _TITLE_KINDS.items() if pattern.fullmatch(bare)), None)
