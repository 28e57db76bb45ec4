"""How much texts talk like a run's author: one thread that reads them while nobody's text is being sampled.

A score takes two models of its own, the run and its base in float32, and reads a text in windows. Between two
windows it lets those through who wait for a text. The models of one run stay in memory, for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from mckennabot.errors import MckennabotError
from mckennabot.generate.source import Source
from mckennabot.originality import Index
from mckennabot.reporter import Reporter
from mckennabot.serve.scheduler import Scheduler
from mckennabot.tokenizer import Tokenizer
from mckennabot.voice.calibration import TOKENS, Calibration
from mckennabot.voice.judge import Reader, open_judge
from mckennabot.voice.scoring import NO_BASE, UNCALIBRATED, Scorer, calibration_of

MOST = 2048
"""Tokens that are read, the last of a text: a score must not take longer the longer a draft gets."""
PATIENCE = 20.0
"""Seconds to wait for quiet before a window."""
KEPT = 300.0
"""Seconds for which models stay in memory that nobody needs."""


class Scores:
    """Scores texts, one after the other.

    Args:
        scheduler: samples; it goes first.
        reporter: takes what there is to say of what takes long.
        stopping: whether the server is.
    """

    def __init__(self, scheduler: Scheduler, reporter: Reporter, stopping: Callable[[], bool]) -> None:
        self._scheduler = scheduler
        self._reporter = reporter
        self._stopping = stopping
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._task: _Task | None = None
        self._judge: _Judge | None = None
        self._thread = threading.Thread(target=self._work, name="scoring", daemon=True)
        self._thread.start()

    async def score(self, source: Source, index: Index, text: str) -> dict[str, Any]:
        """Return a text's voice score for a reply; null where there is none, with the reason.

        Who cancels it is not waited for.
        """
        task = _Task(source, index, text)
        self._tasks.put(task)
        try:
            found, why = await asyncio.wrap_future(task.verdict)
        finally:
            task.left = True
        return {"voice_score": None if found is None else round(found, 1)} | (
            {"voice_reason": why} if found is None else {}
        )

    def close(self) -> None:
        """End the thread, with the window that it reads."""
        self._tasks.put(None)
        self._thread.join()

    def _work(self) -> None:
        while True:
            try:
                self._task = task = self._tasks.get(timeout=KEPT if self._judge else None)
            except queue.Empty:
                self._let_go()
                continue
            if task is None:
                break
            if task.verdict.set_running_or_notify_cancel():
                try:
                    task.verdict.set_result(self._verdict(task))
                except BaseException as error:
                    task.verdict.set_exception(error)
            self._task = task = None
        self._let_go()

    def _verdict(self, task: _Task) -> tuple[float | None, str]:
        source = task.source
        try:
            if not source.model.run_info().get("base"):
                return None, NO_BASE
            if (calibration := calibration_of(source)) is None:
                return None, UNCALIBRATED
            if self._judge is None or self._judge.of != (source, task.index, calibration):
                self._let_go()
                self._judge = _Judge(source, task.index, calibration, self._reporter, self._wait)
            return self._judge.score(task.text)
        except _NotNowError as why:
            return None, str(why)
        except MckennabotError as error:
            self._let_go()
            return None, error.what

    def _wait(self) -> None:
        """Let others go first.

        Raises:
            _NotNowError: they take too long, or nobody waits for the score any more.
        """
        if self._task is None or self._task.left:
            raise _NotNowError("nobody waits for it")
        if self._stopping():
            raise _NotNowError("the server is stopping")
        if not self._scheduler.quiet(PATIENCE):
            raise _NotNowError("texts are being written: ask again when they are done")

    def _let_go(self) -> None:
        if self._judge:
            self._judge.close()
        self._judge = None


@dataclass(eq=False)
class _Task:
    """A text to score; `left` once nobody waits for its verdict."""

    source: Source
    index: Index
    text: str
    verdict: Future[tuple[float | None, str]] = field(default_factory=Future)
    left: bool = False


class _NotNowError(Exception):
    """Why a text is not read on."""


class _Judge:
    """A run that scores; its models are loaded when a text is long enough.

    Attributes:
        of: what it was made of.
    """

    def __init__(
        self,
        source: Source,
        index: Index,
        calibration: Calibration,
        reporter: Reporter,
        wait: Callable[[], None],
    ) -> None:
        self.of = source, index, calibration
        self._reporter = reporter
        self._wait = wait
        self._tokenizer = Tokenizer.load(source.model.path)
        self._loaded = contextlib.ExitStack()
        self._scorer: Scorer | None = None

    def score(self, text: str) -> tuple[float | None, str]:
        """Return the voice score of a text's end."""
        ids = self._tokenizer.encode(text)
        if len(ids) < TOKENS:
            return None, f"too short to say: {len(ids)} tokens, of {TOKENS} that it takes"
        if len(ids) > MOST:
            text = self._tokenizer.decode(ids[-MOST:]).lstrip("\ufffd")  # the rest of a character
        if self._scorer is None:
            self._scorer = self._load()
        return self._scorer.voice(text)

    def _load(self) -> Scorer:
        self._wait()
        source, index, calibration = self.of
        judge = self._loaded.enter_context(open_judge(source, self._reporter))
        judge.run = _Polite(judge.run, self._wait)
        judge.base = judge.base and _Polite(judge.base, self._wait)
        return Scorer(judge, index, calibration)

    def close(self) -> None:
        """Free the models' memory."""
        self._scorer = None
        self._loaded.close()


class _Polite:
    """A model that reads one window at a time, and waits for its turn before each."""

    def __init__(self, reader: Reader, wait: Callable[[], None]) -> None:
        self._reader = reader
        self._wait = wait

    def losses(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Cross-entropy in nats of each row's tokens but the first."""
        found = []
        for row in rows:
            self._wait()
            found += self._reader.losses([row])
        return found
