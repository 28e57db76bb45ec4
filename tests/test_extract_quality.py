"""What comes out of whole books, against their exact text, by the scorer that comes with those books."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.corpus import render
from mckennabot.extract import extract_book
from tests.conftest import SHARED

QUALITY = SHARED / "quality"
BOOKS = sorted(path.stem for path in (QUALITY / "books").glob("*.pdf")) or ["absent"]


@pytest.mark.parametrize("book", BOOKS)
def test_a_whole_book_meets_the_goals(book: str, tmp_path: Path) -> None:
    if book == "absent":
        pytest.skip("needs ../shared/quality, books with their exact text")
    text = render(extract_book(QUALITY / "books" / f"{book}.pdf", ExtractSettings()).segments)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(text, encoding="utf-8")
    truth = QUALITY / "books" / f"{book}.truth.json"
    done = subprocess.run(
        [sys.executable, QUALITY / "score_corpus.py", corpus, truth, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    score = json.loads(done.stdout)
    assert score["score"] >= 99
    assert score["text_f1"] >= 0.998
    assert score["paragraph_f1"] >= 0.99
    assert score["segment_f1"] >= 0.99
    assert score["verse_f1"] is None or score["verse_f1"] >= 0.9 or not _has_verse(truth)
    assert score["furniture_residue"] <= 0.5
    assert score["hyphen_errors"] <= 3
    assert score["space_errors"] <= 1
    assert score["bad_chars"] == 0
    # An article is no book: the title at its head stays.
    assert score["neutral_kept_pct"] <= (1.2 if book == "multicolumn-article" else 0.1)
    assert score["deleted_per_10k"] <= 3


def _has_verse(truth: Path) -> bool:
    segments = json.loads(truth.read_text(encoding="utf-8"))["segments"]
    return any("\n" in paragraph for segment in segments for paragraph in segment["paragraphs"])
