"""The file as qpdf writes it anew: sound, decrypted, pages in one list, pictures without their data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pikepdf

from mckennabot.errors import InputError
from mckennabot.extract.page import OutlineEntry
from mckennabot.extract.pdf.outline import read_outline

PASSWORD_HINT = "Give its password: mckennabot extract --password ..."


@dataclass(frozen=True)
class Contents:
    """What is known about a document before its pages are read.

    Attributes:
        labels: one for each page, in order; None where the document gives none.
        outline: its bookmarks.
    """

    labels: list[str | None]
    outline: list[OutlineEntry]


def normalise(path: Path, password: str | None, target: BinaryIO) -> Contents:
    """Write a sound version of the document to `target`.

    Raises:
        InputError: it needs a password, or qpdf cannot make sense of it.
    """
    try:
        pdf = pikepdf.open(path, password=password or "", suppress_warnings=True)
    except pikepdf.PasswordError as error:
        wrong = "the password is wrong" if password else "the file is encrypted and needs a password"
        raise InputError(wrong, path=path, hint=PASSWORD_HINT) from error
    except pikepdf.PdfError as error:
        raise InputError("not a readable PDF: damaged beyond repair", path=path) from error
    with pdf:
        pages = list(pdf.pages)
        if not pages:
            raise InputError("the PDF has no pages", path=path)
        contents = Contents(labels=_labels(pdf, pages), outline=read_outline(pdf, pages))
        # Any change to the list of pages makes qpdf flatten the tree and settle what pages inherit.
        pdf.pages.append(pages[0])
        del pdf.pages[-1]
        for thing in pdf.objects:
            if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == "/Image":
                thing.write(b"")
        pdf.save(
            target,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.none,
            compress_streams=False,
            encryption=False,
        )
    return contents


def _labels(pdf: pikepdf.Pdf, pages: list[pikepdf.Page]) -> list[str | None]:
    if "/PageLabels" not in pdf.Root:
        return [None] * len(pages)
    labels: list[str | None] = []
    for page in pages:
        try:
            labels.append(page.label or None)
        except (pikepdf.PdfError, ValueError, TypeError, RuntimeError):
            labels.append(None)
    return labels
