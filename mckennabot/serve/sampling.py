"""A request's texts while they are sampled: tokens in, whole characters and probabilities out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mckennabot.config import GenerateSettings
from mckennabot.generate.ctranslate2_engine import CTranslate2Engine, Step
from mckennabot.generate.engine import Sampling
from mckennabot.generate.text import Text
from mckennabot.generate.window import context
from mckennabot.serve.catalogue import Loaded
from mckennabot.serve.request import Asked

FINISH = {"end-of-text": "stop", "stop": "stop", "length": "length", "sentence": "length"}
"""OpenAI's words for why a text ended."""
HIDDEN = -1e4
"""Log-probabilities below are those of banned tokens: CTranslate2 gives them the least float there is."""


@dataclass(frozen=True)
class Token:
    """A token with its probability.

    Attributes:
        text: its bytes.
        offset: the character of the continuation that it begins with; negative in an echoed prompt.
        log_probability: in nats; None for the first of an echoed prompt, which follows nothing.
        top: the likeliest tokens at its place with theirs, itself included.
    """

    text: bytes
    offset: int
    log_probability: float | None
    top: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True)
class Update:
    """What is new of a text.

    Attributes:
        row: which of the job's.
        text: more characters of it, that no later token takes back.
        tokens: more of its tokens, where probabilities were asked for.
        finish: why it ended; None while it goes on.
    """

    row: int
    text: str
    tokens: list[Token]
    finish: str | None


class Row:
    """One text of a job.

    Attributes:
        job: whose it is.
        text: so far.
        served: a count that is lower the longer it has waited for the model.
    """

    def __init__(self, job: Job, number: int, prompt: str, ids: Sequence[int]) -> None:
        asked = job.asked
        settings = GenerateSettings(
            length=max(1, asked.max_tokens),
            min_length=asked.min_tokens,
            finish_sentence=asked.finish_sentence,
            stop=asked.stop,
        )
        self.job = job
        self.text = Text(prompt, ids, job.loaded.tokenizer, settings)
        self.served = 0
        self._number = number
        self._shown = 0
        self._piece = ""
        self._tokens: list[Token] = []

    @property
    def key(self) -> tuple[Any, ...]:
        """Rows that agree in it can be sampled in one batch."""
        job = self.job
        alone = id(job) if job.asked.seed is not None else None
        told = job.asked.top is not None
        return id(job.loaded), job.sampling, told, self.text.least, not job.asked.max_tokens, alone

    @property
    def done(self) -> bool:
        """Whether nothing more is to be sampled."""
        return self.text.stop is not None or self.job.cancelled

    def context(self) -> list[int]:
        """Return the tokens that the next ones follow."""
        return context(self.text.ids, self.job.loaded.n_ctx, self.text.most)

    def take(self, step: Step) -> bool:
        """Take the next token, in CTranslate2's thread; whether the text is complete."""
        if self.job.cancelled:
            return True
        text, offset = self.text, len(self.text.text)
        self._piece += text.push(step.token, step.log_probability)
        if self.job.asked.top is not None and text.stop != "end-of-text":
            self._tokens.append(self._token(step.token, offset, step.log_probability, step.log_probabilities))
        if text.stop is not None or (self.job.asked.stream and self._piece):
            self._hand_over()
        return text.stop is not None

    def read_prompt(self, engine: CTranslate2Engine) -> None:
        """Find the probabilities of the prompt's own tokens."""
        ids = self.text.ids
        tokenizer = self.job.loaded.tokenizer
        offset = -len(self.text.prefix)
        told = engine.read(ids)
        done = b""
        for i, token in enumerate(ids):
            at = offset + len(done.decode("utf-8", "ignore"))
            after = told[i - 1] if i else None
            log_probability = None if after is None else float(after[token])
            self._tokens.append(self._token(token, at, log_probability, after))
            done += tokenizer.token_bytes(token)

    def finish(self) -> None:
        """End a text that is to have no tokens."""
        self.text.stop = "length"
        self._hand_over()

    def _token(self, token: int, offset: int, log_probability: float | None, log_probabilities: Any) -> Token:
        tokenizer = self.job.loaded.tokenizer
        if log_probability is None or not (most := self.job.asked.top):
            return Token(tokenizer.token_bytes(token), offset, log_probability, ())
        most = min(most, len(log_probabilities))
        likeliest = sorted(
            (-log_probabilities).argpartition(most - 1)[:most], key=lambda i: -log_probabilities[i]
        )
        ids = [int(i) for i in likeliest if log_probabilities[i] > HIDDEN]
        ids += [] if token in ids else [token]
        top = tuple((tokenizer.token_bytes(i), float(log_probabilities[i])) for i in ids)
        log_probability = float(log_probabilities[token])  # the same number in both places
        return Token(tokenizer.token_bytes(token), offset, log_probability, top)

    def _hand_over(self) -> None:
        """Tell the request what is new; tokens only when their characters are."""
        text = self.text
        finish = FINISH[text.stop] if text.stop else None
        self._shown += len(self._piece)
        # Of a text that a stop text or its last sentence cuts, the tokens behind the cut are none of it.
        whole = text.stop in ("length", "end-of-text")
        ready = [token for token in self._tokens if whole or token.offset < self._shown]
        self._tokens = self._tokens[len(ready) :]
        self.job.tell(Update(self._number, self._piece, ready, finish))
        self._piece = ""


@dataclass(eq=False)
class Job:
    """A request's texts.

    Attributes:
        asked: the request.
        loaded: its model.
        rows: its texts, prompt by prompt.
        sampling: how their tokens are chosen.
        cancelled: nobody waits for them any more.
        engine: its own, where it has a seed.
    """

    asked: Asked
    loaded: Loaded
    prompts: list[tuple[str, list[int]]]
    sampling: Sampling = field(init=False)
    rows: list[Row] = field(init=False)
    cancelled: bool = False
    engine: CTranslate2Engine | None = None

    def __post_init__(self) -> None:
        asked = self.asked
        self.sampling = Sampling(
            temperature=asked.temperature,
            top_k=asked.top_k,
            top_p=asked.top_p,
            repetition_penalty=asked.repetition_penalty,
            end=self.loaded.tokenizer.eot,
            banned=asked.banned,
        )
        self.rows = [Row(self, i, text, ids) for i, (text, ids) in enumerate(self.prompts)]
        self._loop = asyncio.get_running_loop()
        self._updates: deque[Update | Exception] = deque()
        self._wake = asyncio.Event()
        self._waking = False

    def tell(self, update: Update | Exception) -> None:
        """Hand something on to the request, from any thread; it is woken once for all that has come."""
        if self.cancelled:
            return
        self._updates.append(update)
        if not self._waking:
            self._waking = True
            with contextlib.suppress(RuntimeError):  # the server has stopped
                self._loop.call_soon_threadsafe(self._wake.set)

    async def news(self, patience: float | None = None) -> list[Update]:
        """Wait for what is new of any of its texts.

        Args:
            patience: seconds after which nothing is news too; None waits for something.

        Raises:
            Exception: what went wrong.
        """
        timer = None if patience is None else self._loop.call_later(patience, self._wake.set)
        await self._wake.wait()
        if timer is not None:
            timer.cancel()
        self._wake.clear()
        self._waking = False  # before looking: what comes from now on wakes again
        found: list[Update] = []
        while self._updates:
            update = self._updates.popleft()
            if isinstance(update, Exception):
                raise update
            found.append(update)
        return found
