"""Several devices and several processes train as one does, and end together."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mckennabot.finetune.runs.metrics import read
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import read_tensors
from tests import warm
from tests.conftest import WarmCli

FLAGS = ("--block-size", "32", "--learning-rate", "0.01", "--warmup", "3", "--precision", "float32",
         "--eval-every", "3", "--save-every", "5", "--sample-every", "6", "--patience", "0")  # fmt: skip


class Job:
    """The same command line in several processes, each with a directory of its own but for the first."""

    def __init__(self, cli: WarmCli) -> None:
        self._cli = cli
        self._started: list[warm.Command] = []

    def start(self, count: int, *args: str | Path) -> list[warm.Command]:
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = f"127.0.0.1:{free.getsockname()[1]}"
        processes = []
        for rank in range(count):
            place = self._cli.cwd if rank == 0 else self._cli.cwd / f"other{rank}"
            place.mkdir(exist_ok=True)
            env = {
                "KERAS_DISTRIBUTION_JOB_ADDRESSES": address,
                "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count),
                "KERAS_DISTRIBUTION_PROCESS_ID": str(rank),
            }
            processes.append(self._cli.start("finetune", *args, cwd=place, env=env))
        self._started += processes
        return processes

    def stop(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.fixture
def job(jax_cli: WarmCli) -> Iterator[Job]:
    running = Job(jax_cli)
    yield running
    running.stop()


def ends(processes: list[warm.Command], within: float = 120) -> list[tuple[int | None, str, str]]:
    """Exit code, stdout and stderr of each."""
    deadline = time.monotonic() + within
    said = [process.communicate(timeout=max(1, deadline - time.monotonic())) for process in processes]
    return [
        (process.returncode, out.decode(), err.decode())
        for process, (out, err) in zip(processes, said, strict=True)
    ]


def wait_for_step(run: Path, step: int, processes: list[warm.Command]) -> None:
    deadline = time.monotonic() + 120
    while not any(line["step"] >= step for line in read(run / "metrics.jsonl")):
        assert all(process.poll() is None for process in processes)
        assert time.monotonic() < deadline
        time.sleep(0.02)


def losses(run: Path, name: str = "loss") -> list[float]:
    return [line[name] for line in read(run / "metrics.jsonl") if name in line]


@pytest.mark.slow
@pytest.mark.timeout(600)  # jobs of several processes, which a busy machine slows down a lot
@pytest.mark.usefixtures("corpus")
def test_a_run_of_one_process_then_two_then_one_is_as_if_one_had_done_it_all(
    jax_cli: WarmCli, job: Job, base_model: Path
) -> None:
    flags = (*FLAGS, "--model", base_model)
    endless = ("--run", "several", "--steps", "100000", "--batch-size")
    several, one = (jax_cli.cwd / "checkpoints" / run for run in ("several", "one"))

    jax_cli("finetune", *flags, "--run", "one", "--steps", "3", "--batch-size", "4")
    shutil.copytree(one, several)
    processes = job.start(2, *flags, *endless, "2")
    wait_for_step(several, 7, processes)
    processes[1].send_signal(signal.SIGTERM)
    interrupted = ends(processes)
    assert [code for code, _, _ in interrupted] == [130, 130], interrupted
    assert [out for _, out, _ in interrupted] == ["", ""]
    stopped = ModelDir(several).steps()[-1]
    assert "processes 1 -> 2" in interrupted[0][2]
    assert f"saved at step {stopped}" in interrupted[0][2]
    assert losses(several, "step")[-1] == stopped
    assert not any((jax_cli.cwd / "other1").iterdir())

    processes = job.start(2, *flags, *endless, "2")
    wait_for_step(several, stopped + 6, processes)
    processes[0].kill()
    (killed, _, _), *left = ends(processes, within=60)
    assert (killed, *[code for code, _, _ in left]) == (-signal.SIGKILL, 5), left
    for _, _, said in left:
        assert said.startswith("Error: another process of this job has ended")
        assert said.count("\n") == 2
    saved = ModelDir(several).steps()[-1]
    assert saved > stopped

    four = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    rest = (*flags, "--steps", str(saved + 3), "--batch-size", "4")
    sliced = ("--devices", "4", "--grad-checkpoint")
    said = jax_cli("finetune", *rest, "--run", "several", *sliced, env=four).stderr
    assert "processes 2 -> 1" in said
    jax_cli("finetune", *rest, "--run", "one")
    for name in ("step", "loss", "val_loss", "tokens"):
        assert losses(several, name) == pytest.approx(losses(one, name), abs=1e-4), name
    for text in ("6.txt", f"{saved + 3}.txt"):
        assert (several / "samples" / text).read_text() == (one / "samples" / text).read_text()
    ours, theirs = (dict(read_tensors(run / f"state-{saved + 3}" / "moments")) for run in (several, one))
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        # Adam divides by the size of a gradient: in a weight that has hardly any, rounding shows most.
        assert value == pytest.approx(theirs[name], abs=1e-3 if name.endswith("/raw") else 1e-4), name


@pytest.mark.usefixtures("corpus")
def test_what_one_device_or_tensorflow_cannot_do_is_refused(warm_cli: WarmCli, base_model: Path) -> None:
    argv = ("finetune", "--model", base_model, "--steps", "1")
    job = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": "127.0.0.1:9", "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    for more, env in ((("--devices", "2"), {}), ((), job | {"KERAS_DISTRIBUTION_PROCESS_ID": "1"})):
        said = warm_cli(*argv, *more, env=env, code=2).stderr
        assert "pip install 'mckennabot[jax]'" in said
        assert "KERAS_BACKEND=jax" in said
    assert "--devices 2" in warm_cli(*argv, "--engine", "gpt-2-simple", "--devices", "2", code=2).stderr


def test_where_a_job_is_detected() -> None:
    from mckennabot.finetune.jobs.job import detected

    slurm = {"SLURM_JOB_ID": "7", "SLURM_STEP_NODELIST": "n[1-2]", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}
    keras = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": "10.0.0.1:1234", "KERAS_DISTRIBUTION_PROCESS_ID": "1"}
    assert detected(slurm | {"SLURM_NTASKS": "16"})
    assert detected(keras | {"KERAS_DISTRIBUTION_NUM_PROCESSES": "2"})
    assert detected({"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:1", "OMPI_COMM_WORLD_SIZE": "2"})
    assert not detected(slurm | {"SLURM_NTASKS": "1"})
    assert not detected({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "16"})  # a batch script, not its steps
    assert not detected(keras | {"KERAS_DISTRIBUTION_NUM_PROCESSES": "1"})
    assert not detected({})


def test_a_process_parts_alone_where_jax_has_no_such_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    """The barrier is JAX's own affair: its absence is no error that hides the job's."""
    from mckennabot.errors import ResourceError
    from mckennabot.finetune.jobs import job

    last: list[tuple[object, ...]] = []
    monkeypatch.setattr(atexit, "register", lambda *call: last.append(call))
    monkeypatch.setitem(sys.modules, "jax._src.distributed", None)
    job._part(ResourceError("the disk is full"))
    assert last == [(os._exit, 5)]
