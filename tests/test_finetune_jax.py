"""Training on JAX: what TensorFlow computes, from and into the same checkpoints."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Cli, WarmCli


def tune(
    cli: Cli, base: Path, run: str, steps: int, *more: str, code: int = 0, env: dict[str, str] | None = None
) -> tuple[list[dict[str, Any]], str]:
    """The lines of metrics.jsonl and of stderr after a run of the command line on one backend."""
    sizes = ["--block-size", "32", "--learning-rate", "0.01", "--warmup", "3"]
    every = ["--eval-every", "3", "--sample-every", "6", "--precision", "float32"]
    done = cli(
        *("finetune", "--model", base, "--run", run, *sizes, *every, "--steps", str(steps), *more),
        code=code,
        env=env,
    )
    path = cli.cwd / "checkpoints" / run / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines], done.stderr


@pytest.mark.usefixtures("corpus")
def test_either_backend_goes_on_where_the_other_stopped(
    warm_cli: WarmCli, jax_cli: WarmCli, base_model: Path
) -> None:
    whole = ["--batch-size", "4", "--grad-checkpoint"]
    parts = ["--batch-size", "2", "--accumulate", "2"]
    tune(warm_cli, base_model, "a", 3, *whole)
    tune(jax_cli, base_model, "b", 3, *parts)
    a, _ = tune(jax_cli, base_model, "a", 6, *whole)
    b, _ = tune(warm_cli, base_model, "b", 6, *parts)
    assert [line["step"] for line in a] == [line["step"] for line in b] == list(range(1, 7))
    assert a[-1]["loss"] < a[0]["loss"] - 0.2
    for name in ("loss", "val_loss"):
        losses = [[line[name] for line in lines if name in line] for lines in (a, b)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4), name
    texts = [(jax_cli.cwd / "checkpoints" / run / "samples" / "6.txt").read_text() for run in "ab"]
    assert texts[0] == texts[1]


def test_a_step_that_is_not_finite_changes_no_weight(jax_cli: WarmCli) -> None:
    done = jax_cli.python(_BROKEN_STEP)
    assert done.stdout.split() == ["nan", "True", "True", "65536,0", "65536,1", f"{2**100},0"], done.stderr


def test_weights_that_were_loaded_are_trained_as_those_it_began_with(jax_cli: WarmCli) -> None:
    done = jax_cli.python(_LOADED)
    assert done.stdout.split() == ["True", "True"], done.stderr


_LOADED = """
import numpy as np
from mckennabot.models.checkpoint import Hparams
from mckennabot.finetune.engines.build import make_engine
from mckennabot.finetune.engines.model import GPT2
from mckennabot.models.weights import random_weights

hparams = Hparams(n_vocab=17, n_ctx=8, n_embd=4, n_head=1, n_layer=1)
values = random_weights(hparams, 0)
engine = make_engine(GPT2(hparams, values.items()), "float32", 2)
windows = np.arange(18, dtype=np.int32).reshape(2, 9) % 17
first = float(engine.train(windows, 1e-3, 1))
engine.load(values.items())
print(all(np.array_equal(value, values[name]) for name, value in engine.weights()))
print(float(engine.train(windows, 1e-3, 2)) == first)
"""

# In a process of its own, because Keras has one backend in each.
_BROKEN_STEP = """
import numpy as np
from mckennabot.models.checkpoint import Hparams
from mckennabot.finetune.engines.adam import GROW_AFTER
from mckennabot.finetune.engines.build import make_engine
from mckennabot.finetune.engines.model import GPT2
from mckennabot.models.weights import random_weights

hparams = Hparams(n_vocab=17, n_ctx=8, n_embd=4, n_head=1, n_layer=1)
engine = make_engine(GPT2(hparams, random_weights(hparams, 0).items()), "float32", 2)
windows = np.arange(18, dtype=np.int32).reshape(2, 9) % 17

def now():
    everything = {**engine.model.params, **dict(engine.moments())}
    return {name: np.array(value) for name, value in everything.items()}

engine.train(windows, 1e-3, 1)
engine.model.variables["model/wte"].assign(engine.model.params["model/wte"].at[3, 0].set(np.inf))
before = now()
loss = float(engine.train(windows, 1e-3, 2))
print(loss, all(np.array_equal(value, before[name]) for name, value in now().items()))
engine.model.variables["model/wte"].assign(engine.model.params["model/wte"].at[3, 0].set(0.0))
before = now()
engine.train(windows, 1e-3, 2)
print(all(not np.array_equal(value, before[name]) for name, value in now().items() if name.endswith("/m")))

# float16's loss scale doubles after many good steps, and is halved when a gradient overflows.
engine = make_engine(GPT2(hparams, random_weights(hparams, 0).items()), "float16", 2)
engine.restore([("good_steps", np.float32(GROW_AFTER - 1))])
for step in (1, 2, 3):
    engine.train(windows, 1e-3, step)
    found = dict(engine.moments())
    print(f"{found['loss_scale']:.0f},{found['good_steps']:.0f}")
    if step == 2:
        engine.restore([("loss_scale", np.float32(2.0**101))])
"""


@pytest.mark.usefixtures("corpus")
def test_without_jax_the_command_says_what_to_install(cli: Cli, base_model: Path) -> None:
    (cli.cwd / "without" / "jax").mkdir(parents=True)
    absent = "raise ModuleNotFoundError(\"No module named 'jax'\", name='jax')\n"
    (cli.cwd / "without" / "jax" / "__init__.py").write_text(absent)
    env = {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join([str(cli.cwd / "without"), str(ROOT)])}
    _, said = tune(cli, base_model, "none", 1, code=2, env=env)
    assert "pip install 'mckennabot[jax]'" in said
