"""Decides where a paragraph begins: two lists of rules, of which the first that applies counts.

`INSIDE_A_RUN` is for two lines that are set alike, `BETWEEN_RUNS` for two that are not, or that the end of a
page or a column parts. A rule says what such a place is in a book, whether a paragraph begins there, and
what it must look like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mckennabot.extract.books.characters import SOFT_HYPHEN
from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line
from mckennabot.extract.steps.measure import Measure
from mckennabot.extract.steps.runs import Run, is_set_like, most_leading
from mckennabot.extract.typography import SLACK, ends_sentence, is_item, same_size

_AT_EDGE = 0.1
"""Ems by which a line set to the right edge, or one with the usual outdent, may miss it."""
_FAR_RIGHT = 0.3
"""Share of the column from which on a line that ends at the right edge is set there: a signature, a date."""
_STANZA = 4
"""Lines from which on the end of a sentence at a page's end may be the end of a stanza, too."""
_OPENS, _CLOSES = '"\u201c\u2018\u00ab', '"\u201d\u2019\u00bb'
_STANZA_ENDS = '.\u201d"'


@dataclass(frozen=True, slots=True)
class Seam:
    """The end of one line and the beginning of the next, with what is known about both.

    Attributes:
        lines: the paragraph so far, which ends in line `a`.
        b: the line after it.
        before: the run of `a`.
        run: the run of `b`; inside a run the same one.
        measure: what is usual in the book.
        stanza_is_whole: whether the stanza that ends in `a` is as long as the others of its poem.
    """

    lines: Sequence[Line]
    b: Line
    before: Run
    run: Run
    measure: Measure
    stanza_is_whole: bool = False

    @property
    def a(self) -> Line:
        """Return the line before the seam."""
        return self.lines[-1]

    @property
    def short(self) -> bool:
        """Return whether the first word of `b` would have had room at the end of `a`."""
        return self.before.ends_short(self.a, self.b)

    @property
    def indented(self) -> bool:
        """Return whether `b` stands in from the left edge of its run."""
        return self.b.x0 - self.run.left > SLACK * self.b.size

    @property
    def was_indented(self) -> bool:
        """Return whether `a` stands in from that edge."""
        return self.a.x0 - self.run.left > SLACK * self.b.size

    @property
    def in_item(self) -> bool:
        """Return whether the paragraph so far begins as an item of a list does."""
        return is_item(self.lines[0])

    @property
    def in_item_at_edge(self) -> bool:
        """Return whether it is such an item whose first line stands at the left edge."""
        return self.in_item and self.lines[0].x0 - self.run.left <= SLACK * self.b.size

    @property
    def cuts_word(self) -> bool:
        """Return whether half of a word stands on either side."""
        end = self.a.text
        return end.endswith(("-", SOFT_HYPHEN)) and end[-2:-1].isalpha() and self.b.text[:1].islower()

    @property
    def ends_like_first(self) -> bool:
        """Return whether `b` ends where only first lines of paragraphs do."""
        outdent = self.measure.outdent
        return outdent > 0 and abs(self.run.right - self.b.x1 - outdent) < _AT_EDGE * self.b.size

    @property
    def close_below(self) -> bool:
        """Return whether `b` stands below `a` in one column, with no picture or table between them."""
        a, b = self.a, self.b
        return a.page == b.page and a.column == b.column and b.y > a.y and not b.after_float

    @property
    def verse(self) -> bool:
        """Return whether either line is one of verse."""
        return self.before.verse or self.run.verse

    @property
    def hanging(self) -> bool:
        """Return whether paragraphs on either side hang from their first lines."""
        return self.before.hanging or self.run.hanging


class Rule(NamedTuple):
    """One rule.

    Attributes:
        why: what such a seam is in a book.
        begins: whether the line after it begins a paragraph.
        applies: what the seam must look like.
    """

    why: str
    begins: bool
    applies: Callable[[Seam], bool]


BEGINS, CONTINUES = True, False

INSIDE_A_RUN = (
    Rule("a stanza is one paragraph, and its lines are kept", CONTINUES, lambda s: s.run.verse),
    Rule("a heading may have several lines", CONTINUES, lambda s: s.b.kind == Kind.HEADING),
    Rule("half of a word was left on the line above", CONTINUES, lambda s: s.cuts_word),
    Rule("a first line with its indent at the wrong end", BEGINS, lambda s: s.ends_like_first),
    Rule(
        "the name under a quotation or a letter",
        BEGINS,
        lambda s: _is_set_right(s.b, s.run) and not _is_set_right(s.a, s.run),
    ),
    # Where paragraphs hang from their first lines, the edge and not the indent begins them.
    Rule(
        "back at the edge from which paragraphs hang, as in bibliographies",
        BEGINS,
        lambda s: s.run.hanging and not s.indented and (s.was_indented or s.short or s.measure.hanging > 0),
    ),
    Rule("hangs from the first line", CONTINUES, lambda s: s.run.hanging),
    # So do the items of lists, even where the book's paragraphs do not.
    Rule(
        "back at the edge after the hanging lines of an item",
        BEGINS,
        lambda s: s.in_item_at_edge and s.was_indented and not s.indented,
    ),
    Rule(
        "after an item of one line, or one that does not hang",
        BEGINS,
        lambda s: s.in_item_at_edge and not s.was_indented and s.short,
    ),
    Rule("further lines of an item", CONTINUES, lambda s: s.in_item_at_edge),
    Rule("the indent of a novel", BEGINS, lambda s: s.indented and not s.was_indented),
    Rule(
        "talk: several paragraphs of one line each",
        BEGINS,
        lambda s: s.indented and (s.short or ends_sentence(s.a.text) or not s.measure.justified),
    ),
    Rule("full lines that stand in by chance, as on a crooked scan", CONTINUES, lambda s: s.indented),
    Rule("the next item of a list without indents", BEGINS, lambda s: is_item(s.b) and s.short),
    Rule(
        "a second line, where ragged ends say nothing",
        CONTINUES,
        lambda s: s.was_indented and not s.measure.justified,
    ),
    Rule("after a short line of justified text", BEGINS, lambda s: s.short and s.measure.justified),
    Rule("the second line of a paragraph", CONTINUES, lambda s: s.was_indented),
    Rule(
        "after a short line of ragged text with neither indents nor space",
        BEGINS,
        lambda s: s.short and not s.measure.by_indent and not s.measure.by_space,
    ),
    Rule("ordinary lines", CONTINUES, lambda s: True),
)
"""For a line whose run the line before is of, too."""

BETWEEN_RUNS = (
    Rule("headings and text do not mix", BEGINS, lambda s: s.a.kind != s.b.kind or s.a.kind == Kind.HEADING),
    Rule("a drop cap", BEGINS, lambda s: bool(s.b.initial)),
    Rule("small print, or the end of it", BEGINS, lambda s: not same_size(s.a.size, s.b.size)),
    Rule(
        "after where and when a letter was written",
        BEGINS,
        lambda s: all(_is_set_right(line, s.before) for line in s.lines) and not _is_set_right(s.b, s.run),
    ),
    # Below each other in one column: only a line that is set otherwise makes another run of it.
    Rule("set otherwise after a short line", BEGINS, lambda s: s.close_below and s.short),
    Rule(
        "an unusual indent, or lines that hang from an item",
        CONTINUES,
        lambda s: s.close_below and _continues_at_another_edge(s),
    ),
    Rule("a quotation, a stanza, or the text after one", BEGINS, lambda s: s.close_below),
    # From here on the end of a column or page, or a picture, parts the two lines.
    Rule(
        "a stanza ended with its page",
        BEGINS,
        lambda s: s.verse and (s.stanza_is_whole or not _stanza_continues(s)),
    ),
    Rule("a stanza runs over the page's end", CONTINUES, lambda s: s.verse),
    Rule("half of a word was left on the page before", CONTINUES, lambda s: s.cuts_word),
    Rule(
        "an item whose lines hang, over the page's end",
        CONTINUES,
        lambda s: s.before.inset != s.run.inset and s.in_item and not s.short,
    ),
    Rule("a quotation begins or ends with the page", BEGINS, lambda s: s.before.inset != s.run.inset),
    Rule("the next item of a list", BEGINS, lambda s: s.in_item and is_item(s.b)),
    Rule(
        "at the edge from which paragraphs hang",
        BEGINS,
        lambda s: s.hanging and not s.indented and (s.short or s.measure.hanging > 0),
    ),
    Rule("hangs from a line on the page before", CONTINUES, lambda s: s.hanging),
    Rule("the indent of a novel, at whichever end", BEGINS, lambda s: s.indented or s.ends_like_first),
    Rule("after a short line of justified text", BEGINS, lambda s: s.measure.justified and s.short),
    Rule(
        "a full line, or one without the usual indent",
        CONTINUES,
        lambda s: s.measure.justified or s.measure.by_indent,
    ),
    # Ragged text without indents leaves nothing but its words to go by.
    Rule("ragged: a short line ends a sentence", BEGINS, lambda s: s.short and ends_sentence(s.a.text)),
    Rule("ragged: another speaks", BEGINS, lambda s: s.a.text[-1] in _CLOSES and s.b.text[0] in _OPENS),
    Rule("ragged: a sentence runs over the page's end", CONTINUES, lambda s: True),
)
"""For the first line of a run."""


def rule_for(seam: Seam) -> Rule:
    """Return the rule that says whether the line after a seam begins a paragraph."""
    rules = INSIDE_A_RUN if seam.before is seam.run else BETWEEN_RUNS
    return next(rule for rule in rules if rule.applies(seam))


def is_whole_stanza(runs: Sequence[Run], place: int) -> bool:
    """Return whether the stanza before a run is as long as the others of its poem: it ends with its page."""
    before, run = runs[place - 1], runs[place]
    near = (runs[number] for number in (place - 2, place + 1) if 0 <= number < len(runs))
    lengths = {
        len(other.lines) for other in near if other.verse and is_set_like(other.lines[0], run.lines[0])
    }
    return len(before.lines) in lengths and len(before.lines) + len(run.lines) not in lengths


def _stanza_continues(seam: Seam) -> bool:
    """Return whether a stanza may continue over the end of a page."""
    a, before, run = seam.before.lines[-1], seam.before, seam.run
    ended = a.text[-1] in _STANZA_ENDS and len(before.lines) >= _STANZA and len(run.lines) > 1
    return before.inset and run.inset and is_set_like(a, run.lines[0]) and not ended


def _continues_at_another_edge(seam: Seam) -> bool:
    """Return whether a line close below, but set off from the edge differently, is of the same paragraph.

    The first line may have an unusual indent, or be an item of a list whose other lines hang from it.
    """
    before, run, measure = seam.before, seam.run, seam.measure
    parted = seam.b.y - seam.a.y > most_leading(measure) * measure.line_distance(seam.b.size)
    if parted or seam.verse:
        return False
    if before.inset and not run.inset:
        return len(before.lines) == 1
    return run.inset and not before.inset and seam.in_item


def _is_set_right(line: Line, run: Run) -> bool:
    """Return whether a line is set to the right edge, far from the left one."""
    room = min(run.right, line.right) - line.x1
    inset = line.x0 - line.left
    return inset > _FAR_RIGHT * (line.right - line.left) and room < _AT_EDGE * line.size
