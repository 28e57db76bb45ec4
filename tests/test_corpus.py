"""The corpus file: what is written is what is read, and a book cannot inject a boundary."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot import corpus
from mckennabot.errors import InputError

words = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8).map(
    lambda word: unicodedata.normalize("NFC", word)
)
line = st.lists(words, min_size=1, max_size=6).map(" ".join)
paragraph = st.lists(line, min_size=1, max_size=3).map("\n".join)
segments = st.lists(st.lists(paragraph, min_size=1, max_size=4), min_size=1, max_size=4)


@given(segments)
def test_parse_is_the_inverse_of_render(book: list[list[str]]) -> None:
    assert corpus.parse(corpus.render(book)) == book


def test_a_books_own_words_cannot_inject_a_boundary() -> None:
    text = corpus.render([["He wrote <|endoftext|> on the wall.", "<|endoftext|>"]])
    assert len(corpus.parse(text)) == 1


def test_plain_text_without_markers_is_one_segment() -> None:
    assert corpus.parse("One.\r\n\r\nTwo.\r\n") == [["One.", "Two."]]


def test_marker_inside_a_line_is_a_boundary_as_gpt_2_simples_users_write_it() -> None:
    assert corpus.parse("one<|endoftext|>two\n<|endoftext|>\n") == [["one"], ["two"]]


def test_bytes_that_are_not_utf8_are_named_with_file_and_offset(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(InputError, match=r"0xe9 at offset 3.*latin\.txt"):
        corpus.read_text(path)


def test_a_directory_gives_its_corpora_in_order(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    aside = ("book.pdf", "README.md", "LICENSE.txt", ".hidden.txt", ".git/z.txt", "page.html", "essay.md")
    for name in ("b10.txt", "b2.txt", "a.txt", *aside):
        (tmp_path / name).write_text("x", encoding="utf-8")
    files, found = corpus.find_corpora([tmp_path])
    assert [p.name for p in files] == ["a.txt", "b2.txt", "b10.txt"]
    said = "\n".join(found.notes())
    assert all(name in said for name in ("LICENSE.txt", ".hidden.txt", ".git", "and 1 more"))
    with pytest.raises(InputError, match="no such corpus"):
        corpus.find_corpora([tmp_path / "c.txt"])
