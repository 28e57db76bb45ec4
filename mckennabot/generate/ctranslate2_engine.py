"""Samples from, and scores by, a model that CTranslate2 has loaded.

CTranslate2 takes its random numbers from a generator of its worker thread, seeded when that thread begins.
So an engine is made with its seed, and its tokens depend on that and on the calls made since, and on nothing
else.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeVar

from mckennabot.errors import ResourceError, UsageError
from mckennabot.generate.engine import OnToken, Sampling
from mckennabot.system.files import plain_path
from mckennabot.system.machine import cores

T = TypeVar("T")


ROWS_SCORED = 4
"""Windows that are scored at a time: all their logits are in memory at once."""

GPU_TOP_P_CANDIDATES = 8192
"""On a GPU, top-p chooses from this many of the likeliest tokens: CTranslate2 sorts no more there."""

LARGE = 20_000_000
"""Parameters from which reading the weights takes most of the time: int8 and more threads shorten it."""


class Step(NamedTuple):
    """A token that was sampled.

    Attributes:
        row: which prompt it continues, from 0.
        token: its id.
        log_probability: in nats, under the model itself (temperature 1).
        log_probabilities: of every token [vocabulary], if they were asked for; else None.
    """

    row: int
    token: int
    log_probability: float
    log_probabilities: Any


class CTranslate2Engine:
    """A model in memory, on a GPU if there is one.

    Close it (it is a context manager) before the interpreter ends: CTranslate2's threads must not
    outlive it.
    """

    def __init__(
        self, directory: Path, precision: str, tokens: Sequence[str], seed: int, threads: int = 1
    ) -> None:
        """Load a model.

        Args:
            directory: a CTranslate2 model.
            precision: int8, float16 or float32.
            tokens: the vocabulary's spelling of each id.
            seed: of the random numbers, below 2**32 - 1.
            threads: from `choose_threads`.

        Raises:
            ResourceError: the model does not fit into memory.
        """
        self._directory = directory
        self._precision = precision
        self._tokens = tokens
        self._threads = threads
        self.reseed(seed)

    def load(self, directory: Path, seed: int) -> None:
        """Load another model of the same vocabulary, and begin a new sequence of random numbers."""
        self._directory = directory
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Begin a new sequence of random numbers, which takes loading the model again."""
        if self._precision == "float32":
            # oneDNN multiplies float32 vectors 50 % faster than MKL, which is the default on Intel.
            os.environ.setdefault("CT2_USE_MKL", "0")
        ctranslate2 = _ctranslate2()
        ctranslate2.set_random_seed(seed)
        try:
            with plain_path(self._directory / "model.bin") as plain:
                self._generator = ctranslate2.Generator(
                    str(plain.parent),
                    device=device(),
                    compute_type=self._precision,
                    intra_threads=self._threads,
                )
        except (RuntimeError, MemoryError) as error:
            if _is_out_of_memory(error):
                raise _out_of_memory(error) from error
            raise

    def __enter__(self) -> CTranslate2Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del self._generator

    def stream(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        most: int,
        least: int,
        on_token: OnToken[T],
    ) -> Iterator[T]:
        """Continue every prompt, and yield what `on_token` makes of each new token.

        `on_token` decides at once, in CTranslate2's thread. So the end of a row, and with it what the other
        rows sample, does not depend on how fast the caller takes the results.

        Args:
            prompts: rows of token ids, each of one or each of several; with `most` new ones they must fit
                the model's window.
            sampling: how tokens are chosen.
            most: new tokens per row at most.
            least: new tokens per row before the end token may be sampled.
            on_token: called for each new token, the end token included.

        Raises:
            ResourceError: memory ran out.
        """
        events: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
        cancelled = threading.Event()

        def step(step: Step) -> bool:
            if cancelled.is_set():
                return True
            value, complete = on_token(step.row, step.token, step.log_probability)
            events.put((value,))
            return complete

        def work() -> None:
            try:
                self.generate(prompts, sampling, most=most, least=least, on_step=step)
            except BaseException as error:
                events.put(error)
            events.put(None)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            while (event := events.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event[0]
        finally:
            cancelled.set()
            worker.join()

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
        """Continue every prompt until `on_step` has said that each row is complete, or it has `most` tokens.

        Args:
            prompts: rows of token ids, as `stream` takes them.
            sampling: how tokens are chosen.
            most: new tokens per row at most.
            least: new tokens per row before the end token may be sampled.
            on_step: called for each new token in CTranslate2's thread, which waits for it; returns whether
                the row is complete.
            distribution: hand `on_step` all log-probabilities; CTranslate2 keeps them to the end, which takes
                200 kB a token with GPT-2's vocabulary.

        Raises:
            ResourceError: memory ran out.
        """
        # If one prompt is a single token and another is not, CTranslate2 returns the longer as if sampled.
        assert len({len(prompt) == 1 for prompt in prompts}) == 1
        failure: list[BaseException] = []
        distributions = _Distributions() if distribution else None

        def callback(result: Any) -> bool:
            if failure:
                return True
            try:
                from_all = distributions.of(result) if distributions else None
                return on_step(Step(result.batch_id, result.token_id, result.log_prob, from_all))
            except BaseException as error:  # CTranslate2 must not see it
                failure.append(error)
                return True

        try:
            self._generate_batch(prompts, sampling, most, least, distribution, callback)
        except (RuntimeError, MemoryError) as error:
            if _is_out_of_memory(error):
                raise _out_of_memory(error) from error
            raise
        if failure:
            raise failure[0]

    def read(self, ids: Sequence[int]) -> Any:
        """Return log-probabilities [ids, vocabulary] of what follows each token; ids fit the window."""
        import numpy as np

        ctranslate2 = _ctranslate2()
        scored = self._generator.forward_batch([[self._tokens[i] for i in ids]], return_log_probs=True)
        return np.array(scored.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32))[0]

    def losses(self, rows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Return the cross-entropy, in nats, of each row's tokens but the first; rows fit the window."""
        scored = self._generator.score_batch(
            [[self._tokens[i] for i in row] for row in rows], max_batch_size=ROWS_SCORED
        )
        return [[-log_probability for log_probability in row.log_probs] for row in scored]

    def mean_loss(self, rows: Sequence[Sequence[int]]) -> float:
        """Return the mean of `losses`, to compare precisions by."""
        losses = [loss for row in self.losses(rows) for loss in row]
        return float(sum(losses) / len(losses))

    def _generate_batch(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        most: int,
        least: int,
        distribution: bool,
        step: Callable[[Any], bool],
    ) -> None:
        greedy = sampling.temperature == 0
        top_k = min(sampling.top_k, len(self._tokens))
        if sampling.top_p < 1 and self._generator.device == "cuda":
            top_k = min(top_k or GPU_TOP_P_CANDIDATES, GPU_TOP_P_CANDIDATES)
        self._generator.generate_batch(
            [[self._tokens[i] for i in prompt] for prompt in prompts],
            max_length=most,
            min_length=min(least, most),
            end_token=[] if sampling.end is None else [sampling.end],
            sampling_topk=1 if greedy else top_k,
            sampling_topp=sampling.top_p,
            sampling_temperature=1 if greedy else sampling.temperature,
            repetition_penalty=sampling.repetition_penalty,
            suppress_sequences=[[self._tokens[i]] for i in sampling.banned] or None,
            return_logits_vocab=distribution,
            include_prompt_in_result=False,
            return_scores=True,
            callback=step,
        )


class _Distributions:
    """Finds each row's log-probabilities at a step; CTranslate2 gives those of the whole batch at once."""

    def __init__(self) -> None:
        self._step = -1
        self._log_probabilities: Any = None

    def of(self, result: Any) -> Any:
        """Return the log-probabilities [vocabulary] that the row's token was sampled from."""
        import numpy as np

        if result.step != self._step:
            ctranslate2 = _ctranslate2()
            view = result.logits.to_device(ctranslate2.Device.cpu).to(ctranslate2.DataType.float32)
            self._step, self._log_probabilities = result.step, log_softmax(np.array(view))
        # CTranslate2 reorders the batch; the row is found by its token's log-probability.
        found = np.abs(self._log_probabilities[:, result.token_id] - result.log_prob).argmin()
        return self._log_probabilities[found]


def log_softmax(logits: Any) -> Any:
    """Return log-probabilities, in nats, along the last axis."""
    import numpy as np

    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def device() -> str:
    """Return where models run: ``cuda`` if CTranslate2 finds a GPU, else ``cpu``."""
    return "cuda" if _ctranslate2().get_cuda_device_count() > 0 else "cpu"


def choose_precision(asked: str, parameters: int) -> str:
    """Return the precision to convert to.

    Args:
        asked: auto, int8, float16 or float32.
        parameters: of the model.

    Raises:
        UsageError: float16 was asked for, and there is no GPU.
    """
    on = device()
    if asked == "float16" and on == "cpu":
        raise UsageError("float16 needs a CUDA GPU", hint="Use --precision int8 or float32.")
    if asked != "auto":
        return asked
    if on == "cuda":
        return "float16"
    return "int8" if parameters >= LARGE else "float32"


def choose_threads(parameters: int) -> int:
    """Return how many threads to sample with: one per core, or one if the products are too small to share.

    Args:
        parameters: of the model.

    Returns:
        Their number; 0 leaves it to OMP_NUM_THREADS, if that is set.
    """
    if os.environ.get("OMP_NUM_THREADS"):
        return 0
    # More than eight no longer help a single text.
    return min(cores(), 8) if parameters >= LARGE else 1


def _ctranslate2() -> Any:
    # Threads that wait for the next of a token's many small products stay awake about that long: worth a
    # fifth of the speed. Longer would burn a core while nothing is sampled, and starve other programs.
    os.environ.setdefault("OMP_WAIT_POLICY", "active")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import ctranslate2

    return ctranslate2


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(word in str(error) for word in ("memory", "alloc"))


def _out_of_memory(error: BaseException) -> ResourceError:
    return ResourceError(
        f"out of memory ({str(error).strip() or 'allocation failed'})",
        hint="Use a smaller --batch-size or model.",
    )
