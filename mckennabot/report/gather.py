"""What a run's directory and its corpus say about it; no model is loaded."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckennabot.corpus import parse, read_corpus
from mckennabot.errors import InputError, MckennabotError, ModelError
from mckennabot.finetune.data import Tokens, encode_corpus, split
from mckennabot.finetune.runs import metrics
from mckennabot.finetune.runs.run import fingerprint
from mckennabot.finetune.texts import Corpus
from mckennabot.models.checkpoint import HELD_OUT, ModelDir
from mckennabot.report.account import Course, LeftOut, Source
from mckennabot.system.stored import read_json, read_text
from mckennabot.system.stored import text as is_text
from mckennabot.tokenizer import Tokenizer

ACCOUNT_SUFFIX = ".json"
"""Beside ``book.txt`` may lie ``book.json``: what `extract --report` says of the book."""


@dataclass(frozen=True)
class HeldOut:
    """The text that the run never learnt from.

    Attributes:
        text: all of it.
        words: how many.
        bytes_per_token: which turn nats per token into bits per byte.
    """

    text: str
    words: int
    bytes_per_token: float

    def bits_per_byte(self, nats_per_token: float) -> float:
        """Return what a loss is when it does not depend on the vocabulary."""
        return nats_per_token / math.log(2) / self.bytes_per_token


def read_held_out(run: ModelDir) -> HeldOut | None:
    """Return the run's held-out text; None where it held none out."""
    try:
        text = read_text(run.path / HELD_OUT)
        tokens = len(Tokenizer.load(run.path).encode(text))
    except (FileNotFoundError, ModelError):
        return None
    if not text.strip():
        return None
    return HeldOut(text, len(text.split()), len(text.encode()) / tokens)


def read_learnt(run: ModelDir) -> Tokens | None:
    """Return the tokens [n] that the run learnt from; None where its corpus is gone or has changed."""
    info = run.run_info()
    corpus, settings = _dict(info.get("corpus")), _dict(info.get("settings"))
    try:
        files = [Path(file) for file in corpus.get("files", [])]
        tokens = encode_corpus(Corpus(files, settings.get("column")), Tokenizer.load(run.path))
    except MckennabotError:
        return None
    if fingerprint(tokens) != corpus.get("fingerprint"):
        return None
    return split(tokens, float(settings.get("val_fraction") or 0))[0]


def read_course(run: ModelDir) -> Course:
    """Return how training went, from metrics.jsonl and run.json."""
    info, lines = run.run_info(), metrics.read(run.path / "metrics.jsonl")
    last = lines[-1] if lines else {}
    return Course(
        steps=int(last.get("step", max(run.steps(), default=0))),
        seconds=float(last.get("seconds", 0.0)),
        tokens=int(last.get("tokens", 0)),
        best_step=info.get("best_step"),
        loss=[(line["step"], line["loss"]) for line in lines if "loss" in line],
        held_out=[(line["step"], line["val_loss"]) for line in lines if "val_loss" in line],
        dial=[(float(place), float(loss)) for place, loss in info.get("voice_curve") or []],
        voice=info.get("voice"),
    )


def read_sources(run: ModelDir) -> list[Source]:
    """Return what the run learnt from, with what its extraction says where that lies beside it."""
    return [
        _source(Path(file))
        for file in _dict(run.run_info().get("corpus")).get("files", [])
        if file is not None
    ]


def _source(corpus: Path) -> Source:
    words = 0
    chapters: int | None = None
    with contextlib.suppress(InputError):
        segments = parse(read_corpus(corpus))
        words = sum(len(paragraph.split()) for segment in segments for paragraph in segment)
        chapters = len(segments)
    account = _account(corpus)
    if account is None:
        return Source(corpus.name, corpus.name, words, None, chapters)
    return Source(
        name=Path(account["source"]).name,
        corpus=corpus.name,
        words=words,
        pages=account.get("pages") or None,
        chapters=len(account.get("chapters") or []) or chapters,
        left_out=sorted(_left_out(account), key=lambda kind: -kind.words),
        repeated=[(str(title), str(name)) for title, name in account.get("repeated") or []],
        warnings=[str(warning) for warning in account.get("warnings") or []],
        contains=[str(name) for name in account.get("contains") or []],
    )


def _account(corpus: Path) -> dict[str, Any] | None:
    """Return what extraction said of a corpus file, where that was written beside it."""
    try:
        return read_json(corpus.with_suffix(ACCOUNT_SUFFIX), {"source": is_text})
    except (FileNotFoundError, ModelError, ValueError):  # a corpus without a name has no suffix
        return None


def _left_out(account: dict[str, Any]) -> list[LeftOut]:
    found = []
    for kind, removed in _dict(account.get("removed")).items():
        with contextlib.suppress(KeyError, TypeError, ValueError):
            example = str(removed["samples"][0][1]) if removed["samples"] else ""
            found.append(LeftOut(str(kind), int(removed["words"]), len(removed["pages"]), example))
    return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
