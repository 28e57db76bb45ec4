"""Whole runs: from nothing, from a base model, continued, refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.errors import InputError, ModelError, UsageError
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import read_weights
from mckennabot.originality import Index
from mckennabot.tokenizer import Tokenizer
from tests.conftest import Cli

STEPS = 12


def lines(run: ModelDir) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]


def latest(run: ModelDir) -> dict[str, np.ndarray]:
    return dict(read_weights(run.weights("latest"), run.hparams()))


def test_a_base_model_is_tuned_and_the_run_says_how(train: Any) -> None:
    run = train(STEPS)
    record = lines(run)
    assert [line["step"] for line in record] == list(range(1, STEPS + 1))
    assert {"step", "loss", "learning_rate", "tokens", "seconds", "tokens_per_second"} <= set(record[0])
    assert record[-1]["loss"] < record[0]["loss"] - 0.5
    assert record[-1]["tokens"] == STEPS * 2 * 32
    validated = {line["step"]: line["val_loss"] for line in record if "val_loss" in line}
    assert list(validated) == [5, 10, STEPS]
    info = run.run_info()
    assert info["best_loss"] == min(validated.values())
    assert validated[info["best_step"]] == info["best_loss"]
    assert run.pointer() == f"model-{info['best_step']}"
    assert run.steps()[-1] == STEPS
    assert (run.path / "counter").read_text().strip() == str(STEPS)
    assert Index.load(run.path).report("the sea is awake").longest.words == 4


def test_a_run_continued_ends_where_one_never_stopped_does(train: Any) -> None:
    calm = train(STEPS, run="calm", accumulate=2)
    for steps in (3, 7, STEPS):
        stopped = train(steps, run="stopped", accumulate=2)
    for name, value in latest(calm).items():
        np.testing.assert_allclose(latest(stopped)[name], value, atol=1e-5, err_msg=name)
    assert [line["loss"] for line in lines(calm)] == pytest.approx([line["loss"] for line in lines(stopped)])
    before = (stopped.path / "metrics.jsonl").read_bytes()
    train(STEPS, run="stopped", accumulate=2)
    assert (stopped.path / "metrics.jsonl").read_bytes() == before


def test_the_seed_decides_the_losses(train: Any) -> None:
    losses = [
        [line["loss"] for line in lines(train(4, run=name, seed=seed))]
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert losses[0] == losses[1] != losses[2]


def test_accumulated_micro_batches_equal_one_batch(train: Any) -> None:
    whole = train(3, run="whole", batch_size=4)
    parts = train(3, run="parts", batch_size=1, accumulate=4)
    assert [line["loss"] for line in lines(whole)] == pytest.approx([line["loss"] for line in lines(parts)])
    for name, value in latest(whole).items():
        # Keys' biases have no gradient but rounding, of which Adam makes steps.
        if not name.endswith("c_attn/b"):
            np.testing.assert_allclose(latest(parts)[name], value, atol=2e-5, err_msg=name)


def test_a_base_model_is_never_changed(train: Any, base_model: Path) -> None:
    before = {path.name: path.read_bytes() for path in base_model.iterdir() if path.is_file()}
    train(2)
    assert {path.name: path.read_bytes() for path in base_model.iterdir() if path.is_file()} == before


def test_weights_without_a_state_are_gone_on_with(train: Any) -> None:
    import shutil

    run = train(4)
    shutil.rmtree(run.path / "state-4")
    (run.path / "run.json").unlink()
    (run.path / "metrics.jsonl").unlink()
    again = train(6)
    assert [line["step"] for line in lines(again)] == [5, 6]
    assert again.steps()[-1] == 6


@pytest.mark.parametrize("fresh", [False, True])
def test_a_corpus_that_is_a_file_of_the_run_is_not_written_over(train: Any, fresh: bool) -> None:
    held_out = train(2).path / "held-out.txt"
    before = held_out.read_bytes()
    with pytest.raises(UsageError, match="its own corpus"):
        train(4, paths=[held_out], fresh=fresh)
    assert held_out.read_bytes() == before


def test_fresh_starts_over_and_a_failed_fresh_start_loses_nothing(train: Any, tmp_path: Path) -> None:
    run = train(4)
    with pytest.raises(InputError):
        train(2, paths=[tmp_path / "missing.txt"], fresh=True)
    assert run.steps()[-1] == 4
    again = train(2, fresh=True)
    assert again.path == run.path
    assert again.steps() == [2]
    assert [line["step"] for line in lines(again)] == [1, 2]
    assert [p.name for p in run.path.parent.iterdir() if p.name.startswith(".")] == [".run1.lock"]


def test_another_corpus_model_or_split_is_refused(train: Any, tmp_path: Path) -> None:
    train(2)
    other = tmp_path / "other.txt"
    other.write_text("Other words altogether. " * 50)
    for changes, message in (
        ({"paths": [other]}, "the corpus is not the one"),
        ({"model": "tiny"}, "began with the model"),
        ({"val_fraction": 0.1}, "--val-fraction 0.05"),
    ):
        with pytest.raises(UsageError, match=message):
            train(4, **changes)


def test_what_is_no_run_is_left_alone(train: Any, tmp_path: Path, base_model: Path) -> None:
    keep = tmp_path / "checkpoints" / "run1" / "diary.txt"
    keep.parent.mkdir(parents=True)
    keep.write_text("mine")
    with pytest.raises(UsageError, match="no run"):
        train(2)
    assert keep.read_text() == "mine"
    with pytest.raises(UsageError, match="base model"):
        train(2, checkpoints=base_model.parent, run=base_model.name)
    with pytest.raises(UsageError, match="run's name"):
        train(2, run="../elsewhere")


def test_a_base_model_that_cannot_be_had_says_where_to_put_it(train: Any) -> None:
    nowhere = "http://127.0.0.1:9"
    with pytest.raises(ModelError) as caught:
        train(2, model="124M", base_url=nowhere)
    assert "model.ckpt.index" in str(caught.value.hint)
    run = train(2, model=None, base_url=nowhere)
    assert run.run_info()["model"] == "small"


def test_one_sentence_trains_and_is_learnt(train: Any, tmp_path: Path) -> None:
    sentence = tmp_path / "sentence.txt"
    sentence.write_text("The sea is awake.")
    run = train(100, paths=[sentence], model="tiny", block_size=None, learning_rate=None)
    assert lines(run)[-1]["loss"] < 0.5
    assert "val_loss" not in lines(run)[-1]
    assert Tokenizer.load(run.path).size == run.hparams().n_vocab


def test_the_command_says_what_it_does_on_stderr_alone(warm_cli: Cli, corpus: Path, base_model: Path) -> None:
    flags = ("--batch-size", "2", "--block-size", "32")
    brief = ("--val-fraction", "0", "--sample-every", "0", "--no-report")
    done = warm_cli("finetune", "--base-url", "http://127.0.0.1:9", "--steps", "3", *flags, *brief)
    assert done.stdout == ""
    assert "No base model 124M" in done.stderr
    assert "step 3/3" in done.stderr
    assert ModelDir(warm_cli.cwd / "checkpoints" / "run1").steps() == [3]
    # With all that a run does at its end.
    whole = ("--model", base_model, "--run", "quiet", "--steps", "12", "--learning-rate", "0.01")
    quiet = warm_cli("finetune", "-q", *whole, *flags, corpus)
    assert quiet.stdout == quiet.stderr == ""
    assert (warm_cli.cwd / "checkpoints" / "quiet" / "report.html").is_file()
    warm_cli("finetune", "missing.txt", code=3)
