"""Where extract writes: never over what it reads, never two things into one file."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Cli, QuickCli, WarmCli
from tests.pdfs import book, line

TEXT = "The lamp was out that night, and nobody in the street had thought of it.\n\nNobody ever had.\n"


@pytest.fixture
def cli(quick_cli: QuickCli) -> Cli:
    """Nothing here depends on how a process begins."""
    return quick_cli


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "essay.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "tale.pdf"
    path.write_bytes(book([line("The keeper of the lighthouse counted forty gulls.", 50, 500)]))
    return path


@pytest.mark.parametrize(
    "args",
    [
        ["essay.txt", "-o", "essay.txt"],
        ["essay.txt", "-o", "sub/../essay.txt"],
        ["essay.txt", "-o", "link.txt"],
        ["essay.txt", "-o", "hard.txt"],
        ["link.txt", "-o", "essay.txt"],
        ["essay.txt", "-o", "./"],
        ["essay.txt", "tale.pdf", "-o", "./"],
        ["essay.txt", "-o", "out.txt", "--report", "essay.txt"],
        ["essay.txt", "-o", "out.txt", "--report", "hard.txt"],
        ["tale.pdf", "-o", "tale.pdf"],
        ["tale.pdf", "-o", "out.txt", "--report", "tale.pdf"],
        ["tale.pdf", "--inspect", "1", "-o", "tale.pdf"],
        ["tale.pdf", "essay.txt", "-o", "out/", "--report", "essay.txt"],
        [".", "-o", "./"],
        [".", "-o", "out/", "--report", "./essay.txt"],
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_no_source_is_written_over(cli: Cli, text: Path, pdf: Path, args: list[str], force: bool) -> None:
    (cli.cwd / "sub").mkdir()
    (cli.cwd / "link.txt").symlink_to("essay.txt")
    os.link(text, cli.cwd / "hard.txt")
    if args[0] == ".":
        (cli.cwd / "link.txt").unlink()
        (cli.cwd / "hard.txt").unlink()
    before = pdf.read_bytes()
    done = cli("extract", *args, *["--force"] * force, code=2)
    assert "source" in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
    assert text.read_text(encoding="utf-8") == TEXT
    assert pdf.read_bytes() == before
    assert not (cli.cwd / "out.txt").exists()
    assert not (cli.cwd / "out").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["essay.txt", "-o", "same.txt", "--report", "same.txt"],
        ["essay.txt", "-o", "same.txt", "--report", "./same.txt"],
        ["essay.txt", "-o", "out/", "--report", "out/essay.txt"],
        ["essay.txt", "-o", "out/", "--report", "out/essay.txt.places"],
        ["essay.txt", "tale.pdf", "-o", "out/", "--report", "out/.extracted.jsonl"],
        ["essay.txt", "-o", "-", "--report", "-"],
    ],
)
def test_two_outputs_do_not_go_into_one_file(cli: Cli, text: Path, pdf: Path, args: list[str]) -> None:
    cli("extract", *args, code=2)
    assert not (cli.cwd / "same.txt").exists()
    assert not (cli.cwd / "out").exists()


def test_text_appended_to_its_own_source_is_refused(cli: Cli, text: Path) -> None:
    with text.open("ab") as end:
        done = subprocess.run(
            cli.argv("extract", text, "-o", "-"), cwd=cli.cwd, env=cli.env, stdout=end, check=False
        )
    assert done.returncode == 2
    assert text.read_text(encoding="utf-8") == TEXT


def test_places_that_cannot_be_written_are_refused_before_anything_is_read(cli: Cli, text: Path) -> None:
    (cli.cwd / "folder").mkdir()
    os.mkfifo(cli.cwd / "fifo")
    assert "directory" in cli("extract", text, "--report", "folder", code=2).stderr
    assert "no regular file" in cli("extract", text, "-o", "fifo", code=2).stderr
    assert "cannot write" in cli("extract", text, "--report", text / "r.json", code=2).stderr
    assert not (cli.cwd / "data").exists()


def test_a_link_is_written_through_and_directories_are_made(cli: Cli, text: Path) -> None:
    (cli.cwd / "here.txt").symlink_to("there.txt")
    cli("extract", text, "-o", "here.txt", "--report", "new/deep/report.json")
    assert (cli.cwd / "here.txt").is_symlink()
    assert (cli.cwd / "there.txt").read_text(encoding="utf-8") == TEXT
    assert json.loads((cli.cwd / "new/deep/report.json").read_text(encoding="utf-8"))["words"] == 18


def test_the_report_goes_to_stdout_too(cli: Cli, text: Path) -> None:
    assert json.loads(cli("extract", text, "--report", "-").stdout)["source"] == str(text)


def test_extracting_a_directory_into_itself_twice_reads_no_text_of_its_own(cli: Cli, pdf: Path) -> None:
    data = cli.cwd / "data"
    data.mkdir()
    pdf.rename(data / "tale.pdf")
    (data / "README.md").write_text("Books go in here.\n", encoding="utf-8")
    for _ in range(3):
        done = cli("extract", "data/")
        assert "README.md" in done.stderr
        assert sorted(p.name for p in data.glob("*.txt")) == ["tale.txt"]
    assert "the text of data/tale.pdf" in done.stderr
    (data / "tale.txt").write_text("edited by hand", encoding="utf-8")
    assert "does not cover" in cli("extract", "data/", "--force", code=3).stderr
    assert (data / "tale.txt").read_text(encoding="utf-8") == "edited by hand"


def test_books_of_one_name_in_two_directories_are_both_kept(cli: Cli) -> None:
    for name in "ab":
        path = cli.cwd / "library" / name / "book.txt"
        path.parent.mkdir(parents=True)
        path.write_text(f"Book {name} speaks of the lamp.\n", encoding="utf-8")
    cli("extract", "library", "-o", "out/")
    written = {p.name: p.read_text(encoding="utf-8") for p in (cli.cwd / "out").glob("*.txt")}
    assert written == {
        "book.txt": "Book a speaks of the lamp.\n",
        "b-book.txt": "Book b speaks of the lamp.\n",
    }


def test_two_forms_of_one_book_are_not_read_twice(cli: Cli) -> None:
    library = cli.cwd / "library"
    library.mkdir()
    for suffix in ("md", "txt"):
        (library / f"book.{suffix}").write_text("The lamp is out.\n", encoding="utf-8")
    done = cli("extract", "library", "-o", "out/", code=3)
    assert "library/book.txt" in done.stderr
    assert "-o of its own" in done.stderr
    assert [p.name for p in (cli.cwd / "out").glob("*.txt")] == ["book.txt"]


def test_an_inspection_replaces_only_an_inspection(cli: Cli, pdf: Path) -> None:
    page = cli.cwd / "data" / "tale.html"
    cli("extract", pdf, "--inspect", "1")
    cli("extract", pdf, "--inspect", "1-2")
    page.write_text("<p>My own page.</p>", encoding="utf-8")
    cli("extract", pdf, "--inspect", "1", code=2)
    assert page.read_text(encoding="utf-8") == "<p>My own page.</p>"


def test_a_second_report_tells_of_the_books_that_were_done_before(cli: Cli) -> None:
    library = cli.cwd / "library"
    library.mkdir()
    for name in ("one", "two"):
        (library / f"{name}.txt").write_text(f"{name} lamp is out.\n", encoding="utf-8")
    cli("extract", "library", "-o", "out/", "--report", "r.json")
    (library / "three.txt").write_text("Three lamps are out.\n", encoding="utf-8")
    assert "2 were done already" in cli("extract", "library", "-o", "out/", "--report", "r.json").stderr
    reports = json.loads((cli.cwd / "r.json").read_text(encoding="utf-8"))
    assert sorted(Path(report["source"]).stem for report in reports) == ["one", "three", "two"]


def test_what_a_directory_holds_beside_books_is_named_and_in_natural_order(cli: Cli) -> None:
    library = cli.cwd / "library"
    (library / ".git").mkdir(parents=True)
    for n in (1, 2, 10):
        (library / f"{n}.txt").write_text(f"Number {n} of the lamps.\n", encoding="utf-8")
    for name in ("README.md", "LICENSE.txt", ".hidden.txt", ".git/z.md", "cover.jpg", "empty.txt"):
        (library / name).write_text("x" * (name != "empty.txt"), encoding="utf-8")
    os.mkfifo(library / "fifo.txt")
    done = cli("extract", "library", "-o", "-")
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Number")] == [
        "1",
        "2",
        "10",
    ]
    for name in ("README.md", "LICENSE.txt", ".hidden.txt", ".git", "cover.jpg", "empty.txt", "fifo.txt"):
        assert name in done.stderr
    log = cli("extract", "library", "-o", "out/").stderr
    assert "\r" not in log
    assert sum(line.startswith("library/") for line in log.splitlines()) == 3


def test_a_closed_directory_is_named(warm_cli: WarmCli) -> None:
    """Root reads everything; a warm process has given that up."""
    closed = warm_cli.cwd / "library" / "closed"
    closed.mkdir(parents=True)
    (warm_cli.cwd / "library" / "a.txt").write_text("The lamp.\n", encoding="utf-8")
    closed.chmod(0)
    try:
        assert "closed" in warm_cli("extract", "-q", "library", "-o", "-").stderr
        assert "ermission denied" in warm_cli("extract", closed, code=3).stderr
        assert "ermission denied" in warm_cli("extract", closed / "a.txt", code=3).stderr
    finally:
        closed.chmod(0o700)


def test_stdin_is_read_as_any_file(tmp_path: Path) -> None:
    cli = Cli(tmp_path)  # a pipe, which a shell would give it
    assert cli("extract", "-", "-o", "-", stdin=TEXT).stdout == TEXT
    assert cli("extract", "/dev/stdin", "-o", "-", stdin=TEXT).stdout == TEXT
