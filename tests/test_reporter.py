"""What is said while working: bars on a terminal, lines in a log, nothing when silent, no foreign escapes."""

from __future__ import annotations

import ast
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mckennabot
from mckennabot.reporter import Console, Silent, automatic
from mckennabot.system.terminal import SPARKLINE, printable, quoted, shown, sparkline


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_log_gets_whole_lines_without_carriage_returns() -> None:
    log = io.StringIO()
    with Console(stream=log).bar(3, "book", name="library") as bar:
        for done in range(1, 4):
            bar.at(done)
            Console(stream=log).say(f"book {done}")
    assert log.getvalue() == "book 1\nbook 2\nlibrary: book 3/3\nbook 3\n"


def test_a_terminal_gets_a_bar_and_lines_above_it(terminal: Terminal) -> None:
    console = Console(stream=terminal)
    with console.bar(4, "step", done=2) as bar:
        bar.at(3, "loss 1.234")
        console.say("step 3 is done")
        bar.at(4)
    text = terminal.getvalue()
    assert "2/4 |" in text
    assert "4/4 |" in text
    assert "loss 1.234" in text
    assert "\rstep 3 is done\n" in text.replace(" \r", "\r")


def test_a_total_that_is_known_later_counts_bytes() -> None:
    log = io.StringIO()
    with Console(stream=log).bar(None, "B", name="Fetching 124M") as bar:
        bar.expect(2_500_000, known=1_000_000)
        bar.at(2_500_000, "checking")
    assert log.getvalue() == "Fetching 124M: 2.5/2.5 MB  checking\n"


def test_quiet_leaves_warnings_and_verbose_adds_details() -> None:
    quiet, usual, verbose = (io.StringIO() for _ in range(3))
    for console in (
        Console(quiet=True, stream=quiet),
        Console(stream=usual),
        Console(verbose=True, stream=verbose),
    ):
        console.say("said")
        console.detail("detail")
        console.warn("warned")
        with console.bar(1, "page") as bar:
            bar.at(1)
    assert quiet.getvalue() == "Warning: warned\n"
    assert usual.getvalue() == "said\nWarning: warned\npage 1/1\n"
    assert verbose.getvalue() == "said\ndetail\nWarning: warned\npage 1/1\n"


def test_colour_is_for_terminals_that_want_it(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    Console(stream=terminal).warn("careful")
    assert terminal.getvalue() == "\x1b[33mWarning: \x1b[0mcareful\n"
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    Console(stream=plain).warn("careful")
    assert plain.getvalue() == "Warning: careful\n"


def test_a_terminal_is_never_commanded_and_a_file_gets_the_text_as_it_is(terminal: Terminal) -> None:
    evil = "a\x1b]0;PWNED\x07b\x9b2Jc\u202edcba"
    Console(stream=terminal).say(evil)
    assert terminal.getvalue() == "a\\x1b]0;PWNED\\x07b\\x9b2Jc\\u202edcba\n"
    file = io.StringIO()
    Console(stream=file).say(evil)
    assert file.getvalue() == evil + "\n"


@given(st.text())
def test_printable_text_holds_no_control_and_is_not_changed_again(text: str) -> None:
    safe = printable(text)
    assert printable(safe) == safe
    assert all(c in "\n\t" or not (ord(c) < 32 or 127 <= ord(c) < 160) for c in safe)
    assert "\n" not in shown(text)


@pytest.mark.skipif(sys.platform == "win32", reason="needs bash")
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20))
def test_a_quoted_name_is_that_name_to_the_shell(name: str) -> None:
    done = subprocess.run(
        ["bash", "-c", f"printf %s {quoted(name)}"],
        capture_output=True,
        check=True,
        env={"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert done.stdout == name.encode()


def test_a_program_that_uses_the_library_hears_nothing() -> None:
    code = "from mckennabot.reporter import Silent, automatic; assert isinstance(automatic(), Silent)"
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.PIPE)


def test_silence() -> None:
    reporter = Silent()
    reporter.say("")
    reporter.warn("")
    with reporter.bar(1, "page") as bar:
        bar.at(1)
    assert automatic() is not None


def test_a_bar_shows_a_values_course_and_the_time_left_that_it_is_told(terminal: Terminal) -> None:
    with Console(stream=terminal).bar(30, "step") as bar:
        for step in range(1, 25):
            bar.at(step, "900 tokens/s", value=("loss", 5 - step / 10), left=95)
    last = terminal.getvalue().rsplit("\r", 1)[1]
    assert "<01:35" in last
    assert "loss 2.600 █" in last
    assert "▁, 900 tokens/s" in last


def test_a_log_says_the_time_left_in_words_and_has_no_sparkline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mckennabot.reporter.console.SECONDS_BETWEEN_LINES", 0)
    log = io.StringIO()
    with Console(stream=log).bar(3, "step") as bar:
        for step in (1, 2, 3):
            bar.at(step, "900 tokens/s", value=("loss", 5.0 - step), left=95 * (3 - step))
    assert log.getvalue().splitlines() == [
        "step 1/3  loss 4.000, 900 tokens/s, 3 min 10 s left",
        "step 2/3  loss 3.000, 900 tokens/s, 1 min 35 s left",
        "step 3/3  loss 2.000, 900 tokens/s",
    ]


@pytest.mark.parametrize(("term", "encoding"), [("dumb", "utf-8"), ("xterm", "ascii"), ("xterm", "latin-1")])
def test_no_sparkline_where_it_cannot_be_shown(
    term: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    assert sparkline([1, 2, 3], stream) == ""


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=200))
def test_a_sparkline_is_as_long_as_it_may_be_and_marks_its_ends(values: list[float]) -> None:
    line = sparkline(values)
    assert len(line) == min(len(values), SPARKLINE)
    assert set(line) <= set("▁▂▃▄▅▆▇█")


def test_rows_stand_aligned_and_wrap_beside_their_label(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    console = Console(stream=terminal)
    console.row("Plan", "a model of thirty million parameters, sixty steps")
    console.row("", "then the report")
    assert terminal.getvalue().splitlines() == [
        "\x1b[1mPlan      \x1b[0ma model of thirty million",
        "          parameters, sixty steps",
        "\x1b[1m          \x1b[0mthen the report",
    ]
    log = io.StringIO()
    Console(stream=log).row("Plan", "word " * 40)
    assert log.getvalue().count("\n") == 1


def test_the_library_prints_nothing_by_itself() -> None:
    """Everything passes a reporter, or is a product on its way to stdout."""
    package = Path(mckennabot.__file__).parent
    for path in package.rglob("*.py"):
        if path.parent.name == "reporter":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called != "print", f"{path}:{node.lineno}"
                assert called != "click.echo" or path.parent.name == "cli", f"{path}:{node.lineno}"
