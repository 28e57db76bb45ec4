"""The tokenizer: OpenAI's files in and out, one real end-of-text id, equal to gpt-2-simple's encoder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mckennabot.errors import ModelError
from mckennabot.tokenizer import Tokenizer

TEXTS = [
    "The New Age is a café on the rue de l'Odéon.",
    "He'd said it twice:  two  spaces, tabs\tand\n\nlines.   ",
    "“Quotes” — dashes … 1,234.56 and ﬁ, 你好, naïve 🜏 x² don't WE'LL",
]


@pytest.fixture(scope="module")
def trained(corpus_text: str) -> Tokenizer:
    return Tokenizer.train([corpus_text], 320)


@given(st.text(max_size=80))
def test_any_text_comes_back(text: str) -> None:
    assert _BYTES.decode(_BYTES.encode(text)) == text


_BYTES = Tokenizer.train([""], 257)


def test_files_round_trip(trained: Tokenizer, tmp_path: Path) -> None:
    trained.save(tmp_path)
    loaded = Tokenizer.load(tmp_path)
    assert (loaded.size, loaded.eot) == (trained.size, trained.size - 1)
    assert [loaded.encode(t) for t in TEXTS] == [trained.encode(t) for t in TEXTS]


def test_end_of_text_is_one_id_inside_text(real_vocabulary: Path) -> None:
    tokenizer = Tokenizer.load(real_vocabulary)
    assert (tokenizer.size, tokenizer.eot) == (50257, 50256)
    assert tokenizer.encode("a<|endoftext|>b") == [64, 50256, 65]


def test_equals_gpt_2_simples_encoder(real_vocabulary: Path, trained: Tokenizer, tmp_path: Path) -> None:
    trained.save(tmp_path)
    directories = [real_vocabulary, tmp_path]
    code = (
        "import json, sys; from gpt_2_simple.src.encoder import get_encoder;"
        "encoders = map(get_encoder, sys.argv[1:]); texts = json.load(sys.stdin);"
        "print(json.dumps([[encoder.encode(text) for text in texts] for encoder in encoders]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, directories)],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        check=True,
    )
    ours = [[Tokenizer.load(directory).encode(text) for text in TEXTS] for directory in directories]
    assert ours == json.loads(done.stdout)


def test_a_missing_or_damaged_vocabulary_is_named(trained: Tokenizer, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"encoder\.json"):
        Tokenizer.load(tmp_path)
    trained.save(tmp_path)
    (tmp_path / "encoder.json").write_text("<html>", encoding="utf-8")
    with pytest.raises(ModelError, match="damaged"):
        Tokenizer.load(tmp_path)
