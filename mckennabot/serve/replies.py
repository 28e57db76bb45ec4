"""OpenAI's two forms of a reply: a completion's and a chat's, whole and in a stream."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Any, Protocol

from mckennabot.serve.sampling import Token

Json = dict[str, Any]


class Form(Protocol):
    """How a reply is written."""

    def whole(self, choices: list[Json], usage: Json) -> Json:
        """Return the reply in one piece."""
        ...

    def chunk(self, choices: list[Json], usage: Json | None = None) -> Json:
        """Return a piece of a stream."""
        ...

    def opening(self, index: int) -> Json | None:
        """Return the choice that a text's stream begins with, where the form has one."""
        ...

    def choice(self, index: int, text: str, tokens: Sequence[Token] | None, finish: str | None) -> Json:
        """Return a text in a whole reply. `tokens` is None where no probabilities were asked for."""
        ...

    def delta(self, index: int, text: str, tokens: Sequence[Token] | None, finish: str | None) -> Json:
        """Some more of a text in a stream."""
        ...


class Completion:
    """The reply of ``/v1/completions``.

    Args:
        model: its name.
        echoed: characters of the prompt that each text begins with; offsets count from there.
    """

    def __init__(self, model: str) -> None:
        self._head = _head("cmpl", model)
        self.echoed: dict[int, int] = {}

    def whole(self, choices: list[Json], usage: Json) -> Json:
        """See `Form`."""
        return {**self._head, "object": "text_completion", "choices": choices, "usage": usage}

    def chunk(self, choices: list[Json], usage: Json | None = None) -> Json:
        """See `Form`."""
        piece = {**self._head, "object": "text_completion", "choices": choices}
        return piece if usage is None else {**piece, "usage": usage}

    def opening(self, index: int) -> Json | None:
        """See `Form`."""
        return None

    def choice(self, index: int, text: str, tokens: Sequence[Token] | None, finish: str | None) -> Json:
        """See `Form`."""
        told = None
        if tokens is not None:
            start = self.echoed.get(index, 0)
            told = {
                "tokens": [spelled(token.text) for token in tokens],
                "token_logprobs": [token.log_probability for token in tokens],
                "top_logprobs": [
                    {spelled(text): value for text, value in token.top} or None for token in tokens
                ],
                "text_offset": [start + token.offset for token in tokens],
            }
        return {"index": index, "text": text, "logprobs": told, "finish_reason": finish}

    delta = choice


class Chat:
    """The reply of ``/v1/chat/completions``."""

    def __init__(self, model: str) -> None:
        self._head = _head("chatcmpl", model)

    def whole(self, choices: list[Json], usage: Json) -> Json:
        """See `Form`."""
        return {**self._head, "object": "chat.completion", "choices": choices, "usage": usage}

    def chunk(self, choices: list[Json], usage: Json | None = None) -> Json:
        """See `Form`."""
        piece = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        return piece if usage is None else {**piece, "usage": usage}

    def opening(self, index: int) -> Json | None:
        """See `Form`."""
        return _chat_choice(index, "delta", {"role": "assistant", "content": ""}, None, None)

    def choice(self, index: int, text: str, tokens: Sequence[Token] | None, finish: str | None) -> Json:
        """See `Form`."""
        message = {"role": "assistant", "content": text, "refusal": None}
        return _chat_choice(index, "message", message, tokens, finish)

    def delta(self, index: int, text: str, tokens: Sequence[Token] | None, finish: str | None) -> Json:
        """See `Form`."""
        return _chat_choice(index, "delta", {"content": text} if text else {}, tokens, finish)


def _chat_choice(
    index: int, name: str, message: Json, tokens: Sequence[Token] | None, finish: str | None
) -> Json:
    told = None
    if tokens is not None:
        content = [
            {
                **_spoken(token.text, token.log_probability),
                "top_logprobs": [_spoken(text, value) for text, value in token.top],
            }
            for token in tokens
        ]
        told = {"content": content, "refusal": None}
    return {"index": index, name: message, "logprobs": told, "finish_reason": finish}


def _spoken(text: bytes, log_probability: float | None) -> Json:
    return {"token": spelled(text), "logprob": log_probability, "bytes": list(text)}


def spelled(token: bytes) -> str:
    r"""Return a token as text; one that is no whole UTF-8 as OpenAI spells it.

    >>> spelled(b" sea"), spelled(bytes([0xE2, 0x80]))
    (' sea', 'bytes:\\xe2\\x80')
    """
    try:
        return token.decode("utf-8")
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in token)


def usage(prompt: int, completion: int) -> Json:
    """Return the count of tokens."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _head(kind: str, model: str) -> Json:
    return {
        "id": f"{kind}-{secrets.token_hex(12)}",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": None,
    }
