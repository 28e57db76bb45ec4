"""Find the pages of a document with what they inherit, whatever shape its page tree is in."""

from __future__ import annotations

from typing import Any

import pikepdf

INHERITED = ("/Resources", "/MediaBox", "/CropBox", "/Rotate")
# Limits on trees that refer to themselves or list one page a million times.
MAX_PAGES = 50_000
MAX_NODES = 500_000
MAX_DEPTH = 1_000

Inherited = dict[str, Any]
"""The inheritable entries of a page, its own before those of the nodes above it."""


def find_pages(pdf: pikepdf.Pdf) -> list[tuple[pikepdf.Dictionary, Inherited]]:
    """Return each page's dictionary in reading order, with the inheritable entries that hold for it.

    If the tree leads to no page, as in a file that was cut off, take every object that calls itself one.
    """
    pages = _walk(pdf.Root.get("/Pages"))
    if pages:
        return pages
    loose = (thing for thing in pdf.objects if isinstance(thing, pikepdf.Dictionary))
    return [(page, _inherit({}, page)) for page in loose if page.get("/Type") == "/Page"][:MAX_PAGES]


def _walk(root: Any) -> list[tuple[pikepdf.Dictionary, Inherited]]:
    """Collect the leaves of the tree, depth first and without recursion; each indirect node counts once."""
    pages: list[tuple[pikepdf.Dictionary, Inherited]] = []
    seen: set[tuple[int, int]] = set()
    stack: list[tuple[Any, Inherited, int]] = [(root, {}, 0)]
    nodes = 0
    while stack and len(pages) < MAX_PAGES and nodes < MAX_NODES:
        node, above, depth = stack.pop()
        nodes += 1
        if not isinstance(node, pikepdf.Dictionary) or depth > MAX_DEPTH:
            continue
        if node.is_indirect:
            if node.objgen in seen:
                continue
            seen.add(node.objgen)
        # A node is a page if it has no /Kids: some writers leave out /Type.
        kids = node.get("/Kids")
        if isinstance(kids, pikepdf.Array):
            below = _inherit(above, node)
            stack += [(kid, below, depth + 1) for kid in reversed(list(kids)[:MAX_NODES])]
        elif depth or "/Contents" in node:
            pages.append((node, _inherit(above, node)))
    return pages


def _inherit(above: Inherited, node: pikepdf.Dictionary) -> Inherited:
    return {**above, **{name: node[name] for name in INHERITED if name in node}}
