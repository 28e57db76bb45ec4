"""Have qpdf write a file anew: sound, decrypted, pages in one list, pictures without their data.

What reads the result then needs no knowledge of encryption, object streams, damaged tables or page trees.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

import pikepdf

from mckennabot.errors import InputError, PasswordNeeded
from mckennabot.extract.page import Contents
from mckennabot.extract.pdf.geometry import Matrix, page_matrix, visible_box
from mckennabot.extract.pdf.outline import read_outline
from mckennabot.extract.pdf.page_labels import read_labels
from mckennabot.extract.pdf.page_tree import Inherited, find_pages
from mckennabot.extract.pdf.repair import repairs

PASSWORD_HINT = "Give its password: mckennabot extract --password ..."


def normalise(path: Path, password: str | None, target: BinaryIO) -> Contents:
    """Write a sound version of the document to `target`, and return its page labels and bookmarks.

    Raises:
        PasswordNeeded: it needs a password, or another one.
        InputError: it is not a PDF, or is damaged beyond repair.
    """
    # Opened here, because qpdf does not take every file name that the system allows.
    with path.open("rb") as file:
        for source, sound in _sources(file):
            target.seek(0)
            target.truncate()
            try:
                return _normalise(source, password or "", target, sound)
            except pikepdf.PasswordError as error:
                wrong = "the password is wrong" if password else "the PDF is encrypted and needs a password"
                raise PasswordNeeded(wrong, path=path, hint=PASSWORD_HINT) from error
            except Exception as error:
                if "encrypt" in str(error).lower():
                    what = "the PDF is encrypted in a way that is unsupported"
                    raise InputError(what, path=path) from error
        file.seek(0)
        is_pdf = b"%PDF-" in file.read(1024)
    raise InputError(
        "the PDF is damaged beyond repair, or has no pages" if is_pdf else "not a PDF", path=path
    )


def _sources(file: BinaryIO) -> Iterator[tuple[BinaryIO, bool]]:
    """Yield the file, its repaired versions, and the file again; with each, whether it has to be sound.

    qpdf repairs files too, but drops more of them than ours does; so its own repair is taken last.
    """
    yield file, True
    for data in repairs(file):
        yield io.BytesIO(data), False
    yield file, False


def _normalise(source: BinaryIO, password: str, target: BinaryIO, sound: bool) -> Contents:
    with pikepdf.open(
        source, password=password, suppress_warnings=True, inherit_page_attributes=False
    ) as pdf:
        pages = find_pages(pdf)
        if not pages:
            raise ValueError("no pages")
        # Rebuilding a file, qpdf leaves out what it takes for damage; ours is tried before that is
        # accepted.
        if sound and any("reconstruct" in str(warning) for warning in pdf.get_warnings()):
            raise ValueError("qpdf had to guess, and left out what it took for damage")
        contents = Contents(
            labels=read_labels(pdf, len(pages)),
            outline=read_outline(pdf, [(p, _matrix(i)) for p, i in pages]),
        )
        _flatten(pdf, pages)
        for thing in pdf.objects:
            if isinstance(thing, pikepdf.Stream) and thing.get("/Subtype") == "/Image":
                # Nothing here looks at pixels, and they are most of a scanned book.
                thing.write(b"")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about forms to fill in, which nobody reads here
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


def _flatten(pdf: pikepdf.Pdf, pages: list[tuple[pikepdf.Dictionary, Inherited]]) -> None:
    """Leave nothing but the pages, in one list, each with its content and what that needs.

    Attachments, scripts, forms and annotations go, and qpdf writes only what can still be reached.
    """
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
