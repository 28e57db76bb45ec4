"""The sample book: what ships is what its source says, typeset as real books are."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest

from mckennabot import corpus
from mckennabot.config import ExtractSettings
from mckennabot.extract import extract_book
from scripts.make_sample import Book, read_book, typeset
from tests.conftest import SAMPLE_PDF, Cli


@pytest.fixture(scope="module")
def book() -> Book:
    return read_book()


def words_of(book: Book) -> list[str]:
    return " ".join(chain.from_iterable(book.segments())).split()


def test_the_source_is_a_book(book: Book) -> None:
    assert len(words_of(book)) >= 9500
    assert book.chapters[0].heading == "Preface"
    assert len(book.chapters) == 6
    kinds = {block.kind for chapter in book.chapters for block in chapter.blocks}
    assert kinds == {"prose", "quote", "attribution", "verse"}
    assert len(book.notes) >= 5


def test_no_mark_of_the_source_is_left_in_its_truth(book: Book) -> None:
    text = "\n".join(chain.from_iterable(book.segments()))
    assert not re.search(r"[*|>#\[\]^\"'\t]|  ", text)


def test_no_paragraph_stands_twice(book: Book) -> None:
    long = [p for p in chain.from_iterable(book.segments()) if len(p.split()) > 12]
    assert len(long) == len(set(long))


def test_the_pdf_that_ships_holds_the_sources_words_in_order(book: Book) -> None:
    from pdfminer.high_level import extract_text

    read = re.sub(r"[-\u00ad]\s*\n\s*", "", extract_text(SAMPLE_PDF)).replace("-", "").split()
    truth = " ".join(words_of(book)).replace("-", "").split()
    held = set(zip(*(read[i:] for i in range(5)), strict=False))
    wanted = list(zip(*(truth[i:] for i in range(5)), strict=False))
    missing = [run for run in wanted if run not in held]
    # Furniture and notes cut a run of words where a page ends, marks of notes where they stand.
    assert len(missing) < 0.05 * len(wanted), missing[:10]


def test_typesetting_gives_the_bytes_that_ship(tmp_path: Path) -> None:
    pytest.importorskip("typst", reason="typst, of the dev extra, typesets the sample")
    made = tmp_path / "sample.pdf"
    typeset(made)
    shipped, again = SAMPLE_PDF.read_bytes(), made.read_bytes()
    if release(again) != release(shipped):
        pytest.skip(f"the sample was set by {release(shipped)}, this is {release(again)}")
    assert again == shipped
    assert len(shipped) < 500_000


def release(pdf: bytes) -> str:
    found = re.search(rb"Typst \d+\.\d+\.\d+", pdf)
    assert found
    return found[0].decode()


def test_the_pdf_is_made_as_real_books_are(book: Book) -> None:
    pikepdf = pytest.importorskip("pikepdf")
    with pikepdf.open(SAMPLE_PDF) as pdf:
        labels = [page.label for page in pdf.pages]
        with pdf.open_outline() as outline:
            titles = [item.title for item in outline.root]
    first = labels.index("1")
    assert labels[:3] == ["i", "ii", "iii"]
    assert labels[first:] == [str(n) for n in range(1, len(labels) - first + 1)]
    assert titles == [chapter.heading for chapter in book.chapters]


def test_the_corpus_of_the_pdf_is_the_source_word_for_word(book: Book, quick_cli: Cli) -> None:
    assert corpus.parse(quick_cli("extract", SAMPLE_PDF, "-o", "-").stdout) == book.segments()


def test_the_report_on_the_pdf_counts_its_chapters_and_notes(book: Book) -> None:
    extracted = extract_book(SAMPLE_PDF, ExtractSettings())
    assert [chapter.title for chapter in extracted.report.chapters] == [c.heading for c in book.chapters]
    assert extracted.report.note_marks == len(book.notes)


def test_the_notes_of_the_pdf_come_back_when_asked_for(book: Book) -> None:
    kept = extract_book(SAMPLE_PDF, ExtractSettings(keep=frozenset({"footnotes"}))).segments
    text = " ".join(paragraph for segment in kept for paragraph in segment)
    for note in book.notes.values():
        assert re.sub(r"[*]", "", note) in text
