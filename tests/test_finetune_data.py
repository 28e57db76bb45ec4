"""Text to tokens to windows."""

from __future__ import annotations

import contextlib
import csv
import os
from pathlib import Path

import numpy as np
import pytest

from mckennabot.corpus import SEPARATOR
from mckennabot.errors import InputError, UsageError
from mckennabot.finetune.data import Windows, encode_corpus, held_out_windows, segments, split
from mckennabot.finetune.texts import PIECE, START, Corpus
from mckennabot.tokenizer import Tokenizer


@pytest.fixture(scope="module")
def tokenizer(corpus_text: str) -> Tokenizer:
    return Tokenizer.train([corpus_text], 300)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_each_segment_follows_the_one_real_boundary_token(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(tmp_path / "a.txt", f"\n One two.\n\n{SEPARATOR}\n\nThree.\n{SEPARATOR}{SEPARATOR}\n")
    tokens = encode_corpus([path], tokenizer).tolist()
    assert tokenizer.decode(tokens) == f"{SEPARATOR}One two.{SEPARATOR}Three."
    assert tokens.count(tokenizer.eot) == 2


def test_tokens_of_a_long_text_are_those_of_the_whole(tmp_path: Path, tokenizer: Tokenizer) -> None:
    rng = np.random.default_rng(0)
    words = ["river", "sea's", "  two", "\n\n", "\u00a0x", "—", "123,4", "I'll", "ñandú", "\t", "東京"]
    text = "Start" + "".join(rng.choice(words, 80_000).tolist()) + " end."
    assert len(text.encode()) > 4 * PIECE
    tokens = encode_corpus([write(tmp_path / "a.txt", text)], tokenizer)
    assert tokens.tolist() == [tokenizer.eot, *tokenizer.encode(text)]


def test_text_without_spaces_is_read_in_pieces_too(tmp_path: Path, tokenizer: Tokenizer) -> None:
    text = "東京" * (12 * PIECE) + SEPARATOR + "b" * PIECE
    tokens = encode_corpus([write(tmp_path / "a.txt", text)], tokenizer).tolist()
    assert tokenizer.decode(tokens) == SEPARATOR + text


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_foreign_line_ends_and_a_byte_order_mark_change_nothing(
    newline: str, tmp_path: Path, tokenizer: Tokenizer, corpus_text: str
) -> None:
    long = corpus_text * 40
    plain = write(tmp_path / "plain.txt", long)
    foreign = write(tmp_path / "foreign.txt", "\ufeff" + long.replace("\n", newline))
    assert np.array_equal(encode_corpus([plain], tokenizer), encode_corpus([foreign], tokenizer))


def test_a_bad_byte_is_named_with_its_offset_wherever_it_is(tmp_path: Path, tokenizer: Tokenizer) -> None:
    for before in ("é" * 5, "é" * PIECE + "x"):
        path = write(tmp_path / "latin.txt", before.encode() + "caf\xe9 au lait".encode("latin-1"))
        with pytest.raises(InputError, match=rf"0xe9 at offset {len(before.encode()) + 3}.*latin\.txt"):
            encode_corpus([path], tokenizer)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        ("é".encode("utf-16"), "UTF-16"),
        ("The lamp is out. ".encode("utf-16-le") * 50, "UTF-16"),
        (b"\0" * 5000, "no text"),
        (b"The lamp is out. " * 9000 + b"\0", "no text"),
        (bytes(range(1, 9)) * 50, "no text"),
        (b"\xe9", "not UTF-8"),
        ("Все счастливые семьи".encode("cp1251"), "not UTF-8"),
        (b"PK\x03\x04" + bytes(30), "archive"),
        (b"<!DOCTYPE html>\n<p>The lamp</p>", "HTML"),
        (b"<p>One <i>lamp</i> and</p>\n<p>another <b>one</b>.</p>", "HTML"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nThe lamp\n", "captions"),
        (b"1\n00:00:01,000 --> 00:00:02,000\nThe lamp\n", "captions"),
        (b'{"settings": {"steps": 1}}', "JSON"),
        (b"{\\rtf1\\ansi The lamp}", "RTF"),
    ],
)
def test_what_is_no_text_is_told_apart_and_how_to_make_a_corpus_of_it(
    content: bytes, hint: str, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    with pytest.raises(InputError) as caught:
        encode_corpus([write(tmp_path / "a b.txt", content)], tokenizer)
    assert hint in str(caught.value)
    assert f"mckennabot extract '{tmp_path}/a b.txt'" in str(caught.value.hint)


def test_what_is_no_file_is_refused_and_waited_for_by_nobody(tmp_path: Path, tokenizer: Tokenizer) -> None:
    os.mkfifo(tmp_path / "fifo.txt")
    for path in (tmp_path / "fifo.txt", Path("/dev/zero")):
        with pytest.raises(InputError, match="not a regular file"):
            encode_corpus([path], tokenizer)
    write(tmp_path / "a.txt", "The lamp.")
    corpus = Corpus([tmp_path])
    assert [path.name for path in corpus.files] == ["a.txt"]
    assert "fifo.txt" in corpus.notes[0]


def test_text_that_a_terminal_wrote_is_text(tmp_path: Path, tokenizer: Tokenizer) -> None:
    text = "\x1b[1mThe lamp\x1b[0m is out.\a"
    assert (
        tokenizer.decode(encode_corpus([write(tmp_path / "a.txt", text)], tokenizer).tolist())
        == SEPARATOR + text
    )


def test_every_file_that_cannot_be_learned_is_named(tmp_path: Path, tokenizer: Tokenizer) -> None:
    for n in range(5):
        write(tmp_path / f"{n}.txt", b"caf\xe9" if n % 2 else b"The lamp.")
    with pytest.raises(InputError, match=r"2 files .*1\.txt.*3\.txt"):
        encode_corpus([tmp_path], tokenizer)


@pytest.mark.parametrize("content", ["", " \n\n", f"{SEPARATOR}\n\n{SEPARATOR}"])
def test_a_corpus_without_words_is_an_error(content: str, tmp_path: Path, tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="empty"):
        encode_corpus([write(tmp_path / "a.txt", content)], tokenizer)


def test_directories_npz_and_csv_are_corpora(tmp_path: Path, tokenizer: Tokenizer) -> None:
    books = tmp_path / "books"
    books.mkdir()
    write(books / "1.txt", "One.")
    write(books / "2.txt", "Two.")
    np.savez_compressed(tmp_path / "three.npz", np.array([tokenizer.eot, *tokenizer.encode("Three.")]))
    with (tmp_path / "four.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], ["Four,\nfour."], ["Five."]])
    paths = [books, tmp_path / "three.npz", tmp_path / "four.csv"]
    expected = "".join(SEPARATOR + text for text in ("One.", "Two.", "Three.", "Four,\nfour.", "Five."))
    assert tokenizer.decode(encode_corpus(paths, tokenizer).tolist()) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected", "said"),
    [
        (
            "t.csv",
            "id,date,tweet\n101,2020-01-02,The lamp is out.\n102,2020-01-03,So?\n",
            "The lamp is out.|So?",
            "tweet",
        ),
        ("t.csv", "1;text one\n2;text two, longer\n", "text one|text two, longer", "not a header"),
        ("t.csv", 'text\n"one\r\ntwo"\r\n', "one\ntwo", "text"),
        ("t.csv", "I came, I saw\nNobody came\n", "I came, I saw|Nobody came", "not a header"),
        ("t.tsv", "who\twhat\nMira\tthe lamp is out again\n", "the lamp is out again", "what"),
        (
            "t.jsonl",
            '{"id": "7", "body": "The lamp."}\n{"id": "8", "body": "Out."}\n',
            "The lamp.|Out.",
            "body",
        ),
        ("h.jsonl", '{"body": "half \\ud83d of it"}\n', "half \ufffd of it", "body"),
    ],
)
def test_the_column_of_texts_is_found_and_said(
    name: str, content: str, expected: str, said: str, tmp_path: Path, tokenizer: Tokenizer
) -> None:
    path = write(tmp_path / name, content)
    corpus = Corpus([path])
    text = tokenizer.decode(encode_corpus(corpus, tokenizer).tolist())
    assert text == "".join(SEPARATOR + part for part in expected.split("|"))
    assert said in corpus.notes[0]
    assert segments(corpus, path, tokenizer) == [[part] for part in expected.split("|")]


def test_a_column_is_named_or_asked_for(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(
        tmp_path / "t.csv", "ask,tell\nWho has the lamp now?,Nobody has it.\nWho had it?,The rain had.\n"
    )
    with pytest.raises(InputError, match=r"several columns.*ask, tell") as caught:
        Corpus([path])
    assert "--column" in str(caught.value.hint)
    for column in ("Tell", "2"):
        tokens = encode_corpus(Corpus([path], column), tokenizer)
        assert tokenizer.decode(tokens.tolist()) == f"{SEPARATOR}Nobody has it.{SEPARATOR}The rain had."
    with pytest.raises(UsageError, match="no column 'say'"):
        Corpus([path], "say")
    with pytest.raises(InputError, match="no column of texts"):
        Corpus([write(tmp_path / "ids.csv", "id,count\n17,2\n18,4\n")])


def test_the_mark_that_begins_texts_elsewhere_is_left_out_and_said(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    path = write(tmp_path / "a.txt", f"{START}One.{SEPARATOR}\n{START} Two {START}.\n{SEPARATOR}Three.")
    corpus = Corpus([path])
    text = tokenizer.decode(encode_corpus(corpus, tokenizer).tolist())
    assert text == f"{SEPARATOR}One.{SEPARATOR}Two {START}.{SEPARATOR}Three."
    assert any(START in note and "2 texts" in note for note in corpus.notes)


def test_no_damage_to_token_ids_is_anything_but_one_clear_error(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, np.array([tokenizer.eot, *tokenizer.encode("The lamp is out.")] * 9))
    whole = path.read_bytes()
    for at in range(0, len(whole), 5):
        for data in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            path.write_bytes(data)
            with contextlib.suppress(InputError):
                encode_corpus([path], tokenizer)


def test_a_bad_byte_of_a_csv_is_named_with_its_offset_too(tmp_path: Path, tokenizer: Tokenizer) -> None:
    path = write(tmp_path / "latin.csv", b'text\n"two\nlines"\n' * 9000 + b"caf\xe9")
    with pytest.raises(InputError, match=r"0xe9 at offset 153003"):
        encode_corpus([path], tokenizer)


def test_token_ids_that_the_vocabulary_lacks_are_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    np.savez(tmp_path / "a.npz", np.array([5, 50256]))
    with pytest.raises(InputError, match="outside the model's vocabulary"):
        encode_corpus([tmp_path / "a.npz"], tokenizer)
    with pytest.raises(InputError, match="vocabulary that made them"):
        list(Corpus([tmp_path / "a.npz"]).texts())
    write(tmp_path / "b.npz", "text")
    with pytest.raises(InputError, match=r"not a \.npz"):
        encode_corpus([tmp_path / "b.npz"], tokenizer)


def test_boundaries_that_gpt_2_simple_spells_out_become_the_real_one(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    spelt = [i for part in ("<|", "endoftext", "|>") for i in tokenizer.encode(part)]
    ids = [*tokenizer.encode("One."), *spelt, *tokenizer.encode("Two <|end")]
    np.savez_compressed(tmp_path / "a.npz", np.array(ids))
    tokens = encode_corpus([tmp_path / "a.npz"], tokenizer).tolist()
    assert tokens.count(tokenizer.eot) == 2
    assert tokenizer.decode(tokens) == f"{SEPARATOR}One.{SEPARATOR}Two <|end"


def test_an_epoch_draws_every_window_once_and_the_next_one_shifts() -> None:
    tokens = np.arange(1003, dtype=np.int32)
    windows = Windows(tokens, 100, seed=1)
    epochs = [windows.batch(epoch * windows.per_epoch, windows.per_epoch) for epoch in range(3)]
    for epoch in epochs:
        inputs = epoch[:, :-1]
        assert len(np.unique(inputs)) == inputs.size == 1000
        assert np.array_equal((inputs + 1) % 1003, epoch[:, 1:])
    assert len({int(epoch[0, 0]) for epoch in epochs}) == 3
    offsets = {int(start) % 100 for epoch in epochs for start in [epoch[:, 0].min()]}
    assert len(offsets) > 1


def test_a_window_depends_on_its_number_and_the_seed_alone() -> None:
    tokens = np.arange(5000, dtype=np.int32)
    whole = Windows(tokens, 64, seed=3).batch(0, 200)
    assert np.array_equal(Windows(tokens, 64, seed=3).batch(90, 20), whole[90:110])
    assert not np.array_equal(Windows(tokens, 64, seed=4).batch(0, 200), whole)


def test_a_corpus_shorter_than_a_window_gives_shorter_windows() -> None:
    tokens = np.array([9, 1, 2], np.int32)
    windows = Windows(tokens, 1024, seed=0)
    batch = windows.batch(0, 4)
    assert batch.shape == (4, 4)
    assert all(sorted(row[:-1]) == [1, 2, 9] and row[0] == row[-1] for row in batch.tolist())


def test_held_out_text_is_the_end_of_the_corpus_and_none_of_a_tiny_one() -> None:
    tokens = np.arange(10_000, dtype=np.int32)
    training, held_out = split(tokens, 0.05)
    assert np.array_equal(np.concatenate([training, held_out]), tokens)
    assert len(held_out) == 500
    covered = np.concatenate([window[1:] for window in held_out_windows(held_out, 64, 100)])
    assert np.array_equal(covered, held_out[1:])
    assert len(held_out_windows(held_out, 64, 3)) == 3
    assert len(split(tokens[:40], 0.05)[1]) == 0
