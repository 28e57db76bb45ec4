"""Whatever becomes of a run's files: an error that names the file, or it is made again and said."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mckennabot.config import FinetuneSettings, GenerateSettings
from mckennabot.errors import ModelError, UsageError
from mckennabot.finetune import finetune
from mckennabot.finetune.runs.metrics import read
from mckennabot.finetune.runs.run import Run, State
from mckennabot.models.checkpoint import SIZES, ModelDir
from mckennabot.models.find import find_model
from mckennabot.models.inventory import inventory
from mckennabot.models.weights import read_weights
from mckennabot.originality import Index
from mckennabot.system import stored
from mckennabot.tokenizer import Tokenizer
from scripts.damage import damage
from tests.conftest import Cli


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory, base_model: Path, corpus_text: str) -> Run:
    """A run of eight steps, of which the fifth and the last are kept."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "book.txt").write_text(corpus_text, encoding="utf-8")
    settings = FinetuneSettings(
        steps=8, model=str(base_model), checkpoints=folder, run="run1", batch_size=2, block_size=32,
        sample_every=0, precision="float32", save_every=5, eval_every=5, learning_rate=1e-2, warmup=3,
    )  # fmt: skip
    return Run(finetune([folder / "book.txt"], settings))


@pytest.fixture
def run(whole_run: Run, tmp_path: Path) -> Run:
    """Its copy, where `train` goes on with it."""
    shutil.copytree(whole_run.path, tmp_path / "checkpoints" / "run1")
    return Run(tmp_path / "checkpoints" / "run1")


def damage_of(run: Run) -> str:
    """What `mckennabot models --check` says of it."""
    return next(iter(inventory(run.path.parent, thorough=True))).damage


def edit(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def use(run: ModelDir) -> Path:
    """What every command that uses a run asks of it before it loads anything large."""
    run.hparams()
    Tokenizer.load(run.path)
    return run.weights()


# hparams.json


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_layer": 10**7}, "another n_layer"),
        ({"n_layer": 1}, "another n_layer"),
        ({"n_head": 1}, "another n_head"),
        ({"n_head": 32}, "another n_head"),
        ({"n_embd": 32.7}, "n_embd is 32.7"),
        ({"n_ctx": "64"}, "n_ctx is '64'"),
        ({"n_vocab": True}, "n_vocab is True"),
        ({"n_ctx": 10**400}, "n_ctx is 1000"),
        ({"n_ctx": None}, "n_ctx is None"),
    ],
)
def test_sizes_that_are_not_the_runs_are_refused(changes: dict[str, Any], says: str, run: Run) -> None:
    edit(run.path / "hparams.json", **changes)
    with pytest.raises(ModelError, match=says) as caught:
        use(run)
    assert caught.value.path == run.path / "hparams.json"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("n_layer", "says"), [(10**7, "has 18"), (3, "bytes"), (1, "have 2 layers"), (10**8 + 1, "n_layer is")]
)
def test_sizes_are_compared_with_the_weights_where_no_run_json_tells(
    n_layer: int, says: str, base_model: Path, tmp_path: Path
) -> None:
    """Before anything of such a size is made."""
    model = ModelDir(tmp_path / "base")
    shutil.copytree(base_model, model.path)
    edit(model.path / "hparams.json", n_layer=n_layer)
    with pytest.raises(ModelError, match=says if n_layer != 10**7 else "bytes"):
        list(read_weights(model.path / "model.ckpt", model.hparams()))


@pytest.mark.parametrize("name", ["hparams.json", "run.json", "encoder.json", "state-8/state.json"])
@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "7", '"x"', "null", '{"n_layer": Infinity}', '{"best_step": 1e400}', "[" * 200_000, "{}",
     '{"format": "1"}', "9" * 5000, "\udcff"],
)  # fmt: skip
def test_json_that_is_none_of_ours_is_damage(name: str, content: str, run: Run) -> None:
    path = run.path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    if (name, content) == ("run.json", "{}"):
        use(run)  # as empty as another program's
        return
    with pytest.raises(ModelError) as caught:
        use(run) if "state" not in name else run.load_state(8)
    assert caught.value.hint
    assert path.name in " ".join(caught.value.lines())
    row = next(iter(inventory(run.path.parent, thorough=True)))
    assert path.name in row.damage


# What else stands in run.json and state.json


@pytest.mark.parametrize(
    "changes",
    [
        {"settings": []}, {"settings": {"val_fraction": "a"}}, {"corpus": "x"}, {"corpus": {"files": 7}},
        {"best_step": "5"}, {"best_step": -1}, {"best_loss": []}, {"model": 7}, {"base": {"name": []}},
        {"processes": 0}, {"files": {"encoder.json": 5}}, {"voice": {}}, {"format": 99},
    ],
)  # fmt: skip
def test_wrong_values_in_run_json_are_damage(changes: dict[str, Any], run: Run, train: Any) -> None:
    edit(run.path / "run.json", **changes)
    with pytest.raises(ModelError, match=r"run\.json is damaged|later mckennabot"):
        use(run)
    with pytest.raises(ModelError):
        train(9)


@pytest.mark.parametrize(
    "changes",
    [{"step": "8"}, {"step": 7}, {"windows": -5}, {"best_loss": "a"}, {"stale": 0.5}, {"tokens": None}],
)
def test_wrong_values_in_a_state_are_damage(changes: dict[str, Any], run: Run, train: Any) -> None:
    edit(run.path / "state-8" / "state.json", **changes)
    with pytest.raises(ModelError, match=r"state\.json is damaged") as caught:
        train(9)
    assert f"Delete {run.path / 'state-8'}" in str(caught.value.hint)
    shutil.rmtree(run.path / "state-8")
    assert train(9).steps()[-1] == 9


def test_damaged_moments_name_the_way_on_that_finetune_has(run: Run, train: Any) -> None:
    flip(run.path / "state-8" / "moments.data-00000-of-00001")
    with pytest.raises(ModelError, match="damaged") as caught:
        train(9)
    assert "--checkpoint" not in str(caught.value.hint)
    assert "state-8" in str(caught.value.hint)


def flip(path: Path, place: int = -5) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


# The vocabulary


def test_another_vocabulary_is_noticed(run: Run) -> None:
    encoder, merges = run.path / "encoder.json", run.path / "vocab.bpe"
    whole = {path: path.read_bytes() for path in (encoder, merges)}
    vocabulary = json.loads(whole[encoder])
    names = list(vocabulary)
    swapped = vocabulary | {names[40]: vocabulary[names[41]], names[41]: vocabulary[names[40]]}
    for path, content in (
        (encoder, json.dumps(swapped)),
        (encoder, json.dumps({name: i + 7 for name, i in vocabulary.items()})),
        (encoder, json.dumps(vocabulary | {names[0]: 4_000_000_000})),
        (encoder, json.dumps(vocabulary | {names[0]: "0"})),
        (merges, ""),
        (merges, "\n".join(whole[merges].decode().split("\n")[:9])),
    ):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ModelError, match=path.name):
            use(run)
        path.write_bytes(whole[path])
    use(run)


def test_a_vocabulary_that_does_not_fit_together_is_noticed_without_a_record(
    base_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(base_model, tmp_path / "base")
    (tmp_path / "base" / "vocab.bpe").write_text("", encoding="utf-8")
    with pytest.raises(ModelError, match=r"vocab\.bpe is damaged \(it makes \d+ of the 300 tokens no more"):
        Tokenizer.load(tmp_path / "base")


# The pointer


@pytest.mark.parametrize(
    "content", ["", "garbage", 'model_checkpoint_path: "/etc/passwd"\n',
                'model_checkpoint_path: "model-9"\nall_model_checkpoint_paths: "model-5"\n'],
)  # fmt: skip
def test_without_a_pointer_the_best_step_is_taken_and_said(content: str, run: Run) -> None:
    from mckennabot.generate.source import find_source
    from mckennabot.reporter import Silent

    class Listener(Silent):
        said = ""

        def warn(self, text: str) -> None:
            self.said += text

    info = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    expected = run.path / f"model-{info['best_step']}"
    (run.path / "checkpoint").write_text(content, encoding="utf-8")
    listener = Listener()
    source = find_source(GenerateSettings(run=run.name, checkpoints=run.path.parent), listener)
    assert source.weights == expected
    assert "checkpoint names no weights" in listener.said
    damage = next(iter(inventory(run.path.parent))).damage
    assert "checkpoint" in damage or "no weights" in damage


# The weights


def test_weights_that_another_run_left_are_noticed(run: Run, train: Any) -> None:
    other = train(8, run="other", seed=5, eval_every=5, save_every=5)
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copyfile(other.path / f"model-8{suffix}", run.path / f"model-8{suffix}")
    with pytest.raises(ModelError, match=r"model-8\.index is damaged \(not as the run wrote it"):
        run.weights(8)
    with pytest.raises(ModelError, match="not as the run wrote it"):
        train(9)
    assert (
        "model-8.index"
        in next(e for e in inventory(run.path.parent, thorough=True) if e.name == "run1").damage
    )


@pytest.mark.parametrize("name", ["[x]", "a*b", "why?", "back\\slash", "My [2024] models"])
def test_brackets_in_names_are_just_names(name: str, train: Any, tmp_path: Path) -> None:
    """TensorFlow takes them for patterns."""
    run = train(2, run=name, checkpoints=tmp_path / f"in {name}")
    assert dict(read_weights(run.weights(), run.hparams()))
    assert train(3, run=name, checkpoints=tmp_path / f"in {name}").steps()[-1] == 3
    assert not [entry.damage for entry in inventory(run.path.parent, thorough=True) if entry.damage]


def test_an_interrupt_inside_the_reader_is_no_damage(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorFlow's own error takes its place, and pybind11 says so in words alone."""
    import tensorflow as tf

    def interrupted(path: str) -> None:
        raise RuntimeError("ORIGINAL NotFoundError REPLACED BY KeyboardInterrupt: <EMPTY MESSAGE>")

    monkeypatch.setattr(tf.train, "load_checkpoint", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(read_weights(run.weights(), run.hparams()))


# The index of the corpus, and metrics


def test_a_damaged_index_is_made_again(run: Run, train: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = run.path / "originality.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(ModelError, match=r"originality\.npz is damaged"):
        Index.load(run.path)
    train(9)
    assert "originality.npz is damaged" in capsys.readouterr().err
    assert Index.load(run.path).report("the sea is awake").longest.words == 4  # type: ignore[union-attr]


def test_the_index_of_another_run_is_made_again(
    run: Run, train: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    Index.build([("other.txt", [["another book"]])]).save(run.path)
    assert damage_of(run) == "originality.npz is damaged (not as the run wrote it)"
    train(9)
    assert "originality.npz is damaged (not as the run wrote it): making it again" in capsys.readouterr().err
    assert not damage_of(run)


@pytest.mark.parametrize("seed", range(60))
def test_an_index_damaged_at_random_loads_equal_or_not_at_all(seed: int, tmp_path: Path) -> None:
    index = Index.build([("a.txt", [["the sea is awake", "and so on"], ["the sea again"]])])
    index.save(tmp_path)
    expected = index.report("the sea is awake again")
    said = damage(tmp_path / "originality.npz", random.Random(seed))
    with contextlib.suppress(ModelError):
        assert Index.load(tmp_path).report("the sea is awake again") == expected, said


def test_metrics_lose_no_more_than_the_lines_that_are_none(run: Run, train: Any) -> None:
    path = run.path / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[3] = "{"
    lines[4] = json.dumps({"step": "5", "loss": 1.0})
    lines[5] = "[" * 100_000
    lines[6] = '{"step": 7, "loss": Infinity}'  # JSON to Python, and no number to a figure
    path.write_text("\n".join(lines) + '\n{"st', encoding="utf-8")
    assert "metrics.jsonl is damaged (line 4)" in damage_of(run)
    train(10)
    assert [line["step"] for line in read(path)] == [1, 2, 3, 8, 9, 10]


@pytest.mark.parametrize("line", ['{"step": 1, "loss": Infinity}', '{"step": 1, "loss": 1e999}', "[1]"])
def test_every_kind_of_line_that_metrics_leave_out_is_named(line: str, run: Run) -> None:
    (run.path / "metrics.jsonl").write_text(line + "\n", encoding="utf-8")
    assert "metrics.jsonl is damaged (line 1)" in damage_of(run)


def test_a_cache_that_rots_is_found_though_its_times_do_not_change(run: Run) -> None:
    cache = run.path / "ct2-8-float32"
    cache.mkdir()
    (cache / "model.bin").write_bytes(b"whole")
    record = {"files": {"model.bin": {"digest": stored.digest(cache / "model.bin")}}}
    (cache / "cache.json").write_text(json.dumps(record), encoding="utf-8")
    assert not damage_of(run)
    (cache / "model.bin").write_bytes(b"whale")
    assert damage_of(run) == "ct2-8-float32: model.bin is not as it was written (delete it)"
    (cache / "model.bin").unlink()
    assert damage_of(run) == "ct2-8-float32 has lost model.bin (delete it)"
    (cache / "cache.json").write_text('{"files": {"model.bin": 1}}', encoding="utf-8")
    assert "(delete it)" in damage_of(run)


# The system under the files


@pytest.mark.parametrize("name", ["hparams.json", "run.json", "encoder.json", "vocab.bpe", "originality.npz"])
def test_a_pipe_is_not_waited_for(name: str, run: Run) -> None:
    (run.path / name).unlink()
    os.mkfifo(run.path / name)
    with pytest.raises(ModelError, match="no regular file"):
        Index.load(run.path) if name == "originality.npz" else use(run)


def test_closed_files_and_directories_are_rows_of_the_table(warm_cli: Cli, base_model: Path) -> None:
    """And an error with a name, not a bug."""
    checkpoints = warm_cli.cwd / "checkpoints"
    for name in ("open", "shut", "half"):
        shutil.copytree(base_model, checkpoints / name)
    (checkpoints / "shut").chmod(0)
    (checkpoints / "half" / "hparams.json").chmod(0)
    try:
        rows = {line.split()[0]: line for line in warm_cli("models").stdout.splitlines()[1:]}
        assert "Permission denied" in rows["shut"]
        assert "cannot read hparams.json" in rows["half"]
        assert rows["open"].endswith("ok")
        for name in ("shut", "half"):
            said = warm_cli("generate", "--model", name, code=4).stderr
            assert "Permission denied" in said
            assert name in said
    finally:
        (checkpoints / "shut").chmod(0o700)


# Runs that go, and names


def test_a_fresh_start_keeps_what_is_somebody_elses(run: Run, train: Any) -> None:
    (run.path / "notes.txt").write_text("mine")
    (run.path / "plots").mkdir()
    (run.path / "plots" / "a.png").write_bytes(b"mine too")
    train(2, fresh=True)
    assert run.steps() == [2]
    assert (run.path / "notes.txt").read_text() == "mine"
    assert (run.path / "plots" / "a.png").read_bytes() == b"mine too"
    assert not list(run.path.parent.glob(".*.old"))


def test_a_run_that_grows_under_a_similar_name_is_left_alone(run: Run, train: Any) -> None:
    similar = [".run1.5.1a2b3c4d.part", ".run1.large.part", ".run12.1a2b3c4d.part"]
    own = run.path.parent / ".run1.1a2b3c4d.part"
    for name in (*similar, own.name):
        (run.path.parent / name).mkdir()
    train(9)
    assert {path.name for path in run.path.parent.iterdir() if path.name.endswith(".part")} == set(similar)
    assert not own.exists()


@pytest.mark.parametrize("name", ["124M", "tiny", "small", "a\nb", "a\x1b[2J", "../up", ".hidden", "x" * 300])
def test_names_that_no_run_may_have(name: str, train: Any) -> None:
    with pytest.raises(UsageError):
        train(2, run=name)


def test_a_name_that_cannot_be_looked_for_is_an_error_of_the_users(tmp_path: Path) -> None:
    for name in ("x" * 300, "a\0b"):
        with pytest.raises(ModelError):
            find_model(tmp_path, name)


# Numbers and words that might be right, and are others


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("run.json", {"best_step": 5}),
        ("run.json", {"voice": 0.5}),
        ("run.json", {"best_loss": 1.0, "voice_score": None}),
        ("state-8/state.json", {"windows": 17}),
        ("state-8/state.json", {"stale": 1, "seconds": 0.5}),
    ],
)
def test_another_value_of_the_same_kind_is_noticed(name: str, changes: dict[str, Any], run: Run) -> None:
    edit(run.path / name, **changes)
    with pytest.raises(ModelError, match="not as it was written") as caught:
        run.run_info() if name == "run.json" else run.load_state(8)
    assert caught.value.path == run.path / name
    assert 'deletes its "sha256"' in str(caught.value.hint)
    assert "not as it was written" in next(iter(inventory(run.path.parent, thorough=True))).damage


def test_whoever_changes_run_json_takes_its_digest_out(run: Run) -> None:
    content = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    del content["sha256"]
    (run.path / "run.json").write_text(json.dumps(content | {"voice": 0.5}), encoding="utf-8")
    assert run.run_info()["voice"] == 0.5
    assert "sha256" not in run.run_info()


def test_the_moments_of_another_state_are_not_this_one_s(run: Run, whole_run: Run, train: Any) -> None:
    """They have the same shapes, and checksums of their own."""
    train(9)
    for path in (run.path / "state-9").glob("moments.*"):
        shutil.copyfile(whole_run.path / "state-8" / path.name, path)
    with pytest.raises(ModelError, match=r"moments\.index is damaged"):
        train(10)
    assert "moments.index is damaged" in next(iter(inventory(run.path.parent, thorough=True))).damage


def test_another_held_out_text_is_noticed(run: Run) -> None:
    path = run.path / "held-out.txt"
    path.write_text(path.read_text(encoding="utf-8").replace("e", "a", 1), encoding="utf-8")
    assert "held-out.txt is damaged" in next(iter(inventory(run.path.parent, thorough=True))).damage


def test_the_heads_of_openais_models_are_known(tmp_path: Path) -> None:
    """No tensor tells them, and a downloaded model has no run.json."""
    model = ModelDir(tmp_path)
    for sizes in SIZES.values():
        model.write_hparams(sizes)
        assert model.hparams() == sizes
        model.write_hparams(dataclasses.replace(sizes, n_head=sizes.n_embd // 32))
        with pytest.raises(ModelError, match="n_head is"):
            model.hparams()


# Any damage at all, to what is read in this process


@pytest.mark.parametrize("seed", range(150))
def test_damage_at_random_is_noticed_or_changes_nothing(seed: int, whole_run: Run, tmp_path: Path) -> None:
    whole, expected = whole_run, dict(read_weights(whole_run.weights(), whole_run.hparams()))
    run = Run(tmp_path / "run")
    shutil.copytree(whole.path, run.path)
    rng = random.Random(seed)
    files = sorted(path for path in run.path.rglob("*") if path.is_file() and ".lock" not in path.name)
    victim = rng.choice(files)
    said = f"{victim.relative_to(run.path)}: {damage(victim, rng)}"
    checks: list[Callable[[], object]] = [
        lambda: next(iter(inventory(tmp_path))),
        lambda: list(inventory(tmp_path, thorough=True)),
        lambda: [list(found[1]) for found in [run.load_state(8)] if found],
        lambda: Index.load(run.path),
        lambda: read(run.path / "metrics.jsonl"),
    ]
    for check in checks:
        with contextlib.suppress(ModelError):
            check()
    with contextlib.suppress(ModelError):
        vocabulary = Tokenizer.load(run.path).encode("The machine dreams")
        values = dict(read_weights(run.weights(), run.hparams()))
        assert vocabulary == Tokenizer.load(whole.path).encode("The machine dreams"), said
        # Without run.json a run is another program's, of whose best step nobody knows.
        if victim.name not in ("run.json", "checkpoint"):
            assert all(np.array_equal(value, expected[name]) for name, value in values.items()), said


def test_the_small_checks_of_values() -> None:
    assert stored.integer(1, 3)(3)
    assert not any(map(stored.integer(1, 3), (0, 4, 2.0, True, "2", None)))
    assert stored.optional(stored.text)(None)
    assert not stored.mapping(a=stored.integer())({"a": "1"})
    assert stored.mapping(a=stored.integer())({"b": 1})
    assert not stored.each(stored.text)(["a", 1])
    assert State() == State(step=0)
