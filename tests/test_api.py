"""The public Python API: a book to a run to text, with the commands' options as keyword arguments."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mckennabot as mb
from mckennabot.corpus import SEPARATOR, parse
from tests.conftest import ROOT, SAMPLE_PDF, Cli

SMALL: dict[str, Any] = {
    "model": "tiny",
    "batch_size": 2,
    "block_size": 32,
    "sample_every": 0,
    "eval_every": 5,
}


@pytest.fixture(scope="module")
def book() -> mb.Book:
    return mb.read_book(str(SAMPLE_PDF), jobs=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, corpus_text: str) -> mb.Run:
    return mb.train(corpus_text, steps=5, checkpoints=tmp_path_factory.mktemp("api"), run="talks", **SMALL)


@pytest.fixture(scope="module")
def voice(run: mb.Run) -> Iterator[mb.Voice]:
    with mb.load(run) as loaded:
        yield loaded


def test_importing_is_quick_and_loads_nothing() -> None:
    code = (
        "import sys, time; before = set(sys.modules); start = time.perf_counter(); import mckennabot; "
        "print(time.perf_counter() - start, *(m for m in set(sys.modules) - before))"
    )
    times = []
    for _ in range(8):
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seconds, *modules = done.stdout.split()
        assert {*modules} <= {"mckennabot", "__future__"}
        times.append(float(seconds))
    assert min(times) < 0.01


def test_every_public_name_is_there_and_no_other() -> None:
    assert set(dir(mb)) == set(mb.__all__)
    for name in mb.__all__:
        assert getattr(mb, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'extracts'"):
        mb.extracts  # noqa: B018


def test_a_book_knows_its_chapters_paragraphs_and_their_pages(book: mb.Book) -> None:
    assert len(book.chapters) > 1
    assert all(chapter.title for chapter in book.chapters)
    paragraphs = book.paragraphs
    assert [p.text for p in paragraphs] == [text for segment in book.segments for text in segment]
    assert sum(len(p.text.split()) for p in paragraphs) == book.report.words
    pages = [p.pages for p in paragraphs]
    assert all(first <= last for first, last in (p for p in pages if p))
    firsts = [p[0] for p in pages if p]
    assert firsts == sorted(firsts)
    assert len(firsts) == len(paragraphs)
    assert book.chapters[1].title.split()[-1] in next(
        p.text for p in paragraphs if p.pages and p.pages[0] == book.chapters[1].first_page
    )


def test_a_book_is_saved_as_a_corpus_and_never_over_its_source(book: mb.Book, tmp_path: Path) -> None:
    saved = book.save(str(tmp_path / "new" / "book.txt"))
    assert saved.read_text(encoding="utf-8") == book.text
    assert parse(book.text) == book.segments
    assert SEPARATOR in book.text
    text = mb.read_book(saved)
    assert text.paragraphs[0].pages is None
    with pytest.raises(mb.UsageError, match="the output is the source"):
        text.save(saved)
    (tmp_path / "link.txt").symlink_to(saved)
    with pytest.raises(mb.UsageError, match="the output is the source"):
        text.save(tmp_path / "link.txt")


def test_a_run_says_where_it_is_and_how_well_it_did(run: mb.Run) -> None:
    assert run.name == "talks"
    assert run.step == 5
    assert run.best_step == 5
    assert run.best_loss is not None
    assert [line["step"] for line in run.metrics] == [1, 2, 3, 4, 5]
    assert run.loss == run.metrics[-1]["loss"]
    assert mb.Run(str(run.path)) == run  # type: ignore[arg-type]


def test_books_paths_and_texts_train_together_and_the_run_goes_on(tmp_path: Path, corpus_text: str) -> None:
    file = tmp_path / "a.txt"
    file.write_text(corpus_text, encoding="utf-8")
    sources: list[Any] = [mb.read_book(file), str(file), file, corpus_text]
    for steps in (1, 2):
        run = mb.train(sources, steps=steps, checkpoints=str(tmp_path / "ck"), **SMALL)
        assert run.step == steps
    assert run.path == tmp_path / "ck" / "run1"


def test_a_text_begins_with_its_prefix_and_a_seed_gives_it_again(voice: mb.Voice) -> None:
    first = voice.generate("The river", length=8, seed=4)
    assert first.startswith("The river")
    assert len(first) > len("The river")
    voice.generate("Nobody", length=3)
    assert voice.generate("The river", length=8, seed=4) == first
    assert voice.generate("The river", length=8, seed=5) != first


def test_pieces_are_the_new_text_alone(voice: mb.Voice) -> None:
    pieces = list(voice.stream("The river", length=8, seed=4))
    assert all(pieces)
    assert "The river" + "".join(pieces) == voice.generate("The river", length=8, seed=4)
    endless = voice.stream("The river", length=1_000_000, ignore_eot=True)
    assert next(endless)
    endless.close()  # type: ignore[attr-defined]


def test_several_texts_come_as_a_list(voice: mb.Voice) -> None:
    texts = voice.generate("The", n=3, length=4, seed=1)
    assert isinstance(texts, list)
    assert len(texts) == 3
    again: Any = voice.generate("The", nsamples=3, length=4, seed=1)
    assert again == texts
    assert isinstance(voice.generate("The", n=1, length=4), str)


def test_options_of_the_call_win_over_those_of_the_voice(run: mb.Run) -> None:
    with run.voice(length=2, temperature=0) as voice:
        (short,) = voice.samples(["The river"])
        assert short.tokens <= 2
        (longer,) = voice.samples(["The river"], length=6, ignore_eot=True)
        assert longer.tokens == 6
        assert voice.generate("The river") == voice.generate("The river")
        text = voice.generate("The river", length=30, ignore_eot=True)
        cut = voice.generate("The river", length=30, ignore_eot=True, stop=text[-1])
        assert text[-1] not in cut.removeprefix("The river")


def test_what_copies_too_much_is_sampled_again(voice: mb.Voice) -> None:
    assert isinstance(voice.generate("The river", length=8, max_copied=50), str)
    with pytest.raises(mb.UsageError, match="temperature 0"):
        voice.generate(temperature=0, max_copied=5)


def test_wrong_options_are_refused_by_name(voice: mb.Voice, run: mb.Run) -> None:
    with pytest.raises(TypeError, match="no option 'lenght'; did you mean 'length'"):
        voice.generate(lenght=5)
    with pytest.raises(TypeError, match="precision is chosen when a voice is loaded"):
        voice.generate(precision="int8")
    with pytest.raises(mb.UsageError, match="--top-p"):
        voice.generate(top_p=7)
    with pytest.raises(TypeError, match="did you mean 'segment'"):
        mb.read_book(SAMPLE_PDF, segments="chapter")
    with pytest.raises(mb.UsageError, match="--segment"):
        mb.read_book(SAMPLE_PDF, segment="chapters")
    with pytest.raises(mb.UsageError, match="--steps"):
        mb.train("a\nb", steps=-1)
    with pytest.raises(mb.InputError, match="no such corpus file"):
        mb.train("missing.txt", checkpoints=run.path.parent, run="other", **SMALL)
    with pytest.raises(mb.InputError, match="empty"):
        mb.train([""], checkpoints=run.path.parent, run="other", **SMALL)
    with pytest.raises(mb.ModelError, match="no model"):
        mb.load("missing", checkpoints=run.path.parent)
    with pytest.raises(mb.InputError, match="no such file"):
        mb.read_book("missing.pdf")


def test_a_voice_need_not_be_closed(run: mb.Run) -> None:
    """Threads of CTranslate2's that outlive the interpreter abort the process."""
    code = (
        "import sys, mckennabot as mb\n"
        "voices = [mb.load(sys.argv[1]) for _ in range(2)]\n"
        "for voice in voices: print(voice.generate('The sea', length=3))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.count("The sea"), done.stderr) == (0, 2, "")


def test_a_cut_line_of_metrics_costs_nothing_but_itself(run: mb.Run, tmp_path: Path) -> None:
    copy = mb.Run(tmp_path)
    assert copy.metrics == []
    lines = (run.path / "metrics.jsonl").read_text(encoding="utf-8")
    (tmp_path / "metrics.jsonl").write_text(lines + '{"step": 9, "lo', encoding="utf-8")
    assert copy.metrics == run.metrics
    assert copy.loss == run.loss


def test_a_closed_voice_says_so(run: mb.Run) -> None:
    voice = mb.load(run.path)
    voice.close()
    voice.close()
    with pytest.raises(ValueError, match="closed"):
        voice.generate()


def test_names_and_the_latest_run_are_found(run: mb.Run) -> None:
    for source in (None, "talks"):
        with mb.load(source, checkpoints=run.path.parent) as voice:
            assert voice.path == run.path
            assert voice.step == 5


def test_nothing_is_printed(cli: Cli, run: mb.Run) -> None:
    code = (
        "import sys, mckennabot as mb; book = mb.read_book(sys.argv[1], jobs=1); "
        "assert mb.load(sys.argv[2]).generate('The', length=3)"
    )
    done = cli.python(code, str(SAMPLE_PDF), str(run.path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
