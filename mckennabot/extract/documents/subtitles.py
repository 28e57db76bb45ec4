"""Captions of films and talks (.vtt, .srt, .sbv) as flowing text: each word once, without times and tags."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from mckennabot.extract.documents.blocks import Block
from mckennabot.extract.documents.decode import decode_file
from mckennabot.extract.documents.hard_wraps import unwrapped
from mckennabot.extract.kinds import Kind
from mckennabot.extract.speakers import label_of

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d\d)[.,](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*(?:-->|,)\s*{_TIME}(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[\w.-]+)?\s+([^>]+)>")
_TAG = re.compile(r"</?[a-z\d][^<>]*>|\{\\[^{}]*\}", re.IGNORECASE)
# "[Music]", "[ __ ]" where a machine bleeped a word out, "(applause)", notes around what is sung.
_SOUND = re.compile(
    r"\[[^\[\]]{0,60}\]|【[^】]{0,60}】|♪+|♫+|#(?=\s)|"
    r"\((?:[^()]{0,30}\b)?(?:applause|laugh\w*|laughter|music|cheer\w*|sighs?|coughs?|inaudible|crosstalk|"
    r"audience|silence|pause|chuckl\w*|clears throat|indistinct)\b[^()]{0,30}\)",
    re.IGNORECASE,
)
_TURN = re.compile(r"^(?:>>+|&gt;&gt;|[-–—](?=\s?[^\W\d_\"“‘]))\s*")
_ENDED = re.compile(r"[.!?…。！？][\"”’»)\]]*$")

_ABUTS = 0.25
"""Seconds between captions that roll on from each other."""
_SURELY = 3
"""Words that come again in captions that roll, however long it took."""
_PAUSE, _LONG_PAUSE = 3.0, 8.0
"""Seconds of silence that part paragraphs: after a sentence, or anywhere."""
_PARAGRAPH, _LONGEST = 150, 300
"""Words after which a paragraph ends at the next sentence, or pause; and where it ends without either."""


class Cue(NamedTuple):
    """A caption: from when to when, in seconds, and its lines."""

    start: float
    end: float
    lines: list[str]


def read_captions(data: bytes) -> list[Block]:
    """The words of captions as paragraphs, the sounds that they name beside them.

    Raises:
        InputError: it is no text.
    """
    return join_cues(list(_cues(decode_file(data))))


def join_cues(cues: list[Cue]) -> list[Block]:
    """Captions as paragraphs, the sounds that they name beside them."""
    blocks: list[Block] = []
    pieces: list[str] = []

    def end_paragraph() -> None:
        if text := " ".join(unwrapped(pieces).split()):
            blocks.append(Block(text))
        pieces.clear()

    rolling = _roll(cues)
    spoken = _speakers(cues)
    words_before, voice, ended = list[str](), "", 0.0
    for cue in cues:
        lines, sounds = _clean(cue.lines)
        blocks += (Block(sound, Kind.SOUND) for sound in sounds if not blocks or blocks[-1].text != sound)
        words = " ".join(lines).split()
        if not words:
            continue
        pause = cue.start - ended
        repeated = _overlap(words_before, words) if rolling else 0
        if repeated >= _SURELY or pause < _ABUTS:
            lines = _without(lines, repeated)
        for line in lines:
            said = _TURN.sub("", line)
            label = label_of(said)
            if label and label.name in spoken and label.name == voice:
                said = label.speech
            elif (label and label.name in spoken) or said != line or _breaks(pieces, pause):
                end_paragraph()
                voice = label.name if label else ""
            pause = 0.0
            pieces.append(said)
        words_before, ended = words, cue.end
    end_paragraph()
    return blocks


def stamped_cues(lines: Sequence[str]) -> list[Cue] | None:
    """The captions in a text whose lines stand below times, as players show them; None if it is no such text.

    ``0:05``, the words of that moment on the next line, ``0:09``, and so on.
    """
    full = [line.strip() for line in lines if line.strip()]
    stamps = [n for n, line in enumerate(full) if _STAMP.fullmatch(line)]
    if len(stamps) < _STAMPS or 4 * len(stamps) < len(full) or stamps[0] > 3:
        return None
    cues = [Cue(0.0, 0.0, full[: stamps[0]])] if stamps[0] else []
    for at, following in pairwise([*stamps, len(full)]):
        start = _clock(full[at])
        cues.append(Cue(start, start, full[at + 1 : following]))
    # A line lasts until the next one: only its own times tell of pauses.
    return [Cue(a.start, max(a.start, b.start), a.lines) for a, b in pairwise([*cues, cues[-1]])]


_STAMP = re.compile(r"[\[(]?(?:\d{1,2}:)?\d{1,3}:\d\d[\])]?")
_STAMPS = 3
"""Lone times that make captions of a text."""


def _clock(stamp: str) -> float:
    seconds = 0
    for part in stamp.strip("[]()").split(":"):
        seconds = 60 * seconds + int(part)
    return float(seconds)


def _speakers(cues: list[Cue]) -> set[str]:
    """The names that stand before what is said, where several lines begin with one that comes again."""
    labels = [label_of(line) for cue in cues for line in _clean(cue.lines)[0]]
    names = Counter(label.name for label in labels if label)
    several = sum(count for count in names.values() if count > 1) > 2
    return {name for name in names if several or (name.isupper() and len(name) > 1)}


def _cues(text: str) -> Iterator[Cue]:
    times: tuple[float, float] | None = None
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if match := _CUE.match(line):
            if times:
                if lines and lines[-1].strip().isdecimal():
                    lines.pop()  # the number of the next one, with no empty line above it
                yield Cue(*times, lines)
            times, lines = (_seconds(match, 1), _seconds(match, 5)), []
        elif not line:
            if times:
                yield Cue(*times, lines)
            times, lines = None, []
        elif times:
            lines.append(line)


def _seconds(match: re.Match[str], first: int) -> float:
    hours, minutes, seconds, part = (match[first + n] or "0" for n in range(4))
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + int(part.ljust(3, "0")) / 1000


def _clean(lines: list[str]) -> tuple[list[str], list[str]]:
    """A caption's lines without tags and sounds, and the sounds."""
    kept: list[str] = []
    sounds: list[str] = []
    for line in lines:
        text = _VOICE.sub(lambda match: f"{match[1].strip()}: ", line)
        text = html.unescape(_TAG.sub("", text)).replace("\u00a0", " ")
        sounds += (
            s for s in (" ".join(found.split()) for found in _SOUND.findall(text)) if any(map(str.isalpha, s))
        )
        text = " ".join(_SOUND.sub(" ", text).split())
        if any(map(str.isalnum, text)):
            kept.append(text)
    return kept, sounds


def _roll(cues: list[Cue]) -> bool:
    """Whether captions repeat what stands above, as those do that roll up line by line or word by word."""
    words = [" ".join(_clean(cue.lines)[0]).split() for cue in cues]
    full = [words_of for words_of in words if words_of]
    return sum(_overlap(a, b) > 0 for a, b in pairwise(full)) > 0.4 * max(1, len(full) - 1)


def _overlap(before: list[str], words: list[str]) -> int:
    """How many words at the end of one caption are those at the beginning of the next."""
    most = min(len(before), len(words))
    return next((n for n in range(most, 0, -1) if before[-n:] == words[:n]), 0)


def _without(lines: list[str], count: int) -> list[str]:
    """Lines without their first so many words."""
    left: list[str] = []
    for line in lines:
        words = line.split()
        if len(words) > count:
            left.append(" ".join(words[count:]))
        count = max(0, count - len(words))
    return left


def _breaks(pieces: list[str], pause: float) -> bool:
    """Whether a paragraph ends here."""
    if not pieces:
        return False
    words = sum(len(piece.split()) for piece in pieces)
    ended = _ENDED.search(pieces[-1]) is not None
    if pause >= _LONG_PAUSE or (ended and (pause >= _PAUSE or words >= _PARAGRAPH)):
        return True
    punctuated = any(_ENDED.search(piece) for piece in pieces)
    return not punctuated and (words >= _LONGEST or (words >= _PARAGRAPH and pause >= 1))
