"""Where paragraphs stood in their book: kept beside the corpus, needed by nobody, shown where it is known."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot import corpus, places
from mckennabot.config import ExtractSettings
from mckennabot.extract import extract_book
from mckennabot.originality import Index
from mckennabot.places import Spot
from tests.conftest import SAMPLE_PDF, Cli, QuickCli
from tests.test_extract_sources import LONG, make_epub

PARAGRAPHS = st.text(alphabet="ab*", min_size=1, max_size=2)


@pytest.fixture
def cli(quick_cli: QuickCli) -> Cli:
    """Nothing here depends on how a process begins."""
    return quick_cli


def lines_of(path: Path) -> list[dict[str, object]]:
    head, *lines = map(json.loads, places.sidecar(path).read_text(encoding="utf-8").splitlines())
    assert head == {"mckennabot": "places", "version": 1}
    return lines


def spots_of(path: Path) -> list[Spot | None]:
    return places.load(path, corpus.parse(corpus.read_text(path)))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample book as a corpus, with its places."""
    return extract_book(SAMPLE_PDF, ExtractSettings()).save(tmp_path_factory.mktemp("data") / "sample.txt")


@pytest.fixture
def text(sample: Path, tmp_path: Path) -> Path:
    """A copy of it to be edited."""
    for path in (sample, places.sidecar(sample)):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path / sample.name


def test_a_pdf_gives_page_printed_number_and_chapter_of_every_paragraph(sample: Path) -> None:
    spots = spots_of(sample)
    assert None not in spots
    assert spots[0] == Spot(5, "v", "Preface")
    assert Spot(10, "4", "The Weather Inside the Word") in spots
    # The first page of a chapter has no number in print, and is known from its neighbours.
    assert Spot(7, "1", "The Weather Inside the Word") in spots
    pages = [spot.page for spot in spots if spot and spot.page]
    assert pages == sorted(pages)
    assert (pages[0], pages[-1]) == (5, 36)


def test_an_edited_corpus_loses_the_places_of_edited_paragraphs_alone(text: Path) -> None:
    segments = corpus.parse(corpus.read_text(text))
    before = dict(zip([p for segment in segments for p in segment], spots_of(text), strict=True))
    for gone in (segments[1][3], segments[2][1]):
        del before[gone]
    segments[1][3] += " And so on."
    del segments[2][1]
    segments[2].insert(4, "A paragraph of mine.")
    segments[0], segments[3] = segments[3], segments[0]
    text.write_text(corpus.render(segments), encoding="utf-8")
    after = zip([p for segment in segments for p in segment], spots_of(text), strict=True)
    assert {paragraph: spot for paragraph, spot in after if spot} == before


def test_repeated_paragraphs_are_known_by_their_neighbours(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    segments = [["One", "Refrain", "Two", "Refrain", "Refrain"]]
    places.save(path, places.render(segments, [Spot(page) for page in range(1, 6)]))
    found = places.load(path, [["Refrain", "New", "One", "Refrain"], ["Two", "Refrain", "Refrain", "Three"]])
    assert [spot.page if spot else None for spot in found] == [None, None, 1, 2, 3, 4, 5, None]


@given(st.lists(PARAGRAPHS, max_size=8), st.lists(PARAGRAPHS, max_size=8))
def test_a_place_is_always_one_of_the_same_words_and_an_unchanged_corpus_keeps_all(
    found: list[str], known: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "book.txt")
        spots = [Spot(page) for page in range(1, len(known) + 1)]
        places.sidecar(path).write_text(places.render([known], spots), encoding="utf-8")
        assert places.load(path, [known]) == spots
        for paragraph, spot in zip(found, places.load(path, [found]), strict=True):
            assert spot is None or known[(spot.page or 0) - 1] == paragraph


@pytest.mark.parametrize(
    "content",
    ["", "[]\n", "no json\n", '{"mckennabot": "places", "version": 9}\n{"digest": "x"}\n', "\x00\xff"],
)
def test_places_that_cannot_be_read_are_done_without(text: Path, content: str) -> None:
    places.sidecar(text).write_bytes(content.encode("latin-1"))
    assert set(spots_of(text)) == {None}
    places.sidecar(text).unlink()
    assert set(spots_of(text)) == {None}


def test_nothing_known_leaves_no_file_and_nobodys_own_file_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    places.save(path, places.render([["One"]], [Spot()]))
    assert not list(tmp_path.iterdir())
    places.sidecar(path).write_text("my favourite places")
    places.save(path, places.render([["One"]], [Spot(1)]))
    assert places.sidecar(path).read_text() == "my favourite places"
    long = tmp_path / f"{'x' * 250}.txt"
    places.save(long, places.render([["One"]], [Spot(1)]))
    assert places.load(long, [["One"]]) == [None]


def test_extract_finetune_and_generate_take_the_page_along(warm_cli: Cli, text: Path) -> None:
    train = (
        "--model",
        "tiny",
        "--steps",
        "1",
        "--batch-size",
        "1",
        "--block-size",
        "16",
        "--sample-every",
        "0",
    )
    warm_cli("finetune", text, *train, "--val-fraction", "0", "--save-every", "0")
    segments = corpus.parse(corpus.read_text(text))
    spots = spots_of(text)
    number = next(i for i, spot in enumerate(spots) if spot and spot.page == 21)
    passage = [paragraph for segment in segments for paragraph in segment][number]
    report = Index.load(warm_cli.cwd / "checkpoints" / "run1").report(passage)
    assert report.longest
    place = report.longest.place
    spot = spots[number]
    assert spot
    assert (place.page, place.label, place.chapter) == (21, spot.label, spot.chapter)
    assert str(place) == f"sample.txt, p. {spot.label}, {spot.chapter}"
    generate = ("generate", "--seed", "1", "--length", "5", "--originality")
    assert "sample.txt, p. " in warm_cli(*generate).stderr
    [line] = map(json.loads, warm_cli(*generate, "--format", "jsonl").stdout.splitlines())
    assert line["originality"]["longest"]["page"] in range(5, 37)
    assert line["originality"]["longest"]["chapter"]


def test_the_command_writes_places_and_takes_them_for_no_source(cli: Cli) -> None:
    cli("extract", SAMPLE_PDF, "--pages", "5-12", "-o", "out/")
    assert sorted(path.name for path in (cli.cwd / "out").iterdir()) == ["sample.txt", "sample.txt.places"]
    (cli.cwd / "out" / "sample.txt.places").unlink()
    cli("extract", SAMPLE_PDF, "--pages", "5-12", "-o", "out/")  # the text is there already
    assert (cli.cwd / "out" / "sample.txt.places").is_file()
    again = cli("extract", "out", "-o", "again/")
    assert "places" not in again.stderr
    assert lines_of(cli.cwd / "out" / "sample.txt")[0]["page"] == 5


def test_an_epub_gives_its_files_and_chapters(tmp_path: Path) -> None:
    documents = {f"{name.lower()}.xhtml": f"<h1>{name}</h1><p>{LONG}</p>" for name in ("One", "Two", "Three")}
    path = make_epub(tmp_path / "book.epub", documents)
    spots = spots_of(extract_book(path, ExtractSettings()).save(tmp_path / "book.txt"))
    assert spots[-1] == Spot(chapter="Three", part="OEBPS/three.xhtml")
    assert [spot.part for spot in spots if spot] == [
        f"OEBPS/{name}.xhtml" for name in ("one", "two", "three") for _ in range(2)
    ]
