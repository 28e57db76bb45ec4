"""Holds a run or base model in memory and samples from it: what `mckennabot.load` returns."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

from mckennabot.config import GenerateSettings
from mckennabot.errors import UsageError
from mckennabot.generate.original import sample_original
from mckennabot.generate.sampler import Piece, Sample, Sampler, open_sampler
from mckennabot.generate.source import Source, find_source, while_it_trains, with_seed
from mckennabot.originality import Index
from mckennabot.reporter import Reporter, Silent
from mckennabot.settings import with_options

FIXED = ("run", "model", "checkpoints", "checkpoint", "precision", "engine")
"""Settings that are chosen when a voice is loaded, and cannot change for each text."""


class Voice:
    """A loaded model. It keeps its memory until it is closed or its ``with`` block ends, or nobody has it.

    The same seed gives the same texts on the same machine. A voice is for one thread at a time.

    Args:
        settings: which model, and how to sample where a call does not say.
        reporter: takes what there is to say, such as that the weights are converted once.

    Raises:
        ModelError: the model is not there or damaged.
        ResourceError: memory or disk space ran out.
        UsageError: the machine or the engine cannot do what the settings ask for.
    """

    def __init__(self, settings: GenerateSettings, reporter: Reporter | None = None) -> None:
        self._reporter = reporter or Silent()
        self._stack = contextlib.ExitStack()
        self._source, self._settings, self._sampler = while_it_trains(lambda: self._open(settings))
        # CTranslate2's threads must end before the interpreter does, or they abort the process: at exit too.
        self._ending = weakref.finalize(self, self._stack.close)

    def _open(self, settings: GenerateSettings) -> tuple[Source, GenerateSettings, Sampler]:
        source = find_source(settings, self._reporter)
        settings = replace(settings, voice=source.voice)
        sampler = open_sampler(source, with_seed(settings), self._reporter)
        return source, settings, self._stack.enter_context(sampler)

    @property
    def path(self) -> Path:
        """The directory of the base model or run."""
        return self._source.model.path

    @property
    def step(self) -> int | None:
        """The step of the run's weights; None for a base model."""
        return self._source.step

    @property
    def settings(self) -> GenerateSettings:
        """How texts are sampled if a call does not say otherwise."""
        return self._settings

    @overload
    def generate(
        self,
        prefix: str = "",
        *,
        n: Literal[1] = 1,
        length: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        max_copied: int | None = None,
        **options: Any,
    ) -> str: ...

    @overload
    def generate(
        self,
        prefix: str = "",
        *,
        n: int,
        length: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        max_copied: int | None = None,
        **options: Any,
    ) -> str | list[str]: ...

    def generate(
        self,
        prefix: str = "",
        *,
        n: int = 1,
        length: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        stop: str | Sequence[str] | None = None,
        max_copied: int | None = None,
        **options: Any,
    ) -> str | list[str]:
        """Sample a text, or several.

        Args:
            prefix: what each text starts with; "" begins a new one.
            n: how many texts; more than one come as a list.
            length: new tokens at most. This and what follows is as the voice was loaded where it is None.
            temperature: 0 always takes the likeliest token.
            seed: gives the same texts again.
            stop: ends a text before these words.
            max_copied: samples a text again that copies more words in a row from the corpus.
            **options: those of ``mckennabot generate`` under the same names, such as ``top_p=0.9``,
                ``finish_sentence=True`` or ``voice=1.2``.

        Returns:
            Each text with its prefix.

        Raises:
            TypeError: there is no such option.
            UsageError: an option does not take its value.
            ModelError: `max_copied` needs the index of the corpus, which this model has not; or another
                `voice` needs the run's base model, which is gone.
            ResourceError: memory ran out.
        """
        texts = self.samples(
            [prefix] * n if n != 1 else [prefix] * options.pop("nsamples", 1),
            length=length,
            temperature=temperature,
            seed=seed,
            stop=stop,
            max_copied=max_copied,
            **options,
        )
        whole = [sample.prefix + sample.text for sample in texts]
        return whole[0] if len(whole) == 1 and n == 1 else whole

    def stream(self, prefix: str = "", **options: Any) -> Iterator[str]:
        """Sample a text piece by piece.

        Args:
            prefix: as for `generate`.
            **options: as for `generate`, but for those about several texts.

        Yields:
            The new characters as they come, without the prefix; together they are its continuation. A
            caller that has enough closes the iterator, or just drops it.

        Raises:
            As `generate`.
        """
        self._configure(options)
        with contextlib.closing(self._sampler.sample([prefix], self._reporter)) as events:
            for event in events:
                if isinstance(event, Piece) and event.text:
                    yield event.text

    def samples(
        self, prefixes: Sequence[str], *, max_copied: int | None = None, **options: Any
    ) -> list[Sample]:
        """Sample a text for each prefix, with what is known of each: why it ended, tokens, log-probability.

        Args:
            prefixes: what the texts start with.
            max_copied: as for `generate`.
            **options: as for `generate`.

        Returns:
            The samples, in the order of the prefixes.

        Raises:
            As `generate`.
        """
        settings = self._configure(options)
        if max_copied is None:
            events: Any = self._sampler.sample(prefixes, self._reporter)
        else:
            if settings.temperature == 0:
                raise UsageError("max_copied samples again, and temperature 0 always samples the same")
            index = Index.load(self.path)
            events = sample_original(self._sampler, prefixes, index, max_copied, self._reporter)
        with contextlib.closing(events):
            return sorted((e for e in events if isinstance(e, Sample)), key=lambda sample: sample.index)

    def _configure(self, options: dict[str, Any]) -> GenerateSettings:
        """Configure the sampler as a call asks; return the settings of the call."""
        if not self._ending.alive:
            raise ValueError("this voice is closed")
        given = {name: value for name, value in options.items() if value is not None}
        for name in given:
            if name in FIXED:
                raise TypeError(f"{name} is chosen when a voice is loaded: load(…, {name}=…)")
        settings = with_options(self._settings, given)
        sampler, seed = self._sampler, settings.seed
        turned = settings.voice != sampler.settings.voice
        if seed is not None and seed == sampler.settings.seed and not turned:
            sampler.reseed(seed)
        sampler.configure(replace(settings, seed=sampler.settings.seed if seed is None else seed))
        return settings

    def close(self) -> None:
        """Give the memory back."""
        self._ending()

    def __enter__(self) -> Voice:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        at = f", step {self.step}" if self.step is not None else ""
        return f"<Voice of {self.path}{at}>"
