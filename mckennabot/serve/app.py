"""The routes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mckennabot import __version__
from mckennabot.errors import MckennabotError
from mckennabot.models.dial import AS_TRAINED
from mckennabot.models.inventory import Entry
from mckennabot.serve.answer import Answer, Service, until_gone
from mckennabot.serve.fields import Fields, read_object
from mckennabot.serve.originality import originality
from mckennabot.serve.page import page
from mckennabot.serve.refusal import Refusal
from mckennabot.serve.replies import Chat, Completion
from mckennabot.serve.request import MAX_CHARACTERS, Asked, parse_chat, parse_completion

T = TypeVar("T")

MAX_BODY = 2 << 20
"""Bytes of a request's body."""
BODY_SECONDS = 30.0
"""In which it must be here."""


class Api:
    """What each route does.

    Args:
        service: answers requests for texts.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._catalogue = service.catalogue

    async def completions(self, request: Request) -> Response:
        """Texts that go on from prompts."""
        return await self._answer(request, parse_completion, Completion)

    async def chat(self, request: Request) -> Response:
        """Return a text that goes on from a conversation's."""
        return await self._answer(request, parse_chat, Chat)

    async def _answer(
        self,
        request: Request,
        parse: Callable[[dict[str, Any]], Asked],
        form: Callable[[str], Completion | Chat],
    ) -> Response:
        asked = parse(read_object(await _body(request)))
        return Answer(self._service, asked, form(asked.model))

    async def models(self, request: Request) -> Response:
        """Return every model that can be asked for."""
        entries = await asyncio.to_thread(self._catalogue.entries)
        listed = await asyncio.to_thread(lambda: [self._described(entry) for entry in entries])
        return JSONResponse({"object": "list", "data": listed})

    async def model(self, request: Request) -> Response:
        """One of them."""
        entry = await asyncio.to_thread(self._catalogue.entry, request.path_params["name"])
        return JSONResponse(await asyncio.to_thread(self._described, entry))

    def _described(self, entry: Entry) -> dict[str, Any]:
        """Return a model in OpenAI's words, and in ours what the page wants to know."""
        return {
            "id": entry.name,
            "object": "model",
            "created": self._catalogue.written(entry.name),
            "owned_by": "mckennabot",
            "kind": entry.kind,
            "parameters": entry.parameters,
            "step": entry.best_step if entry.best_step is not None else entry.step,
            "loss": entry.best_loss,
            "dial": self._catalogue.has_dial(entry.name),
            "voice": self._catalogue.best_voice(entry.name),
            "originality": self._catalogue.has_index(entry.name),
        }

    async def originality(self, request: Request) -> Response:
        """Return what of a text is copied from a run's book, and how much it talks like the author."""
        fields = Fields(read_object(await _body(request)))
        model = fields.text("model", fields.get("model"))
        text = fields.text("text", fields.get("text"))
        if len(text) > MAX_CHARACTERS:
            fields.refuse("text", f"has more than {MAX_CHARACTERS} characters")
        start = fields.integer("start", 0, 0, len(text))
        scored = fields.truth("voice_score")
        index = await asyncio.to_thread(self._catalogue.index, model)
        reply = await asyncio.to_thread(originality, self._catalogue, index, model, text, start, 0)
        if scored:
            source = await asyncio.to_thread(self._catalogue.source, model, AS_TRAINED)
            with self._service:
                reply |= await _while_there(request, self._service.scores.score(source, index, text))
        return JSONResponse(reply)

    async def health(self, request: Request) -> Response:
        """Return whether the server is well."""
        if self._service.closing:
            raise Refusal(503, "The server is stopping.")
        return JSONResponse({"status": "ok", "version": __version__})

    async def page(self, request: Request) -> Response:
        """Return the page to write in."""
        body, policy = page()
        return Response(
            body, media_type="text/html; charset=utf-8", headers={"content-security-policy": policy}
        )


async def _while_there(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Wait for work that ends when the client leaves.

    Raises:
        ClientDisconnect: it has left.
    """
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(until_gone(request.receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        gone.cancel()
        task.cancel()


async def _body(request: Request) -> bytes:
    """Return the request's body, of bounded size and in bounded time.

    Raises:
        Refusal: it is too large or comes too slowly.
    """
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MAX_BODY:
        raise Refusal(413, f"The body may have at most {MAX_BODY} bytes.")

    async def read() -> bytes:
        body = bytearray()
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BODY:
                raise Refusal(413, f"The body may have at most {MAX_BODY} bytes.")
        return bytes(body)

    try:
        return await asyncio.wait_for(read(), BODY_SECONDS)
    except asyncio.TimeoutError:
        raise Refusal(408, f"The body did not come within {BODY_SECONDS:.0f} seconds.") from None


def make_app(service: Service) -> Starlette:
    """Return the application, without its guard."""
    api = Api(service)

    async def refuse(request: Request, error: Exception) -> Response:
        refusal = service.refusal(error)
        return Response(refusal.json(), refusal.status, refusal.headers(), media_type="application/json")

    async def refuse_route(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        message = "There is nothing here." if error.status_code == 404 else f"{error.detail}."
        refusal = Refusal(error.status_code, message)
        headers = dict(error.headers or {})
        return Response(refusal.json(), refusal.status, headers, media_type="application/json")

    async def gone(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # nobody reads it

    routes = [
        Route("/", api.page, methods=["GET"]),
        Route("/health", api.health, methods=["GET"]),
        Route("/v1/models", api.models, methods=["GET"]),
        Route("/v1/models/{name}", api.model, methods=["GET"]),
        Route("/v1/completions", api.completions, methods=["POST"]),
        Route("/v1/chat/completions", api.chat, methods=["POST"]),
        Route("/v1/originality", api.originality, methods=["POST"]),
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: refuse_route,
            ClientDisconnect: gone,
            Refusal: refuse,
            MckennabotError: refuse,
            Exception: refuse,
        },
    )
    app.router.redirect_slashes = False
    return app
