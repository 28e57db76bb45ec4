"""Prefixes and settings in, texts out, piece by piece as they are drawn."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from mckennabot.checkpoint import ModelDir, find_model, latest_run
from mckennabot.config import GenerateSettings
from mckennabot.generate.tell import Tell
from mckennabot.generate.text import Text
from mckennabot.generate.window import context, room
from mckennabot.tokenizer import Tokenizer

T = TypeVar("T")

LENGTH_SPREAD = 64
"""Tokens by which prompts in a batch may differ: what the shortest lacks is read one token at a time."""

SEEDS = 2**32 - 1
"""Seeds are below this; CTranslate2 takes it for "any"."""


class Engine(Protocol):
    """What draws tokens: see `mckennabot.generate.engine`."""

    def draw(
        self,
        prompts: Sequence[Sequence[int]],
        *,
        most: int,
        least: int,
        on_token: Callable[[int, int, float], tuple[T, bool]],
    ) -> Iterator[T]:
        """Continue every prompt."""
        ...


@dataclass(frozen=True)
class Piece:
    """Some more characters of a text.

    Attributes:
        index: which text, counted from 0: each prefix's samples in turn.
        text: the characters.
    """

    index: int
    text: str


@dataclass(frozen=True)
class Drawn:
    """A complete text.

    Attributes:
        index: which text, as in `Piece`.
        prefix: what it was to start with.
        text: what follows the prefix.
        stop: why it ended: end-of-text, stop, sentence or length.
        tokens: how many were drawn.
        log_probability: of them, in nats; not a number where the engine does not know it.
    """

    index: int
    prefix: str
    text: str
    stop: str
    tokens: int
    log_probability: float


@dataclass(frozen=True)
class Source:
    """The weights that texts are drawn from."""

    model: ModelDir
    weights: Path

    @property
    def step(self) -> int | None:
        """The step of a run's weights; None for a base model."""
        suffix = self.weights.name.removeprefix("model-")
        return int(suffix) if suffix.isdecimal() else None


def find_source(settings: GenerateSettings) -> Source:
    """The weights that the settings mean.

    Raises:
        ModelError: they are not there.
    """
    name = settings.model or settings.run
    model = find_model(settings.checkpoints, name) if name else latest_run(settings.checkpoints)
    return Source(model, model.weights(settings.checkpoint))


def with_seed(settings: GenerateSettings) -> GenerateSettings:
    """The settings with a seed: the given one, else a new one."""
    if settings.seed is not None:
        return settings
    return replace(settings, seed=secrets.randbelow(SEEDS))


class Drawer:
    """A loaded model and its settings; draws texts for any number of prefixes.

    The same source, settings and calls give the same texts on the same machine. They depend on the
    batch size too: the texts of a batch take their random numbers in turn.
    """

    def __init__(self, engine: Engine, tokenizer: Tokenizer, n_ctx: int, settings: GenerateSettings) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._n_ctx = n_ctx
        self._settings = settings

    def draw(self, prefixes: Sequence[str], tell: Tell) -> Generator[Piece | Drawn, None, None]:
        """Draw `nsamples` texts for each prefix.

        Yields:
            Pieces as they come; the pieces of texts of one batch alternate. After a text's last
            piece, the text.
        """
        prompts = [self._tokenizer.encode(prefix) or [self._tokenizer.eot] for prefix in prefixes]
        if any(len(prompt) >= self._n_ctx for prompt in prompts):
            tell.warning(
                f"a prefix is longer than the model's window of {self._n_ctx} tokens: its end is used"
            )
        texts = (
            Text(prefix, prompt, self._tokenizer, self._settings)
            for prefix, prompt in zip(prefixes, prompts, strict=True)
            for _ in range(self._settings.nsamples)
        )
        for batch in _batches(texts, self._settings.batch_size):
            yield from self._draw_batch(batch)

    def _draw_batch(self, batch: list[tuple[int, Text]]) -> Iterator[Piece | Drawn]:
        """Draw until every text of the batch is complete, a window at a time."""
        while alive := [(index, text) for index, text in batch if text.stop is None]:
            prompts = [
                context(text.ids, self._n_ctx, text.most, text.prompt if self._settings.keep_prefix else 0)
                for _, text in alive
            ]
            text = alive[0][1]  # each has drawn as many tokens as the others
            for events in self._engine.draw(
                prompts,
                most=min(text.most, *(room(len(prompt), self._n_ctx) for prompt in prompts)),
                least=text.least,
                on_token=partial(_take, alive),
            ):
                yield from events


def _take(
    rows: list[tuple[int, Text]], row: int, token: int, log_probability: float
) -> tuple[list[Piece | Drawn], bool]:
    """Give a text its next token; what there is to tell of it, and whether it is complete."""
    index, text = rows[row]
    events: list[Piece | Drawn] = [Piece(index, text.push(token, log_probability))]
    if text.stop is None:
        return events, False
    events.append(Drawn(index, text.prefix, text.text, text.stop, text.tokens, text.log_probability))
    return events, True


def _batches(texts: Iterable[Text], size: int) -> Iterator[list[tuple[int, Text]]]:
    """Consecutive texts with their indices, at most `size`, whose prompts are of about one length."""
    batch: list[tuple[int, Text]] = []
    for index, text in enumerate(texts):
        lengths = [text.prompt, *(other.prompt for _, other in batch)]
        if len(batch) == size or max(lengths) - min(lengths) > LENGTH_SPREAD:
            yield batch
            batch = []
        batch.append((index, text))
    if batch:
        yield batch


@contextlib.contextmanager
def open_drawer(source: Source, settings: GenerateSettings, tell: Tell) -> Iterator[Drawer]:
    """Load the model; the first time, convert its weights.

    Args:
        source: from `find_source`.
        settings: with a seed.
        tell: told what takes long.

    Raises:
        ModelError: the model is damaged.
        ResourceError: memory or disk space ran out.
        UsageError: the machine or the engine cannot do what the settings ask for.
    """
    from mckennabot.generate.cache import converted
    from mckennabot.generate.engine import CTranslate2Engine, Sampling, choose_precision
    from mckennabot.weights import parameters

    assert settings.seed is not None
    hparams = source.model.hparams()
    precision = choose_precision(settings.precision, parameters(hparams))
    with converted(source.model, source.weights, precision, tell) as directory:
        tokenizer = Tokenizer.load(source.model.path)
        sampling = Sampling(
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            repetition_penalty=settings.repetition_penalty,
            end=None if settings.ignore_eot else tokenizer.eot,
            seed=settings.seed,
        )
        tokens = [tokenizer.token(i) for i in range(tokenizer.size)]
        with CTranslate2Engine(directory, precision, tokens, sampling) as engine:
            yield Drawer(engine, tokenizer, hparams.n_ctx, settings)
