"""The style dial: weights between a run and its base, and a base that has to be the right one."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.config import GenerateSettings
from mckennabot.errors import ModelError, UsageError
from mckennabot.generate.sampler import Sample, open_sampler
from mckennabot.generate.source import Source, find_source
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import read_weights
from mckennabot.reporter import Console, Silent
from tests.conftest import Cli, WarmCli


@pytest.fixture
def cli(warm_cli: WarmCli) -> Cli:
    """Nothing here depends on how a process begins."""
    return warm_cli


@pytest.fixture
def run(learned_run: ModelDir) -> ModelDir:
    """A run, and its base beside it."""
    return learned_run


def greedy(source: Source) -> str:
    settings = GenerateSettings(temperature=0, length=24, seed=1, ignore_eot=True)
    with open_sampler(source, settings, Silent()) as sampler:
        [sample] = [event for event in sampler.sample(["The"], Silent()) if isinstance(event, Sample)]
    return sample.text


def at(run: ModelDir, voice: float | None, **changes: Any) -> Source:
    return find_source(GenerateSettings(run=run.name, checkpoints=run.path.parent, voice=voice, **changes))


def set_info(run: ModelDir, **changes: Any) -> None:
    (run.path / "run.json").write_text(json.dumps({**run.run_info(), **changes}))


def test_the_dial_is_a_line_from_the_base_through_the_run(run: ModelDir) -> None:
    base_dir = ModelDir(run.path.parent / "base")
    base = dict(read_weights(base_dir.weights(), run.hparams()))
    tuned = dict(read_weights(run.weights(), run.hparams()))
    for voice in (0.0, 0.3, 1.5):
        dial = at(run, voice).dial
        assert dial is not None
        for name, value in dial.weights(run.weights(), run.hparams()):
            np.testing.assert_allclose(value, (1 - voice) * base[name] + voice * tuned[name], atol=1e-6)


def test_its_ends_write_what_the_base_and_the_run_write(run: ModelDir) -> None:
    base = ModelDir(run.path.parent / "base")
    as_trained = Source(run, run.weights())
    assert greedy(at(run, 1.0)) == greedy(as_trained)
    assert greedy(at(run, 0.0)) == greedy(Source(base, base.weights())) != greedy(as_trained)
    caches = sorted(path.name for path in run.path.glob("ct2-*"))
    assert len(caches) == 2
    assert caches[1].endswith("-voice0")


def test_the_best_voice_is_taken_unless_another_is_asked_for(run: ModelDir) -> None:
    set_info(run, voice=0.7, best_step=run.steps()[-1])
    assert at(run, None).voice == 0.7
    assert at(run, 1.0).dial is None
    assert at(run, 0.25).voice == 0.25
    assert at(run, None, engine="gpt-2-simple").voice == 1
    set_info(run, best_step=3)  # which are other weights than those measured
    assert at(run, None).voice == 1


def test_another_base_of_the_same_name_is_refused(run: ModelDir, train: Any) -> None:
    other = train(2, run="other", model=str(run.path.parent / "base"), learning_rate=0.1)
    shutil.rmtree(run.path.parent / "base")
    other.path.rename(run.path.parent / "base")
    for model in (run, ModelDir(run.path.parent / "run1")):
        with pytest.raises(ModelError, match="began with other weights"):
            at(model, 0.5)


def test_a_base_that_has_moved_beside_the_run_is_found_and_one_that_is_gone_is_missed(
    run: ModelDir, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    run.path.parent.rename(elsewhere)
    moved = ModelDir(elsewhere / run.name)
    assert at(moved, 0.5).voice == 0.5
    set_info(moved, voice=0.7, best_step=moved.steps()[-1])
    shutil.rmtree(elsewhere / "base")
    with pytest.raises(ModelError, match="is gone") as caught:
        at(moved, 0.5)
    assert caught.value.exit_code == 4
    said = io.StringIO()
    settings = GenerateSettings(run=moved.name, checkpoints=elsewhere)
    assert find_source(settings, Console(quiet=True, stream=said)).voice == 1
    [line] = said.getvalue().splitlines()
    assert "is gone" in line
    assert "--voice 1" in line


def test_what_has_no_base_has_no_dial(run: ModelDir, train: Any) -> None:
    tiny = train(2, run="random", model="tiny", block_size=16)
    with pytest.raises(ModelError, match="remembers no base"):
        at(tiny, 0.5)
    assert at(tiny, None).voice == at(tiny, 1.0).voice == 1
    base = ModelDir(run.path.parent / "base")
    with pytest.raises(ModelError, match="a base model has no dial"):
        at(base, 0.5)
    with pytest.raises(UsageError, match="as trained"):
        at(run, 0.5, engine="gpt-2-simple")


def test_the_command_says_once_which_voice_it_takes(run: ModelDir, cli: Cli) -> None:
    set_info(run, voice=0.7, best_step=run.steps()[-1])
    arguments = ("generate", "--prefix", "The", "--length", "4", "--temperature", "0", "--format", "jsonl")
    done = cli(*arguments)
    assert done.stderr.count("voice 0.7 (best on held-out text; --voice 1") == 1
    assert json.loads(done.stdout)["voice"] == 0.7
    assert json.loads(cli(*arguments, "--voice", "1").stdout)["voice"] == 1
    cli(*arguments, "--voice", "nan", code=2)
    shutil.rmtree(run.path.parent / "base")
    lines = cli(*arguments, "--voice", "0.5", code=4).stderr.splitlines()
    assert "is gone" in lines[-2]
    typed = cli("generate", "--interactive", "--length", "3", "-q", stdin="/voice 0.5\nThe\n")
    assert "is gone" in typed.stderr
    assert typed.stdout.startswith("The")


def test_interactive_turns_the_dial(run: ModelDir, cli: Cli) -> None:
    typed = "The\n/voice 0\nThe\n/voice 1\nThe\n"
    greedily = ("--voice", "1", "--length", "24", "--temperature", "0", "--ignore-eot")
    printed = cli("generate", "--interactive", "-q", *greedily, stdin=typed).stdout
    base = ModelDir(run.path.parent / "base")
    answers = (greedy(source) for source in (at(run, 1.0), Source(base, base.weights()), at(run, 1.0)))
    assert printed == "".join(f"The{answer}\n" for answer in answers)
