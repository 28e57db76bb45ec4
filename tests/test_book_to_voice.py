"""One command from books to a voice: what it reads, what it refuses, what it plans, how it goes on."""

from __future__ import annotations

import json
import random
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from mckennabot.book_to_voice import run_name
from mckennabot.book_to_voice.library import Library, Text, find_written, read, write
from mckennabot.book_to_voice.look import look_at
from mckennabot.book_to_voice.plan import Pace, is_useful
from mckennabot.book_to_voice.repeats import Repeated, find_repeats
from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, UsageError
from mckennabot.finetune.dry_run import Effort
from mckennabot.originality import Index
from mckennabot.reporter import Console, Silent
from tests.conftest import SAMPLE_PDF, WarmCli
from tests.pdfs import book as make_pdf

WORDS = "the sea and the river that a stone of light was in her hand by evening when no one spoke to him"


def prose(words: int, seed: int) -> str:
    """So many words in sentences and paragraphs."""
    rng = random.Random(seed)
    text = [rng.choice(WORDS.split()) + (". " if rng.random() < 0.1 else " ") for _ in range(words)]
    return "".join(part + "\n\n" * (i % 90 == 89) for i, part in enumerate(text)).strip() + "."


def chapters(*seeds: int) -> list[list[str]]:
    return [prose(400, seed).split("\n\n") for seed in seeds]


def test_a_lecture_in_two_collections_and_a_book_in_two_forms_are_found() -> None:
    first, second = chapters(1, 2, 3), chapters(4, 2)
    # The same book read off another file: other line breaks, a head that was not seen, other quotes.
    again = [[" ".join(segment).replace("the sea", "“The Sea”")] for segment in chapters(4)]
    assert find_repeats([first, second, again]) == [[], [Repeated(1, 0)], [Repeated(0, 1)]]


def test_texts_by_one_author_are_not_taken_for_one_text() -> None:
    quoting = [[prose(30, 1) + " " + prose(500, 9)]]
    assert find_repeats([chapters(1, 2), chapters(3), quoting, [["One"]], [["One"]]]) == [[]] * 5


def test_the_same_book_twice_is_learnt_once(tmp_path: Path) -> None:
    text = read([SAMPLE_PDF], ExtractSettings(jobs=1), Silent()).texts[0]
    plain = tmp_path / "lamp.txt"
    plain.write_text("\n\n".join(p for segment in text.segments for p in segment), encoding="utf-8")
    other = tmp_path / "other.txt"
    other.write_text(prose(3000, 7), encoding="utf-8")
    for sources in ([SAMPLE_PDF, plain, other], [other, plain, SAMPLE_PDF]):
        library = read(sources, ExtractSettings(jobs=1), Silent())
        assert {kept.source for kept in library.texts} == {plain, other}
        kept = next(kept for kept in library.texts if kept.source == plain)
        assert kept.contains == ["sample.pdf"]


def test_what_cannot_be_read_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, broken = tmp_path / "good.txt", tmp_path / "broken.pdf"
    good.write_text(prose(2000, 1), encoding="utf-8")
    broken.write_bytes(b"%PDF-1.4 nothing")
    library = read([broken, good], ExtractSettings(), Console())
    assert [text.source for text in library.texts] == [good]
    assert "Warning: left out: " in capsys.readouterr().err
    with pytest.raises(InputError):
        read([broken], ExtractSettings(), Silent())


def library_of(*sizes: int) -> Library:
    texts = [
        Text(Path(f"t{seed}.txt"), chapters(*range(10 * seed, 10 * seed + size)), {"source": f"t{seed}.txt"})
        for seed, size in enumerate(sizes, 1)
    ]
    return Library(texts, [])


def test_texts_are_found_again_until_something_changes(tmp_path: Path) -> None:
    key = {"sources": [["a", "1"]]}
    written = write(library_of(2, 1), tmp_path / "d", key, per_book=False)
    again = find_written(tmp_path / "d", key)
    assert again is not None
    assert (again.files, again.words, again.held_out) == (written.files, written.words, None)
    assert find_written(tmp_path / "d", {"sources": [["a", "2"]]}) is None
    write(library_of(3), tmp_path / "d", key, per_book=False)  # ours: may be replaced
    (tmp_path / "d" / "t1.txt").write_text("edited by hand")
    with pytest.raises(UsageError, match="edited"):
        write(library_of(2), tmp_path / "d", key, per_book=False)


def test_per_book_holds_out_the_end_of_each(tmp_path: Path) -> None:
    library = library_of(3, 2, 1)
    written = write(library, tmp_path, {}, per_book=True)
    assert [path.name for path in written.files] == [
        *(f"t{n}.txt" for n in (1, 2, 3)),
        *(f"t{n}-held-out.txt" for n in (1, 2, 3)),
    ]
    sizes = [len(path.read_text()) for path in written.files]
    assert written.held_out is not None
    assert written.held_out == pytest.approx(sum(sizes[3:]) / sum(sizes))
    assert 0.04 < written.held_out < 0.2
    for text, path in zip(library.texts, written.files[3:], strict=True):
        assert path.read_text().rstrip().endswith(text.segments[-1][-1])
    again = find_written(tmp_path, {})
    assert again is not None
    assert (again.words, again.held_out) == (library.words, written.held_out)


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (prose(3000, 1), "words are few"),
        ("12 44.1 (3) | 7 = 9; " * 3000, "hardly prose: only"),
        ("\n".join(["flour and butter with sugar"] * 3000), "next to no sentences"),
    ],
)
def test_a_look_says_what_to_know_before_time_is_spent(text: str, warning: str) -> None:
    look = look_at(Library([Text(Path("a.txt"), [text.split("\n\n")], {})], []))
    assert any(warning in each for each in look.warnings)


def test_good_prose_is_looked_at_without_a_word() -> None:
    look = look_at(library_of(25))
    assert look.warnings == []
    assert look.language == "English"


def test_a_source_in_another_language_is_named() -> None:
    german = "Und der Mann, der das sah, ging nicht, und die Frau blieb. " * 200
    library = library_of(20)
    library.texts.append(Text(Path("anders.txt"), [[german]], {}))
    assert any("anders.txt seems to be German among English" in each for each in look_at(library).warnings)


def epub(path: Path, author: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("OEBPS/book.opf", f"<package><dc:creator id='a'>{author}</dc:creator></package>")
    return path


def test_two_authors_are_named_and_two_spellings_of_one_are_not(tmp_path: Path) -> None:
    files = [
        epub(tmp_path / "one.epub", "Ann Lee &amp; others"),
        epub(tmp_path / "two.epub", "Lee, Ann"),
        epub(tmp_path / "three.epub", "Ann Radcliffe"),
    ]
    (tmp_path / "broken.epub").write_bytes(b"PK nothing")
    library = library_of(10, 10, 10, 10)
    for text, file in zip(library.texts, [*files, tmp_path / "broken.epub"], strict=True):
        text.source = file
    told = [warning for warning in look_at(library).warnings if "author" in warning]
    assert [("three.epub Ann Radcliffe" in each) for each in told] == [True]


@pytest.mark.parametrize(
    ("sources", "name"),
    [(["a b/The Book.v2.pdf"], "The-Book.v2"), (["small.pdf"], "small-voice"), (["ü/мир.epub"], "мир")],
)
def test_a_run_is_named_after_its_first_source(sources: Sequence[str], name: str) -> None:
    assert run_name([Path(source) for source in sources]) == name


def test_a_useful_number_of_steps_is_sixty_or_one_pass() -> None:
    effort = Effort(1, 100_000, 5_000, 1024, windows=92, windows_per_step=1, seconds=1.0)
    assert not is_useful(effort, 59)
    assert is_useful(effort, 60)
    small = Effort(1, 10_000, 500, 1024, windows=9, windows_per_step=4, seconds=1.0)
    assert is_useful(small, 3)
    assert not is_useful(small, 2)


def quick(directory: Path) -> Path:
    """A checkpoint directory that remembers a machine on which a minute has room for nine steps of `tiny`."""
    checkpoints = directory / "checkpoints"
    pace = Pace(checkpoints)
    pace.note("step of tiny", 5.0)
    pace.note("tail", 1.0)
    return checkpoints


TINY = ("--model", "tiny", "--minutes", "1")


def test_from_a_book_to_its_report_and_again(warm_cli: WarmCli, tmp_path: Path) -> None:
    quick(tmp_path)
    dry = warm_cli("voice", SAMPLE_PDF, *TINY, "--dry-run")
    assert dry.stdout == ""
    assert "Plan" in dry.stderr
    assert not (tmp_path / "checkpoints" / "sample").exists()
    began = time.monotonic()
    done = warm_cli("voice", SAMPLE_PDF, *TINY)
    assert time.monotonic() - began < 90
    assert done.stdout.strip() == "checkpoints/sample/report.html"
    labels = [line.split(" ")[0] for line in done.stderr.splitlines() if line[:1].isupper()]
    wanted = ["Read", "Look", "Plan", "Voice", "Proof", "Sample", "Time", "Report", "Next"]
    assert [label for label in labels if label in wanted] == wanted
    assert "\r" not in done.stderr  # no half bars in a log
    report = json.loads((tmp_path / "checkpoints/sample/report.json").read_text())
    (source,) = report["sources"]
    assert (source["name"], source["pages"]) == ("sample.pdf", 36)
    assert {kind["kind"] for kind in source["left_out"]} >= {"footnote", "running-head"}
    assert report["words"] > 11_000
    assert "as many as fit" in next(s["why"] for s in report["settings"] if s["name"] == "steps")
    index = Index.load(tmp_path / "checkpoints" / "sample")
    assert index.report("There is").words == 2
    again = warm_cli("voice", SAMPLE_PDF, *TINY)
    assert "already" in again.stderr
    assert again.stdout == done.stdout


def test_too_short_scanned_or_hurried_is_one_clear_error(warm_cli: WarmCli, tmp_path: Path) -> None:
    short = tmp_path / "short.txt"
    short.write_text(prose(300, 1), encoding="utf-8")
    done = warm_cli("voice", short, code=3)
    assert "too short to learn a voice from: 300 words" in done.stderr
    assert not (tmp_path / "data").exists()
    scan = tmp_path / "scan.pdf"
    scan.write_bytes(make_pdf([""] * 3))
    assert warm_cli("voice", scan, code=3).stderr.count("\n") <= 3
    quick(tmp_path)
    hurried = warm_cli("voice", SAMPLE_PDF, "--model", "tiny", "--minutes", "0.01", code=2)
    assert "too short" in hurried.stderr
