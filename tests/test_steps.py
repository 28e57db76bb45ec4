"""The steps of the pipeline, one by one: lines in, kinds out."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.extract import pipeline
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.kinds import KEEP, Kind, kept_kinds
from mckennabot.extract.lines.columns import set_columns
from mckennabot.extract.lines.directions import as_placed
from mckennabot.extract.model import Line, Page
from mckennabot.extract.page import Glyph, OutlineEntry
from mckennabot.extract.steps.breaks import BETWEEN_RUNS, INSIDE_A_RUN
from mckennabot.extract.steps.captions import mark_captions
from mckennabot.extract.steps.chapters import find_sections
from mckennabot.extract.steps.edges import set_edges
from mckennabot.extract.steps.floats import set_after_float
from mckennabot.extract.steps.footnotes import mark_footnotes
from mckennabot.extract.steps.furniture import mark_furniture
from mckennabot.extract.steps.gutenberg import mark_gutenberg
from mckennabot.extract.steps.headings import find_headings
from mckennabot.extract.steps.lettering import mark_lettering
from mckennabot.extract.steps.letters import restore_letters
from mckennabot.extract.steps.line_numbers import mark_line_numbers
from mckennabot.extract.steps.listings import mark_listings
from mckennabot.extract.steps.matter import mark_matter
from mckennabot.extract.steps.measure import Measure, take_measure
from mckennabot.extract.steps.openings import find_openings
from mckennabot.extract.steps.outline import sections_of_outline
from mckennabot.extract.steps.paragraphs import make_paragraphs
from mckennabot.extract.steps.runs import find_runs
from mckennabot.extract.steps.scans import steady_sizes
from mckennabot.extract.steps.sections import Section
from mckennabot.extract.steps.sheets import number_sheets, split_sheets, uncrop
from mckennabot.extract.steps.tables import mark_tables
from tests.conftest import ROOT

LEFT, RIGHT, SIZE, LEADING = 50.0, 350.0, 10.0, 12.0
_RANDOM = random.Random(7)
WORDS = "the lamp burns on the wall all night and nobody knows who keeps it there"


def line(text: str, y: float, x0: float = LEFT, x1: float | None = None, **given: object) -> Line:
    """A line as the worker processes hand it on; wide enough for its text, unless it says how far it goes."""
    size = float(given.get("size", SIZE))  # type: ignore[arg-type]
    fields = {"size": size, "font": "Serif", "row": round(y), "page": 1, "head": 20.0, "space": 2.5}
    end = x0 + 0.5 * size * len(text) if x1 is None else x1
    return Line(text, x0, end, y, **{**fields, **given})  # type: ignore[arg-type]


def full(y: float, text: str = WORDS, **given: object) -> Line:
    return line(text, y, x1=RIGHT, **given)


def sheet(number: int, lines: Iterable[Line], width: float = 400.0, height: float = 600.0) -> Page:
    page = Page(number, None, width, height, lines=list(lines))
    for one in page.lines:
        one.page = number
    return page


def prose(top: float, count: int, **given: object) -> list[Line]:
    """Lines of text that differ from one to the next and from page to page, as those of a book do."""
    made = []
    for n in range(count):
        words = WORDS.split()
        _RANDOM.shuffle(words)
        made.append(full(top + LEADING * n, " ".join(words), **given))
    return made


def measured(pages: Sequence[Page]) -> Measure:
    """Columns and measure set, as the steps before would have done."""
    set_columns(list(pages))
    return take_measure(list(pages))


def kinds(page: Page) -> list[Kind]:
    return [one.kind for one in page.lines]


def body(pages: Sequence[Page]) -> list[Line]:
    return [one for page in pages for one in page.lines if one.kind == Kind.BODY]


# The list itself


def test_the_steps_stand_in_an_order_in_which_each_finds_what_it_needs() -> None:
    pipeline.check(pipeline.STEPS)
    assert all(step.why.endswith(".") and step.name for step in pipeline.STEPS)
    known = set(pipeline.GIVEN).union(*(step.sets for step in pipeline.STEPS))
    assert all(need in known for step in pipeline.STEPS for need in step.needs)


@pytest.mark.parametrize("moved", range(1, len(pipeline.STEPS)))
def test_a_step_that_comes_first_lacks_what_it_needs(moved: int) -> None:
    """All but those that look at nothing but the pages as they were read."""
    step = pipeline.STEPS[moved]
    if set(step.needs) <= pipeline.GIVEN:
        return
    with pytest.raises(ValueError, match=re.escape(repr(step.name))):
        pipeline.check([step, *pipeline.STEPS[:moved], *pipeline.STEPS[moved + 1 :]])


def test_columns_before_furniture_would_leave_no_rows() -> None:
    by_name = {step.name: step for step in pipeline.STEPS}
    steps = list(pipeline.STEPS)
    steps.remove(by_name["furniture"])
    steps.insert(steps.index(by_name["columns"]) + 1, by_name["furniture"])
    columns = replace(by_name["columns"], needs=("line.row",))
    steps[steps.index(by_name["columns"])] = columns
    with pytest.raises(ValueError, match=r"furniture.*line\.row"):
        pipeline.check(steps)


def test_what_no_step_has_set_cannot_be_read() -> None:
    draft = pipeline.Draft([], [], ExtractSettings())
    for name in ("measure", "flow", "headings", "sections", "paragraphs", "segments"):
        with pytest.raises(AttributeError):
            getattr(draft, name)
    for name in ("left", "right", "column", "after_float"):
        with pytest.raises(AttributeError):
            getattr(line("word", 100), name)


class _Spy(Line):
    """A line that notes which of the attributes that steps set are read."""

    read: set[str] = set()  # noqa: RUF012 - shared on purpose

    def __getattribute__(self, name: str) -> object:
        if name in ("left", "right", "column", "after_float", "row"):
            _Spy.read.add(f"line.{name}")
        return super().__getattribute__(name)


def test_each_step_reads_and_sets_what_the_list_says() -> None:
    def spied(one: Line) -> Line:
        names = ("text", "x0", "x1", "y", "size", "font", "row", "page", "head", "space", "marks", "initial")
        return _Spy(**{name: getattr(one, name) for name in names})

    pages = []
    for number in range(1, 13):
        lines = [line("THE HARBOUR", 30, 150), *prose(60, 30), line(str(number), 570, 195)]
        if number % 4 == 1:
            lines[1:6] = [line(f"Chapter {1 + number // 4}", 90, 160, size=16.0)]
        pages.append(sheet(number, map(spied, lines)))
    draft = pipeline.Draft(pages, [], ExtractSettings())
    for step in pipeline.STEPS:
        before = {id(one): one.kind for page in draft.pages for one in page.lines}
        _Spy.read.clear()
        step.run(draft)
        # Reading a row is free until columns have spent it.
        assert _Spy.read - {"line.row"} <= set(step.needs) | set(step.sets), step.name
        found = {one.kind for page in draft.pages for one in page.lines if before.get(id(one)) != one.kind}
        assert found <= set(step.sets) | {Kind.BODY}, step.name
    assert [segment[0] for segment in draft.segments] == ["Chapter 1", "Chapter 2", "Chapter 3"]
    whys = {one.why for page in draft.pages for one in page.lines if one.kind != Kind.BODY}
    assert {why.split(":")[0] for why in whys} == {"furniture", "titles"}


def test_the_documentation_has_the_list_as_it_is() -> None:
    text = (ROOT / "docs" / "extraction.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    assert rows == [
        (step.name, _listed(step.needs), _listed(step.sets), step.why) for step in pipeline.STEPS
    ], "run: python -m scripts.steps_table"
    assert "| step | needs | sets | why it stands here |\n| --- | --- | --- | --- |\n" in text


def _listed(facts: tuple[str, ...]) -> str:
    return ", ".join(str(fact) for fact in facts)


def test_kinds_have_a_meaning_a_colour_and_a_name_to_keep_them_by() -> None:
    assert len({kind.value for kind in Kind}) == len(list(Kind))
    assert all(kind.meaning and re.fullmatch("#[0-9a-f]{6}", kind.colour) for kind in Kind)
    assert {kind for kind in Kind if not kind.keep} == {Kind.BODY, Kind.HEADING}
    assert kept_kinds(frozenset(["furniture"])) == {Kind.BODY, Kind.HEADING, Kind.HEAD, Kind.FOLIO}
    assert f"{Kind.HEAD}" == "running-head"
    assert set(KEEP) >= {"footnotes", "tables"}


# Sheets, sizes, letters


def test_text_outside_the_crop_box_goes_unless_it_is_most_of_the_document() -> None:
    slug = line("90412_harbour.qxd Page 4", 10)
    page = sheet(1, prose(60, 20))
    page.uncropped = [slug, *page.lines]
    few = sheet(2, [line("Part One", 200)])
    few.uncropped = [line("90412_harbour.qxd 2/10/04 Page 5", 10), *few.lines]
    uncrop([page, few])
    assert [len(one.lines) for one in (page, few)] == [20, 1]

    hidden = sheet(1, [line("12", 500)])
    hidden.uncropped = [*prose(60, 20), *hidden.lines]
    uncrop([hidden])
    assert len(hidden.lines) == 21


def test_two_pages_on_a_sheet_are_two_pages() -> None:
    def half(x: float) -> list[Line]:
        return [line(WORDS[:40], 60 + LEADING * n, x, x + 300) for n in range(20)]

    pages = [sheet(n, [*half(40), *half(460)], width=800, height=560) for n in (1, 2, 3)]
    halves, outline = split_sheets(pages, [OutlineEntry(1, "Two", 2, None)])
    assert [page.number for page in halves] == [1, 2, 3, 4, 5, 6]
    assert outline[0].page == 3
    assert {(page.width, len(page.lines)) for page in halves} == {(400, 20)}
    assert {one.x0 for page in halves for one in page.lines} == {40, 60}
    number_sheets(halves)
    assert [page.number for page in halves] == [1, 1, 2, 2, 3, 3]


def test_a_wide_page_of_one_column_stays_whole() -> None:
    pages = [
        sheet(n, [line(WORDS, 60 + LEADING * m, 40, 760) for m in range(20)], 800, 560) for n in (1, 2, 3)
    ]
    assert split_sheets(pages, [])[0] is pages


def test_recognised_lines_of_one_page_have_one_size() -> None:
    pages = []
    for number in range(1, 4):
        lines = prose(60, 20)
        for at, one in enumerate(lines):
            one.size = (9.4, 10.0, 10.8)[at % 3]
        notes = [full(lines[-1].y + 20 + 9 * n, size=9.9) for n in range(3)]
        page = sheet(number, [*lines, *notes])
        page.images = [(0, 0, 400, 600)]
        pages.append(page)
    steady_sizes(pages)
    assert {one.size for page in pages for one in page.lines[:20]} == {10.0}
    assert all(one.size < 8 for page in pages for one in page.lines[21:])


def test_sizes_of_text_set_over_a_picture_stay() -> None:
    lines = [*prose(60, 20), line("A Title", 400, size=12.0), *prose(430, 5, size=9.0)]
    page = sheet(1, lines)
    page.images = [(0, 0, 400, 600)]
    steady_sizes([page])
    assert {one.size for one in page.lines} == {9.0, 10.0, 12.0}


def test_ligatures_of_private_use_are_known_by_their_words() -> None:
    text = "the e\ue001ort of the \ue002eld was \ue002lled with the \ue002rst and the \ue002fth \ue002re"
    page = sheet(1, [line(text, 60), line("the di\ue001erence of that o\ue001er was a su\ue001ering", 72)])
    restore_letters([page])
    assert page.lines[1].text == "the difference of that offer was a suffering"
    assert (page.unknown, page.lines[0].text) == (
        0,
        "the effort of the field was filled with the first and the fifth fire",
    )


def test_what_no_word_tells_is_counted() -> None:
    page = sheet(1, [line("x\ue010q \ue010\ue010 z\ue010", 60)])
    restore_letters([page])
    assert (page.unknown, page.lines[0].text) == (4, "xq z")


# Line numbers, furniture


def numbered(number: int, start: int = 1, step: int = 1, rows: int = 25) -> Page:
    lines = []
    for n in range(rows):
        y = 60 + 20 * n
        if (start + n) % step == 0:
            lines.append(line(str(start + n), y, 30, 40, row=n))
        lines.append(line(WORDS[: 30 + n], y, row=n))
    return sheet(number, lines)


@pytest.mark.parametrize("step", [1, 5])
def test_numbers_that_count_lines_are_furniture(step: int) -> None:
    pages = [numbered(1, 1, step), numbered(2, 1 if step == 1 else 26, step)]
    mark_line_numbers(pages)
    assert {one.text.isdecimal() for page in pages for one in page.lines if one.kind == Kind.FOLIO} == {True}
    assert sum(one.kind == Kind.FOLIO for page in pages for one in page.lines) == 50 // step


def test_years_in_the_first_column_of_a_table_are_no_line_numbers() -> None:
    pages = [numbered(1, 1790)]
    mark_line_numbers(pages)
    assert set(kinds(pages[0])) == {Kind.BODY}


@pytest.mark.parametrize("foot", ["{n}", "THE LAMP {n}", "{n} | A Winter's Tale", "Page {n} of 30", "١{d}"])
def test_feet_with_the_page_number_go(foot: str) -> None:
    pages = [
        sheet(n, [*prose(60, 30), line(foot.format(n=n + 14, d="٠١٢٣٤٥٦٧٨٩"[n]), 580, 150)])
        for n in range(1, 10)
    ]
    mark_furniture(pages)
    assert all(page.lines[-1].kind in (Kind.FOLIO, Kind.HEAD) for page in pages)
    assert all(one.kind == Kind.BODY for page in pages for one in page.lines[:-1])


@pytest.mark.parametrize("first", ["10¹⁰ stars are in the sky", "①", "(1)", "½"])
def test_a_first_line_with_odd_figures_is_text(first: str) -> None:
    pages = [sheet(n, [line(first if n == 2 else WORDS, 60), *prose(72, 30)]) for n in range(1, 4)]
    mark_furniture(pages)
    assert pages[1].lines[0].kind == Kind.BODY


# Columns, measure


@pytest.mark.parametrize("count", [2, 3, 4])
def test_columns_of_any_number_are_read_one_after_the_other(count: int) -> None:
    width = 500 / count
    pages = []
    for number in (1, 2):
        lines = [
            line(
                f"c{column} l{row:02}",
                60 + LEADING * row,
                30 + width * column,
                10 + width * (column + 1),
                row=row,
            )
            for row in range(30)
            for column in range(count)
        ]
        pages.append(sheet(number, lines, width=560))
    set_columns(pages)
    order = [one.text for one in pages[0].lines]
    assert order == [f"c{column} l{row:02}" for column in range(count) for row in range(30)]
    assert pages[0].lines[-1].column == count


def test_a_box_beside_a_paragraph_is_read_for_itself() -> None:
    narrow = [line("the lamp burns on the wall", 200 + LEADING * n, x1=230, row=20 + n) for n in range(8)]
    box = [line(f"what a lamp is {n}", 205 + 10 * n, 250, RIGHT, size=8.0, row=40 + n) for n in range(5)]
    page = sheet(1, [*prose(60, 10), *narrow, *box, *prose(310, 10)])
    page.lines.sort(key=lambda one: (one.y, one.x0))
    for row, one in enumerate(page.lines):
        one.row = row if one in narrow or one in box else one.row
    set_columns([page])
    assert [one for one in page.lines if one in narrow or one in box] == [*narrow, *box]


def test_pieces_of_a_row_that_no_gutter_parts_are_one_line() -> None:
    page = sheet(1, [line("Name", 60, 50, 80, row=1), line("Value", 60, 200, 240, row=1)])
    set_columns([page])
    assert [(one.text, one.gaps, one.column) for one in page.lines] == [("Name Value", 1, 0)]


def indented(top: float, count: int, indent: float = 15.0) -> list[Line]:
    lines = []
    for n in range(count):
        first, last = n % 4 == 0, n % 4 == 3
        lines.append(line(WORDS, top + LEADING * n, LEFT + indent * first, 200 if last else RIGHT))
    return lines


def test_the_measure_of_a_book() -> None:
    measure = measured([sheet(n, indented(60, 40)) for n in range(1, 5)])
    assert (measure.size, measure.font, measure.line_distance(SIZE)) == (SIZE, "Serif", LEADING)
    assert (measure.justified, measure.by_indent, measure.by_space, measure.verse) == (
        True,
        True,
        False,
        False,
    )
    assert measure.indent == pytest.approx(15)


@pytest.mark.parametrize("capital", [True, False])
def test_verse_is_known_by_its_shape(capital: bool) -> None:
    words = WORDS.split()
    pages = []
    for number in range(1, 4):
        lines = [
            line(
                (
                    " ".join(words[n % 7 :][: 2 + 5 * n % 7]).capitalize()
                    if capital
                    else " ".join(words[n % 7 :][: 2 + 5 * n % 7])
                ),
                60 + LEADING * n,
            )
            for n in range(20)
        ]
        lines.append(full(60 + LEADING * 20))
        pages.append(sheet(number, lines))
    assert measured(pages).verse


def test_edges_are_set_for_every_line() -> None:
    pages = [sheet(1, [*prose(60, 20), line("short", 320)])]
    set_columns(pages)
    set_edges(pages)
    assert {(one.left, one.right) for one in pages[0].lines} == {(LEFT, RIGHT)}


# Notes, captions


def noted(note: str, text: str = WORDS, **given: object) -> Page:
    last = full(60 + LEADING * 30, text, **{k: v for k, v in given.items() if k == "marks"})
    return sheet(1, [*prose(60, 30), last, full(500, note, size=8.0), full(510, "and it goes on.", size=8.0)])


@pytest.mark.parametrize(
    ("note", "text", "marks", "left"),
    [
        ("1 So in the first printing.", "the lamp", ((8, "1"),), "the lamp"),
        ("* So in the first printing.", "the lamp* burns", (), "the lamp burns"),
        ("(2) So it was.", "the lamp (2) burns", (), "the lamp burns"),
        ("1 So it was.", "there are two: (1) the lamp", ((3, "1"),), "there are two: (1) the lamp"),
    ],
)
def test_a_note_goes_with_its_mark(
    note: str, text: str, marks: tuple[tuple[int, str], ...], left: str
) -> None:
    page = noted(note, text, marks=marks)
    measure = measured([page])
    assert mark_footnotes([page], measure) >= 1
    assert kinds(page)[-2:] == [Kind.FOOTNOTE] * 2
    assert page.lines[30].text == left


@pytest.mark.parametrize(
    ("text", "marks", "right"),
    [
        ("a mass E/C where C is", ((10, "2"),), "a mass E/C² where C is"),
        ("ds = dx + dy", ((2, "2"), (7, "2"), (12, "2")), "ds² = dx² + dy²"),
        ("(a + b) = 4", ((7, "2"),), "(a + b)² = 4"),
        ("the keeper said so. Then", ((19, "2"),), "the keeper said so. Then"),
    ],
)
def test_powers_stay_and_marks_go(text: str, marks: tuple[tuple[int, str], ...], right: str) -> None:
    page = sheet(1, [*prose(60, 20), line(text, 320, marks=marks)])
    measure = measured([page])
    mark_footnotes([page], measure)
    assert page.lines[-1].text == right


def test_small_print_that_nothing_leads_to_is_text() -> None:
    page = noted("# inside class Time:")
    page.lines[-1].font = page.lines[-2].font = "Courier"
    mark_footnotes([page], measured([page]))
    assert set(kinds(page)) == {Kind.BODY}


def test_a_line_that_is_only_a_mark_keeps_it() -> None:
    page = noted("1 So in the first printing.", "(1)", marks=())
    measure = measured([page])
    mark_footnotes([page], measure)
    mark_captions([page], measure)
    assert page.lines[30].text == "(1)"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Figure 2.1: The lamp.", Kind.CAPTION),
        ("Fig. 3. The wall", Kind.CAPTION),
        ("Figur 11.1", Kind.CAPTION),
        ("Figure 11.1 is a state diagram that shows", Kind.BODY),
        ("Figures are seldom right", Kind.BODY),
    ],
)
def test_a_caption_is_no_sentence(text: str, kind: Kind) -> None:
    page = sheet(1, [*prose(60, 20), line(text, 340), *prose(370, 10)])
    pages = [page, *(sheet(n, prose(60, 30)) for n in (2, 3, 4))]
    mark_captions(pages, measured(pages))
    assert page.lines[20].kind == kind


def test_a_short_article_keeps_its_title_and_what_stands_beside_a_picture() -> None:
    title, beside = line("On Lamps", 60, 150, size=18.0), line("From the wall", 340, 160)
    page = sheet(1, [title, *prose(96, 20), beside, *prose(420, 10)])
    page.images = [(60, 345, 340, 405)]
    measure = measured([page])
    mark_captions([page], measure)
    mark_matter(page.lines, [], measure)
    assert set(kinds(page)) == {Kind.BODY}


def test_letters_in_a_drawing_go_and_text_in_a_box_stays() -> None:
    page = sheet(1, [*prose(60, 10), line("O", 230, 100), line("P Q", 260, 180), *prose(330, 10)])
    page.drawings = [(90, 200, 250, 290), (40, 325, 360, 480)]
    mark_lettering([page], measured([page]))
    assert kinds(page) == [Kind.BODY] * 10 + [Kind.CAPTION] * 2 + [Kind.BODY] * 10


def test_a_formula_on_a_line_of_its_own_goes() -> None:
    page = sheet(
        1, [*prose(60, 10), line("= y + z", 190, 150, maths=0.5), line("2 3", 199, 150), *prose(220, 10)]
    )
    mark_tables([page], measured([page]))
    assert kinds(page)[10:12] == [Kind.TABLE] * 2
    assert set(kinds(page)[12:]) == {Kind.BODY}


def test_rows_of_figures_are_a_table() -> None:
    square = [line(row, 190 + LEADING * n, 150) for n, row in enumerate(("4 9 2", "3 5 7", "8 1 6"))]
    page = sheet(1, [*prose(60, 10), *square, *prose(240, 10)])
    mark_tables([page], measured([page]))
    assert kinds(page)[10:13] == [Kind.TABLE] * 3


# Headings, chapters, matter


def chapters() -> list[Page]:
    pages = []
    for number in range(1, 9):
        lines = indented(60, 40)
        if number % 2:
            lines[:4] = [line(f"Chapter {(number + 1) // 2}", 84, 160, size=16.0)]
        pages.append(sheet(number, lines))
    return pages


def test_headings_are_large_lines_with_text_under_them() -> None:
    pages = chapters()
    measure = measured(pages)
    headings = find_headings(body(pages), measure)
    assert [(one.text, one.kind, one.counted, one.on_top) for one in headings] == [
        (f"Chapter {n}", "chapter", n, True) for n in (1, 2, 3, 4)
    ]
    assert all(one.words > 500 for one in headings)


def sections_of(pages: list[Page], outline: list[OutlineEntry]) -> list[Section]:
    measure = measured(pages)
    flow = body(pages)
    by_number = {page.number: page for page in pages}
    return find_sections(flow, find_headings(flow, measure), outline, by_number, measure)


def test_chapters_are_the_numbered_headings() -> None:
    found = sections_of(chapters(), [])
    assert [(one.title, one.level) for one in found] == [(f"Chapter {n}", 1) for n in (1, 2, 3, 4)]


@pytest.mark.parametrize(("introduction", "parts"), [(4, [True, False, False]), (38, [False, False, False])])
def test_a_part_may_have_an_introduction(introduction: int, parts: list[bool]) -> None:
    title = line("Light", 60, 160, size=16.0)
    pages = [sheet(1, [title, *prose(96, introduction)])]
    for number, name in ((2, "The Lamp"), (5, "The Oil")):
        pages.append(sheet(number, [line(name, 60, 160, size=16.0), *prose(96, 38)]))
        pages += [sheet(number + more, prose(60, 40)) for more in (1, 2)] if introduction < 10 else []
    outline = [
        OutlineEntry(1, "Light", 1, None),
        OutlineEntry(2, "The Lamp", 2, None),
        OutlineEntry(2, "The Oil", 5, None),
    ]
    found = sections_of(pages, outline)
    assert [one.part for one in found] == parts
    assert [one.level for one in found] == ([1, 1, 1] if parts[0] else [1, 2, 2])


def test_twenty_thousand_bookmarks_take_no_time() -> None:
    pages = [sheet(1, [line("Light", 60, 160, size=16.0), *prose(96, 38)])]
    outline = [OutlineEntry(1 + n % 50, "Light", 1, None) for n in range(20_000)]
    assert sections_of(pages, outline)  # the suite's time limit does the rest


def test_a_page_that_begins_low_with_a_drop_cap_opens_a_chapter() -> None:
    pages = [sheet(n, prose(60 if n not in (3, 6) else 250, 20)) for n in range(1, 9)]
    for page in pages:
        page.lines[-1].x1 = 200
        page.lines[-1].text = "and there it ends."
    for number in (3, 6):
        pages[number - 1].lines[0].initial = "T"
    measured(pages)
    flow = body(pages)
    places = [place for place, _ in find_openings(flow, {}, {page.number: page for page in pages})]
    assert [flow[place].page for place in places] == [3, 6]


def test_contents_and_index_are_known_by_their_lines() -> None:
    entries = [line(f"Chapter {n} ........ {10 * n}", 60 + LEADING * n) for n in range(1, 9)]
    names = sorted(f"{c}{c}, {n}, {n + 2}" for n, c in enumerate("abcdefghijkl", 1))
    pages = [sheet(1, entries), *(sheet(n, prose(60, 30)) for n in range(2, 9))]
    pages.append(sheet(9, [line(name, 60 + LEADING * n) for n, name in enumerate(names)]))
    set_columns(pages)
    set_edges(pages)
    mark_listings(pages)
    assert set(kinds(pages[0])) == {Kind.CONTENTS}
    assert set(kinds(pages[-1])) == {Kind.INDEX}
    assert set(kinds(pages[3])) == {Kind.BODY}


def test_a_licence_goes_from_the_line_that_says_so() -> None:
    flow = [line("*** START OF THE PROJECT GUTENBERG EBOOK ***", 60), *prose(80, 20)]
    flow += [line("*** END OF THE PROJECT GUTENBERG EBOOK ***", 400), *prose(420, 5)]
    mark_gutenberg(flow)
    assert [one.kind for one in flow] == [Kind.BOILERPLATE, *[Kind.BODY] * 20, *[Kind.BOILERPLATE] * 6]


@pytest.mark.parametrize(
    "title", ["Notes", "Notater", "18. Notater", "Bibliography", "Примечания", "参考文献"]
)
def test_what_is_behind_the_text_goes(title: str) -> None:
    pages = [*chapters(), sheet(9, [line(title, 84, 160, size=16.0), *prose(110, 10)])]
    measure = measured(pages)
    flow = body(pages)
    by_number = {page.number: page for page in pages}
    sections = find_sections(
        flow, find_headings(flow, measure), [OutlineEntry(1, title, 9, None)], by_number, measure
    )
    sections += find_sections(flow, find_headings(flow, measure), [], by_number, measure)
    by_place = {section.place: section for section in sections}
    mark_matter(flow, sorted(by_place.values(), key=lambda one: one.place), measure)
    assert set(kinds(pages[-1])) == {Kind.BACK}
    assert set(kinds(pages[0])) == {Kind.BODY}


def test_other_books_and_the_imprint_before_the_text_go() -> None:
    listed = [
        line("Also by Anna Moor", 84, 160, size=16.0),
        line("The Oil", 130),
        line("ISBN 0 00 000000 0", 142),
    ]
    pages = [sheet(1, listed), *chapters()]
    for number, page in enumerate(pages, 1):
        page.number = number
        for one in page.lines:
            one.page = number
    measure = measured(pages)
    flow = body(pages)
    by_number = {page.number: page for page in pages}
    outline = [OutlineEntry(1, "Also by Anna Moor", 1, None)]
    outline += [OutlineEntry(1, f"Chapter {n}", 2 * n, None) for n in (1, 2, 3, 4)]
    sections = find_sections(flow, find_headings(flow, measure), outline, by_number, measure)
    mark_matter(flow, sections, measure)
    assert set(kinds(pages[0])) == {Kind.FRONT}
    assert set(kinds(pages[1])) == {Kind.BODY}


def test_the_end_of_a_preface_stays_however_short_its_last_page_is() -> None:
    preface = [sheet(1, prose(60, 40)), sheet(2, [full(60), line("and so it ends.", 72)])]
    pages = [*preface, *chapters()]
    for number, page in enumerate(pages, 1):
        page.number = number
        for one in page.lines:
            one.page = number
    measure = measured(pages)
    flow = body(pages)
    by_number = {page.number: page for page in pages}
    sections = find_sections(flow, find_headings(flow, measure), [], by_number, measure)
    mark_matter(flow, sections, measure)
    assert set(kinds(pages[1])) == {Kind.BODY}


def test_a_sentence_between_two_tables_is_text() -> None:
    def table(top: float) -> list[Line]:
        rows = [("1790", "ships"), ("1791", "boats"), ("1792", "rafts")]
        return [
            line(text, top + LEADING * n, x, row=round(top) + n)
            for n, cells in enumerate(rows)
            for text, x in zip(cells, (60.0, 250.0), strict=True)
        ]

    page = sheet(1, [*prose(60, 10), *table(200), full(242), *table(260), *prose(330, 10)])
    page.rules = [(50, y, 350, y + 0.5) for y in (188, 229, 248, 289)]
    pages = [page, *(sheet(n, prose(60, 30)) for n in (2, 3, 4))]
    mark_tables(pages, measured(pages))
    assert [one.kind for one in page.lines if one.y == 242] == [Kind.BODY]
    assert sum(one.kind == Kind.TABLE for one in page.lines) == 6


def test_what_follows_a_picture_or_a_table_says_so() -> None:
    page = sheet(1, [*prose(60, 10), line("1 2 3", 192), *prose(204, 2), *prose(300, 3)])
    page.images = [(LEFT, 230, RIGHT, 285), (LEFT, 310, RIGHT, 312)]  # the second is a rule
    measure = measured([page])
    page.lines[10].kind = Kind.TABLE
    set_after_float([page], measure)
    assert [at for at, one in enumerate(page.lines) if one.after_float] == [11, 13]


def test_captions_are_set_like_most_that_stands_at_pictures() -> None:
    captions, quotations, pages = [], [], []
    for number in range(1, 5):
        captions.append(line("The lamp on its wall", 310, 160, size=8.0))
        quotations.append(line("what nobody had seen before", 500 if number > 1 else 190, 80, size=8.5))
        pages.append(sheet(number, [*prose(60, 10), captions[-1], *prose(360, 10), quotations[-1]]))
        pages[-1].images = [(100, 200, 300, 298)]
    mark_captions(pages, measured(pages))
    assert {one.kind for one in captions} == {Kind.CAPTION}
    assert {one.kind for one in quotations} == {Kind.BODY}  # one of them stands right above a picture


# Runs, verse, paragraphs


def set_lines(
    rows: Sequence[tuple[str, float, float]], top: float = 300, leading: float = LEADING
) -> list[Line]:
    """Lines as (text, left edge, right edge), in a book in which nothing stands between them."""
    lines = [line(text, top + leading * n, x0, x1) for n, (text, x0, x1) in enumerate(rows)]
    for one in lines:
        one.left, one.right, one.column, one.after_float = LEFT, RIGHT, 0, False
    return lines


NOVEL = Measure(SIZE, "Serif", {SIZE: LEADING}, 15.0, justified=True, by_indent=True)
LETTERS = Measure(SIZE, "Serif", {SIZE: LEADING}, 0.0, justified=True, by_space=True)
RAGGED = Measure(SIZE, "Serif", {SIZE: LEADING})
POEMS = Measure(SIZE, "Serif", {SIZE: LEADING}, verse=True)

INDENT = LEFT + 15
STANZA = [
    ("The lamp is lit upon the wall", 80, 220),
    ("And no one knows who keeps it there", 80, 240),
    ("It burns all night above the hall", 80, 230),
    ("And never goes to sleep for care.", 80, 225),
]
QUOTATION = [
    ("the lamp burns on the wall all night and", 80, 320),
    ("nobody knows who keeps it there, though all", 80, 320),
    ("of them have seen it.", 80, 180),
]


@pytest.mark.parametrize(
    ("rows", "measure", "verse"),
    [
        (STANZA, NOVEL, [True]),
        (QUOTATION, NOVEL, [False]),
        (STANZA, POEMS, [True]),
        ([(text.lower(), LEFT, RIGHT) for text, _, _ in STANZA], POEMS, [False]),
        ([(text, LEFT, end) for text, _, end in STANZA], NOVEL, [True]),
        ([("It burns", LEFT, 330), ("and that is all.", LEFT, 120)], RAGGED, [False]),
        ([("1. the oil", 80, 130), ("2. the lamp", 80, 140), ("3. the wall", 80, 150)], NOVEL, [False]),
    ],
    ids=["stanza", "quotation", "poem", "preface", "song", "two lines", "list"],
)
def test_verse_is_known_by_where_its_lines_end(
    rows: list[tuple[str, float, float]], measure: Measure, verse: list[bool]
) -> None:
    assert [run.verse for run in find_runs(set_lines(rows), set(), measure)] == verse


@pytest.mark.parametrize(
    ("rows", "measure", "lengths"),
    [
        ([(WORDS, LEFT, RIGHT)] * 4, NOVEL, [4]),
        ([(WORDS, LEFT, RIGHT), (WORDS, INDENT, RIGHT), (WORDS, LEFT, RIGHT)], NOVEL, [3]),
        ([(WORDS, LEFT, RIGHT)] * 2 + [(WORDS, 80, 320)] * 3 + [(WORDS, LEFT, RIGHT)], NOVEL, [2, 3, 1]),
        ([(WORDS, LEFT, RIGHT), ("* * *", 190, 210), (WORDS, LEFT, RIGHT)], NOVEL, [1, 1, 1]),
    ],
    ids=["text", "indent", "quotation", "ornament"],
)
def test_runs_end_where_the_setting_changes(
    rows: list[tuple[str, float, float]], measure: Measure, lengths: list[int]
) -> None:
    runs = find_runs(set_lines(rows), set(), measure)
    assert [len(run.lines) for run in runs] == lengths
    assert [run.inset for run in runs if len(run.lines) == 3 and len(runs) == 3] in ([], [True])


def begun(lines: list[Line], measure: Measure) -> list[int]:
    """Numbers of the lines with which paragraphs begin."""
    made = make_paragraphs(lines, set(), measure, Hyphens([WORDS]))
    firsts = {id(paragraph.lines[0]) for paragraph in made}
    return [n for n, one in enumerate(lines) if id(one) in firsts]


FULL, LAST, FIRST = (WORDS, LEFT, RIGHT), ("and so it ends.", LEFT, 140), (WORDS, INDENT, RIGHT)


@pytest.mark.parametrize(
    ("rows", "measure", "firsts"),
    [
        ([FIRST, FULL, LAST, FIRST, FULL], NOVEL, [0, 3]),
        ([FIRST, FULL, FULL, ("“No.”", INDENT, 90), ("“Yes.”", INDENT, 95), FIRST], NOVEL, [0, 3, 4, 5]),
        ([FULL, (f"{WORDS} lamp-", LEFT, RIGHT), ("light it was", INDENT, 130)], NOVEL, [0]),
        ([FULL, FULL, LAST, FULL, FULL], LETTERS, [0, 3]),
        ([FULL, LAST, ("ANNA MOOR", 290, RIGHT)], LETTERS, [0, 2]),
        ([FULL, LAST, (WORDS, LEFT, 330), ("the lamp", LEFT, 100), FULL], RAGGED, [0, 2, 4]),
        (
            [("• the lamp is lit", LEFT, RIGHT), ("again", 60, 100), ("• the wall", LEFT, 120)],
            LETTERS,
            [0, 2],
        ),
        ([("3. " + WORDS, LEFT, RIGHT), LAST, ("4. it is", LEFT, 110), LAST], LETTERS, [0, 2, 3]),
        ([FULL, *QUOTATION, FULL, LAST], NOVEL, [0, 1, 4]),
        ([FULL, LAST, *STANZA, FULL, LAST], NOVEL, [0, 2, 6]),
    ],
    ids=[
        "novel",
        "talk",
        "cut word",
        "letters",
        "name",
        "ragged",
        "bullets",
        "numbers",
        "quotation",
        "verse",
    ],
)
def test_paragraphs_begin_inside_a_page(
    rows: list[tuple[str, float, float]], measure: Measure, firsts: list[int]
) -> None:
    assert begun(set_lines(rows), measure) == firsts


@pytest.mark.parametrize(
    ("above", "below", "measure", "firsts"),
    [
        ([FIRST, FULL], [FULL, LAST], NOVEL, [0]),
        ([FIRST, LAST], [FIRST, FULL], NOVEL, [0, 2]),
        ([FULL, FULL], [FULL, LAST], LETTERS, [0]),
        ([FULL, LAST], [FULL, LAST], LETTERS, [0, 2]),
        ([FULL, (WORDS + ".", LEFT, 200)], [FULL], RAGGED, [0, 2]),
        ([FULL, ("so said the lamp", LEFT, 200)], [FULL], RAGGED, [0]),
        ([FULL, ("she said: “No.”", LEFT, RIGHT)], [("“Yes.”", LEFT, 90)], RAGGED, [0, 2]),
        ([FULL, FULL], QUOTATION, NOVEL, [0, 2]),
        (STANZA[:2], STANZA[2:], NOVEL, [0]),
        (STANZA, STANZA, NOVEL, [0, 4]),
    ],
    ids=["text", "indent", "full", "short", "stop", "no stop", "talk", "quotation", "verse", "stanzas"],
)
def test_paragraphs_run_over_the_end_of_a_page(
    above: list[tuple[str, float, float]],
    below: list[tuple[str, float, float]],
    measure: Measure,
    firsts: list[int],
) -> None:
    first, second = set_lines(above, 500), set_lines(below, 60)
    for one in second:
        one.page = 2
    assert begun([*first, *second], measure) == firsts


def test_every_list_of_rules_ends_in_one_that_applies() -> None:
    for rules in (INSIDE_A_RUN, BETWEEN_RUNS):
        assert rules[-1].applies(None)  # whatever the lines look like
        assert len({rule.why for rule in rules}) == len(rules)


def test_kept_notes_wait_until_the_sentence_around_them_ends() -> None:
    text = set_lines([FULL, FULL, LAST])
    note = set_lines([("1 So in the first printing.", LEFT, 200)], 500)[0]
    note.kind = Kind.FOOTNOTE
    text[2].page, text[2].y = 2, 60
    made = make_paragraphs([*text[:2], note, text[2]], set(), LETTERS, Hyphens([WORDS]))
    assert [len(paragraph.lines) for paragraph in made] == [3, 1]
    assert made[1].kind == Kind.FOOTNOTE


# Edges, bookmarks, directions


def test_the_edges_of_a_column_are_where_its_text_begins_and_ends() -> None:
    """Left and right pages have their own; quotations, and a line that hangs out, move neither."""
    left = sheet(2, [*prose(60, 20), *(line(WORDS[:40], 320 + LEADING * n, 80) for n in range(5))])
    right = sheet(3, [line(one.text, one.y, 70, 370) for one in prose(60, 20)])
    right.lines[7].x1 = 374
    for pages in ([left, right], [right, left]):
        set_columns(pages)
        assert set_edges(pages)
    assert {(one.left, one.right) for one in left.lines} == {(LEFT, RIGHT)}
    assert {(one.left, one.right) for one in right.lines} == {(70, 370)}


def test_the_edges_of_a_crooked_scan_move_with_its_page() -> None:
    pages = [sheet(2 * n, prose(60, 20)) for n in range(1, 8)]
    for one in pages[3].lines:
        one.x0, one.x1 = one.x0 + 9, one.x1 + 9
    set_columns(pages)
    set_edges(pages)
    assert [page.lines[0].left for page in pages] == [LEFT] * 3 + [LEFT + 9] + [LEFT] * 3


def test_ragged_text_is_not_justified() -> None:
    lines = [line(WORDS, 60 + LEADING * n, x1=RIGHT - 7 * (n * n % 11)) for n in range(30)]
    pages = [sheet(1, lines)]
    set_columns(pages)
    assert not set_edges(pages)


@pytest.mark.parametrize(
    ("titles", "found"),
    [
        (["Chapter 1", "Chapter 2", "Chapter 3", "Chapter 4"], [1, 3, 5, 7]),
        (["Chapter 1: The Lamp", "2", "3", "4"], []),
        (["Chapter 1", "A Map", "Chapter 3"], [1, 3, 5]),
    ],
    ids=["as printed", "of another edition", "with a picture"],
)
def test_bookmarks_count_if_the_text_bears_them_out(titles: list[str], found: list[int]) -> None:
    pages = chapters()
    measure = measured(pages)
    flow = body(pages)
    outline = [OutlineEntry(1, title, 2 * n + 1, None) for n, title in enumerate(titles)]
    by_place = sections_of_outline(flow, find_headings(flow, measure), outline)
    assert [flow[place].page for place in by_place] == found


@pytest.mark.parametrize("down", [True, False])
@pytest.mark.parametrize("angle", [0, 90])
def test_chinese_runs_as_its_glyphs_are_placed(angle: int, down: bool) -> None:
    glyphs = [
        Glyph(letter, x, y, x + 10, y + 10, y + 9, 10, "Song", angle)
        for n, letter in enumerate("燈火通宵照牆壁")
        for x, y in [(100.0, 60.0 + 10 * n) if down else (60.0 + 10 * n, 100.0)]
    ]
    placed = as_placed(glyphs, "燈火通宵照牆壁")
    assert {glyph.angle for glyph in placed} == {90 if down else 0}


def test_letters_stay_as_their_font_runs() -> None:
    glyphs = [Glyph("a", 100, 60.0 + 10 * n, 106, 70.0 + 10 * n, 69, 10, "Serif") for n in range(9)]
    assert as_placed(glyphs, "a" * 9) is glyphs
