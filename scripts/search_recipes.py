"""Recipes for fine-tuning `small`, tried one after another in PyTorch, on a processor or a GPU.

    python -m scripts.bench_voice prepare BOOKS_DIR MODEL_DIR arrays.npz [--replay TEXT]
    python scripts/search_recipes.py mckennabot/small/weights.npz arrays.npz results.jsonl \
        [--books BOOK …] [--sizes 20k half] [--recipes NAME …]

It needs nothing but PyTorch, NumPy and the arrays, so it runs where the package is not installed. A step is
a window of 1,024 tokens: 1.7 seconds on one core that multiplies in bfloat16, 5 on one that does not. A line
of the result is one recipe on one corpus: the loss on held-out chapters in nats per token, at the end and
along the dial, and the share of passages of the corpus that are known by heart. Lines that are there already
are not done again.
docs/voice.md has the numbers.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

BLOCK = 1024
TEST_WINDOWS = 8
DIAL = (0.5, 0.7, 0.85, 1.0, 1.2)
PASSAGES, PREFIX, SUFFIX = 96, 50, 50
KNOWN = math.log(1e-3)
"""A suffix that is at least as likely after its prefix is known by heart (arXiv 2505.12546)."""

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """How to fine-tune; the defaults are `finetune`'s, without its validation.

    Attributes:
        rate: of Adam at its peak.
        fall: ``root`` of the step after 300, ``line`` to zero, or ``flat``.
        epochs: through the corpus.
        batch: windows of a step.
        dropout: after the embedding and after both parts of each layer.
        average: decay of a running average of the weights a step; 0 keeps none.
        replay: share of the windows that are generic prose.
        muon: rate of the matrices' orthogonalised updates; 0 leaves them to Adam.
        rank: of LoRA on all matrices, nothing else being trained; 0 trains all weights.
        towards_base: decoupled decay towards the base, per unit of rate (L2-SP).
    """

    rate: float = 5e-5
    fall: str = "root"
    epochs: int = 4
    batch: int = 1
    dropout: float = 0.0
    average: float = 0.0
    replay: float = 0.0
    muon: float = 0.0
    rank: int = 0
    towards_base: float = 0.0


RECIPES = {
    "finetune": Recipe(),
    "1e-4 to zero": Recipe(1e-4, "line", 3),
    "2e-4 to zero": Recipe(2e-4, "line", 3),
    "1e-4 to zero, dropout, average": Recipe(1e-4, "line", 4, dropout=0.1, average=0.97),
    "2e-4 to zero, dropout": Recipe(2e-4, "line", 3, dropout=0.1),
    "2e-4 to zero, replay": Recipe(2e-4, "line", 4, replay=0.3),
    "1e-4 to zero, towards the base": Recipe(1e-4, "line", 3, towards_base=100),
    "Muon 5e-4 to zero": Recipe(5e-5, "line", 3, muon=5e-4),
    "Muon 1e-3 to zero": Recipe(5e-5, "line", 3, muon=1e-3),
    "Muon 2e-3 to zero": Recipe(1e-4, "line", 3, muon=2e-3),
    "LoRA 1e-3 to zero": Recipe(1e-3, "line", 3, rank=16),
    "LoRA 3e-3 to zero": Recipe(3e-3, "line", 3, rank=16),
    "gpt-2-simple": Recipe(1e-4, "flat", 4),
    "Trainer": Recipe(5e-5, "line", 3, batch=8, dropout=0.1),
}


@functools.cache
def product_dtype(device: str) -> torch.dtype:
    """bfloat16 on devices that multiply in it; others take minutes for a step of seconds."""
    known = Path("/proc/cpuinfo")
    flags = known.read_text(encoding="utf-8") if known.exists() else ""
    return torch.bfloat16 if device == "cuda" or "bf16" in flags else torch.float32


def logits(p: Weights, tokens: torch.Tensor, heads: int, dropout: float = 0.0) -> torch.Tensor:
    """Logits [B, T, V] after tokens [B, T], in GPT-2's layout under OpenAI's names."""

    def drop(x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, dropout) if dropout else x

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.layer_norm(x, x.shape[-1:], p[f"{name}/g"], p[f"{name}/b"])

    def dense(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ p[f"{name}/w"] + p[f"{name}/b"].to(dtype)

    b, t = tokens.shape
    dtype = product_dtype(tokens.device.type)
    h = drop(p["wte"][tokens] + p["wpe"][:t])
    layers = sum(name.endswith("ln_1/g") for name in p)
    with torch.autocast(h.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
        for i in (f"h{n}" for n in range(layers)):
            qkv = dense(norm(h, f"{i}/ln_1"), f"{i}/attn/c_attn").split(h.shape[-1], -1)
            q, k, v = (part.reshape(b, t, heads, -1).transpose(1, 2) for part in qkv)
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            h = h + drop(dense(mixed.transpose(1, 2).reshape(b, t, -1), f"{i}/attn/c_proj").float())
            wide = functional.gelu(dense(norm(h, f"{i}/ln_2"), f"{i}/mlp/c_fc"), approximate="tanh")
            h = h + drop(dense(wide, f"{i}/mlp/c_proj").float())
        return (norm(h, "ln_f") @ p["wte"].t()).float()


def orthogonal(gradient: torch.Tensor) -> torch.Tensor:
    """The nearest matrix with all singular values near 1, by five Newton-Schulz steps (Muon)."""
    x = gradient.to(product_dtype(gradient.device.type))
    tall = x.shape[0] > x.shape[1]
    x = (x.t() if tall else x) / (x.norm() + 1e-7)
    for _ in range(5):
        square = x @ x.t()
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x.t() if tall else x).float()


class Run:
    """One recipe on one corpus, from the base.

    Args:
        base: the untuned weights.
        recipe: how.
        heads: of attention.
        seed: of the windows, dropout and LoRA.
    """

    def __init__(self, base: Weights, recipe: Recipe, heads: int, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.base, self.recipe, self.heads = base, recipe, heads
        self.rng = np.random.default_rng(seed)
        trained = dict(base)
        if recipe.rank:
            trained = {}
            for name in (name for name in base if name.endswith("/w")):
                rows, columns = base[name].shape
                trained[f"{name}:a"] = torch.randn(rows, recipe.rank, device=base[name].device) / rows**0.5
                trained[f"{name}:b"] = torch.zeros(recipe.rank, columns, device=base[name].device)
        self.trained = {name: value.clone().requires_grad_() for name, value in trained.items()}
        self.first = {name: torch.zeros_like(value) for name, value in trained.items()}
        self.second = {name: torch.zeros_like(value) for name, value in trained.items()}
        self.average = {name: value.clone() for name, value in trained.items()}

    def weights(self, trained: Weights | None = None) -> Weights:
        """Whole weights, LoRA's factors multiplied out."""
        trained = self.trained if trained is None else trained
        if not self.recipe.rank:
            return trained
        return {
            name: value + 2 * trained[f"{name}:a"] @ trained[f"{name}:b"] if f"{name}:a" in trained else value
            for name, value in self.base.items()
        }

    def train(self, tokens: np.ndarray, replay: np.ndarray | None) -> None:
        """All the recipe's steps; each epoch takes the corpus's windows in a new order from a new offset."""
        recipe, each = self.recipe, max(1, len(tokens) // BLOCK)
        starts = np.concatenate(
            [
                self.rng.integers(len(tokens)) + BLOCK * self.rng.permutation(each)
                for _ in range(recipe.epochs)
            ]
        )
        steps = max(1, len(starts) // recipe.batch)
        for step in range(1, steps + 1):
            rows = []
            for start in starts[(step - 1) * recipe.batch : step * recipe.batch]:
                if replay is not None and self.rng.random() < recipe.replay:
                    start = self.rng.integers(len(replay) - BLOCK - 1)
                    rows.append(replay[start : start + BLOCK + 1])
                else:
                    rows.append(tokens[(start + np.arange(BLOCK + 1)) % len(tokens)])
            self._step(np.array(rows), step, steps)

    def _step(self, rows: np.ndarray, step: int, steps: int) -> None:
        recipe, values = self.recipe, list(self.trained.values())
        device = values[0].device
        total = [torch.zeros_like(value) for value in values]
        for row in torch.tensor(rows.astype(np.int64), device=device):
            scores = logits(self.weights(), row[None, :-1], self.heads, recipe.dropout)[0]
            loss = functional.cross_entropy(scores, row[1:]) / len(rows)
            for sum_, part in zip(total, torch.autograd.grad(loss, values), strict=True):
                sum_ += part
        norm = math.sqrt(sum(float((g * g).sum()) for g in total))
        warm = min(20, steps / 4)
        after = max(0.0, step - warm)
        fall = {
            "root": 1 / math.sqrt(1 + after / 300), "line": 1 - after / (steps - warm + 1), "flat": 1.0
        }[recipe.fall]  # fmt: skip
        size = min(1.0, step / warm) * fall
        with torch.no_grad():
            for (name, value), gradient in zip(self.trained.items(), total, strict=True):
                self._update(name, value, gradient * min(1.0, 1 / norm), size, step)

    def _update(self, name: str, value: torch.Tensor, gradient: torch.Tensor, size: float, step: int) -> None:
        recipe, first, second = self.recipe, self.first[name], self.second[name]
        if recipe.muon and name.endswith("/w"):
            first.mul_(0.95).add_(gradient)
            wide = math.sqrt(max(1, value.shape[0] / value.shape[1]))
            value.sub_(size * recipe.muon * wide * orthogonal(gradient + 0.95 * first))
        else:
            first.mul_(0.9).add_(gradient, alpha=0.1)
            second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            corrected = size * recipe.rate * math.sqrt(1 - 0.999**step) / (1 - 0.9**step)
            value.sub_(corrected * first / (second.sqrt() + 1e-8))
        if recipe.towards_base:
            value.sub_(size * recipe.rate * recipe.towards_base * (value - self.base.get(name, 0.0)))
        if recipe.average:
            share = min(recipe.average, step / (step + 2))
            self.average[name].mul_(share).add_(value, alpha=1 - share)


def mean_loss(p: Weights, rows: list[np.ndarray], heads: int) -> float:
    """Nats per token over windows."""
    total, count = 0.0, 0
    for row in rows:
        x = torch.tensor(row.astype(np.int64), device=p["wte"].device)
        total += float(functional.cross_entropy(logits(p, x[None, :-1], heads)[0], x[1:], reduction="sum"))
        count += len(row) - 1
    return total / count


def known_by_heart(p: Weights, tokens: np.ndarray, heads: int) -> float:
    """Share of passages whose last 50 tokens are likely after the 50 before them."""
    starts = np.linspace(0, len(tokens) - PREFIX - SUFFIX - 1, PASSAGES).astype(int)
    known = 0
    for group in np.array_split(starts, PASSAGES // 16):
        rows = np.stack([tokens[start : start + PREFIX + SUFFIX] for start in group]).astype(np.int64)
        x = torch.tensor(rows, device=p["wte"].device)
        each = logits(p, x[:, :-1], heads).log_softmax(-1).gather(-1, x[:, 1:, None])[..., 0]
        known += int((each[:, PREFIX - 1 :].sum(-1) >= KNOWN).sum())
    return known / PASSAGES


def judge(base: Weights, run: Run, tokens: np.ndarray, rows: list[np.ndarray], heads: int) -> dict[str, Any]:
    """The losses of the base and along the dial, and what is known by heart."""
    ends = {"dial": run.weights()}
    if run.recipe.average:
        ends["average"] = run.weights(run.average)
    line: dict[str, Any] = {
        name: {
            voice: mean_loss({k: base[k] + voice * (tuned[k] - base[k]) for k in base}, rows, heads)
            for voice in DIAL
        }
        for name, tuned in ends.items()
    }
    known = known_by_heart(ends["dial"], tokens, heads)
    return {"base": mean_loss(base, rows, heads), **line, "known": known}


def measure(base: Weights, recipe: Recipe, data: Any, book: str, size: str, heads: int) -> dict[str, Any]:
    """Train, and say how well held-out chapters are predicted."""
    tokens = data[f"{book}/whole"]
    tokens = tokens[: 5 * len(tokens) // 8] if size == "half" else data[f"{book}/{size}"]
    test = data[f"{book}/test"]
    starts = np.arange(0, len(test) - 1, BLOCK)
    kept = starts[np.linspace(0, len(starts) - 1, min(TEST_WINDOWS, len(starts))).round().astype(int)]
    rows = [test[start : start + BLOCK + 1] for start in kept]
    run, began = Run(base, recipe, heads), time.perf_counter()
    run.train(tokens, data.get("replay"))
    seconds = round(time.perf_counter() - began, 1)
    with torch.no_grad():
        return {"seconds": seconds, **judge(base, run, tokens, rows, heads)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", type=Path)
    parser.add_argument("arrays", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--books", nargs="+")
    parser.add_argument("--sizes", nargs="+", default=["20k"], metavar="5k|20k|half|whole")
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES, metavar="NAME")
    parser.add_argument("--heads", type=int, default=8)
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(1)  # two wait for each other wherever anything else runs
    with np.load(args.weights) as stored:
        base = {
            name.removeprefix("model/"): torch.tensor(
                (value[0] if value.ndim == 3 else value).astype(np.float32), device=device
            )
            for name, value in stored.items()
        }
    data = dict(np.load(args.arrays))
    done = set()
    if args.target.exists():
        lines = map(json.loads, args.target.read_text(encoding="utf-8").splitlines())
        done = {(line["book"], line["size"], line["recipe"]) for line in lines}
    for size in args.sizes:
        for recipe in args.recipes:
            for book in args.books or [name.removesuffix("/test") for name in data if name.endswith("/test")]:
                if (book, size, recipe) in done:
                    continue
                line = measure(base, RECIPES[recipe], data, book, size, args.heads)
                with args.target.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"book": book, "size": size, "recipe": recipe, **line}) + "\n")
                voice, loss = min(line["dial"].items(), key=lambda place: place[1])
                end, best = (100 * (value / line["base"] - 1) for value in (line["dial"][1.0], loss))
                print(f"{book} {size} {recipe}: end {end:+.2f} %, best {best:+.2f} % at {voice}", flush=True)


if __name__ == "__main__":
    main()
