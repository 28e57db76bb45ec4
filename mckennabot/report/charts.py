"""Curves as SVG: no script, no style of its own; colours and letters are the page's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Point = tuple[float, float]

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 16, 18, 34
MOST_POINTS = 240
"""More than this and a curve of a long run is megabytes of noise."""


@dataclass(frozen=True)
class Curve:
    """A line in a chart.

    Attributes:
        name: for the key.
        css: its class: ``pale`` or ``strong``.
        points: (x, y) in the order of x.
        dots: whether each point is marked.
    """

    name: str
    css: str
    points: Sequence[Point]
    dots: bool = False


def chart(
    curves: Sequence[Curve], *, label: str, x_name: str, y_name: str, mark: tuple[float, str] | None = None
) -> str:
    """Return a chart of curves over one axis.

    Args:
        curves: those that have points are drawn.
        label: what the chart shows, for those who do not see it.
        x_name: of the axis below.
        y_name: of the axis at the left.
        mark: an x to mark with a line, and its words.

    Returns:
        An ``<svg>`` element; "" where there is nothing to show.
    """
    curves = [Curve(c.name, c.css, _thinned(c.points), c.dots) for c in curves if len(c.points) > 1]
    if not curves:
        return ""
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    x_ticks, y_ticks = _ticks(min(xs), max(xs), 6), _ticks(min(ys), max(ys), 4)
    x_low, x_high = min(xs), max(xs)
    y_low, y_high = min(*ys, y_ticks[0]), max(*ys, y_ticks[-1])

    def place(x: float, y: float) -> tuple[float, float]:
        across = (x - x_low) / ((x_high - x_low) or 1)
        up = (y - y_low) / ((y_high - y_low) or 1)
        return LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">']
    for y in y_ticks:
        height = place(x_low, y)[1]
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>'
        )
        parts.append(f'<text class="y" x="{LEFT - 8}" y="{height + 4:.1f}">{_number(y)}</text>')
    for x in x_ticks:
        across = place(x, y_low)[0]
        parts.append(f'<text class="x" x="{across:.1f}" y="{HEIGHT - BOTTOM + 18}">{_number(x)}</text>')
    parts.append(f'<text class="axis" x="{LEFT}" y="{TOP - 6}">{escape(y_name)}</text>')
    parts.append(f'<text class="axis end" x="{WIDTH - RIGHT}" y="{HEIGHT - 3}">{escape(x_name)}</text>')
    if mark is not None:
        across = place(mark[0], y_low)[0]
        side = "end" if across > WIDTH / 2 else ""
        shift = -6 if side else 6
        parts.append(
            f'<line class="mark" x1="{across:.1f}" x2="{across:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        parts.append(
            f'<text class="note {side}" x="{across + shift:.1f}" y="{TOP + 10}">{escape(mark[1])}</text>'
        )
    for curve in curves:
        placed = [place(x, y) for x, y in curve.points]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
        parts.append(f'<path class="{curve.css}" d="{path}"/>')
        if curve.dots:
            parts += [f'<circle class="{curve.css}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in placed]
    return "".join([*parts, "</svg>"])


def _thinned(points: Sequence[Point]) -> list[Point]:
    """At most `MOST_POINTS`, each the mean of its part of the points."""
    if len(points) <= MOST_POINTS:
        return [(float(x), float(y)) for x, y in points]
    cuts = [len(points) * i // MOST_POINTS for i in range(MOST_POINTS + 1)]
    parts = [points[a:b] for a, b in itertools.pairwise(cuts)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers within a range, about so many.

    >>> _ticks(0, 160, 6)
    [0.0, 25.0, 50.0, 75.0, 100.0, 125.0, 150.0]
    >>> _ticks(3.52, 4.31, 4)
    [3.6, 3.8, 4.0, 4.2]
    """
    if high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 10) for i in range(first, last + 1)] or [low]


def _number(value: float) -> str:
    return f"{value:,.10g}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
