"""The one thread that samples: which texts share a batch, and whose turn it is.

Sampling one text reads all the weights for each token, and sampling sixteen does so too; so texts that
can be are sampled together. CTranslate2 takes no text into a batch that runs. Where others wait, a batch
is therefore broken off after a while, and sampled on in the company of those that have come: what that
costs, reading the texts again, is never more than a third of the time.

A request with a seed has an engine of its own, and its batches are not broken off: then its texts depend
on nothing that goes on beside it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from mckennabot.generate.ctranslate2_engine import Step
from mckennabot.generate.sampler import LENGTH_SPREAD
from mckennabot.generate.window import room
from mckennabot.serve.sampling import Job, Row

MAX_BATCH = 32
DISTRIBUTION_BYTES = 256 << 20
"""What CTranslate2 may keep of all tokens' probabilities in one batch."""


class Scheduler:
    """Samples the texts of all jobs, the one that has waited longest first."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._changed = threading.Condition()
        self._closed = False
        self._arrived = False
        self._turn = 0
        self._thread = threading.Thread(target=self._work, name="sampling", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Have a job's texts sampled."""
        with self._changed:
            if self._closed:
                job.tell(RuntimeError("the scheduler is closed"))
                return
            self._rows += job.rows
            self._arrived = True
            self._changed.notify()

    def cancel(self, job: Job) -> None:
        """Have no more of a job's texts; what is being sampled of it ends with the next token."""
        job.cancelled = True

    def fail(self, error: Exception) -> None:
        """End everything that is being sampled or waits with an error."""
        with self._changed:
            jobs = {id(row.job): row.job for row in self._rows}
        for job in jobs.values():
            job.tell(error)
            job.cancelled = True

    def close(self) -> None:
        """End the thread; texts that are not complete stay so."""
        with self._changed:
            self._closed = True
            for row in self._rows:
                row.job.cancelled = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            try:
                self._sample(batch)
            except Exception as error:
                for job in {id(row.job): row.job for row in batch}.values():
                    job.tell(error)
                    job.cancelled = True
            del batch  # so that nothing holds a model that nobody samples from

    def _next(self) -> list[Row]:
        """Wait for texts; those of the next batch. Nothing means the end."""
        with self._changed:
            while True:
                self._rows = [row for row in self._rows if not row.done]
                if self._closed:
                    return []
                if self._rows:
                    break
                self._changed.wait()
            self._arrived = False
            batch = choose(self._rows)
            self._turn += 1
            for row in batch:
                row.served = self._turn
            return batch

    def _sample(self, batch: Sequence[Row]) -> None:
        """Sample on until the texts are complete, their window is full, or others have waited long enough."""
        job = batch[0].job
        asked, loaded = job.asked, job.loaded
        if asked.seed is not None and job.engine is None:
            job.engine = loaded.engine(asked.seed)
        engine = job.engine or loaded.engine()
        for row in batch:
            if row.job.asked.echo and row.job.asked.top is not None and not row.text.tokens:
                row.read_prompt(engine)
        if not asked.max_tokens:
            for row in batch:
                row.finish()
            return
        prompts = [row.context() for row in batch]
        most = min(
            max(row.text.most for row in batch), *(room(len(prompt), loaded.n_ctx) for prompt in prompts)
        )
        if asked.top is not None:
            most = max(1, min(most, DISTRIBUTION_BYTES // (4 * loaded.tokenizer.size * len(batch))))
        turn = _Turn(len(batch), self._others_wait if asked.seed is None else lambda: False)

        def take(step: Step) -> bool:
            complete = batch[step.row].take(step)
            return turn.over(step.row) or complete

        engine.run(
            prompts,
            job.sampling,
            most=most,
            least=batch[0].text.least,
            on_step=take,
            distribution=asked.top is not None,
        )

    def _others_wait(self) -> bool:
        """Whether a text waits that is not in the batch."""
        return self._arrived or any(row.served != self._turn and not row.job.cancelled for row in self._rows)


class _Turn:
    """How long a batch may run while others wait: three times as long as it took to read its texts."""

    def __init__(self, rows: int, others_wait: Callable[[], bool]) -> None:
        self._unread = set(range(rows))
        self._others_wait = others_wait
        self._began = time.monotonic()
        self._end = float("inf")

    def over(self, row: int) -> bool:
        """Whether it is the others' turn, asked when a row has a new token."""
        if self._unread:
            self._unread.discard(row)
            if not self._unread:
                now = time.monotonic()
                self._end = now + 2 * (now - self._began)
            return False
        return time.monotonic() >= self._end and self._others_wait()


def choose(rows: Sequence[Row]) -> list[Row]:
    """The batch to sample: the row that has waited longest, and those that can be sampled with it."""
    waiting = sorted(rows, key=lambda row: row.served)
    key = waiting[0].key
    batch: list[Row] = []
    lengths: list[int] = []
    for row in waiting:
        length = len(row.context())
        shortest, longest = min([length, *lengths]), max([length, *lengths])
        if row.key == key and longest - shortest <= LENGTH_SPREAD and not shortest == 1 < longest:
            batch.append(row)
            lengths.append(length)
            if len(batch) == MAX_BATCH:
                break
    return batch
