"""Read the bookmarks of a document, each resolved to a page and a height on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pikepdf

from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.pdf.geometry import Matrix

# Limits on outlines that refer to themselves or do not end.
MAX_ENTRIES = 20_000
MAX_DEPTH = 64
_COORDINATES: dict[str, tuple[int | None, int | None]] = {
    "/XYZ": (2, 3),
    "/FitH": (None, 2),
    "/FitBH": (None, 2),
    "/FitR": (2, 5),
}
"""Where the left and the top of a view stand in its array, by the kind of view."""


def read_outline(pdf: pikepdf.Pdf, pages: list[tuple[pikepdf.Dictionary, Matrix]]) -> list[OutlineEntry]:
    """Return the bookmarks that lead to a page of this document, in the order in which they are listed.

    A broken outline gives what could be read of it; cycles and absurd lengths end it.

    Args:
        pdf: the document.
        pages: each page's dictionary, and the matrix from its coordinates to page space.
    """
    numbers = {page.objgen: number for number, (page, _) in enumerate(pages, 1)}
    named = _named(pdf)
    entries: list[OutlineEntry] = []
    try:
        for level, item in _items(pdf.Root.get("/Outlines")):
            found = _destination(item, named)
            if found is None or found[0].objgen not in numbers:
                continue
            number = numbers[found[0].objgen]
            title = str(item.get("/Title", "")).strip()
            if title:
                entries.append(OutlineEntry(level, title, number, _height(found, pages[number - 1][1])))
    except (pikepdf.PdfError, ValueError, TypeError, KeyError, RuntimeError, UnicodeError):
        pass
    return entries


def _items(root: Any) -> Iterator[tuple[int, pikepdf.Dictionary]]:
    """Yield every item of the tree with its depth, each once."""
    seen: set[tuple[int, int]] = set()
    stack = [(1, root.get("/First"))] if isinstance(root, pikepdf.Dictionary) else []
    while stack and len(seen) < MAX_ENTRIES:
        level, item = stack.pop()
        if not isinstance(item, pikepdf.Dictionary) or item.objgen in seen:
            continue
        seen.add(item.objgen)
        yield level, item
        stack.append((level, item.get("/Next")))
        if level < MAX_DEPTH:
            stack.append((level + 1, item.get("/First")))


def _named(pdf: pikepdf.Pdf) -> dict[str, Any]:
    """Return the named destinations: the dictionary of PDF 1.1, and the name tree of PDF 1.2."""
    named: dict[str, Any] = {}
    try:
        old = pdf.Root.get("/Dests")
        if isinstance(old, pikepdf.Dictionary):
            named.update({str(name)[1:]: value for name, value in old.items()})
        names = pdf.Root.get("/Names")
        tree = names.get("/Dests") if isinstance(names, pikepdf.Dictionary) else None
        if isinstance(tree, pikepdf.Dictionary):
            named.update(pikepdf.NameTree(tree).items())
    except (pikepdf.PdfError, ValueError, TypeError, RuntimeError, UnicodeError):
        pass
    return named


def _destination(item: pikepdf.Dictionary, named: dict[str, Any]) -> pikepdf.Array | None:
    """Return where a bookmark leads, [page, kind of view, coordinates …]; None if not into this document."""
    target: Any = item.get("/Dest")
    if target is None:
        action = item.get("/A")
        # Other actions open web pages or other files.
        if not isinstance(action, pikepdf.Dictionary) or action.get("/S") != "/GoTo":
            return None
        target = action.get("/D")
    if isinstance(target, (pikepdf.String, pikepdf.Name)):
        target = named.get(str(target).removeprefix("/"))
    if isinstance(target, pikepdf.Dictionary):
        target = target.get("/D")
    if isinstance(target, pikepdf.Array) and len(target) and isinstance(target[0], pikepdf.Dictionary):
        return target
    return None


def _height(destination: pikepdf.Array, matrix: Matrix) -> float | None:
    """Return the height in page space at which the view starts; None if it is the whole page."""
    kind = str(destination[1]) if len(destination) > 1 else ""
    left, top = _COORDINATES.get(kind, (None, None))
    upright = matrix[1] == 0  # on a page turned by a quarter, the height shown is its own x
    at = top if upright else left
    if at is None or len(destination) <= at:
        return None
    try:
        return float(destination[at]) * (matrix[3] if upright else matrix[1]) + matrix[5]
    except (TypeError, ValueError):
        return None
