"""Which model, how many steps, how long: chosen from the text, the machine and the time, before it starts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mckennabot.book_to_voice.library import Library
from mckennabot.book_to_voice.look import Look
from mckennabot.config import FinetuneSettings, VoiceSettings
from mckennabot.errors import ModelError, UsageError
from mckennabot.finetune.dry_run import Effort, measure
from mckennabot.models import small
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.download import KNOWN, fetch
from mckennabot.models.weights import parameters
from mckennabot.reporter import Reporter
from mckennabot.system.files import write_atomic
from mckennabot.system.terminal import in_words

LARGE, TINY = "124M", "tiny"
LARGE_PARAMETERS = 124_439_808
MOST_EPOCHS = 20
"""Times through the text beyond which nothing is learnt but the text by heart; patience ends it sooner."""
USEFUL_STEPS = 60
"""Fewer steps than this, and fewer than one pass through the text, and a model has not even begun."""
STEPS_SHARE = 0.85
"""Of the training time, what the steps themselves may take; validations and saves take the rest."""
TAIL_SECONDS, TAIL_STEPS = 15.0, 40
"""What the last save, the dial, the scores and the report take, partly in steps, until a run has shown it."""
PACE = ".pace.json"
"""In the checkpoint directory: what steps and reports took on this machine."""


@dataclass(frozen=True)
class Plan:
    """What is going to be done.

    Attributes:
        settings: of `finetune`.
        effort: what a step takes.
        ready: seconds that training may take in all.
        why: of the model, in a few words.
    """

    settings: FinetuneSettings
    effort: Effort
    ready: float
    why: str

    @property
    def epochs(self) -> float:
        """Times through the text."""
        return self.settings.steps * self.effort.windows_per_step / self.effort.windows

    def lines(self) -> Iterator[str]:
        """Yield the plan in words."""
        effort = self.effort
        yield f"{self.settings.model}, {effort.parameters / 1e6:,.0f} million parameters: {self.why}"
        each = f"{effort.windows_per_step} × {effort.block:,} tokens"
        yield (
            f"up to {self.settings.steps:,} steps of {each}, {self.epochs:.1f} times through the text, "
            f"{effort.seconds:.2g} s a step here"
        )
        yield (
            f"at most {in_words(self.ready)} of training, less where more brings nothing; then the numbers "
            "and the report"
        )


class Pace:
    """What things took on this machine, remembered from one run to the next.

    Args:
        checkpoints: the directory that remembers it.
    """

    def __init__(self, checkpoints: Path) -> None:
        self._path = checkpoints / PACE
        try:
            known = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            known = {}
        self._known: dict[str, Any] = known if isinstance(known, dict) else {}

    def get(self, what: str) -> float | None:
        """Seconds that it took, where that is known."""
        found = self._known.get(what)
        return float(found) if isinstance(found, (int, float)) and found > 0 else None

    def note(self, what: str, seconds: float) -> None:
        """Remember what it took; a directory that cannot be written to is no harm."""
        self._known[what] = round(seconds, 3)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self._path, json.dumps(self._known, indent=2) + "\n")


def make_plan(library: Library, look: Look, settings: VoiceSettings, ends: float, reporter: Reporter) -> Plan:
    """Choose the model and the number of steps.

    Args:
        library: with its corpus files.
        look: what they are.
        settings: of the command.
        ends: when everything is to be done, on the clock of `time.monotonic`.
        reporter: takes what there is to say.

    Raises:
        ModelError: a model that was asked for is not to be had.
        UsageError: the time is too short for any model.
    """
    pace = Pace(settings.checkpoints)
    base = FinetuneSettings(
        run=settings.run or "voice",
        checkpoints=settings.checkpoints,
        base_url=settings.base_url,
        fresh=settings.fresh,
        sample_every=0,
    )
    if library.held_out is not None:
        base = replace(base, val_fraction=round(library.held_out, 6))
    for name, why in _candidates(library, look, settings, ends, pace, reporter):
        effort = measure(library.files, replace(base, model=name), pace.get(_key(name)))
        pace.note(_key(name), effort.seconds)
        ready = _time_to_train(effort, ends, pace)
        steps = _steps(effort, ready)
        if settings.model or is_useful(effort, steps) or name == TINY:
            if not is_useful(effort, steps):
                reporter.warn(
                    f"in {in_words(max(0, ready))} {name} takes {max(0, steps)} steps, too few to learn much"
                )
            if steps < 1:
                break
            minutes = round(ready / 60, 2)
            return Plan(replace(base, model=name, steps=steps, minutes=minutes), effort, ready, why)
        reporter.detail(f"{name} would take {steps} steps in {in_words(max(0, ready))}: too few")
    raise UsageError(
        f"--minutes {settings.minutes:g} is too short: no model takes a useful number of steps in that time",
        hint=f"Try --minutes {max(5, round(settings.minutes * 3)):g}.",
    )


def is_useful(effort: Effort, steps: int) -> bool:
    """Return whether so many steps are worth taking: sixty of them, or one pass through the text."""
    return steps >= min(USEFUL_STEPS, -(-effort.windows // effort.windows_per_step))


def _time_to_train(effort: Effort, ends: float, pace: Pace) -> float:
    """Seconds from now on until what follows training has to begin."""
    return ends - time.monotonic() - (pace.get("tail") or TAIL_SECONDS + TAIL_STEPS * effort.seconds)


def _steps(effort: Effort, seconds: float) -> int:
    in_time = int(seconds * STEPS_SHARE / effort.seconds)
    most = -(-MOST_EPOCHS * effort.windows // effort.windows_per_step)
    return min(in_time, max(most, USEFUL_STEPS))


def _candidates(
    library: Library, look: Look, settings: VoiceSettings, ends: float, pace: Pace, reporter: Reporter
) -> Iterator[tuple[str, str]]:
    """Models to try, the best first; the next one is made only if the one before does not do."""
    checkpoints = settings.checkpoints
    if settings.model:
        if settings.model in KNOWN and not settings.dry_run:
            fetch(settings.model, checkpoints, settings.base_url, reporter)
        yield settings.model, "asked for"
        return
    if (checkpoints / LARGE / "hparams.json").is_file():
        yield LARGE, "OpenAI's GPT-2, which is here"
    elif settings.dry_run:
        reporter.say(f"{LARGE} is not here; without --dry-run it is fetched if there is time for it.")
    elif _may_fit(library, look, settings, ends, pace):
        try:
            fetch(LARGE, checkpoints, settings.base_url, reporter)
            yield LARGE, "OpenAI's GPT-2"
        except ModelError as error:
            reporter.say(f"{LARGE} is not to be had here ({error.what})")
    if look.english and small.is_packaged():
        yield small.NAME, "the English model that comes with mckennabot"
    yield TINY, "a model of its own, since there is none here for its language"


def _may_fit(library: Library, look: Look, settings: VoiceSettings, ends: float, pace: Pace) -> bool:
    """Whether it is worth fetching half a gigabyte: judged by what `small` takes, a quarter of its size."""
    if not (look.english and small.is_packaged()):
        return True
    base = FinetuneSettings(checkpoints=settings.checkpoints, run=".measured", model=small.NAME)
    effort = measure(library.files, base, pace.get(_key(small.NAME)))
    pace.note(_key(small.NAME), effort.seconds)
    size = parameters(ModelDir(settings.checkpoints / small.NAME).hparams())
    slower = replace(effort, seconds=effort.seconds * LARGE_PARAMETERS / size)
    return is_useful(slower, _steps(slower, _time_to_train(slower, ends, pace)))


def _key(model: str) -> str:
    return f"step of {model}"
