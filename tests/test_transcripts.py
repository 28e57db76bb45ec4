"""Talks: captions, transcripts with speakers, chats and tables of texts become the words that were said."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from mckennabot.config import ExtractSettings
from mckennabot.errors import InputError, UsageError
from mckennabot.extract import Book, extract_book
from mckennabot.extract.kinds import Kind
from tests.conftest import Cli
from tests.pdfs import book, line

TALK = [
    "Mira Vale: Well, the lamp hums on one note, and nobody in the street considers it.",
    "And from there we go on to the river.",
    "Audience: Can you say more about the river?",
    "Mira Vale: The river is slow. [laughter] It keeps its letters in the rain.",
    "[Applause]",
    "Moderator: One more question, please.",
    "Mira Vale: No more questions. The lamp is out.",
    "Audience: Who put it out?",
    "Mira Vale: The rain did, I think.",
]
MIRA = [
    "Well, the lamp hums on one note, and nobody in the street considers it.",
    "And from there we go on to the river.",
    "The river is slow. It keeps its letters in the rain.",
    "No more questions. The lamp is out.",
    "The rain did, I think.",
]


def extract(path: Path, text: str, **settings: str) -> Book:
    path.write_text(text, encoding="utf-8")
    return extract_book(path, ExtractSettings(**settings))  # type: ignore[arg-type]


def words(book: Book) -> list[str]:
    return [paragraph for segment in book.segments for paragraph in segment]


# Captions


def rolling(*lines: str) -> str:
    """Captions that roll up as a machine writes them: each line three times, with times between its words."""
    cues, before = ["WEBVTT\nKind: captions\n"], " "
    for n, text in enumerate(lines):
        first, *rest = text.split(" ")
        timed = first + "".join(f"<00:00:{2 * n:02}.500><c> {word}</c>" for word in rest)
        cues.append(
            f"00:00:{2 * n:02}.000 --> 00:00:{2 * n + 1:02}.990 align:start position:0%\n{before}\n{timed}"
        )
        cues.append(
            f"00:00:{2 * n + 1:02}.990 --> 00:00:{2 * n + 2:02}.000 align:start position:0%\n{text}\n "
        )
        before = text
    return "\n\n".join(cues) + "\n"


def test_rolling_captions_give_each_word_once(tmp_path: Path) -> None:
    lines = [
        "so the keys are on the hook",
        "on the hook by the door I said",
        "and [&nbsp;__&nbsp;] nobody",
        "came",
    ]
    book = extract(tmp_path / "talk.vtt", rolling(*lines))
    assert words(book) == ["so the keys are on the hook on the hook by the door I said and nobody came"]


def test_a_word_that_is_said_twice_is_kept_twice(tmp_path: Path) -> None:
    cues = "".join(
        f"{n}\n00:00:{n:02},000 --> 00:00:{n:02},900\n{t}\n\n"
        for n, t in enumerate(["No.", "No.", "Yes.", "Perhaps."])
    )
    assert words(extract(tmp_path / "talk.srt", cues)) == ["No. No. Yes. Perhaps."]


SUBTITLES = """1
00:00:01,000 --> 00:00:03,000
<i>The keys were on the hook,</i>
and nobody in the house

2
00:00:03,200 --> 00:00:05,000
{\\an8}had thought of them. [Music]

3
00:00:12,000 --> 00:00:14,000
- Who took them?
- The rain.

4
00:00:14,500 --> 00:00:16,000
♪ (applause) ♪
"""


@pytest.mark.parametrize("name", ["talk.srt", "talk.txt", "talk"])
def test_subtitles_are_joined_across_cues_and_parted_at_pauses_and_turns(tmp_path: Path, name: str) -> None:
    book = extract(tmp_path / name, SUBTITLES)
    assert words(book) == [
        "The keys were on the hook, and nobody in the house had thought of them.",
        "Who took them?",
        "The rain.",
    ]
    assert [text for _, text in book.report.removed[Kind.SOUND].samples] == ["[Music]", "(applause)"]


def test_voices_notes_and_styles_of_web_captions(tmp_path: Path) -> None:
    text = (
        "WEBVTT - a talk\n\nSTYLE\n::cue { color: red }\n\nNOTE nothing\n\n"
        + "\n\n".join(
            f"{n}\n00:0{n}.000 --> 00:0{n}.900\n<v {who}>{said}</v>"
            for n, (who, said) in enumerate(
                [
                    ("Mira", "The keys &amp; the lamp."),
                    ("Tom", "Where?"),
                    ("Mira", "On the hook."),
                    ("Tom", "Oh."),
                ]
            )
        )
        + "\n"
    )
    assert words(extract(tmp_path / "talk.vtt", text, speaker="mira")) == [
        "The keys & the lamp.",
        "On the hook.",
    ]


def test_long_captions_without_full_stops_are_parted_by_length(tmp_path: Path) -> None:
    lines = [f"word {n} and then another of the same kind goes on" for n in range(29)]
    assert 1 < len(words(extract(tmp_path / "talk.vtt", rolling(*lines)))) < 5


def test_no_cut_of_a_caption_file_is_anything_but_text_or_one_clear_error(tmp_path: Path) -> None:
    for at in range(0, len(SUBTITLES), 9):
        with contextlib.suppress(InputError):
            extract(tmp_path / "cut.srt", SUBTITLES[:at])


def test_what_a_machine_transcribed_is_one_text(tmp_path: Path) -> None:
    said = ["The keys were on the hook,", "and nobody had thought of them.", "Then it rained."]
    rows: list[dict[str, Any]] = [
        {"id": n, "start": 2.0 * n, "end": 2.0 * n + 2, "text": f" {text}"} for n, text in enumerate(said)
    ]
    rows[2] |= {"start": 20.0, "end": 22.0}
    expected = [" ".join(said[:2]), said[2]]
    content = json.dumps({"text": " ".join(said), "segments": rows, "language": "en"})
    assert words(extract(tmp_path / "talk.json", content)) == expected
    assert words(extract(tmp_path / "talk", content)) == expected
    lines = [f"{1000 * r['start']:.0f}\t{1000 * r['end']:.0f}\t{r['text'].strip()}" for r in rows]
    assert words(extract(tmp_path / "talk.tsv", "start\tend\ttext\n" + "\n".join(lines))) == expected


def test_lines_below_times_are_captions(tmp_path: Path) -> None:
    said = ("the keys were on the hook", "and nobody [Music]", "had thought of them", "at all")
    text = "".join(
        f"{time}\n{t}\n" for time, t in zip(("0:00", "0:04", "0:07", "1:02:03"), said, strict=True)
    )
    result = extract(tmp_path / "talk.txt", text)
    assert " ".join(words(result)) == "the keys were on the hook and nobody had thought of them at all"
    assert any("time stamps" in note for note in result.report.notes)


# Speakers


def as_pdf(path: Path) -> Path:
    lines = [text for said in TALK for text in (said, "")]
    path.write_bytes(book(["".join(line(text, 50, 560 - 12 * n) for n, text in enumerate(lines) if text)]))
    return path


FORMS = {
    "talk.txt": "\n\n".join(TALK),
    "dense.txt": "\n".join(TALK),
    "talk.md": "\n\n".join(
        t.replace("Mira Vale:", "**Mira Vale:**").replace("Audience:", "**Audience: **") for t in TALK
    ),
    "talk.html": "".join(f"<p>{t.replace('Mira Vale:', '<b>Mira Vale</b>:')}</p>" for t in TALK),
    "timed.txt": "\n\n".join(
        (f"{t.partition(': ')[0]}  0{n}:25\n{t.partition(': ')[2]}" if ": " in t else t)
        for n, t in enumerate(TALK)
    ),
    "stamped.txt": "\n\n".join(f"[00:0{n}:25] {t}" if ": " in t else t for n, t in enumerate(TALK)),
    "alone.txt": "\n\n".join(
        t.replace(": ", "\n\n", 1).replace("Mira Vale\n", "MIRA VALE\n").replace("Audience\n", "AUDIENCE\n")
        for t in TALK
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_one_voice_is_kept_however_it_is_labelled(tmp_path: Path, name: str) -> None:
    result = extract(tmp_path / name, FORMS[name], speaker="Mira Vale")
    assert words(result) == MIRA
    others = result.report.removed[Kind.OTHERS]
    assert "river?" in " ".join(text for _, text in others.samples)
    assert result.report.removed[Kind.SOUND].words == 1


def test_one_voice_of_a_pdf(tmp_path: Path) -> None:
    result = extract_book(as_pdf(tmp_path / "talk.pdf"), ExtractSettings(speaker="vale"))
    text = " ".join(words(result))
    assert "the lamp hums" in text
    assert "No more questions." in text
    assert "One more question" not in text
    assert "Mira" not in text


def test_without_a_name_several_voices_keep_their_labels(tmp_path: Path) -> None:
    result = extract(tmp_path / "talk.txt", FORMS["talk.txt"])
    assert words(result) == TALK
    assert any("Mira Vale, Audience, Moderator" in note for note in result.report.notes)


def test_labels_go_where_one_voice_is_all_but_alone_and_that_is_said(tmp_path: Path) -> None:
    said = [
        f"Number {n} of the lamps hums on one note, and nobody in the street considers it." for n in range(9)
    ]
    text = "\n\n".join([f"Mira: {t}" for t in said] + ["Audience: Why?"])
    result = extract(tmp_path / "talk.txt", text)
    assert words(result) == [*said, "Why?"]
    assert any("Mira says 99%" in note for note in result.report.notes)


def test_a_speaker_is_named_by_any_part_of_the_name_or_refused(tmp_path: Path) -> None:
    assert words(extract(tmp_path / "talk.txt", FORMS["talk.txt"], speaker="mira")) == MIRA
    with pytest.raises(UsageError, match="no speaker 'Tom'") as caught:
        extract(tmp_path / "talk.txt", FORMS["talk.txt"], speaker="Tom")
    assert "Mira Vale, Audience" in str(caught.value.hint)
    with pytest.raises(UsageError, match="nobody is named"):
        extract(tmp_path / "prose.txt", "The lamp is out.\n\nNobody: not one.\n", speaker="Mira")


@pytest.mark.parametrize(
    "text",
    [
        "There is one thing: the lamp.\n\nAnd so: nothing.\n\nIt was simple: rain.\n\nThe end: near.",
        "London: a town.\n\nA lamp.\n\nParis: another.\n\nMore.\n\nRome: the last.",
        "At 10:25 the lamp went out.\n\nAt 11:30 it rained.\n\nAt 12:00 nobody came.",
    ],
)
def test_a_colon_in_prose_is_no_label(tmp_path: Path, text: str) -> None:
    result = extract(tmp_path / "prose.txt", text)
    assert words(result) == text.split("\n\n")
    assert not result.report.notes


# Chats


def test_each_message_of_a_chat_is_a_paragraph(tmp_path: Path) -> None:
    lines = [
        f"[0{n}.06.21, 08:1{n}:30] {'Ida' if n % 2 else 'Ben'}: message {n} about keys" for n in range(1, 8)
    ]
    lines[3] += "\nand a second line"
    assert words(extract(tmp_path / "chat.txt", "\n".join(lines))) == lines
    kept = words(extract(tmp_path / "chat.txt", "\n".join(lines), speaker="Ida"))
    assert kept == [f"message {n} about keys" for n in (1, 3, 5, 7)]


def test_texts_that_stand_a_line_each_stay_so(tmp_path: Path) -> None:
    tweets = [
        "The keys are on the hook again, and nobody has asked who hung them there this time.",
        "Rain.",
        "Somebody left a letter for the lamp. It was not opened, and it is not going to be.",
        "Nobody considers the hook until the day on which it is not there.",
        "Well, no.",
    ]
    assert words(extract(tmp_path / "tweets.txt", "\n".join(tweets))) == tweets


# Tables


def test_a_table_of_texts_gives_a_text_to_a_row(tmp_path: Path) -> None:
    table = 'id,when,tweet\n17,2020-01-02,"The keys, again."\n18,2020-01-03,"Two\r\nlines."\n'
    result = extract(tmp_path / "t.csv", table)
    assert result.segments == [["The keys, again."], ["Two\nlines."]]
    assert "reads the column 'tweet'" in result.report.notes[0]
    rows = [
        {"id": "7", "said": "Nobody came at all.", "by": "Ida"},
        {"id": "8", "said": "So it rained.", "by": "Ben"},
    ]
    lines = "\n".join(map(json.dumps, rows))
    assert extract(tmp_path / "t.jsonl", lines).segments == [["Nobody came at all."], ["So it rained."]]
    assert extract(tmp_path / "t.jsonl", lines, column="by").segments == [["Ida"], ["Ben"]]
    with pytest.raises(InputError, match="no column of texts"):
        extract(tmp_path / "ids.csv", "id,count\n17,2\n18,4\n")


def test_the_command_takes_a_speaker_and_a_column(quick_cli: Cli) -> None:
    (quick_cli.cwd / "talk.txt").write_text(FORMS["talk.txt"], encoding="utf-8")
    (quick_cli.cwd / "t.csv").write_text(
        "a,b\nThe keys were there.,Nobody had them today.\n" * 2, encoding="utf-8"
    )
    assert "Audience" not in quick_cli("extract", "talk.txt", "--speaker", "Mira", "-o", "-").stdout
    assert "--column" in quick_cli("extract", "t.csv", "-o", "-", code=3).stderr
    assert "The keys" in quick_cli("extract", "t.csv", "--column", "a", "-o", "-").stdout
    assert "Mira Vale" in quick_cli("extract", "talk.txt", "--speaker", "Tom", "-o", "-", code=2).stderr


# Word documents


def test_a_word_book_is_read_by_its_styles(tmp_path: Path) -> None:
    docx = pytest.importorskip("docx", reason="needs python-docx, which writes the document")
    document = docx.Document()
    document.add_heading("The Keys, a Book", 0)
    prose = "The keys are on the hook while nobody in the house considers them for longer than a moment. " * 3
    for title in ("Chapter One", "Chapter Two"):
        document.add_heading(title, 1)
        for _ in range(3):
            document.add_paragraph(prose)
    document.add_paragraph("A picture of a hook", style="Caption")
    document.save(str(tmp_path / "book.docx"))
    result = extract_book(tmp_path / "book.docx", ExtractSettings())
    assert result.segments == [[title, *[prose.strip()] * 3] for title in ("Chapter One", "Chapter Two")]
    assert {Kind.CAPTION, Kind.FRONT} == set(result.report.removed)
    whole = (tmp_path / "book.docx").read_bytes()
    for at in range(0, len(whole), len(whole) // 40):
        (tmp_path / "cut.docx").write_bytes(whole[:at] + bytes(20) + whole[at + 20 :])
        with contextlib.suppress(InputError):
            extract_book(tmp_path / "cut.docx", ExtractSettings())
