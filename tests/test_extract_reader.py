"""Reading a PDF: which glyphs, where, how big, and what stands beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mckennabot.extract.page import OutlineEntry, RawPage
from tests.pdfs import book, line, stream

FORM = "/Resources << /Font << /F1 3 0 R >> /XObject << /Fm 1000 0 R >> >>"


def read(path: Path, data: bytes) -> list[RawPage]:
    from mckennabot.extract.pdf.document import open_document

    path = path / "book.pdf"
    path.write_bytes(data)
    document = open_document(path)
    return list(document.pages(range(1, document.page_count + 1)))


def text(page: RawPage) -> str:
    return "".join(glyph.text for glyph in page.glyphs)


def test_a_glyph_has_its_box_baseline_size_and_font(tmp_path: Path) -> None:
    (page,) = read(tmp_path, book([line("Hi", 50, 500, 12)]))
    h, i = page.glyphs
    assert (page.number, page.width, page.height, page.label) == (1, 400, 600, None)
    assert (h.text, i.text, h.font, h.size, h.angle) == ("H", "i", "Helvetica", 12, 0)
    assert (h.x0, h.baseline) == (50, 100)
    assert h.x1 == pytest.approx(50 + 0.722 * 12) == pytest.approx(i.x0)
    assert h.y0 < 100 - 0.6 * 12 < 100 < h.y1 < 100 + 0.4 * 12


@pytest.mark.parametrize(
    ("rotate", "size", "angle", "corner"),
    [(0, (400, 600), 0, (50, 100)), (90, (600, 400), 90, (500, 50)), (180, (400, 600), 180, (350, 500))],
)
def test_page_space_is_the_page_as_it_is_shown(
    tmp_path: Path, rotate: int, size: tuple[float, float], angle: int, corner: tuple[float, float]
) -> None:
    (page,) = read(tmp_path, book([line("Hi", 50, 500)], page=f"/Rotate {rotate}"))
    first = page.glyphs[0]
    assert (page.width, page.height) == size
    assert first.angle == angle
    x, y = corner
    assert first.x0 - 13 <= x <= first.x1 + 13
    assert first.y0 - 13 <= y <= first.y1 + 13
    assert first.baseline == pytest.approx(x if angle in (90, 270) else y)


def test_a_page_turned_upright_reads_upright(tmp_path: Path) -> None:
    sideways = "BT /F1 12 Tf 0 1 -1 0 100 50 Tm (Hi) Tj ET"
    (page,) = read(tmp_path, book([sideways], page="/Rotate 90"))
    assert [glyph.angle for glyph in page.glyphs] == [0, 0]
    assert page.glyphs[0].x1 <= page.glyphs[1].x0 + 0.01


def test_crop_box_moves_the_origin_and_hides_what_is_outside(tmp_path: Path) -> None:
    content = line("slug", 0, 2) + line("The text of the page itself", 60, 500)
    (page,) = read(tmp_path, book([content], page="/CropBox [50 50 350 550]"))
    assert text(page) == "The text of the page itself"
    assert (page.width, page.height) == (300, 500)
    assert (page.glyphs[0].x0, page.glyphs[0].baseline) == (10, 50)


def test_text_in_a_form_is_text_and_the_page_goes_on_where_it_was(tmp_path: Path) -> None:
    form = stream(line("in"), "/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Matrix [1 0 0 1 0 -90]")
    content = "/Fm Do BT /F1 12 Tf 50 300 Td (out) Tj ET"
    (page,) = read(tmp_path, book([content], page=FORM, more={1000: form}))
    assert text(page) == "inout"
    assert [page.glyphs[0].baseline, page.glyphs[2].baseline] == [190, 300]


def test_a_form_that_draws_itself_ends(tmp_path: Path) -> None:
    form = stream("/Fm Do " + line("once"), f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] {FORM}")
    (page,) = read(tmp_path, book(["/Fm Do"], page=FORM, more={1000: form}))
    assert text(page) == "once"


def test_actual_text_stands_in_place_of_the_glyphs_of_its_span(tmp_path: Path) -> None:
    content = (
        "BT /F1 12 Tf 50 500 Td (a ) Tj /Span << /ActualText (lamp) >> BDC (xq) Tj "
        "/Span << /ActualText (never) >> BDC (zv) Tj EMC EMC /P << /MCID 0 >> BDC ( b) Tj EMC ET"
    )
    (page,) = read(tmp_path, book([content]))
    assert text(page) == "a lamp b"


def test_invisible_text_is_text(tmp_path: Path) -> None:
    (page,) = read(tmp_path, book(["3 Tr " + line("ocr")]))
    assert text(page) == "ocr"


def test_pictures_and_rules_are_located(tmp_path: Path) -> None:
    content = (
        "q 200 0 0 300 50 100 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q 50 80 100 0.5 re f 9 9 m 9 300 l S"
    )
    (page,) = read(tmp_path, book([content]))
    assert page.images == [(50, 200, 250, 500)]
    assert page.rules == [(50, 519.5, 150, 520)]


def test_inline_picture_with_an_ei_in_its_data_does_not_swallow_text(tmp_path: Path) -> None:
    picture = b"BI /W 4 /H 4 /BPC 8 /CS /G ID \x00\x01 EI \x80\xff\x00\x03 EI Q\n"
    (page,) = read(tmp_path, book([picture + line("after").encode()]))
    assert text(page) == "after"


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (r"BT /F1 9 Tf (a\)\(b(c)\101\61\n\q) Tj ET", "a)(b(c)A1q"),
        ("BT /F1 9 Tf <48 69 2> Tj ET", "Hi "),
        ("BT /F1 9 Tf [(on) -250 (e) Tj (two)] TJ ET", "onetwo"),
        ("BT /F1 9 Tf [(open) TJ (next) Tj ET", "opennext"),
        ("BT /F1 9 Tf Td 1 Td (still) Tj ET", "still"),
        ("BT /F1 9 Tf % (not this)\n(this)Tj ET", "this"),
        ("BT /F1 9 Tf --5 0 Td 1.2.3 0 Td (numbers) Tj ET", "numbers"),
        (")>>]} BT /F#31 9 Tf (names) ' ET", "names"),
        ("[" * 5000 + "] BT /F1 9 Tf (deep) Tj ET", "deep"),
        ("(never closed", ""),
    ],
)
def test_content_is_read_with_forgiveness(tmp_path: Path, content: str, shown: str) -> None:
    (page,) = read(tmp_path, book([content]))
    assert text(page) == shown


@pytest.mark.parametrize(
    ("names", "codes", "shown"),
    [
        ("11 /a11 /a12 65 /a65 92 /a92 123 /a123", r"\013\014A\\\173", "fffiA“–"),
        ("16 /a16 /a17 27 /a27 65 /a65 233 /a233", r"\020\021\033A\351", "“”ffAé"),
        ("65 /B /a66", "AB", "BB"),
    ],
)
def test_bitmap_fonts_of_tex_have_their_texts(tmp_path: Path, names: str, codes: str, shown: str) -> None:
    font = (
        "<< /Type /Font /Subtype /Type3 /FontMatrix [0.01 0 0 0.01 0 0] /FontBBox [0 -20 80 80] /FirstChar 0 "
        f"/LastChar 255 /Widths [{'50 ' * 256}] /CharProcs << >> /Encoding << /Differences [{names}] >> >>"
    )
    (page,) = read(tmp_path, book([f"BT /F1 10 Tf ({codes}) Tj ET"], font=font))
    assert text(page) == shown
    assert page.glyphs[0].size == pytest.approx(10)


def test_labels_and_bookmarks(tmp_path: Path) -> None:
    catalog = (
        "/PageLabels << /Nums [0 << /S /r /St 9 >> 1 << /S /D /P (A-) >>] >> /Outlines 1000 0 R "
        "/Names << /Dests << /Names [(here) << /D [12 0 R /XYZ 0 450 null] >>] >> >>"
    )
    more: dict[int, str | bytes] = {
        1000: "<< /First 1001 0 R /Last 1002 0 R >>",
        1001: "<< /Title (One) /Dest [10 0 R /Fit] /First 1003 0 R /Last 1003 0 R /Next 1002 0 R >>",
        1002: b"<< /Title (\xfe\xff\x00T\x20\x14) /A << /S /GoTo /D (here) >> /Next 1001 0 R >>",
        1003: "<< /Title (In it) /Dest [10 0 R /FitH 500] /Next 1003 0 R >>",
    }
    path = tmp_path / "book.pdf"
    path.write_bytes(book([line("a"), line("b")], catalog=catalog, more=more))
    from mckennabot.extract.pdf.document import open_document

    document = open_document(path)
    assert [page.label for page in document.pages([1, 2])] == ["ix", "A-1"]
    assert document.outline() == [
        OutlineEntry(1, "One", 1, None),
        OutlineEntry(2, "In it", 1, 100),
        OutlineEntry(1, "T—", 2, 150),
    ]
