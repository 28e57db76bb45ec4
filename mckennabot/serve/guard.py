"""Who may ask: every request passes here before any route sees it, and leaves a line in the log.

A page on the web can have a browser send requests to this machine. It cannot read the answers without
CORS headers, which nobody gets who was not named with ``--origin``; it could by pointing its own host name
at this address (DNS rebinding), so the Host header must be one of ours, unless the request brings the key.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mckennabot.config import LOOPBACK
from mckennabot.serve.refusal import Refusal

OPEN = ("/", "/health")
"""What is there without a key: nothing of the models or the book."""
Header = tuple[bytes, bytes]


class Guard:
    """The application behind its checks.

    Args:
        app: what answers.
        host: the address that the server listens on.
        key: what clients must bring; None where anybody may ask.
        origins: of pages on other hosts that may ask from a browser.
        say: takes a line for each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        host: str,
        key: str | None,
        origins: Iterable[str],
        say: Callable[[str], None],
    ) -> None:
        self._app = app
        self._key = key
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._say = say
        named = {(urlsplit(origin).hostname or "").lower() for origin in self._origins}
        own = socket.gethostname().lower()
        self._anywhere = host in ("0.0.0.0", "::", "")
        self._hosts = {*LOOPBACK, host.lower(), *named, *([own] if host not in LOOPBACK else [])}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, answer, and log."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        began, status, identity = time.monotonic(), 0, secrets.token_hex(8)
        extra = [(b"x-request-id", identity.encode()), *_SECURITY, *self._cors(headers)]

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name.lower() for name, _ in message.get("headers", ())}
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name, value) for name, value in extra if name not in own),
                ]
            await send(message)

        try:
            if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
                self._check_host(headers)
                await _reply(answer, 204, b"", [(b"access-control-max-age", b"600")])
            else:
                self._check(scope, headers)
                await self._app(scope, receive, answer)
        except Refusal as refusal:
            await _refuse(answer, refusal)
        except Exception:
            # Who runs the server was told; what is left is to close a connection whose answer is not whole.
            if not status:
                raise
        finally:
            self._log(scope, status, time.monotonic() - began)

    def _check(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        """Raise unless the request may be answered.

        Raises:
            Refusal: it may not.
        """
        authorized = self._authorized(headers)
        if not (self._key and authorized):
            self._check_host(headers)
        if (origin := headers.get(b"origin")) and scope["method"] != "GET":
            self._check_origin(origin, headers)
        if not authorized and scope["path"] not in OPEN:
            raise Refusal(
                401, "This server wants its key, as 'Authorization: Bearer KEY'.", code="invalid_api_key"
            )
        if scope["method"] == "POST":
            kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
            if kind != b"application/json":
                raise Refusal(415, "The body must be JSON, with 'Content-Type: application/json'.")

    def _authorized(self, headers: dict[bytes, bytes]) -> bool:
        if self._key is None:
            return True
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        same = hmac.compare_digest(given.strip(), self._key.encode())
        return same and scheme.lower() == b"bearer"

    def _check_host(self, headers: dict[bytes, bytes]) -> None:
        host = _hostname(headers.get(b"host", b"").decode("latin-1"))
        if host in self._hosts or (self._anywhere and _is_address(host)):
            return
        raise Refusal(
            403,
            "This server does not answer to that host name; --origin http://NAME:PORT has it do so.",
            code="host_not_allowed",
        )

    def _check_origin(self, origin: bytes, headers: dict[bytes, bytes]) -> None:
        given = origin.decode("latin-1").lower()
        if (
            given in self._origins
            or urlsplit(given).netloc == headers.get(b"host", b"").decode("latin-1").lower()
        ):
            return
        raise Refusal(
            403,
            "Pages from elsewhere may not use this server; --origin lets one.",
            code="origin_not_allowed",
        )

    def _cors(self, headers: dict[bytes, bytes]) -> list[Header]:
        origin = headers.get(b"origin", b"")
        if origin.decode("latin-1").lower() not in self._origins:
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-headers", b"authorization, content-type"),
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-expose-headers", b"x-request-id, retry-after"),
            (b"vary", b"origin"),
        ]

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
        """One line, with the method and the path of what the client sent: no text, no line breaks."""
        client = scope.get("client") or ("-", 0)
        path = scope["raw_path"].decode("latin-1").encode("unicode_escape").decode()[:120]
        self._say(f"{client[0]} {scope['method'][:10]} {path} {status or 'gone'} {seconds:.3f} s")


_SECURITY: list[Header] = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]


def _hostname(host: str) -> str:
    """Return the name in a Host header, without its port; empty where it is none."""
    try:
        return "" if "@" in host else (urlsplit(f"//{host}").hostname or "").lower().rstrip(".")
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _refuse(send: Send, refusal: Refusal) -> None:
    headers = [(b"content-type", b"application/json")]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers().items()]
    await _reply(send, refusal.status, refusal.json(), headers)


async def _reply(send: Send, status: int, body: bytes, headers: list[Header]) -> None:
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})
