"""What must not be lost, and what must be said: kills, signals, full disks, bad numbers, over-fitting."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.errors import ModelError, ResourceError, UsageError
from mckennabot.finetune.runs.metrics import read
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import read_weights
from mckennabot.system.files import write_atomic
from tests import warm
from tests.conftest import Cli


def latest(run: ModelDir) -> dict[str, np.ndarray]:
    return dict(read_weights(run.weights("latest"), run.hparams()))


def assert_loads(run: ModelDir) -> None:
    """What the pointer names, and all else that seems to be there, is whole (TensorFlow checks the CRCs)."""
    for which in (None, "latest", "best"):
        assert dict(read_weights(run.weights(which), run.hparams()))


FLAGS = ("--save-every", "3", "--eval-every", "7", "--sample-every", "0", "--patience", "0",
         "--precision", "float32", "--batch-size", "2", "--block-size", "48")  # fmt: skip


def wait_for_steps(process: Any, run: ModelDir, steps: int) -> None:
    deadline = time.monotonic() + 120
    while len(read(run.path / "metrics.jsonl")) < steps and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_six_times_it_ends_as_if_it_never_was(warm_cli: Cli, corpus: Path, base_model: Path) -> None:
    """kill -9 at random moments, from the start-up on; each time the run loads, and goes on.

    A third of them fall while it starts, the others between and during steps, validations and saves.
    """
    rng = random.Random()
    flags = (*FLAGS, "--model", base_model)
    calm, killed = (ModelDir(warm_cli.cwd / "checkpoints" / name) for name in ("calm", "killed"))
    left = []
    for kill in range(6):
        process = warm_cli.start("finetune", "--run", "killed", *flags, "--steps", "1000000")
        before = len(read(killed.path / "metrics.jsonl"))
        if kill % 3:
            wait_for_steps(process, killed, before + 1)
        time.sleep(rng.random() * 0.8)
        assert process.poll() is None
        process.kill()
        process.communicate()
        if killed.path.exists():
            assert_loads(killed)
            taken, saved = len(read(killed.path / "metrics.jsonl")), killed.steps()[-1]
            assert saved <= taken <= saved + 3 + 1
            left.append(killed.path.with_name(f"left{kill}"))
            shutil.copytree(killed.path, left[-1])
    last = str(killed.steps()[-1] + 2)
    for name in ("killed", "calm"):
        warm_cli("finetune", "--run", name, *flags, "--steps", last)
    for name, value in latest(calm).items():
        np.testing.assert_allclose(latest(killed)[name], value, atol=1e-5, err_msg=name)
    losses = [[line["loss"] for line in read(run.path / "metrics.jsonl")] for run in (calm, killed)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert not [path for path in killed.path.glob(".*") if path.name != ".ct2.lock"]  # the cache's own
    assert killed.pointer() == calm.pointer()
    assert len(left) >= 4
    done = warm_cli.python(_LOAD_IN_GPT_2_SIMPLE, str(killed.path.parent), *map(str, left))
    assert done.stdout.split()[-1:] == ["loaded"], done.stderr


@pytest.mark.parametrize(
    "dying", ["finetune.runs.record:Record.keep_voice", "voice.calibration:Calibration.of"]
)
def test_killed_as_it_measures_what_it_has_learnt_it_measures_again(
    warm_cli: Cli, warm_server: warm.Server, corpus: Path, base_model: Path, dying: str
) -> None:
    """kill -9 after the last step, before the dial's best place or the voice score's scale is kept."""
    flags = (
        "--model",
        base_model,
        "--val-fraction",
        "0.3",
        "--steps",
        "30",
        "--learning-rate",
        "0.01",
        *FLAGS,
    )
    calm, killed = (ModelDir(warm_cli.cwd / "checkpoints" / name) for name in ("calm", "killed"))
    warm_cli("finetune", "--run", "calm", *flags)
    argv = warm_cli.argv("finetune", "--run", "killed", *flags)[3:]
    code = _DIES.format(*dying.replace(":", ".").rsplit(".", 2))
    done = warm_server.run([sys.executable, "-c", code, *argv], warm_cli.cwd, warm_cli.env)
    assert done.returncode == -signal.SIGKILL, done.stderr
    for _ in range(2):  # the second time, there is nothing left to do
        said = warm_cli("finetune", "--run", "killed", *flags).stderr
    assert "Voice" not in said
    known = ("best_step", "voice", "voice_curve", "voice_score")
    assert all(key in calm.run_info() for key in known)
    assert [killed.run_info()[key] for key in known] == [calm.run_info()[key] for key in known]
    assert killed.pointer() == calm.pointer()


_DIES = """
import importlib, os, signal, sys
from mckennabot.cli import main
owner = getattr(importlib.import_module("mckennabot.{}"), "{}")
setattr(owner, "{}", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
main(sys.argv[1:])
"""


_LOAD_IN_GPT_2_SIMPLE = """
import sys
from pathlib import Path
from gpt_2_simple import gpt_2
for run in sys.argv[2:]:
    session = gpt_2.start_tf_sess()
    gpt_2.load_gpt2(session, run_name=Path(run).name, checkpoint_dir=sys.argv[1])
    gpt_2.reset_session(session)
print("loaded")
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_saves_first(number: signal.Signals, warm_cli: Cli, corpus: Path, base_model: Path) -> None:
    process = warm_cli.start(
        "finetune", "--model", base_model, "--steps", "1000000", "--save-every", "0", "--patience", "0",
        "--eval-every", "0", "--sample-every", "0", "--batch-size", "2", "--block-size", "32",
    )  # fmt: skip
    run = ModelDir(warm_cli.cwd / "checkpoints" / "run1")
    wait_for_steps(process, run, 5)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert f"saved at step {run.steps()[-1]}" in err.decode()
    assert run.steps()[-1] == len(read(run.path / "metrics.jsonl")) >= 5
    assert_loads(run)


def test_a_signal_while_it_starts_leaves_no_half_run(cli: Cli, corpus: Path) -> None:
    process = cli.start("finetune", "--model", "tiny")
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode()
    said = [line for line in err.decode().splitlines() if "will only be recited" not in line]
    assert len(said) <= 3
    run = ModelDir(cli.cwd / "checkpoints" / "run1")
    if run.path.exists():
        assert_loads(run)


def test_a_full_disk_leaves_the_step_before(train: Any) -> None:
    run = train(4)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(ResourceError, match="no room"):
            train(8)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert run.steps()[-1] == 4
    assert not list(run.path.glob(".*.part*"))
    assert_loads(run)
    assert train(8).steps()[-1] == 8


@pytest.mark.parametrize("name", ["model-8.index", "counter"])
def test_a_write_that_fails_leaves_a_run_that_loads(name: str, train: Any) -> None:
    run = train(4)
    (run.path / name).unlink(missing_ok=True)
    (run.path / name).mkdir()  # no file can take this name now
    with pytest.raises(UsageError, match="cannot write"):
        train(8)
    assert_loads(run)


def test_a_run_is_one_process_s_and_its_directory_may_become_read_only(
    warm_cli: Cli, corpus: Path, base_model: Path
) -> None:
    flags = ("finetune", "--model", base_model, *FLAGS, "--steps", "1000000")
    process = warm_cli.start(*flags)
    run = ModelDir(warm_cli.cwd / "checkpoints" / "run1")
    wait_for_steps(process, run, 5)
    for more in ((), ("--fresh",)):
        assert warm_cli(*flags, *more, code=2).stderr.splitlines() == [
            "Error: another finetune is writing to this run: checkpoints/run1",
            "  Wait for it, or choose another --run.",
        ]
    assert process.poll() is None
    run.path.chmod(0o500)
    try:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (2, b"")
        assert (
            err.decode().splitlines()[-2].startswith("Error: cannot write (Permission denied): checkpoints")
        )
        assert len(read(run.path / "metrics.jsonl")) <= run.steps()[-1] + 3
        assert_loads(run)
    finally:
        run.path.chmod(0o700)


def test_a_loss_that_is_not_finite_stops_the_run(train: Any) -> None:
    run = train(4)
    kept = latest(run)
    with pytest.raises(UsageError, match="not finite; the weights of step 4 are kept") as caught:
        train(50, learning_rate=1e18)
    assert "--learning-rate" in str(caught.value.hint)
    assert_loads(run)
    assert all(np.array_equal(value, kept[name]) for name, value in latest(run).items())


def test_patience_stops_and_the_best_is_what_is_used(train: Any) -> None:
    run = train(400, eval_every=4, patience=3, learning_rate=0.02, val_fraction=0.3)
    info = run.run_info()
    last = run.steps()[-1]
    assert last < 400
    assert run.steps() == [info["best_step"], last]
    assert last == info["best_step"] + 3 * 4
    assert run.pointer() == f"model-{info['best_step']}"
    before = (run.path / "metrics.jsonl").read_bytes()
    train(400, eval_every=4, patience=3, learning_rate=0.02, val_fraction=0.3)
    assert (run.path / "metrics.jsonl").read_bytes() == before
    assert run.pointer() == f"model-{info['best_step']}"
    assert train(last + 1, patience=0, learning_rate=0.02, val_fraction=0.3).steps()[-1] == last + 1


def test_a_damaged_state_is_named(train: Any) -> None:
    run = train(4)
    write_atomic(run.path / "state-4" / "state.json", "{")
    with pytest.raises(ModelError, match=r"state\.json is damaged"):
        train(6)
    shutil.rmtree(run.path / "state-4")
    assert train(6).steps()[-1] == 6


def test_samples_are_drawn_measured_and_the_same_every_time(train: Any) -> None:
    runs = [train(8, run=name, sample_every=4) for name in ("a", "b")]
    texts = [{p.name: p.read_text() for p in (run.path / "samples").iterdir()} for run in runs]
    assert texts[0] == texts[1]
    assert set(texts[0]) == {"4.txt", "8.txt"}
    sample = [line for line in read(runs[0].path / "metrics.jsonl") if "copied_longest_run" in line]
    assert [line["step"] for line in sample] == [4, 8]
    assert all(0 <= line["copied_share"] <= 1 for line in sample)


def test_losses_are_drawn_and_tensorboard_gets_them(train: Any) -> None:
    pytest.importorskip("matplotlib")
    run = train(6, tensorboard=True)
    assert (run.path / "loss.png").read_bytes().startswith(b"\x89PNG")
    (events,) = (run.path / "tensorboard").iterdir()
    content = events.read_bytes()
    assert content.count(b"val_loss") >= 2
    assert content.count(b"learning_rate") >= 6
