"""Collect what a page shows: glyphs with their boxes, pictures, thin rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pdfminer.pdfdevice import PDFDevice
from pdfminer.utils import Matrix, apply_matrix_pt, decode_text, mult_matrix

from mckennabot.extract.page import Box, Glyph
from mckennabot.extract.pdf.fonts import Font

if TYPE_CHECKING:
    from pdfminer.pdfinterp import PDFTextState

# Limits on one page: a page of a book has some thousand glyphs, a hostile one as many as fit.
MAX_GLYPHS = 100_000
MAX_OPERATORS = 1_000_000
MAX_STRING = 30_000
"""Bytes of one string."""
MAX_STROKES = 5_000
INVISIBLE = 3
"""Text rendering mode of text that is there to be found and copied, such as OCR's over a scan."""
RULE_THICKNESS = 3.0
"""Points; anything thicker is a bar or a box."""
RULE_LENGTH = 18.0
"""Points; anything shorter is an underline or a dash."""
_SPACE = 32
"""Code to which the word spacing applies (PDF 32000-1, 9.3.3)."""


class PageFull(Exception):  # noqa: N818 - an end, not an error
    """Raised when a page holds more than any page of a book does; what was collected so far counts."""


class PageDevice(PDFDevice):
    """Receive one page's drawing operations, in page space (points, y downwards).

    Attributes:
        glyphs, images, rules: as in `RawPage`.
        hidden: glyphs that are drawn invisibly.
        strokes: boxes of all paths but horizontal rules.
    """

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.clear()

    def clear(self) -> None:
        """Forget the last page."""
        self.glyphs: list[Glyph] = []
        self.hidden: list[Glyph] = []
        self.images: list[Box] = []
        self.rules: list[Box] = []
        self.strokes: list[Box] = []
        self._tags: list[tuple[str | None, int]] = []
        self._operators = 0

    def count(self, weight: int = 1) -> None:
        """Count an operator, or something that costs as much as `weight` of them.

        Raises:
            PageFull: there were too many, or too many glyphs.
        """
        self._operators += weight
        if self._operators > MAX_OPERATORS or len(self.glyphs) + len(self.hidden) > MAX_GLYPHS:
            raise PageFull

    # Text

    def show(self, state: PDFTextState, seq: Iterable[Any]) -> None:
        """Add the glyphs of a string-showing operator, and advance the text position.

        Runs for every glyph of a book: whatever is the same for a whole string is computed before the loop,
        and horizontal text, nearly all there is, takes a path without calls.

        Args:
            state: font, size, spacing and matrix; its `linematrix` is where the next glyph goes.
            seq: strings, and numbers that move back by thousandths of the font size.
        """
        font: Font | None = state.font  # type: ignore[assignment]
        if font is None or self.ctm is None:
            return
        fontsize = state.fontsize
        scaling = state.scaling * 0.01
        vertical = font.vertical
        charspace = state.charspace * (1 if vertical else scaling)
        wordspace = 0 if font.multibyte else state.wordspace * (1 if vertical else scaling)
        width_scale = fontsize * (1 if vertical else scaling)
        back_scale = 0.001 * width_scale
        a, b, c, d, e, f = mult_matrix(state.matrix, self.ctm)
        angle = _direction(c, d, -1) if vertical else _direction(a, b, 1)
        size = abs(fontsize) * font.em * (math.hypot(c, d) or math.hypot(a, b))
        name = font.name
        rise = state.rise
        low, high = font.descent * fontsize + rise, font.ascent * fontsize + rise
        left, right = -0.5 * fontsize * scaling, 0.5 * fontsize * scaling
        horizontal = not vertical and b == 0 and c == 0
        upright, sideways = angle in (0, 180), vertical or angle in (90, 270)
        top, bottom = sorted((f + d * low, f + d * high))
        x, y = state.linematrix
        new, append = tuple.__new__, (self.hidden if state.render == INVISIBLE else self.glyphs).append
        for part in seq:
            if isinstance(part, bytes):
                for code in font.decode(part[:MAX_STRING]):
                    text, width = font[code]
                    advance = width * width_scale
                    if horizontal:
                        x0 = a * x + e
                        x1 = a * (x + advance) + e
                        if x1 < x0:
                            x0, x1 = x1, x0
                        drop = d * y
                        append(
                            new(
                                Glyph,
                                (
                                    text,
                                    x0,
                                    top + drop,
                                    x1,
                                    bottom + drop,
                                    f + d * rise + drop,
                                    size,
                                    name,
                                    angle,
                                ),
                            )
                        )
                        x += advance + charspace
                    else:
                        if vertical:
                            corners = (x + left, y + rise, x + right, y + rise + advance)
                            origin = (x, y)
                        else:
                            corners = (x, y + low, x + advance, y + high)
                            origin = (x, y + rise)
                        box = _shown_box((a, b, c, d, e, f), corners)
                        at = apply_matrix_pt((a, b, c, d, e, f), origin)
                        baseline = at[0] if sideways and not upright else at[1]
                        append(new(Glyph, (text, *box, baseline, size, name, angle)))
                        if vertical:
                            y += advance + charspace
                        else:
                            x += advance + charspace
                    if wordspace and code == _SPACE:
                        if vertical:
                            y += wordspace
                        else:
                            x += wordspace
            elif isinstance(part, (int, float)):
                if vertical:
                    y -= part * back_scale
                else:
                    x -= part * back_scale
        state.linematrix = (x, y)

    # Marked content: /ActualText replaces what is drawn inside it

    def begin_marked(self, actual_text: bytes | None) -> None:
        """Start a span; `actual_text` is the text to read for it, None to read what is drawn."""
        # Of nested spans the outermost decides: the inner ones are parts of it.
        inside = any(text is not None for text, _ in self._tags)
        text = None if actual_text is None or inside else _decode(actual_text)
        self._tags.append((text, len(self.glyphs)))

    def end_marked(self) -> None:
        """End the innermost span."""
        if not self._tags:
            return
        text, start = self._tags.pop()
        drawn = self.glyphs[start:]
        if text is not None and drawn:
            # In proportion over the glyphs, so that each of several words stays near where it is drawn.
            n = len(drawn)
            cuts = [round(i * len(text) / n) for i in range(n + 1)]
            self.glyphs[start:] = [
                glyph._replace(text=text[cuts[i] : cuts[i + 1]]) for i, glyph in enumerate(drawn)
            ]

    # Pictures and rules

    def render_image(self, name: str, stream: Any) -> None:
        """Keep the box of a picture."""
        if self.ctm is not None:
            self.images.append(_shown_box(self.ctm, (0, 0, 1, 1)))

    def paint_path(self, gstate: Any, stroke: bool, fill: bool, evenodd: bool, path: Sequence[Any]) -> None:
        """Keep the box of a path, as a rule if it is thin, horizontal and long, else as a stroke."""
        if self.ctm is None:
            return
        points: list[tuple[float, float]] = []
        curved = False
        for segment in [*path, ("m",)]:
            if segment[0] == "m" and len(points) > 1:
                x0, y0 = map(min, zip(*points, strict=True))
                x1, y1 = map(max, zip(*points, strict=True))
                # Rules stand above footnotes and around tables; other strokes may be a drawing.
                if not curved and y1 - y0 <= RULE_THICKNESS and x1 - x0 >= RULE_LENGTH:
                    self.rules.append((x0, y0, x1, y1))
                elif y1 - y0 > RULE_THICKNESS and len(self.strokes) < MAX_STROKES:
                    self.strokes.append((x0, y0, x1, y1))
            if segment[0] == "m":
                points, curved = [], False
            curved = curved or segment[0] == "c"
            points += [apply_matrix_pt(self.ctm, segment[n : n + 2]) for n in range(1, len(segment) - 1, 2)]


def _direction(x: float, y: float, sign: int) -> int:
    """Return the quarter turn nearest to a vector, in degrees clockwise from rightwards."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return 0
    return round(math.degrees(math.atan2(sign * y, sign * x)) / 90) * 90 % 360


def _shown_box(matrix: Matrix, corners: Box) -> Box:
    """Return the upright box around a box that a matrix may turn or slant."""
    x0, y0, x1, y1 = corners
    points = [apply_matrix_pt(matrix, p) for p in ((x0, y0), (x1, y0), (x0, y1), (x1, y1))]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs), min(ys), max(xs), max(ys)


def _decode(text: bytes) -> str:
    """Decode a text string: UTF-16 or UTF-8 with a byte-order mark, else PDFDocEncoding."""
    if text.startswith(b"\xef\xbb\xbf"):
        return text[3:].decode("utf-8", "ignore")
    if text.startswith(b"\xff\xfe"):
        return text[2:].decode("utf-16-le", "ignore")
    return decode_text(text)
