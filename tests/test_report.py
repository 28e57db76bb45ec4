"""The report on a run: right numbers, words that do no harm, links that lead somewhere, nothing fetched."""

from __future__ import annotations

import dataclasses
import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot.errors import ModelError
from mckennabot.models.checkpoint import ModelDir
from mckennabot.report import is_current, write_report
from mckennabot.report.account import (
    Command,
    Copy,
    Course,
    LeftOut,
    Numbers,
    Part,
    Report,
    Sample,
    Score,
    Setting,
    Source,
)
from mckennabot.report.charts import Curve, chart
from mckennabot.report.page import render, verdict
from tests.conftest import WarmCli

NASTY = "<script>alert('1')</script> & \"quotes\" <img src=x onerror=y> ]]>\u202e"


def a_report(text: str = "words", **changes: Any) -> Report:
    """A report that has something everywhere, `text` wherever a book or a name can put words."""
    copy = Copy(9, text, 2, 3, text, "47", text, text, text)
    parts = [Part(text, "given"), Part(text, "own"), Part(text, "copied", 0), Part(text, "new")]
    report = Report(
        run=text,
        made="2026-01-01T10:00+00:00",
        version="1",
        model=text,
        parameters=30_000_000,
        words=11_000,
        tokens=15_000,
        sources=[
            Source(text, text, 11_000, 36, 6, [LeftOut(text, 100, 3, text)], [(text, text)], [text], [text])
        ],
        settings=[Setting(text, text, text)],
        course=Course(
            20, 60.0, 20_480, 10, [(1, 3.5), (20, 3.1)], [(10, 3.2), (20, 3.3)], [(0, 3.6), (1, 3.2)], 0.8
        ),
        numbers=Numbers(1.4, 1.3, 550, Score(70, 50, 130), 0.013, 9, 0.1, 600),
        samples=[Sample(0.8, 1, parts, [copy], 100, 0.09)],
        notes=[text],
        commands=[Command(text, text)],
    )
    return dataclasses.replace(report, **changes)


class Page(HTMLParser):
    """What a browser sees of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_words_from_books_and_names_stay_words() -> None:
    page = Page(render(a_report(NASTY)))
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "img", "iframe", "link", "object", "form"}
    assert not any(name.startswith("on") or name == "style" for _, attrs in page.tags for name in attrs)
    assert page.text.count("<script>alert('1')</script>") >= 15


def test_the_page_asks_nothing_of_the_outside_world() -> None:
    html = render(a_report())
    page = Page(html)
    policy = html.split('http-equiv="Content-Security-Policy" content="')[1].split('"')[0]
    assert unescape(policy).startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"https?:|//[a-z]|url\(|@import", html.replace(policy, ""))
    targets = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    links = [attrs["href"] or "" for tag, attrs in page.tags if tag == "a"]
    assert links
    assert all(link.startswith("#") and link[1:] in targets for link in links)


def test_a_copied_run_leads_to_its_page_and_passage() -> None:
    page = Page(render(a_report("the sea is awake")))
    assert "9 words: the sea is awake, p. 47, “the sea is awake”, paragraph 3" in page.text


def test_what_was_not_measured_is_called_so() -> None:
    nothing = Numbers(None, None, 0, None, None, None, None, 0)
    report = a_report(numbers=nothing, samples=[], course=Course(0, 0, 0, None, [], [], [], None))
    assert Page(render(report)).text.count("not measured") == 4
    assert "<svg" not in render(report)
    assert verdict(report) == "It was trained, and nothing about it could be measured."


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(-1e4, 1e4)), max_size=400))
def test_any_curve_makes_a_chart_within_its_frame(points: list[tuple[float, float]]) -> None:
    svg = chart([Curve("c", "strong", sorted(points), dots=True)], label="l", x_name="x", y_name="y")
    if len(points) < 2:
        assert svg == ""
        return
    numbers = [float(n) for path in re.findall(r' d="M([^"]*)"', svg) for n in re.split("[ L]", path)]
    assert all(0 <= n <= 640 for n in numbers)


@pytest.fixture
def run(learned_run: ModelDir) -> ModelDir:
    return learned_run


def test_a_report_has_the_runs_own_numbers(run: ModelDir, tmp_path: Path) -> None:
    told = {"source": "talks/Food.pdf", "pages": 36, "chapters": [{}, {}], "warnings": ["a page failed"]}
    removed = {"footnote": {"words": 7, "pages": [1, 2], "samples": [[1, "See <i>"]]}}
    (tmp_path / "data" / "book.json").write_text(json.dumps({**told, "removed": removed}))
    report, page = write_report(run)
    assert page == run.path / "report.html"
    assert json.loads((run.path / "report.json").read_text()) == json.loads(
        json.dumps(dataclasses.asdict(report))
    )
    info = run.run_info()
    before, after = dict(info["voice_curve"])[0], min(loss for _, loss in info["voice_curve"][1:])
    numbers = report.numbers
    assert numbers.bits_before is not None
    assert numbers.bits_after is not None
    assert numbers.bits_after / numbers.bits_before == pytest.approx(after / before)
    assert [step for step, _ in report.course.held_out] == [5, 10, 15, 20, 25, 30]
    (source,) = report.sources
    assert (source.name, source.pages, source.chapters) == ("Food.pdf", 36, 2)
    assert source.left_out == [LeftOut("footnote", 7, 2, "See <i>")]
    assert {sample.temperature for sample in report.samples} == {0.8, 0.9, 1.0}
    copied = [copy for sample in report.samples for copy in sample.copies]
    assert numbers.longest_copied == max((copy.words for copy in copied), default=0)
    assert is_current(run)
    for sample in report.samples:
        assert "".join(part.text for part in sample.parts).strip()


def test_a_report_says_what_is_gone(run: ModelDir, tmp_path: Path) -> None:
    (tmp_path / "data" / "book.txt").write_text("another text " * 200)
    report, _ = write_report(run)
    assert report.numbers.reproduced is None
    assert any("has changed" in note for note in report.notes)
    assert all(copy.text == "" for sample in report.samples for copy in sample.copies)


def test_only_a_run_has_a_report(base_model: Path) -> None:
    with pytest.raises(ModelError, match="no run to report on"):
        write_report(ModelDir(base_model))


def test_finetune_leaves_a_report_unless_told_not_to(warm_cli: WarmCli, corpus: Path) -> None:
    tiny = ["--model", "tiny", "--steps", "2", "--batch-size", "1", "--block-size", "16"]
    warm_cli("finetune", *tiny, "--no-report")
    run = warm_cli.cwd / "checkpoints" / "run1"
    assert not (run / "report.html").exists()
    done = warm_cli("report", "run1")
    assert done.stdout.strip() == "checkpoints/run1/report.html"
    made = (run / "report.html").stat().st_mtime_ns
    warm_cli("finetune", *tiny)  # nothing left to do, and the report is there
    assert (run / "report.html").stat().st_mtime_ns == made
    warm_cli("finetune", *tiny, "--run", "other")
    assert (warm_cli.cwd / "checkpoints" / "other" / "report.html").is_file()
