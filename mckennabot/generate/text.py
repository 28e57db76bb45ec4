"""Follows one text while it is sampled: takes token ids, gives whole characters, and decides when it ends."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence

from mckennabot.config import GenerateSettings
from mckennabot.tokenizer import Tokenizer

SENTENCE_TOKENS = 60
"""Tokens past its length that a text may take to finish its sentence."""

# Closing marks belong to the sentence; only white space after them shows that it has ended.
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)")


class Text:
    """A prefix and its continuation.

    Attributes:
        prefix: the text it starts with.
        prompt: how many of `ids` are the prefix's.
        ids: every token of it.
        text: the continuation so far.
        stop: why it ended: ``end-of-text``, ``stop``, ``sentence`` or ``length``; None until then.
        log_probability: sum over the tokens sampled, in nats, under the model itself (temperature 1).
    """

    def __init__(
        self,
        prefix: str,
        prompt: Sequence[int],
        tokenizer: Tokenizer,
        settings: GenerateSettings,
        drops_blank: bool = False,
    ) -> None:
        """Begin with a prefix.

        Args:
            prefix: the text it starts with.
            prompt: its tokens.
            tokenizer: decodes them.
            settings: what ends the text.
            drops_blank: the prefix ends in a blank, which its tokens leave to the next word's token.
        """
        self.prefix = prefix
        self.prompt = len(prompt)
        self.ids = list(prompt)
        self.text = ""
        self.stop: str | None = None
        self.log_probability = 0.0
        self._tokenizer = tokenizer
        self._settings = settings
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._drops_blank = drops_blank
        self._shown = 0
        self._full: int | None = None

    @property
    def tokens(self) -> int:
        """Tokens sampled so far."""
        return len(self.ids) - self.prompt

    @property
    def most(self) -> int:
        """Tokens that it may still take."""
        settings = self._settings
        return settings.length + settings.finish_sentence * SENTENCE_TOKENS - self.tokens

    @property
    def least(self) -> int:
        """Tokens that it needs before it may end."""
        return max(0, self._settings.min_length - self.tokens)

    def push(self, token: int, log_probability: float) -> str:
        """Take a token; return the characters that can now be shown, which no later token takes back."""
        settings = self._settings
        if token == self._tokenizer.eot and not settings.ignore_eot:
            self.text += self._decoder.decode(b"", final=True)
            self.stop = "end-of-text"
            return self._show(len(self.text))
        before = len(self.text)
        self.ids.append(token)
        self.log_probability += log_probability
        self.text += self._decoder.decode(self._tokenizer.token_bytes(token))
        if before == 0 and self._drops_blank:
            self.text = self.text.removeprefix(" ")
        if self.tokens >= settings.min_length:
            self._look_for_end(before)
        return self._show(len(self.text) - (0 if self.stop else self._undecided()))

    def _look_for_end(self, before: int) -> None:
        """Set `stop` and cut the text if the characters from `before` on end it."""
        settings = self._settings
        found = [self.text.find(stop, max(0, before - len(stop) + 1)) for stop in settings.stop]
        if (cut := min((at for at in found if at >= 0), default=None)) is not None:
            self.text, self.stop = self.text[:cut], "stop"
        elif settings.finish_sentence and self._full is not None and (end := self._sentence_end()):
            self.text, self.stop = self.text[:end], "sentence"
        elif self.most == 0:
            self.stop = "length"
        if self._full is None and self.tokens >= settings.length:
            self._full = len(self.text)

    def _sentence_end(self) -> int | None:
        """Return where the first sentence ends at or after the full length; None if none does yet."""
        assert self._full is not None
        # A sentence's marks, such as ?!”), may begin some characters before the full length.
        ends = (match.end() for match in _SENTENCE_END.finditer(self.text, max(0, self._full - 8)))
        return next((end for end in ends if end >= self._full), None)

    def _undecided(self) -> int:
        """Return how many characters at the end may turn out to be the start of a stop text."""
        stops = self._settings.stop
        longest = min(len(self.text), max(map(len, stops), default=1) - 1)
        return next((n for n in range(longest, 0, -1) if any(s.startswith(self.text[-n:]) for s in stops)), 0)

    def _show(self, end: int) -> str:
        piece = self.text[self._shown : end]
        self._shown = max(self._shown, end)
        return piece
