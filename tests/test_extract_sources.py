"""Sources beyond PDF: EPUB, HTML, Markdown and text give the same book, and no file of theirs does harm."""

from __future__ import annotations

import contextlib
import html
import re
import textwrap
import zipfile
from pathlib import Path

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError
from mckennabot.extract import extract_book
from mckennabot.extract.documents.epub import read_epub
from mckennabot.extract.kinds import KEEP
from scripts.make_sample import SOURCE, Book, read_book
from tests.conftest import ROOT, Cli

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
XHTML = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops">
<head><title>A title that is no text</title></head><body>{}</body></html>"""
LONG = "The lamp hums on one note while nobody in the room considers it for longer than a moment. " * 5
LONG = LONG.strip()


@pytest.fixture(scope="module")
def book() -> Book:
    return read_book()


def segments(path: Path, *keep: str, segment: str = "chapter") -> list[list[str]]:
    return extract_book(path, ExtractSettings(segment=segment, keep=frozenset(keep))).segments


def from_html(tmp_path: Path, body: str, *keep: str) -> list[list[str]]:
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><title>No text</title><body>{body}", encoding="utf-8")
    return segments(path, *keep)


def from_text(tmp_path: Path, text: str | bytes, suffix: str = ".txt") -> list[list[str]]:
    path = tmp_path / f"book{suffix}"
    path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
    return segments(path)


def package(spine: list[str], *, extra: str = "", guide: str = "", toc: str = "") -> str:
    items = "".join(
        f'<item id="i{n}" href="{name}" media-type="application/xhtml+xml"/>' for n, name in enumerate(spine)
    )
    references = "".join(f'<itemref idref="i{n}"/>' for n in range(len(spine)))
    return (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/>'
        f"<manifest>{items}{extra}</manifest><spine{toc}>{references}</spine>{guide}</package>"
    )


def make_epub(path: Path, documents: dict[str, str], **how: str) -> Path:
    """An EPUB with these documents as its spine; other files by their whole names."""
    files = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package([n for n in documents if "/" not in n], **how),
        **{
            n if "/" in n else f"OEBPS/{n}": text if "/" in n else XHTML.format(text)
            for n, text in documents.items()
        },
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip", zipfile.ZIP_STORED)
        for name, text in files.items():
            archive.writestr(name, text)
    return path


# The same book


def as_html(text: str, notes: dict[str, str], number: int) -> str:
    """One chapter's marked text as inline HTML, with links to notes in notes.xhtml."""
    text = re.sub(r"\*([^*]+)\*", r"<em>\1</em>", html.escape(text))
    link = r'<a epub:type="noteref" id="r\1" href="notes.xhtml#n\1"><sup>\1</sup></a>'
    return re.sub(r"\[\^(\d+)\]", link, text).replace("\n", "<br/>\n")


def test_epub_gives_the_samples_text_word_for_word(book: Book, tmp_path: Path) -> None:
    documents = {
        "title.xhtml": f"<h1>{book.front['title']}</h1><p>by {book.front['author']}</p>",
        "toc.xhtml": "<nav epub:type='toc'><ol>"
        + "".join(f'<li><a href="c{n}.xhtml">{c.heading}</a></li>' for n, c in enumerate(book.chapters))
        + "</ol></nav>",
    }
    for number, chapter in enumerate(book.chapters):
        body = [f"<h2>{chapter.heading}</h2>"]
        for block in chapter.blocks:
            tag = {"verse": "blockquote", "quote": "blockquote", "attribution": "p"}.get(block.kind, "p")
            body.append(f"<{tag}>{as_html(block.text, book.notes, number)}</{tag}>")
        documents[f"c{number}.xhtml"] = "\n".join(body)
    documents["notes.xhtml"] = "".join(
        f'<p id="n{n}"><a href="c1.xhtml#r{n}">{n}</a>. {as_html(text, {}, 0)}</p>'
        for n, text in book.notes.items()
    )
    nav = '<item id="nav" href="toc.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    path = make_epub(tmp_path / "book.epub", documents, extra=nav)
    assert segments(path) == book.segments()
    kept = [p for segment in segments(path, "footnotes") for p in segment]
    assert sum("leaves on this line twice" in p for p in kept) == 1


def test_markdown_gives_the_samples_text_word_for_word(book: Book) -> None:
    assert segments(SOURCE) == book.segments()
    assert any("Five Evenings" in p for segment in segments(SOURCE, "front-matter") for p in segment)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_gutenbergs_text_gives_the_samples_text_word_for_word(
    book: Book, tmp_path: Path, newline: str
) -> None:
    lines = [
        f"The Project Gutenberg eBook of {book.front['title']}", "", "This eBook is for anyone anywhere.", "",
        "*** START OF THE PROJECT GUTENBERG EBOOK THE HUM OF THE LAMP ***", "", "Produced by nobody", "", "",
        book.front["title"].upper(), "", f"by {book.front['author']}", "", "", "CONTENTS", "",
        *(f" {chapter.heading.upper()}" for chapter in book.chapters), "",
    ]  # fmt: skip
    for chapter in book.chapters:
        lines += ["", "", "", chapter.heading.upper(), "", ""]
        for block in chapter.blocks:
            text = re.sub(r"\[\^(\d+)\]", r"[\1]", block.text).replace("*", "_")
            if block.kind == "verse":
                lines += [f"    {line}" for line in text.split("\n")]
            else:
                lines += textwrap.wrap(text, 72, break_on_hyphens=False)
            lines.append("")
    for number, note in book.notes.items():
        lines += [*textwrap.wrap(f"[{number}] {note.replace('*', '_')}", 72), ""]
    lines += [
        "*** END OF THE PROJECT GUTENBERG EBOOK THE HUM OF THE LAMP ***",
        "",
        "START: FULL LICENSE",
        "",
        LONG,
        "",
    ]
    expected = [[s[0].upper(), *s[1:]] for s in book.segments()]
    assert from_text(tmp_path, newline.join(lines)) == expected


# EPUB


def test_the_table_of_contents_makes_chapters_of_documents_without_headings(tmp_path: Path) -> None:
    ncx = (
        '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>'
        + "".join(
            f'<navPoint><navLabel><text>{title}</text></navLabel><content src="{src}"/></navPoint>'
            for title, src in (
                ("Cover", "a.xhtml"),
                ("One", "b.xhtml"),
                ("Two", "b.xhtml#two"),
                ("Three", "c%20d.xhtml"),
            )
        )
        + "</navMap></ncx>"
    )
    documents = {
        "a.xhtml": "<p>A Picture of a Lamp</p>",
        "b.xhtml": f'<p class="x">One</p><p>{LONG}</p><p id="two">Two</p><p>{LONG}</p>',
        "c d.xhtml": f"<p>{LONG}</p>",
        "OEBPS/toc.ncx": ncx,
    }
    extra = '<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>'
    path = make_epub(tmp_path / "book.epub", documents, extra=extra, toc=' toc="ncx"')
    assert segments(path) == [["One", LONG], ["Two", LONG], ["Three", LONG]]


def test_parts_and_sections_are_told_from_chapters(tmp_path: Path) -> None:
    chapter = f"<p>{LONG}</p><h3>A Section</h3><p>{LONG}</p>"
    documents = {
        f"{n}.xhtml": (f"<h1>Part {n // 2 + 1}</h1>" if n % 2 == 0 else "")
        + f"<h2>Chapter {n + 1}</h2>{chapter}"
        for n in range(4)
    }
    path = make_epub(tmp_path / "book.epub", documents)
    assert [s[0] for s in segments(path)] == [f"Chapter {n}" for n in range(1, 5)]
    assert [s[0] for s in segments(path, segment="section")][:3] == ["Chapter 1", "A Section", "Chapter 2"]
    assert len(segments(path, segment="none")) == 1
    assert len(segments(path, segment="page")) == 4


@pytest.mark.parametrize(
    ("headings", "chapters"),
    [
        ("1 Part One|2 I*|2 II*|1 Part Two|2 I*|2 II*", ["I", "II", "I", "II"]),
        ("1 Fern*|1 Lamp|2 I*|2 II*|2 III*|1 Jar*|1 Cup*|1 Door*", ["Fern", "Lamp", "Jar", "Cup", "Door"]),
        ("1 The Gate|2 1*|2 2*|2 3*|1 The Wall|2 1*|2 2*|2 3*", ["1", "2", "3", "1", "2", "3"]),
        ("2 Preface*|1 A Book|2 1. Lamp*|2 2. Fern*|2 3. Jar*", ["Preface", "1. Lamp", "2. Fern", "3. Jar"]),
        ("1 1. Lamps|2 Hums*|2 Shades*|1 2. Ferns|2 Roots*|2 Fronds*", ["1. Lamps", "2. Ferns"]),
        ("1 Lamps*|2 Hums*|2 Shades*|2 Cords*", ["Lamps", "Hums", "Shades", "Cords"]),
    ],
)  # fmt: skip
def test_which_headings_are_chapters(tmp_path: Path, headings: str, chapters: list[str]) -> None:
    body = ""
    for heading in headings.split("|"):
        level, title = heading.rstrip("*").split(" ", 1)
        body += f"<h{level}>{title}</h{level}>" + f"<p>{LONG}</p>" * heading.endswith("*")
    assert [segment[0] for segment in from_html(tmp_path, body)] == chapters


def test_what_the_book_says_is_no_text_is_left_out_and_kept_when_asked_for(tmp_path: Path) -> None:
    documents = {
        "x1.xhtml": "<section epub:type='titlepage'><p>The Lamp, a Book</p></section>",
        "x2.xhtml": "<p>All rights withheld.</p>",
        "x3.xhtml": f"<h1>Chapter 1</h1><p>{LONG}<span epub:type='pagebreak' title='7'>7</span></p>",
        "x4.xhtml": f"<h1>Chapter 2</h1><p>{LONG}</p>",
        "x5.xhtml": "<section epub:type='index'><h1>Finding Things</h1><p>Lamp, 3</p></section>",
    }
    guide = '<guide><reference type="copyright-page" href="x2.xhtml"/></guide>'
    path = make_epub(tmp_path / "book.epub", documents, guide=guide)
    assert segments(path) == [["Chapter 1", LONG], ["Chapter 2", LONG]]
    kept = [p for s in segments(path, "front-matter", "index") for p in s]
    assert kept == [
        "The Lamp, a Book",
        "All rights withheld.",
        "Chapter 1",
        LONG,
        "Chapter 2",
        LONG,
        "Finding Things",
        "Lamp, 3",
    ]
    report = extract_book(path, ExtractSettings()).report
    assert {kind: removed.words for kind, removed in report.removed.items()} == {
        "front-matter": 7, "index": 4, "page-number": 1,
    }  # fmt: skip


def test_a_missing_document_is_reported_and_the_rest_read(tmp_path: Path) -> None:
    path = make_epub(
        tmp_path / "whole.epub", {"a.xhtml": f"<h1>A</h1><p>{LONG}</p>", "b.xhtml": f"<p>{LONG}</p>"}
    )
    damaged = tmp_path / "damaged.epub"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            if name != "OEBPS/a.xhtml":
                new.writestr(name, old.read(name))
    book = extract_book(damaged, ExtractSettings())
    assert book.segments == [[LONG]]
    assert "a.xhtml" in book.report.failed_pages[1]


def test_links_out_of_the_archive_read_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret.xhtml").write_text(f"<p>Secret. {LONG}</p>", encoding="utf-8")
    spine = ["a.xhtml", "../../secret.xhtml", f"{tmp_path}/secret.xhtml", "file:///etc/passwd"]
    path = make_epub(tmp_path / "book.epub", {"a.xhtml": f"<p>{LONG}</p>", "OEBPS/book.opf": package(spine)})
    book = extract_book(path, ExtractSettings())
    assert book.segments == [[LONG]]
    assert len(book.report.failed_pages) == 3


def encryption(algorithm: str) -> str:
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><EncryptedData '
        f'xmlns="http://www.w3.org/2001/04/xmlenc#"><EncryptionMethod Algorithm="{algorithm}"/>'
        '<CipherData><CipherReference URI="OEBPS/a.xhtml"/></CipherData></EncryptedData></encryption>'
    )


def test_copy_protection_is_named_and_scrambled_fonts_are_none(tmp_path: Path) -> None:
    documents = {"a.xhtml": f"<p>{LONG}</p>"}
    aes = {"META-INF/encryption.xml": encryption("http://www.w3.org/2001/04/xmlenc#aes128-cbc")}
    with pytest.raises(InputError, match=r"DRM.*locked\.epub"):
        segments(make_epub(tmp_path / "locked.epub", {**documents, **aes}))
    fonts = {"META-INF/encryption.xml": encryption("http://www.idpf.org/2008/embedding")}
    assert segments(make_epub(tmp_path / "fonts.epub", {**documents, **fonts})) == [[LONG]]


def test_a_bomb_is_refused_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mckennabot.extract.documents import epub

    monkeypatch.setattr(epub, "MAX_DOCUMENT", 1 << 20)
    bomb = make_epub(tmp_path / "bomb.epub", {"a.xhtml": "<p>boom</p>" * 200_000})
    assert bomb.stat().st_size < 20_000
    with pytest.raises(InputError, match="unpacks to more than 1 MB"):
        segments(bomb)


def test_entities_are_not_multiplied(tmp_path: Path) -> None:
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<!DOCTYPE p [<!ENTITY e0 "boom">{entities}<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    documents = {
        "OEBPS/a.xhtml": f"{bomb}<html><body><p>&e11;&x; {LONG}</p></body></html>",
        "OEBPS/book.opf": package(["a.xhtml"])
        .replace("<package", f"{bomb.replace('p [', 'package [')}<package")
        .replace("<metadata/>", "<metadata><title>&e11;</title></metadata>"),
    }  # fmt: skip
    (text,) = segments(make_epub(tmp_path / "book.epub", documents))
    assert LONG in text[0]
    assert len(text[0]) < len(LONG) + 50
    assert "root:" not in text[0]


def corrupt(data: bytes) -> bytes:
    at = data.index(b"META-INF/container.xml") + 40
    return data[:at] + bytes(40) + data[at + 40 :]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"%PDF-1.7 and so on", "not an EPUB"),
        (b"PK\x03\x04 cut short", "not an EPUB"),
        ({"readme.txt": "no book"}, "no package document"),
        ({"META-INF/container.xml": CONTAINER}, "package document OEBPS/book.opf is not in"),
        ({"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": "<package"}, "no spine"),
        (
            {"META-INF/container.xml": CONTAINER, "OEBPS/book.opf": package(["gone.xhtml"])},
            "no text.*gone.xhtml",
        ),
        ({"book.opf": package(["a.xhtml"]), "a.xhtml": ""}, "no text"),
        ({"book.opf": package(["a"]).replace("application/xhtml+xml", "image/png")}, "made of pictures"),
    ],
)
def test_what_is_no_epub_is_one_clear_error(
    tmp_path: Path, content: bytes | dict[str, str], says: str
) -> None:
    path = tmp_path / "bad.epub"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    with pytest.raises(InputError, match=says) as caught:
        segments(path)
    assert caught.value.path == path
    assert len(caught.value.lines()) <= 3


def test_no_cut_or_flipped_byte_of_an_epub_ends_in_anything_but_a_clear_error(tmp_path: Path) -> None:
    whole = make_epub(tmp_path / "whole.epub", {"a.xhtml": f"<h1>A</h1><p>{LONG}</p>"}).read_bytes()
    damaged = tmp_path / "damaged.epub"
    for at in range(0, len(whole), 7):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            damaged.write_bytes(data)
            with contextlib.suppress(InputError):
                read_epub(damaged)


# HTML


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>One\n   line,&nbsp;<b>and</b> <i>an</i>other.</p>Loose<div>words</div>",
         ["One line, and another.", "Loose", "words"]),
        ("<p>Unclosed<p>paragraphs &amp; <em>tags", ["Unclosed", "paragraphs & tags"]),
        ("<p>of&#xFB01;ce, soft&shy;ly, &ldquo;quoted&rdquo;</p>", ["office, softly, “quoted”"]),
        ("<div class='poem'><div class='stanza'><span>One,<br></span><span>two.<br></span></div></div>",
         ["One,\ntwo."]),
        ("<div class='stanza'><p>One line,</p><p>two lines.</p></div>", ["One line,\ntwo lines."]),
        ("<p>" + "<br>".join(["A line of verse as long as a line of prose, and no less a line for that"] * 5),
         ["\n".join(["A line of verse as long as a line of prose, and no less a line for that"] * 5)]),
        ("<p>" + "<br>".join(textwrap.wrap(LONG, 72)) + "</p>", [LONG]),
        ("<blockquote class='verse'><p>a<br>b</p><p>c<br>d</p></blockquote>", ["a\nb", "c\nd"]),
        ("<p>One paragraph.<br><br>Another one.</p>", ["One paragraph.", "Another one."]),
        ("<pre>Two lines,\n   as typed.\n\nAnd more.</pre>", ["Two lines,\nas typed.", "And more."]),
        ("<ul><li>first</li><li><p>second</p><p>goes on</p></li></ul>", ["first", "second", "goes on"]),
        ("<p><img alt='O' class='dropcap'>nce there was</p>", ["Once there was"]),
        ("<p>read<script>var x = '<p>no</p>'</script><style>p{}</style> this</p>", ["read this"]),
        ("<p>Seen.</p><p hidden>Not.</p><p style='display: none'>Not.</p>", ["Seen."]),
        ("<p>before<span class='pagenum'>[Pg 12]</span> after</p>", ["before after"]),
        ("<p>text</p><hr><p>* * *</p><p>—</p><p>“…!”</p>", ["text", "“…!”"]),
        ("<p>漢<ruby>字<rt>じ</rt></ruby></p>", ["漢字"]),
    ],
)  # fmt: skip
def test_html_as_a_reader_sees_it(tmp_path: Path, body: str, expected: list[str]) -> None:
    assert from_html(tmp_path, body) == [expected]


NOTES = {
    "Gutenberg": (
        '<p>Word.<a name="FA_1"></a><a href="#F_1" class="fnanchor">[1]</a> More.</p>'
        '<div class="footnote"><p><a name="F_1"></a><a href="#FA_1"><span class="label">[1]</span></a> '
        "A note.</p></div>"
    ),
    "Pandoc": (
        '<p>Word.<a href="#fn1" class="footnote-ref" id="fnref1"><sup>1</sup></a> More.</p>'
        '<section class="footnotes" role="doc-endnotes"><ol><li id="fn1"><p>A note.'
        '<a href="#fnref1" role="doc-backlink">↩︎</a></p></li></ol></section>'
    ),
    "by hand": (
        '<p id="t">Word.<sup><a id="r" href="#n">*</a></sup> More.</p><p>Between.</p>'
        '<p><a id="n" href="#r">*</a> A note.</p>'
    ),
    "aside": (
        '<p>Word.<a epub:type="noteref" href="#n">1</a> More.</p>'
        '<aside id="n" epub:type="footnote">A note.</aside>'
    ),
    "inside": '<p>Word.<span class="footnote">A note.</span> More.</p>',
}


@pytest.mark.parametrize("how", NOTES)
def test_notes_leave_the_flow_and_come_back(tmp_path: Path, how: str) -> None:
    (text,) = from_html(tmp_path, NOTES[how])
    assert text[0] == "Word. More."
    assert not any("note" in p for p in text)
    (kept,) = from_html(tmp_path, NOTES[how], "footnotes")
    assert "Word. More." in kept
    assert sum("A note." in p for p in kept) == 1


def test_a_link_that_only_looks_like_a_notes_removes_no_text(tmp_path: Path) -> None:
    links = 'See chapter <a href="#c2">2</a>, [<a href="#c2">2</a>].'
    body = f'<h2>One</h2><p>{LONG}</p><p>{links}</p><h2 id="c2">Two</h2><p>{LONG}</p>'
    text = " ".join(p for s in from_html(tmp_path, body) for p in s)
    assert "See chapter 2" in text
    assert "Two" in text
    assert LONG in text


def test_headings_make_chapters_and_the_lists_before_them_go(tmp_path: Path) -> None:
    body = "<h1>The Lamp</h1><p>by Nobody</p><h2>Contents</h2><ul>" + "".join(
        f'<li><a href="#c{n}">Chapter {n}</a></li>' for n in (1, 2)
    )
    body += "</ul>" + "".join(f'<h2 id="c{n}">Chapter {n}<br>The Title</h2><p>{LONG}</p>' for n in (1, 2))
    assert from_html(tmp_path, body) == [[f"Chapter {n} The Title", LONG] for n in (1, 2)]


@pytest.mark.parametrize(
    "body",
    ["<div>" * 100_000, "<" * 1_000_000, "<!--" * 200_000, "<a href='#x'>[1]</a>" * 20_000, "&" * 500_000,
     "<table><tr><td>" * 20_000, "<a id=x>" * 50_000 + "end", "<p class='poem'>x" * 20_000,
     "<ol><li id=a>" * 5_000],
)  # fmt: skip
def test_no_html_takes_long(tmp_path: Path, body: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(f"<p>First words.</p>{body}", encoding="utf-8")
    book = extract_book(path, ExtractSettings())  # the suite's time limit is the measure
    assert book.segments[0][0].startswith("First words.")


# Text and Markdown


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("L’élève naïf — “déjà vu”, cœur.\n\nFin.", "utf-8"),
        ("L’élève naïf — “déjà vu”, cœur.\n\nFin.", "utf-8-sig"),
        ("L’élève naïf — “déjà vu”, cœur.\n\nFin.", "utf-16"),
        ("L’élève naïf — “déjà vu”, cœur.\n\nFin.", "utf-16-le"),
        ("L’élève naïf — “déjà vu”, cœur.\n\nFin.", "cp1252"),
        ("Größer als früher, sagte der Käfer.\n\nEnde.", "latin-1"),
        (
            "Все счастливые семьи похожи друг на друга, каждая несчастливая семья несчастлива.\n\nКонец.",
            "cp1251",
        ),
    ],
)
def test_text_is_read_in_its_encoding_without_being_told(tmp_path: Path, text: str, encoding: str) -> None:
    assert from_text(tmp_path, text.encode(encoding)) == [text.split("\n\n")]


@pytest.mark.parametrize("declared", ["utf-8", "iso-8859-1", "no-such-code", "zip", "utf-7"])
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_a_wrong_declaration_does_no_harm(tmp_path: Path, declared: str, encoding: str) -> None:
    path = tmp_path / "page.html"
    path.write_bytes(f'<meta charset="{declared}"><p>“naïf café”</p>'.encode(encoding))
    assert segments(path) == [["“naïf café”"]]


def test_one_paragraph_on_each_line_stays_so(tmp_path: Path) -> None:
    lines = [f"{LONG} {n}" for n in range(5)]
    assert from_text(tmp_path, "\n".join(lines)) == [lines]


def test_indents_begin_paragraphs_where_no_line_is_empty(tmp_path: Path) -> None:
    paragraphs = [f"{LONG} {n}" for n in range(4)]
    lines = [line for p in paragraphs for line in textwrap.wrap(p, 70, initial_indent="   ")]
    assert from_text(tmp_path, "\n".join(lines)) == [paragraphs]


def test_an_indent_inside_a_stanza_begins_no_paragraph(tmp_path: Path) -> None:
    prose = textwrap.fill(LONG, 70)
    stanza = "Who left the garden on?\nI had a word\nFor what I’ve got\nBefore it was gone."
    typed = stanza.replace("\nBefore", "\n     Before")
    assert from_text(tmp_path, f"{prose}\n\n{typed}\n\n{prose}\n") == [[LONG, stanza, LONG]]


def test_a_corpus_of_ours_is_read_as_it_was_written(tmp_path: Path, book: Book) -> None:
    paragraphs = [p for s in book.segments() for p in s[1:]]
    assert from_text(tmp_path, "\n\n".join(paragraphs)) == [paragraphs]


def test_a_boundary_token_in_the_words_is_only_text(tmp_path: Path) -> None:
    from mckennabot import corpus

    text = corpus.render(from_text(tmp_path, "One <|endoftext|> two.\n\n<|endoftext|>\n\nThree."))
    assert len(corpus.parse(text)) == 1


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("*One* __two__ `three` [four](http://x) ![five](y.png) \\*six\\*", ["One two three four *six*"]),
        ("hard\nwrapped\n\nkept  \nlines", ["hard wrapped", "kept\nlines"]),
        ("> quoted\n> words\n\n- one\n- two\n\n---\n\n1. three", ["quoted words", "one", "two", "three"]),
        ("```python\nx = 1\n\ny = 2\n```\n\ntext", ["x = 1", "y = 2", "text"]),
        ("| a line of verse\n| and another\n\ntext", ["a line of verse\nand another", "text"]),
        ("Word.[^n] More[^x].\n\n[^n]: A note.\n", ["Word. More[^x]."]),
        ("<div>in\nHTML</div>\n\n<!-- no -->text", ["in HTML", "text"]),
        ("---\ntitle: T\n---\ntext", ["text"]),
    ],
)
def test_markdowns_marks_go_and_its_words_stay(tmp_path: Path, markdown: str, expected: list[str]) -> None:
    assert from_text(tmp_path, markdown, ".md") == [expected]


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html"])
@pytest.mark.parametrize("content", [b"", b" \n\n", bytes(range(32)) * 50, b"%PDF-1.4\n%\xff"])
def test_what_is_no_text_is_one_clear_error(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"bad{suffix}"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        segments(path)
    assert caught.value.path == path


def test_a_file_that_cannot_be_read_is_one_clear_error(tmp_path: Path) -> None:
    for name in ("gone.txt", "gone.epub", "gone.html"):
        with pytest.raises(InputError, match=r"no such file.*gone"):
            segments(tmp_path / name)


# The command


def test_the_command_writes_every_kind_of_source_beside_each_other(tmp_path: Path, cli: Cli) -> None:
    library = tmp_path / "library"
    library.mkdir()
    make_epub(library / "a.epub", {"a.xhtml": f"<p>{LONG}</p>"})
    for name in ("b.html", "c.txt", "d.md"):
        (library / name).write_text(LONG, encoding="utf-8")
    (library / "e.epub").write_bytes(b"no book")
    done = cli("extract", library, "-o", "out/", code=3)
    assert {p.name: p.read_text("utf-8") for p in (tmp_path / "out").glob("*.txt")} == {
        f"{name}.txt": f"{LONG}\n" for name in "abcd"
    }
    assert "not an EPUB" in done.stderr
    assert done.stdout == ""


def test_a_document_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mckennabot.extract import documents

    monkeypatch.setattr(documents, "SECONDS", 0.3)
    path = tmp_path / "book.md"
    path.write_text("[" * 1_000_000, encoding="utf-8")
    with pytest.raises(InputError, match=r"takes too long.*book\.md"):
        segments(path)


def test_the_documentation_says_how_to_keep_each_kind() -> None:
    table = (ROOT / "docs" / "corpus.md").read_text(encoding="utf-8")
    assert re.findall(r"\| `--keep ([a-z-]+)` \|", table) == list(KEEP)


# Scripts, margins, verse


SENTENCE = {
    "Глава": "Ключи висели на крюке, и никто в доме не замечал их дольше одной минуты.",
    "Kapitola": "Klíče visely na háku a nikdo v domě si jich nevšiml déle než na chvíli.",
    "Κεφάλαιο": "Τα κλειδιά κρέμονταν στον γάντζο και κανείς στο σπίτι δεν τα πρόσεχε.",
    "פרק": "המפתחות היו תלויים על הוו ואיש בבית לא שם לב אליהם יותר מרגע.",
    "الفصل": "كانت المفاتيح معلقة على الخطاف ولم يلاحظها أحد في البيت أكثر من لحظة.",
    "Luku": "Avaimet olivat koukussa, eikä kukaan talossa huomannut niitä hetkeäkään kauempaa.",
    "Pennod": "Roedd yr allweddi ar y bachyn, ac ni sylwodd neb yn y tŷ arnynt am eiliad.",
    "Xyzzy": "Plugh plover frobnicate the quux and nobody in the foobar considered it for long.",
}


@pytest.mark.parametrize(
    ("headings", "language"),
    [
        (["Глава первая", "Глава вторая", "Глава третья"], "Глава"),
        (["ГЛАВА I. Ключи", "ГЛАВА II. Крюк", "ГЛАВА III. Дом"], "Глава"),
        (["1. kapitola", "2. kapitola", "3. kapitola"], "Kapitola"),
        (["Κεφάλαιο Α΄", "Κεφάλαιο Β΄", "Κεφάλαιο Γ΄"], "Κεφάλαιο"),
        (["פרק ראשון", "פרק שני", "פרק שלישי"], "פרק"),
        (["الفصل ١", "الفصل ٢", "الفصل ٣"], "الفصل"),
        (["Ensimmäinen luku", "Toinen luku", "Kolmas luku"], "Luku"),
        (["Pennod 1", "Pennod 2", "Pennod 3"], "Pennod"),
        (["Xyzzy 1", "Xyzzy 2", "Xyzzy 3"], "Xyzzy"),
    ],
)
def test_chapters_are_found_in_any_language(tmp_path: Path, headings: list[str], language: str) -> None:
    body = [SENTENCE[language]] * 4
    text = "\n\n\n".join("\n\n\n".join([h, "\n\n".join(body)]) for h in headings)
    assert from_text(tmp_path, text) == [[h, *body] for h in headings]


def test_chinese_chapters_are_counted_by_characters(tmp_path: Path) -> None:
    body = "钥匙挂在钩子上，屋里没有人多看一眼。雨下了一整夜，第二天钥匙还在那里。"
    text = "\n\n\n".join(
        f"第{n}章 {name}\n\n\n{body}" for n, name in zip("一二三", ("钥匙", "钩子", "雨"), strict=True)
    )
    path = tmp_path / "book.txt"
    path.write_text(text, encoding="utf-8")
    book = extract_book(path, ExtractSettings())
    assert [segment[0] for segment in book.segments] == ["第一章 钥匙", "第二章 钩子", "第三章 雨"]
    assert book.report.words > 80


@pytest.mark.parametrize("width", [38, 65, 84, 118, 140])
def test_lines_that_end_at_a_margin_are_joined_however_wide_it_is(tmp_path: Path, width: int) -> None:
    paragraphs = [f"{LONG} {n}" for n in range(6)]
    text = "\n\n".join(textwrap.fill(p, width) for p in paragraphs)
    assert from_text(tmp_path, text) == ([paragraphs] if width > 39 else [text.split("\n\n")])


def test_chinese_lines_are_joined_without_a_blank(tmp_path: Path) -> None:
    body = "钥匙挂在钩子上，屋里没有人多看一眼。雨下了一整夜，第二天钥匙还在那里，没有人去拿。" * 3
    text = "\n\n".join("\n".join(body[n : n + 30] for n in range(0, len(body), 30)) for _ in range(3))
    assert from_text(tmp_path, text) == [[body] * 3]
    assert from_html(tmp_path, f"<p>{body[:30]}\n  {body[30:]}</p>") == [[body]]


@pytest.mark.parametrize(
    "stanza",
    [
        "the keys are out\nand nobody minds much,\nonly the hook\nkeeps on waiting.",
        "המפתחות בחוץ\nואיש לא שם לב,\nרק הוו\nממשיך לחכות.",
        "古池や\n蛙飛び込む\n水の音",
        "The keys are out\nAnd nobody minds much,",
    ],
)
def test_verse_is_known_by_its_shape_in_any_script(tmp_path: Path, stanza: str) -> None:
    prose = textwrap.fill(LONG, 70)
    inset = "\n".join(f"    {line}" for line in stanza.split("\n"))
    assert from_text(tmp_path, f"{prose}\n\n{inset}\n\n{prose}\n") == [[LONG, stanza, LONG]]
    assert from_text(tmp_path, "\n\n".join([stanza] * 4)) == [[stanza] * 4]


def test_a_text_that_is_no_book_keeps_its_beginning(tmp_path: Path) -> None:
    opening = [f"“Line {n} of the talk,” she said." for n in range(12)]
    text = "## Opening\n\n" + "\n\n".join(opening) + f"\n\n## Chapter Two\n\n{LONG}\n"
    assert [p for s in from_text(tmp_path, text, ".md") for p in s] == [
        "Opening",
        *opening,
        "Chapter Two",
        LONG,
    ]


def test_gutenbergs_end_counts_though_the_licence_is_longer_than_the_poem(tmp_path: Path) -> None:
    text = (
        "The Project Gutenberg eBook\n\n*** START OF THE PROJECT GUTENBERG EBOOK ***\n\n\nThe keys are out,\n"
        "The hook is in.\n\n*** END OF THE PROJECT GUTENBERG EBOOK ***\n\n" + f"{LONG}\n\n" * 9
    )
    assert from_text(tmp_path, text) == [["The keys are out,\nThe hook is in."]]


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("**Ida Berg: ** Out.\n\n** Ben:** So?", ["Ida Berg: Out.", "Ben: So?"]),
        ("2 ** 3 ** 4 and __ a __ b", ["2 ** 3 ** 4 and __ a __ b"]),
        ("`**a **` stays", ["**a ** stays"]),
        ("*Ida: * Out.\n\n**Ben:**So?\n\n**艾达：**出去。", ["Ida: Out.", "Ben: So?", "艾达：出去。"]),
        ("**bold**ly and 2**3**4", ["boldly and 234"]),
    ],
)
def test_blanks_inside_stars(tmp_path: Path, markdown: str, expected: list[str]) -> None:
    assert from_text(tmp_path, markdown, ".md") == [expected]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>30 cm<sup>3</sup>, 2 · 10<sup>−4</sup>, <i>y</i><sup>2</sup>, the 2<sup>nd</sup>.</p>",
         ["30 cm³, 2 · 10⁻⁴, y², the 2nd."]),
        ("<p>It rained.<sup>1</sup> And then<sup>2</sup> in 1984<sup>3</sup> it did not.</p>",
         ["It rained. And then in 1984 it did not."]),
        ("<p>" + "<br>".join([LONG, "“So it is,” he said.", LONG]), [LONG, "“So it is,” he said.", LONG]),
        ("<table>" + "".join(f"<tr><td>Ida</td><td>So say I, {n}.</td></tr>" for n in range(4)) + "</table>",
         [f"Ida So say I, {n}." for n in range(4)]),
        ("<p>" + LONG + "</p><table>" + "<tr><td>oil</td><td>3</td></tr>" * 4 + "</table>", [LONG]),
        ("<div class='poem'>" + "".join(f"<p>Line {'abcdefgh'[n]}<span class='ln'>{n}</span></p>" * (n > 0)
         for n in range(8)) + "</div>", ["\n".join(f"Line {c}" for c in "bcdefgh")]),
        ("<p>" + " ".join(f"<span>{n}</span>the verse" for n in range(1, 6)) + "</p>",
         ["the verse the verse the verse the verse the verse"]),
        ("<p>He had <span>3</span> keys and <span>7</span> hooks.</p>", ["He had 3 keys and 7 hooks."]),
        (f"<p>{LONG}</p><p><a rel='prev' href='a.html'>Back</a> | <a rel='next' href='b.html'>On</a></p>",
         [LONG]),
    ],
)  # fmt: skip
def test_what_html_raises_numbers_and_lays_out(tmp_path: Path, body: str, expected: list[str]) -> None:
    assert from_html(tmp_path, body) == [expected]


def test_notes_below_a_chapter_end_it(tmp_path: Path) -> None:
    chapter = f"<p>{LONG}<sup>1</sup></p><h3>Notes</h3><ol><li>A note on the keys.</li></ol>"
    body = "".join(f"<h2>Chapter {n}</h2>{chapter}" for n in (1, 2))
    assert from_html(tmp_path, body) == [[f"Chapter {n}", LONG] for n in (1, 2)]


def test_links_to_the_neighbours_are_furniture(tmp_path: Path) -> None:
    documents = {
        f"{n}.xhtml": f"<h1>Part of it {n}</h1><p>{LONG}</p><p>"
        + "".join(f"<a href='{m}.xhtml'>Part of it {m}</a> " for m in (n - 1, n + 1) if 0 <= m < 4)
        + "</p>"
        for n in range(4)
    }
    path = make_epub(tmp_path / "book.epub", documents)
    assert segments(path) == [[f"Part of it {n}", LONG] for n in range(4)]


def test_words_of_law_in_a_first_chapter_are_its_text(tmp_path: Path) -> None:
    legal = f"Printed and bound, said the keeper, and no copyright in it. {LONG}"
    parts = [f"<h3>Hooks</h3><p>{LONG}</p><p>{legal}</p><h3>Doors</h3><p>{LONG}</p>"] * 2 + [
        f"<p>{LONG}</p>"
    ] * 3
    documents = {f"{n}.xhtml": f"<h2>Of {n} keys</h2>{part}" for n, part in enumerate(parts)}
    path = make_epub(tmp_path / "book.epub", documents)
    first = [[f"Of {n} keys", "Hooks", LONG, legal, "Doors", LONG] for n in range(2)]
    assert segments(path) == [*first, *([f"Of {n} keys", LONG] for n in range(2, 5))]


def test_chapters_below_parts_that_say_something_are_texts(tmp_path: Path) -> None:
    documents, nav = {}, ""
    for part in ("Light", "Water"):
        documents[f"{part}.xhtml"] = f"<h1>{part}</h1><p>{LONG}</p>"
        inner = ""
        for chapter in ("Lamp", "Oil", "Rain"):
            name = f"{part}{chapter}.xhtml"
            documents[name] = f"<h2>{chapter} of {part}</h2><p>{LONG}</p><p>{LONG}</p>"
            inner += f'<li><a href="{name}">{chapter} of {part}</a></li>'
        nav += f'<li><a href="{part}.xhtml">{part}</a><ol>{inner}</ol></li>'
    documents["OEBPS/nav.xhtml"] = XHTML.format(f'<nav epub:type="toc"><ol>{nav}</ol></nav>')
    item = '<item id="nav" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>'
    path = make_epub(tmp_path / "book.epub", documents, extra=item)
    titles = [
        f"{chapter}{part}"
        for part in ("Light", "Water")
        for chapter in ("", "Lamp of ", "Oil of ", "Rain of ")
    ]
    assert [segment[0] for segment in segments(path)] == titles


def test_nothing_that_is_nested_too_deep_is_lost(tmp_path: Path) -> None:
    assert from_text(tmp_path, "> " * 40 + "quoted words\n\nmore", ".md") == [["quoted words", "more"]]
    items = "\n".join("  " * n + f"- item {n}" for n in range(900))
    assert from_text(tmp_path, items, ".md") == [[f"item {n}" for n in range(900)]]
    assert from_text(tmp_path, "- " * 3000 + "\n\nwords after it", ".md") == [["words after it"]]
    deep = "<div>" * 3000 + "inside" + "</div>" * 3000 + "<p>after <b>it</b></p>"
    assert from_html(tmp_path, deep) == [["inside", "after it"]]
