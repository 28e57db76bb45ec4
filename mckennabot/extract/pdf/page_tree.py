"""The pages of a document, with what they inherit, however its tree of pages is made."""

from __future__ import annotations

from typing import Any

import pikepdf

INHERITED = ("/Resources", "/MediaBox", "/CropBox", "/Rotate")
MAX_PAGES = 50_000
MAX_NODES = 500_000
MAX_DEPTH = 1_000

Inherited = dict[str, Any]


def find_pages(pdf: pikepdf.Pdf) -> list[tuple[pikepdf.Dictionary, Inherited]]:
    """Each page's dictionary, with the inheritable entries that hold for it.

    Where the tree gives none, whatever calls itself a page is one.
    """
    pages = _walk(pdf.Root.get("/Pages"))
    if pages:
        return pages
    loose = (thing for thing in pdf.objects if isinstance(thing, pikepdf.Dictionary))
    return [(page, _inherit({}, page)) for page in loose if page.get("/Type") == "/Page"][:MAX_PAGES]


def _walk(root: Any) -> list[tuple[pikepdf.Dictionary, Inherited]]:
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
        kids = node.get("/Kids")
        if isinstance(kids, pikepdf.Array):
            below = _inherit(above, node)
            stack += [(kid, below, depth + 1) for kid in reversed(list(kids)[:MAX_NODES])]
        elif depth or "/Contents" in node:
            pages.append((node, _inherit(above, node)))
    return pages


def _inherit(above: Inherited, node: pikepdf.Dictionary) -> Inherited:
    return {**above, **{name: node[name] for name in INHERITED if name in node}}
