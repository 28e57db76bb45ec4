"""Read CMaps: they lead from the bytes of a string to codes, and from codes to Unicode or to glyphs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from heapq import heappop, heappush
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from pdfminer.psparser import PSLiteral

from mckennabot.extract.pdf.content_stream import operations

MAX_CODES = 70_000
"""Codes and ranges to read: a little more than two bytes can tell apart."""
MAX_TEXT = 64
"""Characters that one code may stand for."""
MAX_IN_BLOCK = 3 * MAX_CODES
TWO_BYTES = (2, 0, 0xFFFF)
"""The code space of a CMap that does not name one."""


@dataclass
class CMap:
    """The content of a CMap.

    Attributes:
        spaces: (bytes, first, last) of the codes that strings are made of.
        texts: code -> Unicode.
        runs: (first code, last code, Unicode of the first or of each), ranges of codes.
        glyphs: (bytes, first, last, glyph of the first), ranges of codes.
        vertical: whether text runs downwards.
        base: name of the CMap that this one builds on.
        identity: whether codes are Unicode as they are.
    """

    spaces: list[tuple[int, int, int]] = field(default_factory=list)
    texts: dict[int, str] = field(default_factory=dict)
    runs: list[tuple[int, int, Any]] = field(default_factory=list)
    glyphs: list[tuple[int, int, int, int]] = field(default_factory=list)
    vertical: bool = False
    base: str | None = None
    identity: bool = False

    def decode(self, string: bytes) -> Iterator[int]:
        """Yield the codes in a string; bytes outside every code space are skipped."""
        spaces = self._in_turn
        shortest = spaces[0][0]
        at = 0
        while at < len(string):
            for length, first, last in spaces:
                part = string[at : at + length]
                if len(part) == length and _inside(part, first, last):
                    yield int.from_bytes(part, "big")
                    at += length
                    break
            else:
                at += shortest

    def text(self, code: int) -> str:
        """Return the Unicode text of a code; "" if the CMap does not have it."""
        if self.identity:
            return chr(code) if code < 0x110000 else ""
        if code in self.texts:
            return self.texts[code]
        found = _range_of(code, self._sorted_runs, self._run_starts)
        return _nth(found[2], code - found[0]) if found else ""

    def glyph(self, code: int) -> int:
        """Return the glyph of a code; 0, the glyph for missing characters, if it has none."""
        found = _range_of(code, self._sorted_glyphs, self._glyph_starts)
        return found[2] + code - found[0] if found else 0

    # Sorted for bisection when the first code is looked up: CJK fonts have tens of thousands of ranges.

    @cached_property
    def _in_turn(self) -> list[tuple[int, int, int]]:
        return sorted(self.spaces) or [TWO_BYTES]

    @cached_property
    def _sorted_runs(self) -> list[tuple[int, int, Any]]:
        return _disjoint(self.runs)

    @cached_property
    def _run_starts(self) -> list[int]:
        return [first for first, _, _ in self._sorted_runs]

    @cached_property
    def _sorted_glyphs(self) -> list[tuple[int, int, Any]]:
        return _disjoint([(first, last, glyph) for _, first, last, glyph in self.glyphs])

    @cached_property
    def _glyph_starts(self) -> list[int]:
        return [first for first, _, _ in self._sorted_glyphs]


IDENTITY = CMap(identity=True)


def parse_cmap(data: bytes) -> CMap:
    """Parse the CMap of an /Encoding or a /ToUnicode; what makes no sense is left out."""
    cmap = CMap()
    for name, operands in operations(data, MAX_IN_BLOCK):
        # Only these operators matter; CMaps are PostScript programs with much around them.
        if name == b"endcodespacerange":
            for low, high in _groups(operands, 2):
                if isinstance(low, bytes) and isinstance(high, bytes) and 0 < len(low) <= 4:
                    cmap.spaces.append((len(low), _int(low), _int(high)))
        elif name == b"endbfchar":
            for code, text in _groups(operands, 2):
                if isinstance(code, bytes):
                    cmap.texts[_int(code)] = _text(text)
        elif name == b"endbfrange":
            for low, high, target in _groups(operands, 3):
                if isinstance(low, bytes) and isinstance(high, bytes):
                    cmap.runs.append((_int(low), _int(high), target))
        elif name in (b"endcidchar", b"endcidrange"):
            for *codes, glyph in _groups(operands, 2 if name == b"endcidchar" else 3):
                if all(isinstance(code, bytes) for code in codes) and isinstance(glyph, float):
                    cmap.glyphs.append((len(codes[0]), _int(codes[0]), _int(codes[-1]), int(glyph)))
        elif name == b"usecmap" and operands and isinstance(operands[-1], PSLiteral):
            cmap.base = str(operands[-1].name)
        elif name == b"def" and len(operands) > 1 and getattr(operands[-2], "name", None) == "WMode":
            cmap.vertical = operands[-1] == 1
        # A hostile CMap may go on for gigabytes.
        if len(cmap.texts) + len(cmap.runs) + len(cmap.glyphs) > MAX_CODES:
            break
    return cmap


def _disjoint(ranges: list[tuple[int, int, Any]]) -> list[tuple[int, int, Any]]:
    """Sort ranges by their codes; of two that overlap, the one that the CMap names first counts."""
    if any(b[0] <= a[1] for a, b in pairwise(sorted(ranges, key=itemgetter(0)))):
        return list(_without_overlaps(ranges))
    return sorted(ranges, key=itemgetter(0))


def _without_overlaps(ranges: list[tuple[int, int, Any]]) -> Iterator[tuple[int, int, Any]]:
    """Yield ranges cut where they overlap: at each code the earliest in the CMap of those that have it."""
    events = sorted({edge for first, last, _ in ranges for edge in (first, last + 1)})
    waiting = sorted(enumerate(ranges), key=lambda item: item[1][0])
    under: list[tuple[int, int]] = []  # (place in the CMap, last code) of the ranges that are under way
    at = 0
    for start, stop in pairwise(events):
        while at < len(waiting) and waiting[at][1][0] <= start:
            heappush(under, (waiting[at][0], waiting[at][1][1]))
            at += 1
        while under and under[0][1] < start:
            heappop(under)
        if under:
            first, _, target = ranges[under[0][0]]
            yield start, stop - 1, (_Shifted(target, start - first) if start > first else target)


class _Shifted(NamedTuple):
    """The target of a range whose first `by` codes belong to another range."""

    target: Any
    by: int


def _range_of(
    code: int, ranges: list[tuple[int, int, Any]], starts: list[int]
) -> tuple[int, int, Any] | None:
    """Find the range that holds a code; it is returned from where its target begins to count."""
    at = bisect_right(starts, code) - 1
    if at < 0 or ranges[at][1] < code:
        return None
    first, last, target = ranges[at]
    return (first - target.by, last, target.target) if isinstance(target, _Shifted) else (first, last, target)


def _inside(part: bytes, first: int, last: int) -> bool:
    """Return whether each byte lies between those of the range's ends, as code spaces are defined."""
    low, high = first.to_bytes(len(part), "big"), last.to_bytes(len(part), "big")
    return all(a <= b <= c for a, b, c in zip(low, part, high, strict=True))


def _groups(operands: list[Any], size: int) -> Iterator[list[Any]]:
    """Split operands into groups of one size, without an incomplete one at the end."""
    return (operands[i : i + size] for i in range(0, len(operands) - size + 1, size))


def _int(code: bytes) -> int:
    return int.from_bytes(code[:4], "big")


def _nth(target: Any, offset: int) -> str:
    """Return the text of the code `offset` places into a range."""
    # An array names the text of each code; a string that of the first, counted up in its last two bytes.
    if isinstance(target, list):
        return _text(target[offset]) if offset < len(target) else ""
    if not isinstance(target, bytes) or not target:
        return ""
    if len(target) == 1:
        return _text((target[0] + offset).to_bytes(2, "big"))
    return _text(target[:-2] + ((_int(target[-2:]) + offset) & 0xFFFF).to_bytes(2, "big"))


def _text(target: Any) -> str:
    """Decode what a code stands for: UTF-16, or a single byte for itself."""
    if isinstance(target, bytes):
        if len(target) == 1:
            return chr(target[0])
        return target.decode("utf-16-be", "ignore") if len(target) <= 4 * MAX_TEXT else ""
    return ""
