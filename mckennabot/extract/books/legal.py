"""Words of law and trade, by which the pages of publishers and of Project Gutenberg are known."""

from __future__ import annotations

import re

LEGAL = re.compile(
    r"project gutenberg|copyright|©|all rights reserved|isbn|library of congress|public[- ]domain|e-?text\b|"
    r"printed (in|and bound)|first (published|edition|printing)|published by|creative commons|"
    r"alle rechte|tous droits|dépôt légal|reservados",
    re.IGNORECASE,
)
GUTENBERG_START = re.compile(r"\*\*\*\s*start of (the|this) project gutenberg", re.IGNORECASE)
GUTENBERG_END = re.compile(
    r"\*\*\*\s*end of (the|this) project gutenberg|^end of (the )?project gutenberg|^\W*start: full license",
    re.IGNORECASE,
)
