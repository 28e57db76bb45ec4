"""CTranslate2 at work: token ids in, token ids out, as they are sampled.

CTranslate2 draws at random from a generator of its worker thread, seeded when that thread begins. So
an engine is made with its seed, and its draws depend on that and on the calls made since, on nothing else.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from mckennabot.errors import ResourceError, UsageError

T = TypeVar("T")

OnToken = Callable[[int, int, float], tuple[T, bool]]
"""(row, token id, log-probability in nats) -> (what to hand on, whether the row is complete)."""


@dataclass(frozen=True)
class Sampling:
    """How each token is chosen.

    Attributes:
        temperature: divides the logits; 0 takes the likeliest token.
        top_k: tokens to choose from; 0 is all.
        top_p: probability mass to choose from, of those; 1 is all.
        repetition_penalty: above 1 makes tokens less likely that were sampled before.
        end: the token that ends a text; None if nothing does.
    """

    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    end: int | None


class CTranslate2Engine:
    """A model in memory, on the GPU where there is one.

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
        """Go on with another model of the same vocabulary, and a new sequence of random numbers."""
        self._directory = directory
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Begin a new sequence of random numbers, which takes loading the model again."""
        if self._precision == "float32":
            # oneDNN multiplies float32 vectors a half faster than MKL, which is the default on Intel.
            os.environ.setdefault("CT2_USE_MKL", "0")
        ctranslate2 = _ctranslate2()
        ctranslate2.set_random_seed(seed)
        try:
            self._generator = ctranslate2.Generator(
                str(self._directory),
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

    def sample(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        *,
        most: int,
        least: int,
        on_token: OnToken[T],
    ) -> Iterator[T]:
        """Continue every prompt, and hand on what `on_token` makes of each new token.

        `on_token` decides in CTranslate2's thread, at once, so that when a row ends, and with it what
        the other rows draw, does not depend on how fast the caller takes the results.

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
        # CTranslate2 hands the prompt back as if it were sampled where another row's is a single token.
        assert len({len(prompt) == 1 for prompt in prompts}) == 1
        events: queue.SimpleQueue[tuple[T] | BaseException | None] = queue.SimpleQueue()
        cancelled = threading.Event()

        def step(result: Any) -> bool:
            if cancelled.is_set():
                return True
            try:
                value, complete = on_token(result.batch_id, result.token_id, result.log_prob)
            except BaseException as error:
                cancelled.set()
                events.put(error)
                return True
            events.put((value,))
            return complete

        def work() -> None:
            try:
                self._generate(prompts, sampling, most, least, step)
            except Exception as error:
                events.put(error)
            events.put(None)

        worker = threading.Thread(target=work)
        worker.start()
        try:
            while (event := events.get()) is not None:
                if isinstance(event, BaseException):
                    raise _out_of_memory(event) if _is_out_of_memory(event) else event
                yield event[0]
        finally:
            cancelled.set()
            worker.join()

    def mean_loss(self, rows: Sequence[Sequence[int]]) -> float:
        """Mean cross-entropy in nats of the rows' tokens but the first: what a precision costs."""
        scored = self._generator.score_batch([[self._tokens[i] for i in row] for row in rows])
        losses = [-log_probability for row in scored for log_probability in row.log_probs]
        return float(sum(losses) / len(losses))

    def _generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        most: int,
        least: int,
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
            include_prompt_in_result=False,
            return_scores=True,
            callback=step,
        )


def device() -> str:
    """Where models run: ``cuda`` where CTranslate2 finds a GPU, else ``cpu``."""
    return "cuda" if _ctranslate2().get_cuda_device_count() > 0 else "cpu"


def choose_precision(asked: str, parameters: int) -> str:
    """The precision to convert to.

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
    """How many threads to draw with: one per core, one for a model whose products are too small to share.

    Args:
        parameters: of the model.

    Returns:
        Their number; 0 leaves it to OMP_NUM_THREADS, which is set.
    """
    if os.environ.get("OMP_NUM_THREADS"):
        return 0
    # More than eight no longer help a single text.
    return min(len(os.sched_getaffinity(0)), 8) if parameters >= LARGE else 1


GPU_TOP_P_CANDIDATES = 8192
"""On a GPU, top-p chooses from so many of the likeliest tokens: CTranslate2 sorts no more there."""

LARGE = 20_000_000
"""Parameters from which reading the weights is what takes the time: int8 and more threads shorten it."""


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
