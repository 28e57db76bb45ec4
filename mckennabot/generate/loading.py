"""Finds the weights that settings name, and opens them to sample from."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mckennabot.config import GenerateSettings
from mckennabot.generate.sampler import Sampler, open_sampler
from mckennabot.generate.source import Source, find_source, while_it_trains
from mckennabot.originality import Index
from mckennabot.reporter import Reporter
from mckennabot.system.files import refuse_over
from mckennabot.system.terminal import shown


@contextlib.contextmanager
def open_model(
    settings: GenerateSettings, reporter: Reporter, compared: bool = False, output: Path | None = None
) -> Iterator[tuple[Source, Index | None, Sampler]]:
    """Load the weights that the settings name, and the index of their corpus if texts are compared with it.

    Args:
        settings: with a seed.
        reporter: hears which weights, seed and place on the dial.
        compared: whether texts will be compared with the corpus, so that its index is needed.
        output: the file to be written, which must not be one of those that are read.

    Raises:
        ModelError: there is no such run, it is damaged, or lacks what is asked for.
        ResourceError: memory or disk space ran out.
        UsageError: the output would replace a file that is read.

    Yields:
        The weights, the index (None unless `compared`), and the sampler.
    """
    with contextlib.ExitStack() as stack:

        def load() -> tuple[Source, Index | None, Sampler]:
            source = find_source(settings, reporter)
            if output is not None:
                refuse_over(output, [Path(settings.model or settings.run or ""), *source.files()])
            voice = f", voice {source.voice:g}" if source.dial else ""
            if source.dial and settings.voice is None:
                voice += " (best on held-out text; --voice 1 is the run as trained)"
            reporter.say(f"Sampling from {shown(source.weights)}, seed {settings.seed}{voice}")
            index = Index.load(source.model.path) if compared else None
            at = replace(settings, voice=source.voice)
            return source, index, stack.enter_context(open_sampler(source, at, reporter))

        yield while_it_trains(load)
