"""Text to tokens, tokens to training windows; no Keras, no TensorFlow.

A corpus of any size becomes one int32 array, ``<|endoftext|>`` before each segment, in the memory of
its tokens plus a few megabytes: files are read, decoded and encoded piece by piece.
"""

from __future__ import annotations

import array
import codecs
import csv
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mckennabot.corpus import EXTRACT_HINT, SEPARATOR, corpus_files, undecodable
from mckennabot.errors import InputError

if TYPE_CHECKING:
    from mckennabot.tokenizer import Tokenizer

Tokens = npt.NDArray[np.int32]

PIECE = 1 << 16
"""Bytes read at a time; a piece of text is about as long."""

MIN_HELD_OUT = 32
"""Fewer tokens than this say nothing about how well a model does on text it has not seen."""


def encode_corpus(paths: Iterable[Path], tokenizer: Tokenizer) -> Tokens:
    """Every token of the corpus [n], ``<|endoftext|>`` before each segment.

    Args:
        paths: text files, directories of them, gpt-2-simple's ``.npz`` of token ids, or ``.csv`` of
            which each row's first column is a segment.
        tokenizer: the vocabulary.

    Raises:
        InputError: a file is missing, unreadable or not UTF-8; or there is no text at all.
    """
    tokens = array.array("i")
    files = corpus_files(paths)
    for path in files:
        if path.suffix.lower() == ".npz":
            tokens.frombytes(_read_npz(path, tokenizer).tobytes())
            continue
        pieces = _marked(path)
        while batch := list(itertools.islice(pieces, 64)):
            for ids in tokenizer.encode_batch(batch):
                tokens.extend(ids)
    if len(tokens) < 2:
        raise InputError("the corpus is empty", path=files[0] if files else None, hint=EXTRACT_HINT)
    return np.frombuffer(tokens, np.int32)


def texts(paths: Iterable[Path]) -> Iterator[str]:
    """The corpus as text, piece by piece, for learning a vocabulary.

    Raises:
        InputError: as `encode_corpus`; also for token ids, which only their own vocabulary can read.
    """
    for path in corpus_files(paths):
        if path.suffix.lower() == ".npz":
            raise InputError(
                "token ids need the vocabulary that made them",
                path=path,
                hint="Give the text instead, or a --model with that vocabulary.",
            )
        for piece in _marked(path):
            yield piece.replace(SEPARATOR, "\n")


def _marked(path: Path) -> Iterator[str]:
    """Pieces of text, each segment stripped and with the separator before it."""
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else [_pieces(path)]
    for pieces in rows:
        opened = False  # whether the segment that the next piece goes on with has begun
        for piece in pieces:
            for i, part in enumerate(piece.split(SEPARATOR)):
                opened = opened and i == 0
                if not part.strip():
                    continue
                yield part if opened else SEPARATOR + part.lstrip()
                opened = True


def _pieces(path: Path) -> Iterator[str]:
    """The file's text in pieces that end where a word does, newlines made line feeds.

    A piece ends just before white space that follows a word, where GPT-2's own splitting always cuts:
    the tokens are those of the whole text. Trailing white space is dropped at the end of a segment.
    """
    rest = ""
    for text in _decoded(path):
        rest += text
        end = len(rest.rstrip())
        # White space at the very end may go on in the next block, and a separator may be cut in two.
        cut = len(rest[: max(rest.rfind(" ", 0, end), rest.rfind("\n", 0, end), 0)].rstrip())
        if not cut and len(rest) > 16 * PIECE:  # text without spaces: anywhere but inside a separator
            cut = max(rest.rfind("<"), 0) or len(rest)
        if cut:
            yield from _trimmed(rest[:cut].replace("\r\n", "\n").replace("\r", "\n"))
            rest = rest[cut:]
    yield from _trimmed(rest.replace("\r\n", "\n").replace("\r", "\n").rstrip())


def _trimmed(piece: str) -> Iterator[str]:
    if piece:
        yield re.sub(rf"\s+{re.escape(SEPARATOR)}", SEPARATOR, piece)


def _decoded(path: Path) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0  # of the first byte not yet decoded
    try:
        with path.open("rb") as file:
            while True:
                block = file.read(PIECE)
                text = decoder.decode(block, final=not block)
                yield text.removeprefix("\ufeff") if offset == 0 else text
                if not block:
                    return
                offset = file.tell() - len(decoder.getstate()[0])
    except UnicodeDecodeError as error:
        raise undecodable(path, error, offset) from error
    except OSError as error:
        raise InputError(f"cannot read the corpus ({error.strerror})", path=path) from error


def _csv_rows(path: Path) -> Iterator[list[str]]:
    """Each row's first column; the first row is a header, as gpt-2-simple has it."""
    csv.field_size_limit(sys.maxsize)
    for _ in _decoded(path):  # which names a byte that is not UTF-8 by its place in the file
        pass
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in itertools.islice(csv.reader(file), 1, None):
                if row:
                    yield [row[0].strip()]
    except csv.Error as error:
        raise InputError(f"not a CSV file ({error})", path=path) from error


def _read_npz(path: Path, tokenizer: Tokenizer) -> Tokens:
    try:
        with np.load(path) as stored:
            chunks = [np.asarray(stored[name]) for name in stored.files]
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError("not a .npz file of token ids", path=path) from error
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
