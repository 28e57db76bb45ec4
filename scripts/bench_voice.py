"""Ways to fine-tune, on many books: compared on this machine, or searched for on a GPU.

`prepare` turns books into arrays: tokens to learn from, and whole chapters held out. `compare` trains with
the package's own engine by the recipes of `finetune`, of gpt-2-simple and of Hugging Face's Trainer. `search`
trains replicas of the model that differ in their recipe alone side by side (vmap) in one JAX program;
it needs nothing but JAX, NumPy and the arrays, so it can run where the package is not installed:

    python -m scripts.bench_voice prepare BOOKS_DIR MODEL_DIR arrays.npz [--replay TEXT]
    python -m scripts.bench_voice compare MODEL_DIR arrays.npz results.jsonl BOOK/5k BOOK/20k …
    python scripts/bench_voice.py search WEIGHTS.npz arrays.npz results.jsonl [--seconds 180]

A line of a result is one recipe on one corpus: losses (nats per token) on the validation part and on the
held-out chapters, and the share of training passages that are known by heart. docs/voice.md has the numbers.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 1024
SIZES = {"5k": 5_000, "20k": 20_000, "whole": None}
BUDGET = {"5k": 160, "20k": 320, "whole": 640}
"""Windows that every recipe learns from, but those that count in epochs."""
TEST_SHARE = 0.2
TEST_WINDOWS, VALIDATION_WINDOWS = 8, 4
PASSAGES, PREFIX, SUFFIX = 160, 50, 50
VARIANTS = [*(("raw", x) for x in (0.5, 0.7, 0.85, 1.0, 1.2)), *(("ema", x) for x in (0.7, 0.85, 1.0))]
"""Which weights are evaluated: as trained or their moving average, and where on the dial."""

DEFAULT = {
    "rate": 1e-4,
    "schedule": 0,  # 0 constant, 1 linear to zero, 2 root decay (finetune as it was), 3 cosine to zero
    "warmup": 0.0,  # share of the steps; of root decay, steps
    "dropout": 0.0,
    "l2sp": 0.0,  # decoupled decay towards the base, per unit of rate
    "decay": 0.0,  # the usual weight decay, towards zero
    "ema": 0.9,
    "goldfish": 0.0,  # share of targets dropped by a hash of their context
    "replay": 0.0,  # share of rows that are generic text
    "clip": 1.0,
}


def recipes() -> dict[str, list[tuple[str, dict[str, float], Any]]]:
    """Groups of (name, changes to DEFAULT, epochs); a group has one batch size, and one compiled program."""
    ours = {"warmup": 0.05, "schedule": 1}

    def many(**changes: float) -> dict[str, float]:
        return {**ours, **changes}

    return {
        "batch 2": [
            ("lr2e-4", many(rate=2e-4), None),
            ("lr5e-4", many(rate=5e-4), None),
            ("lr1e-3", many(rate=1e-3), None),
            ("lr5e-4 constant", many(rate=5e-4, schedule=0, ema=0.97), None),
            ("lr5e-4 dropout.1", many(rate=5e-4, dropout=0.1), None),
            ("lr1e-3 dropout.1", many(rate=1e-3, dropout=0.1), None),
            ("lr1e-3 dropout.2", many(rate=1e-3, dropout=0.2), None),
            ("lr5e-4 goldfish.25", many(rate=5e-4, goldfish=0.25), None),
            ("lr1e-3 l2sp10", many(rate=1e-3, l2sp=10.0), None),
            ("lr5e-4 replay.3", many(rate=5e-4, replay=0.3), None),
            ("lr1e-3 dropout.1 replay.3", many(rate=1e-3, dropout=0.1, replay=0.3), None),
            ("lr2e-3 dropout.2 l2sp10", many(rate=2e-3, dropout=0.2, l2sp=10.0), None),
        ],
        "batch 1": [
            ("gpt-2-simple", {"rate": 1e-4, "clip": 1e9}, None),
            ("finetune as it was", {"rate": 1e-4, "schedule": 2, "warmup": 20}, None),
        ],
        "batch 8": [
            ("Trainer", {"rate": 5e-5, "schedule": 1, "dropout": 0.1}, 3),
        ],
        "lora": [
            ("lora lr2e-3", many(rate=2e-3), None),
            ("lora lr5e-3", many(rate=5e-3), None),
            ("lora lr5e-3 dropout.1", many(rate=5e-3, dropout=0.1), None),
        ],
    }


# ---------------------------------------------------------------- arrays


def prepare(books: Path, model: Path, target: Path, replay: Path | None) -> None:
    """Tokens of each book: chapters to learn from [n], chapters held out [m]; and how long each token is."""
    from mckennabot.corpus import parse, render
    from mckennabot.tokenizer import Tokenizer

    tokenizer = Tokenizer.load(model)
    arrays: dict[str, Any] = {
        "bytes": np.array([len(tokenizer.token_bytes(i)) for i in range(tokenizer.size - 1)] + [0], np.int32)
    }

    def encoded(segments: list[list[str]]) -> list[int]:
        text = render(segments)
        return [
            i
            for part in text.split("<|endoftext|>")
            for i in [tokenizer.eot, *tokenizer.encode(part.strip())]
        ]

    for path in sorted(books.glob("*.txt")):
        chapters = parse(path.read_text(encoding="utf-8"))
        words = [sum(len(p.split()) for p in chapter) for chapter in chapters]
        cut = len(chapters)
        while sum(words[cut:]) < TEST_SHARE * sum(words):
            cut -= 1
        arrays[f"{path.stem}/test"] = np.array(encoded(chapters[cut:]), np.int32)
        for size, most in SIZES.items():
            arrays[f"{path.stem}/{size}"] = np.array(encoded(_first(chapters[:cut], most)), np.int32)
    if replay:
        with replay.open(encoding="utf-8") as file:
            file.seek(5_000_000)
            text = file.read(1_500_000)
        arrays["replay"] = np.array(tokenizer.encode(text[text.index("\n") :]), np.int32)
    np.savez_compressed(target, **arrays)


def _first(chapters: list[list[str]], words: int | None) -> list[list[str]]:
    """Whole paragraphs from the start, about so many words."""
    if words is None:
        return chapters
    kept: list[list[str]] = []
    for chapter in chapters:
        kept.append([])
        for paragraph in chapter:
            if words <= 0:
                return [c for c in kept if c]
            kept[-1].append(paragraph)
            words -= len(paragraph.split())
    return kept


def validation_share(n: int) -> float:
    """As `finetune` holds out: a twentieth, of a small corpus more."""
    return max(0.05, min(0.15, 1024 / n))


def windows(tokens: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets [count, BLOCK] side by side, spread evenly; -1 where there is nothing to predict."""
    starts = np.arange(0, len(tokens) - 1, BLOCK)
    if len(starts) > count:
        starts = starts[np.linspace(0, len(starts) - 1, count).round().astype(int)]
    x, y = np.zeros((count, BLOCK), np.int32), np.full((count, BLOCK), -1, np.int32)
    for row, start in enumerate(starts):
        window = tokens[start : start + BLOCK + 1]
        x[row, : len(window) - 1], y[row, : len(window) - 1] = window[:-1], window[1:]
    return x, y


def orders(n: int, steps: int, batch: int, seed: int = 0) -> np.ndarray:
    """Where each row of each step begins [steps, batch]: epochs without replacement, from new offsets."""
    rng = np.random.default_rng(seed)
    each = max(1, n // BLOCK)
    epochs = -(-steps * batch // each)
    starts = [rng.integers(n) + BLOCK * rng.permutation(each) for _ in range(epochs)]
    return np.concatenate(starts)[: steps * batch].reshape(steps, batch).astype(np.int32)


# ---------------------------------------------------------------- model


def stack(weights: dict[str, np.ndarray], layers: int) -> dict[str, Any]:
    """OpenAI's variables with all layers' of a kind in one array [L, …]."""
    stacked: dict[str, Any] = {k.removeprefix("model/"): v for k, v in weights.items() if "/h" not in k}
    for name in [k.removeprefix("model/h0/") for k in weights if k.startswith("model/h0/")]:
        each = np.stack([weights[f"model/h{i}/{name}"] for i in range(layers)])
        stacked[f"h/{name}"] = each[:, 0] if name.endswith("/w") else each
    return {k: np.asarray(v, np.float32) for k, v in stacked.items()}


KERNEL = "xla"


def choose_kernel(heads: int, dtype: Any) -> None:
    """Use cuDNN's attention where it works under vmap and grad, and computes the same."""
    import jax
    from jax import numpy as jnp

    global KERNEL
    if jax.default_backend() != "gpu":
        return
    x = jax.random.normal(jax.random.key(0), (3, 2, BLOCK, heads, 64), dtype)

    def total(x: Any, kernel: str) -> Any:
        y = jax.nn.dot_product_attention(x, x, x, is_causal=True, implementation=kernel)
        return (y.astype(jnp.float32) ** 2).sum()

    try:
        grads = [
            jax.jit(jax.vmap(jax.grad(functools.partial(total, kernel=kernel))))(x).astype(jnp.float32)
            for kernel in ("xla", "cudnn")
        ]
        error = float(jnp.linalg.norm((grads[0] - grads[1]).ravel()) / jnp.linalg.norm(grads[0].ravel()))
        print(f"cudnn attention: relative difference {error:.2g}", flush=True)
        if error < 0.02:
            KERNEL = "cudnn"
    except Exception as error:
        print(f"cudnn attention: {str(error)[:200]}", flush=True)


def forward(params: dict[str, Any], tokens: Any, heads: int, dropout: Any, key: Any, dtype: Any) -> Any:
    """Hidden states [B, T, E] after tokens [B, T]."""
    import jax
    from jax import numpy as jnp

    def norm(x: Any, g: Any, b: Any) -> Any:
        mean = x.mean(-1, keepdims=True)
        centred = x - mean
        return centred * jax.lax.rsqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * g + b

    def drop(x: Any, key: Any) -> Any:
        if key is None:
            return x
        keep = jax.random.bits(key, x.shape, jnp.uint8) >= jnp.uint8(jnp.round(256 * dropout))
        return jnp.where(keep, x / (1 - dropout), 0).astype(x.dtype)

    def dense(x: Any, layer: Any, name: str) -> Any:
        return x.astype(dtype) @ layer[f"{name}/w"].astype(dtype) + layer[f"{name}/b"].astype(dtype)

    def block(x: Any, layer_and_key: Any) -> tuple[Any, None]:
        layer, key = layer_and_key
        keys = jax.random.split(key, 2) if key is not None else (None, None)
        b, t, e = x.shape
        qkv = dense(norm(x, layer["ln_1/g"], layer["ln_1/b"]), layer, "attn/c_attn")
        q, k, v = (part.reshape(b, t, heads, e // heads) for part in jnp.split(qkv, 3, -1))
        kernel = KERNEL if t == BLOCK else "xla"
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation=kernel).reshape(b, t, e)
        x = x + drop(dense(mixed, layer, "attn/c_proj").astype(jnp.float32), keys[0])
        h = jax.nn.gelu(dense(norm(x, layer["ln_2/g"], layer["ln_2/b"]), layer, "mlp/c_fc"), approximate=True)
        return x + drop(dense(h, layer, "mlp/c_proj").astype(jnp.float32), keys[1]), None

    layers = {k.removeprefix("h/"): v for k, v in params.items() if k.startswith("h/")}
    depth = layers["ln_1/g"].shape[0]
    x = params["wte"][tokens] + params["wpe"][: tokens.shape[1]]
    keys = None
    if key is not None:
        key, first = jax.random.split(key)
        x, keys = drop(x, first), jax.random.split(key, depth)
    x, _ = jax.lax.scan(block, x, (layers, keys))
    return norm(x, params["ln_f/g"], params["ln_f/b"])


def losses(
    params: dict[str, Any], x: Any, y: Any, heads: int, dtype: Any, dropout: Any = 0.0, key: Any = None
) -> Any:
    """Nats of each target [B, T]; 0 where it is -1."""
    import jax
    from jax import numpy as jnp

    def head(hidden: Any, table: Any) -> Any:
        logits = (hidden.astype(dtype) @ table.astype(dtype).T).astype(jnp.float32)
        at = jnp.take_along_axis(logits, jnp.maximum(y, 0)[..., None], axis=-1)[..., 0]
        return jnp.where(y >= 0, jax.nn.logsumexp(logits, axis=-1) - at, 0.0)

    return jax.checkpoint(head)(forward(params, x, heads, dropout, key, dtype), params["wte"])


# ---------------------------------------------------------------- training


class Trainer:
    """A group's compiled program: R replicas, a batch size, full weights or LoRA."""

    def __init__(
        self, base: dict[str, Any], heads: int, batch: int, replicas: int, rank: int, dtype: Any
    ) -> None:
        import jax
        from jax import numpy as jnp

        self.base, self.heads, self.batch, self.replicas, self.rank, self.dtype = (
            base,
            heads,
            batch,
            replicas,
            rank,
            dtype,
        )
        axes = {"hyper": 0, "state": 0}
        self._advance = jax.jit(
            jax.vmap(self._steps, in_axes=(axes["state"], axes["hyper"], *[None] * 7)), donate_argnums=0
        )
        self._evaluate = jax.jit(jax.vmap(self._losses, in_axes=(0, None, None, None)))
        self._memorised = jax.jit(jax.vmap(self._share, in_axes=(0, None, None)))
        self._jnp = jnp

    def start(self, seed: int = 0) -> Any:
        """Replicas at the base."""
        import jax
        from jax import numpy as jnp

        if self.rank:
            key = jax.random.key(seed)
            trained = {}
            for name, value in self.base.items():
                if name.startswith("h/") and name.endswith("/w"):
                    key, one = jax.random.split(key)
                    depth, rows, columns = value.shape
                    trained[f"{name}:a"] = jax.random.normal(one, (depth, rows, self.rank)) / math.sqrt(rows)
                    trained[f"{name}:b"] = jnp.zeros((depth, self.rank, columns))
        else:
            trained = dict(self.base)
        zeros = jax.tree.map(jnp.zeros_like, trained)
        state = {"p": trained, "m": zeros, "v": zeros, "ema": trained}
        return jax.tree.map(lambda x: jnp.repeat(x[None], self.replicas, 0), state)

    def merged(self, trained: Any) -> Any:
        """Whole weights from what is trained."""
        if not self.rank:
            return trained
        return {
            name: value + 2.0 * trained[f"{name}:a"] @ trained[f"{name}:b"]
            if f"{name}:a" in trained
            else value
            for name, value in self.base.items()
        }

    def advance(self, state: Any, hyper: Any, data: Any, first: int, count: int, total: int) -> Any:
        tokens, n, replay, starts = data
        return self._advance(
            state, hyper, tokens, n, replay, starts, np.int32(first), np.int32(count), np.int32(total)
        )

    def _steps(
        self,
        state: Any,
        hyper: Any,
        tokens: Any,
        n: Any,
        replay: Any,
        starts: Any,
        first: Any,
        count: Any,
        total: Any,
    ) -> Any:
        import jax

        def body(i: Any, state: Any) -> Any:
            return self._step(state, hyper, tokens, n, replay, starts[i], i, total)

        return jax.lax.fori_loop(first, first + count, body, state)

    def _step(
        self, state: Any, hyper: Any, tokens: Any, n: Any, replay: Any, starts: Any, i: Any, total: Any
    ) -> Any:
        import jax
        from jax import numpy as jnp

        window = jnp.arange(BLOCK + 1)
        rows = tokens[(starts[:, None] + window) % n]
        generic = replay[(starts[:, None] * 7919 % (len(replay) - BLOCK - 1)) + window]
        key, pick = jax.random.split(jax.random.fold_in(jax.random.key(1), i))
        rows = jnp.where(jax.random.uniform(pick, (len(starts), 1)) < hyper["replay"], generic, rows)
        x, y = rows[:, :-1], rows[:, 1:]
        # Goldfish: a target is dropped by a hash of the four tokens before it, the same in every epoch.
        before = sum(
            jnp.roll(x, shift, axis=1).astype(jnp.uint32) * np.uint32(m)
            for shift, m in enumerate((2654435761, 40503, 69069, 1013904223))
        )
        y = jnp.where((before >> 8) % 1000 < 1000 * hyper["goldfish"], -1, y)

        def mean_loss(trained: Any) -> Any:
            each = losses(self.merged(trained), x, y, self.heads, self.dtype, hyper["dropout"], key)
            return each.sum() / jnp.maximum((y >= 0).sum(), 1)

        grads = jax.grad(mean_loss)(state["p"])
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in jax.tree.leaves(grads)))
        factor = jnp.minimum(1.0, hyper["clip"] / norm)
        step = i + 1.0
        warm = hyper["warmup"] * jnp.where(hyper["schedule"] == 2, 1.0, total)
        rise = jnp.minimum(1.0, step / jnp.maximum(1.0, warm))
        progress = jnp.clip((step - warm) / jnp.maximum(1.0, total - warm), 0.0, 1.0)
        fall = jnp.select(
            [hyper["schedule"] == 1, hyper["schedule"] == 2, hyper["schedule"] == 3],
            [
                1 - progress,
                1 / jnp.sqrt(1 + jnp.maximum(0.0, step - warm) / 300),
                0.5 + 0.5 * jnp.cos(jnp.pi * progress),
            ],
            1.0,
        )
        rate = hyper["rate"] * rise * fall
        corrected = rate * jnp.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        new: dict[str, Any] = {"p": {}, "m": {}, "v": {}, "ema": {}}
        for name, p in state["p"].items():
            g = grads[name] * factor
            m = 0.9 * state["m"][name] + 0.1 * g
            v = 0.999 * state["v"][name] + 0.001 * g * g
            anchor = self.base.get(name, 0.0)
            p = p - corrected * m / (jnp.sqrt(v) + 1e-8)
            p = p - rate * hyper["l2sp"] * (p - anchor) - rate * hyper["decay"] * p
            weight = jnp.minimum(hyper["ema"], step / (step + 2))
            new["p"][name], new["m"][name], new["v"][name] = p, m, v
            new["ema"][name] = weight * state["ema"][name] + (1 - weight) * p
        return new

    def _at(self, state: Any, averaged: Any, voice: Any) -> Any:
        """Weights on the dial, of the run as it is or of its moving average."""
        from jax import numpy as jnp

        raw, ema = self.merged(state["p"]), self.merged(state["ema"])
        return {
            name: base + voice * (jnp.where(averaged, ema[name], raw[name]) - base)
            for name, base in self.base.items()
        }

    def _losses(self, state: Any, x: Any, y: Any, variants: Any) -> Any:
        """Nats a target [variants, rows / 4] of windows, in groups of four rows."""
        import jax

        def of_variant(variant: Any) -> Any:
            weights = self._at(state, *variant)

            def of_rows(rows: Any) -> Any:
                each = losses(weights, rows[0], rows[1], self.heads, self.dtype)
                return each.sum()

            return jax.lax.map(of_rows, (x.reshape(-1, 4, BLOCK), y.reshape(-1, 4, BLOCK)))

        return jax.lax.map(of_variant, variants)

    def _share(self, state: Any, x: Any, y: Any) -> Any:
        """Share of passages whose suffix is as good as known by heart, at a few places."""
        import jax
        from jax import numpy as jnp

        def of_variant(variant: Any) -> Any:
            each = losses(self._at(state, *variant), x, y, self.heads, self.dtype)
            return (each.sum(-1) <= math.log(1000)).mean()

        return jax.lax.map(of_variant, (jnp.array([False, False, True]), jnp.array([1.0, 0.7, 1.0])))


def passages(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes with suffixes [PASSAGES, 100], and as targets the suffixes alone."""
    starts = np.linspace(0, len(tokens) - PREFIX - SUFFIX - 1, PASSAGES).astype(int)
    rows = tokens[starts[:, None] + np.arange(PREFIX + SUFFIX)]
    x, y = rows[:, :-1], rows[:, 1:].copy()
    y[:, : PREFIX - 1] = -1
    return x, y


def search(weights: Path, arrays: Path, target: Path, seconds: float, micro: bool, evals: int) -> None:
    """Run the groups in order until the time is up; a line for each recipe and corpus."""
    import jax
    from jax import numpy as jnp

    jax.config.update("jax_default_prng_impl", "unsafe_rbg")
    began = time.perf_counter()
    stored = dict(np.load(weights))
    layers = 1 + max(int(k.split("/")[1][1:]) for k in stored if k.startswith("model/h"))
    base = jax.tree.map(jnp.asarray, stack(stored, layers))
    heads = base["wte"].shape[1] // 64 if not micro else 2
    dtype = jnp.bfloat16 if jax.default_backend() != "cpu" else jnp.float32
    data = dict(np.load(arrays))
    per_byte = data["bytes"]
    books = sorted({name.split("/")[0] for name in data if name.endswith("/test")})
    longest = max(len(v) for k, v in data.items() if "/" in k) + BLOCK + 1
    replay = jnp.asarray(data.get("replay", np.zeros(2 * BLOCK + 2, np.int32)))
    most_steps = 2048
    out = target.open("w", encoding="utf-8")
    plan = recipes()
    choose_kernel(heads, dtype)

    def variants(chosen: list[tuple[str, float]]) -> Any:
        return jnp.array([kind == "ema" for kind, _ in chosen]), jnp.array([voice for _, voice in chosen])

    along, everywhere = variants([("raw", 1.0), ("ema", 1.0)]), variants(VARIANTS)

    def warm(trainer: Trainer) -> Trainer:
        """Compile everything, by steps of none."""
        tokens, starts = jnp.zeros(longest, jnp.int32), jnp.zeros((most_steps, trainer.batch), jnp.int32)
        hyper = {key: np.full(trainer.replicas, value, np.float32) for key, value in DEFAULT.items()}
        state = trainer.advance(trainer.start(), hyper, (tokens, np.int32(BLOCK), replay, starts), 0, 0, 1)
        x, y = np.zeros((2, VALIDATION_WINDOWS + TEST_WINDOWS, BLOCK), np.int32)
        for chosen in (along, everywhere):
            trainer._evaluate(state, x, y, chosen)
        jax.block_until_ready(trainer._memorised(state, *passages(np.zeros(BLOCK, np.int32))))
        return trainer

    def run(trainer: Trainer, group: list[Any], book: str, size: str, rounds: int) -> None:
        corpus = data[f"{book}/{size}"]
        held = round(len(corpus) * validation_share(len(corpus)))
        train, validation, test = corpus[:-held], corpus[-held:], data[f"{book}/test"]
        padded = np.zeros(longest, np.int32)
        padded[: len(train)] = train
        epochs = group[0][2]
        per_epoch = max(1, len(train) // BLOCK)
        seen = epochs * per_epoch if epochs else BUDGET[size]
        steps = max(2, round(seen / trainer.batch)) if not micro else 4
        starts = np.zeros((most_steps, trainer.batch), np.int32)
        starts[:steps] = orders(len(train), steps, trainer.batch)[:most_steps]
        hyper = {
            key: np.array([{**DEFAULT, **changes}[key] for _, changes, _ in group], np.float32)
            for key in DEFAULT
        }
        xv, yv = windows(validation, VALIDATION_WINDOWS)
        xt, yt = windows(test, TEST_WINDOWS)
        bits = yt[yt >= 0].size / per_byte[yt[yt >= 0]].sum() / math.log(2)
        x, y = np.concatenate([xv, xt]), np.concatenate([yv, yt])
        cut = VALIDATION_WINDOWS // 4
        state = trainer.start()
        inputs = (jnp.asarray(padded), np.int32(len(train)), replay, jnp.asarray(starts))
        points = sorted({max(1, round(steps * (i + 1) / rounds)) for i in range(rounds)})
        curve, done, clock = [], 0, time.perf_counter()
        for point in points:
            state = trainer.advance(state, hyper, inputs, done, point - done, steps)
            done = point
            curve.append(trainer._evaluate(state, x, y, along))
        ends = trainer._evaluate(state, x, y, everywhere)
        shares = trainer._memorised(state, *passages(train))

        def means(sums: Any) -> Any:
            """Nats a target on validation and test windows, from sums of groups of rows."""
            sums = np.asarray(sums, np.float64)
            parts = (sums[..., :cut].sum(-1) / (yv >= 0).sum(), sums[..., cut:].sum(-1) / (yt >= 0).sum())
            return np.round(np.stack(parts, -1), 5)

        found, last = means(jnp.stack(curve)), means(ends)  # [points, R, variants, 2] and [R, variants, 2]
        taken = time.perf_counter() - clock
        shares = np.asarray(shares)
        for r, (name, changes, epochs) in enumerate(group):
            line = {
                "book": book,
                "size": size,
                "recipe": name,
                "changes": changes,
                "epochs": epochs,
                "steps": steps,
                "batch": trainer.batch,
                "tokens": int(steps * trainer.batch * BLOCK),
                "points": points,
                "bits": float(bits),
                "variants": [f"{k} {v:g}" for k, v in VARIANTS],
                "validation": last[r, :, 0].tolist(),
                "test": last[r, :, 1].tolist(),
                "curve": found[:, r].tolist(),
                "memorised": np.round(shares[r], 4).tolist(),
                "seconds": round(taken, 2),
            }
            out.write(json.dumps(line) + "\n")
        out.flush()
        print(
            f"{time.perf_counter() - began:6.1f} s  {book} {size} {group[0][0]} …: {steps} in {taken:.2f} s",
            flush=True,
        )

    def left() -> float:
        return seconds - (time.perf_counter() - began)

    def report_base() -> None:
        judge = jax.jit(functools.partial(losses, heads=heads, dtype=dtype))
        for book in books:
            x, y = windows(data[f"{book}/test"], TEST_WINDOWS)
            real = y[y >= 0]
            nats = float(judge(base, x, y).sum()) / real.size
            out.write(
                json.dumps(
                    {
                        "book": book,
                        "size": "base",
                        "recipe": "base",
                        "test": nats,
                        "bits": real.size / per_byte[real].sum() / math.log(2),
                    }
                )
                + "\n"
            )

    report_base()
    if micro:
        plan = {name: group[:2] for name, group in plan.items()}
    half = 6 if not micro else 2
    shapes = {
        "batch 2": (2, half, 0),
        "batch 1": (1, 2, 0),
        "batch 8": (8, 1, 0),
        "lora": (2, len(plan["lora"]), 16),
    }
    with ThreadPoolExecutor(4) as pool:
        making = {
            name: pool.submit(lambda shape: warm(Trainer(base, heads, *shape, dtype)), shapes[name])
            for name in plan
        }
        trainers = {name: made.result() for name, made in making.items()}
    print(f"{time.perf_counter() - began:6.1f} s  compiled, attention by {KERNEL}", flush=True)

    def each(name: str, sizes: tuple[str, ...], group: list[Any], rounds: int) -> None:
        width = shapes[name][1]
        for size in sizes:
            for book in books:
                for first in range(0, len(group), width):
                    if left() > 0:
                        run(trainers[name], group[first : first + width], book, size, rounds)

    each("batch 2", ("20k",), plan["batch 2"], evals)
    each("batch 1", ("20k", "5k"), plan["batch 1"], 2 * evals)
    each("batch 2", ("5k",), plan["batch 2"], evals)
    best = ranking(target)[:half]
    each("batch 2", ("whole",), [next(r for r in plan["batch 2"] if r[0] == name) for name in best], evals)
    each("batch 1", ("whole",), plan["batch 1"], 2 * evals)
    each("batch 8", tuple(SIZES), plan["batch 8"], 1)
    each("lora", ("20k",), plan["lora"], evals)
    print(f"{time.perf_counter() - began:.1f} s in all", flush=True)


def ranking(results: Path) -> list[str]:
    """Recipes by their mean held-out loss where validation is lowest, best first."""
    sums: dict[str, list[float]] = {}
    for text in results.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        if line.get("batch") == 2:
            validation, test = np.array(line["validation"]), np.array(line["test"])
            at = np.unravel_index(validation.argmin(), validation.shape)
            sums.setdefault(line["recipe"], []).append(test[at])
    return sorted(sums, key=lambda name: float(np.mean(sums[name])))


def compare(model: Path, arrays: Path, target: Path, cells: list[str]) -> None:
    """Train by three recipes on each corpus, and measure at five points; a line for each."""
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.launch import make_engine
    from mckennabot.finetune.precision import choose
    from mckennabot.finetune.prepare import BASE_RATE
    from mckennabot.finetune.trainer import learning_rate
    from mckennabot.models.checkpoint import ModelDir
    from mckennabot.models.weights import read_weights

    directory = ModelDir(model)
    base = dict(read_weights(directory.weights(), directory.hparams()))
    engine = make_engine(GPT2(directory.hparams(), base.items()), choose("auto"), 1)
    data = dict(np.load(arrays))

    def nats(x: np.ndarray, y: np.ndarray) -> float:
        sums = [engine.evaluate(x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
        return float(sum(sums) / (y >= 0).sum())

    def known_by_heart(tokens: np.ndarray) -> float:
        x, y = passages(tokens)
        sums = [engine.evaluate(x[i : i + 1], y[i : i + 1]) for i in range(0, len(x), 4)]
        return float(np.mean(np.array(sums) <= math.log(1000)))

    for cell in cells:
        book, _, size = cell.partition("/")
        corpus, test = data[cell], data[f"{book}/test"]
        held = round(len(corpus) * validation_share(len(corpus)))
        train = corpus[:-held]
        parts = windows(corpus[-held:], 2), windows(test, 6)
        real = parts[1][1][parts[1][1] >= 0]
        bits = real.size / data["bytes"][real].sum() / math.log(2)
        steps = 48 if size == "5k" else 96
        epochs = max(1, -(-(len(train) // BLOCK) // 8))
        trainer = 3 * epochs
        recipes = {  # batch, and the rate of each step
            "finetune": (1, [learning_rate(BASE_RATE, 20, step) for step in range(1, steps + 1)]),
            "gpt-2-simple": (1, [1e-4] * steps),
            "Trainer": (8, [5e-5 * (1 - step / trainer) for step in range(trainer)]),
        }
        engine.load(base.items())
        untuned = [nats(*part) for part in parts]
        for name, (batch, rates) in recipes.items():
            count = len(rates)
            engine.load(base.items())
            engine.restore([(key, np.zeros_like(value)) for key, value in engine.moments()])
            order, began, points = orders(len(train), count, batch), time.perf_counter(), []
            for step in range(1, count + 1):
                rows = train[(order[step - 1][:, None] + np.arange(BLOCK + 1)) % len(train)]
                engine.train(rows.astype(np.int32), rates[step - 1], step)
                if step in {max(1, count * i // 8) for i in (1, 2, 4, 6, 8)}:
                    points.append(
                        [step, round(time.perf_counter() - began, 1), *(nats(*part) for part in parts)]
                    )
            line = {"cell": cell, "recipe": name, "bits": bits, "base": untuned, "points": points}
            line["memorised"] = known_by_heart(train)
            tuned = {key: np.asarray(value) for key, value in engine.weights()}
            line["dial"] = {}
            for voice in (0.5, 0.75):
                engine.load((key, base[key] + voice * (tuned[key] - base[key])) for key in base)
                line["dial"][voice] = [nats(*part) for part in parts]
            with target.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(cell, name, [round(100 * (point[3] / untuned[1] - 1), 2) for point in points], flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("prepare")
    making.add_argument("books", type=Path)
    making.add_argument("model", type=Path)
    making.add_argument("target", type=Path)
    making.add_argument("--replay", type=Path)
    comparing = commands.add_parser("compare")
    comparing.add_argument("model", type=Path)
    comparing.add_argument("arrays", type=Path)
    comparing.add_argument("target", type=Path)
    comparing.add_argument("cells", nargs="+", metavar="BOOK/SIZE")
    searching = commands.add_parser("search")
    searching.add_argument("weights", type=Path)
    searching.add_argument("arrays", type=Path)
    searching.add_argument("target", type=Path)
    searching.add_argument("--seconds", type=float, default=180)
    searching.add_argument("--micro", action="store_true", help="a few steps of a micro model: a test")
    searching.add_argument("--evals", type=int, default=4)
    args = parser.parse_args()
    if args.command == "prepare":
        prepare(args.books, args.model, args.target, args.replay)
    elif args.command == "compare":
        compare(args.model, args.arrays, args.target, args.cells)
    else:
        search(args.weights, args.arrays, args.target, args.seconds, args.micro, args.evals)


if __name__ == "__main__":
    main()
