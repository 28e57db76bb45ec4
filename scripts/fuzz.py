"""Hostile inputs, chosen by a seed: sound documents of each kind, bent where their format is thick.

A book that a reader accepts in part gets further into it than noise does, so most of what is made here is a
sound file with one thing wrong: a length, a reference, a tag, a quote, an encoding.
"""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Callable

from tests.pdfs import book, line

WORDS = [
    "the",
    "sea",
    "is",
    "awake",
    "and",
    "river",
    "dreams",
    "of",
    "Nobody",
    "counted",
    "stars",
    "twice",
    "“quoted”",
    "—",
    "naïve",
    "ﬁne",
    "𝔘",
    "\u202e",
    "\x1b[2J",
]
MAKERS: dict[str, Callable[[random.Random], bytes]] = {}


def maker(suffix: str) -> Callable[[Callable[[random.Random], bytes]], Callable[[random.Random], bytes]]:
    """Register what makes files of a suffix."""

    def register(make: Callable[[random.Random], bytes]) -> Callable[[random.Random], bytes]:
        MAKERS[suffix] = make
        return make

    return register


def hostile(rng: random.Random) -> tuple[str, bytes]:
    """A suffix, and the content of a file that has it."""
    suffix = rng.choice(sorted(MAKERS))
    return suffix, bent(MAKERS[suffix](rng), rng)


def bent(data: bytes, rng: random.Random) -> bytes:
    """Bytes cut, doubled, flipped or swapped in none to a few places."""
    content = bytearray(data)
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
        if not content:
            break
        start = rng.randrange(len(content))
        end = min(len(content), start + rng.choice([1, 1, 4, 30, 500]))
        way = rng.randrange(6)
        if way == 0:
            content[start] ^= 1 << rng.randrange(8)
        elif way == 1:
            del content[start:end]
        elif way == 2:
            content[start:start] = content[start:end] * rng.choice([1, 3, 200])
        elif way == 3:
            content[start:end] = rng.randbytes(end - start)
        elif way == 4:
            del content[start:]
        else:
            content[start:start] = rng.choice(
                [b"\0" * 50, b"<" * 3000, b"(" * 3000, b"[" * 3000, b"\xff\xfe", b"-1"]
            )
    return bytes(content)


def _words(rng: random.Random, most: int = 60) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(rng.randrange(1, most)))


@maker(".pdf")
def pdf(rng: random.Random) -> bytes:
    """Pages of text with operators and numbers that make no sense."""
    size, x = rng.choice([0, -9, 9, 1e6]), rng.randrange(-999, 999)
    odd = _words(rng, 9).encode("latin-1", "replace").decode("latin-1")
    wild = [
        "q " * rng.choice([1, 500]),
        f"{rng.choice([0, -1, 1e9, 1e-9])} 0 0 {rng.choice([0, 1, 1e12])} 0 0 cm",
        f"BT /F1 {size} Tf {x} 0 Td ({odd}) Tj ET",
        "/Nothing Do",
        "BI /W 99999999 /H 99999999 ID x EI",
        "[(a) -1e30 (b)] TJ",
    ]
    pages = []
    for _ in range(rng.randrange(1, 5)):
        parts = [line("Nobody there had ever asked him to count anything.")]
        parts += [rng.choice(wild) for _ in range(rng.randrange(4))]
        rng.shuffle(parts)
        pages.append("\n".join(parts))
    return book(pages)


@maker(".html")
def html(rng: random.Random) -> bytes:
    """Nested, unclosed, mislabelled markup."""
    tags = [
        "div",
        "p",
        "table",
        "tr",
        "td",
        "h1",
        "h2",
        "a",
        "pre",
        "ul",
        "li",
        "blockquote",
        "svg",
        "script",
        "br",
    ]
    out = ["<html><body>", f'<meta charset="{rng.choice(["utf-8", "utf-16", "nonsense", "latin-1"])}">']
    for _ in range(rng.randrange(60)):
        tag = rng.choice(tags)
        depth = rng.choice([1, 1, 1, 400])
        attributes = rng.choice(["", ' id="n1"', ' href="#n1"', f' class="{"x" * 3000}"', " style='&#xD800;"])
        out.append(
            f"<{tag}{attributes}>" * depth + _words(rng) + rng.choice(["", f"</{tag}>", "&#0;&bogus;&amp"])
        )
    return "\n".join(out).encode(rng.choice(["utf-8", "utf-16", "latin-1"]), "replace")


@maker(".md")
def markdown(rng: random.Random) -> bytes:
    """Lists, quotes, links and emphasis, too deep and never closed."""
    out = []
    for _ in range(rng.randrange(40)):
        mark = rng.choice(
            [
                "# ",
                "## ",
                "> ",
                "- ",
                "1. ",
                "| a | b |\n|-",
                "```\n",
                "[x](",
                "![",
                "***",
                "    ",
                "<div>",
                "[^1]: ",
            ]
        )
        out.append(mark * rng.choice([1, 1, 1, 60, 2000]) + _words(rng))
    return "\n\n".join(out).encode("utf-8", "replace")


@maker(".epub")
def epub(rng: random.Random) -> bytes:
    """An archive whose package, table of contents and pages disagree."""
    buffer = io.BytesIO()
    spine = [f"c{i}" for i in range(rng.randrange(1, 5))]
    items = "".join(
        f'<item id="{name}" href="{rng.choice([name + ".xhtml", "../../etc/passwd", "", "gone.xhtml"])}" '
        f'media-type="application/xhtml+xml"/>'
        for name in spine
    )
    package = (
        f'<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><manifest>{items}</manifest><spine>'
        + "".join(f'<itemref idref="{rng.choice([*spine, "none"])}"/>' for _ in spine) + "</spine></package>"
    )  # fmt: skip
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="p.opf"/></rootfiles></container>'
    )
    entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    with zipfile.ZipFile(buffer, "w") as archive:
        packed = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])

        def put(name: str, content: str | bytes) -> None:
            member = zipfile.ZipInfo(name)  # of 1980: the time of the day is nothing that a seed gives
            member.compress_type = packed
            archive.writestr(member, content)

        put("mimetype", "application/epub+zip")
        put("META-INF/container.xml", bent(container.encode(), rng) if rng.random() < 0.2 else container)
        put("p.opf", bent(package.encode(), rng) if rng.random() < 0.3 else package)
        for name in spine:
            put(f"{name}.xhtml", rng.choice(["", entities]).encode() + html(rng))
    return buffer.getvalue()


@maker(".vtt")
def captions(rng: random.Random) -> bytes:
    """Cues whose times run backwards, overlap or are no times."""
    times = ["00:00:01.000", "00:00:00.500", "99:99:99.999", "1:2", "", "00:00:01,000"]
    out = [rng.choice(["WEBVTT", "WEBVTT kind", "\ufeffWEBVTT", ""])]
    for number in range(rng.randrange(50)):
        out.append(
            f"\n{number}\n{rng.choice(times)} --> {rng.choice(times)}{rng.choice(['', ' align:start'])}"
        )
        out.append(
            rng.choice([_words(rng, 12), "<v Nora>" + _words(rng, 9), "NOTE", "<00:00:01.000><c>" * 300])
        )
    return "\n".join(out).encode("utf-8", "replace")


@maker(".srt")
def subtitles(rng: random.Random) -> bytes:
    """The same with commas and numbers."""
    return captions(rng).replace(b"WEBVTT", b"1").replace(b".000", b",000")


@maker(".csv")
def table(rng: random.Random) -> bytes:
    """Rows of different length, quotes that never close, other separators."""
    separator = rng.choice([",", ";", "\t", "|"])
    rows = [separator.join(rng.sample(["id", "date", "tweet", "text", "author", ""], rng.randrange(1, 6)))]
    for number in range(rng.randrange(40)):
        cells = [str(number), _words(rng), f'"{_words(rng)}', '""', f'"{_words(rng, 5)}"', "\0", "x" * 9000]
        rows.append(separator.join(rng.choice(cells) for _ in range(rng.randrange(6))))
    return (
        rng.choice(["\n", "\r\n", "\r"])
        .join(rows)
        .encode(rng.choice(["utf-8", "utf-16", "latin-1"]), "replace")
    )


@maker(".txt")
def text(rng: random.Random) -> bytes:
    """Prose in any encoding, with what is no prose in it."""
    parts = [_words(rng, 300) for _ in range(rng.randrange(1, 30))]
    parts += rng.choices(
        ["<|endoftext|>", "<|startoftext|>", "\0" * 9, "*" * 9000, " " * 9000, "Chapter 1", "\r"], k=4
    )
    rng.shuffle(parts)
    codec = rng.choice(["utf-8", "utf-16", "utf-32", "latin-1", "shift_jis", "cp1251", "utf-7"])
    return "\n".join(parts).encode(codec, "replace")


@maker(".npz")
def tokens(rng: random.Random) -> bytes:
    """gpt-2-simple's arrays of token ids, and others."""
    import numpy as np

    buffer = io.BytesIO()
    array = np.arange(rng.randrange(400))
    arrays = [
        array,
        array % 300,
        array.astype(float),
        -array,
        array.reshape(-1, 1),
        np.array(["text"]),
        np.int32(4),
    ]
    np.savez(buffer, *rng.choices(arrays, k=rng.randrange(3)))
    return buffer.getvalue()


@maker(".toml")
def settings(rng: random.Random) -> bytes:
    """mckennabot.toml with values of any kind."""
    names = [
        "steps",
        "run",
        "length",
        "temperature",
        "stop",
        "keep",
        "pages",
        "jobs",
        "checkpoints",
        "seed",
        "top_k",
    ]
    values = [
        "1",
        "-1",
        '"x"',
        "[1]",
        "true",
        "nan",
        "inf",
        "1979-05-27",
        "{a = 1}",
        '["a", 2]',
        "1e400",
        "''",
        "9" * 30,
    ]
    out = []
    for _ in range(rng.randrange(6)):
        out.append(
            rng.choice(
                ["[extract]", "[finetune]", "[generate]", "[models]", "[[finetune]]", "", "[finetune.steps]"]
            )
        )
        out += [f"{rng.choice(names)} = {rng.choice(values)}" for _ in range(rng.randrange(4))]
    return "\n".join(out).encode()
