"""What people bring besides English set in Times: other scripts and directions, odd fonts, scans."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError
from mckennabot.extract import extract_book
from mckennabot.extract.books import word_lists
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.lines.lines import page_lines
from mckennabot.extract.page import Glyph, RawPage
from mckennabot.extract.pdf.cmaps import parse_cmap
from tests.pdfs import book, line, stream


def segments(folder: Path, data: bytes) -> list[list[str]]:
    path = folder / "book.pdf"
    path.write_bytes(data)
    return extract_book(path, ExtractSettings(jobs=1)).segments


def differences(names: str, **entries: str) -> str:
    more = " ".join(f"/{name} {value}" for name, value in entries.items())
    return (
        f"<< /Type /Font /Subtype /Type1 /BaseFont /LampExpert /FirstChar 0 "
        f"/LastChar 255 /Widths [{'500 ' * 256}] "
        f"/Encoding << /Differences [{names}] >> {more} >>"
    )


TYPE3 = (
    "<< /Type /Font /Subtype /Type3 /FontMatrix [0.001 0 0 0.001 0 0] /FontBBox [0 -200 1000 800] "
    "/FirstChar 0 /LastChar 255 /Widths [{widths}] /CharProcs << >> /Encoding << /Differences [{names}] >> >>"
)


def type3(names: str) -> str:
    return TYPE3.format(widths="500 " * 256, names=names)


@pytest.mark.parametrize(
    ("font", "shown", "text"),
    [
        (differences("48 /zerooldstyle /oneoldstyle /twooldstyle"), "In 1021", "In 1021"),
        (differences("65 /Asmall /Bsmall /Csmall"), "CAB", "CAB"),
        (differences("65 /one.oldstyle /f_f_i /prime"), "A oBce xC", "1 office x\u2032"),
        (type3("101 /101 108 /108 232 /232 242 /242"), "\xe8 l\xf2", "è lò"),
        (type3("97 /C0061 98 /C0062 233 /C00E9"), "ab\xe9", "abé"),
        (type3("97 /square /triangle"), "ab ba abba", "ab ba abba"),
        (type3("163 /a163 167 /a167"), "\xa7\xa7 \xa3", "§§ £"),
        (
            "<< /Type /Font /Subtype /TrueType /BaseFont /LampSans /Encoding /WinAnsiEncoding >>",
            "Hello, you.",
            "Hello, you.",
        ),
    ],
)
def test_the_names_of_glyphs_say_what_they_are(tmp_path: Path, font: str, shown: str, text: str) -> None:
    assert segments(tmp_path, book([line(shown)], font=font)) == [[text]]


def test_ligatures_of_private_use_come_back_by_the_other_words(tmp_path: Path) -> None:
    cmap = (
        "1 begincodespacerange <00> <FF> endcodespacerange 1 beginbfrange <20> <7A> <0020> endbfrange "
        "2 beginbfchar <01> <E001> <02> <E002> endbfchar"
    )
    font = (
        f"<< /Type /Font /Subtype /Type1 /BaseFont /Lamp /FirstChar 0 /LastChar 255 /Widths [{'500 ' * 256}] "
        "/Encoding /WinAnsiEncoding /ToUnicode 1000 0 R >>"
    )
    text = (
        "The \x01rst \x01fty of the \x01elds were \x01lled with the e\x02ort of that sta\x02 and the o\x02er"
    )
    lines = line(text, 20, 500, 9) + line(
        "that was the di\x02erence, and the o\x02ering was \x01ne", 20, 488, 9
    )
    made = segments(tmp_path, book([lines], font=font, more={1000: stream(cmap)}))
    assert " ".join(made[0]) == (
        "The first fifty of the fields were filled with the effort of that staff and the offer "
        "that was the difference, and the offering was fine"
    )


def test_the_second_layer_of_a_scan_is_read_once(tmp_path: Path) -> None:
    rows = [
        "The lamp burns on the wall all night,",
        "and nobody in the town knows who",
        "keeps it there for the ships.",
    ]
    once = "".join(line(text, 50, 500 - 14 * n) for n, text in enumerate(rows))
    twice = "".join(line(text, 53, 498 - 14 * n) for n, text in enumerate(rows))
    assert segments(tmp_path, book([once + "3 Tr\n" + twice])) == segments(tmp_path, book([once]))


def test_only_invisible_text_is_the_text_of_a_scan(tmp_path: Path) -> None:
    assert segments(tmp_path, book(["3 Tr\n" + line("The lamp burns.")])) == [["The lamp burns."]]


def glyphs(text: str, x: float, y: float, size: float = 10.0) -> list[Glyph]:
    """Glyphs half as wide as their size, as they stand on the page from left to right."""
    half = 0.5 * size
    return [
        Glyph(c, x + half * n, y - 8, x + half * (n + 1), y + 2, y, size, "Serif")
        for n, c in enumerate(text)
        if c != " "
    ]


def read(*lines: list[Glyph]) -> list[str]:
    page = page_lines(RawPage(1, None, 400, 600, [g for made in lines for g in made], [], []))
    return [made.text for made in page.lines]


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        ("the word הרונמה means lamp", "the word המנורה means lamp"),
        (".1912 תנשב Anna Moor לש הריסה", "הסירה של Anna Moor בשנת 1912."),
        ("(2 ךרכ) רפסה", "הספר (כרך 2)"),
        (")2 ךרכ( רפסה", "הספר (כרך 2)"),
        ("דרשמב 03-5550100 אוה", "הוא 03-5550100 במשרד"),
    ],
)
def test_both_directions_in_a_line_are_read_in_order(seen: str, text: str) -> None:
    assert read(glyphs(seen, 50, 100)) == [text]


def test_a_glyph_that_stands_for_words_of_both_directions_keeps_them_in_order() -> None:
    first = Glyph("המנורה l", 50, 92, 60, 102, 100, 10.0, "Serif")
    assert read([first], glyphs("amp that burns", 60, 100)) == ["המנורה lamp that burns"]


def test_a_page_of_hebrew_begins_on_the_right() -> None:
    rows = [glyphs("ההנחמה לע הריאה הרונמה", 100, 100), glyphs("תולילה לכ", 165, 112)]
    page = page_lines(RawPage(1, None, 400, 600, [g for row in rows for g in row], [], []))
    assert page.mirrored
    assert page.lines[0].x0 == pytest.approx(400 - (100 + 5 * 22))
    assert page.lines[0].head == pytest.approx(5 * len("המנורה"))


@pytest.mark.parametrize("vertical", [True, False])
def test_japanese_runs_as_it_is_placed(vertical: bool) -> None:
    columns = ["昨日の夜に灯台の光が", "消えてしまったので、", "港は暗かった。"]
    made = []
    for column, text in enumerate(columns):
        for n, c in enumerate(text):
            x, y = (350 - 20 * column, 60 + 12 * n) if vertical else (60 + 10 * n, 60 + 16 * column)
            angle, baseline = (0, y) if vertical else (90, x + 5)
            made.append(Glyph(c, x, y - 8, x + 10, y + 2, baseline, 10.0, "Mincho", angle))
    assert read(made) == columns


@pytest.mark.parametrize("gap", [1.0, 1.2, 3.0])
def test_words_set_tight_are_parted(gap: float) -> None:
    x, made = 50.0, []
    for word in ("the", "sea", "is", "awake", "and", "the", "lamp", "is", "out"):
        made += glyphs(word, x, 100)
        x = made[-1].x1 + gap
    assert read(made) == ["the sea is awake and the lamp is out"]


def test_a_space_that_was_kerned_away_parts_sentences() -> None:
    first = [*glyphs("the lamp is quiet and it burns.", 50, 100)]
    spaces = [Glyph(" ", a.x1, 92, b.x0, 102, 100, 10, "Serif") for a, b in pairwise(first) if b.x0 > a.x1]
    second = glyphs("Then", first[-1].x1 + 1.4, 100)
    row = sorted([*first, *spaces, *second], key=lambda glyph: glyph.x0)
    assert read(row) == ["the lamp is quiet and it burns. Then"]


def test_a_raised_figure_over_a_lowered_one_is_a_fraction() -> None:
    over = [Glyph("1", 60, 86, 63, 94, 95, 6.0, "Serif")]
    under = [Glyph("2", 60, 96, 63, 104, 103.5, 6.0, "Serif")]
    assert read(glyphs("is 2", 40, 100), over, under, glyphs("minutes", 66, 100)) == ["is 2 1/2 minutes"]


# What nobody can trust


def test_only_processes_that_read_pages_change_pdfminer(tmp_path: Path) -> None:
    from pdfminer.pdftypes import PDFStream

    before = PDFStream.get_data
    segments(tmp_path, book([line("The lamp burns.")]))
    assert PDFStream.get_data is before


def test_a_pdfminer_that_cannot_be_held_to_limits_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    from mckennabot.extract.pdf.streams import IncompatiblePdfminer, bound_pdfminer

    monkeypatch.delattr("pdfminer.pdftypes.PDFStream.get_data")
    with pytest.raises(IncompatiblePdfminer, match="get_data"):
        bound_pdfminer()


def test_a_book_that_cannot_be_put_together_is_an_error_of_the_book(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(*_: object) -> None:
        while True:
            pass

    monkeypatch.setattr("mckennabot.extract.shape", hang)
    monkeypatch.setattr("mckennabot.extract.SHAPE_SECONDS", 0.2)
    with pytest.raises(InputError, match="takes too long"):
        segments(tmp_path, book([line("The lamp burns.")]))


def test_without_lists_of_words_a_book_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    word_lists.known_words.cache_clear()
    monkeypatch.setattr("pkgutil.get_data", lambda *_: b"no list")
    hyphens = Hyphens(["the and of that was the keeper", "of the light-", "house and the lighthouse"])
    assert hyphens.join("the light-", "house") == "the lighthouse"
    assert word_lists.known_words("en") == {}
    word_lists.known_words.cache_clear()


def test_codes_of_a_large_cmap_are_found_by_bisection() -> None:
    ranges = "".join(f"<{n:04x}> <{n + 1:04x}> <{(n + 7) & 0xFFFF:04x}>\n" for n in range(0, 0xFFF0, 2))
    cmap = parse_cmap(f"1 beginbfrange {ranges} endbfrange".encode())
    assert all(cmap.text(n) == chr(n + 7) for n in range(0, 0xD000, 3))


def test_of_ranges_that_overlap_the_first_counts() -> None:
    cmap = parse_cmap(b"3 beginbfrange <10> <20> <0041> <18> <30> <0061> <05> <40> <0391> endbfrange")
    assert [cmap.text(code) for code in (0x05, 0x10, 0x20, 0x21, 0x30, 0x31, 0x41)] == [
        chr(0x391), "A", "Q", "j", "y", chr(0x391 + 0x2C), "",
    ]  # fmt: skip
