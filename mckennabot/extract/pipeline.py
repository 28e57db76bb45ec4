"""Turns a PDF's pages of lines into segments of paragraphs, one step after the other.

`STEPS` is the whole order, with what each step needs and what it sets; `run` refuses an order in which a
step needs what no earlier one has set. `docs/extraction.md` shows the list as a table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from mckennabot.config import ExtractSettings
from mckennabot.extract.book import Book
from mckennabot.extract.books.hyphens import Hyphens
from mckennabot.extract.kinds import Kind, kept_kinds
from mckennabot.extract.lines.columns import set_columns
from mckennabot.extract.model import Line, Page
from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.report import make_report
from mckennabot.extract.spots import find_spots, printed_labels
from mckennabot.extract.steps.captions import mark_captions
from mckennabot.extract.steps.chapters import find_sections
from mckennabot.extract.steps.edges import set_edges
from mckennabot.extract.steps.floats import set_after_float
from mckennabot.extract.steps.footnotes import mark_footnotes
from mckennabot.extract.steps.furniture import mark_furniture
from mckennabot.extract.steps.gutenberg import mark_gutenberg
from mckennabot.extract.steps.headings import Heading, find_headings
from mckennabot.extract.steps.lettering import mark_lettering
from mckennabot.extract.steps.letters import restore_letters
from mckennabot.extract.steps.line_numbers import mark_line_numbers
from mckennabot.extract.steps.listings import mark_listings
from mckennabot.extract.steps.matter import mark_matter
from mckennabot.extract.steps.measure import Measure, take_measure
from mckennabot.extract.steps.paragraphs import Paragraph, make_paragraphs
from mckennabot.extract.steps.scans import steady_sizes
from mckennabot.extract.steps.sections import Section
from mckennabot.extract.steps.sheets import number_sheets, split_sheets, uncrop
from mckennabot.extract.steps.tables import mark_tables

TABLES_SHARE = 0.7
"""Share of the words that must be left without tables and captions: a play may be set as a table."""
MATTER_SHARE = 0.2
"""The same without front and back matter: a catalogue is all list."""


@dataclass(slots=True)
class Draft:
    """A book on its way through the steps.

    The attributes without a default have no value until a step sets them; reading one before raises
    AttributeError.

    Attributes:
        pages: in order; the steps set the kinds of their lines.
        outline: the document's bookmarks.
        settings: where segments end, and what to keep.
        split: whether sheets with two pages each were split.
        measure: what is usual in the book.
        note_marks: how many marks of notes were taken out of the text.
        flow: the lines of the text in reading order. Headings and sections count its places, so it is a
            tuple, and no step replaces it.
        headings: short lines that stand over others.
        sections: chapters and what they are divided into.
        firsts: the section that each line begins, if any.
        hyphens: joins cut words, and counts them.
        paragraphs: of the text, in order.
        segments: their texts.
    """

    pages: list[Page]
    outline: list[OutlineEntry]
    settings: ExtractSettings
    split: bool = field(init=False)
    measure: Measure = field(init=False)
    note_marks: int = field(init=False)
    flow: tuple[Line, ...] = field(init=False)
    headings: list[Heading] = field(init=False)
    sections: list[Section] = field(init=False)
    firsts: dict[Line, Section] = field(init=False)
    hyphens: Hyphens = field(init=False)
    paragraphs: list[Paragraph] = field(init=False)
    segments: list[list[str]] = field(init=False)

    def by_number(self) -> dict[int, Page]:
        """Return the pages by their numbers."""
        return {page.number: page for page in self.pages}


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        run: what it does to the draft.
        needs: what has to be known before: attributes of the draft, attributes of lines (``line.left``), or
            kinds (the lines of that kind are known).
        sets: what is known after it.
        spends: what holds no longer after it.
        why: why it stands here.
    """

    run: Callable[[Draft], None]
    needs: tuple[str, ...]
    sets: tuple[str, ...]
    why: str
    spends: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its name in the report and in the documentation."""
        return self.run.__name__.strip("_")


GIVEN = frozenset(("pages", "outline", "settings", "line.row"))
"""What is known of a document before the first step."""


# The steps


def _crop(draft: Draft) -> None:
    uncrop(draft.pages)


def _sheets(draft: Draft) -> None:
    halves, draft.outline = split_sheets(draft.pages, draft.outline)
    draft.split = halves is not draft.pages
    draft.pages = halves


def _letters(draft: Draft) -> None:
    restore_letters(draft.pages)


def _sizes(draft: Draft) -> None:
    steady_sizes(draft.pages)


def _line_numbers(draft: Draft) -> None:
    mark_line_numbers(draft.pages)


def _furniture(draft: Draft) -> None:
    mark_furniture(draft.pages)


def _columns(draft: Draft) -> None:
    set_columns(draft.pages)


def _edges(draft: Draft) -> None:
    set_edges(draft.pages)


def _listings(draft: Draft) -> None:
    mark_listings(draft.pages)


def _measure(draft: Draft) -> None:
    draft.measure = take_measure(draft.pages)


def _footnotes(draft: Draft) -> None:
    draft.note_marks = mark_footnotes(draft.pages, draft.measure)


def _lettering(draft: Draft) -> None:
    mark_lettering(draft.pages, draft.measure)


def _tables(draft: Draft) -> None:
    mark_tables(draft.pages, draft.measure)


def _captions(draft: Draft) -> None:
    mark_captions(draft.pages, draft.measure)


def _floats(draft: Draft) -> None:
    set_after_float(draft.pages, draft.measure)


def _plays(draft: Draft) -> None:
    _take_back(draft.pages, (Kind.CAPTION, Kind.TABLE), TABLES_SHARE)


def _gutenberg(draft: Draft) -> None:
    mark_gutenberg(_body(draft.pages))


def _flow(draft: Draft) -> None:
    draft.flow = tuple(_body(draft.pages))


def _headings(draft: Draft) -> None:
    draft.headings = find_headings(draft.flow, draft.measure)


def _sections(draft: Draft) -> None:
    draft.sections = find_sections(
        draft.flow, draft.headings, draft.outline, draft.by_number(), draft.measure
    )


def _matter(draft: Draft) -> None:
    mark_matter(draft.flow, draft.sections, draft.measure)


def _catalogues(draft: Draft) -> None:
    _take_back(draft.pages, (Kind.FRONT, Kind.CONTENTS, Kind.INDEX, Kind.BACK, Kind.PART), MATTER_SHARE)


def _titles(draft: Draft) -> None:
    draft.sections = [s for s in draft.sections if draft.flow[s.place].kind == Kind.BODY]
    draft.firsts = {draft.flow[section.place]: section for section in draft.sections}
    for section in draft.sections:
        for line in section.heading:
            line.take_for(Kind.HEADING, "titles: heads a section")


def _paragraphs(draft: Draft) -> None:
    kept = kept_kinds(draft.settings.keep)
    text = [line for page in draft.pages for line in page.lines if line.kind in kept]
    draft.hyphens = Hyphens(line.text for line in text if not line.initial)
    made = make_paragraphs(text, set(draft.firsts), draft.measure, draft.hyphens)
    draft.paragraphs = [paragraph for paragraph in made if paragraph.text.strip()]
    for paragraph in draft.paragraphs:
        paragraph.lines[0].opens = True


def _segments(draft: Draft) -> None:
    draft.segments = []
    page = 0
    for paragraph in draft.paragraphs:
        first = paragraph.lines[0]
        section = draft.firsts.get(first)
        starts = {
            "chapter": section is not None and section.level == 1,
            "section": section is not None,
            "page": first.page != page,
            "none": False,
        }[draft.settings.segment]
        if starts or not draft.segments:
            draft.segments.append([])
        draft.segments[-1].append(paragraph.text)
        page = first.page


STEPS = (
    Step(
        _crop,
        needs=("pages",),
        sets=("whole pages",),
        why="What lies outside the page's edge is known only from all pages together.",
    ),
    Step(
        _sheets,
        needs=("whole pages", "outline"),
        sets=("book pages", "split"),
        why="Either page of a two-page sheet has a running head of its own.",
    ),
    Step(
        _letters,
        needs=("book pages",),
        sets=("line.text",),
        why="Every later step reads words; ligatures of private use would be holes in them.",
    ),
    Step(
        _sizes,
        needs=("book pages",),
        sets=("line.size",),
        why="The sizes of recognised text follow each line's ink; all that compares sizes comes after.",
    ),
    Step(
        _line_numbers,
        needs=("line.text", "line.row", "book pages"),
        sets=("line numbers",),
        why="While rows are whole: a number beside a line is part of it once columns have joined them.",
    ),
    Step(
        _furniture,
        needs=("line numbers", "line.text", "line.row", "line.size"),
        sets=(Kind.HEAD, Kind.FOLIO),
        why="A running head over two columns would hide the gutter; and rows are whole only now.",
    ),
    Step(
        _columns,
        needs=("line.row", Kind.HEAD),
        sets=("line.column",),
        spends=("line.row",),
        why="Puts the pieces of a row together, so nothing after it can ask for rows.",
    ),
    Step(
        _edges,
        needs=("line.column", Kind.HEAD),
        sets=("line.left", "line.right"),
        why="A first look at the columns' edges, enough to see what stands in.",
    ),
    Step(
        _listings,
        needs=("line.left", "line.column", Kind.HEAD),
        sets=(Kind.CONTENTS, Kind.INDEX),
        why="Pages of contents and index, whose ragged lines would spoil the measure.",
    ),
    Step(
        _measure,
        needs=("line.column", Kind.HEAD, Kind.CONTENTS, Kind.INDEX),
        sets=("measure", "line.left", "line.right"),
        why="What is usual, and the edges anew, from lines of text alone.",
    ),
    Step(
        _footnotes,
        needs=("measure", "line.left", "line.right", "line.column"),
        sets=("note_marks", Kind.FOOTNOTE),
        why="Before all that reads the words of lines: it takes the marks of notes out of them.",
    ),
    Step(
        _lettering,
        needs=("measure", "line.left", "line.right", Kind.FOOTNOTE),
        sets=(Kind.CAPTION,),
        why="Figures along an axis would be rows of a table.",
    ),
    Step(
        _tables,
        needs=(
            "measure", "line.left", "line.right", "line.column", "note_marks", Kind.FOOTNOTE, Kind.CAPTION,
        ),
        sets=(Kind.TABLE,),
        why="Notes under a table are notes already, and what is left next to it may be its caption.",
    ),
    Step(
        _captions,
        needs=("measure", "line.left", "line.right", "line.column", "note_marks", Kind.TABLE),
        sets=(Kind.CAPTION,),
        why="From the styles of all lines that are left, those next to pictures against those elsewhere.",
    ),
    Step(
        _floats,
        needs=("measure", "line.left", "line.right", "line.column", Kind.CAPTION, Kind.TABLE),
        sets=("line.after_float",),
        why="What stands between two lines is known only when captions and tables are.",
    ),
    Step(
        _plays,
        needs=(Kind.CAPTION, Kind.TABLE, "line.after_float"),
        sets=(Kind.BODY,),
        why="A play may be set as a table: takes captions and tables back if hardly a book is left. Its rows "
        "stay parted as they were.",
    ),
    Step(
        _gutenberg,
        needs=("note_marks", Kind.BODY),
        sets=(Kind.BOILERPLATE,),
        why="The licence has headings of its own, so it goes before headings are looked for.",
    ),
    Step(
        _flow,
        needs=(Kind.HEAD, Kind.CONTENTS, Kind.FOOTNOTE, Kind.BODY, Kind.BOILERPLATE),
        sets=("flow",),
        why="What is left is read as one text; from here on places in it are fixed.",
    ),
    Step(
        _headings,
        needs=("flow", "measure", "line.left", "line.right", "line.column"),
        sets=("headings",),
        why="Finds all that could be a heading; which of them are chapters is known from all together.",
    ),
    Step(
        _sections,
        needs=(
            "flow", "headings", "outline", "measure", "line.right", Kind.HEAD, Kind.CAPTION,
        ),
        sets=("sections",),
        why="Chapters by the outline, the headings, and running heads that change.",
    ),
    Step(
        _matter,
        needs=("flow", "sections", "measure", "line.left", "line.right"),
        sets=(Kind.FRONT, Kind.CONTENTS, Kind.INDEX, Kind.BACK, Kind.PART, Kind.BOILERPLATE),
        why="Before the first chapter, and behind the last, so chapters are known.",
    ),
    Step(
        _catalogues,
        needs=(Kind.FRONT, Kind.CONTENTS, Kind.INDEX, Kind.BACK, Kind.PART),
        sets=("own text",),
        why="A catalogue is all list: takes front and back matter back if hardly a book is left.",
    ),
    Step(
        _titles,
        needs=("flow", "sections", "own text"),
        sets=("firsts", Kind.HEADING),
        why="Only the headings of sections that stay are titles.",
    ),
    Step(
        _paragraphs,
        needs=(
            "firsts", "measure", "note_marks", "line.left", "line.right", "line.column", "line.after_float",
            Kind.HEADING,
        ),
        sets=("hyphens", "paragraphs"),
        why="Joins lines only when it is known which of them belong to the text: a note on the page's foot "
        "must not part a sentence.",
    ),
    Step(
        _segments,
        needs=("paragraphs", "firsts"),
        sets=("segments",),
        why="Cuts the text where the settings ask for it.",
    ),
)  # fmt: skip
"""All steps, in order."""


def run(draft: Draft, steps: Iterable[Step] = STEPS) -> None:
    """Run steps on a draft.

    Raises:
        ValueError: a step needs what no step before it has set; nothing has run then.
    """
    steps = list(steps)
    check(steps)
    for step in steps:
        step.run(draft)


def check(steps: Iterable[Step], given: Iterable[str] = GIVEN) -> None:
    """Make sure that each step finds what it needs.

    Raises:
        ValueError: one does not; the message names it, and what it lacks.
    """
    known = set(given)
    for step in steps:
        if lacking := [str(need) for need in step.needs if need not in known]:
            raise ValueError(f"step {step.name!r} needs what no earlier step has set: {', '.join(lacking)}")
        known |= set(step.sets)
        known -= set(step.spends)


def shape(pages: list[Page], outline: list[OutlineEntry], settings: ExtractSettings) -> Book:
    """Clean a book: leave out what does not belong to its text, and join its lines.

    Args:
        pages: in order; the kinds of their lines are set here.
        outline: the document's bookmarks.
        settings: where segments end, and what to keep.
    """
    draft = Draft(pages, outline, settings)
    run(draft)
    spots = find_spots(draft.paragraphs, draft.firsts, printed_labels(draft.pages))
    if draft.split:
        number_sheets(draft.pages)
        spots = [
            replace(spot, page=paragraph.lines[0].page)
            for spot, paragraph in zip(spots, draft.paragraphs, strict=True)
        ]
    report = make_report(draft.pages, draft.paragraphs, draft.firsts, draft.hyphens, draft.note_marks)
    spans = [(paragraph.lines[0].page, paragraph.lines[-1].page) for paragraph in draft.paragraphs]
    return Book(draft.segments, report, draft.pages, spans, spots)


def _body(pages: list[Page]) -> list[Line]:
    return [line for page in pages for line in page.lines if line.kind == Kind.BODY]


def _take_back(pages: list[Page], kinds: tuple[Kind, ...], share: float) -> None:
    """Take lines for text after all where too little would be left without them."""
    words: Counter[Kind] = Counter()
    for page in pages:
        for line in page.lines:
            words[line.kind] += len(line.text.split())
    aside = sum(words[kind] for kind in kinds)
    if words[Kind.BODY] < share * (words[Kind.BODY] + aside):
        for page in pages:
            for line in page.lines:
                if line.kind in kinds:
                    line.take_for(Kind.BODY, f"taken back: {line.kind} would be most of the book")
