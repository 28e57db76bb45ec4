"""The short version of `scripts/torture.py`: the seeds that once found something, and a few more."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.errors import MckennabotError
from mckennabot.extract import extract_book
from scripts.damage import damage
from scripts.fuzz import MAKERS, bent, hostile
from tests.conftest import ROOT

FOUND = [11, 163]
"""Seeds of inputs that a reader did not stand: a matrix of zeros in a PDF."""


def input_of(number: int) -> tuple[str, bytes]:
    return hostile(random.Random(f"0 input {number}"))


BOOKS = [
    number
    for number in (*FOUND, *range(100, 130))
    if input_of(number)[0] not in (".npz", ".toml")  # which the whole script gives to finetune
]


@pytest.mark.parametrize("number", BOOKS)
def test_a_hostile_input_is_a_book_or_an_error_in_words(number: int, tmp_path: Path) -> None:
    suffix, content = input_of(number)
    source = tmp_path / f"book{suffix}"
    source.write_bytes(content)
    said = ""
    try:
        extract_book(source, ExtractSettings(jobs=1))
    except MckennabotError as error:
        said = str(error)
    assert not re.search(r"\b[A-Z]\w+(Error|Exception)\b|crashes", said), "an exception in disguise"


def test_a_trial_follows_from_its_seed(tmp_path: Path) -> None:
    for number in range(20):
        assert hostile(random.Random(number)) == hostile(random.Random(number))
    said = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "run.json").write_text('{"a": {"b": [1, 2.5, "x"]}}', encoding="utf-8")
        said.append(damage(folder / "run.json", random.Random(5)))
    assert said[0] == said[1]


def test_every_maker_makes_something() -> None:
    for make in MAKERS.values():
        rng = random.Random(3)
        assert any(make(rng) for _ in range(5))
        bent(b"", rng)


@pytest.mark.slow
def test_one_of_each_is_stood(tmp_path: Path) -> None:
    """And the script itself goes on working as the program under it changes."""
    command = [sys.executable, "-m", "scripts.torture", "--work", str(tmp_path)]
    for _ in range(2):  # the second time there is nothing left to do
        done = subprocess.run(
            [*command, "--kills", "8", "--damages", "2", "--inputs", "20"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "kill: 8 in 1 trials, 0 failed" in done.stdout
        assert "damage: 2 in 2 trials, 0 failed" in done.stdout
        assert "input: 20 in 1 trials, 0 failed" in done.stdout
