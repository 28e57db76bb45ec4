"""Turns prefixes and settings into texts, piece by piece as they are sampled."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mckennabot.config import GenerateSettings
from mckennabot.errors import UsageError
from mckennabot.generate.ctranslate2_engine import (
    CTranslate2Engine,
    choose_precision,
    choose_threads,
    device,
)
from mckennabot.generate.engine import Engine, Sampling
from mckennabot.generate.source import Source
from mckennabot.generate.text import Text
from mckennabot.generate.window import context, room
from mckennabot.models.checkpoint import Hparams
from mckennabot.reporter import Reporter
from mckennabot.tokenizer import Tokenizer

LENGTH_SPREAD = 64
"""Tokens by which prompts in a batch may differ: what the shortest lacks is read one token at a time."""


@dataclass(frozen=True)
class Piece:
    """Some more characters of a text.

    Attributes:
        index: which prefix's, counted from 0.
        text: the characters.
    """

    index: int
    text: str


@dataclass(frozen=True)
class Sample:
    """A complete text.

    Attributes:
        index: which prefix's, counted from 0.
        prefix: what it starts with.
        text: what follows the prefix.
        stop: why it ended: end-of-text, stop, sentence or length.
        tokens: how many were sampled.
        log_probability: their sum, in nats; NaN if the engine does not know it.
    """

    index: int
    prefix: str
    text: str
    stop: str
    tokens: int
    log_probability: float


class Sampler:
    """Samples texts for any number of prefixes from a loaded model.

    The same source, settings and calls give the same texts on the same machine. They depend on the
    batch size too: the texts of a batch take their random numbers in turn.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        n_ctx: int,
        settings: GenerateSettings,
        load_voice: Callable[[GenerateSettings], None] | None = None,
    ) -> None:
        """Take a loaded engine.

        Args:
            engine: the model.
            tokenizer: its vocabulary.
            n_ctx: its window.
            settings: with a seed.
            load_voice: loads the weights at the voice of some settings, and reseeds the engine; None if it
                cannot.
        """
        self._engine = engine
        self._load_voice = load_voice
        self._tokenizer = tokenizer
        self._n_ctx = n_ctx
        self._settings = settings
        self._warned = False

    @property
    def settings(self) -> GenerateSettings:
        """How texts are sampled; `configure` changes it."""
        return self._settings

    def configure(self, settings: GenerateSettings) -> None:
        """Sample by other settings from now on; another voice loads other weights, another seed reseeds.

        Raises:
            UsageError: the engine has no other voice.
            ModelError: the run's base, which another voice needs, is gone.
        """
        if settings.voice != self._settings.voice:
            if self._load_voice is None:
                raise UsageError("gpt-2-simple samples from a run as trained")
            self._load_voice(settings)
        elif settings.seed is not None and settings.seed != self._settings.seed:
            self._engine.reseed(settings.seed)
        self._settings = settings

    def reseed(self, seed: int) -> None:
        """Begin the sequence of random numbers of a seed, even if it is the present one."""
        self._engine.reseed(seed)
        self._settings = replace(self._settings, seed=seed)

    def sample(self, prefixes: Sequence[str], reporter: Reporter) -> Generator[Piece | Sample, None, None]:
        """Sample a text for each prefix; an empty prefix begins a new text.

        Yields:
            Pieces as they come, those of the texts of a batch alternating; after a text's last piece, its
            `Sample`.
        """
        encoded = {prefix: self._encode(prefix) for prefix in prefixes}
        if not self._warned and any(len(prompt) >= self._n_ctx for prompt in encoded.values()):
            self._warned = True
            reporter.warn(
                f"a prefix is longer than the model's window of {self._n_ctx} tokens: its end is used"
            )
        texts = (
            Text(prefix, encoded[prefix], self._tokenizer, self._settings, prefix.endswith(" "))
            for prefix in prefixes
        )
        for batch in _batches(texts, self._settings.batch_size):
            yield from self._sample_batch(batch)

    def _encode(self, prefix: str) -> list[int]:
        """Encode a prefix, without blanks at its end: in GPT-2's vocabulary they belong to the next word."""
        return self._tokenizer.encode(prefix.rstrip(" ")) or [self._tokenizer.eot]

    def _sample_batch(self, batch: list[tuple[int, Text]]) -> Iterator[Piece | Sample]:
        """Sample until every text of the batch is complete, a window at a time."""
        while alive := [(index, text) for index, text in batch if text.stop is None]:
            prompts = [
                context(text.ids, self._n_ctx, text.most, text.prompt if self._settings.keep_prefix else 0)
                for _, text in alive
            ]
            text = alive[0][1]  # each has sampled as many tokens as the others
            for events in self._engine.stream(
                prompts,
                self._sampling(),
                most=min(text.most, *(room(len(prompt), self._n_ctx) for prompt in prompts)),
                least=text.least,
                on_token=partial(_take, alive),
            ):
                yield from events

    def _sampling(self) -> Sampling:
        settings = self._settings
        return Sampling(
            temperature=settings.temperature,
            top_k=settings.top_k,
            top_p=settings.top_p,
            repetition_penalty=settings.repetition_penalty,
            end=None if settings.ignore_eot else self._tokenizer.eot,
        )


def _take(
    rows: list[tuple[int, Text]], row: int, token: int, log_probability: float
) -> tuple[list[Piece | Sample], bool]:
    """Give a text its next token; return the events that this makes, and whether the text is complete."""
    index, text = rows[row]
    events: list[Piece | Sample] = [Piece(index, text.push(token, log_probability))]
    if text.stop is None:
        return events, False
    events.append(Sample(index, text.prefix, text.text, text.stop, text.tokens, text.log_probability))
    return events, True


def _batches(texts: Iterable[Text], size: int) -> Iterator[list[tuple[int, Text]]]:
    """Yield batches of consecutive texts with their indices, at most `size` of them, of similar length."""
    batch: list[tuple[int, Text]] = []
    for index, text in enumerate(texts):
        lengths = [text.prompt, *(other.prompt for _, other in batch)]
        shortest, longest = min(lengths), max(lengths)
        # A prompt of one token cannot share a batch with longer ones: see `CTranslate2Engine.generate`.
        if len(batch) == size or longest - shortest > LENGTH_SPREAD or shortest == 1 < longest:
            yield batch
            batch = []
        batch.append((index, text))
    if batch:
        yield batch


@contextlib.contextmanager
def open_sampler(source: Source, settings: GenerateSettings, reporter: Reporter) -> Iterator[Sampler]:
    """Load a model, converting its weights the first time, and yield its sampler.

    Args:
        source: from `find_source`.
        settings: with a seed.
        reporter: hears of a conversion, and how long loading took.

    Raises:
        ModelError: the model is damaged.
        ResourceError: memory or disk space ran out.
        UsageError: the machine or the engine cannot do what the settings ask for.
    """
    hparams = source.model.hparams()
    tokenizer = Tokenizer.load(source.model.path)
    with _open_engine(source, settings, hparams, tokenizer, reporter) as (engine, load_voice):
        yield Sampler(engine, tokenizer, hparams.n_ctx, settings, load_voice)


@contextlib.contextmanager
def _open_engine(
    source: Source, settings: GenerateSettings, hparams: Hparams, tokenizer: Tokenizer, reporter: Reporter
) -> Iterator[tuple[Engine, Callable[[GenerateSettings], None] | None]]:
    """Yield the engine, and a function that loads another voice into it; None if it has only one."""
    assert settings.seed is not None
    if settings.engine == "gpt-2-simple":
        from mckennabot.generate.reference import ReferenceEngine

        yield ReferenceEngine(source.weights, hparams, settings.seed), None
        return
    from mckennabot.generate.cache import converted
    from mckennabot.generate.convert import Conversion
    from mckennabot.models.weights import parameters

    size = parameters(hparams)
    precision = choose_precision(settings.precision, size)
    tokens = [tokenizer.token(i) for i in range(tokenizer.size)]
    with contextlib.ExitStack() as stack:

        def directory(at: Source) -> Path:
            return stack.enter_context(
                converted(Conversion(at.model, at.weights, precision, at.dial), reporter)
            )

        def load_voice(changed: GenerateSettings) -> None:
            assert changed.voice is not None
            assert changed.seed is not None
            engine.load(directory(source.at(changed.voice)), changed.seed)

        place, threads, begun = directory(source), choose_threads(size), time.perf_counter()
        engine = CTranslate2Engine(place, precision, tokens, settings.seed, threads)
        taken = time.perf_counter() - begun
        reporter.detail(
            f"loaded {size:,} parameters in {taken:.2f} s: {precision} on {device()}, "
            f"threads: {threads or 'OMP_NUM_THREADS'}"
        )
        stack.enter_context(engine)
        yield engine, load_voice
