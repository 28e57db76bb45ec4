"""One request, from its place in the queue to its last byte, or until its client leaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from mckennabot.errors import MckennabotError
from mckennabot.generate.original import TRIES
from mckennabot.originality import Index
from mckennabot.reporter import Reporter
from mckennabot.serve import replies
from mckennabot.serve.catalogue import Catalogue, Loaded
from mckennabot.serve.originality import originality
from mckennabot.serve.refusal import Refusal
from mckennabot.serve.replies import Completion, Form
from mckennabot.serve.request import Asked, Prompt
from mckennabot.serve.sampling import Job, Token, Update
from mckennabot.serve.scheduler import Scheduler
from mckennabot.serve.scores import Scores

QUEUE = 64
"""Requests that are answered or wait; one more is told to come back."""
SILENCE = 10.0
"""Seconds after which a stream without news sends a comment, so that nothing on the way thinks it dead."""


class Service:
    """What answers requests: the models, the thread that samples, and the places to wait for it.

    Args:
        catalogue: the models.
        reporter: takes what whoever runs the server should know.

    Attributes:
        scheduler: samples.
        scores: says how much texts talk like an author, when nothing is being sampled.
        loaders: wait for models, so that nothing else has to.
        closing: new requests are turned away.
    """

    def __init__(self, catalogue: Catalogue, reporter: Reporter) -> None:
        self.catalogue = catalogue
        self._reporter = reporter
        self.scheduler = Scheduler()
        self.loaders = ThreadPoolExecutor(QUEUE, "loading")
        self.closing = False
        self.scores = Scores(self.scheduler, reporter, lambda: self.closing)
        self._taken = 0

    def __enter__(self) -> None:
        """Take a place.

        Raises:
            Refusal: there is none, or the server is stopping.
        """
        if self.closing:
            raise Refusal(503, "The server is stopping.", retry_after=5)
        if self._taken >= QUEUE:
            raise Refusal(
                429, f"{QUEUE} requests are waiting; try again in a moment.", code="queue_full", retry_after=2
            )
        self._taken += 1

    def __exit__(self, *_: object) -> None:
        self._taken -= 1

    def close(self) -> None:
        """End the threads; a conversion that runs ends with its process."""
        self.closing = True
        self.loaders.shutdown(wait=False, cancel_futures=True)
        self.scores.close()
        self.scheduler.close()

    def refusal(self, error: Exception) -> Refusal:
        """Return what a client is told of an error; what it need not know goes to whoever runs the server."""
        if isinstance(error, Refusal):
            return error
        if isinstance(error, MckennabotError):
            self._reporter.warn(str(error))
            return Refusal(503, f"The model cannot go on: {error.what}.", retry_after=5)
        self._reporter.warn(f"this is a bug in mckennabot ({type(error).__name__}: {error})")
        return Refusal(500, "The server made a mistake; its own log says more.")


@dataclass
class Sampled:
    """A complete text.

    Attributes:
        prompt: which of the request's it continues.
        prefix: that prompt's text.
        text: what follows.
        tokens: with probabilities, where they were asked for.
        finish: why it ended.
        count: tokens sampled.
        score: mean log-probability of them.
    """

    prompt: int
    prefix: str
    text: str
    tokens: list[Token]
    finish: str
    count: int
    score: float


class Answer(Response):
    """The answer to a request for texts."""

    def __init__(self, service: Service, asked: Asked, form: Form) -> None:
        super().__init__()
        self._service = service
        self._asked = asked
        self._form = form
        self._jobs: list[Job] = []
        self._completion_tokens = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and stop at once where the client leaves."""
        with self._service:
            work = asyncio.ensure_future(self._answer(scope, receive, send))
            gone = asyncio.ensure_future(until_gone(receive))
            try:
                await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for job in self._jobs:
                    self._service.scheduler.cancel(job)
                gone.cancel()
                left = not work.done()
                if left:
                    work.cancel()
                [result] = await asyncio.gather(work, return_exceptions=True)
            if not left and isinstance(result, BaseException):
                raise result

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked, catalogue = self._asked, self._service.catalogue
        index = None
        if asked.originality or asked.max_copied:
            index = await asyncio.to_thread(catalogue.index, asked.model)
        loop = asyncio.get_running_loop()
        loaded = await loop.run_in_executor(self._service.loaders, catalogue.load, asked.model, asked.voice)
        prompts = await asyncio.to_thread(_encode, loaded, asked)
        if asked.stream:
            await self._stream(loaded, prompts, index, send)
        else:
            reply = await self._whole(loaded, prompts, index)
            await JSONResponse(reply)(scope, receive, send)

    async def _whole(
        self, loaded: Loaded, prompts: list[tuple[str, list[int]]], index: Index | None
    ) -> replies.Json:
        asked = self._asked
        texts = await self._texts(loaded, prompts, index)
        best: list[Sampled] = []
        for i in range(len(prompts)):
            of_prompt = [text for text in texts if text.prompt == i]
            if asked.best_of > asked.n:
                of_prompt.sort(key=lambda text: text.score, reverse=True)
            best += of_prompt[: asked.n]
        choices = []
        for number, text in enumerate(best):
            self._echo(number, text.prefix)
            shown = text.prefix + text.text if asked.echo else text.text
            tokens = text.tokens if asked.top is not None else None
            choice = self._form.choice(number, shown, tokens, text.finish)
            if index and asked.originality:
                choice["originality"] = await self._originality(index, text.prefix, text.text)
            choices.append(choice)
        return self._form.whole(choices, self._usage(prompts))

    async def _texts(
        self, loaded: Loaded, prompts: list[tuple[str, list[int]]], index: Index | None
    ) -> list[Sampled]:
        """Return every text of every prompt, prompt by prompt; those that copy too much sampled again."""
        asked = replace(self._asked, stream=False)
        wanted = [i for i in range(len(prompts)) for _ in range(asked.best_of)]
        kept: dict[int, tuple[int, Sampled]] = {}
        todo = list(range(len(wanted)))
        for attempt in range(TRIES if asked.max_copied else 1):
            seed = None if asked.seed is None else asked.seed + attempt
            texts = await self._sample(replace(asked, seed=seed), loaded, prompts, [wanted[i] for i in todo])
            again = []
            for i, text in zip(todo, texts, strict=True):
                copied = 0
                if index and asked.max_copied:
                    report = await asyncio.to_thread(index.report, text.prefix + text.text, len(text.prefix))
                    copied = report.longest.words if report.longest else 0
                    if copied > asked.max_copied:
                        again.append(i)
                if i not in kept or copied < kept[i][0]:
                    kept[i] = copied, text
            if not (todo := again):
                break
        return [kept[i][1] for i in range(len(wanted))]

    async def _sample(
        self, asked: Asked, loaded: Loaded, prompts: list[tuple[str, list[int]]], which: list[int]
    ) -> list[Sampled]:
        """Return a text of each prompt in `which`."""
        job = Job(asked, loaded, [prompts[i] for i in which])
        texts: list[Sampled | None] = [None] * len(which)
        async for news in self._news(job):
            for update in news:
                text = job.rows[update.row].text
                texts[update.row] = Sampled(
                    prompt=which[update.row],
                    prefix=text.prefix,
                    text=update.text,
                    tokens=update.tokens,
                    finish=update.finish or "",
                    count=text.tokens,
                    score=text.log_probability / max(1, text.tokens),
                )
        return [text for text in texts if text is not None]

    async def _news(self, job: Job, patience: float | None = None) -> AsyncIterator[list[Update]]:
        """Yield what is new of a job until all its texts are complete; then they are counted."""
        self._jobs.append(job)
        self._service.scheduler.submit(job)
        left = len(job.rows)
        while left:
            news = await job.news(patience)
            yield news
            left -= sum(update.finish is not None for update in news)
        self._completion_tokens += sum(row.text.tokens for row in job.rows)
        self._jobs.remove(job)

    async def _stream(
        self, loaded: Loaded, prompts: list[tuple[str, list[int]]], index: Index | None, send: Send
    ) -> None:
        stream = _Stream(send)
        form, asked = self._form, self._asked
        try:
            await stream.begin()
            if asked.max_copied:  # what may be sampled again cannot be shown before
                reply = await stream.patient(self._whole(loaded, prompts, index))
                await stream.send(*(form.chunk([_as_delta(choice)]) for choice in reply["choices"]))
            else:
                which = [i for i in range(len(prompts)) for _ in range(asked.n)]
                job = Job(asked, loaded, [prompts[i] for i in which])
                for number, i in enumerate(which):
                    await self._begin_text(stream, number, prompts[i][0])
                async for news in self._news(job, SILENCE):
                    if news:
                        await stream.send(*[await self._chunk(job, index, update) for update in news])
                    else:
                        await stream.comment()
            if asked.include_usage:
                await stream.send(form.chunk([], self._usage(prompts)))
            await stream.end()
        except Exception as error:  # too late for a status
            await stream.fail(self._service.refusal(error))

    async def _begin_text(self, stream: _Stream, number: int, prefix: str) -> None:
        self._echo(number, prefix)
        if (opening := self._form.opening(number)) is not None:
            await stream.send(self._form.chunk([opening]))
        if self._asked.echo and prefix:
            await stream.send(self._form.chunk([self._form.delta(number, prefix, None, None)]))

    async def _chunk(self, job: Job, index: Index | None, update: Update) -> replies.Json:
        tokens = update.tokens if self._asked.top is not None else None
        choice = self._form.delta(update.row, update.text, tokens, update.finish)
        if update.finish and index and self._asked.originality:
            text = job.rows[update.row].text
            choice["originality"] = await self._originality(index, text.prefix, text.text)
        return self._form.chunk([choice])

    async def _originality(self, index: Index, prefix: str, text: str) -> replies.Json:
        shift = 0 if self._asked.echo else len(prefix)
        catalogue, model = self._service.catalogue, self._asked.model
        return await asyncio.to_thread(
            originality, catalogue, index, model, prefix + text, len(prefix), shift
        )

    def _echo(self, number: int, prefix: str) -> None:
        if self._asked.echo and isinstance(self._form, Completion):
            self._form.echoed[number] = len(prefix)

    def _usage(self, prompts: list[tuple[str, list[int]]]) -> replies.Json:
        return replies.usage(sum(len(ids) for _, ids in prompts), self._completion_tokens)


class _Stream:
    """Server-sent events to a client that keeps reading."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def begin(self) -> None:
        """Send the head."""
        headers = [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(self, *values: Any) -> None:
        """Send events, all that are there at once."""
        events = (json.dumps(value, ensure_ascii=False, separators=(",", ":")) for value in values)
        await self._write("".join(f"data: {event}\n\n" for event in events).encode())

    async def comment(self) -> None:
        """Send what clients skip."""
        await self._write(b": still here\n\n")

    async def end(self) -> None:
        """Send the last event."""
        await self._write(b"data: [DONE]\n\n", more=False)

    async def fail(self, refusal: Refusal) -> None:
        """Send an error as the last event."""
        await self._write(b"data: " + refusal.json() + b"\n\n", more=False)

    async def patient(self, awaitable: Any) -> Any:
        """Wait for something; comments keep the connection busy meanwhile."""
        task = asyncio.ensure_future(awaitable)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=SILENCE)
                if not task.done():
                    await self.comment()
            return task.result()
        finally:
            task.cancel()

    async def _write(self, body: bytes, more: bool = True) -> None:
        message = {"type": "http.response.body", "body": body, "more_body": more}
        await self._send(message)


async def until_gone(receive: Receive) -> None:
    """Wait for the client to leave, when its body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _encode(loaded: Loaded, asked: Asked) -> list[tuple[str, list[int]]]:
    """Return each prompt's text and token ids; an empty one is the start of a text.

    Raises:
        Refusal: a token id is none of the model's, or the prompt is too long for what is asked.
    """
    size = loaded.tokenizer.size
    if any(token >= size for token in asked.banned):
        raise Refusal(400, f"The model has token ids below {size}.", param="logit_bias")
    encoded = [_encoded(loaded, prompt) for prompt in asked.prompts]
    if asked.echo and asked.top is not None and any(len(ids) > loaded.n_ctx for _, ids in encoded):
        raise Refusal(
            400,
            f"The probabilities of a prompt of more than {loaded.n_ctx} tokens are not known.",
            param="prompt",
            code="context_length_exceeded",
        )
    return encoded


def _encoded(loaded: Loaded, prompt: Prompt) -> tuple[str, list[int]]:
    tokenizer = loaded.tokenizer
    if isinstance(prompt, str):
        return prompt, tokenizer.encode(prompt) or [tokenizer.eot]
    if not all(0 <= token < tokenizer.size for token in prompt):
        raise Refusal(400, f"The model has token ids from 0 to {tokenizer.size - 1}.", param="prompt")
    return tokenizer.decode(prompt), list(prompt)


def _as_delta(choice: replies.Json) -> replies.Json:
    """Return a whole choice as a chunk's."""
    return {("delta" if name == "message" else name): value for name, value in choice.items()}
