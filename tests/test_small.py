"""The model that comes with the package: unpacked like a download, taken where no other is to be had."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.config import FinetuneSettings, GenerateSettings
from mckennabot.errors import ModelError
from mckennabot.finetune import finetune
from mckennabot.generate.source import find_source
from mckennabot.language import is_english
from mckennabot.models import small
from mckennabot.models.checkpoint import BASE_FILES, ModelDir
from mckennabot.models.dial import digest
from mckennabot.models.weights import read_weights
from mckennabot.reporter import Console

NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def packaged(base_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's small model in the place of the package's own, in the same form."""
    place = tmp_path / "package"
    place.mkdir()
    model = ModelDir(base_model)
    for name in ("hparams.json", "encoder.json", "vocab.bpe"):
        shutil.copyfile(base_model / name, place / name)
    values = {name: v.astype(np.float16) for name, v in read_weights(model.weights(), model.hparams())}
    np.savez(place / small.WEIGHTS, **values)
    monkeypatch.setattr(small, "PACKAGED", place)
    return place


def test_it_is_unpacked_as_a_download_would_lie_and_the_same_each_time(
    packaged: Path, tmp_path: Path
) -> None:
    model = small.unpack(tmp_path / "first")
    assert sorted(path.name for path in model.path.iterdir()) == sorted(BASE_FILES)
    for name, value in read_weights(model.weights(), model.hparams()):
        np.testing.assert_array_equal(value, np.load(packaged / small.WEIGHTS)[name])
    assert [path.name for path in model.path.parent.iterdir()] == ["small"]
    assert digest(small.unpack(tmp_path / "second").weights()) == digest(model.weights())
    inode = model.weights().with_name("model.ckpt.index").stat().st_ino
    assert small.unpack(tmp_path / "first") == model
    assert model.weights().with_name("model.ckpt.index").stat().st_ino == inode


def test_a_damaged_or_missing_package_is_one_clear_error(packaged: Path, tmp_path: Path) -> None:
    whole = (packaged / small.WEIGHTS).read_bytes()
    for damage in (whole[:-100], b"", whole[: len(whole) // 2]):
        (packaged / small.WEIGHTS).write_bytes(damage)
        with pytest.raises(ModelError, match="damaged"):
            small.unpack(tmp_path / "checkpoints")
        assert list((tmp_path / "checkpoints").iterdir()) == []
    (packaged / "hparams.json").unlink()
    with pytest.raises(ModelError, match="without the model small"):
        small.unpack(tmp_path / "checkpoints")


def test_it_is_what_an_english_corpus_gets_where_124m_is_not_to_be_had(
    packaged: Path, train: Any, tmp_path: Path
) -> None:
    run = train(2, model=None, base_url=NOWHERE)
    assert run.run_info()["model"] == run.run_info()["base"]["name"] == "small"
    shutil.rmtree(tmp_path / "checkpoints" / "small")  # it is unpacked again for the dial
    settings = GenerateSettings(run=run.name, checkpoints=run.path.parent, voice=0.5)
    assert find_source(settings).voice == 0.5


def test_another_language_gets_a_tiny_model_and_is_told_so(packaged: Path, tmp_path: Path) -> None:
    german = tmp_path / "buch.txt"
    german.write_text("Es war die beste und die schlimmste aller Zeiten, und niemand hat es gewußt. " * 20)
    said = io.StringIO()
    settings = FinetuneSettings(
        steps=2, checkpoints=tmp_path, base_url=NOWHERE, block_size=16, sample_every=0, precision="float32"
    )
    run = ModelDir(finetune([german], settings, reporter=Console(stream=said)))
    assert run.run_info()["model"] == "tiny"
    assert "small knows only English" in said.getvalue()
    settings = replace(settings, model="small", run="forced")
    forced = ModelDir(finetune([german], settings, reporter=Console(stream=said)))
    assert forced.run_info()["model"] == "small"
    assert "--model small knows only English" in said.getvalue()


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("The sea is awake.", True),
        ("CHAPTER I\n\nIt was, he said, not for us to know which of them had been there.", True),
        ("Il était une fois, dans une ville de province, un homme qui n'avait pas de nom.", False),
        ("Het was een van die dagen waarop niemand iets had te doen, en wij dus ook niet.", False),
        ("Era una noche oscura, y en la casa no había nadie que pudiera decirme la verdad.", False),
        ("Жили-были старик со старухой у самого синего моря.", False),
        ("吾輩は猫である。名前はまだ無い。", False),
        ("", False),
    ],
)
def test_english_is_told_from_other_languages(text: str, english: bool) -> None:
    assert is_english(text) is english


def test_the_packaged_model_is_complete() -> None:
    if not small.is_packaged():
        pytest.skip("this checkout has no mckennabot/small")
    hparams = ModelDir(small.PACKAGED).hparams()
    vocabulary = json.loads((small.PACKAGED / "encoder.json").read_text(encoding="utf-8"))
    assert len(vocabulary) == hparams.n_vocab
    values = small.read()
    assert all(np.isfinite(value).all() for value in values.values())
