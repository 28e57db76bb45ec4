"""Collects what a page shows: glyphs with their boxes, pictures, thin rules."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pdfminer.pdfdevice import PDFDevice
from pdfminer.pdffont import PDFFont, PDFUnicodeNotDefined
from pdfminer.utils import Matrix, apply_matrix_pt, decode_text, mult_matrix

from mckennabot.extract.page import Box, Glyph

if TYPE_CHECKING:
    from pdfminer.pdfinterp import PDFTextState

RULE_THICKNESS = 3.0  # points; anything thicker is a bar or a box
RULE_LENGTH = 18.0
NO_ASCENT, NO_DESCENT = 0.75, -0.25  # of fonts that do not say
TYPICAL_ASCENT, TYPICAL_DESCENT = (0.3, 1.3), (-0.6, -0.01)


class PageDevice(PDFDevice):
    """Receives one page's drawing operations, in page space (points, y downwards).

    Attributes:
        glyphs, images, rules: as in `RawPage`.
    """

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.clear()

    def clear(self) -> None:
        """Forget the last page."""
        self.glyphs: list[Glyph] = []
        self.images: list[Box] = []
        self.rules: list[Box] = []
        self._tags: list[tuple[str | None, int]] = []

    # Text

    def show(self, state: PDFTextState, seq: Iterable[Any]) -> None:
        """Add the glyphs of a string-showing operator, and move the text position on.

        Args:
            state: font, size, spacing and matrix; its `linematrix` is where the next glyph goes.
            seq: strings, and numbers that move back by thousandths of the font size.
        """
        font = state.font
        if font is None or self.ctm is None:
            return
        shapes = _shapes(font)
        fontsize = state.fontsize
        scaling = state.scaling * 0.01
        vertical = font.is_vertical()
        charspace = state.charspace * (1 if vertical else scaling)
        wordspace = 0 if font.is_multibyte() else state.wordspace * (1 if vertical else scaling)
        width_scale = fontsize * (1 if vertical else scaling)
        back_scale = 0.001 * width_scale
        a, b, c, d, e, f = mult_matrix(state.matrix, self.ctm)
        angle = _direction(c, d, -1) if vertical else _direction(a, b, 1)
        size = _shown_size(font, fontsize, math.hypot(c, d) or math.hypot(a, b))
        name = shapes.name
        rise = state.rise
        low, high = shapes.descent * fontsize + rise, shapes.ascent * fontsize + rise
        left, right = -0.5 * fontsize * scaling, 0.5 * fontsize * scaling
        horizontal = not vertical and b == 0 and c == 0
        upright, sideways = angle in (0, 180), vertical or angle in (90, 270)
        top, bottom = sorted((f + d * low, f + d * high))
        x, y = state.linematrix
        new, append = tuple.__new__, self.glyphs.append
        for part in seq:
            if isinstance(part, bytes):
                for cid in font.decode(part):
                    text, width = shapes[cid]
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
                    if wordspace and cid == 32:
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

    # Marked content: /ActualText stands in place of what is drawn inside it

    def begin_marked(self, actual_text: bytes | None) -> None:
        """Start a span; `actual_text` is the text that it stands for, None if it stands for itself."""
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
            # Spread over the glyphs in proportion, so that a text of several words keeps its places.
            n = len(drawn)
            cuts = [round(i * len(text) / n) for i in range(n + 1)]
            self.glyphs[start:] = [
                glyph._replace(text=text[cuts[i] : cuts[i + 1]]) for i, glyph in enumerate(drawn)
            ]

    # Pictures and rules

    def render_image(self, name: str, stream: Any) -> None:
        """Note where a picture is."""
        if self.ctm is not None:
            self.images.append(_shown_box(self.ctm, (0, 0, 1, 1)))

    def paint_path(self, gstate: Any, stroke: bool, fill: bool, evenodd: bool, path: Sequence[Any]) -> None:
        """Keep a path that is a thin horizontal rule."""
        if self.ctm is None or len(path) > 64:
            return
        points: list[tuple[float, float]] = []
        for segment in [*path, ("m",)]:
            if segment[0] == "m" and len(points) > 1:
                x0, y0 = map(min, zip(*points, strict=True))
                x1, y1 = map(max, zip(*points, strict=True))
                if y1 - y0 <= RULE_THICKNESS and x1 - x0 >= RULE_LENGTH:
                    self.rules.append((x0, y0, x1, y1))
            if segment[0] == "m":
                points = []
            if segment[0] not in "mlh":
                return
            if len(segment) == 3:
                points.append(apply_matrix_pt(self.ctm, segment[1:]))


class _Shapes(dict[int, tuple[str, float]]):
    """A font's characters as they are met: code -> text, width in text space."""

    def __init__(self, font: PDFFont) -> None:
        super().__init__()
        self.font = font
        name = font.fontname
        name = name.decode("latin-1") if isinstance(name, bytes) else str(name)
        self.name = name[7:] if name[6:7] == "+" else name
        ascent, descent = font.get_ascent(), font.get_descent()
        sound = _within(ascent, TYPICAL_ASCENT) and _within(descent, TYPICAL_DESCENT)
        self.ascent, self.descent = (ascent, descent) if sound else (NO_ASCENT, NO_DESCENT)

    def __missing__(self, cid: int) -> tuple[str, float]:
        try:
            text = self.font.to_unichr(cid)
        except PDFUnicodeNotDefined:
            text = ""
        shape = self[cid] = (text, self.font.char_width(cid))
        return shape


def _shapes(font: PDFFont) -> _Shapes:
    shapes: _Shapes | None = getattr(font, "shapes", None)
    if shapes is None:
        shapes = _Shapes(font)
        font.shapes = shapes  # type: ignore[attr-defined]
    return shapes


def _within(value: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= value <= bounds[1]


def _direction(x: float, y: float, sign: int) -> int:
    """The quarter turn nearest to a vector, in degrees clockwise from rightwards."""
    if not (math.isfinite(x) and math.isfinite(y)):
        return 0
    return round(math.degrees(math.atan2(sign * y, sign * x)) / 90) * 90 % 360


def _shown_size(font: PDFFont, fontsize: float, scale: float) -> float:
    """Font size in points as shown; a Type 3 font's own unit is any size, so its bounding box tells."""
    em = 1.0
    if font.vscale != 0.001:
        em = abs(font.bbox[3] - font.bbox[1]) * abs(font.vscale) or 1000 * abs(font.vscale)
    return abs(fontsize) * scale * em


def _shown_box(matrix: Matrix, corners: Box) -> Box:
    x0, y0, x1, y1 = corners
    points = [apply_matrix_pt(matrix, p) for p in ((x0, y0), (x1, y0), (x0, y1), (x1, y1))]
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    return min(xs), min(ys), max(xs), max(ys)


def _decode(text: bytes) -> str:
    """A text string: UTF-16 or UTF-8 with a byte-order mark, else PDFDocEncoding."""
    if text.startswith(b"\xef\xbb\xbf"):
        return text[3:].decode("utf-8", "ignore")
    if text.startswith(b"\xff\xfe"):
        return text[2:].decode("utf-16-le", "ignore")
    return decode_text(text)
