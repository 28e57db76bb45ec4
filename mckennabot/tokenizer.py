"""Encodes text by GPT-2's byte-level BPE (``encoder.json``, ``vocab.bpe``), with Hugging Face's `tokenizers`.

Unlike in gpt-2-simple's encoder, ``<|endoftext|>`` is the one id that GPT-2 was trained with, never seven
ordinary tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.corpus import SEPARATOR
from mckennabot.errors import ModelError
from mckennabot.system.stored import damaged, integer, read_json, read_text

if TYPE_CHECKING:
    import tokenizers

VOCABULARY_FILES = ("encoder.json", "vocab.bpe")


class Tokenizer:
    """Turns text into token ids and back.

    Attributes:
        eot: the id of ``<|endoftext|>``.
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self._backend = backend
        self.eot: int = backend.get_vocab()[SEPARATOR]

    @classmethod
    def load(cls, directory: Path) -> Tokenizer:
        """Read the vocabulary of a base model or run.

        Raises:
            ModelError: a vocabulary file is missing or not what it should be.
        """
        import tokenizers

        encoder, merges = (directory / name for name in VOCABULARY_FILES)
        try:
            vocabulary = read_json(encoder, {SEPARATOR: integer(0)}, hint=_HINT)
            # The first line is "#version: 0.2"; the last is empty.
            lines = read_text(merges, hint=_HINT).split("\n")[1:]
            pairs = [(left, right) for left, _, right in (line.partition(" ") for line in lines if line)]
            _require_whole(vocabulary, pairs, encoder, merges)
            model = tokenizers.models.BPE(vocabulary, pairs)
        except FileNotFoundError as error:
            raise ModelError("no vocabulary file", path=error.filename, hint=_HINT) from error
        except ModelError:
            raise
        except Exception as error:  # `tokenizers` raises plain Exception
            raise ModelError(f"the vocabulary is damaged ({error})", path=directory, hint=_HINT) from error
        return cls(_byte_level(model))

    @classmethod
    def train(cls, texts: Iterable[str], size: int) -> Tokenizer:
        """Learn a vocabulary of at most `size` tokens from texts; ``<|endoftext|>`` is its last id."""
        import tokenizers

        backend = _byte_level(tokenizers.models.BPE())
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=size - 1,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        backend.train_from_iterator(texts, trainer)
        learned = json.loads(backend.to_str())["model"]
        vocabulary = {token: rank for token, rank in learned["vocab"].items() if token != SEPARATOR}
        # Training gives the special token the first id; GPT-2 has it last.
        ordered = sorted(vocabulary, key=lambda token: vocabulary[token])
        final = {token: rank for rank, token in enumerate([*ordered, SEPARATOR])}
        pairs = [(left, right) for left, right in learned["merges"]]
        return cls(_byte_level(tokenizers.models.BPE(final, pairs)))

    def save(self, directory: Path) -> None:
        """Write ``encoder.json`` and ``vocab.bpe`` in OpenAI's form."""
        model = json.loads(self._backend.to_str())["model"]
        encoder, merges = (directory / name for name in VOCABULARY_FILES)
        encoder.write_text(json.dumps(model["vocab"]), encoding="utf-8")
        lines = ["#version: 0.2", *(" ".join(merge) for merge in model["merges"]), ""]
        merges.write_text("\n".join(lines), encoding="utf-8")

    def to_json(self) -> str:
        """Return the whole tokenizer as one document: Hugging Face's ``tokenizer.json``."""
        return str(self._backend.to_str())

    @property
    def size(self) -> int:
        """Number of tokens, ``<|endoftext|>`` included."""
        return int(self._backend.get_vocab_size())

    def encode(self, text: str) -> list[int]:
        """Encode a text; ``<|endoftext|>`` in it becomes its one id."""
        return list(self._backend.encode(text).ids)

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode many texts, on all cores."""
        return [encoding.ids for encoding in self._backend.encode_batch_fast(list(texts))]

    def decode(self, ids: Sequence[int]) -> str:
        """Decode token ids; bytes that are not UTF-8 become U+FFFD."""
        return str(self._backend.decode(list(ids), skip_special_tokens=False))

    def token(self, token_id: int) -> str:
        """Return the vocabulary's own spelling of a token, such as ``Ġthe``."""
        return str(self._backend.id_to_token(token_id))

    def token_bytes(self, token_id: int) -> bytes:
        """Return the bytes of a token, such as ``b" the"``; often not whole UTF-8 characters."""
        return bytes(map(_BYTE_OF.__getitem__, self.token(token_id)))


def _require_whole(
    vocabulary: dict[str, Any], pairs: list[tuple[str, str]], encoder: Path, merges: Path
) -> None:
    """Refuse a damaged vocabulary, which would encode text in other tokens than the model was trained on.

    Raises:
        ModelError: ids are not 0 to n - 1, or there are tokens that no merge makes.
    """
    ids = list(vocabulary.values())
    if any(type(i) is not int for i in ids) or set(ids) != set(range(len(ids))):
        raise damaged(encoder, f"its ids are not 0 to {len(ids) - 1}", _HINT)
    made = {left + right for left, right in pairs}
    lost = sum(len(token) > 1 and token not in made and token[0] != "<" for token in vocabulary)
    if lost:
        raise damaged(merges, f"it makes {lost} of the {len(ids)} tokens no more", _HINT)


def _byte_spellings() -> dict[str, int]:
    """Map GPT-2's printable characters to bytes: a printable byte's own, else the next from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}


_BYTE_OF = _byte_spellings()

_HINT = "Copy encoder.json and vocab.bpe from the base model, or start from --model tiny."


def _byte_level(model: tokenizers.models.BPE) -> tokenizers.Tokenizer:
    import tokenizers

    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens([SEPARATOR])
    return backend
