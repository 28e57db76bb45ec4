"""The voice score: what a run knows better than its base, and what that number means."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.config import GenerateSettings
from mckennabot.errors import ModelError
from mckennabot.generate.sampler import Sample
from mckennabot.generate.source import find_source
from mckennabot.models.checkpoint import HELD_OUT, ModelDir
from mckennabot.originality import Index, words
from mckennabot.reporter import Silent
from mckennabot.voice.best import best_of
from mckennabot.voice.calibration import TOKENS, Calibration
from mckennabot.voice.delta import LEAST, cosine_delta
from mckennabot.voice.judge import open_judge
from mckennabot.voice.scoring import calibrate, open_scorer
from tests.conftest import Cli, WarmCli

KEYS = {
    "file", "bits_per_byte", "base_bits_per_byte", "voice_score", "delta", "copied_share", "longest_copied",
    "new_words",
}  # fmt: skip
AUTHOR = "The river dreams of the machine, and the sea counts the stars. Nobody is awake twice.\n\n"
"""In the corpus's words, in an order that it does not have."""


@pytest.fixture
def cli(warm_cli: WarmCli) -> Cli:
    """Nothing here depends on how a process begins."""
    return warm_cli


@pytest.fixture
def run(learned_run: ModelDir) -> ModelDir:
    """A run, calibrated with what it held out."""
    return learned_run


def settings_of(run: ModelDir, **changes: Any) -> GenerateSettings:
    return GenerateSettings(run=run.name, checkpoints=run.path.parent, voice=1.0, **changes)


def test_a_text_is_read_token_by_token_in_windows_that_see_enough(base_model: Path) -> None:
    settings = GenerateSettings(model=base_model.name, checkpoints=base_model.parent, voice=1.0)
    with open_judge(find_source(settings), Silent()) as judge:
        for text in ("", "x", "The river — ünd 🜏 dreams", AUTHOR * 3, AUTHOR * 9):
            reading = judge.read(text)
            ids = judge.tokenizer.encode(text)
            assert len(reading.run) == len(reading.ends) == len(ids)
            assert reading.base is None
            assert (reading.run > 0).all()
            if ids:
                assert reading.ends[-1] == len(text)
                assert (np.diff(reading.ends) >= 0).all()
        short = judge.tokenizer.encode(AUTHOR)[:40]
        [expected] = judge.run.losses([[judge.tokenizer.eot, *short]])
        np.testing.assert_allclose(judge.read(judge.tokenizer.decode(short)).run, expected, rtol=1e-4)


def test_the_author_scores_high_the_base_low_and_a_copy_does_not_count(run: ModelDir) -> None:
    found = Calibration.read(run.run_info())
    assert found is not None
    assert found.score(found.zero) == 0
    assert found.score(found.hundred) == 100
    low, high = found.range
    assert low <= 100 <= high
    held_out = (run.path / HELD_OUT).read_text(encoding="utf-8")
    settings = settings_of(run)
    with open_scorer(find_source(settings), Silent()) as scorer:
        author = scorer.score(AUTHOR * 30)
        foreign = scorer.score("Qx zzkw vv 77 %% jjjq wwx.\n\n" * 40)
        copied = scorer.score(held_out)
        both = scorer.score(AUTHOR * 30 + held_out)
    assert author.voice_score is not None
    assert foreign.voice_score is not None
    assert author.voice_score > 50 > foreign.voice_score
    assert author.base_bits_per_byte is not None
    assert author.bits_per_byte < author.base_bits_per_byte
    # The index has the whole corpus: held-out pages are copied too, and nothing of them is left to judge.
    assert copied.voice_score is None
    assert copied.copied_share is not None
    assert copied.copied_share > 0.9
    assert "too short to say" in copied.reasons["voice_score"]
    assert both.saved == pytest.approx(author.saved, abs=0.3)


def test_a_short_text_gets_no_number_but_a_rank(run: ModelDir) -> None:
    with open_scorer(find_source(settings_of(run)), Silent()) as scorer:
        short = scorer.score(AUTHOR)
        foreign = scorer.score("Qx zzkw vv 77 %% jjjq wwx.")
    assert short.voice_score is None
    assert f"of {TOKENS}" in short.reasons["voice_score"]
    assert "too short" in short.reasons["delta"]
    assert short.saved > foreign.saved


def test_a_calibration_needs_enough_text_and_a_difference() -> None:
    rng = np.random.default_rng(0)
    base, author = rng.normal(-0.1, 0.5, 2000), rng.normal(0.1, 0.5, 2000)
    found = Calibration.of(base, author)
    assert found is not None
    assert found.low < found.hundred < found.high
    assert Calibration.read({"voice_score": found.as_json()}) is not None
    assert Calibration.of(base, author[:100]) is None
    assert Calibration.of(author, base) is None
    for nonsense in (None, 3, {}, {"zero": 1}, {"zero": 1, "hundred": 0, "low": 0, "high": 0}, ["x"]):
        assert Calibration.read({"voice_score": nonsense}) is None


def test_delta_tells_styles_apart_and_is_nothing_for_the_same() -> None:
    plain = Counter({"the": 70, "of": 20, "and": 50, "he": 30, "was": 25, "said": 9, "house": 3})
    formal = Counter({"the": 60, "of": 60, "which": 20, "and": 30, "upon": 9, "such": 8, "house": 3})
    assert cosine_delta(plain, plain) == pytest.approx(0)
    assert cosine_delta(plain, formal) == pytest.approx(cosine_delta(formal, plain))
    assert cosine_delta(plain, formal) > 0.3
    assert 0 <= cosine_delta(plain, Counter()) <= 2


def test_the_index_counts_its_words() -> None:
    index = Index.build([("a.txt", [["The sea, the Sea."], ["A star"]])])
    assert index.counts() == {"the": 2, "sea": 2, "a": 1, "star": 1}


def test_the_best_of_several_drafts_is_taken_in_any_order() -> None:
    def text(index: int, value: str) -> Sample:
        return Sample(index, "", value, "length", 1, -1.0)

    events = [text(3, "b"), text(0, "x"), "a piece", text(2, "c"), text(1, "xyz")]
    taken = list(best_of(events, 2, lambda sample: len(sample.text) + (sample.text == "c")))
    assert [(sample.index, sample.text) for sample in taken] == [(1, "c"), (0, "xyz")]


def test_the_command_scores_files_and_stdin(run: ModelDir, cli: Cli) -> None:
    (cli.cwd / "author.txt").write_text(AUTHOR * 30, encoding="utf-8")
    (cli.cwd / "other.txt").write_text("Qx zzkw vv 77 %% jjjq wwx.\n\n" * 40, encoding="utf-8")
    (cli.cwd / "empty.txt").write_text(" \n", encoding="utf-8")
    done = cli("score", "other.txt", "author.txt", "-", "--format", "jsonl", stdin=AUTHOR)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["file"] for line in lines] == ["other.txt", "author.txt", "-"]
    for line in lines:
        assert set(line) >= KEYS
        assert {key for key in KEYS if line[key] is None} == set(line.get("reasons", {}))
    assert lines[1]["voice_score"] > lines[0]["voice_score"]
    assert lines[2]["voice_score"] is None
    assert {"words", "file", "segment", "paragraph"} <= set(lines[1]["longest_copied"])
    assert "zzkw" in lines[0]["new_words"]
    table = cli("score", "other.txt", "author.txt").stdout.splitlines()
    assert [row.split()[0] for row in table] == ["TEXT", "author.txt", "other.txt"]
    cli("score", "empty.txt", code=3)
    cli("score", "nothing.txt", code=3)
    cli("score", "author.txt", "--run", "nothing", code=4)


def test_a_base_model_says_bits_per_byte_and_nothing_else(cli: Cli, base_model: Path) -> None:
    (cli.cwd / "author.txt").write_text(AUTHOR * 30, encoding="utf-8")
    arguments = ("score", "--checkpoints", base_model.parent, "--model", base_model.name, "author.txt")
    line = json.loads(cli(*arguments, "--format", "jsonl").stdout)
    assert line["bits_per_byte"] > 0
    assert set(line["reasons"]) == KEYS - {"file", "bits_per_byte"}
    assert "-" in cli(*arguments).stdout.splitlines()[1]


def test_generate_shows_scores_and_takes_the_best_of_several(run: ModelDir, cli: Cli) -> None:
    common = ("generate", "-q", "--prefix", "The", "--length", "40", "--seed", "1", "--ignore-eot")
    drafts = [
        json.loads(line) for line in cli(*common, "--nsamples", "4", "--format", "jsonl").stdout.splitlines()
    ]
    [best] = cli(*common, "--best-of", "4", "--format", "jsonl").stdout.splitlines()
    chosen = json.loads(best)
    assert chosen["text"] in {draft["text"] for draft in drafts}
    assert chosen["index"] == 0
    assert chosen["voice_score"] is None
    assert "too short" in chosen["voice_score_reason"]
    with open_scorer(find_source(settings_of(run)), Silent()) as scorer:
        saved = {draft["text"]: scorer.score(draft["text"].removeprefix("The")).saved for draft in drafts}
    assert math.isclose(saved[chosen["text"]], max(saved.values()), abs_tol=1e-6)
    shown = cli("generate", "--length", "450", "--scores", "--ignore-eot", "--seed", "1").stderr
    assert "voice score: " in shown
    cli(*common, "--best-of", "2", "--temperature", "0", code=2)


def test_best_of_without_a_base_is_refused(train: Any, cli: Cli) -> None:
    train(2, run="small-one", model="tiny", block_size=16)
    cli("generate", "--run", "small-one", "--best-of", "2", "--length", "5", code=4)


def test_a_run_whose_base_is_gone_is_left_uncalibrated(train: Any, tmp_path: Path, base_model: Path) -> None:
    import shutil

    shutil.copytree(base_model, tmp_path / "base")
    run = train(4, model=str(tmp_path / "base"), val_fraction=0.3)
    shutil.rmtree(tmp_path / "base")
    calibrate(run, Silent())
    assert "voice_score" not in run.run_info()
    with pytest.raises(ModelError, match="is gone"), open_scorer(find_source(settings_of(run)), Silent()):
        pass


def test_long_texts_get_a_delta(run: ModelDir) -> None:
    long = AUTHOR * (1 + LEAST // len(words(AUTHOR)))
    with open_scorer(find_source(replace(settings_of(run))), Silent()) as scorer:
        found = scorer.score(long)
    assert found.delta is not None
    assert 0 <= found.delta <= 2
