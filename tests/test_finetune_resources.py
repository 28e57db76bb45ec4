"""Memory, precision and the plan: what a run takes, and what happens where there is less."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mckennabot.checkpoint import ModelDir
from mckennabot.errors import ResourceError
from mckennabot.finetune.metrics import read
from tests.conftest import ROOT, Cli, needs_jax


def losses(run: ModelDir) -> list[float]:
    return [line["loss"] for line in read(run.path / "metrics.jsonl")]


@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=needs_jax)])
def test_out_of_memory_halves_the_batch_and_computes_the_same(
    backend: str, cli: Cli, corpus: Path, base_model: Path
) -> None:
    """Large batches ask for more than any machine has: the error is the backend's own, out of its step."""
    sizes = [
        "--batch-size",
        "8",
        "--block-size",
        "16",
        "--steps",
        "4",
        "--sample-every",
        "0",
        "--precision",
        "float32",
    ]
    argv = ["finetune", "--model", str(base_model), *sizes, "--run"]
    done = subprocess.run(
        [sys.executable, "-c", _GREEDY, *argv, "tight"],
        cwd=cli.cwd,
        env={**cli.env, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    said = [line for line in done.stderr.splitlines() if "Out of memory" in line]
    assert said == ["Out of memory: 4 instead of 8 sequences at a time from here on, accumulated."]
    cli(*argv, "roomy")
    tight, roomy = (losses(ModelDir(cli.cwd / "checkpoints" / run)) for run in ("tight", "roomy"))
    assert tight == pytest.approx(roomy, abs=1e-5)


_GREEDY = """
import sys
from keras import ops
from mckennabot.__main__ import main
from mckennabot.finetune import model

modest = model.loss

def greedy(weights, x, targets, learning=True):
    loss = modest(weights, x, targets, learning)
    if learning and x.shape[0] > 4:
        rising = ops.arange(2**23, dtype="float32") + ops.cast(targets[0, 0], "float32")
        terabytes = ops.cumsum(rising[:, None] * rising[None, :], axis=0)
        loss = loss * ops.where(ops.max(terabytes) < 0, 2.0, 1.0)
    return loss

model.loss = greedy
sys.exit(main())
"""


def test_when_nothing_fits_it_says_what_would(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from mckennabot.finetune.engine import OutOfDeviceMemory
    from mckennabot.finetune.step import TensorFlowStep

    def full(self: TensorFlowStep, *args: Any) -> Any:
        raise OutOfDeviceMemory

    monkeypatch.setattr(TensorFlowStep, "train", full)
    with pytest.raises(ResourceError, match="not even one sequence of 32 tokens") as caught:
        train(2, batch_size=6)
    assert caught.value.hint == "Use --grad-checkpoint, --block-size 16 or a smaller --model."


def test_losses_stay_within_bounds_of_the_float32_reference(train: Any) -> None:
    reference = losses(train(8, run="reference"))
    for i, (changes, bound) in enumerate(
        [
            ({"grad_checkpoint": True}, 1e-5),
            ({"precision": "bfloat16"}, 0.02),
            ({"precision": "float16"}, 0.01),
            ({"precision": "bfloat16", "grad_checkpoint": True, "accumulate": 2, "batch_size": 1}, 0.02),
        ]
    ):
        assert losses(train(8, run=f"other{i}", **changes)) == pytest.approx(reference, abs=bound), changes


def test_a_dry_run_says_what_it_takes_and_writes_nothing(cli: Cli, corpus: Path, base_model: Path) -> None:
    sizes = ("--steps", "50", "--batch-size", "2", "--accumulate", "2")
    done = cli("finetune", "--dry-run", "--model", base_model, *sizes)
    table = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert {"corpus", "windows", "steps", "model", "device", "memory in all", "time"} <= set(table)
    hparams = ModelDir(base_model).hparams()
    from mckennabot.weights import parameters

    assert f"{parameters(hparams):,} parameters" in table["model"]
    assert "50 of 4 windows" in table["steps"]
    assert not (cli.cwd / "checkpoints").exists()
    assert done.stderr == ""


def test_a_large_corpus_takes_little_more_memory_than_its_tokens(tmp_path: Path, corpus_text: str) -> None:
    """20 MB of text in a process of its own: what it adds to the peak is 4 bytes a token and some room."""
    path = tmp_path / "large.txt"
    path.write_text(corpus_text * (20_000_000 // len(corpus_text)))
    script = (
        "import resource, sys; from pathlib import Path\n"
        "from mckennabot.finetune.data import encode_corpus; from mckennabot.tokenizer import Tokenizer\n"
        "small, large = map(Path, sys.argv[1:])\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10\n"
        "tokenizer = Tokenizer.train([small.read_text()], 500); encode_corpus([small], tokenizer)\n"
        "before = peak(); tokens = encode_corpus([large], tokenizer)\n"
        "print(peak() - before, len(tokens))"
    )
    small = tmp_path / "small.txt"
    small.write_text(corpus_text)
    argv = [sys.executable, "-c", script, str(small), str(large := path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    added, tokens = map(int, done.stdout.split())
    assert added < large.stat().st_size + 4 * tokens + 60_000_000
