"""Recipes for fine-tuning `small`, tried one after another in PyTorch, on a processor or a GPU.

    python -m scripts.bench_voice prepare BOOKS_DIR MODEL_DIR arrays.npz [--replay TEXT]
    python scripts/search_recipes.py mckennabot/small/weights.npz arrays.npz results.jsonl \
        [--books BOOK …] [--sizes 20k half] [--recipes NAME …]

It needs nothing but PyTorch, NumPy and the arrays, so it runs where the package is not installed. A window
of 1,024 tokens takes 1.7 seconds on one core that multiplies in bfloat16, 4.3 on one that does not. A line
of the result is one recipe on one corpus: losses on held-out chapters in nats per token (of the base, after
every 14 windows, of what the recipe ends with, and along the dial), and the share of passages of the corpus
that are known by heart. Lines that are there already are not done again. At the end, and at once when all is
done, all lines of the file come as tables: in percent against the base. docs/voice.md has the numbers.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

BLOCK = 1024
TEST_WINDOWS = 8
CURVE = 14
"""Windows between two looks at the held-out chapters: half an epoch of 20,000 words."""
DIAL = tuple(place / 4 for place in range(1, 9))
PATIENCE = 5
"""Looks at a run's own held-out text without improvement after which it stops, as in `finetune`."""
PASSAGES, PREFIX, SUFFIX = 96, 50, 50
KNOWN = math.log(1e-3)
"""A suffix that is at least as likely after its prefix is known by heart (arXiv 2505.12546)."""

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """How to fine-tune.

    Attributes:
        rate: of Adam at its peak.
        fall: ``root`` of the step after 300, ``line`` to zero, or ``flat``.
        warmup: steps until the rate has risen to its peak.
        epochs: through the corpus, at most.
        batch: windows of a step.
        dropout: after the embedding and after both parts of each layer.
        average: decay of a running average of the weights a step, which is what is judged; 0 for the weights.
        held_out: share of the corpus, its end, on which a run chooses its step and its place on the dial;
            with 0 it ends with its last step.
        replay: share of the windows that are generic prose.
        muon: rate of the matrices' orthogonalised updates; 0 leaves them to Adam.
        rank: of LoRA on all matrices, nothing else being trained; 0 trains all weights.
        fixed: a part of the names of weights that are not trained.
        towards_base: decoupled decay towards the base, per unit of rate (L2-SP).
    """

    rate: float
    fall: str = "root"
    warmup: int = 20
    epochs: int = 4
    batch: int = 1
    dropout: float = 0.0
    average: float = 0.0
    held_out: float = 0.0
    replay: float = 0.0
    muon: float = 0.0
    rank: int = 0
    fixed: str = ""
    towards_base: float = 0.0


FINETUNE = Recipe(1e-4, warmup=50, epochs=10, average=0.97, held_out=0.05)
"""As mckennabot does it."""

RECIPES = {
    "finetune": FINETUNE,
    "finetune, no average": replace(FINETUNE, average=0.0),
    "finetune, MLPs fixed": replace(FINETUNE, fixed="mlp"),
    "finetune, 5e-5 after 20 steps": replace(FINETUNE, rate=5e-5, warmup=20),
    "finetune, after 20 steps": replace(FINETUNE, warmup=20),
    "finetune, after 100 steps": replace(FINETUNE, warmup=100),
    "finetune, 2e-4 after 20 steps": replace(FINETUNE, rate=2e-4, warmup=20),
    "1e-4 to zero": Recipe(1e-4, "line", epochs=3),
    "2e-4 to zero": Recipe(2e-4, "line", epochs=3),
    "1e-4 to zero, dropout": Recipe(1e-4, "line", epochs=4, dropout=0.1),
    "2e-4 to zero, dropout": Recipe(2e-4, "line", epochs=3, dropout=0.1),
    "2e-4 to zero, replay": Recipe(2e-4, "line", epochs=4, replay=0.3),
    "1e-4 to zero, towards the base": Recipe(1e-4, "line", epochs=3, towards_base=100),
    "Muon 5e-4 to zero": Recipe(5e-5, "line", epochs=3, muon=5e-4),
    "Muon 1e-3 to zero": Recipe(5e-5, "line", epochs=3, muon=1e-3),
    "Muon 2e-3 to zero": Recipe(1e-4, "line", epochs=3, muon=2e-3),
    "LoRA 1e-3 to zero": Recipe(1e-3, "line", epochs=3, rank=16),
    "LoRA 3e-3 to zero": Recipe(3e-3, "line", epochs=3, rank=16),
    "gpt-2-simple": Recipe(1e-4, "flat", warmup=0),
    "Trainer": Recipe(5e-5, "line", warmup=0, epochs=3, batch=8, dropout=0.1),
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
        trained = {
            name: value for name, value in base.items() if not recipe.fixed or recipe.fixed not in name
        }
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
        """Whole weights as they are judged, or those of a step; LoRA's factors multiplied out."""
        trained = self.average if trained is None else trained
        if not self.recipe.rank:
            return {**self.base, **trained}
        return {
            name: value + 2 * trained[f"{name}:a"] @ trained[f"{name}:b"] if f"{name}:a" in trained else value
            for name, value in self.base.items()
        }

    def train(self, tokens: np.ndarray, replay: np.ndarray | None) -> Iterator[int]:
        """Yield the windows seen after each step; each epoch has a new order of windows from a new offset."""
        recipe, each = self.recipe, max(1, len(tokens) // BLOCK)
        starts = np.concatenate(
            [
                self.rng.integers(len(tokens)) + BLOCK * self.rng.permutation(each)
                for _ in range(recipe.epochs)
            ]
        )
        steps = -(-len(starts) // recipe.batch)
        for step in range(1, steps + 1):
            rows = []
            for start in starts[(step - 1) * recipe.batch : step * recipe.batch]:
                if replay is not None and self.rng.random() < recipe.replay:
                    start = self.rng.integers(len(replay) - BLOCK - 1)
                    rows.append(replay[start : start + BLOCK + 1])
                else:
                    rows.append(tokens[(start + np.arange(BLOCK + 1)) % len(tokens)])
            self._step(np.array(rows), step, steps)
            yield min(step * recipe.batch, len(starts))

    def _step(self, rows: np.ndarray, step: int, steps: int) -> None:
        recipe, values = self.recipe, list(self.trained.values())
        device = values[0].device
        total = [torch.zeros_like(value) for value in values]
        for row in torch.tensor(rows.astype(np.int64), device=device):
            scores = logits(self.weights(self.trained), row[None, :-1], self.heads, recipe.dropout)[0]
            loss = functional.cross_entropy(scores, row[1:]) / len(rows)
            for sum_, part in zip(total, torch.autograd.grad(loss, values), strict=True):
                sum_ += part
        norm = math.sqrt(sum(float((g * g).sum()) for g in total))
        warm = recipe.warmup
        after = max(0, step - warm)
        fall = {
            "root": 1 / math.sqrt(1 + after / 300), "line": 1 - after / (steps - warm + 1), "flat": 1.0
        }[recipe.fall]  # fmt: skip
        size = min(1.0, step / max(1, warm)) * fall
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


def measure(base: Weights, recipe: Recipe, data: Any, book: str, size: str, heads: int) -> dict[str, Any]:
    """Train, and say how well held-out chapters are predicted."""
    tokens = data[f"{book}/whole"]
    tokens = tokens[: 5 * len(tokens) // 8] if size == "half" else data[f"{book}/{size}"]
    end = len(tokens) - round(len(tokens) * recipe.held_out)
    own, chapters = windows(tokens[end:], TEST_WINDOWS), windows(data[f"{book}/test"], TEST_WINDOWS)

    def loss(tuned: Weights, rows: list[np.ndarray], voice: float = 1.0) -> float:
        with torch.no_grad():
            return mean_loss({k: base[k] + voice * (tuned[k] - base[k]) for k in base}, rows, heads)

    run, curve, next_look, began = Run(base, recipe, heads), {}, CURVE, time.perf_counter()
    every = max(5, end // BLOCK // 2)
    tuned, step, best, stale = base, 0, math.inf, 0
    for i, seen in enumerate(run.train(tokens[:end], data.get("replay")), 1):
        if seen >= next_look:
            curve[seen] = loss(run.weights(), chapters)
            next_look += CURVE
        if own and i % every == 0:
            now = loss(run.weights(), own)
            stale = 0 if now < best else stale + 1
            if now < best:
                best, step, tuned = now, i, {k: v.clone() for k, v in run.weights().items()}
            if stale == PATIENCE:
                break
    if not own:
        step, tuned = i, run.weights()
    voice = lowest([(place, loss(tuned, own, place)) for place in DIAL]) if own else 1.0
    return {
        "seconds": round(time.perf_counter() - began, 1),
        "base": loss(base, chapters),
        "curve": curve,
        "step": step,
        "voice": voice,
        "ends": loss(tuned, chapters, voice),
        "dial": {place: loss(tuned, chapters, place) for place in DIAL},
        "known": known_by_heart(tuned, tokens[:end], heads),
    }


def windows(tokens: np.ndarray, count: int) -> list[np.ndarray]:
    """At most so many windows, spread evenly."""
    starts = np.arange(0, len(tokens) - 1, BLOCK)
    if len(starts) > count:
        starts = starts[np.linspace(0, len(starts) - 1, count).round().astype(int)]
    return [tokens[start : start + BLOCK + 1] for start in starts]


def lowest(curve: list[tuple[float, float]]) -> float:
    """Where a curve is lowest, by the parabola around its lowest point, as `finetune` finds it."""
    at = min(range(len(curve)), key=lambda i: curve[i][1])
    if at in (0, len(curve) - 1):
        return curve[at][0]
    (left, a), (middle, b), (right, c) = curve[at - 1 : at + 2]
    return round(20 * (middle + (right - left) / 4 * (a - c) / (a - 2 * b + c))) / 20


def gain(line: dict[str, Any], loss: float) -> float:
    """A held-out loss against the base's, in percent; lower is better."""
    return 100 * (loss / line["base"] - 1)


def tables(lines: list[dict[str, Any]]) -> str:
    """A table in Markdown for each size: what a recipe ends with / what the dial's best place would give."""
    rows = []
    for size in dict.fromkeys(line["size"] for line in lines):
        cells = {(line["recipe"], line["book"]): line for line in lines if line["size"] == size}
        books = sorted({book for _, book in cells})
        rows += ["", " | ".join(["", size, *(book.split("-")[0] for book in books), "mean", ""])]
        for recipe in dict.fromkeys(recipe for recipe, _ in cells):
            found = {book: cells[recipe, book] for book in books if (recipe, book) in cells}
            pairs = {
                book: (gain(line, line["ends"]), gain(line, min(line["dial"].values())))
                for book, line in found.items()
            }
            said = [
                f"{pairs[book][0]:+.2f} / {pairs[book][1]:+.2f}" if book in pairs else "" for book in books
            ]
            end, best = np.mean(list(pairs.values()), axis=0)
            rows.append(" | ".join(["", recipe, *said, f"{end:+.2f} / {best:+.2f}", ""]))
    return "\n".join(rows).strip()


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
                print(f"{book} {size} {recipe}: {gain(line, line['ends']):+.2f} %", flush=True)
    print(tables([json.loads(line) for line in args.target.read_text(encoding="utf-8").splitlines()]))


if __name__ == "__main__":
    main()
