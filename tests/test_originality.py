"""Originality: exact answers on texts made by hand, and equal to a search by brute force."""

from __future__ import annotations

import random
import resource
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot.errors import ModelError
from mckennabot.originality import COPIED_FROM, FILE, Index, Place, words

BOOK = [
    ["One", "We are led by the least among us, and the least intelligent, and nobody votes for it."],
    ["Two", "The mushroom said: nature loves courage. You make the commitment and nature will respond."],
]


@pytest.fixture
def index() -> Index:
    return Index.build([("other.txt", [["Nothing here."]]), ("book.txt", BOOK)])


def test_a_copied_run_is_found_whatever_its_case_and_punctuation(index: Index) -> None:
    text = "Crypto-geometers say NATURE LOVES COURAGE -- you make the commitment, and nature dances."
    report = index.report(text)
    assert report.longest is not None
    assert text[report.longest.start : report.longest.end].startswith("NATURE LOVES")
    assert text[report.longest.start : report.longest.end].endswith("and nature")
    assert report.longest.words == 9
    assert report.longest.place == Place("book.txt", 2, 2)
    assert report.copied == [report.longest]
    assert report.share == pytest.approx(9 / 12)
    assert [text[a:b] for a, b in report.new] == ["Crypto-geometers", "say", "dances"]


def test_a_run_does_not_go_on_from_one_segment_to_the_next(index: Index) -> None:
    report = index.report("nobody votes for it two the mushroom said")
    assert report.longest is not None
    assert (report.longest.words, report.copied, report.share) == (4, [], 0.0)


def test_words_of_the_prefix_do_not_count(index: Index) -> None:
    prefix, text = "You make the commitment and nature", "You make the commitment and nature will respond."
    report = index.report(text, len(prefix))
    assert (report.words, report.longest and report.longest.words) == (2, 2)


@pytest.mark.parametrize(
    ("text", "compared"),
    [
        ("Don’t don't DONT", ["dont"] * 3),
        ("e\u0301tude ÉTUDE", ["étude"] * 2),
        ("crypto-geometers' self\u00adsame -- x_y 3.5", ["cryptogeometers", "selfsame", "x", "y", "3", "5"]),
        ("… — 🜏", []),
    ],
)
def test_words_as_they_are_compared(text: str, compared: list[str]) -> None:
    assert [key for key, _, _ in words(text)] == compared


few = st.lists(st.sampled_from("abc"), max_size=30)


@given(st.lists(few, min_size=1, max_size=3), st.lists(st.sampled_from("abcx"), max_size=30))
def test_equals_a_search_by_brute_force(corpus: list[list[str]], text: list[str]) -> None:
    index = Index.build([("a", [[" ".join(segment)] for segment in corpus])])
    report = index.report(" ".join(text))
    sub_runs = {
        tuple(segment[i:j])
        for segment in corpus
        for i in range(len(segment))
        for j in range(i + 1, len(segment) + 1)
    }
    copied = {
        (i, j) for i in range(len(text)) for j in range(i + 1, len(text) + 1) if tuple(text[i:j]) in sub_runs
    }
    assert (report.longest.words if report.longest else 0) == max((j - i for i, j in copied), default=0)
    in_long = {k for i, j in copied if j - i >= COPIED_FROM for k in range(i, j)}
    assert report.share == pytest.approx(len(in_long) / len(text) if text else 0.0)
    covered = {k for run in report.copied for k in range(run.start // 2, (run.end + 1) // 2)}
    assert covered == in_long
    known = {word for segment in corpus for word in segment}
    assert [a // 2 for a, _ in report.new] == [i for i, word in enumerate(text) if word not in known]


def test_the_saved_index_needs_no_corpus(index: Index, tmp_path: Path) -> None:
    index.save(tmp_path)
    text = "We are led by the least among us and the least of machines"
    assert Index.load(tmp_path).report(text) == index.report(text)
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:-200])
    with pytest.raises(ModelError, match="damaged"):
        Index.load(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(ModelError, match="no index"):
        Index.load(tmp_path)


def test_an_empty_corpus_has_nothing_to_copy() -> None:
    report = Index.build([]).report("some words")
    assert (report.words, report.longest, report.share, len(report.new)) == (2, None, 0.0, 2)


@pytest.mark.slow
def test_a_million_words_take_seconds_and_linear_space() -> None:
    vocabulary = [f"w{i}" for i in range(20_000)]
    rng = random.Random(0)
    verse = rng.choices(vocabulary, k=20_000)
    book = [" ".join(verse)] * 10 + [" ".join(rng.choices(vocabulary, k=800_000))]
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    index = Index.build([("book", [[paragraph] for paragraph in book])])
    assert time.process_time() - began < 60  # of the processor's time; quadratic would be hours
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) < 400_000  # KiB
    began = time.process_time()
    report = index.report(" ".join(verse[:5000]))
    assert time.process_time() - began < 20
    assert report.longest is not None
    assert report.longest.words == 5000
