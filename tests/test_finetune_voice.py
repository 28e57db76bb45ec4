"""What a run finds out about its own voice, and the settings that it chooses for its base and corpus."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.config import FinetuneSettings
from mckennabot.finetune import finetune
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import read_weights
from mckennabot.reporter import Console
from tests.conftest import Cli


def test_a_run_ends_with_the_dial_measured_on_held_out_text(train: Any, tmp_path: Path) -> None:
    run = train(12, val_fraction=0.3, eval_every=4)
    info = run.run_info()
    curve = dict(info["voice_curve"])
    places = list(curve)
    assert places[:6] == [0, 0.25, 0.5, 0.75, 1, 1.25]
    assert places == [i / 4 for i in range(len(places))]
    # Beyond 1 it looks no further than to the first place that is worse.
    assert len(places) == 9 or curve[places[-1]] > curve[places[-2]]
    assert all(curve[left] >= curve[right] for left, right in itertools.pairwise(places[4:-1]))
    assert curve[1] == pytest.approx(info["best_loss"], abs=1e-4)
    assert curve[0] > curve[1]  # it has learnt something
    assert 0.25 <= info["voice"] <= 2
    lowest = min(curve, key=lambda place: curve[place])
    assert abs(info["voice"] - lowest) <= 0.25
    again = train(16, val_fraction=0.3, eval_every=4)  # the weights in use are the trained ones all along
    assert again.run_info()["settings"]["steps"] == 16


def test_the_weights_on_disk_stay_the_trained_ones(train: Any) -> None:
    measured = train(8, val_fraction=0.3, eval_every=4)
    assert "voice" in measured.run_info()
    not_measured = train(8, run="other", val_fraction=0.3, eval_every=4, patience=0)
    for one, other in zip(
        *(dict(read_weights(r.weights(), r.hparams())).values() for r in (measured, not_measured)),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_tiny_has_no_dial_and_a_corpus_without_held_out_text_no_measured_voice(train: Any) -> None:
    assert "voice" not in train(4, run="small-one", model="tiny", block_size=16, val_fraction=0.3).run_info()
    assert "voice" not in train(4, run="all", val_fraction=0).run_info()


def test_validations_follow_the_corpus(train: Any, base_model: Path, tmp_path: Path, corpus: Path) -> None:
    assert train(2, eval_every=None, batch_size=8).run_info()["settings"]["eval_every"] == 5
    large = tmp_path / "large.txt"
    large.write_text(corpus.read_text() * 30)
    run = train(2, run="large", paths=[large], eval_every=None)
    settings = run.run_info()["settings"]
    epoch = run.run_info()["corpus"]["tokens"] // (settings["batch_size"] * settings["block_size"])
    assert settings["eval_every"] == min(100, epoch // 2) > 10


def test_stopping_early_says_what_it_saves(base_model: Path, corpus: Path, tmp_path: Path) -> None:
    said = io.StringIO()
    settings = FinetuneSettings(
        steps=500, model=str(base_model), checkpoints=tmp_path / "checkpoints", batch_size=2, block_size=32,
        sample_every=0, precision="float32", eval_every=4, patience=2, learning_rate=0.05, val_fraction=0.3,
    )  # fmt: skip
    run = ModelDir(finetune([corpus], settings, reporter=Console(stream=said)))
    assert run.steps()[-1] < 500
    assert f"the other {500 - run.steps()[-1]} steps are not needed" in said.getvalue()


def test_too_little_text_is_said_and_nothing_held_out_is_told_apart_from_too_small(
    warm_cli: Cli, base_model: Path
) -> None:
    (warm_cli.cwd / "one.txt").write_text("The sea is awake.\n")
    flags = ("finetune", "--model", base_model, "--steps", "1", "--block-size", "8", "one.txt")
    said = warm_cli(*flags, "--run", "a").stderr
    assert "too small to hold any of it out" in said
    assert "will only be recited" in said
    said = warm_cli(*flags, "--run", "b", "--val-fraction", "0").stderr
    assert "Nothing is held out (--val-fraction 0)" in said
