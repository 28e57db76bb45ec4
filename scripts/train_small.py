"""Train `small`, the GPT-2 that comes with this package, from nothing: text to weights in half precision.

    python scripts/train_small.py prepare WORK TEXT...       # the vocabulary, and the text in its tokens
    python scripts/train_small.py train WORK --seconds 430   # until the clock says so, or --steps N
    python scripts/train_small.py evaluate WORK BOOK...      # bits per byte of books it has not seen
    python scripts/train_small.py pack WORK DIRECTORY        # sizes, vocabulary and weights in one file

`train` wants KERAS_BACKEND=jax. On a GPU it takes minutes and needs no TensorFlow; for a processor there
are --layers, --width, --window and --batch. Interrupted, it goes on from its last save as if nothing had
happened. docs/small.md says what came of it.

The text is small for such a model, which reads it a dozen times and more: what decides is how little of it
is learnt by heart. Hence strong weight decay, dropout, and Muon, which in this regime does better than Adam
(arXiv 2509.14786; github.com/qlabs-eng/slowrun). Fine-tuning needs none of it, so all of it is here.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import json
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START = time.monotonic()

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402

from mckennabot.finetune.data import Tokens, Windows, encode_corpus, split  # noqa: E402
from mckennabot.finetune.runs.metrics import Metrics  # noqa: E402
from mckennabot.finetune.texts import Corpus  # noqa: E402
from mckennabot.models.checkpoint import Hparams, ModelDir  # noqa: E402
from mckennabot.models.weights import random_weights, shapes  # noqa: E402
from mckennabot.tokenizer import Tokenizer  # noqa: E402

SIZES = Hparams(n_vocab=8192, n_ctx=1024, n_embd=512, n_head=8, n_layer=8)
"""29.9 million numbers: 60 MB in half precision, less a tenth of one."""

HEAD = 64
"""Width of an attention head, as in every GPT-2."""


@dataclass(frozen=True)
class Recipe:
    """How it is trained.

    Attributes:
        batch: windows a step.
        matrix_rate: Muon's learning rate, for the layers' matrices.
        matrix_decay: their weight decay: each step takes rate x decay of them away.
        rate: Adam's, for tables, norms and biases.
        table_decay: weight decay of the two tables; norms and biases have none.
        momentum: Muon's.
        beta1: Adam's.
        beta2: Adam's.
        max_norm: longer gradients are shortened to this.
        dropout: share of what embedding and layers put into the stream that is left out.
        warmup: share of the steps in which the rates rise.
        cooldown: share of the steps in which they fall to nothing.
        averaging: how much of the running average of the weights a step leaves as it was.
        val_fraction: share of the text, its end, that is held out for the curve.
        seed: of weights, windows and dropout.
    """

    batch: int = 64
    matrix_rate: float = 0.01
    matrix_decay: float = 0.5
    rate: float = 2e-3
    table_decay: float = 0.5
    momentum: float = 0.95
    beta1: float = 0.9
    beta2: float = 0.95
    max_norm: float = 1.0
    dropout: float = 0.1
    warmup: float = 0.01
    cooldown: float = 0.6
    averaging: float = 0.995
    val_fraction: float = 0.005
    seed: int = 1


CHUNK = 50
"""Steps in one call of the device."""

ROWS = 32768
"""Rows of logits at a time on a GPU: a processor's few hundred would be hundreds of pieces a step."""

LEAST_SPEED, WORST_LOSS = 2e5, 7.0
"""On a GPU: fewer tokens a second, or more nats a token after `CHECK` steps, and something is wrong."""

CHECK = 200

Tree = Any
"""JAX's nested dictionaries of arrays."""


# What is read and written


def prepare(work: Path, files: Sequence[Path], vocabulary: int) -> None:
    """Learn the vocabulary from all of the text, and keep the text as tokens [n] of 16 bits."""
    work.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(files)
    Tokenizer.train(corpus.texts(), vocabulary).save(work)
    tokens = encode_corpus(corpus, Tokenizer.load(work))
    np.save(work / "tokens.npy", tokens.astype(np.uint16))
    size = sum(path.stat().st_size for path in corpus.files)
    say(f"{len(tokens)} tokens of {size / len(tokens):.2f} bytes each")


def save_half(directory: Path, weights: Mapping[str, Any], parts: int) -> None:
    """The weights in half precision, in one file or in so many of about one size."""
    piles: list[dict[str, Any]] = [{} for _ in range(parts)]
    for name, value in sorted(weights.items(), key=lambda item: -item[1].size):
        lightest = min(piles, key=lambda pile: sum(part.nbytes for part in pile.values()))
        lightest[name] = np.asarray(value).astype(np.float16)
    for i, pile in enumerate(piles):
        ordered = {name: pile[name] for name in weights if name in pile}
        path = directory / ("weights.npz" if parts == 1 else f"weights-{i}.npz")
        _save_npz(path, ordered, save=np.savez_compressed)


def load_half(directory: Path) -> dict[str, Any]:
    """What `save_half` has written, in float32."""
    found: dict[str, Any] = {}
    for path in sorted(directory.glob("weights*.npz")):
        with np.load(path) as stored:
            found |= {name: stored[name].astype(np.float32) for name in stored.files}
    return found


def _save_npz(path: Path, arrays: Mapping[str, Any], save: Callable[..., None] = np.savez) -> None:
    new = path.with_suffix(".new.npz")
    save(new, **arrays)
    new.replace(path)


# The step


class Trainer:
    """Training steps, compiled for one device.

    The state is a dictionary: ``params``, their running ``average``, ``first`` (Muon's momentum, and Adam's
    first moments), ``second`` (Adam's alone) and the ``step``.
    """

    def __init__(self, hparams: Hparams, recipe: Recipe, micro_batch: int, flash: bool) -> None:
        """Make ready.

        Args:
            hparams: the model's sizes.
            recipe: how to train it.
            micro_batch: windows whose gradients are computed at a time; divides the batch.
            flash: whether cuDNN computes attention, or the package does.
        """
        import jax

        from mckennabot.finetune.engines import cross_entropy, model

        self._gpt2, self._hparams, self._recipe = model, hparams, recipe
        self._micro_batch, self._flash = micro_batch, flash
        on_gpu = jax.default_backend() == "gpu"
        self._dtype = "bfloat16" if on_gpu else "float32"
        if on_gpu:
            cross_entropy.ROWS = cross_entropy.MATRIX_ROWS = ROWS
        self.run = jax.jit(self._run, donate_argnums=0)
        self.nats = jax.jit(self._nats)

    def begin(self, weights: Mapping[str, Any]) -> Tree:
        """The state before the first step."""
        from jax import numpy as jnp

        zeros = {name: jnp.zeros(value.shape) for name, value in weights.items()}
        return {
            "params": {name: jnp.array(value) for name, value in weights.items()},
            "average": {name: jnp.array(value) for name, value in weights.items()},
            "first": zeros,
            "second": {name: jnp.zeros(value.shape) for name, value in weights.items() if not _matrix(name)},
            "step": jnp.int32(0),
        }

    def _run(self, state: Tree, batches: Any, factors: Any) -> Any:
        """Steps on windows [n, B, T + 1] at the recipe's rates times factors [n]; losses [n] in nats."""
        import jax

        return jax.lax.scan(lambda state, step: self._step(state, *step), state, (batches, factors))

    def _step(self, state: Tree, batch: Any, factor: Any) -> tuple[Tree, Any]:
        import jax
        from jax import numpy as jnp

        recipe = self._recipe
        key = jax.random.fold_in(jax.random.key(recipe.seed, impl="rbg"), state["step"])
        loss, grads = self._gradients(state["params"], batch, key)
        norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in grads.values()))
        grads = jax.tree.map(lambda g: g * recipe.max_norm / jnp.maximum(norm, recipe.max_norm), grads)
        new = self._muon(state, grads, factor)
        for name in state["second"]:
            new[name] = self._adam(name, state, grads[name], factor)
        params, first, second = ({name: new[name][i] for name in new if len(new[name]) > i} for i in range(3))
        average = jax.tree.map(
            lambda mean, value: mean + (1 - recipe.averaging) * (value - mean), state["average"], params
        )
        step = state["step"] + 1
        return {"params": params, "average": average, "first": first, "second": second, "step": step}, loss

    def _gradients(self, params: Tree, batch: Any, key: Any) -> Any:
        """Mean loss of windows [B, T + 1], and its gradients, so many windows at a time."""
        import jax
        from jax import numpy as jnp

        parts = batch.reshape(-1, self._micro_batch, batch.shape[1])
        keys = jax.random.split(key, len(parts))
        if len(parts) == 1:
            return jax.value_and_grad(self._mean_loss)(params, parts[0], keys[0])

        def add(sums: Tree, part: Tree) -> tuple[Tree, None]:
            return jax.tree.map(jnp.add, sums, jax.value_and_grad(self._mean_loss)(params, *part)), None

        zeros = (jnp.float32(0), jax.tree.map(jnp.zeros_like, params))
        sums, _ = jax.lax.scan(add, zeros, (parts, keys))
        return jax.tree.map(lambda total: total / len(parts), sums)

    def _mean_loss(self, params: Tree, batch: Any, key: Any) -> Any:
        weights = self._gpt2.cast(params, self._dtype)
        x = self._hidden(weights, batch[:, :-1], key)
        return self._gpt2.loss(weights, x, batch[:, 1:]) / (batch.shape[0] * (batch.shape[1] - 1))

    def _nats(self, params: Tree, tokens: Any, targets: Any) -> Any:
        """Summed loss of targets [B, T] after tokens [B, T]."""
        weights = self._gpt2.cast(params, self._dtype)
        return self._gpt2.loss(weights, self._hidden(weights, tokens), targets, learning=False)

    def _hidden(self, weights: Tree, tokens: Any, key: Any = None) -> Any:
        """The last layer's normed output [B, T, E], with dropout where there is a key."""
        import jax

        gpt2 = self._gpt2
        keys: Iterator[Any] = iter(())
        if key is not None:
            keys = iter(jax.random.split(key, 1 + 2 * self._hparams.n_layer))

        def drop(x: Any) -> Any:
            return x if key is None else _dropout(x, next(keys), self._recipe.dropout)

        def layer(weights: Tree, x: Any, n_head: int) -> Any:
            qkv = gpt2.dense(weights, "attn/c_attn", gpt2.norm(weights, "ln_1", x))
            x = x + drop(gpt2.dense(weights, "attn/c_proj", self._attention(qkv, n_head))).astype(x.dtype)
            inner = gpt2.gelu(gpt2.dense(weights, "mlp/c_fc", gpt2.norm(weights, "ln_2", x)))
            return x + drop(gpt2.dense(weights, "mlp/c_proj", inner)).astype(x.dtype)

        return gpt2.hidden(weights, drop(gpt2.embed(weights, tokens)), self._hparams, layer)

    def _attention(self, qkv: Any, n_head: int) -> Any:
        """Causal self-attention over [B, T, 3E], giving [B, T, E]."""
        import jax

        if not self._flash:
            return self._gpt2.attention(qkv, n_head)
        batch, length, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
        heads = qkv.reshape(batch, length, 3, n_head, width // n_head)
        q, k, v = (heads[:, :, i] for i in range(3))
        mixed = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation="cudnn")
        return mixed.reshape(batch, length, width)

    def _adam(self, name: str, state: Tree, grad: Any, factor: Any) -> tuple[Any, Any, Any]:
        """A weight and its two moments after a step of AdamW."""
        from jax import numpy as jnp

        recipe, value = self._recipe, state["params"][name]
        step = (state["step"] + 1).astype(jnp.float32)
        first = recipe.beta1 * state["first"][name] + (1 - recipe.beta1) * grad
        second = recipe.beta2 * state["second"][name] + (1 - recipe.beta2) * jnp.square(grad)
        rate = recipe.rate * factor * jnp.sqrt(1 - recipe.beta2**step) / (1 - recipe.beta1**step)
        decay = recipe.table_decay if value.ndim > 1 else 0.0
        kept = value * (1 - recipe.rate * factor * decay)
        return kept - rate * first / (jnp.sqrt(second) + 1e-10), first, second

    def _muon(self, state: Tree, grads: Tree, factor: Any) -> dict[str, tuple[Any, ...]]:
        """Every layer's matrices and their momentum after a step of Muon, by name.

        Matrices of one shape are made orthogonal together. Queries, keys and values are a matrix each, and
        each update is as long as Muon's author has it: longer by a root where a matrix widens.
        """
        from jax import numpy as jnp

        recipe, new = self._recipe, {}
        moments, updates = {}, {}
        for name in filter(_matrix, grads):
            moments[name] = recipe.momentum * state["first"][name] + (1 - recipe.momentum) * grads[name]
            updates[name] = recipe.momentum * moments[name][0] + (1 - recipe.momentum) * grads[name][0]
        squares: dict[tuple[str, int], Any] = {}
        oblongs: dict[tuple[str, int], Any] = {}
        for name, update in updates.items():
            if name.endswith("c_attn/w"):
                squares |= {(name, i): part for i, part in enumerate(jnp.split(update, 3, axis=1))}
            elif name.endswith("attn/c_proj/w"):
                squares[name, 0] = update
            else:  # lying, [E, 4E]
                oblongs[name, 0] = update if name.endswith("c_fc/w") else update.T
        made: dict[tuple[str, int], Any] = {}
        for group in (squares, oblongs):
            made |= dict(zip(group, orthogonal(jnp.stack(list(group.values()))), strict=True))
        rate = recipe.matrix_rate * factor
        for name in updates:
            if name.endswith("c_attn/w"):
                update = jnp.concatenate([made[name, i] for i in range(3)], axis=1)
            elif name.endswith("mlp/c_proj/w"):
                update = made[name, 0].T
            else:
                update = made[name, 0] * (2.0 if name.endswith("c_fc/w") else 1.0)
            value = state["params"][name]
            new[name] = (value * (1 - rate * recipe.matrix_decay) - rate * update[None], moments[name])
        return new


def orthogonal(matrices: Any) -> Any:
    """About the nearest matrices [n, rows, columns] with orthogonal rows, by Newton and Schulz, in bfloat16.

    Five rounds of Muon's polynomial bring all singular values to between 0.7 and 1.2, which will do.
    """
    from jax import numpy as jnp

    x = matrices.astype(jnp.bfloat16)
    x = x / (jnp.linalg.norm(x.astype(jnp.float32), axis=(1, 2), keepdims=True) + 1e-7).astype(jnp.bfloat16)
    for _ in range(5):
        gram = x @ x.swapaxes(1, 2)
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * (gram @ gram)) @ x
    return x.astype(jnp.float32)


def _matrix(name: str) -> bool:
    """Whether Muon moves it."""
    return name.endswith("/w")


def _dropout(x: Any, key: Any, share: float) -> Any:
    """`x` [..., a multiple of 4] with a share of it, in 256ths, set to 0, and the rest made up for it."""
    import jax

    dropped = round(256 * share)
    words = jax.random.bits(key, (*x.shape[:-1], x.shape[-1] // 4), "uint32")
    random = jax.lax.bitcast_convert_type(words, np.uint8).reshape(x.shape)
    return jax.numpy.where(random >= dropped, x * (256 / (256 - dropped)), 0)


# Evaluation


def pieces(tokens: Tokens, window: int) -> tuple[Tokens, Tokens]:
    """Every token but the first as a target [n, window] once, after at least half a window where there is.

    Windows overlap by half; in all but the first, the first half's targets are ignored (-1).
    """
    half = window // 2
    starts = range(0, max(1, len(tokens) - 1 - half), half)
    inputs = np.zeros((len(starts), window), np.int32)
    targets = np.full((len(starts), window), -1, np.int32)
    for row, start in enumerate(starts):
        part = tokens[start : start + window + 1]
        inputs[row, : len(part) - 1] = part[:-1]
        seen = half if row else 0
        targets[row, seen : len(part) - 1] = part[1 + seen :]
    return inputs, targets


def total_nats(nats: Callable[..., Any], params: Tree, tokens: Tokens, window: int, batch: int) -> float:
    """Nats of all tokens after the first, in batches of one size."""
    inputs, targets = pieces(tokens, window)
    missing = ((0, -len(inputs) % batch), (0, 0))
    inputs, targets = np.pad(inputs, missing), np.pad(targets, missing, constant_values=-1)
    sums = [nats(params, inputs[i : i + batch], targets[i : i + batch]) for i in range(0, len(inputs), batch)]
    return float(sum(map(float, sums)))


def bits_per_byte(
    nats: Callable[..., Any],
    params: Tree,
    tokenizer: Tokenizer,
    books: Iterable[Path],
    window: int,
    batch: int,
) -> dict[str, float]:
    """Bits per byte of each book, the ends of its parts predicted but not counted as bytes."""
    found = {}
    lengths = np.array([len(tokenizer.token_bytes(i)) for i in range(tokenizer.size)])
    lengths[tokenizer.eot] = 0
    for book in books:
        tokens = encode_corpus([book], tokenizer)
        nats_of_all = total_nats(nats, params, tokens, window, batch)
        found[book.stem] = nats_of_all / math.log(2) / float(lengths[tokens].sum())
    return found


def report(figures: Mapping[str, float]) -> None:
    """A line for each book, and the mean."""
    for name, value in figures.items():
        say(f"  {name:<32} {value:.4f} bits per byte")
    say(f"  {'mean':<32} {sum(figures.values()) / len(figures):.4f} bits per byte")


# The run


def schedule(progress: Any, recipe: Recipe) -> Any:
    """What the rates are multiplied by, given the share of the run that is done [n]."""
    rising = np.minimum(1.0, progress / recipe.warmup)
    falling = np.minimum(1.0, (1 - progress) / recipe.cooldown)
    return np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)


class Plan:
    """How many steps there will be: as asked for, or as many as the clock allows at the speed so far."""

    def __init__(self, steps: int | None, seconds: float, per_chunk: float) -> None:
        """Plan `steps`, or what fits into `seconds` from the program's start at `per_chunk` seconds each."""
        self._steps, self._seconds, self._per_chunk = steps, seconds, per_chunk

    def took(self, seconds: float) -> None:
        """A chunk took so long."""
        self._per_chunk = 0.7 * self._per_chunk + 0.3 * seconds

    def total(self, step: int, chunk: int) -> int:
        """Steps in all, a multiple of a chunk's from `step` on."""
        if self._steps is not None:
            return step + -(-max(0, self._steps - step) // chunk) * chunk
        left = self._seconds - (time.monotonic() - START)
        return step + max(0, round(left / self._per_chunk - 0.3)) * chunk


def load_state(path: Path) -> Tree | None:
    """The state of an interrupted run."""
    if not path.exists():
        return None
    state: dict[str, Any] = {}
    with np.load(path) as stored:
        for key in stored.files:
            part, _, name = key.partition(":")
            if name:
                state.setdefault(part, {})[name] = stored[key]
            else:
                state[part] = stored[key]
    return state


def save_state(path: Path, state: Tree) -> None:
    """Everything that the next step needs, for `load_state`."""
    flat = {"step": np.asarray(state["step"])}
    for part in ("params", "average", "first", "second"):
        flat |= {f"{part}:{name}": np.asarray(value) for name, value in state[part].items()}
    _save_npz(path, flat)


def open_trainer(
    hparams: Hparams, recipe: Recipe, micro_batch: int, state: Tree, batches: Any
) -> tuple[Trainer, float]:
    """A trainer that has proved to work and fit on the first steps, and the seconds that they take.

    On a GPU it tries cuDNN's attention first, then the package's; each with the whole batch at a time, then
    with a half and a quarter of it.
    """
    import jax

    still = np.zeros(len(batches), np.float32)
    on_gpu = jax.default_backend() == "gpu"
    halves = [micro_batch // part for part in (1, 2, 4) if micro_batch % part == 0]
    for flash in (True, False) if on_gpu else (False,):
        for micro in halves:
            trainer, what = (
                Trainer(hparams, recipe, micro, flash),
                f"{micro} windows at a time, flash {flash}",
            )
            began = time.monotonic()
            try:
                # With rates of 0 the weights stay as they are.
                copy, losses = trainer.run(jax.tree.map(jax.numpy.array, state), batches, still)
                np.asarray(losses)
                compiled = time.monotonic()
                np.asarray(trainer.run(copy, batches, still)[1])
            except Exception as error:
                say(f"{what}: {type(error).__name__}: {str(error)[:800]}")
                if "RESOURCE_EXHAUSTED" in str(error) or "ut of memory" in str(error):
                    continue
                break
            seconds = time.monotonic() - compiled
            speed = batches[:, :, 1:].size / seconds
            say(f"{what}: compiled in {compiled - began:.0f} s, {speed:.0f} tokens/s")
            if on_gpu and speed < LEAST_SPEED:
                raise SystemExit("too slow: giving up")
            return trainer, seconds
    raise SystemExit("nothing works on this device")


def train(
    work: Path, out: Path, hparams: Hparams, recipe: Recipe, micro_batch: int, chunk: int, arguments: Any
) -> None:
    """Train until the plan's end; metrics.jsonl and the weights in half precision go into `out`."""
    import jax

    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer.load(work)
    tokens, held_out = split(np.load(work / "tokens.npy").astype(np.int32), recipe.val_fraction)
    windows = Windows(tokens, hparams.n_ctx, recipe.seed)
    val_bytes = sum(len(tokenizer.token_bytes(i)) for i in held_out[1:] if i != tokenizer.eot)
    val_bits = 1 / math.log(2) / val_bytes
    say(f"{len(tokens)} tokens, {len(held_out)} held out; {recipe}")

    def batches(step: int) -> Any:
        flat = windows.batch(step * recipe.batch, chunk * recipe.batch)
        return flat.reshape(chunk, recipe.batch, -1)

    saved = load_state(work / "state.npz")
    first = saved or Trainer(hparams, recipe, micro_batch, False).begin(random_weights(hparams, recipe.seed))
    step = int(first["step"])
    waiting = batches(step)
    trainer, seconds = open_trainer(hparams, recipe, micro_batch, first, waiting)
    state = jax.tree.map(jax.numpy.array, first)
    plan = Plan(arguments.steps, arguments.seconds or math.inf, seconds)
    per_step = recipe.batch * hparams.n_ctx
    last_save, last_val, halfway = time.monotonic(), step, False
    with contextlib.closing(Metrics(out / "metrics.jsonl", step)) as metrics:
        while (total := plan.total(step, chunk)) > step:
            began = time.monotonic()
            factors = schedule((step + np.arange(chunk)) / total, recipe)
            state, losses = trainer.run(state, waiting, factors)
            step += chunk
            waiting = batches(step)  # while the device works
            loss = float(np.asarray(losses).mean())
            seconds = time.monotonic() - began
            plan.took(seconds)
            line = {
                "step": step,
                "of": total,
                "loss": loss,
                "factor": float(factors[-1]),
                "epoch": step * per_step / len(tokens),
                "seconds": time.monotonic() - START,
                "tokens_per_second": chunk * per_step / seconds,
            }
            if not math.isfinite(loss) or (step == CHECK and arguments.seconds and loss > WORST_LOSS):
                raise SystemExit(f"the loss is {loss} at step {step}: giving up")
            if step - last_val >= total / arguments.validations or step in (2 * chunk, 8 * chunk):
                last_val = step
                for name, which in (("val", "params"), ("val_average", "average")):
                    nats = total_nats(trainer.nats, state[which], held_out, hparams.n_ctx, micro_batch)
                    line[name] = nats / (len(held_out) - 1)
                    line[f"{name}_bits_per_byte"] = nats * val_bits
            metrics.add(line)
            metrics.flush()
            say(" ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items()))
            if arguments.save and time.monotonic() - last_save > 60 * arguments.save:
                save_state(work / "state.npz", state)
                last_save = time.monotonic()
            if not halfway and step > 0.6 * total:
                halfway = True
                save_half(out, state["average"], arguments.parts)
    if arguments.save:
        save_state(work / "state.npz", state)
    found = {
        which: total_nats(trainer.nats, state[which], held_out, hparams.n_ctx, micro_batch)
        for which in ("params", "average")
    }
    best = min(found, key=lambda which: found[which])
    say(f"{ {k: round(v * val_bits, 4) for k, v in found.items()} } bits per byte held out: keeping {best}")
    save_half(out, state[best], arguments.parts)
    ModelDir(out).write_hparams(hparams)
    books = sorted(arguments.books.glob("*.txt")) if arguments.books else []
    if books:
        figures = bits_per_byte(trainer.nats, load_half(out), tokenizer, books, hparams.n_ctx, micro_batch)
        report(figures)
        (out / "books.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    say(f"done at {time.monotonic() - START:.0f} s: {step} steps, {step * per_step / len(tokens):.2f} epochs")


def evaluate(work: Path, books: Sequence[Path], batch: int) -> None:
    """Print the bits per byte of books under the weights in a directory."""
    hparams, weights = ModelDir(work).hparams(), load_half(work)
    if set(weights) != set(shapes(hparams)):
        raise SystemExit(f"{work} holds other weights than hparams.json says")
    trainer = Trainer(hparams, Recipe(), batch, False)
    report(bits_per_byte(trainer.nats, weights, Tokenizer.load(work), books, hparams.n_ctx, batch))


def rescale(weights: Mapping[str, Any], factor: float = 8.0) -> dict[str, Any]:
    """The same model with larger matrices, about as large as those of OpenAI's GPT-2.

    Strong weight decay leaves matrices of 0.004 to 0.011 (root mean square) where GPT-2's have 0.14, and
    Adam moves every number by the learning rate, however small it is: at GPT-2's usual 1e-4 such a model
    forgets its English within a few steps. But a norm takes back any factor of what comes in: the embedding
    and all that is added to it (c_proj) can be larger if the last norm's output is smaller, and the matrices
    that read a norm's output (c_attn, c_fc) if that output is smaller. A power of two loses no bit of
    precision; what changes is the part of a norm's epsilon, 1e-4 nats a token at most.

    Args:
        weights: by OpenAI's names.
        factor: for both; a power of two.
    """
    scaled = {}
    for name, value in weights.items():
        if name in ("model/wte", "model/wpe") or "/c_proj/" in name or name.endswith(("c_attn/w", "c_fc/w")):
            scaled[name] = value * factor
        elif "/ln_" in name:
            scaled[name] = value / factor
        else:
            scaled[name] = value
    return scaled


def pack(work: Path, directory: Path) -> None:
    """A model directory as the package has it: hparams.json, encoder.json, vocab.bpe, weights.npz."""
    hparams, weights = ModelDir(work).hparams(), rescale(load_half(work))
    directory.mkdir(parents=True, exist_ok=True)
    ModelDir(directory).write_hparams(hparams)
    Tokenizer.load(work).save(directory)
    save_half(directory, {name: weights[name].reshape(shape) for name, shape in shapes(hparams).items()}, 1)


say = functools.partial(print, flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare")
    preparing.add_argument("work", type=Path)
    preparing.add_argument("texts", type=Path, nargs="+")
    evaluating = commands.add_parser("evaluate")
    evaluating.add_argument("work", type=Path, help="vocabulary, hparams.json and weights*.npz")
    evaluating.add_argument("books", type=Path, nargs="+")
    evaluating.add_argument("--batch", type=int, default=4)
    packing = commands.add_parser("pack")
    packing.add_argument("work", type=Path)
    packing.add_argument("directory", type=Path)
    training = commands.add_parser("train")
    training.add_argument("work", type=Path, help="from prepare")
    training.add_argument("--out", type=Path, help="for weights and metrics; WORK by default")
    training.add_argument(
        "--books", type=Path, help="a directory of held-out .txt, to be measured at the end"
    )
    ending = training.add_mutually_exclusive_group(required=True)
    ending.add_argument("--steps", type=int)
    ending.add_argument("--seconds", type=float, help="from the start of the program to the last step")
    training.add_argument("--layers", type=int, default=SIZES.n_layer)
    training.add_argument("--width", type=int, default=SIZES.n_embd)
    training.add_argument("--window", type=int, default=SIZES.n_ctx)
    training.add_argument("--micro-batch", type=int)
    training.add_argument("--chunk", type=int, default=CHUNK, help="steps in one call of the device")
    training.add_argument("--save", type=float, default=10, help="minutes between saves; 0 for none")
    training.add_argument("--validations", type=int, default=20)
    training.add_argument("--parts", type=int, default=1, help="files that the weights are shared out over")
    for field in dataclasses.fields(Recipe):
        kind = int if field.type == "int" else float
        training.add_argument(f"--{field.name.replace('_', '-')}", type=kind, default=field.default)
    arguments = parser.parse_args()
    if arguments.command == "prepare":
        prepare(arguments.work, arguments.texts, SIZES.n_vocab)
        return
    if arguments.command == "evaluate":
        evaluate(arguments.work, arguments.books, arguments.batch)
        return
    if arguments.command == "pack":
        pack(arguments.work, arguments.directory)
        return
    width = arguments.width
    vocabulary = Tokenizer.load(arguments.work).size
    hparams = Hparams(vocabulary, arguments.window, width, width // HEAD, arguments.layers)
    recipe = Recipe(**{field.name: getattr(arguments, field.name) for field in dataclasses.fields(Recipe)})
    micro = arguments.micro_batch or recipe.batch
    out = arguments.out or arguments.work
    train(arguments.work, out, hparams, recipe, micro, arguments.chunk, arguments)


if __name__ == "__main__":
    main()
