"""Tells who says what in talks and interviews, by the labels that stand before the speeches.

``Name: speech``, ``[00:10:25] Name: speech``, ``Name  10:25`` or a name alone, with the speech below it.
A label is a name that comes again, so a colon in the midst of prose does not make one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mckennabot.errors import UsageError
from mckennabot.extract.books.word_count import count_words
from mckennabot.extract.kinds import Kind

_GAP = r"\s{0,24}"
_DATE = r"\d{1,4}[./-]\d{1,2}[./-]\d{2,4},?\s{1,4}"
_TIME = rf"[\[(]?(?:{_DATE})?(?:\d{{1,2}}:)?\d{{1,2}}:\d\d(?:[.,]\d{{1,3}})?[\])]?"
_STAMP = re.compile(rf"{_TIME}{_GAP}[-–—]?{_GAP}")
_COLON = re.compile(
    rf"(?P<name>[^:：\n]{{1,40}}?){_GAP}(?P<time>{_TIME})?{_GAP}[:：](?=\s|$|[*_])[*_]*\s*(?P<speech>.*)",
    re.DOTALL,
)
_TIMED = re.compile(rf"(?P<name>[^:：\n\d]{{2,40}}?)[,\s]{_GAP}(?P<time>{_TIME})\s*(?P<speech>.*)", re.DOTALL)
_ROLES = re.compile(
    r"(?:unidentified |male |female |new )?(?:audience(?: member)?|interviewer|moderator|host|guest|speaker|"
    r"questioner|man|woman|voice|narrator|announcer|question|answer|student|caller|q|a|all|both|everyone)"
    r"s?\s?#?\d{0,2}",
    re.IGNORECASE,
)
_JOINING = frozenset(
    ("de", "van", "von", "der", "den", "da", "di", "la", "le", "al", "bin", "ibn", "of", "and", "&", "und")
)
_ENDED = re.compile(r"[.!?…。！？:\])][\"”’»)\]]*$")
_SOUND = re.compile(r"[\[(*_]{1,3}[^\[\]()]{1,40}[\])*_]{1,3}[.]?")
_SOUND_INSIDE = re.compile(
    r"\s*[\[(](?:[^\[\]()]{0,20}\b)?(?:applause|laugh\w*|music|cheer\w*|sighs?|coughs?|inaudible|crosstalk|"
    r"pause|chuckl\w*|clears throat|indistinct|unintelligible)\b[^\[\]()]{0,20}[\])]",
    re.IGNORECASE,
)
_NO_NAME = re.compile(r"[!?;\"“”«»/=<>]|\.{2}")
_BEGINNING = 120
"""Characters that a label takes at most, with what stands before it."""
_NAME_WORDS = 5
"""Words of a name at most, as "Dr. Anna van der Moor"."""
_BARE_WORDS, _BARE_LENGTH = 3, 40
"""Words and characters at most of a name alone above its speech; longer lines are headings."""
_LABELS = 3
"""Labels that make a transcript."""
_PARAGRAPHS_EACH = 5
"""Paragraphs for each label at most: a speech may have several, but a book with a few colons has hundreds."""
_SPEAKERS = 12
"""Names that a transcript may have however few labels it has; a list of terms has a name for each."""
_AFTER_ENDS = 0.8
"""Share of the labels in typed text that stand below the end of a sentence."""
_DOMINATES, _TURNS = 0.8, 8
"""Share of the words, of so many turns, that makes a text one speaker's."""


class Label(NamedTuple):
    """The beginning of a speech.

    Attributes:
        name: of the speaker.
        time: the time stamp beside it, "" for none.
        speech: what follows on the same line, or below.
    """

    name: str
    time: str
    speech: str


@dataclass
class Voices:
    """What becomes of each paragraph.

    Attributes:
        texts: each paragraph's text, without its label where it goes.
        kinds: the kind of each that is left out; None for the others.
        said: what to report to the user.
        stamps: time stamps that were taken out.
    """

    texts: list[str]
    kinds: list[Kind | None]
    said: list[str] = field(default_factory=list)
    stamps: int = 0


def label_of(text: str) -> Label | None:
    r"""Return the label with which a paragraph begins, if what stands there could be a name.

    >>> label_of("Anna Moor: The lamp was out.")
    Label(name='Anna Moor', time='', speech='The lamp was out.')
    >>> label_of("Anna Moor  10:25\nThe lamp was out.").time, label_of("And so: nothing") is None
    ('10:25', True)
    """
    if ":" not in text[:_BEGINNING] and "：" not in text[:_BEGINNING]:
        return None
    stamp = _STAMP.match(text)
    rest = text[stamp.end() :] if stamp else text
    first, _, below = rest.partition("\n")
    match = _COLON.match(rest) or _TIMED.fullmatch(first)
    if match is None or not _is_name(match["name"]):
        return None
    speech = (
        match["speech"]
        if match.re is _COLON
        else "\n".join(part for part in (match["speech"], below) if part)
    )
    time = match["time"] or (stamp[0].strip(" -–—") if stamp else "")
    return Label(" ".join(match["name"].split()).strip("*_[]() "), time, speech.strip())


def labels_in(paragraphs: Sequence[str], wanted: str | None = None) -> dict[int, Label]:
    """Return the labels of a text, by paragraph; none unless it is a talk between people.

    A name that occurs but once counts among names that come again if it is a role, a full name or in
    capitals.

    Args:
        paragraphs: in order.
        wanted: a speaker whom the user names, so that it is such a talk however few labels it has.
    """
    found = {n: label for n, text in enumerate(paragraphs) if (label := label_of(text))}
    again = _again(found)
    known = again if len(found) >= _LABELS else set()
    found.update({n: label for n, label in _bare_names(paragraphs, known).items() if n not in found})
    again = _again(found)
    if wanted is None:
        names = {label.name.casefold() for label in found.values()}
        few = len(found) < _LABELS or _PARAGRAPHS_EACH * len(found) < len(paragraphs)
        if few or not again or len(names) > max(_SPEAKERS, len(found) // 2):
            return {}
    return {
        n: label
        for n, label in found.items()
        if label.name.casefold() in again
        or (wanted and wanted.strip().casefold() in label.name.casefold())
        or _ROLES.fullmatch(label.name)
        or len(label.name.split()) > 1
        or label.name.isupper()
    }


def _again(labels: dict[int, Label]) -> set[str]:
    """Return the names that come again."""
    names = Counter(label.name.casefold() for label in labels.values())
    return {name for name, count in names.items() if count > 1}


def label_lines(lines: Sequence[str]) -> frozenset[int]:
    """Return the places of typed lines that begin a speech, whether or not an empty line stands above.

    The line above a speech ends a sentence: ``London: …`` inside an entry of a bibliography follows none.
    """
    found = {n: label for n, line in enumerate(lines) if line and (label := label_of(line))}
    names = Counter(label.name.casefold() for label in found.values())
    again = [n for n, label in found.items() if names[label.name.casefold()] > 1]
    ended = sum(n == 0 or not lines[n - 1] or bool(_ENDED.search(lines[n - 1])) for n in again)
    return frozenset(again if len(again) >= _LABELS and ended >= _AFTER_ENDS * len(again) else ())


def part_voices(paragraphs: Sequence[str], headings: Sequence[bool], speaker: str | None) -> Voices:
    """Keep one speaker's words of a talk; or drop the labels of a talk that is one speaker's.

    Args:
        paragraphs: in order.
        headings: which of them are headings; those stay.
        speaker: whose words to keep, by any part of the name; None keeps all.

    Raises:
        UsageError: nobody of that name speaks.
    """
    voices = Voices(list(paragraphs), [None] * len(paragraphs))
    labels = labels_in(paragraphs, speaker)
    words: Counter[str] = Counter()
    names: dict[str, str] = {}
    speaking: list[str] = []
    now = ""
    for n, text in enumerate(paragraphs):
        if n in labels:
            now = labels[n].name.casefold()
            names.setdefault(now, labels[n].name)
        speaking.append("" if headings[n] else now)
        words[speaking[-1]] += count_words(labels[n].speech if n in labels else text)
    spoken = sum(count for name, count in words.items() if name)
    if speaker is not None:
        _keep_one(voices, labels, speaking, headings, _chosen(speaker, names))
        return voices
    if not spoken:
        return voices
    most = max((name for name in words if name), key=lambda name: words[name])
    if len(labels) >= _TURNS and words[most] >= _DOMINATES * spoken:
        for n, label in labels.items():
            _drop_label(voices, n, label)
        share = f"{100 * words[most] // spoken}%"
        voices.said.append(
            f"names of speakers dropped: {names[most]} says {share} (--speaker keeps one voice alone)"
        )
    elif len(names) > 1:
        listed = ", ".join(names[name] for name, _ in words.most_common(6) if name)
        voices.said.append(f"several speak: {listed}; --speaker NAME keeps one of them")
    return voices


def _keep_one(
    voices: Voices, labels: dict[int, Label], speaking: Sequence[str], headings: Sequence[bool], wanted: str
) -> None:
    for n, text in enumerate(voices.texts):
        if headings[n]:
            continue
        if _SOUND.fullmatch(text.strip()):
            voices.kinds[n] = Kind.SOUND
        elif speaking[n] != wanted:
            voices.kinds[n] = Kind.OTHERS
        else:
            if n in labels:
                _drop_label(voices, n, labels[n])
            voices.texts[n] = _SOUND_INSIDE.sub("", voices.texts[n]).strip()


def _drop_label(voices: Voices, place: int, label: Label) -> None:
    voices.stamps += bool(label.time)
    if label.speech:
        voices.texts[place] = label.speech
    else:
        voices.kinds[place] = Kind.OTHERS  # a name alone above its speech


def _chosen(speaker: str, names: dict[str, str]) -> str:
    wanted = speaker.strip().casefold()
    if wanted in names:
        return wanted
    like = [name for name in names if re.search(rf"\b{re.escape(wanted)}\b", name)]
    if len(like) == 1:
        return like[0]
    if not names:
        raise UsageError(f"no speaker {speaker!r}: nobody is named before what is said")
    listed = ", ".join(list(names.values())[:8])
    what = f"several speakers are {speaker!r}" if like else f"no speaker {speaker!r}"
    raise UsageError(what, hint=f"There are: {listed}.")


def _bare_names(paragraphs: Sequence[str], known: set[str]) -> dict[int, Label]:
    """Return names alone above each speech, in capitals or known from other labels, two at least."""
    found: dict[int, Label] = {}
    for n, text in enumerate(paragraphs):
        first, _, below = text.partition("\n")
        name = first.strip(" .:*_[]")
        if len(name) > _BARE_LENGTH or not _is_name(name) or len(name.split()) > _BARE_WORDS:
            continue
        follows = below or (n + 1 < len(paragraphs) and len(paragraphs[n + 1]) > len(name))
        if follows and (name.isupper() or name.casefold() in known or below or _ROLES.fullmatch(name)):
            found[n] = Label(name, "", below.strip())
    again = _again(found)
    times = sum(label.name.casefold() in again for label in found.values())
    alternating = len(again | known) > 1 and times > _LABELS
    if not alternating:
        return {}
    return {
        n: label
        for n, label in found.items()
        if label.name.casefold() in again or _ROLES.fullmatch(label.name)
    }


def _is_name(text: str) -> bool:
    """Return whether a text could be a name: a few words, with capitals if the script has any."""
    bare = re.sub(r"\([^()]*\)$", "", text.strip("*_[] ")).strip()
    if not bare or _ROLES.fullmatch(bare):
        return bool(bare)
    words = bare.split()
    if len(words) > _NAME_WORDS or not any(map(str.isalpha, bare)) or _NO_NAME.search(bare):
        return False
    return not words[0][0].isdecimal() and not any(
        word[0].islower() for word in words if word.casefold() not in _JOINING
    )
