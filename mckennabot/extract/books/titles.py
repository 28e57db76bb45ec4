"""Read what a heading says that it heads: a chapter, a part, a preface, contents, notes, an index."""

from __future__ import annotations

import re

from mckennabot.extract.books.heading_words import bare_cjk_number, heading_words
from mckennabot.extract.books.numerals import number
from mckennabot.extract.kinds import Kind

_MOST_CHAPTERS = 200
"""A bare number from this on is a year, or the number of a page, rather than of a chapter."""


def describe(text: str) -> tuple[str, int | None]:
    """Return what a heading heads, and its number if it has one.

    The first is ``chapter``, ``part``, ``named`` (a preface and the like) or "", unknown.

    >>> describe("CHAPTER IV. A Flight"), describe("Part Two"), describe("Preface"), describe("12")
    (('chapter', 4), ('part', 2), ('named', None), ('chapter', 12))
    """
    if found := heading_words(text):
        return found
    # A number alone, as in books whose chapters have nothing else.
    bare = text.strip(" .:[]()-\u2013\u2014*")
    value = number(bare)
    if value is None:
        value = bare_cjk_number(bare)
    if value is not None and value < _MOST_CHAPTERS:
        return "chapter", value
    # A number before a title may be a chapter's or a section's.
    if match := re.match(r"(\d{1,3}|[IVXLC]{1,7})[.:]?\s+(?=[^\W\d_])", text):
        return "", number(match[1])
    return "", None


def is_numbered_chapter(text: str) -> bool:
    """Return whether a text begins with the word for a chapter and a number."""
    found = heading_words(text)
    return found is not None and found[0] == "chapter" and found[1] is not None


# Patterns of whole titles by the kind of what stands below; the first that matches counts.
_TITLES = {
    Kind.CONTENTS: (
        r"innhold(sfortegnelse)?|indhold(sfortegnelse)?|innehåll(sförteckning)?|sisällys(luettelo)?",
        r"tartalom(jegyzék)?|içindekiler|cuprins|содержание|оглавление|зміст|съдържание|περιεχόμενα",
        r"תוכן( ה?עניינים)?|المحتويات|فهرس( المحتويات)?|目录|目錄|目次|차례|목차",
        r"((table|list) of )?(contents|illustrations|plates|figures|maps|tables|photographs)",
        r"(a |the )?list of (the )?(illustrations|plates|figures|maps|tables|photographs)",
        r"inhalt(sverzeichnis|sübersicht)?|verzeichnis der abbildungen|abbildungsverzeichnis",
        r"sommaire|table des (mati[èe]res|illustrations)",
        r"[íi]ndice( general)?|sum[áa]rio|sommario|inhoud(sopgave)?|spis treści|obsah",
    ),
    Kind.INDEX: (
        r"stikkord(register)?|indeks|sakregister|personregister|hakemisto|rejstřík|skorowidz|dizin|ευρετήριο",
        r"указатель|предметный указатель|именной указатель|покажчик|מפתח|索引|색인|찾아보기",
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
        r"notater|noter|sluttnoter|fotnoter|kilder|litteratur(liste)?|bibliografi|takk( til .{2,30})?",
        r"tak( til .{2,30})?|anteckningar|tack( till .{2,30})?|källor|viitteet|lähteet|kiitokset",
        r"przypisy|bibliografia|podziękowania|poznámky|literatura|poděkování|jegyzetek|irodalom",
        r"köszönetnyilvánítás|notlar|kaynakça|teşekkür(ler)?|noten|dankwoord|literatuur|bibliografie",
        r"agradecimentos|σημειώσεις|βιβλιογραφία|ευχαριστίες|примечания|литература|библиография",
        r"благодарности|примітки|література|бележки|הערות|תודות|ביבליוגרפיה|ملاحظات|هوامش|المراجع|شكر",
        r"注释|註釋|注釋|注|参考文献|參考文獻|致谢|致謝|謝辞|주석|참고문헌|감사의 말",
        r"anmerkungen|fußnoten|literatur(verzeichnis)?|bibliograph?ie|glossar|danksagung",
        r"notes (de|du|des) .{2,30}|remerciements|bibliograf[íi]a|notas|note|glosario|agradecimientos",
    ),
}
_TITLE_KINDS = {kind: re.compile("|".join(patterns), re.IGNORECASE) for kind, patterns in _TITLES.items()}


_LEADING_NUMBER = re.compile(r"^\d{1,3}[.:)]?\s+")
"""The number of a section, as in "18. Notes"."""


def title_kind(text: str) -> Kind | None:
    """Return the kind of matter that a heading announces, None for text.

    >>> str(title_kind("List of Illustrations")), title_kind("Chapter One")
    ('contents', None)
    """
    bare = text.replace("\u2019", "'").strip(" .:*\u2014-")
    bare = _LEADING_NUMBER.sub("", bare)
    return next((kind for kind, pattern in _TITLE_KINDS.items() if pattern.fullmatch(bare)), None)
