"""A text being sample: nothing is shown that is later taken back, and it ends where it should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot.config import GenerateSettings
from mckennabot.generate.text import SENTENCE_TOKENS, Text
from mckennabot.generate.window import context, room
from mckennabot.tokenizer import Tokenizer

BYTES = Tokenizer.train([""], 257)  # one token for each byte: every border that a token can have
LETTERS = "aab. é🜏"


def sample(continuation: str, **options: object) -> tuple[Text, str]:
    """A text that is offered the bytes of `continuation` and end-of-text, and what was shown of it."""
    text = Text("", [BYTES.eot], BYTES, GenerateSettings(**options))  # type: ignore[arg-type]
    shown = ""
    for token in [*BYTES.encode(continuation), BYTES.eot]:
        shown += text.push(token, -1.0)
        assert "�" not in shown
        if text.stop:
            break
    return text, shown


@given(st.text(LETTERS, max_size=30), st.lists(st.text(LETTERS, min_size=1, max_size=4), max_size=3))
def test_stops_are_found_wherever_tokens_divide_them_and_never_shown(words: str, stops: list[str]) -> None:
    text, shown = sample(words, stop=tuple(stops), length=500)
    ends = {words.find(stop) for stop in stops} - {-1}
    # Of two stops that overlap, the one complete first ends the text.
    if ends:
        first = min((words.find(s) + len(s), words.find(s)) for s in stops if s in words)
        assert (text.stop, text.text) == ("stop", words[: first[1]])
    else:
        assert (text.stop, text.text) == ("end-of-text", words)
    assert shown == text.text


@pytest.mark.parametrize(("length", "whole"), [(1, ""), (2, "é"), (5, "é"), (6, "é🜏")])
def test_a_text_cut_inside_a_character_ends_before_it(length: int, whole: str) -> None:
    text, shown = sample("é🜏x", length=length, min_length=0)
    assert (text.stop, text.text, shown) == ("length", whole, whole)


def test_bytes_that_are_not_utf8_show_as_replacement_characters() -> None:
    text = Text("", [BYTES.eot], BYTES, GenerateSettings())
    spelled = {BYTES.token_bytes(i): i for i in range(256)}
    shown = "".join(text.push(spelled[bytes([byte])], 0.0) for byte in b"a\xff\xc3b")
    assert shown == "a��b"


@pytest.mark.parametrize(
    ("words", "length", "kept", "stop"),
    [
        ("One two. Three four.", 5, "One two.", "sentence"),
        ("One two.) Three", 8, "One two.)", "sentence"),
        ("He paid 3.50 dollars. Then", 8, "He paid 3.50 dollars.", "sentence"),
        ("“Stop!” she said.\nNext", 2, "“Stop!”", "sentence"),
        ("no end " + "x" * 100, 7, "no end " + "x" * SENTENCE_TOKENS, "length"),
        ("One two.", 5, "One two.", "end-of-text"),
    ],
)
def test_finish_sentence(words: str, length: int, kept: str, stop: str) -> None:
    text, shown = sample(words, length=length, finish_sentence=True)
    assert (text.text, text.stop, shown) == (kept, stop, kept)


@pytest.mark.parametrize(("least", "kept"), [(2, "a"), (3, "a.b"), (4, "a.b"), (5, "a.b.c")])
def test_nothing_ends_a_text_before_its_least_length(least: int, kept: str) -> None:
    text, _ = sample("a.b.c.d", stop=(".",), min_length=least)
    assert (text.text, text.stop) == (kept, "stop")


def test_ignoring_end_of_text_goes_on_past_it() -> None:
    text = Text("", [BYTES.eot], BYTES, GenerateSettings(ignore_eot=True, length=3))
    for token in [*BYTES.encode("a"), BYTES.eot, *BYTES.encode("b")]:
        text.push(token, -1.5)
    assert (text.text, text.stop, text.tokens, text.log_probability) == ("a<|endoftext|>b", "length", 3, -4.5)


@given(
    ids=st.lists(st.integers(0, 9), min_size=1, max_size=80),
    n_ctx=st.integers(4, 40),
    most=st.integers(1, 100),
    keep=st.integers(0, 50),
)
def test_a_context_fits_the_window_with_room_to_draw(
    ids: list[int], n_ctx: int, most: int, keep: int
) -> None:
    seen = context(ids, n_ctx, most, keep)
    if len(ids) < n_ctx:
        assert seen == ids
        assert room(len(seen), n_ctx) >= 2
    else:
        kept = min(keep, n_ctx // 4)
        assert seen == ids[:kept] + ids[kept - len(seen) :]
        assert len(seen) >= n_ctx // 2
        assert room(len(seen), n_ctx) >= min(most, n_ctx // 2)
