"""Read captions of films and talks (.vtt, .srt, .sbv) as flowing text: each word once, no times, no tags."""

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
# "[Music]", "[ __ ]" for a word that a machine left out, "(applause)", notes around what is sung.
_SOUND = re.compile(
    r"\[[^\[\]]{0,60}\]|【[^】]{0,60}】|♪+|♫+|#(?=\s)|"
    r"\((?:[^()]{0,30}\b)?(?:applause|laugh\w*|laughter|music|cheer\w*|sighs?|coughs?|inaudible|crosstalk|"
    r"audience|silence|pause|chuckl\w*|clears throat|indistinct)\b[^()]{0,30}\)",
    re.IGNORECASE,
)
_TURN = re.compile(r"^(?:>>+|&gt;&gt;|[-–—](?=\s?[^\W\d_\"“‘]))\s*")
_ENDED = re.compile(r"[.!?…。！？][\"”’»)\]]*$")

_ROLLING = 0.4
"""Share of captions that repeat words of the one above if they roll, as automatic ones of YouTube do."""
_ABUTS = 0.25
"""Seconds between captions of which one continues the other: only then are a few same words a repetition."""
_SURELY = 3
"""Words that are a repetition in captions that roll, whatever the time between."""
_PAUSE, _LONG_PAUSE = 3.0, 8.0
"""Seconds of silence that end a paragraph: after a sentence, or anywhere."""
_PARAGRAPH, _LONGEST = 150, 300
"""Words after which a paragraph ends at the next sentence, or, without punctuation, at the next short pause;
and after which it ends without either."""
_SHORT_PAUSE = 1.0
"""Seconds of silence in speech without punctuation, as machines write it down."""
_NAMED_LINES = 2
"""Lines with a name that comes again, above which names before a colon are speakers."""


class Cue(NamedTuple):
    """A caption: from when to when, in seconds, and its lines."""

    start: float
    end: float
    lines: list[str]


def read_captions(data: bytes) -> list[Block]:
    """Return the words of captions as paragraphs, and the sounds that they name as blocks of their own.

    Raises:
        InputError: it is not text.
    """
    return join_cues(list(_cues(decode_file(data))))


def join_cues(cues: list[Cue]) -> list[Block]:
    """Join captions into paragraphs; the sounds that they name become blocks of their own."""
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
        # Rolling captions show a line again while the next one appears.
        repeated = _overlap(words_before, words) if rolling else 0
        if repeated >= _SURELY or pause < _ABUTS:
            lines = _without(lines, repeated)
        for line in lines:
            said = _TURN.sub("", line)
            label = label_of(said)
            # Captions repeat the name of whoever goes on speaking; the text has it once.
            if label and label.name in spoken and label.name == voice:
                said = label.speech
            # Another speaker, a mark such as >> for a change of speaker, or a pause.
            elif (label and label.name in spoken) or said != line or _breaks(pieces, pause):
                end_paragraph()
                voice = label.name if label else ""
            pause = 0.0
            pieces.append(said)
        words_before, ended = words, cue.end
    end_paragraph()
    return blocks


def stamped_cues(lines: Sequence[str]) -> list[Cue] | None:
    """Return the captions in a text copied from a player: ``0:05``, the words on the next line, ``0:09``.

    Returns:
        The captions; None for any other text.
    """
    full = [line.strip() for line in lines if line.strip()]
    stamps = [n for n, line in enumerate(full) if _STAMP.fullmatch(line)]
    if len(stamps) < _STAMPS or _LINES_A_STAMP * len(stamps) < len(full) or stamps[0] > _TITLE_LINES:
        return None
    cues = [Cue(0.0, 0.0, full[: stamps[0]])] if stamps[0] else []
    for at, following in pairwise([*stamps, len(full)]):
        start = _clock(full[at])
        cues.append(Cue(start, start, full[at + 1 : following]))
    # Each lasts until the next one, since only starts are known: no pause ends a paragraph here.
    return [Cue(a.start, max(a.start, b.start), a.lines) for a, b in pairwise([*cues, cues[-1]])]


_STAMP = re.compile(r"[\[(]?(?:\d{1,2}:)?\d{1,3}:\d\d[\])]?")
_STAMPS, _LINES_A_STAMP, _TITLE_LINES = 3, 4, 3
"""Times alone on a line that make captions of a text, lines to each at most, and lines above the first."""


def _clock(stamp: str) -> float:
    seconds = 0
    for part in stamp.strip("[]()").split(":"):
        seconds = 60 * seconds + int(part)
    return float(seconds)


def _speakers(cues: list[Cue]) -> set[str]:
    """Return the names of speakers: those before a colon, if several lines begin with one that comes again.

    Names in capitals count in any case.
    """
    labels = [label_of(line) for cue in cues for line in _clean(cue.lines)[0]]
    names = Counter(label.name for label in labels if label)
    several = sum(count for count in names.values() if count > 1) > _NAMED_LINES
    return {name for name in names if several or (name.isupper() and len(name) > 1)}


def _cues(text: str) -> Iterator[Cue]:
    """Yield the captions of a file; headers, styles and numbers between them are skipped."""
    times: tuple[float, float] | None = None
    lines: list[str] = []
    for line in [*text.split("\n"), ""]:
        if match := _CUE.match(line):
            if times:
                # In .srt files without empty lines the number of the next caption ends this one.
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
    """Return a caption's lines without tags and sounds, and the sounds."""
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
    """Return whether captions roll up line by line or word by word, and so repeat what stands above."""
    words = [" ".join(_clean(cue.lines)[0]).split() for cue in cues]
    full = [words_of for words_of in words if words_of]
    return sum(_overlap(a, b) > 0 for a, b in pairwise(full)) > _ROLLING * max(1, len(full) - 1)


def _overlap(before: list[str], words: list[str]) -> int:
    """Return how many words at the end of one caption begin the next one."""
    most = min(len(before), len(words))
    return next((n for n in range(most, 0, -1) if before[-n:] == words[:n]), 0)


def _without(lines: list[str], count: int) -> list[str]:
    """Return lines without their first `count` words."""
    left: list[str] = []
    for line in lines:
        words = line.split()
        if len(words) > count:
            left.append(" ".join(words[count:]))
        count = max(0, count - len(words))
    return left


def _breaks(pieces: list[str], pause: float) -> bool:
    """Return whether a paragraph ends before the next line, after a pause of so many seconds."""
    if not pieces:
        return False
    words = sum(len(piece.split()) for piece in pieces)
    ended = _ENDED.search(pieces[-1]) is not None
    if pause >= _LONG_PAUSE or (ended and (pause >= _PAUSE or words >= _PARAGRAPH)):
        return True
    # Automatic captions have no full stops to wait for.
    punctuated = any(_ENDED.search(piece) for piece in pieces)
    return not punctuated and (words >= _LONGEST or (words >= _PARAGRAPH and pause >= _SHORT_PAUSE))
