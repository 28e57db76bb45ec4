"""Read Word documents: mammoth makes HTML of them, which is then read like any other."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from mckennabot.errors import InputError
from mckennabot.extract.documents.blocks import Source
from mckennabot.extract.documents.html_reader import read_html

MAX_UNPACKED = 256 << 20
"""Bytes of text, styles and all else but pictures that a document may unpack to."""
# Word's own styles for what is not plain text; mammoth knows those of headings.
_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
p[style-name='TOC Heading'] => p.toc:fresh
p[style-name^='toc'] => p.toc:fresh
p[style-name^='TOC'] => p.toc:fresh
p[style-name='table of figures'] => p.toc:fresh
p[style-name='Caption'] => p.caption:fresh
p[style-name='caption'] => p.caption:fresh
p[style-name='footnote text'] => p.footnote:fresh
p[style-name='endnote text'] => p.endnote:fresh
"""


def read_word(path: Path) -> Source:
    """Return the blocks of a .docx: headings, notes and tables of contents by their styles.

    Raises:
        InputError: it is not a Word document, is protected, or unpacks to more than any book does.
    """
    import mammoth

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist() if "/media/" not in info.filename)
        if size > MAX_UNPACKED:
            raise InputError(
                f"it unpacks to more than {MAX_UNPACKED >> 20} MB: too large for a book", path=path
            )
        with path.open("rb") as file:
            html = mammoth.convert_to_html(
                file, style_map=_STYLES, convert_image=mammoth.images.img_element(lambda image: {"src": ""})
            ).value
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise InputError(
            f"not a .docx ({error})", path=path, hint="Save an older .doc as .docx first."
        ) from error
    except OSError as error:
        raise InputError(f"cannot read the document ({error.strerror or error})", path=path) from error
    except MemoryError:
        raise
    except Exception as error:  # mammoth does not document what it raises for odd XML
        raise InputError(f"a damaged .docx ({type(error).__name__}: {error})", path=path) from error
    document = read_html(html)
    if not document.blocks:
        raise InputError("no text in the document", path=path)
    return Source(document.blocks, notes=frozenset(document.notes), marks=document.marks)
