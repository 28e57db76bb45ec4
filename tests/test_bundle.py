"""`<name>.voice`: moves to another machine and is opened there as a run is; a hostile one is refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.config import ExportSettings
from mckennabot.errors import ModelError, ResourceError
from mckennabot.export import export
from mckennabot.models import dial
from mckennabot.models.bundle import open_bundle
from mckennabot.models.checkpoint import ModelDir
from mckennabot.models.weights import read_weights
from mckennabot.originality import Index
from tests.conftest import Cli

Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where bundles are unpacked."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mckennabot" / "voices"


@pytest.fixture
def run(tmp_path: Path, base_model: Path, corpus_text: str) -> ModelDir:
    """A run of seven steps of a small model, with an index of its corpus."""
    run = ModelDir(tmp_path / "checkpoints" / "holmes")
    run.path.mkdir(parents=True)
    for path in base_model.iterdir():
        if path.is_file():
            shutil.copy(path, run.path / path.name.replace("model.ckpt", "model-7"))
    run.point_to("model-7")
    info = {
        "model": "/home/reader/small",
        "settings": {"steps": 9, "checkpoints": "/home/reader/checkpoints", "model": "/home/reader/small"},
        "corpus": {"fingerprint": "f00d", "tokens": 1234, "files": ["/home/reader/book.txt"]},
        "best_step": 7,
        "best_loss": 2.0,
    }
    (run.path / "run.json").write_text(json.dumps(info))
    Index.build([("book.txt", [corpus_text.split("\n\n")])]).save(run.path)
    return run


@pytest.fixture
def voice(run: ModelDir, tmp_path: Path) -> Path:
    """The run as a bundle."""
    return export(ExportSettings(run=str(run.path)), tmp_path / "holmes.voice").path


def contents(voice: Path) -> Files:
    with zipfile.ZipFile(voice) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def pack(path: Path, files: Files, *, sign: bool = True, compression: dict[str, int] | None = None) -> Path:
    """A bundle of these files; its manifest made to fit them, unless it is to lie."""
    if sign:
        manifest = json.loads(files["manifest.json"])
        manifest["files"] = {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
            if name != "manifest.json"
        }
        files = files | {"manifest.json": json.dumps(manifest).encode()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content, (compression or {}).get(name))
    return path


def test_a_bundle_holds_the_run_at_half_the_size(voice: Path, run: ModelDir) -> None:
    opened = open_bundle(voice)
    assert opened.name == "holmes"
    assert opened.hparams() == run.hparams()
    assert opened.weights().name == "model-7"
    ours, theirs = (dict(read_weights(m.weights(), run.hparams())) for m in (run, opened))
    for name, values in ours.items():
        np.testing.assert_array_equal(theirs[name], values.astype(np.float16).astype(np.float32))
    text = "The river dreams of the sea, and the sea is awake"
    assert Index.load(opened.path).report(text) == Index.load(run.path).report(text)
    assert sum(map(len, contents(voice).values())) < 0.7 * sum(v.nbytes for v in ours.values())


def test_a_bundle_tells_nothing_of_the_machine_and_is_the_same_each_time(
    voice: Path, run: ModelDir, tmp_path: Path
) -> None:
    again = export(ExportSettings(run=str(run.path)), tmp_path / "again.voice").path
    assert again.read_bytes() == voice.read_bytes()
    assert not any(
        b"/home" in content or str(tmp_path).encode() in content for content in contents(voice).values()
    )
    assert json.loads(contents(voice)["run.json"])["corpus"]["files"] == ["book.txt"]


def test_the_index_stays_at_home_where_the_book_must(run: ModelDir, tmp_path: Path) -> None:
    done = export(ExportSettings(run=str(run.path), no_index=True), tmp_path / "holmes.voice")
    assert "originality.npz" not in contents(done.path)


def test_a_bundle_is_unpacked_once_wherever_it_lies(voice: Path, tmp_path: Path, cache: Path) -> None:
    first = open_bundle(voice)
    record = (first.path / "hparams.json").stat()
    moved = tmp_path / "elsewhere.zip"
    voice.rename(moved)
    assert open_bundle(moved) == first
    assert (first.path / "hparams.json").stat() == record
    assert len(list(cache.glob("*/holmes"))) == 1
    assert not (first.path / "weights.safetensors").exists()


def test_a_bundle_is_taken_where_a_run_is(warm_cli: Cli, voice: Path, run: ModelDir, corpus: Path) -> None:
    shutil.rmtree(run.path.parent)
    env = {"XDG_CACHE_HOME": str(warm_cli.cwd / "cache")}
    sample = ("generate", "--seed", "3", "--length", "9", "--format", "jsonl", "--originality")
    [line] = map(json.loads, warm_cli(*sample, "--model", voice, env=env).stdout.splitlines())
    assert (line["run"], line["step"]) == ("holmes", 7)
    assert "originality" in line
    again = warm_cli(*sample, "--run", "holmes.voice", env=env).stdout
    assert json.loads(again) == line
    train = ("--steps", "2", "--batch-size", "1", "--block-size", "16", "--sample-every", "0")
    warm_cli("finetune", corpus, "--model", voice, *train, env=env)
    assert ModelDir(warm_cli.cwd / "checkpoints" / "run1").steps()[-1] == 2


def test_a_run_finds_its_base_in_a_bundle_whose_copy_was_cleared_away(
    voice: Path, run: ModelDir, cache: Path
) -> None:
    base = open_bundle(voice)
    info = run.run_info() | {"base": dial.remember(str(voice), base)}
    (run.path / "run.json").write_text(json.dumps(info))
    shutil.rmtree(cache)
    assert dial.find_base(run) == base.weights()


def test_bundles_in_the_checkpoint_directory_are_listed_and_served(
    cli: Cli, voice: Path, run: ModelDir
) -> None:
    from mckennabot.reporter import Silent
    from mckennabot.serve.catalogue import Catalogue

    checkpoints = cli.cwd / "checkpoints"
    shutil.rmtree(run.path)
    voice.rename(checkpoints / voice.name)
    (checkpoints / "broken.voice").write_bytes(b"PK")
    rows = [line.split() for line in cli("models").stdout.splitlines()[1:]]
    assert rows[1][:2] == ["holmes.voice", "bundle"]
    assert rows[1][-3:] == ["7", "-", "ok"]
    assert "not a voice" in " ".join(rows[0])
    catalogue = Catalogue(checkpoints, Silent())
    assert [entry.name for entry in catalogue.entries()] == ["holmes.voice"]
    assert catalogue.newest() == "holmes.voice"
    assert catalogue.has_index("holmes.voice")
    assert catalogue.written("holmes.voice") > 0
    assert catalogue.index("holmes.voice").report("nobody counts the stars").longest
    assert catalogue.load("holmes.voice", None).name == "holmes"


def test_a_damaged_bundle_is_one_clear_error(cli: Cli, voice: Path) -> None:
    voice.write_bytes(voice.read_bytes()[:-5000])
    error = cli("generate", "--model", voice, code=4).stderr
    assert "not a voice, or a damaged one" in error
    assert len(error.splitlines()) <= 3
    voice.write_text("a book of mine")
    assert "not a voice" in cli("finetune", "--model", voice, "--run", "x", voice, code=4).stderr


def flip(files: Files, name: str) -> Files:
    content = bytearray(files[name])
    content[len(content) // 2] ^= 1
    return files | {name: bytes(content)}


def edit(files: Files, name: str, /, **changes: Any) -> Files:
    return files | {name: json.dumps(json.loads(files[name]) | changes).encode()}


def tensors(files: Files, change: Callable[[dict[str, Any]], None]) -> Files:
    from safetensors.numpy import load, save

    loaded = load(files["weights.safetensors"])
    change(loaded)
    return files | {"weights.safetensors": save(loaded)}


def with_index(files: Files, **changes: Any) -> Files:
    import io

    arrays = dict(np.load(io.BytesIO(files["originality.npz"]))) | changes
    file = io.BytesIO()
    np.savez(file, **arrays, allow_pickle=True)
    return files | {"originality.npz": file.getvalue()}


FORGED: dict[str, tuple[Callable[[Files], Files], str]] = {
    "a way out": (lambda f: f | {"../evil": b"x"}, "no part of a voice"),
    "a file from the root": (lambda f: f | {"/etc/evil": b"x"}, "no part of a voice"),
    "a pickle": (lambda f: f | {"weights.pkl": b"x"}, "no part of a voice"),
    "no vocabulary": (lambda f: {k: v for k, v in f.items() if k != "vocab.bpe"}, r"no vocab\.bpe"),
    "a vocabulary without end": (lambda f: f | {"vocab.bpe": bytes((1 << 26) + 1)}, "too large"),
    "sizes of another model": (lambda f: edit(f, "hparams.json", n_embd=64), "shape"),
    "a model of a million layers": (lambda f: edit(f, "hparams.json", n_layer=10**6), "layers"),
    "sizes that are no numbers": (lambda f: edit(f, "hparams.json", n_layer="many"), "damaged"),
    "tokens out of order": (lambda f: edit(f, "encoder.json", **{"zz": 10**9}), "encoder.json"),
    "a token that is no bytes": (lambda f: edit(f, "encoder.json", **{"字": 300}), r"vocabulary"),
    "a deep manifest": (lambda f: f | {"run.json": b"[" * 100_000}, "run.json is damaged"),
    "settings that are none": (lambda f: edit(f, "run.json", settings=[1]), "damaged"),
    "weights that are none": (lambda f: f | {"weights.safetensors": b"\x80\x04."}, "weights"),
    "a tensor too many": (lambda f: tensors(f, lambda t: t.update(x=np.zeros(3, "f2"))), "layers"),
    "integers": (lambda f: tensors(f, lambda t: t.update({"model/ln_f/g": np.zeros(32, "i4")})), "type"),
    "an index that points nowhere": (lambda f: with_index(f, order=np.full(9, 77, "i4")), "originality.npz"),
    "an index with a pickle": (lambda f: with_index(f, ids=np.array([{}], object)), "originality.npz"),
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forged_bundle_is_refused(case: str, voice: Path, tmp_path: Path, cache: Path) -> None:
    forge, what = FORGED[case]
    path = pack(tmp_path / "forged.voice", forge(contents(voice)))
    with pytest.raises(ModelError, match=what):
        open_bundle(path)
    assert not [p for p in cache.glob("*/**/*") if p.parent.name != "known" and p.name != ".lock"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"name": "../../evil"}, "plain name"),
        ({"name": ""}, "plain name"),
        ({"step": -1}, "step"),
        ({"step": "../x"}, "step"),
        ({"format": "other"}, "not a voice"),
        ({"version": 99}, "version 99"),
        ({"files": []}, "manifest"),
        ({"files": {"hparams.json": 3}}, "damaged"),
    ],
)
def test_a_manifest_that_lies_is_refused(
    changes: dict[str, Any], what: str, voice: Path, tmp_path: Path
) -> None:
    files = edit(contents(voice), "manifest.json", **changes)
    with pytest.raises(ModelError, match=what):
        open_bundle(pack(tmp_path / "forged.voice", files, sign=False))


@pytest.mark.parametrize("name", ["weights.safetensors", "encoder.json", "originality.npz"])
def test_a_file_that_is_not_the_manifests_is_refused(name: str, voice: Path, tmp_path: Path) -> None:
    forged = pack(tmp_path / "forged.voice", flip(contents(voice), name), sign=False)
    with pytest.raises(ModelError, match="not the file of the manifest"):
        open_bundle(forged)


def test_that_a_bundle_was_opened_does_not_excuse_what_has_changed_in_it(voice: Path) -> None:
    open_bundle(voice)
    raw = bytearray(voice.read_bytes())
    raw[len(raw) // 2] ^= 1
    voice.write_bytes(raw)
    with pytest.raises(ModelError):
        open_bundle(voice)


def test_what_would_swell_is_refused(voice: Path, tmp_path: Path) -> None:
    files = contents(voice) | {"weights.safetensors": bytes(50_000_000)}
    bomb = pack(tmp_path / "bomb.voice", files, compression={"weights.safetensors": zipfile.ZIP_DEFLATED})
    assert bomb.stat().st_size < 300_000
    with pytest.raises(ModelError, match="compressed"):
        open_bundle(bomb)


def test_names_twice_links_and_a_list_of_names_without_end_are_refused(voice: Path, tmp_path: Path) -> None:
    files = contents(voice)
    twice = pack(tmp_path / "twice.voice", files)
    with zipfile.ZipFile(twice, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("hparams.json", files["hparams.json"])
    with pytest.raises(ModelError, match="twice"):
        open_bundle(twice)
    link = pack(tmp_path / "link.voice", {k: v for k, v in files.items() if k != "run.json"})
    with zipfile.ZipFile(link, "a") as archive:
        entry = zipfile.ZipInfo("run.json")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    with pytest.raises(ModelError, match="link"):
        open_bundle(link)
    many = tmp_path / "many.voice"
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(25_000):
            archive.writestr(str(number), b"")
    with pytest.raises(ModelError, match="too long"):
        open_bundle(many)


def test_a_disk_too_small_is_said_before_it_is_filled(voice: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "mckennabot.models.bundle.shutil.disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1)
    )
    with pytest.raises(ResourceError, match="GB"):
        open_bundle(voice)
