"""The one thread that samples: which texts share a batch, and whose turn it is.

Sampling one text reads all the weights for each token, and sampling sixteen does so too; so texts that
can be are sampled together. CTranslate2 takes no text into a batch that runs. Where others wait, a batch
is therefore broken off after a while, and sampled on in the company of those that have come: what that
costs, reading the texts again, is never more than a third of the time.

A request with a seed has an engine of its own, and its batches are not broken off but held between two
tokens: so its texts depend on nothing that goes on beside it, and it does not keep the others waiting.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence

from mckennabot.generate.ctranslate2_engine import CTranslate2Engine, Step
from mckennabot.generate.sampler import LENGTH_SPREAD
from mckennabot.generate.window import room
from mckennabot.serve.sampling import Job, Row

MAX_BATCH = 32
SLICE = 0.1
"""Seconds for which a batch that was held goes on before it is held again."""
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
        self._held: list[Strand] = []
        self._seeded: list[Job] = []
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
            self._changed.notify_all()

    def cancel(self, job: Job) -> None:
        """Have no more of a job's texts; what is being sampled of it ends with the next token."""
        job.cancelled = True

    def quiet(self, patience: float) -> bool:
        """Wait until nobody's text is being sampled, for so many seconds at most; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: all(row.done for row in self._rows), patience)

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
            self._changed.notify_all()
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
            self._let_go()
        self._let_go()

    def _next(self) -> list[Row]:
        """Wait for texts; those of the next batch. Nothing means the end."""
        with self._changed:
            while True:
                self._rows = [row for row in self._rows if not row.done]
                if self._closed:
                    return []
                if self._rows:
                    break
                self._changed.notify_all()  # whoever waits for quiet
                self._changed.wait()
            self._arrived = False
            batch = choose(self._rows)
            self._turn += 1
            for row in batch:
                row.served = self._turn
            return batch

    def _sample(self, batch: list[Row]) -> None:
        """Sample on until the texts are complete, their window is full, or others have waited long enough."""
        job = batch[0].job
        if job.asked.seed is None:
            turn = _Turn(len(batch), self._others_wait)
            self._run(batch, job.loaded.engine(), turn.over)
            return
        strand = next((strand for strand in self._held if strand.job is job), None)
        if strand is None:
            if job.engine is None:
                job.engine = job.loaded.engine(job.asked.seed)
                self._seeded.append(job)
            strand = Strand(job, batch, self._run, self._others_wait)
        else:
            self._held.remove(strand)
        if not strand.go_on():
            self._held.append(strand)
        for row in strand.batch:
            row.served = self._turn

    def _let_go(self) -> None:
        """Let batches end that nobody waits for any more, and engines go with the last text they were for."""
        for strand in [strand for strand in self._held if strand.job.cancelled]:
            with contextlib.suppress(Exception):
                strand.go_on()
            self._held.remove(strand)
        for job in [job for job in self._seeded if all(row.done for row in job.rows)]:
            # At once: a job is part of a cycle, and may wait long for the garbage collector.
            job.engine = None
            self._seeded.remove(job)

    def _run(self, batch: Sequence[Row], engine: CTranslate2Engine, over: Callable[[int], bool]) -> None:
        """Sample a batch until it is complete, its window is full, or `over` says so of each row."""
        job = batch[0].job
        asked, loaded = job.asked, job.loaded
        for row in batch:
            if row.job.asked.echo and asked.top is not None and not row.text.tokens:
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

        def take(step: Step) -> bool:
            complete = batch[step.row].take(step)
            return over(step.row) or complete

        engine.generate(
            prompts,
            job.sampling,
            most=most,
            least=batch[0].text.least,
            on_step=take,
            distribution=asked.top is not None,
        )

    def _others_wait(self) -> bool:
        """Return whether a text waits that is not in the batch."""
        return self._arrived or any(row.served != self._turn and not row.job.cancelled for row in self._rows)


class Strand:
    """A batch in a thread of its own, which is held between two tokens without any effect on them.

    Args:
        job: whose texts they are; it has an engine of its own.
        batch: the texts.
        run: samples them, with the engine and what is asked after each token.
        others_wait: whether the batch is to be held.
    """

    def __init__(
        self,
        job: Job,
        batch: list[Row],
        run: Callable[[Sequence[Row], CTranslate2Engine, Callable[[int], bool]], None],
        others_wait: Callable[[], bool],
    ) -> None:
        self.job = job
        self.batch = batch
        self._others_wait = others_wait
        self._turn = _Turn(len(batch), others_wait)
        self._may_go = threading.Semaphore(0)
        self._news: queue.SimpleQueue[bool | BaseException] = queue.SimpleQueue()
        threading.Thread(target=self._work, args=(run,), name="sampling with a seed", daemon=True).start()

    def go_on(self) -> bool:
        """Sample on until it is the others' turn; whether the batch has ended.

        Raises:
            Exception: what went wrong.
        """
        self._may_go.release()
        news = self._news.get()
        if isinstance(news, BaseException):
            raise news
        return news

    def _work(self, run: Callable[[Sequence[Row], CTranslate2Engine, Callable[[int], bool]], None]) -> None:
        self._may_go.acquire()
        assert self.job.engine is not None
        try:
            run(self.batch, self.job.engine, self._hold)
        except BaseException as error:
            self._news.put(error)
        else:
            self._news.put(True)

    def _hold(self, row: int) -> bool:
        """Wait, in CTranslate2's thread, while it is the others' turn; the batch is never broken off."""
        if self._turn.over(row) and not all(row.done for row in self.batch):
            self._news.put(False)
            self._may_go.acquire()
            self._turn = _Turn(0, self._others_wait)
        return False


class _Turn:
    """How long a batch may run while others wait: three times as long as it took to read its texts."""

    def __init__(self, unread: int, others_wait: Callable[[], bool]) -> None:
        self._unread = set(range(unread))
        self._others_wait = others_wait
        self._began = time.monotonic()
        self._end = float("inf") if unread else self._began + SLICE

    def over(self, row: int) -> bool:
        """Return whether it is the others' turn, asked when a row has a new token."""
        if self._unread:
            self._unread.discard(row)
            if not self._unread:
                now = time.monotonic()
                self._end = now + 2 * (now - self._began)
            return False
        return time.monotonic() >= self._end and self._others_wait()


def choose(rows: Sequence[Row]) -> list[Row]:
    """Return the batch to sample: the row that has waited longest, and those that can be sampled with it."""
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
