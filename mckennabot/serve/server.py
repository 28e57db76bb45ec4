"""The process that serves: its socket, its signals, and its end."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

import uvicorn

from mckennabot.config import ServeSettings
from mckennabot.errors import UsageError
from mckennabot.models import small
from mckennabot.reporter import Reporter
from mckennabot.serve.answer import Service
from mckennabot.serve.app import make_app
from mckennabot.serve.catalogue import Catalogue
from mckennabot.serve.connection import MAX_HEAD, Connection
from mckennabot.serve.guard import Guard
from mckennabot.serve.refusal import Refusal
from mckennabot.system import signals

GRACE = 30.0
"""Seconds that streams get to end after SIGTERM; each then ends with an error event."""
IDLE = 30
"""Seconds that a connection may stay open without a request."""


def serve(settings: ServeSettings, reporter: Reporter) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Args:
        settings: what, where and to whom.
        reporter: takes the address, and a line for each request.

    Raises:
        UsageError: the address cannot be listened on.
    """
    with _listening(settings.host, settings.port) as listening:
        catalogue = Catalogue(settings.checkpoints, reporter)
        if not catalogue.entries() and small.is_packaged():
            catalogue = _with_small(settings, reporter)
        service = Service(catalogue, reporter)
        guard = Guard(
            make_app(service),
            host=settings.host,
            key=settings.api_key,
            origins=settings.origin,
            say=reporter.say,
        )
        # What uvicorn would say is said here, in words of ours and without a client's text in it.
        logging.getLogger("uvicorn.error").addHandler(logging.NullHandler())
        config = uvicorn.Config(
            guard,
            http=Connection,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=IDLE,
            timeout_graceful_shutdown=round(GRACE) + 5,
            h11_max_incomplete_event_size=MAX_HEAD,
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        for line in _greeting(f"http://{host}:{listening.getsockname()[1]}", catalogue, settings.api_key):
            reporter.say(line)
        threading.Thread(target=_load_newest, args=(catalogue,), daemon=True).start()
        try:
            _Server(config, service).run(sockets=[listening])
        finally:
            service.close()


class _Server(uvicorn.Server):
    """uvicorn's server, which ends well: streams get time, and a signal is an order, not an accident."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the closing of the terminal, too, for an order to stop."""
        with super().capture_signals(), contextlib.ExitStack() as stack:
            if threading.current_thread() is threading.main_thread():
                for number in signals.ending():
                    stack.callback(signal.signal, number, signal.signal(number, self.handle_exit))
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; the second time, at once."""
        signals.received(sig)
        self.force_exit = self.should_exit
        self.should_exit = self._service.closing = True
        stopping = Refusal(503, "The server is stopping.")
        if self.force_exit:
            self._service.scheduler.fail(stopping)
        else:
            timer = threading.Timer(GRACE, self._service.scheduler.fail, [stopping])
            timer.daemon = True
            timer.start()


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens on an address.

    Raises:
        UsageError: it cannot.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.create_server(address[:2], family=family, backlog=256)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}:{port} ({_reason(error)})",
            hint="Choose another --port; --port 0 takes a free one.",
        ) from error
    with listening:
        yield listening


def _reason(error: OSError) -> str:
    """Return the system's words alone; asyncio and socket add their own."""
    known = error.errno is not None and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno) if known and error.errno else str(error.strerror)


def _with_small(settings: ServeSettings, reporter: Reporter) -> Catalogue:
    """Return the model that comes with the package, where there is no other."""
    reporter.say(f"no model in {settings.checkpoints} yet: unpacking {small.NAME}")
    small.unpack(settings.checkpoints)
    return Catalogue(settings.checkpoints, reporter)


def _load_newest(catalogue: Catalogue) -> None:
    """Have the likeliest model in memory before somebody asks; what is wrong with it, they will hear."""
    with contextlib.suppress(Refusal):
        if name := catalogue.newest():
            catalogue.load(name, None)


def _greeting(address: str, catalogue: Catalogue, key: str | None) -> Iterator[str]:
    """Yield where the server is, and two ways to talk to it."""
    yield f"serving {', '.join(entry.name for entry in catalogue.entries()) or 'no model yet'}"
    yield f"  to write:     {address}/"
    if name := catalogue.newest():
        bearer = " -H 'Authorization: Bearer KEY'" if key else ""
        yield f"  from curl:    curl {address}/v1/completions{bearer} -H 'Content-Type: application/json' \\"
        yield f'                  -d \'{{"model": "{name}", "prompt": "The sea", "max_tokens": 60}}\''
        yield (
            "  from Python:  openai.OpenAI("
            + f'base_url="{address}/v1", api_key="{"KEY" if key else "none"}")'
        )
        yield f"  from llm:     llm openai endpoint {address}/v1 -m {name}"
    yield "  Ctrl-C stops it."
