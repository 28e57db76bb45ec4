"""`generate --originality` and `--max-copied`: what is copied is said, shown, and sample again."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mckennabot.config import GenerateSettings
from mckennabot.generate.engine import Sampling
from mckennabot.generate.original import TRIES, sample_original
from mckennabot.generate.sampler import Sampler
from mckennabot.originality import Index
from mckennabot.reporter import Console
from mckennabot.tokenizer import Tokenizer
from tests.conftest import Cli, QuickCli, WarmCli

PREFIX = "The machine dreams of rivers. The river dreams of the sea, and"


@pytest.fixture
def cli(warm_cli: WarmCli) -> Cli:
    """Nothing here depends on how a process begins."""
    return warm_cli


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> Cli:
    """A model whose directory holds the index of a one-line corpus."""
    cli = QuickCli(tmp_path_factory.mktemp("indexed"))
    model = cli.cwd / "checkpoints" / "book"
    shutil.copytree(base_model, model)
    Index.build([("book.txt", [[PREFIX + " the sea is awake."]])]).save(model)
    return cli


ARGS = ("generate", "-q", "--model", "book", "--prefix", PREFIX, "--seed", "1", "--length", "40")


def test_json_spans_are_of_the_printed_text(indexed: Cli) -> None:
    for more in ((), ("--no-prefix",)):
        [line] = indexed(*ARGS, "--originality", "--format", "jsonl", *more).stdout.splitlines()
        read = json.loads(line)
        report, text = read["originality"], read["text"]
        assert report["words"] > 0
        assert report["new"]
        assert all(text[a:b].strip() == text[a:b] != "" for a, b in report["new"])
        assert len(PREFIX) * (not more) < report["new"][0][1]  # a word that the prefix only begins counts


def test_without_an_index_originality_says_who_makes_one(cli: Cli, base_model: Path) -> None:
    (cli.cwd / "checkpoints").symlink_to(base_model.parent)
    assert "finetune" in cli("generate", "--model", "small", "--originality", code=4).stderr


def test_a_terminal_shows_new_words_and_a_pipe_gets_plain_text(indexed: Cli) -> None:
    plain = indexed(*ARGS, "--originality")
    assert plain.stdout.startswith(PREFIX)
    assert "\x1b" not in plain.stdout
    assert plain.stderr.startswith("originality: ")
    leader, follower = os.openpty()
    env = {name: value for name, value in indexed.env.items() if name != "NO_COLOR"}
    subprocess.run(
        indexed.argv(*ARGS, "--originality"), cwd=indexed.cwd, env=env, stdout=follower, check=True,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(follower)
    shown = os.read(leader, 10_000).decode("utf-8", "replace")
    os.close(leader)
    assert "\x1b[1;32m" in shown


class Parrot:
    """An engine that copies the corpus twice as often as not, by turns."""

    def __init__(self, tokenizer: Tokenizer, texts: list[str]) -> None:
        self.tokenizer = tokenizer
        self.texts = texts
        self.calls = 0

    def reseed(self, seed: int) -> None:
        raise AssertionError("nobody asked for it")

    def stream(self, prompts, sampling: Sampling, *, most: int, least: int, on_token):  # type: ignore[no-untyped-def]
        for row in range(len(prompts)):
            text = self.texts[self.calls % len(self.texts)]
            self.calls += 1
            for token in [*self.tokenizer.encode(text), self.tokenizer.eot]:
                value, complete = on_token(row, token, -1.0)
                yield value
                if complete:
                    break


@pytest.mark.parametrize(
    ("texts", "kept", "calls", "warnings"),
    [
        (["the sea is awake and", "sea of words", "is awake the"], ["sea of words", "is awake the"], 3, 0),
        (["the sea is awake", "sea is awake", "the sea is awake"], ["sea is awake"] * 2, 2 * TRIES, 2),
    ],
)
def test_a_text_that_copies_too_much_is_drawn_again_a_bounded_number_of_times(
    texts: list[str], kept: list[str], calls: int, warnings: int
) -> None:
    tokenizer = Tokenizer.train([""], 257)
    engine = Parrot(tokenizer, texts)
    index = Index.build([("book.txt", [[PREFIX + " the sea is awake."]])])
    said = io.StringIO()
    sampler = Sampler(engine, tokenizer, 1024, GenerateSettings(batch_size=1))
    sample = list(sample_original(sampler, ["", ""], index, 2, Console(stream=said)))
    assert sorted(text.index for text in sample) == [0, 1]
    assert [text.text for text in sample] == kept
    assert engine.calls == calls
    assert said.getvalue().count("Warning: ") == warnings


def test_options_that_cannot_go_together_are_usage_errors(cli: Cli) -> None:
    cli("generate", "--max-copied", "5", "--temperature", "0", code=2)
    cli("generate", "--interactive", "--originality", code=2)
