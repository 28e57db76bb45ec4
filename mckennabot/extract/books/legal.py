"""Recognise imprints and licences by the words of law and trade in them."""

from __future__ import annotations

import re

LEGAL = re.compile(
    r"project gutenberg|copyright|©|all rights reserved|isbn|library of congress|public[- ]domain|e-?text\b|"
    r"printed (in|and bound)|first (published|edition|printing)|published by|creative commons|"
    r"alle rechte|tous droits|dépôt légal|reservados",
    re.IGNORECASE,
)
# The lines between which Project Gutenberg puts a text; "the small print" closed its older headers.
GUTENBERG_START = re.compile(
    r"\*\*\*\s*start of (the|this) project gutenberg|\*end\*?\s*the small print", re.IGNORECASE
)
GUTENBERG_END = re.compile(
    r"\*\*\*\s*end of (the|this) project gutenberg|"
    r"^end of (the |this )?project gutenberg|^\W*start: full license",
    re.IGNORECASE,
)
