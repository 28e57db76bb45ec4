"""The model against plain references: OpenAI's formulas in NumPy, and TensorFlow's own gradients."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.backend import import_tensorflow
from mckennabot.models.checkpoint import Hparams
from tests.conftest import Cli

HPARAMS = Hparams(n_vocab=97, n_ctx=640, n_embd=24, n_head=3, n_layer=2)
LENGTH = 600  # more than two blocks of attention and of rows, and no multiple of either


@pytest.fixture(scope="module")
def values() -> dict[str, np.ndarray]:
    from mckennabot.models.weights import shapes

    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.2, shape).astype("float32") for name, shape in shapes(HPARAMS).items()}


@pytest.fixture(scope="module")
def windows() -> np.ndarray:
    return np.random.default_rng(1).integers(0, HPARAMS.n_vocab, (2, LENGTH + 1)).astype(np.int32)


def reference_loss(weights: dict[str, np.ndarray], windows: np.ndarray) -> float:
    """Mean loss by the formulas of OpenAI's model.py, in float64."""
    w = {name.removeprefix("model/"): value.astype(np.float64) for name, value in weights.items()}

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        return (
            centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * w[f"{name}/g"] + w[f"{name}/b"]
        )

    def dense(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{name}/w"][0] + w[f"{name}/b"]

    def softmax(x: np.ndarray) -> np.ndarray:
        e = np.exp(x - x.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    x = w["wte"][windows[:, :-1]] + w["wpe"][:LENGTH]
    for i in range(HPARAMS.n_layer):
        q, k, v = np.split(dense(norm(x, f"h{i}/ln_1"), f"h{i}/attn/c_attn"), 3, axis=-1)
        heads = [np.split(part, HPARAMS.n_head, axis=-1) for part in (q, k, v)]
        mixed = []
        for q_head, k_head, v_head in zip(*heads, strict=True):
            scores = q_head @ k_head.swapaxes(1, 2) / np.sqrt(q_head.shape[-1])
            scores = np.where(np.tri(LENGTH, dtype=bool), scores, -1e10)
            mixed.append(softmax(scores) @ v_head)
        x = x + dense(np.concatenate(mixed, -1), f"h{i}/attn/c_proj")
        h = dense(norm(x, f"h{i}/ln_2"), f"h{i}/mlp/c_fc")
        h = 0.5 * h * (1 + np.tanh(np.sqrt(2 / np.pi) * (h + 0.044715 * h**3)))
        x = x + dense(h, f"h{i}/mlp/c_proj")
    shares = softmax(norm(x, "ln_f") @ w["wte"].T)
    return float(-np.log(np.take_along_axis(shares, windows[:, 1:, None], -1)).mean())


@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("bfloat16", 0.02), ("float16", 0.005)])
def test_the_loss_is_the_reference_formulas(
    dtype: str, bound: float, values: dict[str, np.ndarray], windows: np.ndarray
) -> None:
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine

    engine = TensorFlowEngine(GPT2(HPARAMS, values.items()), dtype, micro_batch=2)
    evaluated = engine.evaluate(windows[:, :-1], windows[:, 1:]) / (2 * LENGTH)
    trained = float(engine.train(windows, 1e-3, 1))
    expected = reference_loss(values, windows)
    assert evaluated == pytest.approx(expected, abs=bound)
    assert trained == pytest.approx(expected, abs=bound)


def test_adam_takes_the_step_that_its_authors_describe(
    values: dict[str, np.ndarray], windows: np.ndarray
) -> None:
    """The first step moves each weight by the learning rate against its gradient, clipped or not."""
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine

    values = values | {"model/ln_f/g": 20 * values["model/ln_f/g"]}  # for gradients long enough to be clipped
    model = GPT2(HPARAMS, values.items())
    engine = TensorFlowEngine(model, "float32", micro_batch=2)
    engine.train(windows, 1e-3, 1)
    moments = {name: value.numpy() for name, value in engine.moments()}
    norm = np.sqrt(sum(((10 * value) ** 2).sum() for name, value in moments.items() if name.endswith("/m")))
    assert norm == pytest.approx(1, abs=1e-3)  # of a gradient that was longer
    for name, variable in model.variables.items():
        gradient = moments[f"{name}/m"] * 10
        clear = np.abs(gradient) > 1e-4  # where epsilon does not count
        moved = variable.value.numpy() - values[name]
        np.testing.assert_allclose(moved[clear], -1e-3 * np.sign(gradient[clear]), atol=3e-5, err_msg=name)


def test_what_is_kept_and_judged_is_the_weights_running_average(
    values: dict[str, np.ndarray], windows: np.ndarray
) -> None:
    from mckennabot.finetune.engines.adam import kept_share
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine

    def arrays(pairs: Iterable[tuple[str, Any]]) -> dict[str, np.ndarray]:
        return {name: value.numpy().copy() for name, value in pairs}

    engine = TensorFlowEngine(GPT2(HPARAMS, values.items()), "float32", micro_batch=2)
    expected = dict(values)
    for step in (1, 2, 3):
        engine.train(windows, 1e-2, step)
        raw = arrays(engine.model.params.items())
        expected = {n: kept_share(step) * expected[n] + (1 - kept_share(step)) * raw[n] for n in raw}
    average = arrays(engine.weights())
    for name in average:
        np.testing.assert_allclose(average[name], expected[name], atol=1e-5, err_msg=name)
    evaluated = engine.evaluate(windows[:, :-1], windows[:, 1:]) / (2 * LENGTH)
    assert evaluated == pytest.approx(reference_loss(average, windows), abs=1e-4)

    # Weights and moments are all that another engine needs to take the same next step.
    another = TensorFlowEngine(GPT2(HPARAMS, average.items()), "float32", micro_batch=2)
    another.restore(arrays(engine.moments()).items())
    for each in (engine, another):
        each.train(windows, 1e-2, 4)
    ours, theirs = (arrays([*each.weights(), *each.moments()]) for each in (engine, another))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)

    another.load(values.items())
    assert all(np.array_equal(value, values[name]) for name, value in arrays(another.weights()).items())


def test_float16s_loss_scale_doubles_after_many_good_steps_and_halves_at_an_overflow(
    values: dict[str, np.ndarray], windows: np.ndarray
) -> None:
    from mckennabot.finetune.engines.adam import GROW_AFTER, LOSS_SCALE
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.engines.tensorflow_engine import TensorFlowEngine

    engine = TensorFlowEngine(GPT2(HPARAMS, values.items()), "float16", micro_batch=2)

    def train(step: int) -> tuple[float, float]:
        engine.train(windows[:, :33], 1e-3, step)
        found = dict(engine.moments())
        return float(found["loss_scale"]), float(found["good_steps"])

    engine.restore([("good_steps", GROW_AFTER - 2.0)])
    assert train(1) == (LOSS_SCALE, GROW_AFTER - 1)
    assert train(2) == (2 * LOSS_SCALE, 0)
    assert train(3) == (2 * LOSS_SCALE, 1)
    engine.restore([("loss_scale", 2.0**100)])
    before = {name: value.numpy() for name, value in engine.model.params.items()}
    assert train(4) == (2.0**99, 0)
    assert all(np.array_equal(value, before[name]) for name, value in engine.model.params.items())


def tangent(function: Any, *inputs: np.ndarray) -> tuple[Any, list[np.ndarray]]:
    tf = import_tensorflow()
    tensors = [tf.constant(value) for value in inputs]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = function(*tensors)
        # Each number of the result weighs differently, so that no error cancels another.
        weighed = tf.reshape(result, (-1,)) * tf.sin(tf.range(1.0, float(tf.size(result)) + 0.5))
        total = tf.reduce_sum(weighed)
    return result, [grad.numpy() for grad in tape.gradient(total, tensors)]


def test_the_gradients_written_by_hand_are_the_true_ones() -> None:
    tf = import_tensorflow()
    from mckennabot.finetune.engines.attention import attend
    from mckennabot.finetune.engines.cross_entropy import (
        IGNORED,
        cross_entropy,
        cross_entropy_without_gradient,
    )

    rng = np.random.default_rng(2)
    q, k, v = (rng.normal(0, 1, (1, 2, LENGTH, 8)).astype("float32") for _ in range(3))

    def plain_attention(q: Any, k: Any, v: Any) -> Any:
        scores = tf.matmul(q, k, transpose_b=True)
        return tf.matmul(tf.nn.softmax(tf.where(np.tri(LENGTH, dtype=bool), scores, -1e10)), v)

    targets = rng.integers(0, 50, LENGTH).astype("int32")
    targets[::7] = IGNORED

    def plain_entropy(x: Any, table: Any) -> Any:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(
            np.maximum(targets, 0), tf.matmul(x, table, transpose_b=True)
        )
        return tf.reduce_sum(each * (targets != IGNORED))

    x, table = rng.normal(0, 1, (LENGTH, 16)).astype("float32"), rng.normal(0, 1, (50, 16)).astype("float32")
    alone = cross_entropy_without_gradient(tf.constant(x), tf.constant(table), targets)
    np.testing.assert_allclose(alone, plain_entropy(x, table), rtol=1e-6)

    def tripled(x: Any, table: Any) -> Any:
        return 3.0 * cross_entropy(x, table, targets)

    for ours, plain, inputs in (
        (attend, plain_attention, (q, k, v)),
        (
            lambda x, table: 3.0 * cross_entropy(x, table, targets),
            lambda *a: 3.0 * plain_entropy(*a),
            (x, table),
        ),
    ):
        (result, grads), (expected, true_grads) = tangent(ours, *inputs), tangent(plain, *inputs)
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
        for grad, true in zip(grads, true_grads, strict=True):
            np.testing.assert_allclose(grad, true, atol=2e-5 * np.abs(true).max())


def test_jax_computes_the_same_losses(
    values: dict[str, np.ndarray], windows: np.ndarray, tmp_path: Path, jax_cli: Cli
) -> None:
    """In a process of its own, since Keras has one backend a process."""
    from mckennabot.finetune.engines.build import make_engine
    from mckennabot.finetune.engines.model import GPT2

    np.savez(tmp_path / "inputs.npz", windows=windows, **values)
    done = jax_cli.python(_TRAIN_ON_JAX, str(tmp_path / "inputs.npz"))
    assert done.returncode == 0, done.stderr
    engine = make_engine(GPT2(HPARAMS, values.items()), "float32", 2)
    ours = [float(engine.train(windows, 1e-2, step)) for step in range(1, 5)]
    ours.append(engine.evaluate(windows[:, :-1], windows[:, 1:]))
    assert json.loads(done.stdout) == pytest.approx(ours, rel=1e-4)


_TRAIN_ON_JAX = """
import json, sys
import numpy as np
from mckennabot.backend import import_keras
assert import_keras().backend.backend() == "jax"
from mckennabot.models.checkpoint import Hparams
from mckennabot.finetune.engines.build import make_engine
from mckennabot.finetune.engines.model import GPT2
inputs = dict(np.load(sys.argv[1]))
windows = inputs.pop("windows")
hparams = Hparams(n_vocab=97, n_ctx=640, n_embd=24, n_head=3, n_layer=2)
engine = make_engine(GPT2(hparams, inputs.items()), "float32", 1, remat=True)
losses = [float(engine.train(windows, 1e-2, step)) for step in range(1, 5)]
engine.micro_batch = 2
print(json.dumps([*losses, engine.evaluate(windows[:, :-1], windows[:, 1:])]))
"""
