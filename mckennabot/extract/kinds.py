"""What a line can be taken for, and the names by which ``--keep`` asks for what is left out."""

from __future__ import annotations

from mckennabot.extract.steps.captions import CAPTION, TABLE
from mckennabot.extract.steps.footnotes import FOOTNOTE
from mckennabot.extract.steps.furniture import FOLIO, HEAD
from mckennabot.extract.steps.sections import BACK, BOILERPLATE, CONTENTS, FRONT, INDEX, PART

KEEP = {
    "furniture": (HEAD, FOLIO),
    "footnotes": (FOOTNOTE,),
    "captions": (CAPTION,),
    "tables": (TABLE,),
    "front-matter": (FRONT,),
    "contents": (CONTENTS,),
    "part-titles": (PART,),
    "index": (INDEX,),
    "back-matter": (BACK,),
    "boilerplate": (BOILERPLATE,),
}
"""Kinds of line by the names of what is left out by default."""


def kept_kinds(keep: frozenset[str]) -> frozenset[str]:
    """The kinds of line that belong to the text when these are asked for."""
    return frozenset(kind for name in keep for kind in KEEP.get(name, ()))
