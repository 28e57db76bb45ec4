"""What users, scripts and other people's files do on a bad day: nothing is lost, and nobody meets a bug."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mckennabot.corpus import read_text
from mckennabot.errors import InputError, ModelError
from mckennabot.finetune.runs import figure
from mckennabot.models.checkpoint import ModelDir
from mckennabot.report.gather import read_sources
from mckennabot.system import files, spool
from mckennabot.system.stored import write_json
from tests.conftest import ROOT, Cli

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs files that only Unix has")

# Names


@pytest.mark.parametrize(
    "args",
    [
        ["extract", ""],
        ["extract", "book.txt", "-o", ""],
        ["finetune", ""],
        ["generate", "--run", ""],
        ["generate", "--checkpoints", ""],
        ["generate", "-o", ""],
        ["score", ""],
        ["export", ""],
        ["serve", "--api-key", ""],
    ],
)
def test_a_variable_that_is_not_set_is_no_name(args: list[str], quick_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("A text.\n", encoding="utf-8")
    assert "empty" in quick_cli(*args, code=2).stderr
    assert [path.name for path in tmp_path.iterdir()] == ["book.txt"]


def test_no_name_is_no_run_to_report_on(quick_cli: Cli, learned_run: ModelDir) -> None:
    quick_cli("report", "", code=4)


@pytest.mark.parametrize("args", [["extract", "book.txt", "-o"], ["generate", "-o"]])
def test_a_name_that_is_too_long_is_named(args: list[str], quick_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("A text.\n", encoding="utf-8")
    assert "File name too long" in quick_cli(*args, "a" * 300, code=2).stderr


def test_a_directory_is_no_file_to_write(quick_cli: Cli, tmp_path: Path) -> None:
    assert "a directory's name" in quick_cli("generate", "-o", "texts/", code=2).stderr
    assert not list(tmp_path.iterdir())


def test_home_is_expanded_in_outputs(quick_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_text("A text.\n", encoding="utf-8")
    quick_cli("extract", "book.txt", "-o", "~/out/", env={"HOME": str(tmp_path)})
    assert (tmp_path / "out" / "book.txt").exists()


@posix
def test_without_a_current_directory_the_error_says_so(cli: Cli, tmp_path: Path) -> None:
    code = "import os; os.rmdir(os.getcwd()); from mckennabot.cli import main; main(['extract', 'b'])"
    cli.cwd = tmp_path / "gone"
    cli.cwd.mkdir()
    done = cli.python(code)
    assert (done.returncode, "the current directory is gone" in done.stderr) == (2, True)


def test_a_name_that_is_not_utf_8_stays_valid_in_json() -> None:
    assert json.loads(write_json({"file": "b\udcff.txt", "é": 1}).encode("utf-8")) == {
        "file": "b\udcff.txt",
        "é": 1,
    }


@posix
def test_a_run_in_a_directory_that_is_not_utf_8_is_sampled(quick_cli: Cli, learned_run: ModelDir) -> None:
    odd = learned_run.path.parent / "r\udcff[1]"
    learned_run.path.rename(odd)
    args = ["--length", "3", "--format", "jsonl", "-o", "t.jsonl"]
    quick_cli("generate", "--run", os.fspath(odd), *args)
    line = json.loads((quick_cli.cwd / "t.jsonl").read_text(encoding="utf-8"))
    assert line["run"] == odd.name


def test_a_stop_that_is_no_text_is_refused(quick_cli: Cli) -> None:
    assert "neither UTF-8" in quick_cli("generate", "--stop", "\udcff", code=2).stderr


# Streams


@posix
@pytest.mark.parametrize("args", ["extract book.txt -o -", "models"])
def test_a_full_stdout_is_no_bug(args: str, cli: Cli, tmp_path: Path, base_model: Path) -> None:
    (tmp_path / "book.txt").write_text("A text.\n", encoding="utf-8")
    shutil.copytree(base_model, tmp_path / "checkpoints" / "base")
    command = f"{sys.executable} -m mckennabot {args} > /dev/full"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=cli.env, capture_output=True, check=False)
    assert (done.returncode, b"no room to write" in done.stderr) == (5, True)


@posix
def test_a_conversation_survives_bytes_that_are_no_text(cli: Cli, learned_run: ModelDir) -> None:
    command = f"printf 'a\\377\\n/quit\\n' | {sys.executable} -m mckennabot generate --interactive --length 2"
    done = subprocess.run(
        ["sh", "-c", command], cwd=cli.cwd, env={**cli.env, "LC_ALL": "C"}, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.startswith(b"a\xef\xbf\xbd")) == (0, True), done.stderr


def test_binary_stdin_is_not_scored_as_a_text(cli: Cli) -> None:
    command = f"printf '\\377\\376' | {sys.executable} -m mckennabot score -"
    done = subprocess.run(["sh", "-c", command], cwd=cli.cwd, env=cli.env, capture_output=True, check=False)
    assert (done.returncode, b"not UTF-8" in done.stderr) == (3, True)


@posix
def test_a_text_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mckennabot.corpus.MAX_TEXT", 1 << 20)
    with pytest.raises(InputError, match="more than 1 MB"):
        read_text(Path("/dev/zero"))


def test_what_is_piped_in_is_called_as_the_user_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_opened", lambda path: open(os.devnull, "rb"))  # noqa: PTH123, SIM115
    with pytest.raises(InputError) as error, spool.spooled([Path("-")]) as (path,):
        raise InputError("the file is empty", path=path)
    assert str(error.value) == "the file is empty: -"


# Settings


def test_no_output_takes_the_place_of_the_settings_file(quick_cli: Cli, tmp_path: Path) -> None:
    settings, book = tmp_path / "my.toml", tmp_path / "book.txt"
    settings.write_text("[generate]\nlength = 2\n", encoding="utf-8")
    book.write_text("A text.\n", encoding="utf-8")
    for args in (
        ["generate", "-o", "my.toml", "--force"],
        ["extract", "book.txt", "-o", "my.toml", "--force"],
        ["extract", "book.txt", "--report", "my.toml"],
        ["export", "-o", "my.toml", "--force"],
    ):
        assert "would replace what is read" in quick_cli("--config", "my.toml", *args, code=2).stderr
    assert settings.read_text(encoding="utf-8") == "[generate]\nlength = 2\n"


@posix
def test_settings_that_are_no_file_are_not_waited_for(quick_cli: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "mckennabot.toml")
    assert "no regular file" in quick_cli("models", code=2).stderr


def test_settings_may_begin_with_a_byte_order_mark_and_hold_no_endless_number(
    quick_cli: Cli, tmp_path: Path
) -> None:
    settings = tmp_path / "mckennabot.toml"
    settings.write_bytes(b'\xef\xbb\xbf[models]\r\ncheckpoints = "here"\r\n')
    assert "No models in here" in quick_cli("models").stderr
    settings.write_text("[finetune]\nsteps = 0x" + "f" * 6000, encoding="utf-8")
    assert "63 bits" in quick_cli("models", code=2).stderr


# Other people's files in the current directory, and in the home


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs PYTHONSAFEPATH")
def test_a_child_imports_nothing_from_the_current_directory(tmp_path: Path) -> None:
    here, script = tmp_path / "here", tmp_path / "script.py"
    here.mkdir()
    for name in ("struct", "socket", "logging"):
        (here / f"{name}.py").write_text("raise SystemExit('taken from here')", encoding="utf-8")
    script.write_text(
        "import os\nfrom functools import partial\nfrom mckennabot.system.processes import Call\n"
        "assert Call(partial(os.getpid), None, fresh=True).result() != os.getpid()\n",
        encoding="utf-8",
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], cwd=here, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_keras_leaves_the_home_alone_and_matplotlib_out(cli: Cli, tmp_path: Path) -> None:
    code = "import sys, mckennabot.backend as b; b.import_keras(); print('matplotlib' in sys.modules)"
    env = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = cli.python(code, env=env)
    assert (done.stdout.strip(), list(tmp_path.iterdir())) == ("False", []), done.stderr


def test_a_figure_is_drawn_by_our_own_settings(tmp_path: Path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    (tmp_path / "m.jsonl").write_text(
        '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n', encoding="utf-8"
    )
    with matplotlib.rc_context({"text.usetex": True}):  # which runs LaTeX
        figure.plot(tmp_path / "m.jsonl", tmp_path / "m.png")
        assert matplotlib.rcParams["text.usetex"]
    assert (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


@posix
def test_files_that_a_run_only_names_are_not_waited_for(learned_run: ModelDir, tmp_path: Path) -> None:
    pipe = tmp_path / "data" / "pipe.txt"
    os.mkfifo(pipe)
    os.mkfifo(pipe.with_suffix(".json"))
    info = learned_run.run_info()
    info["corpus"]["files"] = [str(pipe)]
    learned_run.write_run_info(info)
    (source,) = read_sources(learned_run)
    assert source.words == 0
    for name in ("\ud800", "a\0b"):  # which no file can be called
        learned_run.write_run_info(info | {"corpus": {"files": [name]}})
        with pytest.raises(ModelError, match=r"run\.json is damaged"):
            learned_run.run_info()


def test_what_ollama_is_to_be_told_can_be_pasted_into_a_shell(quick_cli: Cli, learned_run: ModelDir) -> None:
    assert "goes to no pipe" in quick_cli("export", "-o", "-", code=2).stderr
    learned_run.path.rename(learned_run.path.with_name("a $(touch x)\nFROM b"))
    quick_cli("export", "a $(touch x)\nFROM b", "--format", "ollama", "-o", "out")
    lines = (quick_cli.cwd / "out" / "Modelfile").read_text(encoding="utf-8").splitlines()
    assert "ollama create $'a $(touch x)\\x0aFROM b' -f Modelfile" in lines[0]
    assert [line for line in lines if line.startswith("FROM")] == ["FROM ./model.gguf"]


# What is on the disk before it has its name


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_everything_is_on_the_disk_before_it_gets_its_name(
    train: Any, quick_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[int] = set()
    bare: list[str] = []
    named = [0]
    fsync, rename, replace = os.fsync, os.rename, os.replace

    def synchronise(descriptor: int) -> None:
        synced.add(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def check(source: Any, target: Any) -> Any:
        path = Path(source)
        if not Path(target).name.startswith("."):  # which is no name for others yet, or no longer
            inside = [path, *path.rglob("*")] if path.is_dir() else [path]
            bare.extend(str(each) for each in inside if each.stat().st_ino not in synced)
            named[0] += 1
        return source

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(os, "rename", lambda a, b: rename(check(a, b), b))
    monkeypatch.setattr(os, "replace", lambda a, b: replace(check(a, b), b))
    train(2)
    train(2, model="tiny", run="born")
    train(2, model="tiny", run="born", fresh=True)
    quick_cli("generate", "--run", "run1", "--length", "3", "-o", "t.txt")
    quick_cli("extract", "data/book.txt", "-o", "new/place/")
    for form in ("bundle", "gguf", "hf"):
        quick_cli("export", "run1", "--format", form)
    assert named[0] > 40
    assert not [path for path in bare if not path.endswith(".lock")]
    assert {path.stat().st_ino for path in (tmp_path, tmp_path / "new", tmp_path / "new" / "place")} <= synced


def test_directories_are_made_and_synced_up_to_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(files, "sync", synced.append)
    files.make_directories(tmp_path / "a" / "b")
    assert set(synced) == {tmp_path, tmp_path / "a"}
    (tmp_path / "f").touch()
    with pytest.raises(NotADirectoryError):
        files.make_directories(tmp_path / "f" / "g")
