"""A request as it is understood, from the body of a completion or of a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mckennabot.config import MOST_VOICE, GenerateSettings
from mckennabot.generate.source import SEEDS
from mckennabot.serve.fields import Fields
from mckennabot.serve.refusal import Refusal

MAX_CHARACTERS = 400_000
"""Of all prompts of a request together; a book is longer, and no window reads one."""
MAX_TEXTS = 128
MAX_TOKENS = 65_536
"""Of all texts of a request together, those that `best_of` discards included."""
MAX_STOPS = 4
VOICE_STEP = 0.05
"""Places on the dial are this far apart: each is a model of its own, on disk too."""
MAX_STOP_LENGTH = 500
DEFAULTS = GenerateSettings()

Prompt = str | tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """What a client wants sampled.

    Attributes:
        model: a name from the list of models.
        prompts: as text or as token ids.
        n: texts of each prompt to answer with.
        best_of: texts of each prompt to sample; the likeliest `n` are the answer.
        echo: begin each text with its prompt.
        top: likeliest tokens to tell at each place, beside the one sampled; None tells no probabilities.
        max_tokens: new ones of each text.
        min_tokens: before which nothing ends a text.
        finish_sentence: go on past `max_tokens` to the end of the sentence.
        temperature, top_k, top_p, repetition_penalty: as `GenerateSettings`.
        stop: texts that end a text, and are no part of it.
        seed: of the random numbers; None takes what comes.
        banned: token ids that are never sampled.
        stream: send the text as it comes.
        include_usage: count the tokens at the end of a stream.
        voice: how much of the run and how little of its base: 1 is the run; None leaves it as it is.
        originality: tell what is copied from the book.
        max_copied: sample a text again that has more words in a row from the book.
    """

    model: str
    prompts: tuple[Prompt, ...]
    n: int
    best_of: int
    echo: bool
    top: int | None
    max_tokens: int
    min_tokens: int
    finish_sentence: bool
    temperature: float
    top_k: int
    top_p: float
    repetition_penalty: float
    stop: tuple[str, ...]
    seed: int | None
    banned: tuple[int, ...]
    stream: bool
    include_usage: bool
    voice: float | None
    originality: bool
    max_copied: int | None


def parse_completion(body: dict[str, Any]) -> Asked:
    """Return a body of ``/v1/completions``.

    Raises:
        Refusal: a field is not what it must be.
    """
    fields = Fields(body)
    if fields.get("suffix"):
        fields.refuse("suffix", "is nothing this model can do: it only writes on")
    prompts = _prompts(fields)
    n = fields.integer("n", 1, 1, MAX_TEXTS)
    best_of = fields.integer("best_of", n, 1, MAX_TEXTS)
    if best_of < n:
        fields.refuse("best_of", "must not be less than 'n'")
    if best_of > n and fields.truth("stream"):
        fields.refuse("best_of", "greater than 'n' cannot be streamed: the best is only known at the end")
    return _common(
        fields,
        prompts,
        n=n,
        best_of=best_of,
        echo=fields.truth("echo"),
        top=fields.maybe("logprobs", 0, 5),
        max_tokens=fields.integer("max_tokens", 16, 0, MAX_TOKENS),
    )


def parse_chat(body: dict[str, Any]) -> Asked:
    """Return a body of ``/v1/chat/completions``: the text of the turns goes on.

    Raises:
        Refusal: a field is not what it must be.
    """
    fields = Fields(body)
    n = fields.integer("n", 1, 1, MAX_TEXTS)
    name = "max_tokens" if fields.get("max_completion_tokens") is None else "max_completion_tokens"
    top = fields.integer("top_logprobs", 0, 0, 20)
    return _common(
        fields,
        (_bounded(fields, "messages", _conversation(fields)),),
        n=n,
        best_of=n,
        echo=False,
        top=top if fields.truth("logprobs") else None,
        max_tokens=fields.integer(name, DEFAULTS.length, 1, MAX_TOKENS),
    )


def _common(
    fields: Fields,
    prompts: tuple[Prompt, ...],
    *,
    n: int,
    best_of: int,
    echo: bool,
    top: int | None,
    max_tokens: int,
) -> Asked:
    if len(prompts) * best_of > MAX_TEXTS:
        raise Refusal(400, f"At most {MAX_TEXTS} texts a request.", param="n")
    if len(prompts) * best_of * max_tokens > MAX_TOKENS:
        raise Refusal(400, f"At most {MAX_TOKENS} tokens a request, of all its texts.", param="max_tokens")
    for name in ("presence_penalty", "frequency_penalty"):
        if fields.number(name, 0, -2, 2):
            fields.refuse(name, "is not available: use 'repetition_penalty', above 1 for fewer repetitions")
    temperature = fields.number("temperature", DEFAULTS.temperature, 0, 2)
    top_p = fields.number("top_p", DEFAULTS.top_p, 0, 1)
    max_copied = fields.maybe("max_copied", 1, 10_000)
    if not top_p:  # nothing but the likeliest token
        temperature, top_p = 0.0, 1.0
    if max_copied and not temperature:
        fields.refuse("max_copied", "samples again, and 'temperature' 0 always gives the same")
    return Asked(
        model=fields.text("model", fields.get("model")),
        prompts=prompts,
        n=n,
        best_of=best_of,
        echo=echo,
        top=top,
        max_tokens=max_tokens,
        min_tokens=fields.integer("min_tokens", 0, 0, max_tokens),
        finish_sentence=fields.truth("finish_sentence"),
        temperature=temperature,
        top_k=max(0, fields.integer("top_k", DEFAULTS.top_k, -1, 1 << 30)),  # vLLM's -1 is all, too
        top_p=top_p,
        repetition_penalty=fields.number("repetition_penalty", 1, 0.01, 100),
        stop=_stop(fields),
        seed=None if (seed := fields.maybe("seed", -(2**63), 2**63 - 1)) is None else seed % SEEDS,
        banned=_banned(fields),
        stream=fields.truth("stream"),
        include_usage=fields.inner("stream_options").truth("include_usage"),
        voice=None
        if fields.get("voice") is None
        else round(fields.number("voice", 1, 0, MOST_VOICE) / VOICE_STEP) * VOICE_STEP,
        originality=fields.truth("originality"),
        max_copied=max_copied,
    )


def _prompts(fields: Fields) -> tuple[Prompt, ...]:
    """One prompt or a list of them, each a text or a list of token ids; null is the start of a text."""
    prompt = fields.get("prompt")
    if prompt is None:
        return ("",)
    if isinstance(prompt, str):
        return (_bounded(fields, "prompt", fields.text("prompt", prompt)),)
    if not isinstance(prompt, list) or not prompt:
        fields.refuse("prompt", "must be a string, a list of strings, token ids, or lists of token ids")
    if all(_is_token(item) for item in prompt):
        prompt = [prompt]
    if len(prompt) > MAX_TEXTS:
        fields.refuse("prompt", f"must be at most {MAX_TEXTS} prompts")
    if all(isinstance(item, str) for item in prompt):
        texts = tuple(fields.text("prompt", item) for item in prompt)
        _bounded(fields, "prompt", "".join(texts))
        return texts
    if all(isinstance(item, list) and item and all(map(_is_token, item)) for item in prompt):
        return tuple(tuple(item) for item in prompt)
    return fields.refuse("prompt", "must be a string, a list of strings, token ids, or lists of token ids")


def _is_token(item: Any) -> bool:
    return isinstance(item, int) and not isinstance(item, bool)


def _bounded(fields: Fields, name: str, text: str) -> str:
    if len(text) > MAX_CHARACTERS:
        fields.refuse(name, f"has more than {MAX_CHARACTERS} characters", "context_length_exceeded")
    return text


def _conversation(fields: Fields) -> str:
    """Return the turns' text, a blank line between two. A system's instructions mean nothing to the model."""
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        fields.refuse("messages", "must be a list of messages")
    turns: list[str] = []
    for i, message in enumerate(messages):
        if not isinstance(message, dict):
            fields.refuse(f"messages[{i}]", "must be an object")
        if message.get("role") not in ("system", "developer"):
            turns.append(_content(fields, f"messages[{i}].content", message.get("content")))
    return "\n\n".join(turn for turn in turns if turn)


def _content(fields: Fields, name: str, content: Any) -> str:
    if content is None:
        return ""
    if not isinstance(content, list):
        return fields.text(name, content)
    if not all(isinstance(part, dict) and part.get("type") == "text" for part in content):
        fields.refuse(name, "must be text: the model sees no pictures and hears nothing")
    return "".join(fields.text(name, part.get("text")) for part in content)


def _stop(fields: Fields) -> tuple[str, ...]:
    stop = fields.get("stop")
    if stop is None:
        return ()
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, list) or len(texts) > MAX_STOPS:
        fields.refuse("stop", f"must be a string or at most {MAX_STOPS} strings")
    checked = tuple(fields.text("stop", text) for text in texts)
    if any(not 0 < len(text) <= MAX_STOP_LENGTH for text in checked):
        fields.refuse("stop", f"must be of 1 to {MAX_STOP_LENGTH} characters")
    return checked


def _banned(fields: Fields) -> tuple[int, ...]:
    """Return the token ids that `logit_bias` bans with -100; nothing here can add any other bias."""
    bias = fields.get("logit_bias")
    if bias is None:
        return ()
    if not isinstance(bias, dict) or len(bias) > 1024:
        fields.refuse("logit_bias", "must be an object of at most 1024 token ids")
    banned = []
    for token, value in bias.items():
        if not (token.isascii() and token.isdecimal() and len(token) < 10):
            fields.refuse("logit_bias", "must have token ids for keys")
        if isinstance(value, bool) or value not in (0, -100):
            fields.refuse("logit_bias", "can only ban tokens, with -100")
        if value:
            banned.append(int(token))
    return tuple(sorted(set(banned)))
