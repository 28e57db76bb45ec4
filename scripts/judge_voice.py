"""Do runs know their authors, and do they write as their authors do? Measured on books that nobody has read.

Each book is cut into about 20,000 words to learn from, as many for a second run (`.other`), and whole
chapters that no run sees (`.unseen`). With a run for each book, all of them judge all authors' unseen pages;
and what they write under different settings of `generate` is compared with those pages:

    python -m scripts.judge_voice split BOOKS_DIR CORPORA_DIR
    mckennabot finetune CORPORA_DIR/NAME.txt --model small --run NAME --checkpoints RUNS_DIR
    python -m scripts.judge_voice attribute RUNS_DIR CORPORA_DIR judged.jsonl
    python -m scripts.judge_voice sample RUNS_DIR CORPORA_DIR sampled.jsonl

A run NAME.other, where there is one, judges what NAME writes. docs/voice.md has the numbers.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mckennabot.config import GenerateSettings
from mckennabot.corpus import parse, read_text, render
from mckennabot.generate.source import Source
from mckennabot.generate.voice import Voice
from mckennabot.models.checkpoint import ModelDir
from mckennabot.originality import Index, words
from mckennabot.reporter import Silent
from mckennabot.tokenizer import Tokenizer
from mckennabot.voice.calibration import TOKENS
from mckennabot.voice.judge import Judge, Reader, open_judge
from mckennabot.voice.score import measure
from mckennabot.voice.scoring import samples
from scripts.bench_voice import first, held_out

LEARNT = 20_000
"""Words that a run learns from."""
OPENING = 9
"""Words of an unseen paragraph that a text goes on from."""
SAMPLE_TOKENS = 300
LONG = TOKENS + 50
"""Of a text's tokens, some may be copied."""
COMPARED_WORDS = 200
"""Words of a text that are looked at for repetition: the longer a text, the more it repeats."""


def split(books: Path, target: Path) -> None:
    """Cut each book: from its end whole chapters that are unseen, from its start text for two runs."""
    target.mkdir(exist_ok=True)
    for path in sorted(books.glob("*.txt")):
        seen, unseen = held_out(parse(read_text(path)))
        one, rest = first(seen, LEARNT)
        other, _ = first(rest, LEARNT)
        for suffix, part in (("", one), (".other", other), (".unseen", unseen)):
            (target / f"{path.stem}{suffix}.txt").write_text(render(part), encoding="utf-8")


# ---------------------------------------------------------------- judges


def attribute(runs: Path, corpora: Path, target: Path, most: int) -> None:
    """Let every run judge passages of all authors, and what it and its base write; goes on with `target`."""
    names = [name for name in _names(corpora) if (runs / name).exists()]
    tokenizer = Tokenizer.load(runs / names[0])
    pages = {
        name: _passages(tokenizer, _paragraphs(corpora / f"{name}.unseen.txt"), TOKENS, most)
        for name in names
    }
    first = ModelDir(runs / names[0])
    base = Source(first, first.weights("best")).at(0.0)
    by_itself = samples(base, Silent(), LONG, seed=1)
    judged = target.read_text(encoding="utf-8").splitlines() if target.exists() else []
    done = {(line["judge"], line["kind"]) for line in map(json.loads, judged)}
    known: dict[tuple[int, ...], list[float]] = {}  # what the base reads, it reads for all judges
    with target.open("a", encoding="utf-8") as file:
        for judge_name in [*names, *(f"{name}.other" for name in names if (runs / f"{name}.other").exists())]:
            name, run = judge_name.removesuffix(".other"), ModelDir(runs / judge_name)
            book = _passages(tokenizer, _paragraphs(corpora / f"{judge_name}.txt"), TOKENS, 4)
            write = partial(_written, runs / name, _openings(corpora, name, 8), LONG)
            kinds: dict[str, Callable[[], list[str]]] = {
                "base": partial(list, by_itself),
                "base with a page of the book": partial(
                    list, map("\n\n".join, zip(by_itself, book, strict=False))
                ),
                "run, from a prefix": write,
                "base, from a prefix": partial(write, voice=0.0),
                **{
                    f"author {of}": partial(list, pages[of]) for of in (pages if run.name == name else [name])
                },
            }
            with open_judge(Source(run, run.weights("best")), Silent()) as judge:
                assert judge.base is not None
                judge.base = Remembering(judge.base, known)
                index = Index.load(run.path)
                for kind in (kind for kind in kinds if (judge_name, kind) not in done):
                    for text in kinds[kind]():
                        line = {"judge": judge_name, "kind": kind, "saved": measure(text, judge, index).mean}
                        file.write(json.dumps(line) + "\n")
                    file.flush()
    summarize(target)


@dataclass(frozen=True)
class Remembering:
    """A model that reads nothing twice."""

    reader: Reader
    known: dict[tuple[int, ...], list[float]]

    def losses(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """See `Reader`."""
        new = [row for row in rows if tuple(row) not in self.known]
        if new:
            self.known.update(zip(map(tuple, new), self.reader.losses(new), strict=True))
        return [self.known[tuple(row)] for row in rows]


def summarize(target: Path) -> None:
    """Print what the lines of `attribute` say."""
    gathered: dict[tuple[str, str], list[float]] = defaultdict(list)
    for line in map(json.loads, target.read_text(encoding="utf-8").splitlines()):
        gathered[line["judge"], line["kind"]].append(line["saved"])
    found = {key: np.array(values) for key, values in gathered.items()}
    judges = sorted({judge for judge, _ in found})
    names = [judge for judge in judges if not judge.endswith(".other")]

    def beyond(judge: str, kind: str) -> np.ndarray:
        """Nats that a judge saves above what it saves on the base's own texts, where every run loses."""
        return found[judge, kind] - float(found[judge, "base"].mean())

    for together in (1, 2, 4):
        right, total = 0, 0
        for author in names:
            saved = np.stack([_together(beyond(judge, f"author {author}"), together) for judge in names])
            right += int((np.argmax(saved, axis=0) == names.index(author)).sum())
            total += saved.shape[1]
        print(f"{together} x {TOKENS} tokens: {right} of {total} ({right / total:.1%}) given to their author")
    print("How often the first saves more than the second, and means:")
    for judge in judges:
        name = judge.removesuffix(".other")
        pages, base, run = (found[judge, kind] for kind in (f"author {name}", "base", "run, from a prefix"))
        others = np.concatenate(
            [
                found[judge, kind]
                for kind in (f"author {n}" for n in names if n != name)
                if (judge, kind) in found
            ]
            or [np.array([np.nan])]
        )
        copied = found[judge, "base with a page of the book"]
        print(
            f"{judge:36} author/base {_above(pages, base):.3f}  author/others {_above(pages, others):.3f}  "
            f"run/base {(run > found[judge, 'base, from a prefix']).mean():.0%}  author {pages.mean():+.3f}  "
            f"others {others.mean():+.3f}  base {base.mean():+.3f}  run {run.mean():+.3f}  "
            f"a page copied adds {(copied - base[: len(copied)]).mean():+.3f}"
        )


def _together(saved: np.ndarray, count: int) -> np.ndarray:
    """Means of so many neighbouring passages."""
    means: np.ndarray = saved[: len(saved) // count * count].reshape(-1, count).mean(axis=1)
    return means


def _above(one: np.ndarray, other: np.ndarray) -> float:
    """How often a value of the one is above a value of the other (AUC)."""
    return float((one[:, None] > other).mean())


# ---------------------------------------------------------------- texts


def _names(corpora: Path) -> list[str]:
    return sorted(path.name.removesuffix(".unseen.txt") for path in corpora.glob("*.unseen.txt"))


def _paragraphs(path: Path) -> list[str]:
    return [" ".join(paragraph.split()) for chapter in parse(read_text(path)) for paragraph in chapter]


def _passages(tokenizer: Tokenizer, paragraphs: list[str], size: int, most: int) -> list[str]:
    """At most so many passages of so many tokens, evenly spread."""
    ids = tokenizer.encode("\n\n".join(paragraphs))
    starts = range(0, len(ids) - size + 1, size)
    chosen = np.linspace(0, len(starts) - 1, min(2 * most, len(starts))).astype(int)[::2]
    return [tokenizer.decode(ids[starts[i] : starts[i] + size]) for i in chosen]


def _openings(corpora: Path, name: str, count: int) -> list[str]:
    """The first words of unseen paragraphs that are long enough to go on, evenly spread."""
    long = [p for p in map(str.split, _paragraphs(corpora / f"{name}.unseen.txt")) if len(p) > 4 * OPENING]
    return [" ".join(long[i][:OPENING]) for i in np.linspace(0, len(long) - 1, count).astype(int)]


def _written(run: Path, openings: Sequence[str], length: int, **options: Any) -> list[str]:
    """What a run goes on with, at the dial's best place if no other is asked for."""
    settings = GenerateSettings(run=run.name, checkpoints=run.parent, length=length, seed=1, ignore_eot=True)
    with Voice(settings, Silent()) as voice:
        return [sample.text for sample in voice.samples(openings, **options)]


# ---------------------------------------------------------------- sampling

SETTINGS: list[dict[str, Any]] = [
    {"temperature": temperature, "top_k": top_k, "top_p": top_p, "repetition_penalty": penalty}
    for temperature, top_k, top_p, penalty in (
        (0.8, 200, 0.95, 1.0),
        (0.9, 200, 0.95, 1.0),
        (0.9, 1000, 0.95, 1.0),
        (1.0, 1000, 0.9, 1.0),
        (1.0, 1000, 0.95, 1.0),
        (1.0, 0, 1.0, 1.0),
    )
]
AUTHOR = "the author"
ALIKE = ("distinct words", "repeated 3-grams", "repeated 4-grams", "base's bits per byte")
"""What should be as in pages of the author's."""


def sample(runs: Path, corpora: Path, target: Path, most: int) -> None:
    """Compare what runs write under each of `SETTINGS` with unseen pages of as many tokens."""
    with target.open("w", encoding="utf-8") as file:
        for name in (name for name in _names(corpora) if (runs / name).exists()):
            run = ModelDir(runs / name)
            pages = _paragraphs(corpora / f"{name}.unseen.txt")
            texts = {AUTHOR: _passages(Tokenizer.load(run.path), pages, SAMPLE_TOKENS, most)}
            openings = _openings(corpora, name, most)
            for settings in SETTINGS:
                label = " ".join(f"{key} {value:g}" for key, value in settings.items())
                texts[label] = _written(run.path, openings, SAMPLE_TOKENS, **settings)
            with open_judge(Source(run, run.weights("best")), Silent()) as judge:
                index = Index.load(run.path)
                for label, group in texts.items():
                    for text in group:
                        line = {"run": name, "by": label, **described(text, judge, index), "text": text}
                        file.write(json.dumps(line) + "\n")
            file.flush()
    compare(target)


def compare(target: Path) -> None:
    """Print means over all runs' texts, and how far settings are from the authors' pages.

    A distance is in standard deviations of the pages of one author, the mean over runs and `ALIKE`.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for line in map(json.loads, target.read_text(encoding="utf-8").splitlines()):
        found[line["by"], line["run"]].append(line)
    runs = sorted({run for _, run in found})

    def values(by: str, run: str, what: str) -> np.ndarray:
        return np.array([line[what] for line in found[by, run]])

    for by in dict.fromkeys(by for by, _ in found):
        apart = [
            abs(values(by, run, what).mean() - values(AUTHOR, run, what).mean())
            / np.mean([values(AUTHOR, each, what).std() for each in runs])
            for run in runs
            for what in ALIKE
        ]
        means = {
            what: np.mean([values(by, run, what).mean() for run in runs])
            for what in (*ALIKE, "saved", "copied")
        }
        shown = "  ".join(f"{what} {mean:.4f}" for what, mean in means.items())
        print(f"{by:70} {shown}  distance {np.mean(apart):.2f}")


def described(text: str, judge: Judge, index: Index) -> dict[str, float]:
    """What can be counted in a text."""
    measured = measure(text, judge, index)
    assert measured.report is not None
    assert measured.base_bits_per_byte is not None
    keys = [key for key, _, _ in words(text)][:COMPARED_WORDS]
    return {
        "distinct words": _distinct(keys, 1),
        "repeated 3-grams": 1 - _distinct(keys, 3),
        "repeated 4-grams": 1 - _distinct(keys, 4),
        "base's bits per byte": measured.base_bits_per_byte,
        "saved": measured.mean,
        "copied": measured.report.share,
    }


def _distinct(keys: Sequence[str], size: int) -> float:
    """The share of a text's n-grams that are different ones."""
    grams = [tuple(keys[i : i + size]) for i in range(len(keys) - size + 1)]
    return len(set(grams)) / max(1, len(grams))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    splitting = commands.add_parser("split")
    splitting.add_argument("books", type=Path)
    splitting.add_argument("target", type=Path)
    for name, what in (("attribute", "passages of each author"), ("sample", "texts of each run")):
        command = commands.add_parser(name)
        command.add_argument("runs", type=Path)
        command.add_argument("corpora", type=Path)
        command.add_argument("target", type=Path)
        command.add_argument("--most", type=int, default=20, help=what)
    args = parser.parse_args()
    if args.command == "split":
        split(args.books, args.target)
    else:
        {"attribute": attribute, "sample": sample}[args.command](
            args.runs, args.corpora, args.target, args.most
        )


if __name__ == "__main__":
    main()
