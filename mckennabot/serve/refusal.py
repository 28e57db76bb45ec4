"""What a request is answered with when it is not answered: OpenAI's error object and its status."""

from __future__ import annotations

import json
from typing import Any

_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class Refusal(Exception):  # noqa: N818 - it is what the client gets
    """An answer that is an error.

    Args:
        status: of HTTP. Clients try again after 408, 409, 429 and 5xx.
        message: one sentence for a person.
        param: the field of the request that is wrong.
        code: a word for programs.
        retry_after: seconds to wait before trying again.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return the error object."""
        kind = _KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {
            "error": {"message": self.message, "type": kind, "param": self.param, "code": self.code},
        }

    def json(self) -> bytes:
        """Return the body in bytes."""
        return json.dumps(self.body()).encode()

    def headers(self) -> dict[str, str]:
        """Return what goes with it."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
