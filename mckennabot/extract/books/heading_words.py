"""Read the first words of a heading, such as "Chapter 3" or "Zweiter Teil", in thirty languages.

The words are in `chapter_words`; Chinese, Japanese, Korean and Thai have patterns here.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from mckennabot.extract.books.chapter_words import LANGUAGES
from mckennabot.extract.books.numerals import number, roman, spelled

_ENDING = 4
"""Letters that may follow a number's stem: endings of case, gender and ordinal."""
_COMPOUND, _COMPOUNDING = 14, ("de", "nl", "it", "hu", "fi", "el", "da", "sv")
"""The same in languages that write numbers above twenty as one word."""
_HEAD = 200
"""Characters of a text in which its first words are."""
_LETTERS = 3
"""Letters of a number in Hebrew or Greek letters, with marks; a longer word is a word."""

# Chinese, Japanese and Korean write the number between a sign and the word.
_CJK = re.compile(
    r"第?\s*([0-9０-９〇零一二三四五六七八九十百千两兩壹贰叁肆伍陆柒捌玖拾]{1,7})\s*([章回节節話话幕課课]|[卷巻部篇編编集冊册])(?![\w])|"
    r"第\s*([0-9０-９〇零一二三四五六七八九十百千两兩]{1,7})\s*([章回节節話话幕課课]|[卷巻部篇編编集冊册])"
)
_CJK_PARTS = frozenset("卷巻部篇編编集冊册")
_CJK_NAMED = re.compile(
    r"(序|序章|序言|序幕|前言|引言|引子|楔子|后记|後記|尾声|尾聲|终章|終章|跋|附录|附錄|プロローグ|エピローグ|まえがき|あとがき|はじめに|おわりに|"
    r"머리말|서문|서장|프롤로그|에필로그|맺음말|후기|종장|บทนำ|คำนำ|บทส่งท้าย)\s*(?:[:：—-].*)?"
)
_KOREAN = re.compile(r"제?\s*(\d{1,3}|[일이삼사오육칠팔구십백]{1,4})\s*(장|화|막|회|부|편|권)(?![\w])")
_THAI = re.compile(r"(บทที่|ตอนที่|ภาค(?:ที่)?)\s*(\d{1,3}|\w+)")
_CJK_DIGITS = {
    c: n
    for digits in ("〇一二三四五六七八九", "零壹贰叁肆伍陆柒捌玖", "영일이삼사오육칠팔구")
    for n, c in enumerate(digits)
}
_CJK_DIGITS |= {"两": 2, "兩": 2}
_CJK_TENS = {"十": 10, "拾": 10, "百": 100, "千": 1000, "십": 10, "백": 100}
_THAI_NUMBERS = ["หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า", "สิบ"]
_HEBREW = "אבגדהוזחטי"
_GREEK = "αβγδεϛζηθι"


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Return a text in small letters without accents and other marks on them.

    >>> fold("Kapitola První"), fold("ΚΕΦΆΛΑΙΟ")
    ('kapitola prvni', 'κεφαλαιο')
    """
    if text.isascii():
        return text.casefold()
    plain = "".join(
        c
        for c in unicodedata.normalize("NFD", text.casefold())
        if not unicodedata.category(c).startswith("M")
    )
    return plain.translate(_PLAIN)


_PLAIN = str.maketrans(
    {"ł": "l", "ı": "i", "đ": "d", "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ς": "σ", "ـ": None}
)


def _words(kind: str) -> dict[str, list[str]]:
    """Return each folded word of a kind with the languages that have it."""
    found: dict[str, list[str]] = {}
    for language, words in LANGUAGES.items():
        for word in getattr(words, kind).split():
            found.setdefault(fold(word), []).append(language)
    return found


def _pattern(words: dict[str, list[str]]) -> str:
    return "|".join(sorted(map(re.escape, words), key=len, reverse=True))


_CHAPTER, _PART, _NAMED = (_words(kind) for kind in ("chapter", "part", "named"))
_WORD_FIRST = re.compile(rf"(?:(?P<chapter>{_pattern(_CHAPTER)})|(?P<part>{_pattern(_PART)}))(?!\w)")
# Words that say what they head without a number too, and that mean nothing else in another language.
_TELLING = frozenset((
    "chapter", "chapitre", "kapitel", "capitulo", "capitolo", "hoofdstuk", "rozdzial", "letter",
    "stave", "canto", "lecture", "adventure", "section", "part", "book", "volume", "teil", "buch",
    "partie", "livre", "parte", "libro", "deel",
))  # fmt: skip
_NUMBER_FIRST = re.compile(
    rf"(?:(?:the|das|der|die|le|la|il|el|o|a)\s+)?(?P<number>[\w’'-]+?)(?:\.º|[.)ªº°])?\s+"
    rf"(?:(?P<chapter>{_pattern(_CHAPTER)})|(?P<part>{_pattern(_PART)}))(?!\w)(?P<rest>.*)",
    re.DOTALL,
)
_NAMED_FIRST = re.compile(rf"(?:the )?(?:{_pattern(_NAMED)})(?!\w)")


def heading_words(text: str) -> tuple[str, int | None] | None:
    """Return what a heading's first words say that it heads, and its number, in any of the languages.

    The first is ``chapter``, ``part`` or ``named``; None if they say nothing.

    >>> heading_words("Kapitola první"), heading_words("Глава 12. Лампа"), heading_words("第三章 大雾")
    (('chapter', 1), ('chapter', 12), ('chapter', 3))
    >>> heading_words("Zweites Kapitel"), heading_words("Часть вторая"), heading_words("Предисловие")
    (('chapter', 2), ('part', 2), ('named', None))
    >>> heading_words("One letter came") is heading_words("The lamp") is None
    True
    """
    folded = fold(text[:_HEAD].lstrip(" \t*_[(\"'“«"))
    if found := _in_asian_scripts(text.strip()):
        return found
    if match := _WORD_FIRST.match(folded):
        value = _number_in(folded[match.end() :], _languages(match))
        # OCR reads CHAPTER II as IT, and VII as VIL.
        if value is None and match[0] in _TELLING:
            value = _misread(text)
        if value is not None or match[0] in _TELLING:
            return match.lastgroup or "chapter", value
    if _NAMED_FIRST.match(folded):
        return "named", None
    if match := _NUMBER_FIRST.match(folded):
        kind = "chapter" if match["chapter"] else "part"
        rest = text[len(text) - len(match["rest"]) :].strip() if match["rest"] else ""
        value = _value(match["number"], _languages(match))
        # "Second part of the plan" continues in lower case, a title does not.
        if value is not None and (not rest or not rest[0].islower()):
            return kind, value
    return None


_MISREAD = str.maketrans("lT1|!JL", "IIIIIII")


def _misread(text: str) -> int | None:
    """Return the roman number after a heading's first word, if OCR has misread its letters.

    >>> _misread("CHAPTER IT"), _misread("Chapter VIL."), _misread("Letter it came")
    (2, 7, None)
    """
    token = re.match(r"\W*\w+\W+([IVXLCTJl1|!]{1,6})(?=\W|$)", text)
    return roman(token[1].translate(_MISREAD)) if token else None


def _languages(match: re.Match[str]) -> list[str]:
    """Return the languages that have the matched word."""
    return _CHAPTER.get(match["chapter"] or "", []) or _PART.get(match["part"] or "", [])


def _in_asian_scripts(text: str) -> tuple[str, int | None] | None:
    """Return the same as `heading_words` for Chinese, Japanese, Korean and Thai."""
    if match := _CJK.match(text):
        number_, word = (match[1], match[2]) if match[1] else (match[3], match[4])
        if match[0].startswith("第") or not text[match.end() :].strip():
            return ("part" if word in _CJK_PARTS else "chapter"), _cjk_number(number_)
    if _CJK_NAMED.fullmatch(text):
        return "named", None
    if match := _KOREAN.match(text):
        return ("part" if match[2] in "부편권" else "chapter"), _cjk_number(match[1])
    if match := _THAI.match(text):
        digits = match[2]
        value = (
            int(digits)
            if digits.isdecimal()
            else next((n for n, word in enumerate(_THAI_NUMBERS, 1) if digits == word), None)
        )
        return ("part" if match[1].startswith("ภาค") else "chapter"), value
    return None


def _cjk_number(text: str) -> int | None:
    """Return the value of a number in Han characters or Korean syllables, None for other text.

    >>> _cjk_number("二十三"), _cjk_number("十"), _cjk_number("１２"), _cjk_number("一〇五")
    (23, 10, 12, 105)
    """
    if text.isdecimal():
        return int(text)
    total = digit = 0
    placed = False
    for c in text:
        if c in _CJK_TENS:
            total += (digit or 1) * _CJK_TENS[c]
            digit, placed = 0, True
        elif c in _CJK_DIGITS:
            digit = _CJK_DIGITS[c] if placed else 10 * digit + _CJK_DIGITS[c]
        else:
            return None
    return total + digit


def bare_cjk_number(text: str) -> int | None:
    """Return the value of a text that is only a number in Han characters, None for other text."""
    return _cjk_number(text) if re.fullmatch(r"[〇一二三四五六七八九十百]{1,5}", text) else None


def _number_in(text: str, languages: list[str]) -> int | None:
    """Return the number with which a text begins, None if it begins with something else."""
    token = re.match(r"[^\w]*(?:(?:the|nr|no|n|nº|la|le|al|a|№)[.\s]\s*)?([\w’'׳״΄ʹ-]+)", text)
    return _value(token[1], languages) if token else None


def _value(token: str, languages: list[str]) -> int | None:
    """Return the value of a number in digits, roman, words or letters of these languages."""
    if figures := re.match(r"\d{1,4}(?=-?\D{0,3}$)", token):  # also 1st, 2-я, 3er
        return int(figures[0])
    if (value := number(token)) is not None:
        return value
    if (value := spelled(token)) is not None and "en" in languages:
        return value
    for language in languages:
        if (value := _spelled(token, language)) is not None:
            return value
    return _letters(token.rstrip("׳'΄ʹ’"), languages)


def _spelled(token: str, language: str) -> int | None:
    """Return the value of a number written out in a language, by the longest stem that begins the token."""
    stems = [
        (len(stem), value)
        for value, alternatives in enumerate(LANGUAGES[language].numbers.split(), 1)
        for stem in map(fold, alternatives.split("/"))
        if token.startswith(stem)
        and len(token) - len(stem) <= (_COMPOUND if language in _COMPOUNDING else _ENDING)
    ]
    return max(stems)[1] if stems else None


def _letters(token: str, languages: list[str]) -> int | None:
    """Return the value of a number in letters of the alphabet, as Hebrew and Greek count chapters."""
    for language, alphabet in (("he", _HEBREW), ("el", _GREEK)):
        if language in languages and 0 < len(token) <= _LETTERS and all(c in f'{alphabet}כ״"' for c in token):
            plain = [c for c in token if c in alphabet or c == "כ"]
            return sum(20 if c == "כ" else alphabet.index(c) + 1 for c in plain) or None
    return None
