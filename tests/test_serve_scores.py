"""The voice score that the server offers: what it says, and that nobody's text waits for it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="needs uvicorn (mckennabot[serve])")

from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.dial import AS_TRAINED
from mckennabot.models.weights import random_weights, write_weights
from mckennabot.reporter import Silent
from mckennabot.serve import scores
from mckennabot.serve.catalogue import Catalogue
from mckennabot.serve.scheduler import Scheduler
from mckennabot.tokenizer import Tokenizer
from mckennabot.voice.judge import open_judge
from tests import warm
from tests.conftest import WarmCli
from tests.serving import serving, write_checkpoints
from tests.test_serve_scheduler import FakeEngine, FakeModel, job, texts

LONG = "The sea counts a machine, another river is awake. " * 30
SHORT = "The sea counts a machine."


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory, base_model: Path, corpus_text: str) -> Path:
    """As `served`, with a run that has learnt something, and one whose end was not calibrated."""
    directory = tmp_path_factory.mktemp("scored")
    write_checkpoints(directory, base_model, corpus_text)
    run = ModelDir(directory / "checkpoints" / "run1")
    write_weights(run.path / "model-1", random_weights(run.hparams(), seed=1))
    shutil.copytree(run.path, directory / "checkpoints" / "young")
    rewrite(directory / "checkpoints" / "young", voice_score=None)
    return directory


def rewrite(run: Path, **changes: Any) -> None:
    """Change what a run.json says; None has it say nothing."""
    info = {**json.loads((run / "run.json").read_text(encoding="utf-8")), **changes}
    kept = {name: value for name, value in info.items() if value is not None}
    (run / "run.json").write_text(json.dumps(kept), encoding="utf-8")


@pytest.fixture
def catalogue(directory: Path) -> Catalogue:
    return Catalogue(directory / "checkpoints", Silent())


@pytest.fixture
def scheduler() -> Iterator[Scheduler]:
    started = Scheduler()
    yield started
    started.close()


@pytest.fixture
def scoring(scheduler: Scheduler) -> Iterator[scores.Scores]:
    started = scores.Scores(scheduler, Silent(), lambda: False)
    yield started
    started.close()


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of runs whose models are in memory, in the order in which they were loaded."""
    names: list[str] = []
    really = open_judge

    @contextlib.contextmanager
    def counting(source: Any, reporter: Any) -> Iterator[Any]:
        with really(source, reporter) as judge:
            names.append(source.model.name)
            yield judge
            names.remove(source.model.name)

    monkeypatch.setattr(scores, "open_judge", counting)
    return names


def ask(
    scoring: scores.Scores, catalogue: Catalogue, text: str, model: str = "run1"
) -> Coroutine[Any, Any, dict[str, Any]]:
    return scoring.score(catalogue.source(model, AS_TRAINED), catalogue.index(model), text)


def test_the_server_says_what_the_command_says_and_why_it_says_nothing(
    directory: Path, warm_server: warm.Server
) -> None:
    score = ["score", "--run", "run1", "--format", "jsonl", "-"]
    said = WarmCli(directory, warm_server)(*score, stdin=LONG.strip()).stdout
    expected = json.loads(said)["voice_score"]
    assert expected not in (None, 62)
    with serving(directory) as server:

        def reply(text: str, model: str = "run1", **more: Any) -> Any:
            body = json.dumps({"model": model, "text": text, **more}).encode()
            head = {"Content-Type": "application/json"}
            request = urllib.request.Request(f"{server.url}/v1/originality", body, head)
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.loads(response.read())

        plain = reply(LONG.strip())
        assert "voice_score" not in plain
        scored = reply(LONG.strip(), voice_score=True)
        assert scored.pop("voice_score") == pytest.approx(expected, abs=0.06)
        assert scored == plain
        for text, model, why in [(SHORT, "run1", "too short to say"), (LONG, "young", "is not calibrated")]:
            nothing = reply(text, model, voice_score=True)
            assert nothing["voice_score"] is None
            assert why in nothing["voice_reason"]

        # One who leaves does not keep the next waiting.
        body = json.dumps({"model": "run1", "text": LONG * 10, "voice_score": True}).encode()
        head = f"POST /v1/originality HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port)) as leaving:
                leaving.sendall(head.encode() + body)
        assert reply(LONG.strip(), voice_score=True)["voice_score"] == pytest.approx(expected, abs=0.06)
        assert server.stop() == 0


def test_a_base_that_is_another_or_none_is_a_reason(
    directory: Path, tmp_path: Path, scoring: scores.Scores
) -> None:
    checkpoints = tmp_path / "checkpoints"
    shutil.copytree(directory / "checkpoints", checkpoints)
    for base, why in [
        ({"name": "small", "path": "small", "digest": "another"}, "began with other weights than this small"),
        (None, "no base model is known"),
    ]:
        rewrite(checkpoints / "run1", base=base)
        found = asyncio.run(ask(scoring, Catalogue(checkpoints, Silent()), LONG))
        assert found["voice_score"] is None
        assert why in found["voice_reason"]


def test_a_score_waits_for_quiet_and_breaks_no_text_off(
    scheduler: Scheduler, scoring: scores.Scores, catalogue: Catalogue
) -> None:
    engine = FakeEngine(0.005)

    async def work() -> None:
        assert (await ask(scoring, catalogue, LONG))["voice_score"] is not None  # now it is loaded
        writing = job(FakeModel(engine), [[0, 1]], max_tokens=200)
        scheduler.submit(writing)
        while engine.steps < 5:
            await asyncio.sleep(0.001)
        waiting = asyncio.ensure_future(ask(scoring, catalogue, LONG))
        await texts(writing)
        assert not waiting.done()
        assert (await waiting)["voice_score"] is not None

    asyncio.run(work())
    assert engine.batches == [[[0, 1]]]


def test_a_score_that_finds_no_quiet_says_so_and_one_that_nobody_waits_for_ends(
    scheduler: Scheduler,
    scoring: scores.Scores,
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
    loaded: list[str],
) -> None:
    engine = FakeEngine(0.001)

    async def work() -> None:
        writing = job(FakeModel(engine), [[0, 1]], max_tokens=60_000)
        scheduler.submit(writing)
        while engine.steps < 5:
            await asyncio.sleep(0.001)
        left = asyncio.ensure_future(ask(scoring, catalogue, LONG))
        await asyncio.sleep(0.05)
        left.cancel()
        monkeypatch.setattr(scores, "PATIENCE", 0.1)
        found = asyncio.ensure_future(ask(scoring, catalogue, LONG))
        await asyncio.sleep(0.05)
        assert not found.done()
        scheduler.cancel(writing)  # for the one that has the old patience
        assert (await found)["voice_score"] is not None
        again = job(FakeModel(engine), [[0, 1]], max_tokens=60_000)
        scheduler.submit(again)
        steps = engine.steps
        while engine.steps < steps + 5:
            await asyncio.sleep(0.001)
        none = await ask(scoring, catalogue, LONG)
        assert none["voice_score"] is None
        assert "texts are being written" in none["voice_reason"]
        scheduler.cancel(again)

    asyncio.run(work())
    assert loaded == ["run1"]


def test_models_of_one_run_are_in_memory_and_go_when_nobody_needs_them(
    directory: Path,
    tmp_path: Path,
    scheduler: Scheduler,
    monkeypatch: pytest.MonkeyPatch,
    loaded: list[str],
) -> None:
    shutil.copytree(directory / "checkpoints", tmp_path / "checkpoints")
    shutil.copytree(tmp_path / "checkpoints" / "run1", tmp_path / "checkpoints" / "run2")
    catalogue = Catalogue(tmp_path / "checkpoints", Silent())
    scoring = scores.Scores(scheduler, Silent(), lambda: False)
    for text, model in [(SHORT, "run1"), (LONG, "young")]:
        asyncio.run(ask(scoring, catalogue, text, model))
        assert loaded == []
    for model in ("run1", "run2", "run2"):
        assert asyncio.run(ask(scoring, catalogue, LONG, model))["voice_score"] is not None
        assert loaded == [model]
    monkeypatch.setattr(scores, "KEPT", 0.05)
    asyncio.run(ask(scoring, catalogue, LONG, "run2"))
    deadline = time.monotonic() + 10
    while loaded:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    scoring.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "scoring"]


def test_of_a_long_text_the_end_is_scored(
    scoring: scores.Scores, catalogue: Catalogue, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "MOST", 500)
    tokenizer = Tokenizer.load(directory / "checkpoints" / "run1")
    end = tokenizer.decode(tokenizer.encode(LONG * 3)[-500:])
    long, short = (asyncio.run(ask(scoring, catalogue, text)) for text in ("Ü🜏 " * 3000 + LONG * 3, end))
    assert long["voice_score"] == short["voice_score"] is not None


def test_a_server_that_stops_gives_no_more_scores(scheduler: Scheduler, catalogue: Catalogue) -> None:
    stopping = scores.Scores(scheduler, Silent(), lambda: True)
    found = asyncio.run(ask(stopping, catalogue, LONG))
    assert found == {"voice_score": None, "voice_reason": "the server is stopping"}
    stopping.close()
