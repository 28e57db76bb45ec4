"""Whole books, typeset by the tests: what stays in the text, what is left out, and where it is cut."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.corpus import render
from mckennabot.extract import Book, extract_book
from mckennabot.extract.kinds import KEEP
from mckennabot.extract.report import table_lines
from tests.conftest import SHARED, Cli

Typeset = Callable[[str], Path]

WORDS = """
    the a of and to in that was his with had not on at for by from they when there were all which
    she would one their been out said into more its only some could time about then other than made
    over such before little river island machine lantern captain harbour winter morning ledger
    copper window garden mountain letter remember understand discover believe counted opened carried
    followed watched answered written broken silent wonderful terrible ordinary forgotten beautiful
    considerable afterwards nevertheless sometimes everything
""".split()  # noqa: SIM905


def prose(seed: int, sentences: int = 5) -> str:
    """A paragraph of made-up sentences, the same for the same seed."""
    draw = random.Random(seed)
    made = [" ".join(draw.choices(WORDS, k=draw.randint(6, 16))).capitalize() + "." for _ in range(sentences)]
    return " ".join(made)


def paragraphs(seed: int, count: int) -> list[str]:
    return [prose(100 * seed + n, 1 + n % 6) for n in range(count)]


NOVEL = """
#set page(width: 12cm, height: 18cm, margin: 1.8cm)
#set text(font: "Libertinus Serif", size: 10pt, lang: "en")
#set par(justify: true, first-line-indent: 1.2em, leading: .6em, spacing: .6em)
#show heading.where(level: 1): it => {
  pagebreak(weak: true); v(2cm); align(center, text(17pt, it.body)); v(1cm)
}
#show heading.where(level: 2): it => block(above: 1.6em, below: 1em, text(11pt, weight: "bold", it.body))
"""
HEADS = """
#set page(header: context {
  let n = counter(page).get().first()
  if calc.even(n) [#n #h(1fr) #smallcaps[The Lantern and the Tide] #h(1fr)]
  else [#h(1fr) _A Winter’s Tale_ #h(1fr) #n]
})
"""


@pytest.fixture(scope="session")
def typeset(tmp_path_factory: pytest.TempPathFactory) -> Typeset:
    """Sets Typst's markup; the same markup is set once a session."""
    typst = pytest.importorskip("typst")
    directory = tmp_path_factory.mktemp("typeset")

    def set_type(markup: str) -> Path:
        stem = directory / hashlib.sha256(markup.encode()).hexdigest()[:16]
        if not stem.with_suffix(".pdf").exists():
            stem.with_suffix(".typ").write_text(markup, encoding="utf-8")
            typst.compile(stem.with_suffix(".typ"), output=stem.with_suffix(".pdf"))
        return stem.with_suffix(".pdf")

    return set_type


def read(pdf: Path, keep: str = "", **settings: object) -> Book:
    kinds = frozenset(keep.split(",")) if keep else frozenset()
    return extract_book(pdf, ExtractSettings(jobs=1, keep=kinds, **settings))  # type: ignore[arg-type]


def chapter(title: str, seed: int, count: int = 30) -> tuple[str, list[str]]:
    """Markup of a chapter, and the paragraphs that should come of it."""
    text = paragraphs(seed, count)
    return f"\n= {title}\n\n" + "\n\n".join(text), [title, *text]


def novel(style: str = NOVEL, **titles: int) -> tuple[str, list[list[str]]]:
    """Markup of a book of chapters, and its segments."""
    chapters = [chapter(title.replace("_", " "), seed) for title, seed in titles.items()]
    return style + "".join(markup for markup, _ in chapters), [text for _, text in chapters]


# Lines to paragraphs


STYLES = {
    "indented, justified": NOVEL,
    "spaced, ragged": NOVEL.replace("justify: true, first-line-indent: 1.2em", "justify: false").replace(
        "spacing: .6em", "spacing: 1.4em"
    ),
    "indented and spaced": NOVEL.replace("spacing: .6em", "spacing: 1.2em"),
    "indented, ragged": NOVEL.replace("justify: true", "justify: false"),
    "large print": NOVEL.replace("size: 10pt", "size: 16pt"),
    "two columns": NOVEL.replace("margin: 1.8cm", "margin: 1.2cm, columns: 2").replace(
        "size: 10pt", "size: 8pt"
    ),
}


@pytest.mark.parametrize("style", STYLES)
def test_lines_become_the_paragraphs_and_chapters_they_were(style: str, typeset: Typeset) -> None:
    markup, segments = novel(STYLES[style], The_Harbour=1, The_Winter=2, The_Ledger=3)
    got = read(typeset(markup)).segments
    assert [segment[0] for segment in got] == [segment[0] for segment in segments]
    wanted = {paragraph for segment in segments for paragraph in segment}
    found = {paragraph for segment in got for paragraph in segment}
    # In ragged text a paragraph that ends on a page's last full line leaves no trace of its end.
    assert len(wanted - found) <= (4 if "ragged" in style else 1)
    assert " ".join(" ".join(s) for s in got) == " ".join(" ".join(s) for s in segments)


def test_without_bookmarks_chapters_are_found_by_their_headings(typeset: Typeset) -> None:
    style = NOVEL.replace("#show", "#set heading(bookmarked: false, outlined: false)\n#show", 1)
    markup, segments = novel(style, Chapter_I=1, Chapter_II=2, Chapter_III=3)
    assert read(typeset(markup)).segments == segments


def test_headings_no_larger_than_the_text_are_found_by_their_place(typeset: Typeset) -> None:
    style = NOVEL.replace(
        "text(17pt, it.body)", "text(10pt, weight: 400, style: 'italic', it.body)".replace("'", '"')
    )
    style = style.replace("#show", "#set heading(bookmarked: false, outlined: false)\n#show", 1)
    markup, _ = novel(style.replace("pagebreak(weak: true); ", ""), The_Harbour=1, The_Winter=2)
    assert [segment[0] for segment in read(typeset(markup)).segments] == ["The Harbour", "The Winter"]


def test_segments_end_where_asked(typeset: Typeset) -> None:
    markup, segments = novel(The_Harbour=1, The_Winter=2)
    pdf = typeset(markup.replace(segments[0][9], f"{segments[0][9]}\n\n== A subhead\n"))
    titles = {
        unit: [s[0] for s in read(pdf, segment=unit).segments] for unit in ("chapter", "section", "none")
    }
    assert titles["chapter"] == ["The Harbour", "The Winter"]
    assert titles["section"] == ["The Harbour", "A subhead", "The Winter"]
    assert titles["none"] == ["The Harbour"]
    by_page = read(pdf, segment="page")
    assert 4 < len(by_page.segments) <= by_page.report.pages
    assert "A subhead" in read(pdf).segments[0]


def test_verse_keeps_its_lines_and_stanzas_over_a_page(typeset: Typeset) -> None:
    stanza = [
        "The dragon runs.",
        "Where will she steer?",
        "Where swords will sing,",
        "Where spears will bite,",
    ]
    set_verse = "#block(inset: (left: 3em), above: 1.2em, below: 1.2em)[#set par(first-line-indent: 0pt)\n%s]"
    verse = set_verse % "\n\n#v(.6em)\n".join(" \\\n".join(stanza) for _ in range(2))
    text = paragraphs(1, 40)
    for place in (36, 30, 24, 18, 12, 6):
        text.insert(place, verse)
    got = [p for s in read(typeset(NOVEL + "= One\n\n" + "\n\n".join(text))).segments for p in s]
    assert got.count("\n".join(stanza)) == 12


def test_a_little_space_sets_verse_and_quotations_apart(typeset: Typeset) -> None:
    """No further in than paragraphs begin, as Word and troff set them; scenes parted by asterisks."""
    stanza = "The dragon runs.\nWhere will she steer?\nWhere swords will sing,"
    quoted = prose(900, 5)
    block = "#block(inset: (left: 1.2em), above: .9em, below: .9em)[#set par(first-line-indent: 0pt)\n%s]"
    text = paragraphs(1, 12)
    verse = block % stanza.replace("\n", " \\\n")
    markup = [*text[:4], verse, *text[4:8], block % quoted, "#align(center)[\\* \\* \\*]", *text[8:]]
    [got] = read(typeset(NOVEL + "= One\n\n" + "\n\n".join(markup))).segments
    assert got == ["One", *text[:4], stanza, *text[4:8], quoted, "* * *", *text[8:]]


def test_paragraphs_may_hang_from_their_first_line(typeset: Typeset) -> None:
    """As the speeches of a play do; a name too long for the line before tells nothing of where one ends."""
    style = NOVEL.replace("first-line-indent: 1.2em", "hanging-indent: 1.2em")
    speeches = [f"{('JACK', 'LADY BRACKNELL')[n % 2]}. {prose(300 + n, 1 + n % 4)}" for n in range(40)]
    [got] = read(typeset(style + "= First Act\n\n" + "\n\n".join(speeches))).segments
    assert got == ["First Act", *speeches]


def test_where_and_when_a_letter_was_written_is_a_paragraph(typeset: Typeset) -> None:
    text = paragraphs(1, 20)
    letter = "#align(right)[_London, May 3, 1817._]\n#par(first-line-indent: 0pt)[My dear old friend,]"
    markup = NOVEL + "= One\n\n" + "\n\n".join([*text[:9], letter, *text[9:]])
    [got] = read(typeset(markup)).segments
    assert got == ["One", *text[:9], "London, May 3, 1817.", "My dear old friend,", *text[9:]]


def test_a_stanza_as_long_as_its_poems_others_ends_with_its_page(typeset: Typeset) -> None:
    stanzas = [[f"{' '.join(WORDS[n + 16 * k :: 20]).capitalize()}," for k in range(4)] for n in range(20)]
    block = "#block(breakable: false, inset: (left: 3em), spacing: 1.4em)[%s]\n"
    poem = "".join(block % " \\\n".join(stanza) for stanza in stanzas)
    text = "\n\n".join(paragraphs(1, 40))
    markup = f"{NOVEL}= One\n\n{text}\n#set par(first-line-indent: 0pt)\n{poem}"
    [got] = read(typeset(markup)).segments
    assert got[41:] == ["\n".join(stanza) for stanza in stanzas]


def test_quotations_and_whose_they_are_are_paragraphs_of_their_own(typeset: Typeset) -> None:
    quoted = [prose(900, 4), prose(901, 5)]
    block = (
        "#block(inset: (x: 2em), above: 1.2em, below: 1.2em)[#set text(.9em)\n%s\n\n#align(right)[A sailor]]"
    )
    text = paragraphs(1, 12)
    markup = [*text[:6], block % "\n\n".join(quoted), *text[6:]]
    [got] = read(typeset(NOVEL + "= One\n\n" + "\n\n".join(markup))).segments
    assert got == ["One", *text[:6], *quoted, "A sailor", *text[6:]]


def test_items_of_a_list_are_paragraphs(typeset: Typeset) -> None:
    items = [prose(910 + n, n) for n in (1, 3, 2)]
    text = paragraphs(1, 10)
    markup = [*text[:5], "\n".join(f"+ {item}" for item in items), *text[5:]]
    [got] = read(typeset(NOVEL + "= One\n\n" + "\n\n".join(markup))).segments
    assert got == ["One", *text[:5], *(f"{n}. {item}" for n, item in enumerate(items, 1)), *text[5:]]


def test_columns_are_read_in_turn_between_lines_across_the_page(typeset: Typeset) -> None:
    above, left, below = prose(1, 4), paragraphs(2, 14), prose(3, 4)
    style = NOVEL.replace("width: 12cm", "width: 16cm")
    [got] = read(
        typeset(f"{style}{above}\n\n#columns(2)[{chr(10) * 2}{(chr(10) * 2).join(left)}]\n\n{below}")
    ).segments
    assert got == [above, *left, below]


def test_numbered_sections_under_a_title_are_an_articles_chapters(typeset: Typeset) -> None:
    """In two columns; a quotation at a column's head is no heading, and a subhead no part of one."""
    style = STYLES["two columns"] + '#set heading(numbering: "1.1", bookmarked: false)\n'
    style = (
        style[: style.index("#show heading.where(level: 1)")]
        + "#show heading.where(level: 1): set text(12pt)\n#show heading.where(level: 2): set text(9pt)\n"
        + ('#set heading(numbering: (..n) => n.pos().map(str).join("."), bookmarked: false)\n')
    )
    title = '#place(top + center, scope: "parent", float: true)[#text(17pt)[On Harbours] \\ A. N. Author]\n'
    quote = f"#block(inset: (x: 1.5em), spacing: 1em)[{prose(77, 14)}]"
    body = []
    for n, name in enumerate(("The Quay", "The Pier", "The Mole")):
        text = paragraphs(40 + n, 12)
        body += [f"= {name}", f"== Of its {name.split()[1]}", *text[:6], quote, *text[6:]]
    got = read(typeset(style + title + "\n\n".join(body))).segments
    assert [segment[:2] for segment in got] == [
        ["1 The Quay", "1.1 Of its Quay"],
        ["2 The Pier", "2.1 Of its Pier"],
        ["3 The Mole", "3.1 Of its Mole"],
    ]
    assert all(prose(77, 14) in segment for segment in got)


# What is left out


def test_running_heads_and_page_numbers_go_and_the_same_words_in_the_text_stay(typeset: Typeset) -> None:
    said = "He had read The Lantern and the Tide, and A Winter’s Tale, and page 7 of both."
    markup, segments = novel(NOVEL + HEADS, The_Harbour=1, The_Winter=2)
    pdf = typeset(markup.replace(segments[1][4], said))
    segments[1][4] = said
    book = read(pdf)
    assert book.segments == segments
    assert len(book.report.removed["running-head"].pages) == book.report.pages
    assert "The Lantern and the Tide" in render(read(pdf, keep="furniture").segments).replace(said, "")


def test_a_browsers_foot_goes(typeset: Typeset) -> None:
    count = '#counter(page).display("1/1", both: true)'
    foot = f"#set page(footer: context [https://example.org/a.html #h(1fr) {count}])\n"
    markup, segments = novel(NOVEL + foot, The_Harbour=1, The_Winter=2)
    assert read(typeset(markup)).segments == segments


def test_page_numbers_in_roman_then_arabic_go(typeset: Typeset) -> None:
    roman = NOVEL + '#set page(numbering: "— i —")\n'
    preface, text = chapter("Preface", 5, 40)
    first, one = chapter("The Harbour", 1)
    arabic = '\n#pagebreak()\n#set page(numbering: "1")\n#counter(page).update(1)\n'
    assert read(typeset(roman + preface + arabic + first)).segments == [text, one]


@pytest.mark.parametrize("numbering", ["1", "*"])
def test_footnotes_and_their_marks_go_and_come_back_when_asked_for(numbering: str, typeset: Typeset) -> None:
    text = paragraphs(1, 30)
    note = "An old name for the river, used by watermen only."
    words = text[12].split(" ")
    marked = " ".join([*words[:4], f"{words[4]}#footnote[{note}]", *words[5:]])
    style = f'{NOVEL}#set footnote(numbering: "{numbering}")\n= One\n\n'
    pdf = typeset(style + "\n\n".join([*text[:12], marked, *text[13:]]))
    book = read(pdf)
    assert book.segments == [["One", *text]]
    assert book.report.note_marks == 1
    assert any(note in paragraph for paragraph in read(pdf, keep="footnotes").segments[0])
    assert note in book.report.removed["footnote"].samples[0][1]


FRONT = """
#set page(header: none)
#align(center)[#v(4cm) #text(26pt)[The Lantern and the Tide] #v(1cm) by A. N. Author] #pagebreak()
Copyright 1931 by A. N. Author. All rights reserved. Printed in Great Britain. #pagebreak()
#outline(title: "Contents") #pagebreak()
"""
INDEX = "\n= Index\n#set par(first-line-indent: 0pt, hanging-indent: 1em)\n" + "\n\n".join(
    f"{word.capitalize()}, {n}, {n + 3}--{n + 5}" for n, word in enumerate(sorted(WORDS)[:70], 2)
)


def test_matter_before_and_behind_the_text_goes_and_comes_back_when_asked_for(typeset: Typeset) -> None:
    part = "\n#pagebreak()\n#align(center + horizon, text(20pt)[Part Two])\n#pagebreak()\n"
    preface, text = chapter("Preface", 5, 12)
    (first, one), (second, two) = chapter("Chapter One", 1), chapter("Chapter Two", 2)
    pdf = typeset(NOVEL + FRONT + preface + first + part + second + INDEX)
    book = read(pdf)
    assert book.segments == [text, one, two]
    assert {"front-matter", "contents", "part-title", "index"} <= book.report.removed.keys()
    everything = render(read(pdf, keep=",".join(KEEP)).segments)
    for kept in ("All rights reserved", "by A. N. Author", "Part Two", "Contents", "Island"):
        assert kept in everything
    assert "All rights reserved" in render(read(pdf, keep="front-matter").segments)


def test_gutenbergs_words_go(typeset: Typeset) -> None:
    text = paragraphs(1, 60)
    start = "\\*\\*\\* START OF THE PROJECT GUTENBERG EBOOK \\*\\*\\*"
    end = "\\*\\*\\* END OF THE PROJECT GUTENBERG EBOOK \\*\\*\\*"
    before = f"This ebook is for the use of anyone anywhere.\n\n{start}\n\n"
    after = f"\n\n{end}\n\nYou may copy it, give it away or re-use it under the terms of the licence."
    assert read(typeset(NOVEL + before + "\n\n".join(text) + after)).segments == [text]


def test_captions_go_and_the_paragraph_around_a_picture_is_whole(typeset: Typeset) -> None:
    caption = "A plan of the lower rooms, drawn from memory."
    figure = f"#figure(rect(width: 60%, height: 3cm), caption: [{caption}], placement: top)"
    text = paragraphs(1, 30)
    book = read(typeset(NOVEL + "= One\n\n" + "\n\n".join([*text[:15], figure, *text[15:]])))
    assert book.segments == [["One", *text]]
    assert caption in book.report.removed["caption"].samples[0][1]


def test_tables_go_unless_they_are_the_book(typeset: Typeset) -> None:
    rows = ", ".join(f"[{year}], [{year % 7} ships], [{year % 5} lost]" for year in range(1790, 1799))
    table = f"#figure(table(columns: 3, column-gutter: 2em, {rows}), caption: [The ships.], kind: table)"
    text = paragraphs(1, 30)
    book = read(typeset(NOVEL + "= One\n\n" + "\n\n".join([*text[:15], table, *text[15:]])))
    assert book.segments == [["One", *text]]
    assert book.report.removed["table"].words > 30
    assert "1794 2 ships 4 lost" in render(read(typeset(NOVEL + table)).segments)


def test_a_page_that_says_what_another_says_loses_nothing(typeset: Typeset) -> None:
    """Repetition in mid-page is the author's."""
    refrain = "And the sea was awake."
    text = [p for n in range(40) for p in (prose(n, 3), refrain)]
    got = [p for s in read(typeset(NOVEL + "\n\n".join(text))).segments for p in s]
    assert got.count(refrain) == 40


# The account


def test_the_report_says_what_was_found_and_removed(typeset: Typeset, tmp_path: Path, quick_cli: Cli) -> None:
    markup, segments = novel(NOVEL + HEADS, The_Harbour=1, The_Winter=2)
    pdf = typeset(markup)
    done = quick_cli("extract", pdf, "-o", "book.txt", "--report", "report.json")
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [chapter["title"] for chapter in report["chapters"]] == ["The Harbour", "The Winter"]
    assert report["chapters"][1]["last_page"] == report["pages"]
    assert report["paragraphs"] == sum(len(segment) for segment in segments)
    assert report["words"] == sum(len(p.split()) for segment in segments for p in segment)
    assert report["removed"]["running-head"]["samples"][0][0] == 1
    assert report["hyphens_joined"] > 0
    table = "\n".join(table_lines(read(pdf).report))
    for said in ("The Winter", "running-head", "hyphens joined"):
        assert said in done.stderr
        assert said in table


def test_inspect_shows_what_each_line_was_taken_for(typeset: Typeset, tmp_path: Path, quick_cli: Cli) -> None:
    pdf = typeset(novel(NOVEL + HEADS, The_Harbour=1, The_Winter=2)[0])
    quick_cli("extract", pdf, "--inspect", "2-3", "-o", "look.html")
    html = (tmp_path / "look.html").read_text(encoding="utf-8")
    assert html.count("<svg") == 2
    assert "The Lantern and the Tide" in html
    assert "<title>running-head, " in html
    assert "<title>body, 10 pt " in html
    assert "http" not in html.replace("http://www.w3.org/2000/svg", "")
    assert "no page 999" in quick_cli("extract", pdf, "--inspect", "999", code=2).stderr


def test_the_same_book_gives_the_same_bytes_with_any_number_of_processes(typeset: Typeset) -> None:
    pdf = typeset(novel(NOVEL + HEADS, The_Harbour=1, The_Winter=2, The_Ledger=3)[0])
    texts = {render(extract_book(pdf, ExtractSettings(jobs=jobs)).segments) for jobs in (1, 2, 3)}
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ok--vertical-japanese", "灯台の下で古い時計が鳴る"),
        ("ok--rtl-visual-order", "החתול ישן על החלון"),
        ("ok--fake-bold-duplicates", None),
        ("ok--page-rotated-sideways", None),
    ],
)
def test_other_scripts_and_odd_pages_are_readable(name: str, text: str | None) -> None:
    pdf = SHARED / "hostile" / "pdfs" / f"{name}.pdf"
    if not pdf.exists():
        pytest.skip("needs ../shared/hostile")
    wanted = text or "The lighthouse keeper counted forty gulls before supper."
    assert wanted in render(read(pdf).segments)
