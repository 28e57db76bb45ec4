"""Read EPUB: a zip archive of XHTML documents, the order to read them in, and a table of contents."""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag

from mckennabot.errors import InputError
from mckennabot.extract.documents.blocks import MAX_BLOCKS, Block, Source, TocEntry
from mckennabot.extract.documents.decode import decode
from mckennabot.extract.documents.html_elements import local
from mckennabot.extract.documents.html_reader import STEP_WORDS, parse, read_html, without_prolog
from mckennabot.extract.kinds import Kind

MAX_DOCUMENT = 32 << 20
"""Bytes that one document may unpack to: War and Peace has four million."""
MAX_BOOK = 128 << 20
"""Bytes that all of them may unpack to, which bounds zip bombs."""
MAX_FILES = 50_000
MAX_SPINE = 20_000

_DOCUMENTS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document", "")
_NCX = "application/x-dtbncx+xml"
# Scrambled fonts do not protect the text.
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_DRM_HINT = "mckennabot cannot open it; get the book without copy protection (DRM)."
# Kinds of documents by what <guide> and the landmarks call them.
_REFERENCES = {
    **dict.fromkeys(["cover", "title-page", "titlepage", "copyright-page", "dedication"], Kind.FRONT),
    **dict.fromkeys(["toc", "loi", "lot"], Kind.CONTENTS),
    **dict.fromkeys(["glossary", "bibliography", "acknowledgements", "colophon"], Kind.BACK),
    "index": Kind.INDEX,
    "notes": Kind.FOOTNOTE,
    "endnotes": Kind.FOOTNOTE,
    "rearnotes": Kind.FOOTNOTE,
}
# Kinds of documents by their names, for books that declare none.
_FILE_NAMES = (
    (
        re.compile(
            r"(\d+[_-])?(cover|(half[_-]?)?title[_-]?(page)?|copyright|imprint|nav)\d*", re.IGNORECASE
        ),
        Kind.FRONT,
    ),
    (re.compile(r"(\d+[_-])?(toc|contents)\d*", re.IGNORECASE), Kind.CONTENTS),
)


class _Package(NamedTuple):
    """The content of the package document (.opf).

    Attributes:
        spine: names in the archive of the documents to read, in order.
        nav, ncx: names of the tables of contents of EPUB 3 and 2; "" if there is none.
        kinds: kinds of the documents that the guide lists, by name.
    """

    spine: list[str]
    nav: str
    ncx: str
    kinds: dict[str, Kind]


def read_epub(path: Path) -> Source:
    """Return the blocks of an EPUB in the order of its spine.

    Nothing is unpacked to disk, pictures are not read, and the size of what is unpacked is bounded. A
    document that is missing or damaged is reported, and the rest is read.

    Raises:
        InputError: it is not an EPUB, protected against copying, damaged, or without text.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive, path).read()
    except (zipfile.BadZipFile, UnicodeError, NotImplementedError) as error:
        raise InputError(f"not an EPUB ({error})", path=path, hint="An EPUB is a zip archive.") from error
    except OSError as error:
        raise InputError(f"cannot read the EPUB ({error.strerror or error})", path=path) from error


class _Reader:
    """Reads one archive."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self._archive, self._path = archive, path
        names = archive.namelist()
        if len(names) > MAX_FILES:
            raise self._error(f"the EPUB holds {len(names):,} files: too large for a book")
        # Reversed, so that of two entries of one name the first counts.
        self._names = {posixpath.normpath(name): name for name in reversed(names)}
        self._folded = {name.casefold(): name for name in self._names}
        self._left = MAX_BOOK

    def read(self) -> Source:
        self._refuse_drm()
        package = self._package()
        places = {name: place for place, name in reversed(list(enumerate(package.spine, 1)))}
        blocks: list[Block] = []
        notes: set[str] = set()
        marks = 0
        failed: dict[int, str] = {}
        kinds = dict(package.kinds)
        toc = self._toc(package, places, kinds)
        for place, name in enumerate(package.spine, 1):
            try:
                data = self._bytes(name)
            except _UnreadableError as error:
                failed[place] = f"{name}: {error}"
                continue
            document = read_html(data, file=name, place=place, resolve=_resolver(name))
            read = document.blocks
            # File names are a guess, made only if the book itself declares nothing.
            if kind := kinds.get(name) or (None if kinds else _kind_by_name(name)):
                for block in read:
                    block.kind = kind if block.kind == Kind.BODY else block.kind
            blocks += read
            if len(blocks) > MAX_BLOCKS:
                raise self._error(f"more than {MAX_BLOCKS:,} paragraphs: too large for a book")
            notes |= document.notes
            marks += document.marks
        if not blocks:
            reason = f" ({next(iter(failed.values()))})" if failed else ""
            raise self._error(f"no text in the EPUB{reason}")
        _mark_steps(blocks, package.spine)
        names = tuple(package.spine)
        return Source(blocks, toc, frozenset(notes), marks, len(names), failed, names=names)

    def _error(self, what: str, hint: str | None = None) -> InputError:
        return InputError(what, path=self._path, hint=hint)

    def _bytes(self, name: str) -> bytes:
        """Return the content of a file of the archive; its name may differ in case."""
        found = self._names.get(name) or self._names.get(self._folded.get(name.casefold(), ""))
        if found is None:
            raise _UnreadableError("not in the archive")
        # The sizes in the archive's directory may lie, so what is unpacked is counted.
        most = min(MAX_DOCUMENT, self._left)
        try:
            with self._archive.open(found) as file:
                data = file.read(most + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
            raise _UnreadableError(f"damaged ({error})") from error
        except RuntimeError as error:  # zipfile says so when a password is needed
            raise self._error("the EPUB is encrypted", _DRM_HINT) from error
        if len(data) > most:
            what = name if most == MAX_DOCUMENT else "the text"
            bound = MAX_DOCUMENT if most == MAX_DOCUMENT else MAX_BOOK
            raise self._error(f"{what} unpacks to more than {bound >> 20} MB: too large for a book")
        self._left -= len(data)
        return data

    def _xml(self, name: str) -> Any:
        """Return the root of an XML file, None if it has none; no entity is resolved, nothing fetched."""
        from lxml import etree

        parser = etree.XMLParser(
            recover=True,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
        )
        try:
            return etree.fromstring(
                without_prolog(decode(self._bytes(name))).encode("utf-8", "replace"), parser
            )
        except (etree.XMLSyntaxError, ValueError):
            return None

    def _refuse_drm(self) -> None:
        """Refuse a book whose documents are encrypted; Apple's FairPlay leaves a file of its own."""
        if "META-INF/encryption.xml" in self._names:
            root = self._xml("META-INF/encryption.xml")
            ways = [
                e.get("Algorithm") or ""
                for d in _all(root, "EncryptedData")
                for e in _all(d, "EncryptionMethod")
            ]
            if any(way not in _FONT_SCRAMBLING for way in ways):
                raise self._error("the EPUB is protected against copying (DRM)", _DRM_HINT)
        if "META-INF/sinf.xml" in self._names:
            raise self._error("the EPUB is protected against copying (DRM)", _DRM_HINT)

    def _package(self) -> _Package:
        """Read the package document: what to read, and where the tables of contents are."""
        name = self._package_name()
        try:
            root = self._xml(name)
        except _UnreadableError as error:
            raise self._error(f"not an EPUB: its package document {name} is {error}") from error
        items = {e.get("id"): e for e in _all(root, "item")}
        resolve = _resolver(name)
        spine_element = next(_all(root, "spine"), None)
        spine = list(_documents(spine_element, items, resolve))
        # Comics and scanned books have only pictures in their spine.
        if not spine and spine_element is not None and len(spine_element):
            raise self._error("no text in the EPUB: it is made of pictures")
        if not spine:
            raise self._error("not an EPUB: it does not say what to read (no spine)")
        if len(spine) > MAX_SPINE:
            raise self._error(f"the EPUB is made of {len(spine):,} documents: too large for a book")
        nav = next((e for e in items.values() if "nav" in (e.get("properties") or "").split()), None)
        ncx = items.get(spine_element.get("toc")) if spine_element is not None else None
        if ncx is None:
            ncx = next((e for e in items.values() if e.get("media-type") == _NCX), None)
        nav_name, ncx_name = (
            urldefrag(resolve(e.get("href")))[0] if e is not None and e.get("href") else ""
            for e in (nav, ncx)
        )
        return _Package(spine, nav_name, ncx_name, _guide_kinds(root, resolve))

    def _package_name(self) -> str:
        """Return the name of the package document: what the container says, else the first .opf there is."""
        if "META-INF/container.xml" in self._names:
            try:
                for root in _all(self._xml("META-INF/container.xml"), "rootfile"):
                    if root.get("full-path"):
                        return posixpath.normpath(unquote(root.get("full-path")))
            except _UnreadableError:
                pass
        # Many old EPUBs lack the container file, or point to a package that is not there.
        packages = sorted(name for name in self._names if name.lower().endswith(".opf"))
        if not packages:
            raise self._error("not an EPUB: there is no package document in the archive")
        return packages[0]

    def _toc(self, package: _Package, places: dict[str, int], kinds: dict[str, Kind]) -> list[TocEntry]:
        """Return the table of contents, EPUB 3's or else EPUB 2's; add what landmarks say to `kinds`."""
        entries: list[TocEntry] = []
        for name, read in ((package.nav, self._nav), (package.ncx, self._ncx)):
            if not name or entries:
                continue
            try:
                found = list(read(name, kinds))
            except _UnreadableError:
                continue
            for level, title, target in found:
                if title and (place := places.get(urldefrag(target)[0])):
                    entries.append(TocEntry(level, title, place, target))
        return entries

    def _nav(self, name: str, kinds: dict[str, Kind]) -> Iterator[tuple[int, str, str]]:
        tree = parse(self._bytes(name))
        resolve = _resolver(name)
        for nav in _all(tree, "nav"):
            types = (nav.get("epub:type") or nav.get("role") or "toc").replace("doc-", "").split()
            for link in _all(nav, "a"):
                if not (href := link.get("href")):
                    continue
                if "toc" in types:
                    level = sum(_local(e.tag) == "ol" for e in link.iterancestors())
                    yield level, " ".join("".join(link.itertext()).split()), resolve(href)
                elif "landmarks" in types:
                    for kind in (link.get("epub:type") or "").split():
                        if kind in _REFERENCES:
                            kinds.setdefault(urldefrag(resolve(href))[0], _REFERENCES[kind])

    def _ncx(self, name: str, kinds: dict[str, Kind]) -> Iterator[tuple[int, str, str]]:
        del kinds
        resolve = _resolver(name)
        for point in _all(self._xml(name), "navPoint"):
            children = {_local(e.tag): e for e in point}
            if "content" in children and children["content"].get("src") and "navLabel" in children:
                level = 1 + sum(_local(e.tag) == "navPoint" for e in point.iterancestors())
                title = " ".join("".join(children["navLabel"].itertext()).split())
                yield level, title, resolve(children["content"].get("src"))


class _UnreadableError(Exception):
    """Raised when a file of the archive is missing or damaged."""


def _documents(spine: Any, items: dict[Any, Any], resolve: Callable[[str], str]) -> Iterator[str]:
    """Yield the names of the documents that a spine lists, each once; pictures and videos are skipped."""
    seen = set()
    for reference in _all(spine, "itemref"):
        item = items.get(reference.get("idref"))
        if item is None or not item.get("href") or (item.get("media-type") or "") not in _DOCUMENTS:
            continue
        document = urldefrag(resolve(item.get("href")))[0]
        if document not in seen:
            seen.add(document)
            yield document


def _guide_kinds(root: Any, resolve: Callable[[str], str]) -> dict[str, Kind]:
    """Return the kinds of the documents that EPUB 2's guide lists, by name."""
    return {
        urldefrag(resolve(e.get("href")))[0]: _REFERENCES[(e.get("type") or "").lower()]
        for e in _all(next(_all(root, "guide"), None), "reference")
        if (e.get("type") or "").lower() in _REFERENCES and e.get("href")
    }


def _resolver(name: str) -> Callable[[str], str]:
    """Return a function that makes a link in a document a ``file#id`` of the archive."""
    folder = posixpath.dirname(name)

    def resolve(href: str) -> str:
        file, fragment = urldefrag(href)
        target = posixpath.normpath(posixpath.join(folder, unquote(file))) if file else name
        return f"{target}#{unquote(fragment)}" if fragment else target

    return resolve


_STEPS = 3
"""Documents with links to their neighbours from which on these are navigation and not chance."""


def _mark_steps(blocks: Sequence[Block], spine: Sequence[str]) -> None:
    """Mark short blocks that only lead to the document before or the next, as in books made of web pages."""
    places = {name: place for place, name in enumerate(spine, 1)}
    steps = [
        block
        for block in blocks
        if block.kind == Kind.BODY
        and block.targets
        and not block.level
        and block.words <= STEP_WORDS
        and all(abs(places.get(urldefrag(t)[0], -9) - block.place) == 1 for t in block.targets)
    ]
    if len({block.place for block in steps}) >= min(_STEPS, len(spine) - 1):
        for block in steps:
            block.kind = Kind.HEAD


def _all(element: Any, tag: str) -> Iterator[Any]:
    """Yield the elements of a name below one, whatever their namespace."""
    if element is not None:
        yield from (e for e in element.iter() if _local(e.tag) == tag)


def _local(tag: object) -> str:
    """Return a tag's name without its namespace, or the prefix that an HTML parser leaves."""
    return local(tag).rpartition(":")[2]


def _kind_by_name(name: str) -> Kind | None:
    """Return the kind that a document's name says, as in ``title-page.xhtml``; None for most."""
    stem = posixpath.splitext(posixpath.basename(name))[0]
    return next((kind for pattern, kind in _FILE_NAMES if pattern.fullmatch(stem)), None)
