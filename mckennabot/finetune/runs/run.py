"""The run directory as training writes it: born whole, saved step by step, continued exactly.

A save writes the state first, then the weights (data, then index), then run.json, then the pointer, and
only then removes older steps. So weights without a state are another program's: they are continued
with fresh moments; and a kill at any instant leaves the step before, or this one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mckennabot.errors import ModelError, UsageError
from mckennabot.models import small
from mckennabot.models.checkpoint import (
    DATA_SUFFIX,
    FORMAT,
    HELD_OUT,
    INDEX_SUFFIX,
    MOMENTS_INDEX,
    ModelDir,
    verify_moments,
)
from mckennabot.models.download.model import KNOWN
from mckennabot.models.weights import read_tensors, write_tensors, write_weights
from mckennabot.originality import FILE as INDEX
from mckennabot.system.files import make_directories, sync, sync_all, write_atomic, write_error
from mckennabot.system.stored import damaged, digest, integer, number, optional, read_json, sealed
from mckennabot.tokenizer import VOCABULARY_FILES

if TYPE_CHECKING:
    from mckennabot.finetune.data import Tokens

BASES = (*KNOWN, small.NAME, "tiny")
"""Names that --model takes, and that no run may have."""
PACKAGES = ("mckennabot", "tensorflow", "keras", "numpy", "tokenizers")


_OURS = re.compile(
    r"hparams\.json|encoder\.json|vocab\.bpe|checkpoint|counter|run\.json|metrics\.jsonl|loss\.png|samples|tensorboard"
    r"|originality\.npz|held-out\.txt|report\.(html|json)|model-\d+\..*|state-\d+|ct2-.*|\..*"
)
"""What a run's directory has of its own; anything else is somebody's, and stays."""


@dataclasses.dataclass
class State:
    """Where a run is; with the weights and Adam's moments, all that continuing it needs.

    Attributes:
        step: optimizer steps taken.
        windows: training windows drawn, which is the position in the data.
        tokens: tokens trained on.
        seconds: time spent in training.
        best_step: step of the lowest validation loss so far.
        best_loss: that loss, nats per token.
        stale: validations since then.
    """

    step: int = 0
    windows: int = 0
    tokens: int = 0
    seconds: float = 0.0
    best_step: int | None = None
    best_loss: float | None = None
    stale: int = 0


_STATE = {
    **{name: integer(0, 2**62) for name in ("step", "windows", "tokens", "stale")},
    "seconds": number(0),
    "best_step": optional(integer(0, 2**62)),
    "best_loss": optional(number()),
}


class Run(ModelDir):
    """A run that this process has locked."""

    def begin(
        self, base: ModelDir | None, write_model: Callable[[ModelDir], None], info: dict[str, Any]
    ) -> Run:
        """Create the run at step 0, a complete model from its first moment on.

        Where the run exists already, the new one grows beside it and takes its place at the first save.

        Args:
            base: the model to start from; its weights are linked, not copied, where the disk can.
            write_model: writes hparams, vocabulary and weights ``model-0`` where there is no base.
            info: what run.json says.

        Returns:
            The run to go on with.
        """
        new = Run(self.path.with_name(f".{self.name}.{secrets.token_hex(4)}.part"))
        try:
            new.path.mkdir()
            if base is None:
                write_model(new)
            else:
                _copy_model(base, new)
            new.write_info(info | {"best_step": None, "best_loss": None})
            write_atomic(new.path / "counter", "0\n")
            new.point_to("model-0")
            sync_all(new.path)
            if (self.path / "hparams.json").exists():
                return new
            return new.take_place(self.path)
        except OSError as error:
            shutil.rmtree(new.path, ignore_errors=True)
            raise write_error(error, self.path) from error
        except BaseException:
            shutil.rmtree(new.path, ignore_errors=True)
            raise

    def take_place(self, path: Path) -> Run:
        """Move to `path`; what was there goes once this is in its place, but for files that are no run's."""
        old = path.with_name(f".{path.name}.old")
        try:
            if path.exists():
                path.rename(old)
            self.path.rename(path)
            sync(path.parent)
        except OSError as error:
            raise write_error(error, path) from error
        run = Run(path)
        run._bury(old)
        return run

    def recover(self) -> None:
        """Clear away what a killed process left: part-written files, half a replacement of the run."""
        old = self.path.with_name(f".{self.name}.old")
        if old.exists() and not self.path.exists():
            old.rename(self.path)
        self._bury(old)
        # The names of other runs, and of downloads, may begin as this one's does.
        growing = re.compile(rf"\.{re.escape(self.name)}\.[0-9a-f]{{8}}\.part")
        leftovers = [path for path in self.path.parent.iterdir() if growing.fullmatch(path.name)]
        for leftover in [*leftovers, *self.path.glob(".*.part*")]:
            with contextlib.suppress(OSError):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)

    def owns(self, path: Path) -> bool:
        """Whether training writes the file, or removes it with ``--fresh``."""
        inside, place = path.resolve(), self.path.resolve()
        return place in inside.parents and bool(_OURS.fullmatch(inside.relative_to(place).parts[0]))

    def _bury(self, old: Path) -> None:
        """Remove a run that this one has replaced, and keep what somebody else has put there."""
        with contextlib.suppress(OSError):
            for path in old.iterdir():
                if not _OURS.fullmatch(path.name) and not os.path.lexists(self.path / path.name):
                    path.rename(self.path / path.name)
        shutil.rmtree(old, ignore_errors=True)

    def write_info(self, info: Mapping[str, Any], new: Collection[str] = ()) -> None:
        """Write run.json, with the digests of what it takes to notice that another file stands in its place.

        An index file holds the checksum of every tensor, so that its digest stands for all of them.

        Args:
            info: what it says.
            new: names of files that were written since; of the others it says what it said before.
        """
        versions = {}
        for package in PACKAGES:
            with contextlib.suppress(metadata.PackageNotFoundError):
                versions[package] = metadata.version(package)
        before = self.run_info().get("files", {})
        files = {
            name: before[name] if name in before and name not in new else digest(self.path / name)
            for name in [
                *VOCABULARY_FILES,
                *(name for name in (HELD_OUT, INDEX) if (self.path / name).is_file()),
                *(f"model-{step}{INDEX_SUFFIX}" for step in self.steps()),
            ]
        }
        # Its heads are what no file of weights would tell.
        known = {"hparams": dataclasses.asdict(self.hparams()), "files": files}
        whole = {"format": FORMAT, **info, **known, "versions": versions}
        self.write_run_info(whole)

    def keep(self, name: str, text: str) -> None:
        """Write a file beside the weights, and its digest into run.json."""
        write_atomic(self.path / name, text)
        self.write_info(self.run_info(), new=[name])

    def save(
        self,
        state: State,
        weights: Iterator[tuple[str, Any]],
        moments: Iterator[tuple[str, Any]],
        info: Mapping[str, Any],
    ) -> None:
        """Write step `state.step`, point to it, and drop all older steps but the best.

        All of `moments` is read, written and given up before the first of `weights` is read.

        Raises:
            ResourceError, UsageError: it cannot be written; the step before is intact.
        """
        name = f"model-{state.step}"
        self._save_state(state, dict(moments))
        write_weights(self.path / name, dict(weights))
        best = {"best_step": state.best_step, "best_loss": state.best_loss}
        self.write_info({**info, **best}, new=[f"{name}{INDEX_SUFFIX}"])
        write_atomic(self.path / "counter", f"{state.step}\n")
        self.point_to(name)
        self.prune(state)

    def _save_state(self, state: State, moments: dict[str, Any]) -> None:
        final = self.path / f"state-{state.step}"
        new = self.path / f".{final.name}.{secrets.token_hex(4)}.part"
        try:
            new.mkdir()
            write_tensors(new / "moments", moments)
            known = dataclasses.asdict(state) | {"moments": digest(new / MOMENTS_INDEX)}
            write_atomic(new / "state.json", json.dumps(sealed(known)) + "\n")
            shutil.rmtree(final, ignore_errors=True)
            new.rename(final)
            sync(self.path)
        except OSError as error:
            raise write_error(error, final) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def prune(self, state: State) -> None:
        """Drop the weights of all steps but the latest and the best, and states but the latest."""
        for step in self.steps():
            if step not in (state.step, state.best_step):
                self.drop(step)
        for directory in self.path.glob("state-*"):
            if directory.name != f"state-{state.step}":
                shutil.rmtree(directory, ignore_errors=True)

    def drop(self, step: int) -> None:
        """Remove the weights of a step."""
        # The index first: a step is there only while it has one.
        for suffix in (INDEX_SUFFIX, DATA_SUFFIX):
            with contextlib.suppress(OSError):
                (self.path / f"model-{step}{suffix}").unlink(missing_ok=True)

    def load_state(self, step: int) -> tuple[State, Iterator[tuple[str, Any]]] | None:
        """The state and moments that belong to the weights of `step`; None where there are none.

        Raises:
            ModelError: they are damaged.
        """
        directory = self.path / f"state-{step}"
        if not directory.is_dir():
            return None
        hint = f"Delete {directory} to go on from the weights alone."
        path = directory / "state.json"
        try:
            read = read_json(path, _STATE, hint=hint)
            state = State(**{field.name: read[field.name] for field in dataclasses.fields(State)})
        except FileNotFoundError as error:
            raise ModelError(
                "the run's state is damaged: it has lost state.json", path=directory, hint=hint
            ) from error
        if state.step != step:
            raise damaged(path, f"it is of step {state.step}", hint)
        verify_moments(directory, read, hint)
        return state, read_tensors(directory / "moments", hint)


@contextlib.contextmanager
def open_run(checkpoints: Path, name: str) -> Iterator[Run]:
    """The run called `name`, locked for this process; it need not exist yet.

    Raises:
        UsageError: another process has it, the name is no name, or the place cannot be written to.
    """
    if name != Path(name).name or name.startswith(".") or not name.isprintable():
        raise UsageError(f"{name!r} cannot be a run's name", hint="Use a plain name such as: --run run2")
    if name in BASES:
        raise UsageError(f"{name} is a base model's name", hint="Use another for the run: --run run2")
    run = Run(checkpoints / name)
    try:
        make_directories(checkpoints)
    except OSError as error:
        raise write_error(error, checkpoints) from error
    with run.lock():
        run.recover()
        yield run


def fingerprint(tokens: Tokens) -> str:
    """A short name for exactly these tokens."""
    return hashlib.sha256(tokens.data).hexdigest()[:16]


def _copy_model(base: ModelDir, new: ModelDir) -> None:
    for name in ("hparams.json", *VOCABULARY_FILES):
        shutil.copyfile(base.path / name, new.path / name)
    weights = base.weights()
    for suffix in (DATA_SUFFIX, INDEX_SUFFIX):
        source, target = weights.with_name(weights.name + suffix), new.path / f"model-0{suffix}"
        try:
            os.link(source, target)
        except OSError:  # another disk, or one without links
            shutil.copyfile(source, target)
