"""The processes that train together, each started with the same command line, on one machine or on several.

The first of them reads the corpus and the weights, sends them to the others, writes and reports; the others
take part in the computation and report nothing but errors. Only the first needs the files.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from mckennabot.backend import JAX_HINT, import_keras
from mckennabot.errors import Interrupted, MckennabotError, ResourceError, UsageError
from mckennabot.finetune.jobs import supervise

HEARTBEAT = 20
"""Seconds without a sign of life from a process after which JAX ends the others."""

PARTING = 5
"""Seconds to wait for the other processes at the end before exiting without them."""

LOST = ("Gloo", "NCCL", "CoordinationService", "coordination service")
"""Words in JAX's errors by which a lost process is known."""

HEADER = 1024
"""Bytes of the header before each array: its name, type and shape as JSON, padded to one length."""


def detected(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is one process of several: by Keras's variables, or as JAX itself detects jobs."""
    has = environment.keys().__ge__
    if has({"KERAS_DISTRIBUTION_JOB_ADDRESSES"}) or has({"KERAS_DISTRIBUTION_NUM_PROCESSES"}):
        return environment.get("KERAS_DISTRIBUTION_NUM_PROCESSES") != "1"
    if has({"SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID"}):
        return environment["SLURM_NTASKS"] != "1"
    if has({"OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_SIZE"}):
        return environment["OMPI_COMM_WORLD_SIZE"] != "1"
    # JAX asks Kubernetes for the number of processes, for which it needs that package.
    return has({"KUBERNETES_SERVICE_HOST", "JOB_COMPLETION_INDEX"}) and find_spec("kubernetes") is not None


@dataclass(frozen=True)
class Job:
    """This process's place among those that train together.

    Attributes:
        processes: how many there are.
        rank: which of them this is, counted from 0.
    """

    processes: int = 1
    rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process reads, writes and reports."""
        return self.rank == 0

    def broadcast(self, arrays: Iterable[tuple[str, Any]] = ()) -> Iterator[tuple[str, Any]]:
        """Yield the first process's named arrays, one after another, in every process.

        Only one array at a time is in flight, so that a model need not fit into memory twice. What the
        other processes give is ignored.
        """
        if self.processes == 1:
            yield from arrays
            return
        import numpy as np

        own = iter(arrays)
        while True:
            name, value = next(own, ("", np.zeros(0))) if self.leads else ("", np.zeros(0))
            value = np.asarray(value)
            header = json.dumps([name, value.dtype.str, value.shape]).encode().ljust(HEADER)
            name, dtype, shape = json.loads(bytes(_from_first(np.frombuffer(header, np.uint8))))
            if not name:
                return
            yield name, _from_first(value if self.leads else np.zeros(shape, dtype))


def _from_first(value: Any) -> Any:
    from jax.experimental import multihost_utils

    return multihost_utils.broadcast_one_to_all(value)


@contextlib.contextmanager
def join(engine: str) -> Iterator[Job]:
    """Join the other processes of a job, if there are any; must be entered before JAX computes anything.

    Args:
        engine: as in `FinetuneSettings`.

    Raises:
        UsageError: the environment describes an impossible job, or the engine cannot train in one.
        ResourceError: the processes do not find each other.
    """
    if not detected():
        yield Job()
        return
    if engine != "keras" or import_keras().backend.backend() != "jax":
        raise UsageError(
            "this is one process of several, which takes Keras's JAX backend",
            hint=JAX_HINT,
        )
    import jax

    _initialize()
    try:
        yield Job(jax.process_count(), jax.process_index())
    except BaseException as error:
        if not isinstance(error, MckennabotError) and any(sign in str(error) for sign in LOST):
            raise supervise.lost() from error
        _part(error)
        raise


def _initialize() -> None:
    """Do as `keras.distribution.initialize`, which cannot be told how soon to give up a silent process."""
    import jax

    name = "KERAS_DISTRIBUTION_{}".format
    addresses, number, rank = (
        os.environ.get(name(what)) for what in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    )
    # The service would handle SIGTERM, which here saves the run first.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            addresses.split(",")[0] if addresses else None,
            int(number) if number else None,
            int(rank) if rank else None,
            heartbeat_timeout_seconds=HEARTBEAT,
        )
    except (ValueError, TypeError, IndexError) as error:
        raise UsageError(
            f"the job's processes are not described ({error})",
            hint=f"Set {name('JOB_ADDRESSES')} (HOST:PORT of process 0), _NUM_PROCESSES and _PROCESS_ID.",
        ) from error
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ResourceError(f"the job's processes do not find each other ({reason})") from error


def _part(error: BaseException) -> None:
    """Leave the job as the others do, if they end in the same way; otherwise without them.

    JAX's own parting, as the interpreter ends, waits minutes for processes that may be waiting for this one.
    It has no public barrier with a time limit; where the private one has moved, this process leaves alone.
    """
    try:
        from jax._src.distributed import global_state

        global_state.client.wait_at_barrier("parting", PARTING * 1000)
    except Exception:
        code = error.exit_code if isinstance(error, MckennabotError) else 1
        atexit.register(os._exit, Interrupted.exit_code if isinstance(error, KeyboardInterrupt) else code)
