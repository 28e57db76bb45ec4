"""How long a run still takes, and when its time is over."""

from __future__ import annotations

import pytest

from mckennabot.config import FinetuneSettings
from mckennabot.finetune.pace import Pace
from mckennabot.models.checkpoint import ModelDir


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("mckennabot.finetune.pace.time.perf_counter", clock)
    return clock


def test_time_left_is_right_after_a_tenth_of_the_run(clock: Clock) -> None:
    settings = FinetuneSettings(steps=200, eval_every=10, save_every=50, sample_every=0)
    measured = Pace(settings, 0, 0.0)
    began, after_a_tenth = clock.now, None
    for step in range(1, 201):
        took = 30.0 if step == 1 else 2.0 + 0.2 * (step % 3)
        clock.now += took
        measured.stepped(took)
        if step % 10 == 0:
            took = 12.0 if step == 10 else 5.0
            clock.now += took
            measured.validated(took)
        if step % 50 == 0:
            clock.now += 3.0
            measured.saved(3.0)
        if step == 20:
            after_a_tenth = measured.left(step), clock.now
    assert after_a_tenth is not None
    left, then = after_a_tenth
    assert left == pytest.approx(began + (clock.now - began) - then, rel=0.1)
    assert measured.left(200) == 0


def test_a_run_with_a_limit_is_late_when_it_has_had_its_time_in_all(clock: Clock) -> None:
    settings = FinetuneSettings(steps=1000, minutes=5)
    measured = Pace(settings, 10, 250.0)  # it was trained before
    measured.stepped(9.0)
    measured.stepped(9.0)
    assert measured.left(12) == 50
    assert not measured.late
    clock.now += 51
    assert measured.late


def test_finetune_stops_in_time_and_keeps_the_best_step(train: object, capsys: object) -> None:
    run: ModelDir = train(100_000, minutes=0.05, eval_every=1000)  # type: ignore[operator]
    (step,) = {max(run.steps())}
    assert 0 < step < 100_000
    assert run.run_info()["best_step"] == step
    again: ModelDir = train(100_000, minutes=0.05, eval_every=1000)  # type: ignore[operator]
    assert max(again.steps()) == step
