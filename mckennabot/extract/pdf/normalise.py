"""The file as qpdf writes it anew: sound, decrypted, pages in one list, pictures without their data."""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pikepdf

from mckennabot.errors import InputError, PasswordNeeded
from mckennabot.extract.page import Contents
from mckennabot.extract.pdf.geometry import Matrix, page_matrix, visible_box
from mckennabot.extract.pdf.labels import read_labels
from mckennabot.extract.pdf.outline import read_outline
from mckennabot.extract.pdf.rescue import rescues
from mckennabot.extract.pdf.tree import Inherited, find_pages

PASSWORD_HINT = "Give its password: mckennabot extract --password ..."


def normalise(path: Path, password: str | None, target: BinaryIO) -> Contents:
    """Write a sound version of the document to `target`.

    Raises:
        InputError: it needs a password, or qpdf cannot make sense of it.
    """
    # A file that is open has no name that qpdf would have to understand.
    with path.open("rb") as file, contextlib.ExitStack() as stack:
        pdf, pages = _open(file, path, password)
        stack.enter_context(pdf)
        contents = Contents(
            labels=read_labels(pdf, len(pages)),
            outline=read_outline(pdf, [(p, _matrix(i)) for p, i in pages]),
        )
        _flatten(pdf, pages)
        for thing in pdf.objects:
            if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == "/Image":
                thing.write(b"")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about forms to fill in, which are not read
            pdf.save(
                target,
                object_stream_mode=pikepdf.ObjectStreamMode.disable,
                stream_decode_level=pikepdf.StreamDecodeLevel.none,
                compress_streams=False,
                encryption=False,
                fix_metadata_version=False,
            )
    target.flush()
    return contents


def _open(
    file: BinaryIO, path: Path, password: str | None
) -> tuple[pikepdf.Pdf, list[tuple[pikepdf.Dictionary, Inherited]]]:
    """The document, and its pages, of which there is one at least."""
    sources: Iterator[BinaryIO] = itertools.chain((file,), map(io.BytesIO, rescues(path)))
    for source in sources:
        try:
            pdf = pikepdf.open(
                source, password=password or "", suppress_warnings=True, inherit_page_attributes=False
            )
            if pages := find_pages(pdf):
                return pdf, pages
        except pikepdf.PasswordError as error:
            wrong = "the password is wrong" if password else "the PDF is encrypted and needs a password"
            raise PasswordNeeded(wrong, path=path, hint=PASSWORD_HINT) from error
        except pikepdf.PdfError as error:
            if "encrypt" in str(error).lower():
                raise InputError("the PDF is encrypted in a way that is unsupported", path=path) from error
    file.seek(0)
    is_pdf = b"%PDF-" in file.read(1024)
    what = "the PDF is damaged beyond repair, or has no pages" if is_pdf else "not a PDF"
    raise InputError(what, path=path)


def _flatten(pdf: pikepdf.Pdf, pages: list[tuple[pikepdf.Dictionary, Inherited]]) -> None:
    """Leave nothing but the pages, in one list, each with what it is shown by."""
    tree = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Pages, Count=len(pages)))
    tree.Kids = pikepdf.Array(
        pdf.make_indirect(
            pikepdf.Dictionary(
                {"/Type": pikepdf.Name.Page, "/Parent": tree, **above}
                | ({"/Contents": page["/Contents"]} if "/Contents" in page else {})
            )
        )
        for page, above in pages
    )
    pdf.trailer.Root = pdf.make_indirect(pikepdf.Dictionary(Type=pikepdf.Name.Catalog, Pages=tree))


def _matrix(page: Inherited) -> Matrix:
    box = visible_box(_numbers(page.get("/MediaBox")), _numbers(page.get("/CropBox")))
    rotation = page.get("/Rotate", 0)
    return page_matrix(box, rotation if isinstance(rotation, int) else 0)


def _numbers(value: Any) -> list[Any]:
    items = list(value) if isinstance(value, pikepdf.Array) else []
    return [float(n) if isinstance(n, Decimal) else n for n in items]
