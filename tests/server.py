"""A real HTTP server on loopback that serves a directory, and misbehaves on request.

with Server(directory) as server:
    server.will("model.ckpt.index", cut(100), status(503))
    requests.get(f"{server.url}/models/small/model.ckpt.index")  # the first 100 bytes
    requests.get(…)                                              # 503
    requests.get(…)                                              # the file
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import ssl
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Answer:
    """A response, as it would be and as a fault leaves it."""

    status: int
    headers: dict[str, str]
    body: bytes
    asked: dict[str, str] = field(default_factory=dict)
    send: int | None = None
    """Bytes of the body to send before the connection is closed; None sends all."""
    release: threading.Event | None = None
    """What to wait for before the rest is sent (with `send`)."""
    chunked: bool = False


Fault = Callable[[Answer], None]


def cut(after: int) -> Fault:
    """Close the connection after so many bytes."""

    def fault(answer: Answer) -> None:
        answer.send = after

    return fault


def stall(after: int, release: threading.Event) -> Fault:
    """Stop after so many bytes until released."""

    def fault(answer: Answer) -> None:
        answer.send, answer.release = after, release

    return fault


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer this instead."""

    def fault(answer: Answer) -> None:
        answer.status, answer.body = code, body
        answer.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        answer.headers["Content-Length"] = str(len(body))

    return fault


def redirect(url: str) -> Fault:
    """Send elsewhere."""
    return status(302, Location=url)


def corrupt(at: int) -> Fault:
    """Flip a bit of what is sent, not of what is said about it."""

    def fault(answer: Answer) -> None:
        flipped = bytearray(answer.body)
        flipped[at] ^= 1
        answer.body = bytes(flipped)

    return fault


def say(**headers: str | None) -> Fault:
    """Change headers; None leaves one out."""

    def fault(answer: Answer) -> None:
        for name, value in headers.items():
            answer.headers.pop(name.replace("_", "-"), None)
            if value is not None:
                answer.headers[name.replace("_", "-")] = value

    return fault


def longer(by: int) -> Fault:
    """Promise more bytes than there are."""

    def fault(answer: Answer) -> None:
        answer.headers["Content-Length"] = str(len(answer.body) + by)

    return fault


def chunked(answer: Answer) -> None:
    """Do not say the length."""
    del answer.headers["Content-Length"]
    answer.headers["Transfer-Encoding"] = "chunked"
    answer.chunked = True


def both(*faults: Fault) -> Fault:
    """Several faults in one answer."""

    def fault(answer: Answer) -> None:
        for each in faults:
            each(answer)

    return fault


class Server(contextlib.AbstractContextManager["Server"]):
    """Serves ``directory/small/FILE`` as ``/models/small/FILE``.

    Args:
        directory: what holds the models.
        ranges: whether to honour Range.
        certificate: PEM file with a key, to serve TLS.

    Attributes:
        log: file name, Range header or "", and bytes of body sent, for each request.
    """

    def __init__(self, directory: Path, *, ranges: bool = True, certificate: Path | None = None) -> None:
        self.directory, self.ranges = directory, ranges
        self.log: list[tuple[str, str, int]] = []
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def will(self, file: str, *faults: Fault) -> None:
        """Misbehave so, one fault a request, then no more."""
        self._faults[file].extend(faults)

    def always(self, file: str, fault: Fault) -> None:
        """Misbehave so at every request."""
        self._always[file] = fault

    def asked(self, file: str) -> list[str]:
        """The Range header of each request for a file, in order."""
        return [asked for name, asked, _ in self.log if name == file]

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        """What to send for a request, faults included."""
        name = path.rpartition("/")[2]
        answer = self._honest(self.directory / path.removeprefix("/models/"), headers)
        answer.asked = headers
        if name in self._always:
            self._always[name](answer)
        if self._faults[name]:
            self._faults[name].popleft()(answer)
        return answer

    def _honest(self, file: Path, headers: dict[str, str]) -> Answer:
        if not file.is_file():
            page = b"<?xml version='1.0'?><Error><Code>BlobNotFound</Code></Error>"
            return Answer(404, {"Content-Type": "application/xml", "Content-Length": str(len(page))}, page)
        body = file.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        common = {"ETag": etag, "Content-Type": "application/octet-stream"}
        asked = headers.get("range", "")
        if self.ranges and asked and headers.get("if-range", etag) == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                return Answer(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"}, b"")
            rest = body[start:]
            where = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return Answer(206, {**common, "Content-Length": str(len(rest)), "Content-Range": where}, rest)
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        return Answer(200, {**common, "Content-Length": str(len(body)), "Content-MD5": md5}, body)


def _handler(server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer = server.answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            first = answer.body if answer.send is None else answer.body[: answer.send]
            server.log.append((self.path.rpartition("/")[2], answer.asked.get("range", ""), len(first)))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self._send(first, answer.chunked)
                if answer.release is not None:
                    answer.release.wait(60)
                    self._send(answer.body[len(first) :], answer.chunked)
                if answer.chunked and (answer.send is None or answer.release):
                    self.wfile.write(b"0\r\n\r\n")
            self.close_connection = answer.send is not None or len(first) < int(
                answer.headers.get("Content-Length", 0)
            )

        def do_CONNECT(self) -> None:
            """As a proxy: let nothing through."""
            server.log.append((self.path, "CONNECT", 0))
            self.send_error(403)

        def _send(self, data: bytes, chunked: bool) -> None:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data) if chunked and data else data)
            self.wfile.flush()

        def log_message(self, *args: object) -> None:
            """Say nothing: `Server.log` is the record."""

    return Handler
