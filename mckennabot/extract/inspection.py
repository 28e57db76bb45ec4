"""Draws pages for ``--inspect``: each line in a box, coloured by what it was taken for."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from mckennabot.extract.kinds import Kind
from mckennabot.extract.model import Line, Page

_STYLE = """
body { margin: 1.5em; font: 14px system-ui, sans-serif; background: #f4f4f4; color: #222 }
svg { background: #fff; border: 1px solid #ccc; width: 100%; max-width: 60em; display: block }
svg text { font-family: serif; fill: #222 }
.key span { padding: .15em .6em; margin-right: .4em; color: #fff; border-radius: .2em; white-space: nowrap }
"""


_GENERATOR = '<meta name="generator" content="mckennabot extract --inspect">'


def is_inspection(path: Path) -> bool:
    """Return whether a file is such a page, which another one may replace."""
    try:
        with path.open("rb") as file:
            return _GENERATOR.encode("ascii") in file.read(500)
    except OSError:
        return False


def inspect_html(title: str, pages: list[Page]) -> str:
    """Return a page of HTML, complete in itself, that shows these pages one below the other.

    Args:
        title: of the book.
        pages: whose lines have their kinds.
    """
    found = {line.kind for page in pages for line in page.lines}
    kinds = [kind for kind in Kind if kind in found]
    key = "".join(f'<span style="background:{kind.colour}">{kind}</span>' for kind in kinds)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8">{_GENERATOR}<title>{escape(title)}</title>'
        f"<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n"
        f'<p class="key">{key}</p>\n<p>A bar on the left: a paragraph begins. Grey: a picture. '
        "Point at a line to see which step decided what it is, and why.</p>\n"
        + "\n".join("\n".join(_page(page)) for page in pages)
        + "\n</html>\n"
    )


def _page(page: Page) -> Iterator[str]:
    width, height = page.width, page.height
    if page.angle in (90, 270):
        width, height = height, width
    label = f" ({escape(page.label)})" if page.label else ""
    yield f'<h2 id="p{page.number}">Page {page.number}{label}</h2>'
    yield f'<svg viewBox="0 0 {width:g} {height:g}" xmlns="http://www.w3.org/2000/svg">'
    upright = _transform(page.angle, width, height)
    for x0, y0, x1, y1 in page.images:
        if page.mirrored:
            x0, x1 = page.width - x1, page.width - x0
        yield (
            f'<rect {upright} x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}" '
            'fill="#ddd"/>'
        )
    for line in page.lines:
        left = page.width - line.x1 if page.mirrored and not line.angle else line.x0
        yield _line(line, left, _transform((page.angle + line.angle) % 360, width, height))
    yield "</svg>"


def _transform(angle: int, width: float, height: float) -> str:
    """Back from the space in which a text runs from left to right to that of the page as shown."""
    matrix = {
        90: f"0 1 -1 0 {width:g} 0",
        180: f"-1 0 0 -1 {width:g} {height:g}",
        270: f"0 -1 1 0 0 {height:g}",
    }.get(angle)
    return f'transform="matrix({matrix})"' if matrix else ""


def _line(line: Line, left: float, transform: str) -> str:
    colour = line.kind.colour
    top, width, height = line.y - 0.85 * line.size, line.x1 - line.x0, 1.15 * line.size
    about = f"{line.kind}, {line.size:g} pt {line.font}" + (f"\n{line.why}" if line.why else "")
    text = line.initial + line.text
    bar = f'<path d="M{left - 3:.1f} {top:.1f}v{height:.1f}" stroke="{colour}" stroke-width="2"/>'
    return (
        f"<g {transform}><title>{escape(about)}</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f'fill="{colour}" fill-opacity=".18" stroke="{colour}" stroke-width=".5"/>{bar if line.opens else ""}'
        f'<text x="{left:.1f}" y="{line.y:.1f}" font-size="{0.9 * line.size:.1f}" '
        f'textLength="{width:.1f}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text></g>'
    )
