"""The pages of a document that `normalise` has put in order."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pdfminer.pdfdocument import PDFDocument
from pdfminer.pdfinterp import PDFResourceManager
from pdfminer.pdfparser import PDFParser
from pdfminer.pdftypes import dict_value, int_value, list_value, resolve1
from pdfminer.utils import MATRIX_IDENTITY, Matrix, mult_matrix

from mckennabot.extract.page import Box, Glyph, OutlineEntry, RawPage
from mckennabot.extract.pdf.device import PageDevice
from mckennabot.extract.pdf.interpreter import PageInterpreter
from mckennabot.extract.pdf.normalise import Contents, normalise

LETTER: Box = (0, 0, 612, 792)


class Document:
    """A document whose pages can be read in any order.

    Args:
        file: what `normalise` wrote.
        contents: what it found out meanwhile.
    """

    def __init__(self, file: BinaryIO, contents: Contents) -> None:
        self._contents = contents
        document = PDFDocument(PDFParser(file))
        self._pages: list[Any] = list(list_value(dict_value(document.catalog.get("Pages")).get("Kids")))
        self._device = PageDevice()
        self._interpreter = PageInterpreter(PDFResourceManager(), self._device)

    @property
    def page_count(self) -> int:
        """How many pages it has."""
        return len(self._contents.labels)

    def outline(self) -> list[OutlineEntry]:
        """Its bookmarks."""
        return self._contents.outline

    def pages(self, numbers: Iterable[int]) -> Iterator[RawPage]:
        """Read pages, numbered from 1."""
        return map(self.page, numbers)

    def page(self, number: int) -> RawPage:
        """Read one page.

        Raises:
            Exception: anything at all, for a page that is damaged beyond what the reader forgives.
        """
        reference = self._pages[number - 1]
        attributes = dict_value(reference)
        box, turned = _geometry(attributes)
        width, height = box[2] - box[0], box[3] - box[1]
        if turned[0] == 0:
            width, height = height, width
        self._device.clear()
        contents = resolve1(attributes.get("Contents"))
        streams = contents if isinstance(contents, list) else [contents]
        self._interpreter.render_contents(resolve1(attributes.get("Resources")) or {}, streams, ctm=turned)
        device = self._device
        return RawPage(
            number=number,
            label=self._contents.labels[number - 1],
            width=width,
            height=height,
            glyphs=_shown(device.glyphs, width, height),
            images=device.images,
            rules=device.rules,
        )


def open_document(path: Path, password: str | None = None) -> Document:
    """Read a document in this process; only for files that can be trusted.

    Raises:
        InputError: as `normalise`.
    """
    target = io.BytesIO()
    return Document(target, normalise(path, password, target))


def _geometry(attributes: dict[str, Any]) -> tuple[Box, Matrix]:
    """The visible box in the page's own coordinates, and the matrix from there to page space."""
    media = _box(attributes.get("MediaBox")) or LETTER
    crop = _box(attributes.get("CropBox")) or media
    x0, y0 = max(media[0], crop[0]), max(media[1], crop[1])
    x1, y1 = min(media[2], crop[2]), min(media[3], crop[3])
    if x1 <= x0 or y1 <= y0:
        x0, y0, x1, y1 = media
    rotation = int_value(attributes.get("Rotate")) % 360
    matrix: Matrix = {
        90: (0, 1, 1, 0, -y0, -x0),
        180: (-1, 0, 0, 1, x1, -y0),
        270: (0, -1, -1, 0, y1, x1),
    }.get(rotation, (1, 0, 0, -1, -x0, y1))
    return (x0, y0, x1, y1), mult_matrix(MATRIX_IDENTITY, matrix)


def _box(value: Any) -> Box | None:
    numbers = [resolve1(n) for n in list_value(value)]
    if len(numbers) != 4 or not all(isinstance(n, (int, float)) for n in numbers):
        return None
    x0, x1 = sorted((float(numbers[0]), float(numbers[2])))
    y0, y1 = sorted((float(numbers[1]), float(numbers[3])))
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _shown(glyphs: list[Glyph], width: float, height: float) -> list[Glyph]:
    """Without what lies outside the page, such as a printer's slug line; with it if most of the text does."""
    inside = [g for g in glyphs if g.x1 >= 0 and g.y1 >= 0 and g.x0 <= width and g.y0 <= height]
    return inside if len(inside) * 2 >= len(glyphs) else glyphs
