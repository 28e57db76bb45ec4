"""Memory, precision and the plan: what a run takes, and what happens where there is less."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mckennabot.config import FinetuneSettings
from mckennabot.errors import ResourceError
from mckennabot.finetune import memory
from mckennabot.finetune.dry_run import dry_run
from mckennabot.finetune.plan import make_plan
from mckennabot.finetune.runs.metrics import read
from mckennabot.finetune.runs.run import Run
from mckennabot.models import small
from mckennabot.models.checkpoint import Hparams, ModelDir
from mckennabot.models.weights import parameters
from mckennabot.reporter import Console
from tests.conftest import ROOT, Cli, WarmCli


def losses(run: ModelDir) -> list[float]:
    return [line["loss"] for line in read(run.path / "metrics.jsonl")]


def test_out_of_memory_halves_the_batch_and_computes_the_same(
    warm_cli: WarmCli, request: pytest.FixtureRequest, corpus: Path, base_model: Path
) -> None:
    """Large batches ask for more than any machine has: the error is the backend's own, out of its step."""
    sizes = ("--batch-size", "8", "--block-size", "16", "--steps", "4", "--sample-every", "0")
    argv = ["finetune", "--model", str(base_model), *sizes, "--precision", "float32", "--run"]
    tight = [warm_cli.python(_GREEDY, *argv, "tensorflow")]
    if importlib.util.find_spec("jax") is not None:
        tight.append(request.getfixturevalue("jax_cli").python(_GREEDY, *argv, "jax"))
    for done in tight:
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if "out of memory" in line]
        assert said == [
            "Warning: out of memory: 4 instead of 8 sequences at a time from here on, accumulated."
        ]
    warm_cli(*argv, "roomy")
    runs = [ModelDir(path) for path in (warm_cli.cwd / "checkpoints").iterdir() if path.is_dir()]
    assert len(runs) == len(tight) + 1
    for run in runs:
        assert losses(run) == pytest.approx(losses(runs[0]), abs=1e-5)


_GREEDY = """
import sys
from keras import ops
from mckennabot.__main__ import main
from mckennabot.finetune.engines import model

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
    from mckennabot.finetune.engines.engine import OutOfDeviceMemory
    from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine

    def full(self: TensorFlowEngine, *args: Any) -> Any:
        raise OutOfDeviceMemory

    monkeypatch.setattr(TensorFlowEngine, "train", full)
    with pytest.raises(ResourceError, match="not even one sequence of 32 tokens") as caught:
        train(2, batch_size=6)
    assert caught.value.hint == "Use --grad-checkpoint, --block-size 16 or a smaller --model."


def test_a_dry_run_says_when_nothing_fits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, corpus: Path, base_model: Path
) -> None:
    """A device that does not say how much memory it has tells it by failing."""
    from mckennabot.config import FinetuneSettings
    from mckennabot.finetune import memory, plan_run
    from mckennabot.finetune.dry_run import measure
    from mckennabot.finetune.engines.engine import OutOfDeviceMemory
    from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine

    tried = []

    def tight(self: TensorFlowEngine, batch: Any, rate: float, step: int) -> float:
        tried.append(self.micro_batch)
        if self.micro_batch > fits:
            raise OutOfDeviceMemory
        return 1.0

    monkeypatch.setattr(TensorFlowEngine, "train", tight)
    monkeypatch.setattr(memory, "free", lambda: None)
    settings = FinetuneSettings(
        model=str(base_model), batch_size=6, block_size=16, checkpoints=tmp_path / "c"
    )
    fits = 0
    assert "not measured: not even one sequence of 16 tokens" in plan_run([corpus], settings)
    with pytest.raises(ResourceError, match="not even one sequence"):
        measure([corpus], settings)
    fits = 2
    tried.clear()
    assert "s a step" in plan_run([corpus], settings)
    assert tried == [6, 3, 1, 1, 1, 1]


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


def test_a_dry_run_says_what_it_takes_and_writes_nothing(
    warm_cli: Cli, corpus: Path, base_model: Path
) -> None:
    sizes = ("--steps", "50", "--batch-size", "2", "--accumulate", "2")
    done = warm_cli("finetune", "--dry-run", "--model", base_model, *sizes)
    table = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert {"corpus", "windows", "steps", "model", "device", "memory in all", "time"} <= set(table)
    hparams = ModelDir(base_model).hparams()
    from mckennabot.models.weights import parameters

    assert f"{parameters(hparams):,} parameters" in table["model"]
    assert "50 of 4 windows" in table["steps"]
    assert not (warm_cli.cwd / "checkpoints").exists()
    assert done.stderr == ""


def test_what_does_not_fit_is_said_beforehand_and_what_would(
    train: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    corpus: Path,
    base_model: Path,
) -> None:
    from mckennabot.config import FinetuneSettings
    from mckennabot.finetune import memory, plan_run

    hparams = ModelDir(base_model).hparams()
    settings = FinetuneSettings(model=str(base_model), batch_size=64, block_size=64, precision="float32")
    needed = sum(memory.estimate(hparams, settings, "float32").values())
    monkeypatch.setattr(memory, "free", lambda: needed)
    assert "warning" not in plan_run([corpus], settings)
    monkeypatch.setattr(memory, "free", lambda: memory.PROGRAM + (needed - memory.PROGRAM) // 2)
    table = plan_run([corpus], settings)
    assert "not measured: it would not fit" in table
    assert "This would fit: --batch-size 16 --accumulate 4" in table
    monkeypatch.setattr(memory, "free", lambda: 1000)
    with pytest.raises(ResourceError, match=r"1\.00 GB of memory"):
        train(1)
    monkeypatch.setattr(memory, "free", lambda: 800_000_000)
    train(1)
    assert "This takes about 1.00 GB of memory" in (said := capsys.readouterr().err)
    assert "Use a smaller --model" in said


@pytest.mark.parametrize(("version", "limit"), [(2, "max"), (2, "5000"), (1, "5000")])
def test_a_containers_limit_counts(version: int, limit: str, tmp_path: Path) -> None:
    from mckennabot.system.machine import _container_memory

    names = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    group = tmp_path / ("memory" if version == 1 else ".") / "jobs" / "one"
    group.mkdir(parents=True)
    for name, content in zip(
        (*names, "memory.stat"), (limit, "3000", "inactive_file 7\ntotal_inactive_file 7\n"), strict=True
    ):
        (group / name).write_text(content)
    own = tmp_path / "own"
    own.write_text({1: "3:cpu:/x\n2:cpuset,memory:/jobs/one\n", 2: "0::/jobs/one\n"}[version])
    assert _container_memory(own, tmp_path) == (None if limit == "max" else 2007)


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


def test_a_dry_run_plans_for_the_model_that_would_be_fetched(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not small.is_packaged():
        pytest.skip("this checkout has no mckennabot/small, whose vocabulary counts the tokens")
    monkeypatch.setattr(memory, "free", lambda: 1)  # so that nothing is timed
    said = io.StringIO()
    settings = FinetuneSettings(dry_run=True, checkpoints=tmp_path / "checkpoints")
    run = Run(settings.checkpoints / settings.run)
    plan = make_plan([corpus], settings, run, Console(stream=said))
    assert "124M would be fetched first (0.50 GB)" in said.getvalue()
    assert parameters(plan.hparams) == 124_439_808
    assert "124M: 124,439,808 parameters" in dry_run(plan)
    assert not settings.checkpoints.exists()


def test_what_can_never_fit_is_refused_at_once() -> None:
    small_model = Hparams(n_vocab=8192, n_ctx=1024, n_embd=512, n_head=8, n_layer=8)
    settings = FinetuneSettings(batch_size=10**8, block_size=1024, accumulate=10**9)
    with pytest.raises(ResourceError, match="of memory, and 8"):
        memory.refuse(small_model, settings, "float32", 8 * 10**9)
    advice = memory.advice(small_model, settings, "float32", 8 * 10**9)
    assert advice is not None
    assert "This would fit: --batch-size" in advice
    memory.refuse(small_model, replace(settings, batch_size=8), "float32", 8 * 10**9)
