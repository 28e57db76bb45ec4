"""Plans a run before its first step: which model, which vocabulary, which tokens, which settings."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mckennabot.config import FinetuneSettings
from mckennabot.corpus import SEPARATOR
from mckennabot.errors import ModelError, UsageError
from mckennabot.finetune.data import Tokens, encode_corpus
from mckennabot.finetune.memory import in_words
from mckennabot.finetune.runs.run import Run, fingerprint
from mckennabot.finetune.texts import Corpus, holds_tokens
from mckennabot.language import is_english
from mckennabot.models import dial, small
from mckennabot.models.bundle import open_bundle
from mckennabot.models.checkpoint import BASE_WEIGHTS, INDEX_SUFFIX, SIZES, Hparams, ModelDir
from mckennabot.models.download import fetch
from mckennabot.models.weights import parameters
from mckennabot.reporter import Reporter
from mckennabot.system.terminal import quoted
from mckennabot.tokenizer import Tokenizer

TINY = "tiny"
DEFAULT_BASE = "124M"
TINY_VOCABULARY = 4000
VOCABULARY_BYTES = 8_000_000
"""Bytes of text that a tiny model's vocabulary is learned from; more take long and change little."""
LANGUAGE_PIECES = 4
"""Pieces of text (see `texts.PIECE`) from which a corpus's language is recognised."""
TINY_SIZES = {"n_ctx": 256, "n_embd": 256, "n_head": 4, "n_layer": 4}
TINY_BATCH, TINY_RATE, TINY_WARMUP = 4, 1.5e-3, 20
"""Measured on a book of 11,000 words: whole words as tokens do more, and sooner, than a deeper model."""

BASE_BATCH, BASE_RATE, BASE_WARMUP = 1, 1e-4, 50
"""gpt-2-simple's rate, reached where a run on a few pages is at its best: half of it does as well there,
but whole books want all of it (docs/voice.md)."""
EVALUATE_EVERY = (5, 100)
"""Steps between validations, at least and at most; within these limits, half an epoch."""


@dataclass(frozen=True)
class Plan:
    """A run that is ready to be trained.

    Attributes:
        origin: the base model's name or path, or ``tiny``.
        base: the directory to start from; None for ``tiny``, for a run that continues, and in a dry run for a
            model that would be fetched.
        continues: whether the run exists already.
        hparams: the model's sizes.
        tokenizer: its vocabulary.
        corpus: its files, as they were read.
        tokens: the whole corpus [n].
        settings: complete: nothing is left to choose.
        info: the content of run.json.
    """

    origin: str
    base: ModelDir | None
    continues: bool
    hparams: Hparams
    tokenizer: Tokenizer
    corpus: Corpus
    tokens: Tokens
    settings: FinetuneSettings
    info: dict[str, Any]

    def say_complete(self, run: Run, reporter: Reporter) -> None:
        """Report that the run has taken all its steps already."""
        reporter.say(
            f"{run.name} has its {run.steps()[-1]} steps already; --steps N with a larger N goes on."
        )


def make_plan(
    paths: Sequence[Path], settings: FinetuneSettings, run: Run, reporter: Reporter, processes: int = 1
) -> Plan:
    """Read the corpus, choose the model and complete the settings.

    Args:
        paths: the corpus, as for `mckennabot.finetune.finetune`.
        settings: as the user gave them.
        run: where the run is or will be.
        reporter: takes warnings, and what was chosen.
        processes: how many train together.

    Raises:
        InputError: the corpus cannot be used.
        ModelError: the base model or the run cannot be used.
        UsageError: the run began with another model or corpus, or would overwrite its own corpus.
    """
    corpus = Corpus(paths, settings.column)
    if path := next(filter(run.owns, corpus.files), None):
        raise UsageError(
            "the run would write over its own corpus",
            path=path,
            hint="Copy the file to another place, or choose another --run.",
        )
    continues = _exists(run) and not settings.fresh
    if continues:
        origin, base = _same_origin(run, settings), None
        tokenizer, hparams = Tokenizer.load(run.path), run.hparams()
    else:
        origin, base = find_base(corpus, settings, reporter)
        if base is None and origin == TINY:
            tokenizer = Tokenizer.train(_spread(corpus), TINY_VOCABULARY)
            hparams = Hparams(n_vocab=tokenizer.size, **TINY_SIZES)
        elif base is None:
            # A dry run, before the base is fetched: the packaged vocabulary counts about as many tokens.
            tokenizer, hparams = Tokenizer.load(small.PACKAGED), SIZES[origin]
        else:
            tokenizer, hparams = Tokenizer.load(base.path), base.hparams()
    if tokenizer.size > hparams.n_vocab:
        raise ModelError(
            f"a vocabulary of {tokenizer.size} for a model of {hparams.n_vocab} tokens",
            path=run.path if base is None else base.path,
        )
    tokens = encode_corpus(corpus, tokenizer)
    for warning in corpus.warnings:
        reporter.warn(warning)
    for note in corpus.notes:
        reporter.say(note)
    whole = _complete(settings, origin, hparams, len(tokens) // processes, reporter)
    remembered = run.run_info().get("base") if continues else base and dial.remember(origin, base)
    info = {
        "model": origin,
        **({"base": remembered} if remembered else {}),
        "processes": processes,
        "settings": {k: str(v) if isinstance(v, Path) else v for k, v in dataclasses.asdict(whole).items()},
        "corpus": {
            "fingerprint": fingerprint(tokens),
            "tokens": len(tokens),
            "files": [str(path) for path in corpus.files],
        },
    }
    if continues:
        _same_data(run, info)
        _say_what_changed(run, info, reporter)
    return Plan(origin, base, continues, hparams, tokenizer, corpus, tokens, whole, info)


def _spread(corpus: Corpus) -> Iterator[str]:
    """Yield pieces of text, about `VOCABULARY_BYTES` bytes of them, from everywhere in the corpus."""
    size = sum(path.stat().st_size for path in corpus.files)
    return itertools.islice(corpus.texts(), 0, None, -(-size // VOCABULARY_BYTES) or 1)


def find_base(corpus: Corpus, settings: FinetuneSettings, reporter: Reporter) -> tuple[str, ModelDir | None]:
    """Return the base model's name and its directory, or None.

    ``tiny`` has no directory, nor has, in a dry run, a model that would have to be fetched.

    Raises:
        ModelError: the model that was asked for cannot be found or fetched.
        UsageError: the run would take the place of its own base.
    """
    origin, base = _find_base(corpus, settings, reporter)
    if base is not None and base.path.resolve() == (settings.checkpoints / settings.run).resolve():
        raise UsageError(
            "a run cannot stand in its base model's place", path=base.path, hint="Choose another --run."
        )
    return origin, base


def _find_base(corpus: Corpus, settings: FinetuneSettings, reporter: Reporter) -> tuple[str, ModelDir | None]:
    name = settings.model
    if name == TINY:
        return TINY, None
    if name == small.NAME:
        if not _is_english(corpus):
            reporter.warn(
                f"--model {name} knows only English, and the corpus is not: 124M or tiny do better."
            )
        return name, small.unpack(settings.checkpoints)
    wanted = name or DEFAULT_BASE
    if name is not None and (Path(name) / "hparams.json").is_file():
        return name, ModelDir(Path(name))
    if name is not None and Path(name).is_file():
        return name, open_bundle(Path(name), reporter)
    base = settings.checkpoints / wanted
    if (base / "hparams.json").is_file():
        return wanted, ModelDir(base)
    if settings.dry_run and wanted in SIZES and small.is_packaged():
        size = in_words(4 * parameters(SIZES[wanted]))
        reporter.say(
            f"{wanted} would be fetched first ({size}); its tokens are estimated with {small.NAME}'s."
        )
        return wanted, None
    try:
        if settings.dry_run:
            raise ModelError(f"no base model {wanted!r} in {settings.checkpoints}")
        return wanted, fetch(wanted, settings.checkpoints, settings.base_url, reporter)
    except ModelError as error:
        if name is not None:
            raise
        instead = f"No base model {DEFAULT_BASE} ({error.what}): "
        if small.is_packaged() and _is_english(corpus):
            reporter.warn(f"{instead}taking the one that comes with the package (--model {small.NAME}).")
            return small.NAME, small.unpack(settings.checkpoints)
        why = f", since {small.NAME} knows only English" if small.is_packaged() else ""
        reporter.warn(f"{instead}training a tiny one from a random start (--model {TINY}){why}.")
        return TINY, None


def _is_english(corpus: Corpus) -> bool:
    pieces = (piece for path in corpus.files if not holds_tokens(path) for piece in corpus.pieces(path))
    return is_english("".join(itertools.islice(pieces, LANGUAGE_PIECES)).replace(SEPARATOR, "\n"))


def _exists(run: Run) -> bool:
    """Return whether the run exists and can be continued.

    Raises:
        UsageError: something else stands in its place.
        ModelError: it has lost its weights.
    """
    if run.steps():
        return True
    if (run.path / f"{BASE_WEIGHTS}{INDEX_SUFFIX}").exists():
        raise UsageError("that is a base model, not a run", path=run.path, hint="Choose another --run.")
    if (run.path / "hparams.json").exists():
        raise ModelError(
            "the run has no complete weights", path=run.path, hint="Move it away, or choose another --run."
        )
    if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
        raise UsageError("something that is no run is there", path=run.path, hint="Choose another --run.")
    return False


def _same_origin(run: Run, settings: FinetuneSettings) -> str:
    began = run.run_info().get("model")
    if settings.model not in (None, began) and began is not None:
        raise UsageError(
            f"the run began with the model {began}, not {settings.model}",
            path=run.path,
            hint="Leave out --model to go on; or start over with --fresh, or under another --run.",
        )
    return str(began or settings.model or run.name)


def _same_data(run: Run, info: dict[str, Any]) -> None:
    """Refuse to continue with another corpus or split: held-out text would be trained on."""
    before = run.run_info()
    held_out = before.get("settings", {}).get("val_fraction")
    what = None
    if before and before.get("corpus", {}).get("fingerprint") != info["corpus"]["fingerprint"]:
        what = "the corpus is not the one that the run began with"
    elif held_out not in (None, info["settings"]["val_fraction"]):
        what = f"the run began with --val-fraction {held_out}"
    if what:
        raise UsageError(
            what,
            path=run.path,
            hint=f"Use --fresh, or begin a new run from it: --run NAME --model {quoted(run.path)}",
        )


def _say_what_changed(run: Run, info: dict[str, Any], reporter: Reporter) -> None:
    info_before = run.run_info()
    before, now = info_before.get("settings", {}), info["settings"]
    if info_before.get("processes", 1) != info["processes"]:
        reporter.warn(
            f"Changed since {run.name} was last trained: "
            f"processes {info_before.get('processes', 1)} -> {info['processes']}"
        )
    for name in ("batch_size", "accumulate", "learning_rate", "warmup", "block_size", "precision", "seed"):
        if before.get(name, now[name]) != now[name]:
            flag = name.replace("_", "-")
            reporter.warn(
                f"Changed since {run.name} was last trained: --{flag} {before[name]} -> {now[name]}"
            )


def _complete(
    settings: FinetuneSettings, origin: str, hparams: Hparams, tokens: int, reporter: Reporter
) -> FinetuneSettings:
    """Return the settings with every choice made, for a corpus of `tokens` tokens per process."""
    batch, rate, warmup = BASE_BATCH, BASE_RATE, BASE_WARMUP
    if origin == TINY:
        batch, rate, warmup = TINY_BATCH, TINY_RATE, TINY_WARMUP
    batch, devices = _share_out(settings, batch, reporter)
    block = settings.block_size or hparams.n_ctx
    if block > hparams.n_ctx:
        raise UsageError(f"--block-size {block} is more than the model's {hparams.n_ctx} positions")
    epoch = tokens // (min(block, tokens) * batch * settings.accumulate)
    least, most = EVALUATE_EVERY
    every = min(most, max(least, epoch // 2)) if settings.eval_every is None else settings.eval_every
    return dataclasses.replace(
        settings,
        model=origin,
        batch_size=batch,
        devices=devices,
        learning_rate=settings.learning_rate or rate,
        warmup=warmup if settings.warmup is None else settings.warmup,
        block_size=block,
        eval_every=every,
    )


def _share_out(settings: FinetuneSettings, good: int, reporter: Reporter) -> tuple[int, int]:
    """Return the batch size and the number of devices it is shared out over; `good` suits one device."""
    if settings.engine != "keras":
        if (settings.devices or 1) > 1:
            raise UsageError(f"--devices {settings.devices}, but {settings.engine} trains on one")
        return settings.batch_size or good, 1
    from mckennabot.finetune.jobs import devices

    reporter.say("Starting TensorFlow …")  # which takes seconds, on either backend
    there, batch = devices.count(settings.devices), settings.batch_size
    if batch is None:
        return -(-good // there) * there, there
    if settings.devices and batch % there:
        raise UsageError(f"--batch-size {batch} is no multiple of --devices {there}")
    used = max(n for n in range(1, there + 1) if batch % n == 0)
    if used < there:
        reporter.warn(f"{used} of {there} devices: --batch-size {batch} is no multiple of {there}.")
    return batch, used
