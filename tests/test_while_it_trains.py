"""Weights that training drops between the moment they are found and the moment they are opened."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mckennabot.config import ExportSettings, GenerateSettings
from mckennabot.errors import Gone, ModelError
from mckennabot.export import export
from mckennabot.generate import cache, source
from mckennabot.generate.voice import Voice
from mckennabot.models import weights
from mckennabot.models.checkpoint import DATA_SUFFIX, INDEX_SUFFIX, ModelDir
from tests.conftest import Cli


@pytest.fixture
def run(tmp_path: Path, base_model: Path, monkeypatch: pytest.MonkeyPatch) -> ModelDir:
    """A run with the steps 1 and 2, of which the pointer names the first; there are no caches."""
    run = ModelDir(tmp_path / "checkpoints" / "run1")
    shutil.copytree(base_model, run.path, ignore=shutil.ignore_patterns("ct2-*"))
    for suffix in (INDEX_SUFFIX, DATA_SUFFIX):
        os.link(run.path / f"model.ckpt{suffix}", run.path / f"model-2{suffix}")
        (run.path / f"model.ckpt{suffix}").rename(run.path / f"model-1{suffix}")
    run.point_to("model-1")
    return run


@pytest.fixture
def dropped(request: pytest.FixtureRequest, run: ModelDir, monkeypatch: pytest.MonkeyPatch) -> ModelDir:
    """The run, whose step 1 goes, as training lets it go, just before a function is called."""
    holder, name = request.param
    original: Callable[..., object] = getattr(holder, name)

    def patched(*args: object, **more: object) -> object:
        run.point_to("model-2")
        for suffix in (INDEX_SUFFIX, DATA_SUFFIX):
            (run.path / f"model-1{suffix}").unlink(missing_ok=True)
        return original(*args, **more)

    monkeypatch.setattr(holder, name, patched)
    return run


until_drawn = pytest.mark.parametrize(
    "dropped",
    [(ModelDir, "verify"), (ModelDir, "hparams"), (cache, "_fingerprint"), (cache, "_pinned")],
    indirect=True,
    ids=lambda where: where[1],
)


@until_drawn
def test_the_command_draws_from_the_step_that_is_there(dropped: ModelDir, quick_cli: Cli) -> None:
    done = quick_cli("generate", "--run", "run1", "--length", "3")
    assert "run1/model-2" in done.stderr
    assert done.stdout.strip()


@until_drawn
def test_a_voice_is_of_the_step_that_is_there(dropped: ModelDir) -> None:
    with Voice(GenerateSettings(run="run1", checkpoints=dropped.path.parent)) as voice:
        assert voice.step == 2
        assert voice.generate("The", length=3, seed=1)


@pytest.mark.parametrize("dropped", [(weights, "_require_size"), (weights, "_reading")], indirect=True)
def test_an_export_is_of_the_step_that_is_there(dropped: ModelDir, tmp_path: Path) -> None:
    settings = ExportSettings(run="run1", checkpoints=dropped.path.parent, format="bundle")
    assert export(settings, tmp_path / "out.voice").step == 2


def test_a_step_that_was_asked_for_and_is_gone_is_an_error(run: ModelDir) -> None:
    settings = GenerateSettings(run="run1", checkpoints=run.path.parent, checkpoint="1")

    def attempt() -> None:
        source.find_source(settings)
        (run.path / f"model-1{INDEX_SUFFIX}").unlink()
        raise Gone("gone")

    with pytest.raises(ModelError, match=r"no checkpoint '1' \(steps there: 2\)"):
        source.while_it_trains(attempt)


def test_what_is_gone_for_good_is_not_looked_for_for_ever() -> None:
    tries = []

    def attempt() -> None:
        tries.append(1)
        raise Gone("the weights are no longer there")

    with pytest.raises(ModelError, match="no longer there"):
        source.while_it_trains(attempt)
    assert len(tries) == source.TRIES + 1
