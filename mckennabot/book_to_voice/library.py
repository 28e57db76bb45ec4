"""The sources of a voice: read, freed of what they share, and kept as corpus files in ``data/<run>/``."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from mckennabot import __version__, places
from mckennabot.book_to_voice.repeats import find_repeats
from mckennabot.config import ExtractSettings
from mckennabot.corpus import parse, read_text, render
from mckennabot.errors import InputError, MckennabotError, PasswordNeeded, UsageError
from mckennabot.extract import extract_book
from mckennabot.extract.accounts import account, warnings
from mckennabot.extract.book import Book
from mckennabot.extract.worker import fingerprint
from mckennabot.places import Spot
from mckennabot.reporter import Bar, Reporter
from mckennabot.system.files import make_directories, write_atomic, write_error
from mckennabot.system.stored import write_json
from mckennabot.system.terminal import shown

MANIFEST = ".voice.json"
"""In the directory of the texts: which sources they were made of, and how."""
_WORD = re.compile(r"[^\W\d_]+")
HELD_OUT = 0.05
"""Share of each source that ``--per-book`` holds out."""


@dataclass
class Text:
    """A source and its text.

    Attributes:
        source: the file.
        segments: its text.
        account: what extraction says of it, as ``report.json`` has it later.
        spots: where each paragraph stood; none where nothing is known.
        repeated: (title, name of the source that has it too) of chapters left out here.
        contains: names of sources that are wholly in this one.
    """

    source: Path
    segments: list[list[str]]
    account: dict[str, Any]
    spots: list[Spot] = field(default_factory=list)
    repeated: list[tuple[str, str]] = field(default_factory=list)
    contains: list[str] = field(default_factory=list)

    @property
    def words(self) -> int:
        """How many it has."""
        return sum(len(paragraph.split()) for segment in self.segments for paragraph in segment)


@dataclass(frozen=True)
class Library:
    """All texts of a voice.

    Attributes:
        texts: each source that has something of its own.
        failed: sources that could not be read.
        files: the corpus files, in the order in which they are learnt.
        held_out: the share at their end to hold out; None leaves that to `finetune`.
    """

    texts: list[Text]
    failed: list[MckennabotError]
    files: list[Path] = field(default_factory=list)
    held_out: float | None = None

    @property
    def words(self) -> int:
        """How many there are in all."""
        return sum(text.words for text in self.texts)

    @property
    def counts(self) -> Counter[str]:
        """How often each word occurs, in lower case."""
        counts: Counter[str] = Counter()
        for text in self.texts:
            for segment in text.segments:
                for paragraph in segment:
                    counts.update(_WORD.findall(paragraph.lower()))
        return counts


def read(sources: Sequence[Path], settings: ExtractSettings, reporter: Reporter) -> Library:
    """Read every source, and leave out what an earlier or longer one has too.

    Args:
        sources: files.
        settings: how to read them.
        reporter: shows how far it is; warned of sources that cannot be read.

    Raises:
        InputError: none of them can be read.
    """
    texts: list[Text] = []
    failed: list[MckennabotError] = []
    for source in sources:
        try:
            book = _extract(source, settings, reporter)
        except (InputError, UsageError) as error:
            if isinstance(error, PasswordNeeded):
                error.hint = "Give it with --password."
            failed.append(error)
            continue
        told = account(source, book.report) | {"warnings": list(warnings(book.report))}
        if not book.spans:  # an EPUB or a text, whose report counts its documents
            told["pages"] = 0
        texts.append(Text(source, book.segments, told, book.spots))
    if not texts:
        raise failed[0]
    for failure in failed:
        reporter.warn(f"left out: {failure}" + (f" ({failure.hint})" if failure.hint else ""))
    return Library(_without_repeats(texts), failed)


def _extract(source: Path, settings: ExtractSettings, reporter: Reporter) -> Book:
    bar: Bar | None = None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        bar = bar or reporter.bar(total, "page", name=shown(source.name))
        bar.at(done)

    try:
        return extract_book(source, settings, progress)
    finally:
        if bar is not None:
            bar.close()


def _without_repeats(texts: list[Text]) -> list[Text]:
    """The texts that have something of their own, in the order given; what stands twice is in one of them."""
    # The longest first, so that a collection keeps the lecture that is also there alone. Of two that are
    # the same book, what is no PDF: it has no lines to be joined again.
    ranked = sorted(texts, key=lambda text: -text.words * (1.0 if text.account.get("pages") else 1.1))
    for text, repeats in zip(ranked, find_repeats([text.segments for text in ranked]), strict=True):
        for repeat in repeats:
            title = " ".join(text.segments[repeat.segment][0].split())[:80]
            text.repeated.append((title, ranked[repeat.other].source.name))
        gone = {repeat.segment for repeat in repeats}
        left = [segment for i, segment in enumerate(text.segments) if i not in gone]
        kept_words = sum(len(paragraph.split()) for segment in left for paragraph in segment)
        if gone and kept_words < max(50, text.words // 20):  # a title page and the like of its own
            keeper = Counter(repeat.other for repeat in repeats).most_common(1)[0][0]
            ranked[keeper].contains.append(text.source.name)
            left = []
        if text.spots:
            owners = [i for i, segment in enumerate(text.segments) for _ in segment]
            text.spots = [spot for spot, i in zip(text.spots, owners, strict=True) if i not in gone]
        text.segments = left
    return [text for text in texts if text.segments]


def write(library: Library, directory: Path, key: dict[str, Any], *, per_book: bool) -> Library:
    """Write each text as a corpus file, and beside it what is known of it.

    Args:
        library: to be written.
        directory: of the corpus files.
        key: from `describe`; the same again finds the files.
        per_book: hold out the end of each source instead of the end of the last.

    Raises:
        UsageError: a text there was edited by hand; or the directory cannot be written to.
        ResourceError: no room.
    """
    names = _names(library.texts)
    bodies: dict[str, str] = {}
    told: dict[str, Any] = {}
    tails: dict[str, str] = {}
    spots: dict[str, str] = {}
    held_out = None
    for name, text in zip(names, library.texts, strict=True):
        segments, known = text.segments, text.spots
        if per_book and len(library.texts) > 1:
            segments, tail = _cut(segments, round(text.words * HELD_OUT))
            tails[f"{name}-held-out.txt"] = render(tail)
            before = sum(map(len, segments))
            spots[f"{name}-held-out.txt"] = places.render(tail, known[before:]) if known else ""
            known = known[:before]
        spots[f"{name}.txt"] = places.render(segments, known) if known else ""
        bodies[f"{name}.txt"] = render(segments)
        told[f"{name}.json"] = {**text.account, "repeated": text.repeated, "contains": text.contains}
    bodies |= tails
    if tails:
        sizes = {name: len(body) for name, body in bodies.items()}
        held_out = sum(sizes[name] for name in tails) / sum(sizes.values())
    try:
        make_directories(directory)
        _refuse_edited(directory, bodies)
    except OSError as error:
        raise write_error(error, directory) from error
    for name, body in bodies.items():
        write_atomic(directory / name, body)
        places.save(directory / name, spots[name])
    for name, content in told.items():
        write_atomic(directory / name, write_json(content, indent=2) + "\n")
    manifest = {
        "key": key,
        "files": {name: _digest(body) for name, body in bodies.items()},
        "held_out": held_out,
    }
    write_atomic(directory / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return replace(library, files=[directory / name for name in bodies], held_out=held_out)


def describe(sources: Sequence[Path], settings: ExtractSettings, per_book: bool) -> dict[str, Any]:
    """Everything that the texts depend on.

    Raises:
        InputError: a source cannot be read.
    """
    how = {k: sorted(v) if k == "keep" else v for k, v in asdict(settings).items()}
    del how["password"], how["jobs"]
    sums = [[str(source.absolute()), fingerprint(source).sha256] for source in sources]
    return {"sources": sums, "how": how, "per_book": per_book, "version": __version__}


def find_written(directory: Path, key: dict[str, Any]) -> Library | None:
    """Return what an earlier call wrote for the same sources; None where that is not all there."""
    manifest = _manifest(directory)
    if json.loads(json.dumps(key)) != manifest.get("key"):
        return None
    texts: list[Text] = []
    files = [directory / name for name in manifest["files"]]
    try:
        for file in files:
            segments = parse(read_text(file))
            beside = file.with_suffix(".json")
            if not beside.is_file():  # a part held out
                texts[-1].segments += segments
                continue
            told = json.loads(beside.read_bytes())
            texts.append(
                Text(
                    source=Path(told["source"]),
                    segments=segments,
                    account=told,
                    repeated=told.get("repeated", []),
                    contains=told.get("contains", []),
                )
            )
    except (InputError, OSError, ValueError, KeyError, IndexError):
        return None
    return Library(texts, [], files, manifest.get("held_out"))


def _refuse_edited(directory: Path, bodies: dict[str, str]) -> None:
    written = _manifest(directory).get("files", {})
    for name, body in bodies.items():
        path = directory / name
        if not path.is_file():
            continue
        there = path.read_bytes()
        if there != body.encode() and written.get(name) != hashlib.sha256(there).hexdigest():
            raise UsageError(
                "another text is there, or this one was edited",
                path=path,
                hint="Choose another --run, or move it away. To learn from it: mckennabot finetune.",
            )


def _manifest(directory: Path) -> dict[str, Any]:
    try:
        found = json.loads((directory / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("files"), dict) else {}


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _names(texts: Sequence[Text]) -> list[str]:
    """Return a name for each corpus file: the source's, with its kind or a number where two have the same."""
    names: list[str] = []
    for text in texts:
        stem, kind = text.source.stem or "text", text.source.suffix.lstrip(".").lower()
        tries = [stem, f"{stem}-{kind}", *(f"{stem}-{n}" for n in range(2, len(texts) + 2))]
        names.append(next(name for name in tries if name not in names))
    return names


def _cut(segments: list[list[str]], tail: int) -> tuple[list[list[str]], list[list[str]]]:
    """The segments without their last words, about `tail` of them, and those; cut between paragraphs."""
    head = [list(segment) for segment in segments]
    end: list[list[str]] = [[]]
    taken = 0
    while head and taken < tail:
        paragraph = head[-1].pop()
        end[0].insert(0, paragraph)
        taken += len(paragraph.split())
        if not head[-1]:
            head.pop()
            end.insert(0, [])
    return head, [segment for segment in end if segment]
