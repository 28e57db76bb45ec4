"""Glyphs to lines: one page at a time, on glyphs placed by hand."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot.extract.books.characters import repair
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.books.numerals import roman
from mckennabot.extract.lines.columns import set_columns
from mckennabot.extract.lines.lines import page_lines
from mckennabot.extract.model import Page
from mckennabot.extract.page import Glyph, RawPage

SIZE = 10.0


def write(
    text: str,
    x: float,
    y: float,
    *,
    size: float = SIZE,
    space: float = 3.0,
    drawn: bool = False,
    tracking: float = 0.0,
    angle: int = 0,
) -> Iterator[Glyph]:
    """Glyphs half as wide as their size, side by side; spaces are glyphs only if drawn."""
    for letter in text:
        width = space if letter == " " else 0.5 * size
        if letter != " " or drawn:
            yield Glyph(letter, x, y - 0.8 * size, x + width, y + 0.2 * size, y, size, "Serif", angle)
        x += width + tracking


def page(*lines: Iterator[Glyph], width: float = 400, height: float = 600) -> Page:
    return page_lines(RawPage(1, None, width, height, [g for line in lines for g in line], [], []))


def texts(page: Page) -> list[str]:
    return [line.initial + line.text for line in page.lines]


@pytest.mark.parametrize("drawn", [True, False])
def test_words_are_parted_whether_or_not_the_file_draws_spaces(drawn: bool) -> None:
    assert texts(page(write("the sea is awake", 50, 100, drawn=drawn))) == ["the sea is awake"]


def test_spaces_are_found_where_the_file_draws_only_some() -> None:
    first = list(write("the sea is", 50, 100, space=2.4, drawn=True))
    rest = write("awake and we go", 50 + 8 * 5 + 3 * 2.4, 100, space=2.4)
    assert texts(page(iter([*first, *rest]))) == ["the sea is awake and we go"]


@pytest.mark.parametrize("space", [1.4, 2.0, 6.0])
def test_a_space_may_be_as_narrow_or_wide_as_a_justified_line_makes_it(space: float) -> None:
    assert texts(page(write("the sea is awake", 50, 100, space=space))) == ["the sea is awake"]


@pytest.mark.parametrize("drawn", [True, False])
def test_letter_spaced_words_are_whole(drawn: bool) -> None:
    line = write("THE END OF IT", 50, 100, tracking=2.0, space=4.0, drawn=drawn)
    assert " ".join(texts(page(line))) == "THE END OF IT"


def test_letters_drawn_twice_to_look_bold_are_read_once() -> None:
    assert texts(page(write("bold word", 50, 100), write("bold word", 50.4, 100.2))) == ["bold word"]


def test_the_order_of_drawing_does_not_matter() -> None:
    top, bottom = list(write("first line", 50, 100)), list(write("second line", 50, 112))
    assert texts(page(iter([*bottom, *reversed(top)]))) == ["first line", "second line"]


@pytest.mark.parametrize(
    ("accent", "accented"),
    [("\u00b4", "\u00e9"), ("`", "\u00e8"), ("\u02c6", "\u00ea"), ("\u00a8", "\u00eb")],
)
@pytest.mark.parametrize("lift", [0.0, 2.5])
def test_accents_drawn_over_letters_are_part_of_them(accent: str, accented: str, lift: float) -> None:
    word = list(write("cafe", 50, 100))
    last = word[-1]
    over = last._replace(text=accent, x0=last.x0 + 0.5, x1=last.x1 - 0.5, baseline=last.baseline - lift)
    [text] = texts(page(iter([*word[:-1], over, last, *write(" noir", 70, 100)])))
    assert text == f"caf{accented} noir"


def test_raised_figures_are_marks_and_raised_letters_are_letters() -> None:
    line = [*write("bower", 50, 100), *write("12", 75, 96, size=6), *write("1st", 84, 100)]
    line[-2:] = [g._replace(size=6, baseline=96, y0=91, y1=97) for g in line[-2:]]
    [found] = page(iter(line)).lines
    assert found.text == "bower 1st"
    assert found.marks == ((5, "12"),)


def test_a_fraction_is_no_mark() -> None:
    line = [
        *write("3", 50, 100),
        *write("1", 55, 96, size=6),
        *write("/", 58, 100),
        *write("2", 63, 101, size=6),
    ]
    assert texts(page(iter(line))) == ["31/2"]


def test_a_drop_cap_belongs_to_the_line_at_its_top() -> None:
    cap = write("T", 50, 124, size=34)
    lines = [write("he sea is awake", 70, 100), write("and nobody sleeps", 70, 112), write("at all", 50, 136)]
    found = page(cap, *lines)
    assert texts(found) == ["The sea is awake", "and nobody sleeps", "at all"]
    assert [line.x0 for line in found.lines] == [50, 50, 50]


def test_a_capital_that_stands_up_stays_in_its_line() -> None:
    assert texts(page(write("T", 50, 100, size=34), write("he sea", 67, 100))) == ["The sea"]


def test_a_drop_cap_may_stand_behind_a_quotation_mark() -> None:
    cap = write("T", 57, 124, size=34)
    quote, rest = write("\u201c", 50, 100), write("he sea,\u201d he said,", 77, 100)
    found = page(cap, quote, rest, write("is awake", 77, 112), write("at all", 50, 136))
    set_columns([found])
    assert texts(found) == ["\u201cThe sea,\u201d he said,", "is awake", "at all"]
    assert [line.x0 for line in found.lines] == [50, 50, 50]


def test_a_quotation_mark_may_be_as_large_as_its_drop_cap() -> None:
    """As a browser sets it, whose letter may stand a little above the last line beside it."""
    lines = [write("ow,\u201d said he,", 88, 100), write("and so", 88, 112), write("it was", 88, 124)]
    found = page(write("\u201cN", 50, 116, size=34), *lines, write("at all", 50, 136))
    assert texts(found) == ["\u201cNow,\u201d said he,", "and so", "it was", "at all"]
    assert {line.x0 for line in found.lines} == {50}


@pytest.mark.parametrize(("before", "figure", "text"), [("4 km", "2", "4 km\u00b2"), ("10", "6", "10\u2076")])
def test_raised_figures_of_units_and_powers_stay(before: str, figure: str, text: str) -> None:
    raised = write(figure, 50 + 5 * len(before) - 2 * (" " in before), 96, size=6)
    [found] = page(write(before, 50, 100), raised).lines
    assert (found.text, found.marks) == (text, ())


def test_small_capitals_of_another_size_are_one_word_with_their_initial() -> None:
    line = [
        *write("J", 50, 100),
        *write("OHN", 55, 100, size=8),
        *write(" W", 67, 100),
        *write("ATSON", 75, 100, size=8),
    ]
    [found] = page(iter(line)).lines
    assert (found.text, found.size) == ("JOHN WATSON", 8)


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_page_reads_at_whatever_angle_most_of_it_stands(angle: int) -> None:
    glyphs = [*write("first line", 50, 100), *write("second", 50, 112)]
    width, height = 400.0, 600.0

    def turned(g: Glyph) -> Glyph:
        if angle == 90:  # down the page, lines going left
            return replace_box(g, width - g.y1, g.x0, width - g.y0, g.x1, width - g.baseline, 90)
        if angle == 180:
            return replace_box(
                g, width - g.x1, height - g.y1, width - g.x0, height - g.y0, height - g.baseline, 180
            )
        if angle == 270:
            return replace_box(g, g.y0, height - g.x1, g.y1, height - g.x0, g.baseline, 270)
        return g

    found = page(map(turned, glyphs), width=width, height=height)
    assert texts(found) == ["first line", "second"]
    assert found.angle == angle


def replace_box(g: Glyph, x0: float, y0: float, x1: float, y1: float, baseline: float, angle: int) -> Glyph:
    return g._replace(x0=x0, y0=y0, x1=x1, y1=y1, baseline=baseline, angle=angle)


def test_right_to_left_lines_are_in_the_order_of_reading() -> None:
    word = "\u05e9\u05dc\u05d5\u05dd"
    assert texts(page(write(f"12 {word[::-1]}", 50, 100))) == [f"{word} 12"]


def test_wide_gaps_part_a_row_but_words_do_not() -> None:
    row = [*write("left column", 50, 100), *write("right column", 200, 100)]
    assert texts(page(iter(row))) == ["left column", "right column"]


# Characters


@given(st.text())
def test_repaired_text_holds_nothing_bad_and_stays_as_it_is(text: str) -> None:
    repaired, _ = repair(text)
    assert repair(repaired) == (repaired, 0)
    assert unicodedata.is_normalized("NFC", repaired)
    assert not any(
        "\ufb00" <= c <= "\ufb06" or unicodedata.category(c) in ("Cc", "Co", "Cs") for c in repaired
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("o\ufb03ce", "office"),
        ("e\u0301t\u00e9", "\u00e9t\u00e9"),
        ("a\u2010b", "a-b"),
        ("x\u00a0\u2003y", "x y"),
    ],
)
def test_characters_are_what_a_reader_means(text: str, expected: str) -> None:
    assert repair(text)[0] == expected


@given(st.integers(1, 3999))
def test_roman_numbers_are_read_as_they_are_written(value: int) -> None:
    signs = [(1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")]
    signs += [(10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")]
    rest, text = value, ""
    for worth, sign in signs:
        text += sign * (rest // worth)
        rest %= worth
    assert roman(text) == roman(text.upper()) == value


# Hyphens

BOOK = [
    "The window-sill was wooden and the old window stood open and that was all.",
    "Nobody understood it, of course. He was recognized by the well-known captain.",
]
CUT = ["The machinery of the kingdom was con-", "tinually in motion, and its gover-", "nor was proud of it."]
WORDS = sorted(
    {w for line in BOOK for w in line.lower().replace(".", "").replace(",", "").split() if len(w) > 4}
)


@given(st.sampled_from(WORDS), st.data())
def test_a_word_that_the_book_has_is_made_whole_wherever_it_is_cut(word: str, data: st.DataObject) -> None:
    if "-" in word:
        at = word.index("-") + 1
        cut = word[:at]
    else:
        at = data.draw(st.integers(2, len(word) - 2))
        cut = word[:at] + data.draw(st.sampled_from(["-", "\u00ad"]))
    assert Hyphens([*BOOK, *CUT]).join(f"so {cut}", f"{word[at:]}, he said") == f"so {word}, he said"


def test_a_book_that_never_cuts_words_keeps_every_hyphen() -> None:
    lines = [
        "and that was the old wine-",
        "glass of the captain, a hard-",
        "hearted man, and that was in the bed-",
        "room of it.",
    ]
    assert Hyphens(lines).join("the old wine-", "glass") == "the old wine-glass"


def test_dashes_at_a_lines_end_take_no_space() -> None:
    hyphens = Hyphens(BOOK)
    assert hyphens.join("as free as air\u2014", "or as free") == "as free as air\u2014or as free"
    assert hyphens.join("in Anglo-", "Saxon times") == "in Anglo-Saxon times"
    assert hyphens.join("東京の", "夜") == "東京の夜"


GERMAN = [
    "und der Mann und die Frau nicht weit von dem hellen Licht",
    "das ist nicht zurück und er hielte es",
]
FRENCH = ["et les hommes des bois dans une ville et il parle", "une femme et les des dans la rue"]


@pytest.mark.parametrize(
    ("book", "first", "second", "joined"),
    [
        (GERMAN, "ob sie ihn zurück-", "hielte oder", "ob sie ihn zurückhielte oder"),
        (GERMAN, "wie er hin-", "und herzulaufen", "wie er hin- und herzulaufen"),
        (GERMAN, "die Haus-", "und Hofmeister", "die Haus- und Hofmeister"),
        (FRENCH, "murmura-t-", "il alors", "murmura-t-il alors"),
        (FRENCH, "ainsi parla-", "t-il encore", "ainsi parla-t-il encore"),
        (FRENCH, "la plus flairait-", "il bien", "la plus flairait-il bien"),
        (BOOK, "he drank heart\u2019s-", "ease with", "he drank heart\u2019s-ease with"),
        (BOOK, "OUT OF THE WINDOW-", "SILL", "OUT OF THE WINDOW-SILL"),
    ],
)
def test_words_are_joined_as_their_language_does(
    book: list[str], first: str, second: str, joined: str
) -> None:
    cuts = ["un-", "xberq", "verw-", "qunft", "mor-", "xnung"]  # a book whose lines cut words
    assert Hyphens([*book, *cuts]).join(first, second) == joined


@pytest.mark.parametrize(
    ("letter", "text", "joined"), [("Y", "OUR cat", "YOUR cat"), ("I", "that am", "I that am")]
)
def test_a_drop_cap_is_a_word_only_where_its_language_has_it(letter: str, text: str, joined: str) -> None:
    book = ["and that was our cat of the sea and our house", "your own I am"]
    assert Hyphens(book).begin(letter, text) == joined
