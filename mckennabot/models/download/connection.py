"""Speaks HTTP to one server: TLS verified, plain text only on loopback, failures explained to the user."""

from __future__ import annotations

import contextlib
import email.utils
import http
import ipaddress
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from mckennabot.errors import UsageError

if TYPE_CHECKING:
    import requests

CONNECT_SECONDS, READ_SECONDS = 5, 20
_REDIRECTS = 5
_CHUNK = 16 * 1024
"""Bytes read at a time; a connection that stalls loses at most these."""
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


class FetchError(Exception):
    """A request that will fail again if it is made again."""


class BrokenError(FetchError):
    """A request that may well succeed if it is made again.

    Args:
        what: what happened, in the user's words.
        wait: seconds that the server asks to wait; None where it does not say.
    """

    def __init__(self, what: str, wait: float | None = None) -> None:
        super().__init__(what)
        self.wait = wait


class Connection:
    """Requests to one server and to wherever it redirects.

    Args:
        base_url: https, or http on this machine.

    Attributes:
        reached: whether any server has answered yet.

    Raises:
        UsageError: `base_url` is no such address.
    """

    def __init__(self, base_url: str) -> None:
        import requests

        self._loopback = _is_loopback(base_url)
        split = urlsplit(base_url)
        if not (split.hostname and self._allowed(base_url)) or split.query or split.fragment:
            raise UsageError(
                f"no address to fetch from: {base_url}", hint="--base-url is https://HOST[/PATH]"
            )
        self._session = requests.Session()
        # A proxy cannot reach the loopback addresses of this machine.
        self._session.trust_env = not self._loopback
        self.reached = False

    def close(self) -> None:
        """Close what is kept open for the next request."""
        self._session.close()

    @contextlib.contextmanager
    def get(self, url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
        """Yield the response to a GET, its status 200, 206 or 416, its body not yet read.

        Raises:
            BrokenError, FetchError: at any time until the block ends.
        """
        import requests
        import urllib3

        try:
            with contextlib.closing(self._follow(url, headers)) as response:
                _check(response)
                yield response
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise _explain(error, urlsplit(url).hostname or url) from error

    def _follow(self, url: str, headers: dict[str, str]) -> requests.Response:
        for _ in range(_REDIRECTS):
            response = self._session.get(
                url,
                headers={"Accept-Encoding": "identity", **headers},
                stream=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
            )
            self.reached = True
            if not response.is_redirect:
                return response
            response.close()
            url = urljoin(url, response.headers["location"])
            if not self._allowed(url):
                raise FetchError(f"redirected to {_shown(url)}, which is not https (a network's login page?)")
        raise FetchError(f"redirected more than {_REDIRECTS} times")

    def _allowed(self, url: str) -> bool:
        return urlsplit(url).scheme == "https" or (self._loopback and _is_loopback(url))


def body(response: requests.Response) -> Iterator[bytes]:
    """Yield a response's body as it is on the wire, in pieces."""
    yield from response.raw.stream(_CHUNK, decode_content=False)


def _is_loopback(url: str) -> bool:
    split = urlsplit(url)
    try:
        return split.scheme == "http" and (
            split.hostname == "localhost" or ipaddress.ip_address(split.hostname or "").is_loopback
        )
    except ValueError:
        return False


def _shown(url: str) -> str:
    """Return an address without the password that may be in it."""
    split = urlsplit(url)
    return f"{split.scheme}://{split.netloc.rpartition('@')[2]}"


def _check(response: requests.Response) -> None:
    code, host = response.status_code, urlsplit(response.url).hostname
    if code in (200, 206):
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in ("text/html", "application/xhtml+xml", "text/xml", "application/xml"):
            raise FetchError(f"{host} sent a web page ({kind}) instead of the file")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise FetchError(f"{host} sent the file compressed, which was not asked for")
    elif code in _WORTH_ANOTHER_TRY or code >= 500:
        raise BrokenError(f"{host} answered {_status(code)}", _retry_after(response))
    elif code != 416:
        raise FetchError(f"{host} answered {_status(code)}")


def _status(code: int) -> str:
    try:
        return f"{code} {http.HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def _retry_after(response: requests.Response) -> float | None:
    """Read Retry-After, a number or a date, as seconds from now; None if it says nothing."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _explain(error: Exception, host: str) -> FetchError:
    """Turn an exception of the HTTP libraries into one that a user understands."""
    import requests
    import urllib3

    cause = _innermost(error)
    if isinstance(error, requests.exceptions.SSLError | urllib3.exceptions.SSLError):
        return FetchError(f"the certificate of {host} cannot be trusted ({cause})")
    if isinstance(error, requests.exceptions.ProxyError):
        return BrokenError(f"the proxy does not let through to {host} ({cause})")
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return BrokenError(f"{host} does not answer (waited {CONNECT_SECONDS} s)")
    if isinstance(error, requests.exceptions.Timeout | urllib3.exceptions.TimeoutError):
        return BrokenError(f"{host} sent nothing for {READ_SECONDS} s")
    if isinstance(error, requests.exceptions.ConnectionError):
        return BrokenError(f"{host} cannot be reached ({cause})")
    if isinstance(error, urllib3.exceptions.ProtocolError | urllib3.exceptions.IncompleteRead):
        return BrokenError(f"{host} broke off the connection ({cause})")
    return FetchError(f"the request to {host} failed ({cause})")


def _innermost(error: BaseException) -> str:
    """Return the message of the exception at the bottom of a chain, on one line."""
    while True:
        inner = (getattr(error, "reason", None), *error.args, error.__cause__)
        below = next((e for e in inner if isinstance(e, BaseException) and e is not error), None)
        if below is None:
            break
        error = below
    words = getattr(error, "verify_message", None) or getattr(error, "strerror", None) or str(error)
    return " ".join(str(words or type(error).__name__).split())[:120]
