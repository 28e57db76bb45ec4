"""Which texts share a batch, and who waits for whom; with an engine that only seems one."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="needs uvicorn (mckennabot[serve])")

from mckennabot.generate.ctranslate2_engine import Step
from mckennabot.generate.engine import Sampling
from mckennabot.serve.request import Asked, parse_completion
from mckennabot.serve.sampling import Job
from mckennabot.serve.scheduler import MAX_BATCH, Scheduler

Batch = list[list[int]]


class Letters:
    """A vocabulary of the letters of the alphabet; 26 ends a text."""

    eot = 26
    size = 27

    def token_bytes(self, token: int) -> bytes:
        return bytes([97 + token])


class FakeEngine:
    """Goes on with the letter after the last one, `slowness` seconds each, and keeps its batches."""

    def __init__(self, slowness: float = 0.0) -> None:
        self.batches: list[Batch] = []
        self.slowness = slowness
        self.steps = 0

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        most: int,
        least: int,
        on_step: Callable[[Step], bool],
        distribution: bool = False,
    ) -> None:
        rows = [list(prompt) for prompt in prompts]
        self.batches.append([list(row) for row in rows])
        if sampling.temperature == 0.5:
            raise RuntimeError("the engine broke")
        alive = set(range(len(rows)))
        for _ in range(most):
            time.sleep(self.slowness)
            for row in sorted(alive):
                rows[row].append((rows[row][-1] + 1) % 26)
                self.steps += 1
                if on_step(Step(row, rows[row][-1], -1.0, None)):
                    alive.discard(row)
            if not alive:
                return


class FakeModel:
    """A model in memory."""

    tokenizer = Letters()
    n_ctx = 100_000

    def __init__(self, engine: FakeEngine) -> None:
        self._engine = engine
        self.own: list[FakeEngine] = []

    def engine(self, seed: int | None = None) -> FakeEngine:
        if seed is None:
            return self._engine
        self.own.append(FakeEngine(self._engine.slowness))
        return self.own[-1]


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    started = Scheduler()
    yield started
    started.close()


def asked(**changes: Any) -> Asked:
    return parse_completion({"model": "x", "prompt": "a", "max_tokens": 20, **changes})


def job(model: FakeModel, prompts: Batch, **changes: Any) -> Job:
    return Job(asked(**changes), model, [("", ids) for ids in prompts])  # type: ignore[arg-type]


async def texts(waiting: Job) -> list[str]:
    """A job's texts when they are complete."""
    found = [""] * len(waiting.rows)
    left = len(found)
    while left:
        for update in await asyncio.wait_for(waiting.news(), 20):
            found[update.row] = update.text
            left -= 1
    return found


def _wait_for_the_end_of(name: str) -> None:
    """Wait until no thread has a name that begins so."""
    deadline = time.monotonic() + 5
    while [thread for thread in threading.enumerate() if thread.name.startswith(name)]:
        assert time.monotonic() < deadline


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_what_arrives_together_is_one_batch_and_one_that_runs_is_broken_off_for_it(
    scheduler: Scheduler,
) -> None:
    engine = FakeEngine(0.001)
    model = FakeModel(engine)

    async def work() -> None:
        first = job(model, [[0, 1]], max_tokens=2000)
        others = [job(model, [[i, i + 1]], max_tokens=5 + i) for i in range(10)]
        scheduler.submit(first)
        while engine.steps < 5:
            await asyncio.sleep(0)
        for other in others:
            scheduler.submit(other)
        found = [await texts(one) for one in others]
        assert [len(text) for [text] in found] == [*range(5, 15)]
        assert found[2] == ["efghijk"]
        scheduler.cancel(first)

    run(work())
    assert max(map(len, engine.batches)) >= 10


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 1.5},
        {"top_p": 0.3},
        {"top_k": 7},
        {"repetition_penalty": 2},
        {"logit_bias": {"3": -100}},
        {"min_tokens": 4},
        {"seed": 1},
    ],
)
def test_what_is_sampled_otherwise_is_another_batch(scheduler: Scheduler, changes: dict[str, Any]) -> None:
    engine = FakeEngine(0.001)
    model = FakeModel(engine)

    async def work() -> None:
        both = [job(model, [[0, 1]]), job(model, [[0, 1]], **changes)]
        for one in both:
            scheduler.submit(one)
        assert [await texts(one) for one in both] == [["cdefghijklmnopqrstuv"]] * 2

    run(work())
    opening = [batch for batch in engine.batches if [0, 1] in batch]
    assert all(batch.count([0, 1]) == 1 for batch in opening)


def test_long_and_short_texts_do_not_share_a_batch_but_take_turns(scheduler: Scheduler) -> None:
    engine = FakeEngine(0.002)
    model = FakeModel(engine)

    async def work() -> None:
        long = job(model, [[1] * 500], max_tokens=400)
        scheduler.submit(long)
        while engine.steps < 10:
            await asyncio.sleep(0.001)
        short = job(model, [[0, 1]])
        scheduler.submit(short)
        await texts(short)
        assert long.rows[0].text.tokens < 400
        assert len((await texts(long))[0]) == 400

    run(work())
    assert all(len(batch) == 1 for batch in engine.batches)


def test_more_texts_than_a_batch_holds_are_all_served(scheduler: Scheduler) -> None:
    engine = FakeEngine()

    async def work() -> None:
        many = job(FakeModel(engine), [[0, 1]] * 100)
        scheduler.submit(many)
        assert await texts(many) == ["cdefghijklmnopqrstuv"] * 100

    run(work())
    assert max(map(len, engine.batches)) == MAX_BATCH


def test_an_engine_that_breaks_fails_its_own_batch_and_no_other(scheduler: Scheduler) -> None:
    engine = FakeEngine()
    model = FakeModel(engine)

    async def work() -> None:
        broken = [job(model, [[0, 1]], temperature=0.5, **more) for more in ({}, {"seed": 2})]
        for one in broken:
            scheduler.submit(one)
            with pytest.raises(RuntimeError, match="the engine broke"):
                await one.news()
        good = job(model, [[0, 1]])
        scheduler.submit(good)
        await texts(good)

    run(work())


@pytest.mark.parametrize("seed", [None, 5])
def test_what_nobody_waits_for_ends_with_the_next_token(scheduler: Scheduler, seed: int | None) -> None:
    engine = FakeEngine(0.001)
    model = FakeModel(engine)

    async def work() -> None:
        left = job(model, [[0, 1]], max_tokens=60_000, seed=seed)
        scheduler.submit(left)
        while left.rows[0].text.tokens < 5:
            await asyncio.sleep(0.001)
        scheduler.cancel(left)
        other = job(model, [[0, 1]])
        scheduler.submit(other)
        await texts(other)
        now = left.rows[0].text.tokens
        await asyncio.sleep(0.05)
        assert left.rows[0].text.tokens == now

    run(work())
    _wait_for_the_end_of("sampling with a seed")


def test_a_seeded_batch_is_held_for_others_and_never_broken_off(scheduler: Scheduler) -> None:
    engine = FakeEngine(0.001)
    model = FakeModel(engine)

    async def work() -> None:
        seeded = job(model, [[0, 1]], max_tokens=20_000, seed=5)
        scheduler.submit(seeded)
        while seeded.rows[0].text.tokens < 5:
            await asyncio.sleep(0.001)
        for _ in range(3):
            other = job(model, [[0, 1]])
            scheduler.submit(other)
            await texts(other)
        assert seeded.rows[0].text.tokens < 20_000
        scheduler.cancel(seeded)

    run(work())
    [own] = model.own
    assert own.batches == [[[0, 1]]]


def test_many_seeded_texts_at_once_leave_nothing_behind(scheduler: Scheduler) -> None:
    """One that has its last token while others wait is not held for ever."""
    model = FakeModel(FakeEngine(0.005))

    async def work() -> None:
        for _ in range(4):
            several = [job(model, [[0, 1]], seed=i, max_tokens=25) for i in range(8)]
            for one in several:
                scheduler.submit(one)
            for one in several:
                await texts(one)

    run(work())
    _wait_for_the_end_of("sampling with a seed")


def test_an_engine_goes_with_the_last_text_it_was_for(scheduler: Scheduler) -> None:
    model = FakeModel(FakeEngine())

    async def work() -> None:
        gc.disable()
        try:
            for i in range(10):
                seeded = job(model, [[0, 1], [5] * 300], seed=i)
                scheduler.submit(seeded)
                await texts(seeded)
                del seeded
            last = job(model, [[0, 1]])
            scheduler.submit(last)
            await texts(last)
            left = [weakref.ref(engine) for engine in model.own]
            model.own.clear()
            assert len([one for one in left if one() is not None]) <= 1
        finally:
            gc.enable()

    run(work())


def test_the_end_finds_nobody_waiting_for_ever() -> None:
    engine = FakeEngine(0.001)
    model = FakeModel(engine)
    ending = Scheduler()

    async def work() -> None:
        for seed in (None, 1):
            ending.submit(job(model, [[0, 1]], max_tokens=60_000, seed=seed))
        while engine.steps < 10:
            await asyncio.sleep(0.001)
        began = time.monotonic()
        await asyncio.to_thread(ending.close)
        assert time.monotonic() - began < 2
        late = job(model, [[0, 1]])
        ending.submit(late)
        with pytest.raises(RuntimeError):
            await late.news()

    run(work())
    _wait_for_the_end_of("sampling")
