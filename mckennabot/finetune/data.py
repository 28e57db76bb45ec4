"""Turns text into tokens, and tokens into training windows; without Keras or TensorFlow.

A corpus of any size becomes one int32 array with ``<|endoftext|>`` before each segment. Texts are read and
encoded piece by piece, so that this takes the memory of the tokens, a few megabytes, and the largest table.
"""

from __future__ import annotations

import array
import itertools
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mckennabot.config import FinetuneSettings
from mckennabot.corpus import EXTRACT_HINT, parse
from mckennabot.errors import InputError
from mckennabot.finetune.texts import Corpus, holds_tokens
from mckennabot.models.checkpoint import Hparams

if TYPE_CHECKING:
    from mckennabot.tokenizer import Tokenizer

Tokens = npt.NDArray[np.int32]

_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, OverflowError, MemoryError)
"""What numpy raises for a zip archive that was cut short or has flipped bits, besides ValueError."""

BATCH = 64
"""Pieces of text that are encoded at a time, on all cores: about 4 MB (see `texts.PIECE`)."""

MIN_HELD_OUT = 32
"""On fewer tokens than this the mean loss is mostly noise."""


def encode_corpus(corpus: Corpus | Iterable[Path], tokenizer: Tokenizer) -> Tokens:
    """Encode the corpus: return its tokens [n], with ``<|endoftext|>`` before each segment.

    Args:
        corpus: see `Corpus`, or the paths behind it.
        tokenizer: the vocabulary.

    Raises:
        InputError: a file is missing, unreadable or not text; or there is no text at all.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    tokens = array.array("i")
    for path in corpus.files:
        if holds_tokens(path):
            tokens.frombytes(_read_npz(path, tokenizer).tobytes())
            continue
        pieces = corpus.pieces(path)
        while batch := list(itertools.islice(pieces, BATCH)):
            for ids in tokenizer.encode_batch(batch):
                tokens.extend(ids)
    if len(tokens) < 2:
        raise InputError(
            "the corpus is empty", path=corpus.files[0] if corpus.files else None, hint=EXTRACT_HINT
        )
    return np.frombuffer(tokens, np.int32)


def segments(corpus: Corpus, path: Path, tokenizer: Tokenizer) -> list[list[str]]:
    """Return the paragraphs of each segment of a file, as the model saw them, to look things up in."""
    if holds_tokens(path):
        return parse(tokenizer.decode(_read_npz(path, tokenizer).tolist()))
    return parse("".join(corpus.pieces(path)))


def _read_npz(path: Path, tokenizer: Tokenizer) -> Tokens:
    try:
        with path.open("rb") as file, np.load(file) as stored:
            chunks = [np.asarray(stored[name]) for name in stored.files]
    except OSError as error:
        raise InputError(f"cannot read the token ids ({error.strerror})", path=path) from error
    except (ValueError, LookupError, EOFError, AttributeError, TypeError, *_DAMAGE) as error:
        raise InputError("not a .npz file of token ids, or a damaged one", path=path) from error
    whole = np.concatenate([chunk.ravel() for chunk in chunks]) if chunks else np.zeros(0, np.int32)
    if not whole.size:
        return whole.astype(np.int32)
    if whole.dtype.kind not in "iu":
        raise InputError("the .npz file holds no integers", path=path)
    if whole.min() < 0 or whole.max() >= tokenizer.size:
        raise InputError(
            f"the .npz file holds token ids outside the model's vocabulary of {tokenizer.size}", path=path
        )
    return _restore_boundaries(whole.astype(np.int32), tokenizer)


def _restore_boundaries(tokens: Tokens, tokenizer: Tokenizer) -> Tokens:
    """Restore the boundaries that gpt-2-simple's encoder spells out in seven tokens, and begin with one."""
    spelt = [i for part in ("<|", "endoftext", "|>") for i in tokenizer.encode(part)]
    found = np.ones(max(0, len(tokens) - len(spelt) + 1), bool)
    for i, token in enumerate(spelt):
        found &= tokens[i : i + len(found)] == token
    keep = np.ones(len(tokens), bool)
    for i in range(1, len(spelt)):
        keep[np.flatnonzero(found) + i] = False
    tokens[: len(found)][found] = tokenizer.eot
    tokens = tokens[keep]
    return tokens if tokens[0] == tokenizer.eot else np.concatenate([[tokenizer.eot], tokens], dtype=np.int32)


def split(tokens: Tokens, val_fraction: float) -> tuple[Tokens, Tokens]:
    """Split the corpus into the tokens to train on and its end, which is held out; always at the same token.

    Of a corpus that is too small nothing is held out.
    """
    held_out = round(len(tokens) * val_fraction)
    if held_out < MIN_HELD_OUT:
        return tokens, tokens[:0]
    return tokens[:-held_out], tokens[-held_out:]


class Windows:
    """Samples training windows without replacement; each epoch cuts the corpus at another random offset.

    The corpus is a ring: its end is followed by the ``<|endoftext|>`` that it begins with. Window k depends
    on k and the seed alone, so a run can resume from a single number.

    Attributes:
        block: tokens that a window predicts; the length of the corpus if that is shorter.
        per_epoch: windows in an epoch.
    """

    def __init__(self, tokens: Tokens, block: int, seed: int) -> None:
        self._tokens = tokens
        self._seed = seed
        self.block = min(block, len(tokens))
        self.per_epoch = max(1, len(tokens) // self.block)
        self._epoch = -1
        self._starts = np.zeros(0, np.int64)

    def batch(self, first: int, count: int) -> Tokens:
        """Return windows `first` to `first + count` [count, block + 1]: inputs, then targets."""
        starts = np.array([self._start(k) for k in range(first, first + count)])
        return self._tokens[(starts[:, None] + np.arange(self.block + 1)) % len(self._tokens)]

    def _start(self, k: int) -> int:
        epoch, i = divmod(k, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, epoch])
            offset = rng.integers(len(self._tokens))
            self._starts = offset + self.block * rng.permutation(self.per_epoch)
            self._epoch = epoch
        return int(self._starts[i])


@dataclass(frozen=True)
class Data:
    """What a run learns from and is validated on.

    Attributes:
        windows: the training windows, in order.
        training: the tokens behind them [n].
        held_out: tokens never trained on [m]; may be empty.
    """

    windows: Windows
    training: Tokens
    held_out: Tokens

    @classmethod
    def of(cls, tokens: Tokens, hparams: Hparams, settings: FinetuneSettings) -> Data:
        """Split the corpus [n], and cut its training part into windows of at most a model's context."""
        training, held_out = split(tokens, settings.val_fraction)
        return cls(Windows(training, settings.block_size or hparams.n_ctx, settings.seed), training, held_out)


def held_out_windows(tokens: Tokens, block: int, count: int) -> Sequence[Tokens]:
    """Return at most `count` windows [<= block + 1], spread evenly over the held-out tokens."""
    starts = np.arange(0, len(tokens) - 1, block)
    if len(starts) > count:
        starts = starts[np.linspace(0, len(starts) - 1, count).round().astype(int)]
    return [tokens[start : start + block + 1] for start in starts]
