"""Trains and samples by gpt-2-simple, the reference engine; no other module imports it.

It turns eager execution off for its whole process, so Keras never runs in the same one. The package
builds the graph, trains, saves, loads and samples. Added here is what it lacks: token ids in which
``<|endoftext|>`` is one id, windows for models and corpora smaller than 1024 tokens, steps that are counted
on after a break, and one graph for all texts instead of a new one at every call.
"""

from __future__ import annotations

import contextlib
import io
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mckennabot.backend import import_tensorflow
from mckennabot.errors import Interrupted, ModelError, ResourceError
from mckennabot.models.checkpoint import Hparams, ModelDir
from mckennabot.system.files import plain_path, write_atomic
from mckennabot.tokenizer import VOCABULARY_FILES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

StepDone = Callable[[int, float], None]
"""Called after each step with its number and its loss in nats."""


def train(
    run: ModelDir,
    tokens: npt.NDArray[np.int32],
    *,
    steps: int,
    window: int,
    batch_size: int,
    accumulate: int,
    learning_rate: float,
    save_every: int,
    seed: int,
    step_done: StepDone,
) -> None:
    """Train until the run has made `steps` steps, by ``gpt_2.finetune``.

    Args:
        run: a model directory with weights; training continues from its latest step.
        tokens: the corpus, encoded.
        steps: optimizer steps of the run in total; accumulate * batch_size windows each.
        window: tokens in a window, at most.
        batch_size: windows in a micro-batch.
        accumulate: micro-batches in a step.
        learning_rate: of Adam, constant.
        save_every: steps between checkpoints.
        seed: of the windows that are sampled.
        step_done: called after each step.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the run is saved.
        ResourceError: memory ran out.
    """
    tf = import_tensorflow()
    gpt_2 = _gpt_2()
    import numpy as np

    done = run.steps()[-1]
    run.point_to(f"model-{done}")
    write_atomic(run.path / "counter", f"{done}\n")  # which it reads, and trusts
    random.seed(seed + done)
    tf.compat.v1.reset_default_graph()
    tf.compat.v1.set_random_seed(seed)
    session = gpt_2.start_tf_sess()
    output = _StepLines(step_done)
    with tempfile.TemporaryDirectory() as scratch:
        # It copies vocabulary and sizes from a base model into the run, and cannot copy onto itself.
        lender = Path(scratch) / "lender"
        lender.mkdir()
        for name in (*VOCABULARY_FILES, "hparams.json"):
            shutil.copyfile(run.path / name, lender / name)
        np.savez(Path(scratch) / "corpus.npz", tokens)
        with _windows_of(window, gpt_2), contextlib.redirect_stdout(output):
            try:
                gpt_2.finetune(
                    session,
                    str(Path(scratch) / "corpus.npz"),
                    steps=steps - done,
                    model_name=lender.name,
                    model_dir=scratch,
                    run_name=run.path.name,
                    checkpoint_dir=str(run.path.parent),
                    batch_size=batch_size,
                    accumulate_gradients=accumulate,
                    learning_rate=learning_rate,
                    save_every=save_every or steps + 1,
                    sample_every=steps + 2,  # its samples would go to ./samples
                    sample_length=1,
                )
            except tf.errors.ResourceExhaustedError as error:
                raise ResourceError(
                    "out of memory", path=run.path, hint="Use a smaller --batch-size."
                ) from error
            finally:
                session.close()
    if output.interrupted:
        raise Interrupted(
            f"interrupted; saved at step {run.steps()[-1]}", hint="The same command again goes on."
        )


class Sampler:
    """Samples tokens by gpt-2-simple's own graph, built once.

    Args:
        weights: prefix of the checkpoint.
        hparams: the model's sizes.
        top_k: tokens to choose from; 0 is all.
        top_p: probability mass to choose from; 0 is all, and anything else wins over `top_k`.
        seed: the same seed and calls give the same tokens.

    Raises:
        ModelError: gpt-2-simple cannot read the weights.
    """

    def __init__(self, weights: Path, hparams: Hparams, *, top_k: int, top_p: float, seed: int) -> None:
        tf = import_tensorflow()
        gpt_2 = _gpt_2()
        tf.compat.v1.reset_default_graph()
        tf.compat.v1.set_random_seed(seed)
        self._session = gpt_2.start_tf_sess()
        self._context = tf.compat.v1.placeholder(tf.int32, [None, None])
        self._length = tf.compat.v1.placeholder(tf.int32, [])
        self._temperature = tf.compat.v1.placeholder(tf.float32, [])
        self._tokens = gpt_2.sample.sample_sequence(
            hparams=gpt_2.model.HParams(**vars(hparams)),
            length=self._length,
            context=self._context,
            temperature=self._temperature,
            top_k=top_k,
            top_p=top_p,
        )
        try:
            with plain_path(weights) as plain:
                tf.compat.v1.train.Saver().restore(self._session, str(plain))
        except (tf.errors.OpError, ValueError) as error:
            raise ModelError("gpt-2-simple cannot read the weights", path=weights) from error

    def generate(self, contexts: Sequence[Sequence[int]], length: int, temperature: float) -> list[list[int]]:
        """Continue each of `contexts` [B, T] by `length` tokens; both together fit the window."""
        windows = self._session.run(
            self._tokens,
            {self._context: contexts, self._length: length, self._temperature: temperature},
        )
        return [row[len(contexts[0]) :].tolist() for row in windows]

    def close(self) -> None:
        """Let go of the model."""
        self._session.close()


def _gpt_2() -> Any:
    from gpt_2_simple import gpt_2

    return gpt_2


@contextlib.contextmanager
def _windows_of(window: int, gpt_2: Any) -> Iterator[None]:
    """Make gpt-2-simple sample windows that fit the model and the corpus; it always asks for 1024 tokens."""
    from gpt_2_simple.src import load_dataset

    sampler, bar = load_dataset.Sampler, load_dataset.tqdm

    class FittingSampler(load_dataset.Sampler):  # type: ignore[misc]
        def sample(self, length: int) -> Any:
            return super().sample(min(length, window, self.total_size - 1))

    gpt_2.Sampler = FittingSampler
    load_dataset.tqdm = SimpleNamespace(tqdm=lambda paths: paths)  # a bar over one file
    try:
        yield
    finally:
        gpt_2.Sampler, load_dataset.tqdm = sampler, bar


class _StepLines(io.TextIOBase):
    """Reads gpt-2-simple's stdout: step lines become calls, "interrupted" a flag; the rest is dropped."""

    _STEP = re.compile(r"\[(\d+) \| [\d.]+\] loss=(\S+)")

    def __init__(self, step_done: StepDone) -> None:
        self._step_done = step_done
        self.interrupted = False

    def write(self, text: str) -> int:
        if match := self._STEP.match(text):
            self._step_done(int(match[1]), float(match[2]))
        elif text == "interrupted":
            self.interrupted = True
        return len(text)
