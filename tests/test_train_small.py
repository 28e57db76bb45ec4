"""What `scripts/train_small.py` does around the training itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mckennabot.export.huggingface import tensor_name
from mckennabot.models.checkpoint import Hparams
from mckennabot.models.weights import shapes
from scripts.train_small import Plan, Recipe, load_half, pieces, rescale, save_half, schedule
from tests import numpy_gpt2
from tests.conftest import Cli, needs_jax


@pytest.mark.parametrize("length", [2, 5, 8, 9, 13, 40, 41])
def test_every_token_but_the_first_is_predicted_once_from_what_came_before(length: int) -> None:
    tokens = np.arange(length, dtype=np.int32)
    inputs, targets = pieces(tokens, 8)
    assert sorted(targets[targets >= 0]) == list(range(1, length))
    assert (inputs[targets >= 0] == targets[targets >= 0] - 1).all()
    seen = np.argmax(targets >= 0, axis=1)
    assert (seen[1:] == 4).all()


def test_rates_rise_stay_and_fall_to_nothing() -> None:
    factors = schedule(np.array([0, 0.005, 0.01, 0.4, 0.7, 1.0, 1.1]), Recipe())
    np.testing.assert_allclose(factors, [0, 0.5, 1, 1, 0.5, 0, 0], atol=1e-6)


def test_steps_asked_for_are_filled_up_to_whole_chunks() -> None:
    plan = Plan(22, float("inf"), 1.0)
    assert [plan.total(step, 5) for step in (0, 5, 20, 25)] == [25, 25, 25, 25]


def test_the_clock_plans_what_fits_and_ends() -> None:
    plan = Plan(None, 1e6, 10.0)
    assert 0.9e5 < plan.total(0, 1) <= 1e5
    assert Plan(None, 0, 10.0).total(7, 1) == 7


def test_weights_shared_out_over_files_are_the_same_again(tmp_path: Path) -> None:
    weights = {f"model/h{i}/w": np.full((i + 1, 3), i / 8, np.float32) for i in range(7)}
    save_half(tmp_path, weights, 3)
    assert len(list(tmp_path.iterdir())) == 3
    again = load_half(tmp_path)
    assert again.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(again[name], value)


def test_larger_matrices_are_the_same_model() -> None:
    rng = np.random.default_rng(0)
    sizes = shapes(Hparams(n_vocab=40, n_ctx=16, n_embd=24, n_head=3, n_layer=2))
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in sizes.items()}

    def logits(tensors: dict[str, np.ndarray]) -> np.ndarray:
        renamed = {
            tensor_name(name): value[0] if name.endswith("/w") else value for name, value in tensors.items()
        }
        return numpy_gpt2.logits(renamed, 3, [5, 6, 7, 30])  # type: ignore[no-any-return]

    before, after = logits(weights), logits(rescale(weights, 4.0))
    np.testing.assert_allclose(after, before, atol=1e-3)
    assert np.abs(before).max() > 1


@needs_jax
def test_muons_updates_are_about_orthogonal(cli: Cli) -> None:
    """In a process of its own: other tests fork this one, which JAX's threads would not survive."""
    code = (
        "import numpy as np; from scripts.train_small import orthogonal\n"
        "made = orthogonal(np.random.default_rng(0).normal(size=(2, 16, 64)).astype(np.float32))\n"
        "values = np.linalg.svd(np.asarray(made), compute_uv=False); print(values.min(), values.max())"
    )
    least, most = map(float, cli.python(code).stdout.split())
    assert least > 0.6
    assert most < 1.3
