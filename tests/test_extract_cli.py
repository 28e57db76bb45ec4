"""``mckennabot extract`` as its users meet it: what goes where, what is said, what is left alone."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import SAMPLE_PDF, Cli, QuickCli
from tests.pdfs import book, line

WORDS = "The keeper of the lighthouse counted forty gulls before his supper."
OTHER = "A copper kettle sang on the stove while the fog filled the bay."


def page(*lines: str) -> str:
    return "".join(line(text, 50, 500 - 14 * i) for i, text in enumerate(lines))


@pytest.fixture
def cli(quick_cli: QuickCli) -> Cli:
    """Nothing here depends on how a process begins."""
    return quick_cli


@pytest.fixture
def pdf(tmp_path: Path) -> Path:
    path = tmp_path / "tale.pdf"
    path.write_bytes(book([page(WORDS)]))
    return path


def test_by_default_the_text_goes_into_data_and_the_next_command_is_named(cli: Cli, pdf: Path) -> None:
    done = cli("extract", pdf)
    assert (cli.cwd / "data" / "tale.txt").read_text(encoding="utf-8") == WORDS + "\n"
    assert done.stdout == ""
    assert "tale.pdf -> data/tale.txt" in done.stderr
    assert "mckennabot finetune data/tale.txt" in done.stderr


def test_stdout_holds_the_text_alone(cli: Cli, pdf: Path) -> None:
    assert cli("extract", pdf, "-o", "-").stdout == WORDS + "\n"
    assert not (cli.cwd / "data").exists()


def test_quiet_says_nothing(cli: Cli, pdf: Path) -> None:
    assert cli("extract", "-q", pdf).stderr == ""


def test_a_text_that_is_there_and_differs_is_not_touched_without_force(cli: Cli, pdf: Path) -> None:
    text = cli.cwd / "data" / "tale.txt"
    cli("extract", pdf)
    assert "unchanged" in cli("extract", pdf).stderr
    text.write_text("edited by hand\n", encoding="utf-8")
    assert "--force" in cli("extract", pdf, code=2).stderr
    assert text.read_text(encoding="utf-8") == "edited by hand\n"
    cli("extract", pdf, "--force")
    assert text.read_text(encoding="utf-8") == WORDS + "\n"


def test_a_file_named_by_the_user_is_replaced(cli: Cli, pdf: Path) -> None:
    text = cli.cwd / "new" / "mine.txt"
    cli("extract", pdf, "-o", text)
    text.write_text("old", encoding="utf-8")
    cli("extract", pdf, "-o", text)
    assert text.read_text(encoding="utf-8") == WORDS + "\n"
    assert sorted(p.name for p in text.parent.iterdir()) == ["mine.txt"]  # and nothing beside it


def test_a_directory_gives_every_book_and_lists_the_bad_one(cli: Cli, pdf: Path) -> None:
    library = cli.cwd / "library"
    library.mkdir()
    for i in range(3):
        (library / f"{i}.pdf").write_bytes(book([page(WORDS, OTHER)]))
    (library / "bad.pdf").write_bytes(b"%PDF-1.4\nnothing in it")
    (library / "notes.md").write_text("# One\n\nA note.\n", encoding="utf-8")
    (library / "cover.jpg").write_bytes(b"\xff\xd8")
    done = cli("extract", library, "-o", "corpus/", code=3)
    texts = ["0.txt", "1.txt", "2.txt", "notes.txt"]
    assert sorted(p.name for p in (cli.cwd / "corpus").glob("[!.]*")) == sorted(
        [*texts, *(f"{text}.places" for text in texts)]
    )
    assert "bad.pdf" in done.stderr
    assert "1 of 5 sources failed" in done.stderr


def test_two_sources_of_one_name_do_not_overwrite_each_other(cli: Cli, pdf: Path) -> None:
    twin = cli.cwd / "twin" / "tale.pdf"
    twin.parent.mkdir()
    twin.write_bytes(book([page(OTHER)]))
    assert "twin" in cli("extract", pdf, twin, code=3).stderr
    assert (cli.cwd / "data" / "tale.txt").read_text(encoding="utf-8") == WORDS + "\n"


def test_several_sources_do_not_go_into_one_file(cli: Cli, pdf: Path) -> None:
    cli("extract", pdf, pdf.with_name("x.pdf"), "-o", "one.txt", code=2)
    assert not (cli.cwd / "one.txt").exists()


def test_several_sources_on_stdout_are_parted(cli: Cli, pdf: Path) -> None:
    second = pdf.with_name("second.pdf")
    second.write_bytes(book([page(OTHER)]))
    assert cli("extract", pdf, second, "-o", "-").stdout == f"{WORDS}\n\n<|endoftext|>\n\n{OTHER}\n"


@pytest.mark.parametrize("name", [b"c\xc3(\xff.pdf", b"two\nlines.pdf", b"-o.pdf", b"..pdf", b" a'b\" .PDF"])
def test_any_name_will_do(cli: Cli, pdf: Path, name: bytes) -> None:
    source = pdf.with_name(os.fsdecode(name))
    pdf.rename(source)
    done = subprocess.run(
        [*cli.argv("extract"), b"./" + name], cwd=cli.cwd, env=cli.env, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (text,) = (path for path in (cli.cwd / "data").iterdir() if path.suffix == ".txt")
    assert text.read_text(encoding="utf-8") == WORDS + "\n"


def test_pages(cli: Cli, pdf: Path) -> None:
    names = ["Alder", "Birch", "Cedar", "Dogwood", "Elm"]
    pdf.write_bytes(book([page(f"{name} stands on this leaf.", f"So says {name[::-1]}.") for name in names]))
    for span, leaves in (("2-3", [2, 3]), ("4-", [4, 5]), ("-2", [1, 2]), ("5", [5]), ("3-99", [3, 4, 5])):
        text = cli("extract", pdf, "--pages", span, "-o", "-").stdout
        assert [n for n, name in enumerate(names, 1) if f"{name} stands" in text] == leaves
    assert "the document ends at 5" in cli("extract", pdf, "--pages", "7-9", code=2).stderr
    for span in ("0", "3-2", "x", "-"):
        cli("extract", pdf, "--pages", span, code=2)


def test_report_is_json_and_the_table_goes_to_stderr(cli: Cli, pdf: Path) -> None:
    done = cli("extract", pdf, "--report", "report.json")
    report = json.loads((cli.cwd / "report.json").read_text(encoding="utf-8"))
    assert (report["pages"], report["words"], report["failed_pages"]) == (1, len(WORDS.split()), {})
    assert report["source"] == str(pdf)
    assert "1 pages" in done.stderr


def test_unknown_kinds_to_keep_are_refused(cli: Cli, pdf: Path) -> None:
    assert "footnotes" in cli("extract", pdf, "--keep", "fotnotes", code=2).stderr


def test_settings_from_the_file_and_the_environment(cli: Cli, pdf: Path) -> None:
    (cli.cwd / "mckennabot.toml").write_text('[extract]\noutput = "from-file.txt"\n', encoding="utf-8")
    cli("--config", "mckennabot.toml", "extract", pdf)
    cli(
        "--config",
        "mckennabot.toml",
        "extract",
        pdf,
        env={"MCKENNABOT_EXTRACT_OUTPUT": "from-environment.txt"},
    )
    assert (cli.cwd / "from-file.txt").exists()
    assert (cli.cwd / "from-environment.txt").exists()


def test_what_cannot_be_read_is_one_clear_error(cli: Cli) -> None:
    (cli.cwd / "empty.pdf").touch()
    (cli.cwd / "loop.pdf").symlink_to("loop.pdf")
    (cli.cwd / "page.pdf").write_text("<html>no PDF at all</html>", encoding="utf-8")
    (cli.cwd / "folder.pdf").mkdir()
    os.mkfifo(cli.cwd / "fifo.pdf")
    with (cli.cwd / "huge.pdf").open("wb") as file:
        file.write(b"%PDF-1.4\n")
        file.truncate(6 << 30)
    for name, words in {
        "missing.pdf": "no such file",
        "empty.pdf": "empty",
        "loop.pdf": "symbolic link",
        "page.pdf": "not a PDF",
        "folder.pdf": "directory",
        "fifo.pdf": "not a regular file",
        "huge.pdf": "larger than",
    }.items():
        done = cli("extract", name, "-o", "out.txt", code=3)
        assert words in done.stderr
        assert name in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 3
        assert not (cli.cwd / "out.txt").exists()


def test_an_output_that_cannot_be_written_is_a_usage_error(cli: Cli, pdf: Path) -> None:
    (cli.cwd / "folder").mkdir()
    assert "directory" in cli("extract", pdf, "-o", "folder", code=2).stderr
    assert "cannot write" in cli("extract", pdf, "-o", pdf / "below.txt", code=2).stderr


def test_scans_name_the_pages_and_the_tool(cli: Cli, pdf: Path) -> None:
    picture = "q 400 0 0 600 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID x EI Q"
    pdf.write_bytes(book([picture] * 3))
    done = cli("extract", pdf, code=3)
    assert "pages 1-3" in done.stderr
    assert "ocrmypdf tale.pdf" in done.stderr
    pdf.write_bytes(book([page(WORDS), picture]))
    assert "1 of 2 pages are pictures" in cli("extract", pdf).stderr


def test_ocr_is_done_by_ocrmypdf_and_its_absence_is_told(cli: Cli, pdf: Path) -> None:
    pdf.write_bytes(book(["0 0 9 9 re f"]))
    assert "not installed" in cli("extract", pdf, "--ocr", code=3, env={"PATH": str(cli.cwd)}).stderr
    recognised = cli.cwd / "recognised.pdf"
    recognised.write_bytes(book([page(WORDS)]))
    program = cli.cwd / "ocrmypdf"
    program.write_text(f'#!/bin/sh\nfor last; do :; done\ncp {recognised} "$last"\n', encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    path = f"{cli.cwd}:{os.environ['PATH']}"
    assert cli("extract", pdf, "--ocr", "-o", "-", env={"PATH": path}).stdout == WORDS + "\n"


def test_the_same_bytes_whatever_jobs_is(cli: Cli) -> None:
    if not SAMPLE_PDF.exists():
        pytest.skip("needs data/sample.pdf")
    texts = {cli("extract", SAMPLE_PDF, "--jobs", jobs, "-o", "-").stdout for jobs in ("1", "3")}
    assert len(texts) == 1


def children_of(pid: int) -> list[int]:
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in done.stdout.split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_process_outlives_the_command(tmp_path: Path, pdf: Path, how: signal.Signals, code: int) -> None:
    cli = Cli(tmp_path)  # its processes are found below its own
    slow = "BT /F1 1 Tf " + "(x) Tj " * 90_000 + "ET"
    pdf.write_bytes(book([slow] * 60))
    process = cli.start("extract", pdf, "--jobs", "2")
    try:
        until = time.monotonic() + 60
        while len(workers := children_of(process.pid)) < 2 and time.monotonic() < until:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(how)
        _, said = process.communicate(timeout=30)
        assert process.returncode == code
        assert b"Traceback" not in said
        until = time.monotonic() + 5
        while any(map(alive, workers)) and time.monotonic() < until:
            time.sleep(0.02)
        assert not any(map(alive, workers))
        assert not (cli.cwd / "data").exists()
    finally:
        process.kill()
        process.wait()
