"""Text to tokens, tokens to training windows; no Keras, no TensorFlow.

A corpus of any size becomes one int32 array, ``<|endoftext|>`` before each segment, in the memory of
its tokens plus a few megabytes, and of its largest table: texts are read and encoded piece by piece.
"""

from __future__ import annotations

import array
import itertools
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mckennabot.corpus import EXTRACT_HINT, parse
from mckennabot.errors import InputError
from mckennabot.finetune.texts import Corpus, holds_tokens

if TYPE_CHECKING:
    from mckennabot.tokenizer import Tokenizer

Tokens = npt.NDArray[np.int32]

_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, OverflowError, MemoryError)
"""What a zip archive that was cut or flipped makes numpy raise, beside errors of value."""

MIN_HELD_OUT = 32
"""Fewer tokens than this say nothing about how well a model does on text it has not seen."""


def encode_corpus(corpus: Corpus | Iterable[Path], tokenizer: Tokenizer) -> Tokens:
    """Every token of the corpus [n], ``<|endoftext|>`` before each segment.

    Args:
        corpus: see `Corpus`, or the paths behind it.
        tokenizer: the vocabulary.

    Raises:
        InputError: a file is missing, unreadable or no text; or there is no text at all.
    """
    corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
    tokens = array.array("i")
    for path in corpus.files:
        if holds_tokens(path):
            tokens.frombytes(_read_npz(path, tokenizer).tobytes())
            continue
        pieces = corpus.pieces(path)
        while batch := list(itertools.islice(pieces, 64)):
            for ids in tokenizer.encode_batch(batch):
                tokens.extend(ids)
    if len(tokens) < 2:
        raise InputError(
            "the corpus is empty", path=corpus.files[0] if corpus.files else None, hint=EXTRACT_HINT
        )
    return np.frombuffer(tokens, np.int32)


def segments(corpus: Corpus, path: Path, tokenizer: Tokenizer) -> list[list[str]]:
    """The paragraphs of each segment of a file, as they were learned, for looking things up in it."""
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
    return _real_boundaries(whole.astype(np.int32), tokenizer)


def _real_boundaries(tokens: Tokens, tokenizer: Tokenizer) -> Tokens:
    """The one boundary token for what gpt-2-simple's encoder spells out in seven, and one in front."""
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
    """The tokens to train on and those held out: the end of the corpus, contiguous, always the same.

    A corpus too small to spare any gives an empty second part.
    """
    held_out = round(len(tokens) * val_fraction)
    if held_out < MIN_HELD_OUT:
        return tokens, tokens[:0]
    return tokens[:-held_out], tokens[-held_out:]


class Windows:
    """Training windows without replacement, an epoch at a time, from an offset that each epoch shifts.

    The corpus is a ring: its end is followed by the ``<|endoftext|>`` that it begins with. Window k is a
    function of k and the seed alone, so the position in the data is one number.

    Attributes:
        block: tokens that a window predicts; the corpus's own length where that is shorter.
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
        """Windows `first` to `first + count` [count, block + 1]: inputs, and the same moved on by one."""
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


def held_out_windows(tokens: Tokens, block: int, count: int) -> Sequence[Tokens]:
    """At most `count` windows [<= block + 1] side by side, spread evenly over the held-out tokens."""
    starts = np.arange(0, len(tokens) - 1, block)
    if len(starts) > count:
        starts = starts[np.linspace(0, len(starts) - 1, count).round().astype(int)]
    return [tokens[start : start + block + 1] for start in starts]
