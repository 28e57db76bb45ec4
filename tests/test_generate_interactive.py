"""`generate --interactive`, typed at a terminal."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli


class Terminal:
    """`generate --interactive` on a pseudo-terminal."""

    def __init__(self, cli: Cli, *args: str) -> None:
        self.leader, follower = os.openpty()
        command = cli.argv("generate", "--model", "small", "--interactive", "--seed", "1", *args)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWN_THE_TERMINAL, *command],
            cwd=cli.cwd,
            env={**cli.env, "TERM": "dumb"},
            stdin=follower,
            stdout=follower,
            stderr=follower,
            start_new_session=True,
        )
        os.close(follower)
        self.read("> ")

    def read(self, until: str, least: int = 0) -> str:
        """What is printed up to and with `until` at its end, and `least` characters."""
        shown = ""
        deadline = time.monotonic() + 60
        while not shown.endswith(until) or len(shown) < least:
            assert time.monotonic() < deadline, shown
            if select.select([self.leader], [], [], 0.2)[0]:
                shown += os.read(self.leader, 4096).decode("utf-8", "replace")
        return shown.replace("\r\n", "\n")

    def type(self, line: str) -> str:
        """Type a line; what is printed until the next prompt, without the echo and the prompt."""
        os.write(self.leader, line.encode() + b"\n")
        return self.read("\n> ").removeprefix(line + "\n").removesuffix("\n> ")

    def ask_to_end(self) -> None:
        """Send SIGTERM. One that comes just before readline waits for a key is noticed with the next."""
        for _ in range(30):
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(1)
                return


# Makes the pseudo-terminal the one whose Ctrl-C reaches the process, and becomes the command. No code of
# Python's may run between fork and exec here: TensorFlow's threads may be about.
_OWN_THE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture
def terminal(cli: Cli, base_model: Path) -> Iterator[Terminal]:
    (cli.cwd / "checkpoints").symlink_to(base_model.parent)
    opened = Terminal(cli, "--length", "8", "--ignore-eot")
    yield opened
    opened.process.kill()
    opened.process.wait()
    os.close(opened.leader)


def test_prefixes_are_answered_and_an_empty_line_continues_the_last_text(terminal: Terminal) -> None:
    first = terminal.type("The river")
    assert first.startswith("The river")
    assert len(first) > len("The river")
    second = terminal.type("")
    assert second
    assert not second.startswith("The river")
    os.write(terminal.leader, b"\x04")
    assert terminal.process.wait(30) == 0


def test_options_change_and_wrong_ones_are_refused(terminal: Terminal) -> None:
    terminal.type("/temperature 0")
    terminal.type("/length 5")
    texts = {terminal.type("The sea") for _ in range(2)}
    assert len(texts) == 1
    assert "0.0" in terminal.type("/options")
    assert "at most 1" in terminal.type("/top-p 7")
    assert "finite" in terminal.type("/temperature nan")
    assert "--min-length is greater" in terminal.type("/min-length 9")
    assert "No option /warmth" in terminal.type("/warmth 3")
    assert "/temperature 0.9" in terminal.type("/help")
    terminal.type("/temperature 1")
    again = []
    for _ in range(2):
        terminal.type("/seed 2")
        terminal.type("/seed 3")
        again.append(terminal.type("The sea"))
    assert again[0] == again[1]
    terminal.type("/stop e")
    assert re.fullmatch(r"The sea[^e]*", terminal.type("The sea"))


def test_ctrl_c_stops_the_text_and_not_the_program(terminal: Terminal) -> None:
    terminal.type("/length 10000000")
    os.write(terminal.leader, b"Go on\n")
    assert "Go on" in terminal.read("", least=100)
    os.write(terminal.leader, b"\x03")
    terminal.read("\n> ")
    terminal.type("/length 3")
    assert terminal.type("Again").startswith("Again")
    terminal.ask_to_end()
    assert terminal.process.returncode == 130


def test_lines_from_a_pipe_are_answered_too(cli: Cli, base_model: Path) -> None:
    (cli.cwd / "checkpoints").symlink_to(base_model.parent)
    done = cli(
        "generate",
        "-q",
        "--model",
        "small",
        "--interactive",
        "--length",
        "3",
        stdin="One\n\n/length 2\nTwo\n",
    )
    assert done.stdout.startswith("One")
    assert "\nTwo" in done.stdout
    assert ">" not in done.stdout.split("\n")[0][:2]


def test_pasted_lines_are_one_prefix_and_a_failure_ends_nothing(terminal: Terminal) -> None:
    terminal.type("/length 2")
    os.write(terminal.leader, b"One line\nand another\nand a third\n")
    shown = terminal.read("\n> ")
    assert "One line\nand another\nand a third" in shown.split("\n", 3)[-1] or shown.count("and a third") == 2
    assert shown.count("\n> ") == 1
    assert "/finish-sentence off" in terminal.type("/options")
    assert terminal.type("Still here").startswith("Still here")
