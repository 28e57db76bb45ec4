"""`mckennabot models`: what lies in the checkpoint directory, and what of it is damaged."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import Cli

DATA, INDEX = "model.ckpt.data-00000-of-00001", "model.ckpt.index"


@pytest.fixture
def checkpoints(base_model: Path, tmp_path: Path) -> Path:
    """``checkpoints/small``, and ``checkpoints/run1`` with two steps, the first the better one."""
    shutil.copytree(base_model, tmp_path / "checkpoints" / "small")
    run = tmp_path / "checkpoints" / "run1"
    shutil.copytree(base_model, run)
    for old in (DATA, INDEX):
        for step in (200, 1000):
            shutil.copyfile(run / old, run / old.replace("model.ckpt", f"model-{step}"))
        (run / old).unlink()
    (run / "checkpoint").write_text('model_checkpoint_path: "model-200"\n', encoding="utf-8")
    (run / "run.json").write_text(json.dumps({"best_step": 200, "best_loss": 3.14159}), encoding="utf-8")
    return tmp_path / "checkpoints"


def rows(out: str) -> dict[str, list[str]]:
    """Cells of each model's row, by its name."""
    cells = (re.split(r" {2,}", line) for line in out.splitlines()[1:])
    return {name: rest for name, *rest in cells}


def test_base_models_and_runs_are_listed(quick_cli: Cli, checkpoints: Path, base_model: Path) -> None:
    (checkpoints / ".hidden" / "x").mkdir(parents=True)
    (checkpoints / "README.md").write_text("not a model", encoding="utf-8")
    (checkpoints / "empty").mkdir()
    table = rows(quick_cli("models").stdout)
    size = sum(path.stat().st_size for path in (checkpoints / "small").rglob("*") if path.is_file())
    parameters = (base_model / DATA).stat().st_size / 4
    assert set(table) == {"small", "run1"}
    assert table["small"] == ["base", f"{size / 1e3:.1f} kB", f"{parameters / 1e3:.1f} k", "-", "-", "ok"]
    assert table["run1"][0] == "run"
    assert table["run1"][3:] == ["1000", "3.1416 at 200", "ok"]


@pytest.mark.parametrize("make", [True, False])
def test_an_empty_directory_says_how_to_get_a_model(make: bool, quick_cli: Cli, tmp_path: Path) -> None:
    if make:
        (tmp_path / "checkpoints").mkdir()
    done = quick_cli("models")
    assert done.stdout == ""
    assert "finetune --model" in done.stderr


def test_a_file_in_place_of_the_directory_is_named(quick_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("", encoding="utf-8")
    assert "checkpoints" in quick_cli("models", code=3).stderr


@pytest.mark.parametrize(
    ("name", "file", "content", "says"),
    [
        ("small", "hparams.json", None, "no hparams.json"),
        ("small", "hparams.json", b"{}", "hparams.json is damaged"),
        ("small", "encoder.json", None, "no encoder.json"),
        ("small", "vocab.bpe", b"", "no vocab.bpe"),
        ("small", INDEX, None, "no weights model.ckpt"),
        ("small", DATA, b"cut off", "7 of"),
        ("run1", "model-1000.data-00000-of-00001", None, "model-1000.data-00000-of-00001 has 0 of"),
        ("run1", "checkpoint", b'model_checkpoint_path: "model-300"', "no weights model-300"),
    ],
)
def test_damage_is_named(
    name: str, file: str, content: bytes | None, says: str, quick_cli: Cli, checkpoints: Path
) -> None:
    (checkpoints / name / file).unlink()
    if content is not None:
        (checkpoints / name / file).write_bytes(content)
    table = rows(quick_cli("models").stdout)
    assert says in table.pop(name)[-1]
    assert [row[-1] for row in table.values()] == ["ok"]


def test_check_reads_every_tensor(warm_cli: Cli, checkpoints: Path) -> None:
    assert "damaged" not in warm_cli("models", "--check").stdout
    data = checkpoints / "run1" / "model-200.data-00000-of-00001"
    flipped = bytearray(data.read_bytes())
    flipped[-5] ^= 1
    data.write_bytes(flipped)
    (checkpoints / "small" / "encoder.json").write_text("<html>", encoding="utf-8")
    assert {row[-1] for row in rows(warm_cli("models").stdout).values()} == {"ok"}
    done = warm_cli("models", "--check", code=4)
    table = rows(done.stdout)
    assert "model-200: the weights are damaged" in table["run1"][-1]
    assert "encoder.json is damaged" in table["small"][-1]
    assert "run1, small" in done.stderr


def test_a_fetch_that_broke_off_is_listed(quick_cli: Cli, checkpoints: Path) -> None:
    (checkpoints / "small").rename(checkpoints / ".124M.part")
    (checkpoints / ".124M.part" / "source").write_text("https://example.com", encoding="utf-8")
    assert rows(quick_cli("models").stdout)["124M"][-1] == "not fetched in full"


def test_a_listing_loads_nothing_heavy(cli: Cli, checkpoints: Path) -> None:
    done = cli("models", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert "click" in done.stderr
    assert not re.search(r"\| +(tensorflow|keras|tokenizers|requests|ctranslate2)\b", done.stderr)
