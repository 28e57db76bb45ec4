"""Ways to fine-tune, compared on many books.

`prepare` turns books into arrays: tokens to learn from, and whole chapters held out; `search_recipes.py`
takes them too. `compare` trains with the package's own engine by the recipes of `finetune`, of gpt-2-simple
and of Hugging Face's Trainer.

    python -m scripts.bench_voice prepare BOOKS_DIR MODEL_DIR arrays.npz [--replay TEXT]
    python -m scripts.bench_voice compare MODEL_DIR arrays.npz results.jsonl BOOK/5k BOOK/20k …

A line of a result is one recipe on one corpus: losses (nats per token) on the validation part and on the
held-out chapters, and the share of training passages that are known by heart. docs/voice.md has the numbers.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 1024
SIZES = {"5k": 5_000, "20k": 20_000, "whole": None}
TEST_SHARE = 0.2
PASSAGES, PREFIX, SUFFIX = 160, 50, 50


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
        seen, unseen = held_out(chapters)
        arrays[f"{path.stem}/test"] = np.array(encoded(unseen), np.int32)
        for size, most in SIZES.items():
            part = seen if most is None else first(seen, most)[0]
            arrays[f"{path.stem}/{size}"] = np.array(encoded(part), np.int32)
    if replay:
        with replay.open(encoding="utf-8") as file:
            file.seek(5_000_000)
            text = file.read(1_500_000)
        arrays["replay"] = np.array(tokenizer.encode(text[text.index("\n") :]), np.int32)
    np.savez_compressed(target, **arrays)


def held_out(chapters: list[list[str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Chapters to learn from, and the last ones, which nobody learns from."""
    words = [sum(len(p.split()) for p in chapter) for chapter in chapters]
    cut = len(chapters)
    while sum(words[cut:]) < TEST_SHARE * sum(words):
        cut -= 1
    return chapters[:cut], chapters[cut:]


def first(chapters: list[list[str]], count: int) -> tuple[list[list[str]], list[list[str]]]:
    """Whole paragraphs of about so many words, and what follows them."""
    kept, rest = [], []
    for chapter in chapters:
        parts: tuple[list[str], list[str]] = ([], [])
        for paragraph in chapter:
            parts[count <= 0].append(paragraph)
            count -= len(paragraph.split())
        kept += [parts[0]] if parts[0] else []
        rest += [parts[1]] if parts[1] else []
    return kept, rest


def validation_share(n: int) -> float:
    """A twentieth, as `finetune` holds out; of a small corpus more, where that would be mostly noise."""
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


def passages(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Prefixes with suffixes [PASSAGES, 100], and as targets the suffixes alone."""
    starts = np.linspace(0, len(tokens) - PREFIX - SUFFIX - 1, PASSAGES).astype(int)
    rows = tokens[starts[:, None] + np.arange(PREFIX + SUFFIX)]
    x, y = rows[:, :-1], rows[:, 1:].copy()
    y[:, : PREFIX - 1] = -1
    return x, y


def compare(model: Path, arrays: Path, target: Path, cells: list[str]) -> None:
    """Train by three recipes on each corpus, and measure at five points; a line for each."""
    from mckennabot.finetune.engines.build import make_engine
    from mckennabot.finetune.engines.model import GPT2
    from mckennabot.finetune.plan import BASE_RATE, BASE_WARMUP
    from mckennabot.finetune.precision import choose
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
            "finetune": (1, [learning_rate(BASE_RATE, BASE_WARMUP, step) for step in range(1, steps + 1)]),
            "gpt-2-simple": (1, [1e-4] * steps),
            "Trainer": (8, [5e-5 * (1 - step / trainer) for step in range(trainer)]),
        }
        engine.load(base.items())
        untuned = [nats(*part) for part in parts]
        for name, (batch, rates) in recipes.items():
            count = len(rates)
            engine.restore([(key, np.zeros_like(value)) for key, value in engine.moments()])
            engine.load(base.items())
            order, began, points = orders(len(train), count, batch), time.perf_counter(), []
            for step in range(1, count + 1):
                rows = train[(order[step - 1][:, None] + np.arange(BLOCK + 1)) % len(train)]
                engine.train(rows.astype(np.int32), rates[step - 1], step)
                if step in {max(1, count * i // 8) for i in (1, 2, 4, 6, 8)}:
                    if name != "finetune":  # which alone judges the average of its weights
                        raw = {key.removesuffix("/raw"): np.array(value) for key, value in engine.moments()}
                        engine.load((key, raw[key]) for key in base)
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
    args = parser.parse_args()
    if args.command == "prepare":
        prepare(args.books, args.model, args.target, args.replay)
    else:
        compare(args.model, args.arrays, args.target, args.cells)


if __name__ == "__main__":
    main()
