"""Read the pages of a document that `normalise` has written."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pdfminer.pdfdocument import PDFDocument
from pdfminer.pdfparser import PDFParser
from pdfminer.pdftypes import dict_value, int_value, list_value, resolve1

from mckennabot.extract.page import Contents, OutlineEntry, RawPage
from mckennabot.extract.pdf.device import PageDevice, PageFull
from mckennabot.extract.pdf.drawings import drawings
from mckennabot.extract.pdf.fonts import FontStore
from mckennabot.extract.pdf.geometry import page_matrix, visible_box
from mckennabot.extract.pdf.interpreter import PageInterpreter
from mckennabot.extract.pdf.streams import bound_pdfminer
from mckennabot.extract.pdf.text_layers import without_repeats


class Document:
    """A document whose pages can be read in any order, again and again.

    Args:
        file: what `normalise` wrote.
        contents: what it returned.
    """

    def __init__(self, file: BinaryIO, contents: Contents) -> None:
        bound_pdfminer()
        self._contents = contents
        document = PDFDocument(PDFParser(file))
        self._pages: list[Any] = list(list_value(dict_value(document.catalog.get("Pages")).get("Kids")))
        self._device = PageDevice()
        self._interpreter = PageInterpreter(FontStore(), self._device)

    @property
    def page_count(self) -> int:
        """Number of pages."""
        return len(self._contents.labels)

    def outline(self) -> list[OutlineEntry]:
        """Return its bookmarks."""
        return self._contents.outline

    def pages(self, numbers: Iterable[int]) -> Iterator[RawPage]:
        """Read pages, numbered from 1."""
        return map(self.page, numbers)

    def page(self, number: int) -> RawPage:
        """Read one page.

        Raises:
            Exception: any, for a page that is damaged beyond what the reader forgives.
        """
        reference = self._pages[number - 1]
        attributes = dict_value(reference)
        box = visible_box(_numbers(attributes.get("MediaBox")), _numbers(attributes.get("CropBox")))
        matrix = page_matrix(box, int_value(attributes.get("Rotate")))
        width, height = box[2] - box[0], box[3] - box[1]
        if matrix[0] == 0:  # turned by a quarter
            width, height = height, width
        self._device.clear()
        contents = resolve1(attributes.get("Contents"))
        streams = contents if isinstance(contents, list) else [contents]
        cut = False
        try:
            self._interpreter.render_contents(resolve1(attributes.get("Resources")), streams, ctm=matrix)
        except PageFull:
            cut = True
        device = self._device
        # Before the crop box: a layer that lies partly outside is still the same layer.
        glyphs = without_repeats(device.glyphs, device.hidden)
        inside = [g for g in glyphs if g.x1 >= 0 and g.y1 >= 0 and g.x0 <= width and g.y0 <= height]
        return RawPage(
            number=number,
            label=self._contents.labels[number - 1],
            width=width,
            height=height,
            glyphs=inside,
            outside=[] if len(inside) == len(glyphs) else glyphs,
            images=device.images,
            rules=device.rules,
            drawings=drawings(device.strokes),
            cut=cut,
        )


def open_document(path: Path, password: str | None = None) -> Document:
    """Normalise and open a document in this process; only for files that can be trusted, as in tests.

    Raises:
        InputError: as `normalise`.
    """
    from mckennabot.extract.pdf.normalise import normalise

    target = io.BytesIO()
    return Document(target, normalise(path, password, target))


def _numbers(value: Any) -> list[Any]:
    return [resolve1(n) for n in list_value(value)]
